"""The annual reports of the two companies for three years: statements from the accounts, stories from the seed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_documents import GREEN, NAVY, Document, running
from bakeoff.tasks.documents.made.made_facts import Drawer, said
from bakeoff.tasks.documents.made.made_figures import PALETTE, Pen, bar_chart
from bakeoff.tasks.documents.made.made_finance import Accounts, accounts, amount
from bakeoff.tasks.documents.made.made_look import LETTER, Look
from bakeoff.tasks.documents.made.made_script import Asked, Draw
from bakeoff.tasks.documents.made.made_statements import numbers

REPORTED = (2022, 2023, 2024)

_ASKED = {
    "revenue": ("What {was} {name}’s {revenue} in {year}?", "How much did {name} sell in {year}?", "What turnover did {name} report for {year}?"),
    "gross": ("What gross profit did {name} make in {year}?", "How much was left of {name}’s {year} sales after the cost of sales?"),
    "operating": ("What was {name}’s {operating} in {year}?", "How much did {name} earn from operations in {year}, before interest and tax?"),
    "rd": ("How much did {name} spend on research and development in {year}?", "What was {name}’s R&D expense for {year}?"),
    "admin": ("What were {name}’s administrative costs in {year}?", "How much did administration cost {name} in {year}?"),
    "pbt": ("What did {name} earn before tax in {year}?", "What was {name}’s {year} result before taxes?"),
    "tax": ("How much tax was charged in {name}’s {year} accounts?", "What was {name}’s tax charge for {year}?"),
    "net": ("What was {name}’s profit after tax for {year}?", "How large was {name}’s net income in {year}?"),
    "capex": ("How much did {name} invest in property, plant and equipment in {year}?", "What was {name}’s {year} spending on fixed assets?"),
    "cfo": ("How much cash did {name}’s operations generate in {year}?", "What was {name}’s operating cash flow in {year}?"),
    "dividends": ("How much did {name} pay out in dividends in {year}?", "What sum went to {name}’s shareholders as dividends in {year}?"),
    "cash": ("How much cash did {name} hold at the end of {year}?", "What were {name}’s liquid funds on 31 December {year}?"),
    "inventories": ("What were {name}’s stocks worth at the end of {year}?", "How large were {name}’s inventories on 31 December {year}?"),
    "receivables": ("How much was owed to {name} by customers at the end of {year}?", "What receivables did {name} show on 31 December {year}?"),
    "borrowings": ("How much debt did {name} have at the end of {year}?", "What did {name} owe in borrowings on 31 December {year}?"),
    "equity": ("How much equity did {name} have at the end of {year}?", "What was {name}’s total equity on 31 December {year}?"),
    "goodwill": ("What goodwill did {name} carry at the end of {year}?", "How much goodwill was on {name}’s balance sheet on 31 December {year}?"),
    "segment0": ("What revenue did {name}’s {s0} segment make in {year}?", "How much did {s0} contribute to {name}’s sales in {year}?"),
    "segment2": ("What did {name}’s {s2} segment sell in {year}?", "How much revenue came from {s2} at {name} in {year}?"),
    "result1": ("What was the result of {name}’s {s1} segment in {year}?", "How profitable was {s1} at {name} in {year}, in absolute terms?"),
    "region1": ("What did {name} sell in {r1} in {year}?", "How much of {name}’s {year} sales went to {r1}?"),
    "staff": ("How many people did {name} employ in {year}?", "What was {name}’s headcount in {year}?"),
    "eps": ("What were {name}’s basic earnings per share in {year}?", "How much did {name} earn on each share in {year}?"),
}  # fmt: skip


def reports(values: Mapping[str, str], seed: int) -> list[tuple[Document, dict[str, str], dict[str, Draw], list[Asked]]]:
    """The six reports: document, what its script's values are, its figures, and questions about its statements."""
    found = []
    for key, template in (("kv", "report_kv"), ("brook", "report_brook")):
        books = accounts(seed, key)
        for year in REPORTED:
            draw = Drawer(seed, f"report {key} {year}")
            own = {
                **numbers(books, year),
                **(_kv(draw, values, books, year) if key == "kv" else _brook(draw, values, books, year)),
            }
            own = {f"r.{name}": value for name, value in own.items()}
            if key == "kv":
                look = Look(
                    points=11,
                    heads=made_fonts.SANS,
                    accent=NAVY,
                    margins=(76, 80, 76, 72),
                    after=9,
                    leading=1.52,
                    furniture=running(values["kv"], f"Annual Report {year}", style="ruled", first=False),
                )
                document = Document(
                    f"kestrel-vane-annual-report-{year}.pdf", template, f"Kestrel Vane Instruments: Annual Report {year}", look
                )
            else:
                look = Look(
                    page=LETTER,
                    body=made_fonts.SANS,
                    heads=made_fonts.SANS,
                    points=9.9,
                    accent=GREEN,
                    margins=(70, 74, 70, 70),
                    after=9,
                    leading=1.56,
                    justified=False,
                    furniture=running(values["brook"], f"Fiscal {year}", foot="Form of annual report", style="ruled"),
                )
                document = Document(
                    f"ostrander-annual-report-{year}.pdf", template, f"Ostrander Foods: Annual Report {year}", look
                )
            found.append((document, own, _figures(books, year), _asked(books, year)))
    return found  # fmt: skip


