"""What a question's terms of art are made of, and what statements call it: textbook definitions, for search only.

"Quick ratio" stands in few reports; the balance sheet that it is computed from says "current assets", "inventories" and "current liabilities". A
question that uses a term of this list is also searched by the words of its definition. The list holds definitions of general accounting (as in
any introduction to financial statement analysis) and their usual abbreviations, nothing about any company, and it never enters an answer. Give
`RetrievalSettings` a glossary of your own for other fields, or an empty one for none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_INCOME, _BALANCE, _CASH = "income statement", "balance sheet", "statement of cash flows"

ACCOUNTING: Mapping[str, str] = {
    "quick ratio": f"{_BALANCE} cash receivables current assets current liabilities",
    "acid test": f"{_BALANCE} cash receivables current assets current liabilities",
    "current ratio": f"{_BALANCE} total current assets total current liabilities",
    "cash ratio": f"{_BALANCE} cash and cash equivalents current liabilities",
    "working capital": f"{_BALANCE} total current assets total current liabilities",
    "debt to equity": f"{_BALANCE} long-term debt total liabilities shareholders' equity",
    "debt ratio": f"{_BALANCE} total liabilities total assets",
    "leverage": f"{_BALANCE} debt total liabilities total assets equity",
    "gross margin": f"{_INCOME} net sales cost of sales gross profit",
    "gross profit": f"{_INCOME} net sales cost of sales gross profit",
    "operating margin": f"{_INCOME} net sales operating income",
    "net margin": f"{_INCOME} net sales net income",
    "profit margin": f"{_INCOME} net sales net income",
    "ebit": f"{_INCOME} operating income",
    "ebitda": f"{_INCOME} operating income {_CASH} depreciation and amortization",
    "return on assets": f"{_INCOME} net income {_BALANCE} total assets",
    "return on equity": f"{_INCOME} net income {_BALANCE} shareholders' equity",
    "asset turnover": f"{_INCOME} net sales {_BALANCE} total assets",
    "inventory turnover": f"{_INCOME} cost of sales {_BALANCE} inventories",
    "days sales outstanding": f"{_INCOME} net sales {_BALANCE} accounts receivable",
    "days payable outstanding": f"{_INCOME} cost of sales {_BALANCE} accounts payable inventories",
    "days inventory outstanding": f"{_INCOME} cost of sales {_BALANCE} inventories",
    "cash conversion cycle": f"{_INCOME} cost of sales net sales {_BALANCE} inventories accounts receivable accounts payable",
    "interest coverage": f"{_INCOME} operating income interest expense",
    "dividend payout": f"{_CASH} dividends paid net income",
    "free cash flow": f"{_CASH} net cash provided by operating activities capital expenditures",
    "capex": f"{_CASH} investing activities capital expenditures purchases of property, plant and equipment",
    "capital expenditures": f"{_CASH} investing activities purchases of property, plant and equipment",
    "capital intensive": f"{_CASH} capital expenditures net sales property, plant and equipment total assets",
    "effective tax rate": "provision for income taxes income before income taxes",
    "earnings per share": f"{_INCOME} net income per share basic diluted",
    "eps": f"{_INCOME} net income per share basic diluted",
    "revenue": "net sales net revenue",
    "cogs": f"{_INCOME} cost of sales",
    "cost of goods sold": f"{_INCOME} cost of sales",
    "sg&a": "selling, general and administrative expenses",
    "d&a": f"{_CASH} depreciation and amortization",
    "pp&e": "property, plant and equipment",
    "p&l": f"{_INCOME}",
    "roa": f"{_INCOME} net income {_BALANCE} total assets",
    "roe": f"{_INCOME} net income {_BALANCE} shareholders' equity",
    "dso": f"{_INCOME} net sales {_BALANCE} accounts receivable",
    "dpo": f"{_INCOME} cost of sales {_BALANCE} accounts payable inventories",
    "balance sheet": "assets liabilities equity",
    "income statement": "statements of income net sales operating income",
}
"""Lower-case term to the words that stand in its place on a statement."""

MOST = 6
"""Terms of a question that are looked up; one that holds another comes first ("free cash flow" before "cash flow")."""


def definitions(text: str, glossary: Mapping[str, str] = ACCOUNTING) -> list[str]:
    """The definitions of the glossary's terms in a text, longest term first, at most `MOST`; none for words that are not in it."""
    if not glossary:
        return []
    lowered = text.casefold().replace("-", " ")
    found: list[str] = []
    for term in sorted(glossary, key=lambda each: (-len(each), each)):
        if len(found) < MOST and _pattern(term).search(lowered):
            found.append(glossary[term])
            lowered = _pattern(term).sub(" ", lowered)
    return found


@lru_cache(maxsize=4096)
def _pattern(term: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w&]){re.escape(term.casefold().replace('-', ' '))}s?(?![\w&])")
