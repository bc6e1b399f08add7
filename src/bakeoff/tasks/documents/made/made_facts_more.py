"""More of the invented world: people, the policy, the court case, the board's meetings, and the flow meter."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.tasks.documents.made.made_facts import Drawer

FIRST = [
    "Imogen",
    "Rafe",
    "Clementine",
    "Tobias",
    "Saoirse",
    "Anselm",
    "Beatrix",
    "Osric",
    "Marguerite",
    "Lucian",
    "Philippa",
    "Emeka",
    "Henrike",
    "Jonah",
    "Priya",
    "Casimir",
    "Rosalind",
    "Idris",
    "Annika",
    "Thaddeus",
    "Wilhelmina",
    "Kofi",
    "Isolde",
    "Barnaby",
    "Leocadia",
    "Magnus",
    "Noor",
    "Evander",
    "Tamsin",
    "Yusuf",
    "Delphine",
    "Corin",
    "Astrid",
    "Mateus",
    "Ottilie",
    "Silas",
    "Farida",
    "Gwendolyn",
    "Piers",
    "Ludmila",
]
LAST = [
    "Castellane",
    "Adeyemi",
    "Thornbury",
    "Vasquez",
    "Pellingham",
    "Okonkwo",
    "Lindqvist",
    "Marchetti",
    "Ashdown",
    "Farrow",
    "Kowalczyk",
    "Penrose",
    "Haverstock",
    "Nakamura",
    "Brightwell",
    "Sandoval",
    "Wexcombe",
    "Eriksen",
    "Talavera",
    "Mountjoy",
    "Fairweather",
    "Oduya",
    "Greaves",
    "Rosenthal",
    "Kinsella",
    "Arkwright",
    "Delacourt",
    "Hargreave",
    "Iyer",
    "Stellenberg",
    "Quarrington",
    "Mbeki",
    "Holloway",
    "Ravenscroft",
    "Tindall",
    "Sorensen",
    "Whitcombe",
    "Yardley",
    "Zielinski",
    "Bellamy",
]


def people_of(rng: random.Random, n: int) -> list[str]:
    """`n` full names; no first name and no family name twice."""
    return [f"{first} {last}" for first, last in zip(rng.sample(FIRST, n), rng.sample(LAST, n), strict=True)]


def _said(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _american(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def policy(draw: Drawer, values: dict[str, str]) -> dict[str, str]:
    """The data protection policy."""
    day = draw.day(date(2023, 3, 1), date(2023, 6, 30))
    breaches = draw.rng.randrange(11, 24)
    return {
        "d3.number": str(draw.rng.randrange(11, 48)),
        "d3.version": f"{draw.rng.randrange(3, 7)}.{draw.rng.randrange(0, 4)}",
        "d3.before": "2.2",
        "d3.date": _said(day),
        "d3.dpo": values["person9"],
        "d3.review": draw.pick("six", "nine"),
        "d3.sub": draw.number(24, 42, 2),
        "d3.dpia": draw.number(600, 1900, 100),
        "d3.special": draw.pick("four", "six", "eight"),
        "d3.sar": draw.number(21, 27),
        "d3.correct": draw.pick("four", "six", "seven"),
        "d3.log": draw.number(13, 19),
        "d3.back": draw.number(63, 88),
        "d3.team": draw.pick("three", "five", "six"),
        "d3.breaches": str(breaches),
        "d3.breaches_told": str(draw.rng.randrange(2, 6)),
        "d3.fig_hours": str(draw.rng.randrange(9, 23)),
        "d3.country": draw.pick("Singapore", "Chile", "South Africa"),
        "d3.transfer": _said(draw.day(date(2022, 1, 10), date(2022, 11, 30))),
        "d3.r1": draw.pick(6, 7),
        "d3.r2": draw.pick("0.5", "0.75"),
        "d3.r3": draw.pick(5, 8),
        "d3.r4": draw.pick(3, 4),
        "d3.r5": draw.pick(10, 12),
        "d3.r6": draw.pick(11, 14, 15),
        "d3.r7": draw.pick("1.5", "2.5"),
        "d3.r8": draw.pick("0.25", "1"),
        "d3.train": draw.pick("eighteen", "fifteen"),
        "d3.rate": draw.decimal(81, 96),
    }


def court(draw: Drawer, values: dict[str, str]) -> dict[str, str]:
    """The memorandum in the case of the spoiled fruit."""
    failure = draw.day(date(2022, 7, 5), date(2022, 8, 26))
    filed = draw.day(date(2023, 9, 5), date(2023, 10, 20))
    pounds = draw.rng.randrange(1_100_000, 1_390_000, 100)
    price = draw.rng.randrange(81, 139) / 100
    salvage = draw.rng.randrange(8_000, 19_000, 50)
    return {
        "f.court": "United States District Court · Western District of Alder",
        "f.case": f"2:23-cv-0{draw.rng.randrange(1100, 4900)}",
        "f.judge": f"Hon. {values['person10']}",
        "f.defendant": "Calloway Cold Storage LLC",
        "f.defendant_caps": "CALLOWAY COLD STORAGE LLC",
        "f.p": "Ostrander",
        "f.d": "Calloway",
        "f.filed": _american(filed),
        "f.hearing": _american(filed + timedelta(days=draw.rng.randrange(35, 60))),
        "f.hearing_time": draw.pick("9:30 a.m.", "1:45 p.m."),
        "f.room": f"{draw.rng.randrange(3, 12)}B",
        "f.joint": _american(filed - timedelta(days=draw.rng.randrange(14, 30))),
        "f.agreement": _american(draw.day(date(2020, 2, 3), date(2020, 5, 29))),
        "f.capacity": draw.number(1400, 2600, 20),
        "f.building": draw.pick("C", "D", "F"),
        "f.town": draw.pick("Pine Hollow", "Cutler Falls"),
        "f.temp": draw.pick("minus 5", "minus 4", "zero").replace("minus ", "-").replace("zero", "0"),
        "f.notify": draw.pick("two", "four", "six"),
        "f.fee": f"{draw.rng.randrange(14, 23)}.{draw.rng.randrange(10, 95)}",
        "f.value": f"{price:.2f}",
        "f.failure": _american(failure),
        "f.failure_time": draw.pick("7:52 p.m.", "8:14 p.m."),
        "f.compressor": draw.pick("2", "3", "4"),
        "f.engineer_name": values["person11"],
        "f.tested": _american(failure - timedelta(days=draw.rng.randrange(120, 210))),
        "f.peak": draw.number(38, 51),
        "f.late": draw.number(26, 33),
        "f.message": _american(failure + timedelta(days=1)),
        "f.message_time": "11:08 p.m.",
        "f.exhibit": str(draw.rng.randrange(12, 29)),
        "f.exhibit2": str(draw.rng.randrange(30, 48)),
        "f.pounds": f"{pounds:,}",
        "f.condemned": _american(failure + timedelta(days=3)),
        "f.disposal": draw.number(61000, 94000, 10),
        "f.exhibit3": str(draw.rng.randrange(49, 68)),
        "f.exhibits": str(draw.rng.randrange(69, 80)),
        "f.declarant": values["person27"],
        "f.conferred": _american(filed - timedelta(days=draw.rng.randrange(5, 12))),
        "f.interval": draw.pick("ten", "twelve", "fifteen"),
        "f.readings": draw.number(131, 188),
        "f.logs": _american(filed - timedelta(days=draw.rng.randrange(60, 120))),
        "f.trailers": draw.pick("seven", "nine", "eleven", "fourteen"),
        "f.warning": _american(failure - timedelta(days=draw.rng.randrange(90, 160))),
        "f.repair": draw.number(17000, 29000, 50),
        "f.salvage": f"{salvage:,}",
        "f.least": f"{pounds * price - salvage:,.0f}",
        "f.counter": draw.number(58000, 89000, 10),
        "f.counts": draw.pick("I and II", "I and III"),
        "f.argue": draw.pick("thirty", "forty"),
        "f.counsel": values["person12"],
        "f.counsel_firm": "Bartram, Voss & Dell LLP",
        **{f"f.js{number}": f"{number * 9 + draw.rng.randrange(0, 8)}–{number * 9 + 9}" for number in range(1, 5)},
        **{f"f.dep{number}": f"{draw.rng.randrange(20, 140)}:{draw.rng.randrange(2, 25)}" for number in (1, 2)},
    }


def meetings(draw: Drawer, values: dict[str, str]) -> dict[str, str]:
    """The board's five meetings of a year."""
    directors = [values[f"person{number}"] for number in range(13, 19)]
    days = [draw.day(*window) for window in (
        (date(2024, 1, 22), date(2024, 2, 2)), (date(2024, 3, 18), date(2024, 3, 28)), (date(2024, 7, 8), date(2024, 7, 19)),
        (date(2024, 9, 9), date(2024, 9, 20)), (date(2024, 12, 2), date(2024, 12, 13)),
    )]  # fmt: skip
    guests = [f"{values[f'person{number}']}" for number in range(19, 24)]
    found = {"m.first": _said(days[0]), "m.last": _said(days[-1])}
    places = (
        "Orrery Way, Felden",
        "9 Fenwick Row, Bristol",
        "the test field, Cowley Marsh",
        "by video conference",
        "Orrery Way, Felden",
    )
    times = (
        ("9.30 a.m.", "12.40 p.m."),
        ("10.00 a.m.", "1.15 p.m."),
        ("2.00 p.m.", "5.10 p.m."),
        ("9.00 a.m.", "11.20 a.m."),
        ("9.30 a.m.", "1.05 p.m."),
    )
    for number, day in enumerate(days, 1):
        away = directors[(number * 2) % len(directors)]
        here = [name for name in directors if name != away]
        found |= {
            f"m{number}.date": _said(day),
            f"m{number}.place": places[number - 1],
            f"m{number}.from": times[number - 1][0],
            f"m{number}.to": times[number - 1][1],
            f"m{number}.present": ", ".join(here),
            f"m{number}.apologies": away,
            f"m{number}.guest": guests[number - 1],
            f"m{number}.guest_item": "3",
            f"m{number}.conflict": ""
            if number != 2
            else f", save that {here[0]} holds a small number of shares in {values['brook'].rstrip('.')}",
            f"m{number}.against": here[number % len(here)],
        }
    offer = draw.rng.randrange(286, 341)
    capex = draw.rng.randrange(1650, 2290, 5)
    million = [draw.rng.uniform(low, high) for low, high in ((9, 13), (38, 46), (83, 96), (108, 121))]
    serial = draw.rng.randrange(40100, 46000)
    recalled = draw.rng.randrange(610, 1490)
    return found | {
        **{f"m{number}.orders": f"£{value:.1f} million" for number, value in enumerate(million, 1)},
        "m1.orders_budget": f"£{million[0] * draw.rng.uniform(0.88, 0.95):.1f} million",
        "m1.cash": f"£{draw.decimal(14, 26)} million",
        "m1.stock": draw.number(18, 27),
        "m1.bore": draw.pick(600, 800),
        "m1.capex": f"£{capex:,},000",
        "m1.accidents": "two",
        "m1.path": _said(draw.day(date(2024, 4, 2), date(2024, 5, 31))),
        "m2.plant": draw.pick("Al Marsa", "Puerto Salinas", "Cape Verity"),
        "m2.hedge": draw.number(65, 85, 5),
        "m2.adviser": "Lockhart Merriden & Co",
        "m2.bidders": draw.pick("four", "six"),
        "m2.plants": draw.pick("nine", "eleven", "fourteen"),
        "m2.offer": f"${offer} million",
        "m2.fees": f"£{draw.decimal(1.2, 1.9)} million",
        "m2.rise": draw.decimal(3.2, 4.8),
        "m2.rise_from": _said(date(2024, 4, 1) if draw.rng.random() < 0.5 else date(2024, 5, 1)),
        "m2.director": directors[3],
        "m3.doubtful": f"£{draw.number(210000, 480000, 5000)}",
        "m3.recall": f"{recalled:,}",
        "m3.serial_from": f"{serial}",
        "m3.serial_to": f"{serial + recalled + draw.rng.randrange(40, 160)}",
        "m3.recallcost": f"£{draw.number(140000, 290000, 5000)}",
        "m3.glands": draw.pick("Pinnock Cable Fittings", "Rowley Gland Company", "Seals & Strain Reliefs Ltd"),
        "m3.dividend": draw.decimal(4.1, 6.9, 2),
        "m3.dividend_on": _said(date(2024, 9, 27) - timedelta(days=draw.rng.randrange(0, 12))),
        "m3.record": _said(date(2024, 8, 30)),
        "m3.offer_on": _said(draw.day(date(2024, 5, 7), date(2024, 5, 31))),
        "m3.exclusive": _said(draw.day(date(2024, 10, 7), date(2024, 10, 31))),
        "m4.save": f"£{draw.decimal(2.1, 3.8)} million",
        "m4.pension": f"${draw.number(21, 38)} million",
        "m4.reduce": f"${offer - draw.rng.randrange(24, 41)} million",
        "m4.second": draw.number(5200, 7900, 100),
        "m4.findings": draw.number(31, 46),
        "m4.closed": draw.number(18, 29),
        "m5.revenue": f"£{draw.decimal(186, 204)} million",
        "m5.margin": draw.decimal(13.1, 15.8),
        "m5.capex": f"£{draw.decimal(9.1, 12.9)} million",
        "m5.late": draw.pick("seven", "nine"),
        "m5.rig": f"£{capex + draw.rng.randrange(180, 390, 5):,},000",
        "m5.calibrations": "March 2025",
        "m5.end": _said(draw.day(date(2024, 10, 1), date(2024, 10, 31))),
        "m5.cost": f"£{draw.decimal(0.71, 1.14, 2)} million",
        "m5.appoint": values["person24"],
        "m5.appoint_on": _said(date(2025, 2, 1)),
        "m5.leaver": directors[5],
    }