# --- stories -----------------------------------------------------------------------------------------------------------


def _kv(draw: Drawer, values: Mapping[str, str], books: Accounts, year: int) -> dict[str, str]:
    rng = draw.rng
    signed = date(year + 1, 3, 1) + timedelta(days=rng.randrange(3, 24))
    now = books.of[year]
    grew = now["revenue"] >= books.of[year - 1]["revenue"]
    first_loan = round(now["borrowings"] * rng.uniform(0.3, 0.45))
    last, place = year == 2024, REPORTED.index(year)
    return {
        "countries": str(66 + 3 * (year - 2020) + rng.randrange(0, 3)),
        "installed": f"{(31 + 4 * (year - 2020)) * 10_000:,}",
        "opening": (
            "It is never easy to write about a year that began with empty shelves.",
            "This was a year in which patience was rewarded.",
            "Few years have begun with as much uncertainty and ended with as little.",
        )[place],
        "dps": f"{now['net'] * 1e5 * 100 * 0.24 / books.shares:.2f}",
        "dividend_on": said(date(year + 1, 5, 12) + timedelta(days=rng.randrange(0, 16))),
        "story": (
            "For months the components that we needed could be had only from brokers, at prices that bore no relation to their cost. We chose to keep our promises to customers and to accept the lower margin. I believe that we will be thanked for it. The site at Cowley Marsh was opened in the autumn and gives our engineers, for the first time, a test field with running water of every quality.",
            "Water companies placed more orders than in the year before, in part because regulators now ask for leaks to be measured and not estimated. Industry was more cautious. We have kept our prices under review and passed on most of the rise in the cost of castings and electronics, and we have used the quieter months to rebuild the assembly line for small bores.",
            "We looked hard at a large acquisition in the United States and in the end did not make it, because the price did not allow for what we found. Discipline of that kind seldom makes headlines. The new calibration rig is taking shape; it will let us certify meters of a size that only two laboratories in Europe can handle today.",
        )[place],
        "joined": values[("person25", "person26", "person28")[place]],
        "joined_on": said(date(year, 2, 1) + timedelta(days=rng.randrange(0, 100))),
        "signed": said(signed),
        "water": "Demand was driven by programmes against leakage and by new treatment works." if grew else "Several tenders were put off to the following year while regulators settled prices.",
        "process": draw.pick("Chemical customers were slow to invest, while makers of batteries and food built new plants.", "Food and paper held up well; chemicals did not."),
        "tender": f"{rng.uniform(4.2, 9.6):.1f}",
        "board": ("Lower Wending", "North Calder", "Tarn and Ester")[place],
        "tender_years": draw.pick("three", "four"),
        "weeks": str(rng.randrange(9, 21)),
        "model": ("KV-T5", "KV-T6", "KV-T8")[place],
        "launch_month": draw.pick("March", "June", "September") + f" {year}",
        "approved": draw.pick("eleven", "fourteen", "nineteen"),
        "calibrated": f"{rng.randrange(21_000, 29_500):,}",
        "onsite": str(rng.randrange(17, 29)),
        "contracts": f"{rng.randrange(1100, 1900):,}",
        "margin_story": draw.pick("Higher wages and dearer castings were for the most part offset by better prices.", "The mix moved towards larger meters, on which margins are lower."),
        "invested": ("the test field at Cowley Marsh", "the assembly line for small bores", "the new calibration rig")[place],
        "hedged": str(rng.randrange(52, 86)),
        "cent": f"{rng.uniform(0.1, 0.4):.1f}",
        "sensitivity": f"{rng.uniform(0.5, 1.9):.1f}",
        "covenant": draw.pick("2.75", "3.25"),
        "stock_weeks": str(rng.randrange(12, 26)),
        "tests_by": "an outside laboratory",
        "trial": draw.pick("four", "six"),
        "largest": f"{rng.uniform(4.1, 8.9):.1f}",
        "nonexecs": "six",
        "met": ("nine", "seven", "five")[(place + rng.randrange(0, 1)) % 3],
        "audit_met": draw.pick("four", "five"),
        "auditor": ("Thrale & Partners LLP", "Thrale & Partners LLP", "Wynford Audit LLP")[place],
        "auditor_since": "2016" if not last else "2024",
        "other_fees": str(rng.randrange(4, 19)),
        "votes": f"{rng.uniform(81, 97):.1f}",
        "bonus": str(rng.randrange(41, 78)),
        "women": str(rng.randrange(36, 47)),
        "women_top": str(rng.randrange(24, 35)),
        "energy": f"{rng.randrange(8_200, 10_900):,}",
        "energy_less": f"{rng.uniform(2.1, 7.9):.1f}",
        "carbon": f"{rng.randrange(910, 1490):,}",
        "solar": str(rng.randrange(180, 420, 10)),
        "recycled": str(rng.randrange(71, 93)),
        "accidents": (("six", "eight"), ("five", "seven"), ("three", "four"))[place][rng.randrange(0, 2)],
        "near": str(rng.randrange(110, 260)),
        "stress": str(rng.randrange(17, 29)),
        "headroom": f"{rng.uniform(1.2, 3.6):.1f}",
        "life_buildings": "25 to 40",
        "life_plant": "8 to 12",
        "placed": f"{rng.uniform(1.4, 6.8):.1f}",
        "lender1": "Hallam Bank plc",
        "lender2": "Nordhafen Insurance",
        "limit1": str(rng.randrange(40, 65, 5)),
        "margin1": f"{rng.uniform(1.3, 2.2):.2f}",
        "rate2": f"{rng.uniform(3.6, 5.2):.2f}",
        "due1": said(date(year + 3, 6, 30) - timedelta(days=rng.randrange(0, 80))),
        "due2": said(date(2031, 9, 30)),
        "loan1": amount(first_loan, True),
        "loan2": amount(now["borrowings"] - first_loan, True),
        "claim": f"{rng.uniform(1.6, 4.8):.1f}",
        "claim_country": draw.pick("Portugal", "Greece", "Belgium"),
        "claim_provided": f"{rng.uniform(0.3, 0.8):.1f}",
        "after": (
            "There were no events that need to be reported.",
            "On 14 February a fire destroyed part of a rented store; the damage is insured and production was not interrupted.",
            "The Board ended talks about an acquisition before the end of the year; nothing further needs to be reported.",
        )[place],
        "materiality": f"{now['pbt'] * 0.05 / 10:.2f}",
        "coverage": str(rng.randrange(84, 96)),
        "partner": draw.pick("Orla Winterbourne", "Desmond Achterberg", "Cecily Strand"),
        "agm": said(date(year + 1, 5, 2) + timedelta(days=rng.randrange(0, 9))),
        "registrar": "Quayside Registrars",
        "holders": f"{rng.randrange(3100, 5600):,}",
        "halfyear": f"August {year + 1}",
    }  # fmt: skip


