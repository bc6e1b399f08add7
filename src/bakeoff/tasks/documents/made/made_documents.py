"""Which documents the made corpus has, how each one looks, and the figures drawn in them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bakeoff.errors import BadData
from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_facts import ARBITRATION, LAWS
from bakeoff.tasks.documents.made.made_figures import Pen, bar_chart, flow_chart, line_chart, raster_diagram
from bakeoff.tasks.documents.made.made_look import GREY, LETTER, Colour, Look
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_script import Draw, script

NAVY: Colour = (0.10, 0.20, 0.36)
GREEN: Colour = (0.09, 0.33, 0.27)
TEAL: Colour = (0.02, 0.36, 0.42)
RUST: Colour = (0.55, 0.24, 0.10)


@dataclass(frozen=True, slots=True)
class Document:
    """One document to be written: the script's name, the file's, and what its shared clauses say."""

    file: str
    name: str
    title: str
    look: Look
    terms: Mapping[str, str] = field(default_factory=dict)


def running(
    left: str, right: str = "", *, foot: str = "", style: Literal["plain", "ruled", "band"] = "plain", first: bool = True
) -> Callable[[Writer], None]:
    """What repeats on every page: a head on the left and right, and a foot with the page number. `first` puts it on page 1 too."""

    def draw(writer: Writer) -> None:
        width, height = writer.shown
        look = writer.look
        margin, right_margin = look.margins[0], look.margins[2]
        if first or writer.page > 1:
            if style == "band":
                writer.fill(0, 0, width, 30, look.accent)
                writer.text_at(margin, 19.5, left, size=8.5, family=look.heads, bold=True, colour=(1, 1, 1))
                writer.text_at(width - right_margin, 19.5, right, size=8.5, family=look.heads, align="right", colour=(1, 1, 1))
            else:
                writer.text_at(margin, 46, left, size=8, family=look.heads, colour=GREY)
                writer.text_at(width - right_margin, 46, right, size=8, family=look.heads, align="right", colour=GREY)
                if style == "ruled":
                    writer.rule(margin, 52, width - right_margin, 0.5, GREY)
        number = f"Page {writer.page}" if style != "plain" else str(writer.page)
        if foot:
            writer.text_at(margin, height - 38, foot, size=7.5, family=look.heads, colour=GREY)
            writer.text_at(width - right_margin, height - 38, number, size=8, family=look.heads, align="right", colour=GREY)
        else:
            writer.text_at(width / 2, height - 38, number, size=9, family=look.heads, align="centre", colour=GREY)

    return draw


def documents(values: Mapping[str, str], seed: int) -> list[Document]:
    """The documents that are set from scripts, in the order of a matter's index."""
    sans = made_fonts.SANS
    terms = _terms(values, seed)
    small = Look(
        body=sans, heads=sans, points=9.2, margins=(50, 66, 50, 58), columns=2, gutter=24, after=6, accent=NAVY, leading=1.42
    )
    return [
        Document("halden-supply-agreement.pdf", "halden", "Supply Agreement: Halden Castings", Look(points=11.4, leading=1.5, after=9, furniture=running("Supply Agreement", "Execution version", first=False)), terms["halden"]),
        Document(
            "brackwater-supply-agreement.pdf",
            "brackwater",
            "Master Supply Agreement: Brackwater Polymers",
            Look(body=sans, heads=sans, points=10.2, leading=1.5, after=9, accent=GREEN, margins=(72, 76, 72, 66), furniture=running("Master Supply Agreement", values["s2.matter"], foot=values["brack"], style="ruled")),
            terms["brackwater"],
        ),
        Document("halden-second-deed-of-variation.pdf", "variation", "Second Deed of Variation: Halden Castings", Look(points=12, leading=1.55, after=11, margins=(92, 96, 92, 88), furniture=running("", "Second Deed of Variation"))),
        Document("marlow-reach-lease.pdf", "lease", "Lease: Marlow Reach Business Park", Look(points=11.2, leading=1.5, after=9, furniture=running("Lease", values["l.premises"], style="ruled")), terms["lease"]),
        Document("pipewright-licence.pdf", "licence", "Software Licence: Pipewright", replace(small, furniture=running(values["tess"], values["li.number"], foot="Confidential", style="ruled")), terms["licence"]),
        Document("quillfeather-shareholders-agreement.pdf", "shareholders", "Shareholders’ Agreement: Quillfeather Analytics", Look(points=11.6, leading=1.5, after=9.5, accent=NAVY, furniture=running("", "Shareholders’ Agreement", first=False)), terms["shareholders"]),
        Document(
            "employee-handbook.pdf",
            "handbook",
            "Employee Handbook",
            Look(body=made_fonts.VERA, heads=made_fonts.VERA, points=9.6, leading=1.6, after=9, accent=TEAL, justified=False, margins=(64, 66, 76, 64), furniture=running("Employee Handbook", f"Edition {values['h.edition']}", foot=values["kv"], style="band")),
        ),
        Document(
            "kv-440-manual.pdf",
            "manual",
            "KV-440 Ultrasonic Flow Meter: Manual",
            Look(body=sans, heads=sans, points=10, leading=1.46, after=8, accent=RUST, margins=(84, 70, 60, 64), furniture=running("KV-440", values["k.document"], foot="Installation, operation and maintenance", style="ruled", first=False)),
        ),
        Document("board-minutes-2024.pdf", "minutes", "Minutes of the Board 2024", Look(points=11.6, leading=1.5, after=9, margins=(80, 84, 80, 78), furniture=running("Board of Directors", "Confidential", style="ruled"))),
        Document("data-protection-policy.pdf", "policy", "Data Protection and Retention Policy", Look(body=sans, heads=sans, points=10.4, leading=1.52, after=9, accent=NAVY, furniture=running("Data Protection and Retention Policy", f"Version {values['d3.version']}", foot=f"DP-{values['d3.number']}", style="ruled"))),
        Document("ostrander-v-calloway-memorandum.pdf", "filing", "Ostrander v. Calloway: Memorandum", Look(page=LETTER, points=11.4, leading=1.5, after=9, margins=(64, 72, 64, 70), gutter=26, furniture=running("", f"Case No. {values['f.case']}"))),
    ]  # fmt: skip


