"""What a table is called and what its figures are in: "Table 3: ...", "Consolidated Balance Sheets", "($ in millions, except per share amounts)"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bakeoff.tasks.documents.tabular.table_words import Line

_NAMES = re.compile(r"(?:table|tabelle|tableau|tabla)(?:\s*\d+|\s+(?:[A-Z]\d*|[IVX]+))(?:[.\-]\d+)*\b", re.IGNORECASE)
_SCALE = r"(?:hundreds|thousands?|millions?|billions?|mm|000'?s|[’']000s?)"
_UNIT_LINE = re.compile(
    rf"^\W*(?:(?:all\s+)?(?:amounts?|figures|dollars?|numbers|values?)\b[\w\s,]{{0,40}})?(?:(?:U\.?S\.?\s*)?[$€£¥₹]|USD|EUR|GBP|U\.?S\.?\s*dollars?|dollars?|euros?)?\W*"
    rf"(?:\(?\s*in\s*)?(?:(?:U\.?S\.?\s*)?(?:[$€£¥₹]|USD|EUR|GBP|JPY|CHF|dollars?|euros?|pounds?|yen)\s*(?:in\s*)?)?{_SCALE}\b",
    re.IGNORECASE,
)
_UNIT_INSIDE = re.compile(
    rf"\(([^()]{{0,30}}\bin\s+(?:[\w.$€£]+\s+){{0,3}}{_SCALE}\b[^()]{{0,90}}|[$€£¥]?\s*{_SCALE}\b[^()]{{0,90}})\)|\b((?:[$€£¥₹]|dollars?|euros?|USD|EUR|GBP|amounts?|expressed)?\s*in\s+(?:[\w.$€£]+\s+){{0,3}}{_SCALE}\b)",
    re.IGNORECASE,
)
_PERCENT_LINE = re.compile(r"\(?\s*(?:in\s+)?(?:%|per\s?cent(?:ages?)?|percentages?)(?:\s+of\b[^()]{0,40})?\s*\)?", re.IGNORECASE)
_CURRENCIES = (
    ("EUR", re.compile(r"€|\bEUR\b|\beuros?\b", re.IGNORECASE)),
    ("GBP", re.compile(r"£|\bGBP\b|\bpounds? sterling\b|\bsterling\b", re.IGNORECASE)),
    ("JPY", re.compile(r"¥|\bJPY\b|\byen\b", re.IGNORECASE)),
    ("CHF", re.compile(r"\bCHF\b|\bSwiss francs?\b", re.IGNORECASE)),
    ("INR", re.compile(r"₹|\bINR\b|\brupees?\b", re.IGNORECASE)),
    ("CAD", re.compile(r"\bC\$|\bCAD\b|\bCanadian dollars?\b", re.IGNORECASE)),
    ("AUD", re.compile(r"\bA\$|\bAUD\b|\bAustralian dollars?\b", re.IGNORECASE)),
    ("USD", re.compile(r"\$|\bUSD\b|\bU\.?S\.?\s*dollars?\b|\bdollars?\b", re.IGNORECASE)),
)
_SCALES = (
    ("billion", re.compile(r"\bbillions?\b", re.IGNORECASE)),
    ("million", re.compile(r"\bmillions?\b|\bmm\b", re.IGNORECASE)),
    ("thousand", re.compile(r"\bthousands?\b|\b000'?s|[’']000", re.IGNORECASE)),
)
_DATES = re.compile(
    r"(?:as (?:of|at)|at|for the|(?:fiscal |calendar )?(?:years?|quarters?|periods?|months?|weeks?|\d+ (?:months?|weeks?))\b|(?:three|six|nine|twelve|52|53|13|26|39)\b"
    r"|january|february|march|april|may|june|july|august|september|october|november|december|\(?unaudited)",
    re.IGNORECASE,
)
_COMPANY = re.compile(r"\b(?:inc|plc|corp|corporation|company|co|ltd|llc|subsidiaries|n\.?v|s\.?a|ag|gmbh)\b\.?", re.IGNORECASE)
_BARE = re.compile(r"(?:exhibit|appendix|annex|schedule|page|part|item|note)\s*[\w.()-]{1,6}\W*", re.IGNORECASE)
_REACH = 5.0
_BESIDE = 1.0
"""In font sizes: how far words may stand beside a table, or beside words over it, and still belong to what is over it."""


def names_table(text: str) -> bool:
    """Whether a line is a table's caption by its first words ("Table 3").

    Examples
    --------
    >>> [names_table(text) for text in ("TABLE 13: SELECTED DATA", "Table of Contents", "Tables 5 and 6 show")]
    [True, False, False]
    """
    return bool(_NAMES.match(text.strip())) and len(text) < 220


def is_unit_line(text: str) -> bool:
    """Whether a line says what figures are in, and hardly anything else.

    Examples
    --------
    >>> [is_unit_line(text) for text in ("(in millions except per share amounts)", "($ in millions)", "Sales rose by 3 million")]
    [True, True, False]
    """
    return len(text) < 140 and (bool(_UNIT_LINE.match(text.strip())) or bool(_PERCENT_LINE.fullmatch(text.strip())))


def unit_in(text: str, figures: str = "") -> str:
    """The unit that a line near a table names, in one form: "USD million", "EUR thousand", "million", "USD", "%"; '' where it names none.

    Parameters
    ----------
    text : str
        A line such as "($ in millions, except per share amounts)".
    figures : str
        Texts of the table's figures: where the line says "in millions" only, a currency sign among them says of what.

    Examples
    --------
    >>> unit_in("($ in millions, except share and per share data)")
    'USD million'
    >>> unit_in("(In thousands)", figures="$ 737,877 431,560")
    'USD thousand'
    >>> unit_in("(Millions, except percentages)")
    'million'
    >>> unit_in("Net revenue rose in 2022")
    ''
    """
    said = text.strip()
    if not is_unit_line(said):
        match = _UNIT_INSIDE.search(said)
        if match is None:
            return ""
        said = match.group(1) or match.group(2)
    elif _PERCENT_LINE.fullmatch(said):
        return "%"
    main = re.split(r"\bexcept\b|\bunless\b|\bother than\b", said, maxsplit=1, flags=re.IGNORECASE)[0]
    scale = next((name for name, pattern in _SCALES if pattern.search(main)), "")
    currency = next((code for code, pattern in _CURRENCIES if pattern.search(main)), "")
    if not currency and scale:
        counted = re.search(r"\b(?:shares?|units?|tons?|tonnes|barrels|employees|customers)\b", main, re.IGNORECASE)
        if not counted:
            currency = next((code for code, pattern in _CURRENCIES if pattern.search(figures)), "")
    return f"{currency} {scale}".strip()


def caption_above(lines: Sequence[Line], top: float, x0: float, x1: float, em: float) -> tuple[Line | None, list[Line]]:
    """The line that names a table, and all lines of the title block over it, nearest first.

    Parameters
    ----------
    lines : sequence of Line
        Lines of the page that are in no table, from top to bottom.
    top : float
        Upper edge of the table.
    x0, x1 : float
        Its left and right edge.
    em : float
        Its font size.

    Returns
    -------
    line : Line or None
        "Table 3: ..." where there is one; else the nearest line of a title that is no date, unit or company's name.
    block : list of Line
    """
    block: list[Line] = []
    edge = top
    above = [line for line in lines if line.middle < top]
    lines = [part for line in above if (part := _part_over(line, x0, x1, em)) is not None]
    for line in sorted(lines, key=lambda line: -line.middle):
        gap = edge - line.y1
        if gap > (_REACH if not block else 2.2) * em or len(block) >= 7:
            break
        text = line.text.strip()
        if text.endswith(":") and not block and not is_unit_line(text) and _stands_alone(line, lines):
            return line, [line]
        if _is_sentence(line, x0, x1) and not is_unit_line(text) and not names_table(text):
            break
        block.append(line)
        edge = line.y0
        if names_table(text):
            return line, block
    titles = [line for line in block if _is_title(line)]
    if not titles:
        return None, block
    others = [line for line in titles if not _COMPANY.search(line.text)]
    return (others or titles)[0], block


def _part_over(line: Line, x0: float, x1: float, em: float) -> Line | None:
    """The phrases of a line that stand over a table, with those close beside them: in columns, a line goes on with another column's text."""
    kept = [phrase for phrase in line.phrases if phrase.x1 > x0 - _BESIDE * em and phrase.x0 < x1 + _BESIDE * em]
    if len(kept) == len(line.phrases):
        return line
    if not kept:
        return None
    first, last = line.phrases.index(kept[0]), line.phrases.index(kept[-1])
    while first > 0 and line.phrases[first].x0 - line.phrases[first - 1].x1 < _BESIDE * em:
        first -= 1
    while last + 1 < len(line.phrases) and line.phrases[last + 1].x0 - line.phrases[last].x1 < _BESIDE * em:
        last += 1
    kept = line.phrases[first : last + 1]
    return Line(kept, min(phrase.y0 for phrase in kept), max(phrase.y1 for phrase in kept), line.size)