def _brook(draw: Drawer, values: Mapping[str, str], books: Accounts, year: int) -> dict[str, str]:
    rng = draw.rng
    now, last, place = books.of[year], year == 2024, REPORTED.index(year)
    line = round(now["borrowings"] * rng.uniform(0.3, 0.5))
    up = now["revenue"] >= books.of[year - 1]["revenue"]
    plan = round(-now["capex"] * rng.uniform(0.9, 1.0), -2)
    return {
        "state": "A corporation of the State of Alder",
        "ein": f"98-{7310042}",
        "address": "1200 Cannery Road, Cutler Falls",
        "shares": f"{books.shares:,}",
        "cover_date": f"February {rng.randrange(9, 27)}, {year + 1}",
        "growers": str(rng.randrange(310, 480)),
        "plants": "four",
        "ten": f"{rng.uniform(41, 58):.1f}",
        "fruits": draw.pick("eleven", "twelve", "fourteen"),
        "harvest": f"{rng.randrange(61_000, 88_000, 100):,}",
        "harvest_before": "74,000",
        "harvest_story": draw.pick("A late frost cost us a part of the cherries.", "A cool spring delayed the strawberries by two weeks."),
        "gas": f"{rng.randrange(4_100, 7_900, 10):,}",
        "backlog": f"{rng.randrange(17_000, 34_000, 50):,}",
        "seasonal": f"{rng.randrange(900, 1700, 50):,}",
        "union": str(rng.randrange(44, 63)),
        "union_end": f"June 30, {year + 2}",
        "deductible": f"{rng.randrange(500, 1500, 50):,}",
        "cent": f"{rng.randrange(810, 1690, 10):,}",
        "withdrawn": draw.pick("two", "three"),
        "coverage_ratio": draw.pick("1.15", "1.25"),
        "place1": "Cutler Falls", "place2": "Almond Junction", "place3": "Bellweather", "place4": "Pine Hollow",
        "lease2": str(year + rng.randrange(4, 9)),
        "lease3": str(year + rng.randrange(3, 7)),
        **{f"area{number}": f"{rng.randrange(40_000, 310_000, 500):,}" for number in range(1, 5)},
        "suit": "February 9, 2023,",
        "legal_story": (
            "Calloway has denied the claim and has claimed storage fees in return.",
            "A motion for partial summary judgment was filed, and a trial date has not been set.",
            "The motion for partial summary judgment has been argued, and we are waiting for the decision.",
        )[place],
        "sales_story": ("Higher prices for frozen fruit and growth in process control more than made up for a smaller harvest." if up else "Bakeries ordered less, and a smaller harvest left us short of cherries in the fall."),
        "freight": "fell" if last else "rose",
        "invested": ("a new packing line at Almond Junction", "the second tunnel at Cutler Falls", "cold stores of our own")[place],
        "plan_low": f"{plan:,.0f}",
        "plan_high": f"{plan + rng.randrange(2000, 5000, 100):,.0f}",
        "undrawn": f"{rng.randrange(21_000, 48_000, 100):,}",
        "letters": f"{rng.randrange(2_100, 6_900, 10):,}",
        "shelf": str(rng.randrange(60, 76)),
        "shelf_effect": f"{rng.randrange(410, 990, 10):,}",
        "excess": str(rng.randrange(14, 33)),
        "life_plant": "five to fifteen",
        "life_buildings": "thirty-three",
        "lender1": "First Orchard Bank",
        "lender2": "Prairie Mutual Life",
        "margin1": f"{rng.uniform(1.4, 2.6):.2f}",
        "rate2": f"{rng.uniform(4.4, 6.1):.2f}",
        "due1": f"September {rng.randrange(3, 29)}, {year + 3}",
        "due2": "March 15, 2032",
        "loan1": f"{line:,}",
        "loan2": f"{now['borrowings'] - line:,}",
        "pension_gap": f"{rng.randrange(9_100, 17_900, 10):,}",
        "discount": f"{rng.uniform(4.6, 5.6):.2f}",
        "pension_pay": f"{rng.randrange(1_100, 2_900, 10):,}",
        "officer1": "Harriet Mossgrove", "officer2": ("Rupert Hallworth", "Leander Pruitt", "Constance Abara")[place], "officer3": "Wendell Tso",
        "age1": str(57 + year - 2023), "age2": str(rng.randrange(44, 58)), "age3": str(49 + year - 2023),
        "since1": "2017",
        "meeting": f"May {rng.randrange(6, 25)}, {year + 1}",
        "record": f"April {rng.randrange(1, 12)}, {year + 1}",
    }  # fmt: skip