def expanded(name: str) -> str:
    """A script with the shared clauses that it includes."""
    shared = {
        part.partition("\n")[0].strip(): part.partition("\n")[2]
        for part in re.split(r"^== ", script("boilerplate"), flags=re.MULTILINE)[1:]
    }

    def clause(match: re.Match[str]) -> str:
        if match[1] not in shared:
            raise BadData(f"There is no shared clause {match[1]!r}.", fix="correct the script")
        return shared[match[1]].strip("\n")

    return re.sub(r"^@include (\w+)$", clause, script(name), flags=re.MULTILINE)


def _terms(values: Mapping[str, str], seed: int) -> dict[str, dict[str, str]]:
    """What the shared clauses say in each contract: never the same twice, so that each figure belongs to one contract."""
    rng = random.Random(f"bakeoff made corpus {seed} terms")
    names = ("halden", "brackwater", "lease", "licence", "shareholders")

    def different(choices: Iterable[int | str]) -> list[str]:
        return [f"{choice:,}" if isinstance(choice, int) else choice for choice in rng.sample(list(choices), len(names))]

    drawn = {
        "payment_days": different(range(18, 64)),
        "interest": [f"{value}.{rng.choice('2357')}" for value in rng.sample(range(2, 8), len(names))],
        "cap": [f"£{value}" for value in different(range(1_200_000, 6_900_000, 100_000))],
        "claim_months": different(("seven", "eight", "ten", "eleven", "fourteen", "fifteen", "sixteen")),
        "insurance": [f"£{value} million" for value in different(range(3, 16))],
        "secrecy_years": different(("three", "four", "six", "seven", "eight", "nine")),
        "force_days": different(range(47, 118)),
        "notice_months": different(("four", "five", "seven", "eight", "nine", "ten")),
        "remedy_days": different(range(16, 45)),
        "record_years": different(("five", "seven", "eight", "ten", "eleven", "twelve")),
        "post_day": different(("second", "third", "fourth", "fifth", "sixth")),
        "talk_days": different(range(62, 118)),
        "law": list(rng.sample(LAWS, len(names))),
    }  # fmt: skip
    seats = rng.sample(ARBITRATION, len(names))
    ordinals = {"second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th"}
    roles = {
        "halden": ("b1", "the Halden supply agreement", "Agreement", "Customer", "Supplier"),
        "brackwater": ("b2", "the Brackwater supply agreement", "agreement", "Buyer", "Seller"),
        "lease": ("b3", "the Marlow Reach lease", "Lease", "Tenant", "Landlord"),
        "licence": ("b4", "the Pipewright licence", "Agreement", "Licensee", "Licensor"),
        "shareholders": ("b5", "the Quillfeather shareholders’ agreement", "Agreement", "Investors", "Company"),
    }  # fmt: skip
    found = {}
    for place, name in enumerate(names):
        key, title, deed, payer, payee = roles[name]
        own = {field_name: drawn[field_name][place] for field_name in drawn}
        own |= {
            "key": key,
            "title": title,
            "deed": deed,
            "payer": payer,
            "payee": payee,
            "seat": seats[place][0],
            "arbitral": seats[place][1],
        }
        own["first"] = " as first signed" if name == "halden" else ""
        own["post_number"] = ordinals[own["post_day"]]
        found[name] = {f"d.{field_name}": value for field_name, value in own.items()}
    return found


