"""Other ways of asking the same: layouts, spellings, orders. None of them should make a difference to the answer.

The changes are of the kinds that Sclar et al. 2024 (arXiv 2310.11324) call meaning-preserving (separators, casing,
spacing, wording of the descriptors) and, where there are examples, their order (Lu et al. 2022). The order of the list
is fixed and puts the largest changes first, so that a short list is still a wide one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bakeoff.tasks.text.prompts import LAYOUTS, Format

Examples = Sequence[tuple[str, str]]


def other_formats(used: Format, examples: Examples) -> Iterator[tuple[str, Format, Examples]]:
    """(name, format, examples) of every way of asking, the one in use first; some may turn out to be the same prompt.

    Names are short and differ from each other. First come the format itself and the other layouts, then one change at a time
    to the format in use, then the same changes to the other layouts.
    """
    layouts = [used.layout, *(name for name in LAYOUTS if name != used.layout)]
    yield f"{used.layout}, bias without labels", used, examples
    for layout in layouts[1:]:
        yield layout, replace(used, layout=layout), examples
    for layout in layouts:
        if len(examples) > 1:
            yield f"{layout}, examples reversed", replace(used, layout=layout), examples[::-1]
        if len(examples) > 2:
            half = len(examples) // 2
            yield f"{layout}, examples rotated", replace(used, layout=layout), [*examples[half:], *examples[:half]]
        for change, apply in CHANGES.items():
            yield f"{layout}, {change}", apply(replace(used, layout=layout)), examples


def _capitals(format: Format) -> Format:
    """Labels with a first capital letter, or without where they all have one."""
    words = format.wording.values()
    lower = all(word[:1].isupper() for word in words)
    return replace(
        format,
        wording={label: (word[:1].lower() if lower else word[:1].upper()) + word[1:] for label, word in format.wording.items()},
    )


def _reversed(format: Format) -> Format:
    """The labels listed the other way round, in the options and wherever the instruction lists all of them."""
    words = list(format.wording.values())
    by_word = dict(zip(words, reversed(words), strict=True))
    # Longest first: of "not good" and "good", the first must not be taken for the second.
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=len, reverse=True))
    found = re.findall(pattern, format.instruction)
    swapped = re.sub(pattern, lambda met: by_word[met.group()], format.instruction)
    return replace(
        format,
        instruction=swapped if sorted(found) == sorted(words) else format.instruction,
        wording=dict(reversed(list(format.wording.items()))),
    )


def _other_nouns(format: Format) -> Format:
    nouns = ("Input", "Label") if format.text_noun == "Text" else ("Text", "Label")
    return replace(format, text_noun=nouns[0], answer_noun=nouns[1])


def _longer(format: Format) -> Format:
    noun = format.text_noun.lower()
    return replace(format, instruction=f"Read the {noun} below and answer the question. {format.instruction}")


def _noun_capitals(format: Format) -> Format:
    return replace(format, text_noun=format.text_noun.upper(), answer_noun=format.answer_noun.upper())


CHANGES: dict[str, Callable[[Format], Format]] = {
    "labels capitalised": _capitals,
    "labels listed in reverse": _reversed,
    "other nouns": _other_nouns,
    "longer instruction": _longer,
    "nouns in capitals": _noun_capitals,
}
"""Name -> what it does to a format. Each changes one thing that says nothing about the item."""
