"""Text that other people wrote (items, answers, labels, names), made safe to show as text.

Escaping for HTML is Jinja's work and for Markdown the memo's; what is done here concerns characters
that change how *other* text reads: control characters, unpaired surrogates and bidirectional overrides.
"""

from __future__ import annotations

import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HIDDEN = re.compile("[\u0080-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

ISOLATE, END = "\u2068", "\u2069"


def clean(text: Any) -> str:
    """The text with every character visible that would otherwise act unseen.

    NUL and other controls become their pictures (``␀``); bidirectional overrides and tag characters
    become their code point in angle brackets (``⟨U+202E⟩``); unpaired surrogates become ``U+FFFD``. Newlines
    and tabs stay; carriage returns become newlines.
    """
    shown = str(text).replace("\r\n", "\n").replace("\r", "\n")
    shown = _SURROGATE.sub("\ufffd", shown)
    shown = _CONTROL.sub(lambda m: "\u2421" if m[0] == "\x7f" else chr(0x2400 + ord(m[0])), shown)
    return _HIDDEN.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", shown)


def clip(text: Any, longest: int) -> str:
    """`clean` text of at most `longest` characters; a longer one says how long it was."""
    given = str(text)
    if len(given) <= longest:
        return clean(given)
    return f"{clean(given[:longest]).rstrip()} … ({len(given):,} characters)"


def short(text: Any, longest: int) -> str:
    """One line of at most `longest` characters for labels in charts; a longer one ends in an ellipsis."""
    line = " ".join(clean(str(text)[: longest * 4]).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def isolated(text: str) -> str:
    """The text between isolate characters, for places where ``<bdi>`` cannot stand (SVG, attributes, Markdown)."""
    return text if text.isascii() else f"{ISOLATE}{text}{END}"


def sentences(text: str) -> tuple[str, str]:
    """The first sentence and the rest, for setting the first one larger. The rest may be empty."""
    for match in re.finditer(r"(?<=[^\s.][^\s.][.!?])\s+(?=\S)", text):
        before = text[: match.start()]
        if not re.search(r"\b(vs|e\.g|i\.e|approx|incl|cf)\.$", before):
            return before, text[match.end() :]
    return text, ""