# --- figures -----------------------------------------------------------------------------------------------------------


def figures(name: str, values: Mapping[str, str]) -> dict[str, Draw]:
    """The figures of a document, by the name its script uses."""
    if name == "lease":
        return {"plan": _plan}
    if name == "policy":
        return {"breach": lambda pen: _breach(pen, values)}
    return _manual(values) if name == "manual" else {}


def _plan(pen: Pen) -> None:
    width = pen.width
    pen.bar(0, 0, width, pen.height, (0.95, 0.96, 0.94))
    pen.bar(0, 104, width, 132, (0.84, 0.84, 0.86))
    pen.text(width * 0.45, 121, "Estate road", size=8, align="centre", colour=GREY)
    for number in range(5):
        x = 30 + number * (width - 60) / 5
        pen.lines([(x, 20), (x + 92, 20), (x + 92, 88), (x, 88)], closed=True, fill=(1, 1, 1))
        pen.text(x + 46, 58, f"Unit {number + 1}", size=8, align="centre")
    x = width * 0.36
    pen.lines(
        [(x, 152), (x + 190, 152), (x + 190, 200), (x + 120, 200), (x + 120, 226), (x, 226)],
        closed=True,
        fill=(1, 1, 1),
        colour=(0.8, 0.1, 0.1),
        thickness=2,
    )
    pen.text(x + 60, 190, "The Premises", size=9, bold=True, align="centre")
    for number in range(11):
        pen.lines([(30 + number * 14, 160), (30 + number * 14, 184)], colour=GREY, thickness=0.5)
    pen.text(30, 198, "Visitor parking", size=7.5)
    pen.text(30, 152, "[[l.plan.gate: Gate B]]", size=7.5, bold=True)
    pen.text(width - 74, 98, "Gate A", size=7.5, bold=True)
    pen.lines([(width - 40, 220), (width - 40, 190)], thickness=1.2)
    pen.arrow([(width - 40, 210), (width - 40, 186)])
    pen.text(width - 40, 234, "N", size=9, bold=True, align="centre")


def _breach(pen: Pen, values: Mapping[str, str]) -> None:
    flow_chart(
        pen,
        {
            "start": (0.14, 0.12, "end", "Suspicion noticed"),
            "report": (0.42, 0.12, "step", "Report to the|service desk"),
            "contain": (0.72, 0.12, "step", "Contain it and|keep the evidence"),
            "risk": (0.72, 0.46, "choice", f"Risk to people?|[[d3.fig.hours: Decide within {values['d3.fig_hours']} hours]]"),
            "register": (0.22, 0.46, "step", "Enter in the register"),
            "tell": (0.72, 0.86, "step", "Tell the regulator,|and the people if the risk is high"),
            "close": (0.22, 0.86, "end", "Review and close"),
        },
        [
            ("start", "report", ""),
            ("report", "contain", ""),
            ("contain", "risk", ""),
            ("risk", "register", "no"),
            ("risk", "tell", "yes"),
            ("tell", "close", ""),
            ("register", "close", ""),
        ],
    )


