"""The statements of an annual report as rows of its script: each amount a marked cell, with the year before beside it."""

from __future__ import annotations

from collections.abc import Iterable

from bakeoff.tasks.documents.made.made_finance import Accounts, amount

_INCOME = (
    ("Revenue", "Net sales", "revenue", "2"), ("Cost of sales", "Cost of products sold", "cost", ""), ("+Gross profit", "+Gross profit", "gross", ""),
    ("Distribution costs", "Distribution expense", "distribution", ""), ("Administrative expenses", "General and administrative expense", "admin", "3"),
    ("Research and development", "Research and development", "rd", ""), ("Other operating income", "Other income", "other", ""),
    ("+Operating profit", "+Operating income", "operating", ""), ("Finance income", "Interest income", "finance_income", ""),
    ("Finance cost", "Interest expense", "finance_cost", "5"), ("+Profit before tax", "+Income before income taxes", "pbt", ""),
    ("Tax", "Income tax expense", "tax", ""), ("+Profit for the year", "+Net income", "net", ""),
)  # fmt: skip
_BALANCE = (
    ("=Non-current assets", "=Property and other long-term assets", "", ""), ("Property, plant and equipment", "Property, plant and equipment, net", "ppe", "4"),
    ("Goodwill", "Goodwill", "goodwill", "1"), ("Other intangible assets", "Other intangible assets, net", "intangibles", "1"), ("+Total non-current assets", "+Total long-term assets", "noncurrent", ""),
    ("=Current assets", "=Current assets", "", ""), ("Inventories", "Inventories", "inventories", ""), ("Trade and other receivables", "Accounts receivable, net", "receivables", ""),
    ("Cash and cash equivalents", "Cash and cash equivalents", "cash", ""), ("+Total current assets", "+Total current assets", "current", ""), ("+Total assets", "+Total assets", "assets", ""),
    ("=Liabilities", "=Liabilities", "", ""), ("Trade and other payables", "Accounts payable and accrued expenses", "payables", ""), ("Current tax", "Income taxes payable", "tax_owed", ""), ("Borrowings", "Debt", "borrowings", "5"),
    ("Provisions", "Pension and other provisions", "provisions", "6"), ("+Total liabilities", "+Total liabilities", "liabilities", ""),
    ("=Equity", "=Stockholders’ equity", "", ""), ("Share capital and premium", "Common stock and paid-in capital", "capital", ""), ("Retained earnings", "Retained earnings", "retained", ""),
    ("+Total equity", "+Total stockholders’ equity", "equity", ""),
)  # fmt: skip
_CASH = (
    ("=Operating activities", "=Operating activities", ""), ("Operating profit", "Operating income", "operating"), ("Depreciation", "Depreciation", "depreciation"),
    ("Amortisation", "Amortization", "amortisation"), ("Change in inventories", "Change in inventories", "d_inventories"), ("Change in receivables", "Change in accounts receivable", "d_receivables"),
    ("Change in payables", "Change in accounts payable", "d_payables"), ("Tax paid", "Income taxes paid", "tax_paid"), ("+Cash from operations", "+Cash provided by operating activities", "cfo"),
    ("=Investing activities", "=Investing activities", ""), ("Purchase of property, plant and equipment", "Capital expenditures", "capex"), ("Development cost and software", "Software and other intangibles", "intangible_spend"),
    ("Acquisition of businesses", "Purchase of businesses", "acquisition"), ("Interest received", "Interest received", "finance_income"), ("+Cash used in investing", "+Cash used in investing activities", "cfi"),
    ("=Financing activities", "=Financing activities", ""), ("Change in borrowings", "Change in debt", "d_borrowings"), ("Dividends paid", "Dividends paid", "dividends"),
    ("Interest paid", "Interest paid", "finance_cost"), ("+Cash from financing", "+Cash from financing activities", "cff"),
    ("+Change in cash", "+Change in cash", "change"), ("Cash at the beginning of the year", "Cash, beginning of year", "cash_before"), ("+Cash at the end of the year", "+Cash, end of year", "cash"),
)  # fmt: skip


def _cell(books: Accounts, year: int, item: str, *, size: bool = False) -> str:
    """An amount as a marked cell; `size` without brackets, as a text says it."""
    if item.startswith("eps"):
        text = books.per_share(year, "net")
    elif item.startswith("staff") and item != "staff_cost":
        text = f"{books.of[year][item]:,}"
    else:
        value = books.of[year][item]
        text = amount(abs(value) if size else value, books.tenths) if value else "–"
    return f"[[{books.key}.{year}.{item}: {text}]]"


