"""Right-to-left text: from the order in which it stands on the line to the order in which it is read.

A small inverse of the Unicode bidirectional algorithm (UAX 9), for one printed line: the direction of most of its letters (or of the page) is the line's; runs of
the other direction, and numbers, keep an order of their own. Brackets and other mirrored characters come from pdfium already mirrored.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray


def has_right_to_left(codes: NDArray) -> bool:
    """Whether any of these code points is from a right-to-left script (Hebrew to Arabic and their kin, and their presentation forms)."""
    return bool(
        (
            ((codes >= 0x590) & (codes < 0x900))
            | ((codes >= 0xFB1D) & (codes < 0xFF00))
            | ((codes >= 0x10800) & (codes < 0x11000))
        ).any()
    )


def is_right_to_left(character: str) -> bool:
    """Whether a character belongs to a right-to-left script."""
    return unicodedata.bidirectional(character) in ("R", "AL")


def logical_order(text: str, page_right_to_left: bool = False) -> list[int]:
    """The order in which a printed line is read.

    Parameters
    ----------
    text : str
        The line's characters from left to right.
    page_right_to_left : bool, default=False
        Most of the page is right-to-left: then so is every line that has any such letter.

    Returns
    -------
    list of int
        Indices into `text`, in the order of reading.
    """
    kinds = _directions(text)
    right, left = kinds.count("R"), kinds.count("L")
    if not right:
        return list(range(len(text)))
    backwards = page_right_to_left or right >= left
    runs: list[tuple[str, list[int]]] = []
    for index, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1][1].append(index)
        else:
            runs.append((kind, [index]))
    whole = "R" if backwards else "L"
    resolved: list[tuple[str, list[int]]] = []
    for number, (kind, indices) in enumerate(runs):
        if kind == "N":
            sides = {runs[at][0] for at in (number - 1, number + 1) if 0 <= at < len(runs)}
            # Numbers lean on nothing: between them and anything else, the line decides.
            kind = (
                "R"
                if sides == {"R"} and 0 < number < len(runs) - 1
                else "L"
                if sides == {"L"} and 0 < number < len(runs) - 1
                else whole
            )
        if resolved and resolved[-1][0] == kind:
            resolved[-1][1].extend(indices)
        else:
            resolved.append((kind, list(indices)))
    order: list[int] = []
    for kind, indices in reversed(resolved) if backwards else resolved:
        order += indices[::-1] if kind == "R" else indices
    return order


def _directions(text: str) -> list[str]:
    """R, L, D (digits, which run to the right but belong to any line) or N (neutral) for each character."""
    found = []
    for character in text:
        kind = unicodedata.bidirectional(character)
        found.append("R" if kind in ("R", "AL") else "L" if kind == "L" else "D" if kind in ("EN", "AN") else "N")
    for index, kind in enumerate(found):
        # A separator or sign within a number belongs to it; a mark belongs to its letter.
        if kind == "N" and unicodedata.bidirectional(text[index]) in ("CS", "ES") and 0 < index < len(text) - 1:
            found[index] = "D" if found[index - 1] == "D" and found[index + 1] == "D" else "N"
        elif kind == "N" and unicodedata.bidirectional(text[index]) == "NSM" and index:
            found[index] = found[index - 1]
    return found