def _manual(values: Mapping[str, str]) -> dict[str, Draw]:
    low = float(values["k.d1a"])
    most = float(values["k.d2a"])
    curve = [(most * share, 0.25 + 1.6 * (low / (most * share)) ** 0.6) for share in [0.01 * step for step in range(2, 100)]]
    sizes = ("DN 80", "DN 100", "DN 150", "DN 200")
    losses = [float(values[f"k.bar{number}"]) for number in range(1, 5)]
    labels = {("Loss", number - 1): f"[[k.fig.bar{number}: {values[f'k.bar{number}']}]]" for number in range(1, 5)}
    return {
        "cutaway": lambda pen: pen.image(_cutaway(), pen.width * 0.08, 0, pen.width * 0.84, pen.height),
        "block": lambda pen: pen.image(_block(values), pen.width * 0.05, 0, pen.width * 0.9, pen.height),
        "error": lambda pen: line_chart(
            pen, curve, across="Flow in m³/h", up="Error in per cent of reading", notes=[(*curve[6], "transition flow")]
        ),
        "bars": lambda pen: bar_chart(pen, {"Loss": losses}, sizes, labels, axis="Pressure loss in mbar"),
        "setup": lambda pen: flow_chart(
            pen,
            {
                "on": (0.2, 0.07, "end", "Supply on"),
                "lang": (0.2, 0.24, "step", "Choose language|and units"),
                "size": (0.2, 0.43, "step", "Enter size and liquid"),
                "full": (0.2, 0.64, "choice", "Pipe full and|liquid at rest?"),
                "wait": (0.52, 0.64, "step", f"Fill and wait|[[k.fig.wait: {values['k.fig_wait']} minutes]]"),
                "zero": (0.2, 0.92, "step", "Start zero adjustment"),
                "drift": (0.82, 0.92, "choice", f"[[k.fig.limit: Drift below {values['k.fig_limit']} mm/s]]?|If not, fill again"),
                "save": (0.82, 0.30, "end", "Save the settings"),
            },
            [
                ("on", "lang", ""),
                ("lang", "size", ""),
                ("size", "full", ""),
                ("full", "wait", "no"),
                ("full", "zero", "yes"),
                ("zero", "drift", ""),
                ("drift", "save", "yes"),
            ],
        ),
    }


def _cutaway() -> Any:
    boxes = [(120, 250, 760, 150, ""), (420, 60, 170, 120, "Transmitter"), (60, 215, 60, 220, ""), (880, 215, 60, 220, "")]
    arrows = [(330, 385, 520, 265), (640, 385, 470, 265), (150, 325, 270, 325)]
    return raster_diagram(
        1000,
        520,
        boxes,
        arrows,
        [(300, 420, "Transducer A"), (680, 420, "Transducer B"), (210, 300, "Flow"), (90, 470, "Flange"), (505, 205, "Neck")],
    )


def _block(values: Mapping[str, str]) -> Any:
    boxes = [
        (40, 60, 220, 110, "Transducers"),
        (330, 60, 220, 110, "Switch and|amplifier"),
        (620, 60, 220, 110, "Time to digital|converter"),
        (620, 260, 220, 110, f"Processor|{values['k.rate']} readings/s"),
        (330, 260, 220, 110, "Memory and|clock"),
        (40, 260, 220, 110, "Display"),
        (910, 60, 190, 110, "Supply"),
        (910, 260, 190, 110, "Outputs"),
    ]
    arrows = [
        (260, 115, 328, 115),
        (550, 115, 618, 115),
        (730, 170, 730, 258),
        (620, 315, 552, 315),
        (330, 315, 262, 315),
        (840, 315, 908, 315),
        (1005, 170, 1005, 258),
    ]
    return raster_diagram(1140, 430, boxes, arrows, [])