# --- figures and questions ---------------------------------------------------------------------------------------------


def _figures(books: Accounts, year: int) -> dict[str, Draw]:
    def by_segment(pen: Pen) -> None:
        years = range(year - 4, year + 1)
        series = {
            name: [books.of[at][f"segment{number}"] / (10 if books.tenths else 1) for at in years]
            for number, name in enumerate(books.segments)
        }
        labels = {
            (name, place): f"[[{books.key}.{at}.segment{number}: {amount(books.of[at][f'segment{number}'], books.tenths)}]]"
            for number, name in enumerate(series)
            for place, at in enumerate(years)
        }
        bar_chart(pen, series, [str(at) for at in years], labels, axis="")

    def recent(pen: Pen) -> None:
        years = (year - 2, year - 1, year)
        series = {name: [float(books.of[at][f"segment{number}"]) for at in years] for number, name in enumerate(books.segments)}
        labels = {
            (name, place): f"[[{books.key}.{at}.segment{number}: {amount(books.of[at][f'segment{number}'], False)}]]"
            for number, name in enumerate(series)
            for place, at in enumerate(years)
        }
        bar_chart(pen, series, [str(at) for at in years], labels, axis="")

    def by_region(pen: Pen) -> None:
        most = max(books.of[at][f"region{number}"] for at in (year, year - 1) for number in range(len(books.regions)))
        pen.bar(pen.width - 150, 4, pen.width - 142, 12, PALETTE[0])
        pen.text(pen.width - 138, 11, str(year), size=7.5)
        pen.bar(pen.width - 90, 4, pen.width - 82, 12, (0.70, 0.76, 0.83))
        pen.text(pen.width - 78, 11, str(year - 1), size=7.5)
        high = (pen.height - 24) / len(books.regions)
        for number, name in enumerate(books.regions):
            y = 22 + high * number
            pen.text(100, y + high * 0.45, name, size=8, align="right")
            for place, (at, colour) in enumerate(((year, PALETTE[0]), (year - 1, (0.70, 0.76, 0.83)))):
                value = books.of[at][f"region{number}"]
                wide = (pen.width - 160) * value / most
                top = y + high * (0.08 + 0.37 * place)
                pen.bar(108, top, 108 + wide, top + high * 0.34, colour)
                pen.text(
                    112 + wide, top + high * 0.26, f"[[{books.key}.{at}.region{number}: {amount(value, books.tenths)}]]", size=7.5
                )

    return {"cover": by_segment, "regions": by_region, "sales": recent}