def _rows(books: Accounts, year: int, lines: Iterable[tuple[str, str, str]], note: bool = False) -> str:
    found = []
    for label, item, number in lines:
        if not item:
            found.append("= " + label.lstrip("="))
            continue
        start = "+ " + label[1:] if label.startswith("+") else label
        cells = [start, *([number] if note else []), _cell(books, year, item), _cell(books, year - 1, item)]
        found.append(" | ".join(cells))
    return "\n".join(found)


def numbers(books: Accounts, year: int) -> dict[str, str]:
    """Every figure and table row that the report of a year has, by the name its script uses."""
    now, before = books.of[year], books.of[year - 1]
    uk = books.key == "kv"
    found = {
        "year": str(year),
        "prev": str(year - 1),
        "first": str(year - 4),
        "key": f"{books.key}.{year}",
        "keyprev": f"{books.key}.{year - 1}",
    }
    for item in now:
        found[item] = (
            amount(abs(now[item]), books.tenths) if not item.startswith("staff") or item == "staff_cost" else f"{now[item]:,}"
        )
        found[f"{item}.prev"] = amount(abs(before[item]), books.tenths)
    for name, of in (("", now), (".prev", before)):
        found[f"gross_margin{name}"] = f"{100 * of['gross'] / of['revenue']:.1f}"
    found["tax_rate"] = f"{-100 * now['tax'] / now['pbt']:.1f}"
    found["eps"] = books.per_share(year, "net")
    label = 0 if uk else 1
    found["rows.income"] = _rows(books, year, [(line[label], line[2], line[3]) for line in _INCOME], note=uk) + (
        f"\n{'Basic earnings a share (pence)' if uk else 'Earnings per share (dollars)'} | {'| ' if uk else ''}{_cell(books, year, 'eps')} | {_cell(books, year - 1, 'eps')}"
    )
    found["rows.balance"] = _rows(books, year, [(line[label], line[2], line[3]) for line in _BALANCE], note=uk)
    found["rows.cash"] = _rows(books, year, [(line[label], line[2], "") for line in _CASH])
    regions = [*((name, f"region{number}", "") for number, name in enumerate(books.regions)), ("+Total", "revenue", "")]
    found["rows.regions"] = _rows(books, year, regions)
    parts = (
        ("Land and buildings", "land"),
        ("Plant and machinery", "plant"),
        ("Fixtures and vehicles", "fixtures"),
        ("+Total", "ppe"),
    )
    found["rows.ppe"] = _rows(books, year, [(name, item, "") for name, item in parts])
    staff = (
        ("=Number of people", "", ""), ("Production and service", "staff0", ""), ("Engineering", "staff1", ""), ("Sales", "staff2", ""), ("Administration", "staff3", ""), ("+Total", "staff", ""),
        ("=Cost", "", ""), ("Wages and salaries", "wages", ""), ("Social security", "social", ""), ("Pensions", "pensions", ""), ("+Total cost", "staff_cost", ""),
    )  # fmt: skip
    found["rows.staff"] = _rows(books, year, staff)
    segments = [(name, f"segment{number}", f"result{number}") for number, name in enumerate(books.segments)]
    lines = []
    for name, sales, result in [*segments, ("Not allocated", "", "unallocated"), ("+ Group", "revenue", "operating")]:
        cells = [_cell(books, at, sales) if sales else "" for at in (year, year - 1)] + [
            _cell(books, at, result) for at in (year, year - 1)
        ]
        lines.append(" | ".join([name, *cells]))
    found["rows.segments"] = "\n".join(lines)
    glance = (
        ("Revenue", "revenue"),
        ("Operating profit", "operating"),
        ("Profit before tax", "pbt"),
        ("Cash from operations", "cfo"),
        ("Capital expenditure", "capex"),
        ("Employees (average)", "staff"),
    )
    found["rows.glance"] = "\n".join(
        f"{name} | {_cell(books, year, item, size=True)} | {_cell(books, year - 1, item, size=True)} | {100 * (now[item] / before[item] - 1):.1f}"
        for name, item in glance
    ).replace("| -", "| –")
    five = (
        ("Revenue", "revenue"),
        ("Operating profit", "operating"),
        ("Profit for the year", "net"),
        ("Cash from operations", "cfo"),
        ("Total assets", "assets"),
        ("Total equity", "equity"),
        ("Employees", "staff"),
    )
    shown = range(year - 4, year + 1)
    found |= {f"y{number}": str(at) for number, at in enumerate(shown)}
    found["rows.five"] = "\n".join(" | ".join([name, *(_cell(books, at, item) for at in shown)]) for name, item in five)
    return found