def manual(draw: Drawer, values: dict[str, str]) -> dict[str, str]:
    """The flow meter KV-440."""
    found = {
        "k.document": f"KVM-{draw.rng.randrange(4100, 4890)}",
        "k.issue": draw.pick("E", "F", "H"),
        "k.date": draw.pick("May 2023", "June 2023"),
        "k.phone": "+44 1632 960 440",
        "k.firmware": f"4.{draw.rng.randrange(2, 9)}",
        "k.solids": draw.pick("3.5", "4.5", "5.5"),
        "k.certificate": draw.number(22, 38, 2),
        "k.frequency": draw.decimal(0.85, 1.9, 2),
        "k.p_visc": "P12",
        "k.p_pulse": "P31",
        "k.burst": draw.number(48, 112, 8),
        "k.rate": "ten",
        "k.dn1": "80",
        "k.dn2": "100",
        "k.straight": draw.pick("eight", "nine", "eleven", "twelve"),
        "k.straight_down": draw.pick("three", "four"),
        "k.conditioner": f"KV-FC-{draw.rng.randrange(21, 89)}",
        "k.housing": draw.number(56, 68),
        "k.distance": draw.pick("1.5", "2.5", "3.5"),
        "k.volts": "18 to 36",
        "k.watts": draw.decimal(3.1, 5.9),
        "k.fuse": draw.pick("0.8", "1.25", "1.6"),
        "k.load": draw.number(510, 740, 10),
        "k.pulse": draw.number(60, 120, 5),
        "k.baud": draw.pick("19,200", "38,400", "57,600"),
        "k.gland": draw.decimal(4.2, 6.8),
        "k.cable_min": "6.5",
        "k.cable_max": "11.5",
        "k.boot": draw.number(19, 38),
        "k.password": str(draw.rng.randrange(2100, 9800)),
        "k.fig_wait": str(draw.rng.randrange(12, 28)),
        "k.fig_limit": draw.decimal(1.1, 2.9),
        "k.clean": draw.pick("seven", "nine", "fifteen"),
        "k.battery": draw.pick("eight", "nine", "eleven"),
        "k.oring": "18 × 2.5",
        "k.price": f"£{draw.number(385, 590, 5)}",
        "k.store": draw.pick("three", "four"),
        "k.recycle": f"£{draw.number(18, 39)}",
    }  # fmt: skip
    bounds = (
        (0.3, 0.6, 2),
        (95, 140, 0),
        (0.3, 0.5, 2),
        (0.05, 0.12, 2),
        (250, 300, 0),
        (14, 22, 1),
        (50, 80, 0),
        (16, 40, 0),
        (120, 160, 0),
    )
    for number, (low, high, digits) in enumerate(bounds, 1):
        small = draw.rng.uniform(low, high)
        large = small * draw.rng.uniform(1.25, 1.6) if number not in (3, 4, 8, 9) else small * draw.rng.uniform(0.8, 0.97)
        found[f"k.d{number}a"], found[f"k.d{number}b"] = f"{small:.{digits}f}", f"{large:.{digits}f}"
    for number, low in enumerate((31, 24, 17, 11), 1):
        found[f"k.bar{number}"] = str(low + draw.rng.randrange(0, 6))
    rows, names = [], (
        ("Size of the pipe", "mm", 80, 600), ("Liquid", "water, oil, other", 0, 2), ("Viscosity", "mm²/s", 1, 400), ("Zero offset", "mm/s", 0, 50),
        ("Low-flow cut-off", "mm/s", 12, 200), ("Damping", "s", 5, 120), ("Flow at 20 mA", "m³/h", 90, 4000), ("Pulse value", "litres", 10, 9999),
        ("Pulse width", "ms", 40, 500), ("Bus address", "–", 1, 247), ("Alarm current", "mA", 22, 23), ("Language", "list", 1, 9),
    )  # fmt: skip
    numbers = sorted(draw.rng.sample(range(10, 60), len(names)))
    for number, (meaning, unit, setting, limit) in zip(numbers, names, strict=True):
        if meaning in ("Low-flow cut-off", "Damping", "Flow at 20 mA", "Pulse value", "Pulse width"):
            setting, limit = setting + draw.rng.randrange(1, 2 + setting // 3), limit + 5 * draw.rng.randrange(0, 9)
        rows.append(f"P{number} | {meaning} | {unit} | {setting} | {limit}")
        for key, wanted in (("1", "Low-flow cut-off"), ("2", "Damping"), ("3", "Pulse width")):
            if meaning == wanted:
                found |= {f"k.pn{key}": str(number), f"k.pv{key}": str(setting), f"k.pl{key}": str(limit)}
        found |= (
            {"k.p_visc": f"P{number}"}
            if meaning == "Viscosity"
            else {"k.p_pulse": f"P{number}"}
            if meaning == "Pulse width"
            else {}
        )
    found["k.params"] = "\n".join(rows)
    errors = (
        ("More than half of the readings of a path were rejected", "Check that the pipe is full; clean the transducers"),
        ("Supply voltage below 17 V", "Measure at terminals 1 and 2 under load"),
        ("Current loop open", "Close the loop, or switch the output off in the menu"),
        (
            "Temperature of the housing too high",
            "Shade the meter or move the transmitter to the wall bracket, which is sold as an accessory",
        ),
        ("Memory fault", "Switch off for ten seconds; if the code returns, send the transmitter in"),
        ("Reverse flow for longer than a minute", "Check the arrow on the body and the non-return valve"),
        ("Pulse output saturated", "Raise the pulse value or shorten the pulse"),
    )
    codes = [f"E{code}" for code in sorted(draw.rng.sample(range(11, 79), len(errors)))]
    found["k.errors"] = "\n".join(f"{code} | {cause} | {remedy}" for code, (cause, remedy) in zip(codes, errors, strict=True))
    found |= {"k.e_weak": codes[0], "k.e_weak_cause": errors[0][0], "k.e_two": codes[4], "k.e_two_remedy": errors[4][1]}
    spares = (
        "Transducer, standard, with O-ring", "Transducer, high temperature, with O-ring", "Transmitter board", "Display with magnetic key sensor",
        "Set of gaskets, DN 80 and DN 100", "Special spanner for transducers", "Clock battery", "Cable gland, brass, M20",
    )  # fmt: skip
    lines = []
    for number, text in enumerate(spares, 1):
        part, price = f"KV-S-{draw.rng.randrange(11, 98)}{number}", f"{draw.rng.uniform(6, 340):.2f}"
        lines.append(f"{part} | {text} | {price}")
        found |= {f"k.sp{number}": part, f"k.sp{number}price": price, f"k.sp{number}text": text}
    found["k.spares"] = "\n".join(lines)
    return found
