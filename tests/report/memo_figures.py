"""Figures of a memo that are not in its document: each number is looked for by its unit and at its own precision.

`strays(document)` is for tests; ``python tests/report/memo_figures.py RUN/verdict.json`` checks a run.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

from bakeoff.decide.record import Document
from bakeoff.report.memo import memo

NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[+-]?\d+)?"
UNITS = {
    "%": 100.0, "ms": 1e3, "µs": 1e6, "s": 1.0, "min": 1 / 60, "h": 1 / 3600, "points": 100.0, "/s": 1.0,
    "bytes": 1.0, "kB": 1e-3, "MB": 1e-6, "GB": 1e-9, "FLOP": 1.0, "kFLOP": 1e-3, "MFLOP": 1e-6, "GFLOP": 1e-9, "TFLOP": 1e-12,
    "PFLOP": 1e-15, "J": 1.0, "mJ": 1e3, "µJ": 1e6, "kJ": 1e-3, "of 100": 100.0,
}  # fmt: skip
FOUND = re.compile(
    rf"(?<![\w.,:/-])[+−$]*({NUMBER})(?:\s?(of 100|{'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})(?![\w]))?(?![\w]|\.\d)"
)
WORDS = {
    "95% interval": "", "95% intervals": "", "per 1,000": "", "9 in 10 ": "", "19 in 20 ": "", "99 in 100 ": "", "of 100": "of_100",
    "with 95% confidence": "", "is worth 0": "", "is worth 1": "", "95 of 100 tests": "", "For 80% power": "",
}  # fmt: skip


def figures(value: Any) -> tuple[set[float], set[float]]:
    """Every number of the document and how long its lists are; and apart from them, the numbers written in its texts."""
    if isinstance(value, bool) or value is None:
        return set(), set()
    if isinstance(value, int | float):
        return {abs(float(value))}, set()
    if isinstance(value, str):
        return set(), {float(n.replace(",", "")) for n in re.findall(NUMBER, value)}
    parts = [figures(each) for each in ([*value, *value.values()] if isinstance(value, dict) else value)]
    return {float(len(value))}.union(*(p[0] for p in parts)), set().union(*(p[1] for p in parts))


def known(document: Document) -> tuple[list[float], set[float]]:
    """The document's numbers with the counts that the memo makes of them: checks by outcome, and what was left open."""
    found, written = figures(document.model_dump(mode="json"))
    for outcome in {c.outcome for c in document.checks}:
        found.add(float(sum(c.outcome == outcome for c in document.checks)))
    found |= {1 - a.answered / a.items for a in document.approaches if a.items}
    return sorted(found), written


def prose(text: str) -> str:
    """The memo without its code blocks, whose figures are an axis, the study file and the command."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.S | re.M)
    text = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for words, instead in WORDS.items():
        text = text.replace(words, instead)
    return text.replace("of_100", "of 100").replace("\\", "")


def stands(shown: str, unit: str, known_: tuple[list[float], set[float]]) -> bool:
    """Whether some number of the document, in this unit and rounded as shown, is this one; or a text of it has it as it is."""
    numbers, written = known_
    digits = shown.replace(",", "")
    value = float(digits)
    places = len(digits.split(".")[1].split("e")[0]) if "." in digits else 0
    step = 10.0**-places
    if places == 0 and value >= 1000:  # large figures are shown with three significant digits
        step = 10.0 ** max(0, min(len(digits) - len(digits.rstrip("0")), math.floor(math.log10(value)) - 2))
    scales = {UNITS[unit]} if unit else {1.0, 100.0}
    return value in written or any(abs(x * scale - value) <= step * 0.5000001 for scale in scales for x in numbers)


def strays(document: Document) -> list[tuple[str, str]]:
    """Figures of the memo that the document does not have, each with the words around it."""
    numbers, text = known(document), prose(memo(document))
    text = re.sub(r"(\d+) min (\d+) s", lambda m: f"{int(m[1]) * 60 + int(m[2])} s", text)
    text = re.sub(r"([\d,]+) h (\d+) min", lambda m: f"{(int(m[1].replace(',', '')) * 60 + int(m[2]))} min", text)
    text = re.sub(r"\b(\d[\d,.]*) to (\d[\d,.]*)(%|(?=\)))", r"\1 to \2\3", text)
    found = []
    for line in text.splitlines():
        for match in FOUND.finditer(line):
            if not stands(match[1], match[2] or "", numbers):
                found.append((match[0], line[max(0, match.start() - 60) : match.end() + 30]))
    return found


if __name__ == "__main__":
    found = strays(Document.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for figure, around in found:
        print(f"{figure}: {around}")
    sys.exit(bool(found))