def _asked(books: Accounts, year: int) -> list[Asked]:
    """A question about each of the statements' items for the report's year, and for the year before where no report is in the room."""
    uk = books.key == "kv"
    short = "Kestrel Vane" if uk else "Ostrander"
    words = {
        "name": short, "was": "was", "revenue": "revenue" if uk else "net sales", "operating": "operating profit" if uk else "operating income",
        "s0": books.segments[0], "s1": books.segments[1], "s2": books.segments[2], "r1": "the rest of Europe" if uk else "Canada",
    }  # fmt: skip
    found = []
    for at in (year - 1, year) if year == REPORTED[0] else (year,):
        for item, wordings in _ASKED.items():
            if (item == "staff" and at == REPORTED[0] - 1) or (item == "segment0" and not uk and at < year):
                continue
            unit = {"staff": "", "eps": "pence" if uk else "USD"}.get(item, books.unit)
            text = (
                books.per_share(at, "net")
                if item == "eps"
                else f"{books.of[at][item]:,}"
                if item == "staff"
                else amount(abs(books.of[at][item]), books.tenths)
            )
            answer = f"{text} {unit}".strip() if item != "eps" or uk else f"${text}"
            about = "figure" if item in ("segment0", "segment2", "region1") else "statement"
            found.append(
                Asked(
                    f"{books.key}.{at}.{item}",
                    about,
                    "number",
                    (answer,),
                    "",
                    tuple(wording.format(year=at, **words) for wording in wordings),
                )
            )
    return found