def _stands_alone(line: Line, lines: Sequence[Line]) -> bool:
    """A sentence of one line that leads to the table: "Cash flows were as follows:"."""
    over = [other for other in lines if other.middle < line.middle - 1 and other.x0 < line.x1 and other.x1 > line.x0]
    gap = line.y0 - max((other.y1 for other in over), default=float("-inf"))
    return line.text[:1].isupper() and len(line.text) < 160 and gap > 0.4 * line.size


def _is_sentence(line: Line, x0: float, x1: float) -> bool:
    """Running text: long or ended as a sentence, and neither bold nor centred."""
    text = line.text.strip()
    if all(phrase.bold for phrase in line.phrases) and len(text) < 160:
        return False
    if _DATES.match(text) and not text.endswith((".", ";", ":")):
        return False
    ended = text.endswith((".", ";", ",")) and len(text.split()) > 4
    centred = abs((line.x0 + line.x1) / 2 - (x0 + x1) / 2) < 0.03 * (x1 - x0) and line.x1 - line.x0 < 0.8 * (x1 - x0)
    return ended or (len(text) > 70 and not centred) or (text.endswith(":") and len(text.split()) > 7)


def _is_title(line: Line) -> bool:
    text = line.text.strip()
    letters = sum(char.isalpha() for char in text)
    if letters < 4 or len(text) > 180 or text.lower().replace(" ", "") in ("tableofcontents", "backtocontents", "(continued)"):
        return False
    if text.endswith(":") or (
        not text[:1].isalpha() and not _NAMES.match(text) and not all(phrase.bold for phrase in line.phrases)
    ):
        return False
    return not is_unit_line(text) and not _BARE.fullmatch(text) and not _DATES.match(text.lstrip("( ")) and not text[:1].islower()
