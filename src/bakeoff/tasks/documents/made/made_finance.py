"""Invented accounts that add up: segments to revenue, lines to totals, and the cash flow to the change in the balance sheet.

Every amount is a whole number of the company's unit (a tenth of a million pounds, or a thousand dollars), so that what is printed adds up
exactly. The figures of a year are the same in the report of that year and, as comparatives, in the next one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

YEARS = (2018, 2019, 2020, 2021, 2022, 2023, 2024)


@dataclass(frozen=True)
class Accounts:
    """The accounts of one company. `of[year][item]` is an amount in units; `segments` and `regions` name the parts of revenue."""

    name: str
    key: str
    unit: str
    segments: tuple[str, ...]
    regions: tuple[str, ...]
    of: dict[int, dict[str, int]]
    shares: int

    def text(self, year: int, item: str) -> str:
        """An amount as the report prints it: brackets for what is taken away."""
        return amount(self.of[year][item], self.tenths)

    @property
    def tenths(self) -> bool:
        """Whether a unit is a tenth of what the tables are in."""
        return self.unit.endswith("million")

    def per_share(self, year: int, item: str) -> str:
        """Pence, or cents, a share, with one decimal (dollars with two)."""
        value = self.of[year][item]
        return f"{value * 1e5 * 100 / self.shares:.1f}" if self.tenths else f"{value * 1e3 / self.shares:.2f}"


def amount(value: int, tenths: bool) -> str:
    """A whole number of units as printed."""
    text = f"{abs(value) / 10:,.1f}" if tenths else f"{abs(value):,}"
    return f"({text})" if value < 0 else text


def accounts(seed: int, key: str) -> Accounts:
    """The accounts of 'kv' or 'brook' over `YEARS`. The same seed gives the same accounts."""
    rng = random.Random(f"bakeoff made corpus {seed} accounts {key}")
    if key == "kv":
        name, unit, scale = "Kestrel Vane Instruments plc", "GBP million", 1
        segments: tuple[str, ...] = ("Water and waste water", "Process industries", "Service and calibration")
        regions: tuple[str, ...] = ("United Kingdom", "Rest of Europe", "Americas", "Asia Pacific")
        base, shares = (640, 430, 180), 61_400_000 + rng.randrange(0, 900_000, 1000)
    else:
        name, unit, scale = "Ostrander Foods, Inc.", "USD thousand", 100
        segments = ("Frozen fruit", "Dried fruit and nuts", "Process control")
        regions = ("United States", "Canada", "Other countries")
        base, shares = (2050, 1110, 530), 28_700_000 + rng.randrange(0, 600_000, 1000)
    of: dict[int, dict[str, int]] = {}
    grown = [float(part * scale) * rng.uniform(0.94, 1.06) for part in base]
    before: dict[str, int] = {}
    for year in YEARS:
        grown = [part * rng.uniform(0.97, 1.13) for part in grown]
        now = _year(rng, grown, before, shares, scale, regions)
        of[year] = now
        before = now
    return Accounts(name, key, unit, segments, regions, of, shares)


def _year(
    rng: random.Random, grown: list[float], before: dict[str, int], shares: int, scale: int, regions: tuple[str, ...]
) -> dict[str, int]:
    now: dict[str, int] = {}
    for number, part in enumerate(grown):
        now[f"segment{number}"] = round(part)
        now[f"result{number}"] = round(part * rng.uniform((0.11, 0.14, 0.19)[number] - 0.03, (0.11, 0.14, 0.19)[number] + 0.04))
    revenue = sum(round(part) for part in grown)
    left = revenue
    shares_of = [
        rng.uniform(0.9, 1.1) * weight for weight in ((0.34, 0.31, 0.21, 0.14) if len(regions) == 4 else (0.78, 0.14, 0.08))
    ]
    for number, part in enumerate(shares_of[:-1]):
        now[f"region{number}"] = round(revenue * part / sum(shares_of))
        left -= now[f"region{number}"]
    now[f"region{len(regions) - 1}"] = left
    now["revenue"] = revenue
    now["cost"] = -round(revenue * rng.uniform(0.55, 0.60))
    now["gross"] = revenue + now["cost"]
    now["distribution"] = -round(revenue * rng.uniform(0.085, 0.105))
    now["admin"] = -round(revenue * rng.uniform(0.095, 0.115))
    now["rd"] = -round(revenue * rng.uniform(0.045, 0.062))
    now["other"] = round(revenue * rng.uniform(0.004, 0.011))
    now["operating"] = now["gross"] + now["distribution"] + now["admin"] + now["rd"] + now["other"]
    now["unallocated"] = now["operating"] - sum(now[f"result{number}"] for number in range(3))
    debt = before.get("borrowings", round(revenue * 0.24))
    now["finance_income"] = round(before.get("cash", revenue * 0.09) * rng.uniform(0.01, 0.03))
    now["finance_cost"] = -round(debt * rng.uniform(0.04, 0.065))
    now["pbt"] = now["operating"] + now["finance_income"] + now["finance_cost"]
    now["tax"] = -round(now["pbt"] * rng.uniform(0.21, 0.26))
    now["net"] = now["pbt"] + now["tax"]
    now["depreciation"] = round(revenue * rng.uniform(0.035, 0.043))
    now["amortisation"] = round(revenue * rng.uniform(0.011, 0.017))
    now["capex"] = -round(revenue * rng.uniform(0.045, 0.07))
    now["intangible_spend"] = -round(revenue * rng.uniform(0.014, 0.024))
    now["acquisition"] = -round(revenue * rng.uniform(0.01, 0.045)) if rng.random() < 0.6 else 0
    for item, low, high in (("inventories", 0.15, 0.2), ("receivables", 0.16, 0.21), ("payables", 0.13, 0.17)):
        now[item] = round(revenue * rng.uniform(low, high))
        now[f"d_{item}"] = (now[item] - before.get(item, now[item])) * (1 if item == "payables" else -1)
    now["tax_owed"] = -now["tax"]
    now["tax_paid"] = -before["tax_owed"] if before else now["tax"]
    now["cfo"] = (
        now["operating"]
        + now["depreciation"]
        + now["amortisation"]
        + now["d_inventories"]
        + now["d_receivables"]
        + now["d_payables"]
        + now["tax_paid"]
    )
    now["cfi"] = now["capex"] + now["intangible_spend"] + now["acquisition"] + now["finance_income"]
    now["dividends"] = -round((before.get("net", now["net"])) * rng.uniform(0.3, 0.38))
    now["d_borrowings"] = round(revenue * rng.uniform(-0.03, 0.035))
    now["cff"] = now["d_borrowings"] + now["dividends"] + now["finance_cost"]
    now["change"] = now["cfo"] + now["cfi"] + now["cff"]
    now["cash_before"] = before.get("cash", round(revenue * 0.11))
    now["cash"] = now["cash_before"] + now["change"]
    now["ppe"] = before.get("ppe", round(revenue * 0.42)) - now["capex"] - now["depreciation"]
    now["ppe_before"] = before.get("ppe", round(revenue * 0.42))
    now["goodwill"] = before.get("goodwill", round(revenue * 0.17)) - now["acquisition"]
    now["intangibles"] = before.get("intangibles", round(revenue * 0.08)) - now["intangible_spend"] - now["amortisation"]
    now["borrowings"] = debt + now["d_borrowings"] if before else debt
    now["provisions"] = before.get("provisions", round(revenue * 0.03))
    now["noncurrent"] = now["ppe"] + now["goodwill"] + now["intangibles"]
    now["current"] = now["inventories"] + now["receivables"] + now["cash"]
    now["assets"] = now["noncurrent"] + now["current"]
    now["liabilities"] = now["payables"] + now["tax_owed"] + now["borrowings"] + now["provisions"]
    now["equity"] = now["assets"] - now["liabilities"]
    now["capital"] = before.get("capital", round(revenue * 0.1))
    now["retained"] = now["equity"] - now["capital"]
    now["land"] = round(now["ppe"] * rng.uniform(0.34, 0.4))
    now["plant"] = round(now["ppe"] * rng.uniform(0.44, 0.48))
    now["fixtures"] = now["ppe"] - now["land"] - now["plant"]
    for number, weight in enumerate((0.46, 0.2, 0.22, 0.12)):
        now[f"staff{number}"] = round((revenue / scale) * 0.72 * weight * rng.uniform(0.95, 1.05))
    now["staff"] = sum(now[f"staff{number}"] for number in range(4))
    now["wages"] = -round(revenue * rng.uniform(0.23, 0.25))
    now["social"] = -round(-now["wages"] * rng.uniform(0.1, 0.12))
    now["pensions"] = -round(-now["wages"] * rng.uniform(0.055, 0.07))
    now["staff_cost"] = now["wages"] + now["social"] + now["pensions"]
    return now
