"""The invented world that the made corpus tells of: people, places, dates and figures, drawn by a seed.

The companies keep their names whatever the seed; what is agreed, measured and decided in them changes with it. Values are the
texts that end up on pages and in answers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

from bakeoff.tasks.documents.made.made_facts_more import court, manual, meetings, people_of, policy

KV, HALDEN, BRACK, TESS, QUILL, BROOK = (
    "Kestrel Vane Instruments plc",
    "Halden Castings Limited",
    "Brackwater Polymers GmbH",
    "Tessellate Software Limited",
    "Quillfeather Analytics Limited",
    "Ostrander Foods, Inc.",
)
ARBITRATION = (
    ("London", "London Court of International Arbitration"),
    ("Zurich", "Swiss Arbitration Centre"),
    ("Stockholm", "Arbitration Institute of the Stockholm Chamber of Commerce"),
    ("Vienna", "Vienna International Arbitral Centre"),
    ("Dublin", "International Chamber of Commerce"),
)
LAWS = ("England and Wales", "Germany", "Ireland", "Scotland", "Switzerland")


class Drawer:
    """Draws the values of one part of the world. Each part has its own stream, so that a change in one leaves the others."""

    def __init__(self, seed: int, part: str) -> None:
        self.rng = random.Random(f"bakeoff made corpus {seed} {part}")

    def pick(self, *choices: object) -> str:
        """One of these."""
        return str(self.rng.choice(choices))

    def number(self, low: int, high: int, step: int = 1) -> str:
        """A whole number, with separators."""
        return f"{self.rng.randrange(low, high + 1, step):,}"

    def decimal(self, low: float, high: float, digits: int = 1) -> str:
        """A number with decimals."""
        return f"{self.rng.uniform(low, high):,.{digits}f}"

    def pounds(self, low: int, high: int, step: int) -> str:
        """An amount in pounds."""
        return "£" + self.number(low, high, step)

    def day(self, first: date, last: date) -> date:
        """A working day between two days."""
        while True:
            found = first + timedelta(days=self.rng.randrange((last - first).days + 1))
            if found.weekday() < 5:
                return found

    def some(self, choices: tuple[str, ...], n: int) -> list[str]:
        """`n` different ones."""
        return self.rng.sample(choices, n)


def said(day: date) -> str:
    """14 March 2023."""
    return f"{day.day} {day:%B %Y}"


def month_day(day: date) -> str:
    """14 March."""
    return f"{day.day} {day:%B}"


def world(seed: int) -> dict[str, str]:
    """Every value of the world by its name. The same seed gives the same world."""
    values: dict[str, str] = {}
    for part in (_companies, _halden, _brackwater, _variation, _lease, _licence, _shareholders, _handbook):
        for name, value in part(Drawer(seed, part.__name__), values):
            values[name] = value
    for more in (policy, court, meetings, manual):
        values.update(more(Drawer(seed, more.__name__), values))
    return values


Values = Iterator[tuple[str, str]]


def _companies(draw: Drawer, values: dict[str, str]) -> Values:
    names = people_of(draw.rng, 40)
    yield from {
        "kv": KV,
        "halden": HALDEN,
        "brack": BRACK,
        "tess": TESS,
        "quill": QUILL,
        "brook": BROOK,
        "brook_caps": BROOK.upper(),
    }.items()
    yield "firm", "Aldous Penhallow LLP"
    yield "firm_address", "9 Fenwick Row, Bristol"
    yield "landlord", "Saltmarsh Estates LLP"
    yield "north", "Northmoor Growth Partners LP"
    yield "kv.number", draw.number(1000000, 9999999).replace(",", "").zfill(8)
    yield "kv.address", f"{draw.number(2, 60)} Orrery Way, Felden, FD4 2KV"
    yield "kv.works", "Orrery Way, Felden"
    yield "kv.domain", "kestrelvane.example"
    for role in ("kv.ceo", "kv.cfo", "m.chair", "m.secretary", "m.technical"):
        yield role, names.pop()
    for number in range(30):
        yield f"person{number}", names.pop()


def _halden(draw: Drawer, values: dict[str, str]) -> Values:
    start = draw.day(date(2021, 1, 4), date(2021, 10, 29))
    signed = start - timedelta(days=draw.rng.randrange(9, 40))
    yield "s1.date", said(signed)
    yield "s1.start", said(start)
    yield "s1.matter", f"KV-{draw.number(1000, 4999)}".replace(",", "")
    yield "s1.supplier_number", draw.number(1000000, 9999999).replace(",", "").zfill(8)
    yield (
        "s1.supplier_address",
        f"Foundry House, {draw.number(3, 40)} Coalgate Lane, {draw.pick('Tipworth', 'Dunmarsh', 'Ellerby')}",
    )
    yield "s1.foundry", draw.pick("Tipworth", "Dunmarsh", "Ellerby")
    yield "s1.before", str(draw.rng.randrange(2011, 2017))
    yield "s1.drawing", f"KV-D-{draw.rng.randrange(2100, 2999)}"
    yield "s1.issue", draw.pick("C", "D", "F", "G")
    yield "s1.ppm_date", said(draw.day(date(2022, 2, 1), date(2022, 11, 30)))
    yield "s1.year_start", draw.pick("1 April", "1 July", "1 October")
    yield "s1.spares", draw.number(4, 9)
    yield "s1.term", draw.pick("four", "five", "six")
    yield "s1.minimum", draw.number(4200, 6800, 100)
    yield "s1.shortfall", draw.pounds(21, 39, 2)
    yield "s1.firm_weeks", draw.number(6, 9)
    yield "s1.buffer", draw.pick("three", "five", "seven")
    yield "s1.lead", draw.number(32, 48)
    yield "s1.late", draw.decimal(1.1, 2.4)
    yield "s1.late_most", draw.number(11, 16)
    yield "s1.warranty", draw.number(26, 34, 2)
    yield "s1.sample", draw.pick("two", "three", "four")
    yield "s1.ppm", draw.number(350, 900, 50)
    yield "s1.fixed", said(date(start.year + 2, 3, 31))
    yield "s1.index_share", draw.number(55, 75, 5)
    yield "s1.index_most", draw.decimal(5.5, 8.5)
    yield "s1.tools", draw.pounds(310000, 480000, 1500)
    yield "s1.signatory", values["person0"]
    for number, role in enumerate(("s1.manager1", "s1.manager2", "s1.quality1", "s1.quality2"), 1):
        yield role, values[f"person{number}"]
    rows = []
    for number, (what, material) in enumerate(
        (
            ("Housing, DN 50, two-part", "EN-GJS-400-15"),
            ("Housing, DN 80, two-part, with sight glass", "EN-GJS-400-15"),
            ("Housing, DN 100, one-part", "EN-GJL-250"),
            ("Housing, DN 150, one-part, for sewage, epoxy coated on the inside", "EN-GJL-250"),
            ("Flange, PN 16, DN 100", "1.4408"),
            ("End cover, blind, DN 100", "1.4408"),
            ("Terminal box with two gland holes", "EN AC-44300"),
        ),
        1,
    ):
        part = f"HC-{draw.rng.randrange(11, 98)}{number}0"
        one = draw.rng.uniform(18, 130)
        prices = [f"{one * factor:.2f}" for factor in (1.0, draw.rng.uniform(0.86, 0.93), draw.rng.uniform(0.74, 0.82))]
        yield f"s1.part{number}", part
        yield f"s1.mat{number}", material
        for letter, price in zip("abc", prices, strict=True):
            yield f"s1.price{number}{letter}", price
        rows.append(" | ".join((part, what, material, *prices)))
    yield "s1.rows", "\n".join(rows)
    yield "s1.express", draw.number(640, 980, 20)
    yield "s1.radio", draw.number(38, 66, 2)
    yield "s1.change", draw.number(410, 590, 10)
    yield "s1.storage", draw.number(7, 12)
    for name, low, step in (("hole", 0.6, 0.5), ("shrink", 8.0, 6.0)):
        for place, letter in enumerate("abc"):
            yield f"s1.{name}_{letter}", f"{low + step * place + draw.rng.uniform(0, step * 0.8):.1f}"
    for place, letter in enumerate("abc"):
        yield f"s1.bar_{letter}", str(60 - 18 * place + draw.rng.randrange(0, 9))
        yield f"s1.hold_{letter}", str(12 - 3 * place + draw.rng.randrange(0, 3))
    yield "s1.water", draw.number(17, 24)


def _brackwater(draw: Drawer, values: dict[str, str]) -> Values:
    start = draw.day(date(2022, 1, 10), date(2022, 6, 30))
    yield "s2.date", said(start - timedelta(days=draw.rng.randrange(5, 30)))
    yield "s2.start", said(start)
    yield "s2.matter", f"BP-{draw.rng.randrange(200, 980)}"
    yield "s2.supplier_address", f"Hafenstraße {draw.number(3, 90)}, Brackwede"
    yield "s2.supplier_number", f"HRB {draw.rng.randrange(20000, 79999)}"
    yield "s2.works", "Brackwede"
    yield "s2.melt", draw.number(6, 12)
    yield "s2.release_days", draw.number(18, 29)
    yield "s2.term", draw.pick("three", "seven")
    yield "s2.minimum", draw.number(11000, 19000, 500)
    yield "s2.lead", draw.number(6, 13)
    yield "s2.safety", draw.number(700, 1400, 50)
    yield "s2.retain", draw.number(350, 800, 50)
    yield "s2.retain_years", draw.pick("three", "four", "eight")
    yield "s2.change_months", draw.number(7, 10)
    yield "s2.warranty", draw.number(14, 22, 2)
    yield "s2.resin", draw.number(13, 19)
    yield "s2.bonus", draw.decimal(2.1, 3.9)
    yield "s2.bonus_from", "€" + draw.number(310000, 690000, 10000)
    yield "s2.signatory", values["person5"]
    rows = []
    colours = draw.some(("natural", "white", "black", "signal blue", "light grey", "green"), 6)
    for number, (kind, storage) in enumerate(
        (
            ("PFA, moulding", "Below 30 °C, in closed bags"),
            ("PFA, moulding, low permeation", "Below 30 °C, in closed bags; dry for four hours before use"),
            ("PFA, conductive", "Below 30 °C, in closed bags"),
            ("Polyurethane, 80 Shore A", "Dry, below 25 °C, at most nine months"),
            ("Polyurethane, 90 Shore A", "Dry, below 25 °C, at most nine months"),
            ("Fluoroelastomer, for seals", "In the dark, free of ozone"),
        ),
        1,
    ):
        name = f"BX {draw.rng.randrange(10, 98)}{number}"
        price = draw.rng.uniform(7, 58)
        low, high, melt = f"{price:.2f}", f"{price * draw.rng.uniform(0.8, 0.92):.2f}", f"{draw.rng.uniform(2.0, 19.0):.1f}"
        for key, value in (("comp", name), ("colour", colours[number - 1]), ("cprice", low), ("melt", melt)):
            yield f"s2.{key}{number}", value
        yield f"s2.cprice{number}b", high
        rows.append(" | ".join((name, kind, colours[number - 1], low, high, melt, storage)))
    yield "s2.rows", "\n".join(rows)
    for name, low_c, low_t in (("naoh", 28, 78), ("hcl", 18, 64), ("sludge", 8, 35)):
        yield f"s2.{name}_c", str(low_c + draw.rng.randrange(0, 14))
        yield f"s2.{name}_t", str(low_t + draw.rng.randrange(0, 12))
    yield "s2.sea_t", str(82 + draw.rng.randrange(0, 14))


def _variation(draw: Drawer, values: dict[str, str]) -> Values:
    first = draw.day(date(2022, 9, 1), date(2022, 12, 16))
    second = draw.day(date(2023, 9, 4), date(2023, 11, 30))
    minimum = int(values["s1.minimum"].replace(",", ""))
    yield "s3.first", said(first)
    yield "s3.date", said(second)
    yield "s3.effective", said(date(2024, 1, 1) + timedelta(days=draw.rng.randrange(0, 20)))
    yield "s3.first_minimum", f"{minimum + draw.rng.randrange(300, 900, 50):,}"
    yield "s3.minimum", f"{minimum + draw.rng.randrange(1100, 2600, 50):,}"
    yield "s3.cap", draw.pounds(3100000, 4400000, 100000)
    yield "s3.lead", draw.number(19, 26)
    yield "s3.lead_b", draw.number(28, 31)
    for letter in "abc":
        yield f"s3.new3{letter}", f"{float(values[f's1.price3{letter}']) * 0.93:.2f}"
    yield "s3.part", f"HC-{draw.rng.randrange(11, 98)}80"
    price = draw.rng.uniform(60, 160)
    for letter, factor in zip("abc", (1.0, 0.9, 0.79), strict=True):
        yield f"s3.new{letter}", f"{price * factor:.2f}"
    yield "s3.line", draw.pounds(180000, 290000, 2500)
    yield "s3.accept", said(draw.day(date(2024, 9, 2), date(2024, 12, 13)))
    yield "s3.back_years", draw.pick("three", "four")
    yield "s3.back_part", draw.pick("thirty-sixth", "forty-eighth")
    yield "s3.invoice", f"H-{draw.rng.randrange(20100, 29900)}"
    yield "s3.disputed", f"£{draw.rng.randrange(2100, 9900)}.{draw.rng.randrange(10, 99)}"


def _lease(draw: Drawer, values: dict[str, str]) -> Values:
    start = draw.day(date(2019, 2, 4), date(2019, 8, 30))
    unit = draw.number(3, 12)
    yield "l.short", "Marlow Reach"
    yield "l.premises", f"Unit {unit}, Marlow Reach Business Park, Felden"
    yield "l.estate", "the Marlow Reach Business Park"
    yield "l.date", said(start - timedelta(days=draw.rng.randrange(3, 20)))
    yield "l.start", said(start)
    yield "l.term", "15"
    yield "l.end", said(date(start.year + 15, start.month, start.day) - timedelta(days=1))
    yield "l.rentstart", said(start + timedelta(days=draw.rng.randrange(190, 330)))
    yield "l.landlord_number", f"OC{draw.rng.randrange(300000, 449999)}"
    yield "l.landlord_address", "Tidewater Court, Felden"
    yield "l.guarantor", "Kestrel Vane Holdings Limited"
    yield "l.guarantor_address", values["kv.address"]
    yield "l.area", draw.number(16200, 24800, 10)
    yield "l.title", f"FD{draw.rng.randrange(100000, 899999)}"
    yield "l.bays", draw.number(38, 61)
    yield "l.bays_visitor", draw.pick("eleven", "thirteen", "seventeen")
    yield "l.interest", draw.decimal(2.1, 3.9)
    yield "l.bank", draw.pick("Wessex & Severn Bank", "the Merchant Union Bank", "Hallam Bank")
    yield "l.tonnes", draw.number(17, 26)
    rent = draw.rng.randrange(310000, 460000, 2500)
    yield "l.rent", f"£{rent:,}"
    yield "l.ceiling", f"£{int(rent * 1.18 / 500) * 500:,}"
    yield "l.deposit", f"£{int(rent * draw.rng.uniform(0.4, 0.5) / 100) * 100:,}"
    yield "l.review", said(date(start.year + 5, start.month, start.day))
    yield "l.surveyor", draw.pick("ten", "twelve")
    yield "l.share", draw.decimal(9.1, 17.8, 2)
    yield "l.servicecap", draw.pounds(41000, 58000, 250)
    yield "l.barrier", draw.pounds(3100, 6900, 50)
    totals = [0, 0, 0]
    for number, base in enumerate((38000, 9000, 21000, 64000, 30000, 25000), 1):
        value = base * draw.rng.uniform(0.85, 1.15)
        for place, letter in enumerate("abc"):
            amount = round(value * (1 + 0.03 * place) * draw.rng.uniform(0.97, 1.06))
            totals[place] += amount
            yield f"l.sc.{number}{letter}", f"{amount:,}"
    for total, letter in zip(totals, "abc", strict=True):
        yield f"l.sc.t{letter}", f"{total:,}"
    yield "l.condition", said(start - timedelta(days=draw.rng.randrange(21, 60)))
    yield "l.repair_days", draw.number(33, 48)
    yield "l.service_months", draw.pick("four", "six")
    yield "l.alter_days", draw.number(16, 26)
    yield "l.load", draw.decimal(6.5, 9.5)
    yield "l.underlet", draw.number(3200, 5800, 50)
    yield "l.break", said(date(start.year + 10, start.month, start.day) - timedelta(days=1))
    yield "l.break_months", draw.pick("seven", "eight", "eleven")
    yield "l.penalty", draw.pounds(52000, 98000, 500)
    yield "l.solvent", draw.number(55, 95, 5)
    yield "l.tiles", draw.pick("four", "six", "nine")
    yield "l.grating", said(start - timedelta(days=draw.rng.randrange(70, 120)))
    yield "l.crack", draw.decimal(1.2, 3.4)


def _licence(draw: Drawer, values: dict[str, str]) -> Values:
    start = draw.day(date(2022, 8, 1), date(2023, 2, 24))
    yield "li.number", f"TS-{draw.rng.randrange(4100, 9800)}"
    yield "li.start", said(start)
    yield "li.product", "Pipewright"
    yield "li.licensor_address", "Mosaic House, 3 Lantern Street, Leeds"
    yield "li.swap", draw.pick("three", "four", "five")
    yield "li.cores", draw.pick(16, 24, 48)
    users = [draw.rng.randrange(14, 30), draw.rng.randrange(6, 13), draw.rng.randrange(2, 6)]
    yield "li.users", str(sum(users))
    yield "li.hours", draw.number(2600, 5400, 100)
    yield "li.over", f"£{draw.decimal(3.1, 6.9, 2)}"
    yield "li.copies", draw.pick("two", "four")
    yield "li.tests", draw.pick(17, 19, 23, 26)
    yield "li.accept_days", draw.number(31, 44)
    yield "li.escrow", draw.pick("Harbourlight Escrow Services", "Keystone Deposit Agents", "Northgate Source Escrow")
    yield "li.open", "8.30 a.m."
    yield "li.close", draw.pick("5.30 p.m.", "6.15 p.m.", "6.45 p.m.")
    for level, first in (("1", 1), ("2", 5), ("3", 19)):
        yield f"li.s{level}a", str(first + draw.rng.randrange(1, 4))
        yield f"li.s{level}b", str(first * 4 + draw.rng.randrange(5, 12))
        yield f"li.s{level}c", str(first + draw.rng.randrange(3, 9))
    yield "li.misses", draw.pick("twice", "three times").removesuffix(" times").replace("twice", "two")
    yield "li.credit", draw.number(11, 18)
    yield "li.support_months", draw.number(21, 27, 3)
    yield "li.fee", draw.pounds(64000, 98000, 500)
    yield "li.supportfee", draw.decimal(16.5, 19.5)
    yield "li.warranty", draw.number(75, 110, 5)
    shares = [55, 30, 15]
    for number, (count, share) in enumerate(zip(users, shares, strict=True), 1):
        yield f"li.site{number}", str(count)
        yield f"li.share{number}", str(share)
        yield f"li.town{number}", ("Felden", "Felden", "Cowley Marsh")[number - 1]


def _shareholders(draw: Drawer, values: dict[str, str]) -> Values:
    day = draw.day(date(2023, 1, 16), date(2023, 5, 26))
    yield "sh.date", said(day)
    yield "sh.number", draw.number(10000000, 14999999).replace(",", "")
    yield "sh.address", "The Maltings, 22 Weir Street, Cambridge"
    yield "sh.founder1", values["person6"]
    yield "sh.founder2", values["person7"]
    price = draw.rng.randrange(240, 420) / 100
    fund, strategic = draw.rng.randrange(900000, 1400000, 5000), draw.rng.randrange(400000, 700000, 5000)
    first, second, trust = (
        draw.rng.randrange(1500000, 1900000, 10000),
        draw.rng.randrange(900000, 1400000, 10000),
        draw.rng.randrange(110000, 240000, 2500),
    )
    total = fund + strategic + first + second + trust
    yield "sh.price", f"£{price:.2f}"
    yield "sh.newshares", f"{fund + strategic:,}"
    yield "sh.round", f"£{(fund + strategic) * price:,.0f}"
    for name, value in (
        ("a1", fund),
        ("a2", strategic),
        ("o1", first),
        ("o2", second),
        ("o3", trust),
        ("ot", first + second + trust),
        ("at", fund + strategic),
    ):
        yield f"sh.{name}", f"{value:,}"
    for number, value in enumerate((first, second, fund, strategic, trust), 1):
        yield f"sh.v{number}", f"{100 * value / total:.1f}"
    yield "sh.good", said(date(day.year + 4, 6, 30))
    yield "sh.consent", draw.number(61, 74)
    yield "sh.pool", draw.number(310000, 480000, 2500)
    yield "sh.preempt", draw.number(11, 18)
    yield "sh.pref", draw.pick("1.2", "1.25", "1.5")
    yield "sh.dividend", draw.decimal(5.1, 7.9)
    yield "sh.antinote", draw.pounds(41000, 95000, 1000)
    yield "sh.board", draw.pick("five", "six", "seven")
    yield "sh.quorum", draw.pick("three", "four")
    yield "sh.meetings", draw.pick("eight", "nine", "ten")
    yield "sh.lose", draw.decimal(4.1, 7.9)
    yield "sh.accounts", draw.number(16, 24)
    yield "sh.borrow", draw.pounds(210000, 390000, 5000)
    yield "sh.compete", draw.number(9, 21, 3)
    yield "sh.vest", draw.pick(42, 54, 60)
    yield "sh.lock", said(date(day.year + 3, 1, 31))
    yield "sh.drag", draw.number(66, 79)
    yield "sh.exit", said(date(day.year + 6, 12, 31) - timedelta(days=draw.rng.randrange(20, 240)))
    yield "sh.option", said(date(day.year + 3, 9, 30) - timedelta(days=draw.rng.randrange(0, 90)))
    yield "sh.wcap", draw.pounds(120000, 240000, 5000)
    yield "sh.wmonths", draw.number(16, 22)


def _handbook(draw: Drawer, values: dict[str, str]) -> Values:
    yield "h.edition", str(draw.rng.randrange(7, 15))
    yield "h.start", said(date(2024, 1, 1))
    yield "h.before", said(draw.day(date(2021, 2, 1), date(2021, 12, 1)))
    yield "h.people_phone", f"extension {draw.rng.randrange(2100, 2999)}"
    yield "h.hours", draw.pick("36.5", "37.5", "38.5")
    yield "h.core_from", "10.00 a.m."
    yield "h.core_to", draw.pick("2.30 p.m.", "3.15 p.m.")
    yield "h.account", draw.number(42, 68, 2)
    yield "h.home", draw.pick("two", "three")
    yield "h.desk", draw.pounds(160, 290, 10)
    yield "h.probation", draw.pick("five", "six")
    for level, (company, own) in enumerate(((4, 4), (7, 5), (10, 7), (13, 8)), 1):
        yield f"h.n{level}a", str(company + draw.rng.randrange(0, 3))
        yield f"h.n{level}b", str(own + draw.rng.randrange(0, 2))
    yield "h.leave", draw.number(26, 29)
    yield "h.carry", draw.pick("four", "five", "seven")
    carry = date(2025, 3, 31) - timedelta(days=draw.rng.randrange(0, 28))
    yield "h.carry_to", said(carry)
    yield "h.carry_short", month_day(carry)
    yield "h.note", draw.pick("fourth", "fifth", "sixth")
    yield "h.sick", draw.number(9, 14)
    yield "h.parent", draw.number(15, 22)
    for number, days in enumerate((2, 5, 1, 3), 1):
        yield f"h.o{number}", str(days + draw.rng.randrange(0, 2))
    yield "h.payday", draw.pick("24th", "26th", "27th")
    yield "h.review_month", draw.pick("March", "April")
    yield "h.bonus", draw.decimal(6.5, 9.5)
    yield "h.bonusnote", draw.pick("four", "seven", "eight")
    yield "h.pension", draw.decimal(6.5, 8.5)
    yield "h.pension_own", draw.decimal(3.5, 4.5)
    yield "h.mileage", draw.number(43, 52)
    yield "h.receipts", draw.number(33, 46)
    for level, (breakfast, dinner, hotel) in enumerate(((9, 24, 115), (12, 31, 175), (13, 34, 150), (17, 46, 220)), 1):
        for letter, base in zip("abc", (breakfast, dinner, hotel), strict=True):
            yield f"h.t{level}{letter}", str(base + draw.rng.randrange(0, 2 + base // 9))
    yield "h.training", draw.pounds(850, 1450, 50)
    yield "h.training_bind", draw.pounds(2500, 3800, 100)
    yield "h.rotation", draw.pick("three", "five", "six")
    yield "h.gift", draw.pounds(25, 65, 5)
    yield "h.ombud", values["person8"]
    yield "h.lost", draw.pick("two", "four")
    yield "h.drill", draw.pick("two", "three", "four")
    yield "h.assembly", draw.pick("the foundry store", "Hall 3", "the gatehouse")
    yield "h.grievance", draw.number(11, 17)
