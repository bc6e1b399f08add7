"""Hard inputs from the study's own test items: each kind of change applied to some of them, by a seed.

A kind either promises that the right answer stays (typos, case, added sentences: invariance), or that it turns (negation,
for sentiment with two labels: direction), or promises nothing (half of a text, no text), and its inputs then have no right
answer. Definitions after CheckList (Ribeiro et al. 2020); how answers are held against them is in
`bakeoff.measure.robustness`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from bakeoff.contract import Item, ProbeSet
from bakeoff.errors import BadData, BadStudy, nearest
from bakeoff.measure.robustness import BASE
from bakeoff.tasks.text import perturb_around as around
from bakeoff.tasks.text import perturb_surface as surface
from bakeoff.tasks.text import perturb_words as words
from bakeoff.tasks.text.edge_cases import GENERATED, side_of
from bakeoff.tasks.text.labels import labels_of

Promise = Literal["stays", "turns", "none"]
Change = Callable[[str, Random], str | None]


@dataclass(frozen=True)
class Kind:
    """One kind of change.

    Parameters
    ----------
    says : str
        What is changed, in a few words.
    change : callable
        ``(text, rng) -> str or None``; None where it does not apply. Use `apply`, which sees to it that something changes.
    promise : 'stays', 'turns' or 'none'
        What becomes of the right answer.
    """

    says: str
    change: Change
    promise: Promise = "stays"

    @property
    def keeps(self) -> bool:
        """Whether the answer must stay the same."""
        return self.promise == "stays"

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text, or None where the change does not apply or would leave the text as it is."""
        changed = self.change(text, rng)
        return None if changed == text else changed


def _against(label: str) -> Change:
    return lambda text, rng: around.instruction(text, rng, label)


KINDS: Mapping[str, Kind] = {
    "typo-swap": Kind("two neighbouring letters swapped, one word in ten", surface.typo_swap),
    "typo-drop": Kind("a letter left out, one word in ten", surface.typo_drop),
    "typo-double": Kind("a letter typed twice, one word in ten", surface.typo_double),
    "typo-neighbour": Kind("the key beside the right one, one word in ten", surface.typo_neighbour),
    "upper": Kind("all capitals", surface.upper),
    "lower": Kind("no capitals", surface.lower),
    "title": Kind("a capital on every word", surface.title),
    "double-spaces": Kind("two to four spaces for each one", surface.double_spaces),
    "tight-punctuation": Kind("no space after punctuation", surface.tight_punctuation),
    "line-breaks": Kind("tabs and line breaks for spaces", surface.line_breaks),
    "no-punctuation": Kind("punctuation left out", surface.no_punctuation),
    "more-punctuation": Kind("full stops or a dash added", surface.more_punctuation),
    "accents": Kind("accents on some letters", surface.accents),
    "homoglyphs": Kind("Cyrillic letters for Latin look-alikes", surface.homoglyphs),
    "zero-width": Kind("invisible characters inside words", surface.zero_width),
    "full-width": Kind("full-width characters", surface.full_width),
    "contractions-expanded": Kind('"don\'t" written as "do not"', words.contractions_expanded),
    "contractions-made": Kind('"do not" written as "don\'t"', words.contractions_made),
    "numbers-spelled": Kind("numbers in words", words.numbers_spelled),
    "synonyms": Kind("neutral synonyms (bought, purchased)", words.synonyms),
    "emoji": Kind("a neutral emoji at the end", around.emoji),
    "html": Kind("inside HTML tags", around.in_html),
    "markdown": Kind("inside Markdown marks", around.in_markdown),
    "sentence-before": Kind("an unrelated sentence before", around.sentence_before),
    "sentence-after": Kind("an unrelated sentence after", around.sentence_after),
    "quoted": Kind("the whole in quotation marks", around.quoted),
    "greeting": Kind("a greeting before and a sign-off after", around.greeting),
    "polite": Kind("a polite phrase before", around.polite),
    "ten-times-length": Kind("ten times as long, by unrelated sentences", around.ten_times),
    "instruction": Kind("an order to give another label (prompt injection)", _against("another label")),
    "negation": Kind('"not" put in or taken away: the judgement turns', lambda text, rng: None, "turns"),
    "half": Kind("the first half of the words; no answer is promised", around.half, "none"),
    "empty": Kind("no text, or punctuation only; there is no answer", around.empty, "none"),
}
"""Every kind by name. ``instruction`` names a label of the study, and ``negation`` needs the label: `changed` sees to both."""


def check_kinds(kinds: Sequence[str]) -> list[str]:
    """The kinds to make, in the order of `KINDS`; all of them for an empty sequence.

    Raises
    ------
    BadStudy
        For a kind that does not exist.
    """
    unknown = next((name for name in kinds if name not in KINDS), None)
    if unknown is not None:
        raise BadStudy(
            f"`edge_cases.kinds` has {str(unknown)[:60]!r}, which is no kind of change.", fix=nearest(str(unknown), KINDS)
        )
    return [name for name in KINDS if not kinds or name in kinds]


def changed(item: Item, kind: str, labels: Sequence[str], seed: int = 0) -> tuple[str, str | None] | None:
    """The item's text changed, and the right answer to it (None: there is none); None where the change does not apply.

    Parameters
    ----------
    item : Item
        A labelled text.
    kind : str
        A key of `KINDS`.
    labels : sequence of str
        The study's labels. With two that are named good and bad in some way, ``negation`` applies.
    seed : int, default=0
        The same seed, kind, item id and text give the same change.
    """
    how = KINDS[kind]
    rng = Random(_number(str(seed), kind, item.id))
    target = item.target
    if kind == "instruction":
        others = [label for label in labels if label != target]
        if not others:
            return None
        how = Kind(how.says, _against(rng.choice(others)))
    if kind == "negation":
        sides = {side_of(label): label for label in labels}
        if len(labels) != 2 or set(sides) != {"positive", "negative"}:
            return None
        praised = target == sides["positive"]
        how = Kind(how.says, words.negated_praise if praised else words.negated_blame, "turns")
        target = sides["negative" if praised else "positive"]
    text = how.apply(item.input, rng)
    if text is None:
        return None
    return text, target if how.promise != "none" else None


def perturbed(test_items: Sequence[Item], per_kind: int, kinds: Sequence[str] = (), seed: int = 0) -> ProbeSet:
    """Changed copies of test items, `per_kind` of each kind where that many can be made, with the items they came from.

    The items are put into one random order, in which each group has its turn before any has a second one, and every kind takes
    the first that it applies to. So kinds are compared on the same items as far as can be, a smaller `per_kind` gives a part
    of a larger one, and few originals need to be answered.

    Parameters
    ----------
    test_items : sequence of Item
        Labelled texts, in any order.
    per_kind : int
        At least 1.
    kinds : sequence of str, default=()
        Names in `KINDS`; empty for all.
    seed : int, default=0
        Of the order and of the changes.

    Returns
    -------
    ProbeSet
        Ids are ``base:ID`` and ``KIND:ID``, with the test item's ID. `notes` name the kinds of which fewer could be made.

    Raises
    ------
    BadStudy
        For an unknown kind, or `per_kind` below 1.
    BadData
        If there are no test items, two of one id, or one that is no text.
    """
    wanted = check_kinds(kinds)
    if per_kind < 1:
        raise BadStudy(
            f"`edge_cases.generated` is {per_kind}; at least 1 changed item of each kind is made.", fix="give 5 or more"
        )
    _check(test_items)
    labels = [str(label) for label in labels_of(test_items)]
    order = _order(test_items, seed)
    used: dict[str, Item] = {}
    made: list[Item] = []
    fewer: list[str] = []
    for kind in wanted:
        seen: set[str] = set()
        for item in order:
            if len(seen) == per_kind:
                break
            found = changed(item, kind, labels, seed)
            if found is None or found[0] in seen:
                continue
            text, target = found
            seen.add(text)
            used[item.id] = item
            meta = {"kind": kind, "base": f"base:{item.id}", "keeps": KINDS[kind].keeps}
            made.append(Item(id=f"{kind}:{item.id}", input=text, target=target, group=item.group, meta=meta))
        if len(seen) < per_kind:
            fewer.append(f"{kind} ({len(seen)})")
    bases = [
        Item(id=f"base:{item.id}", input=item.input, target=item.target, group=item.group, meta={"kind": BASE})
        for item in order
        if item.id in used
    ]
    there = {str(item.meta["kind"]) for item in made}
    notes = [
        f"Made from {len(bases):,} of {len(test_items):,} test items, seed {seed}; each change keeps the right answer unless its kind says otherwise."
    ]
    if fewer:
        notes.append(f"Fewer than {per_kind} test items can be changed so: {', '.join(fewer)}.")
    return ProbeSet(
        name=GENERATED,
        source="generated",
        items=(*bases, *made),
        kinds={BASE: "test items as they are", **{kind: KINDS[kind].says for kind in wanted if kind in there}},
        notes=tuple(notes),
    )


def _check(items: Sequence[Item]) -> None:
    if not items:
        raise BadData(
            "There are no test items to change.", fix="give a study with test items, or leave `edge_cases.generated` out"
        )
    if len({item.id for item in items}) < len(items):
        raise BadData("Two test items have the same id.", fix="give every item its own id")
    strange = next((item for item in items if not isinstance(item.input, str) or not isinstance(item.target, str)), None)
    if strange is not None:
        raise BadData(f"Test item {strange.id[:60]!r} is no text with a label.", fix="give texts (str) with labels (str)")


def _order(items: Sequence[Item], seed: int) -> list[Item]:
    """All items at random, whatever their order: first one of each group, then a second one of each, and so on."""
    turn: dict[str, int] = {}
    ranked = []
    for item in sorted(items, key=lambda item: (_number(str(seed), "order", item.id), item.id)):
        mine = 0
        if item.group is not None:
            mine = turn.get(item.group, 0)
            turn[item.group] = mine + 1
        ranked.append((mine, item))
    return [item for _, item in sorted(ranked, key=lambda pair: pair[0])]


def _number(*parts: str) -> int:
    """A number from words, the same on every machine and in every process."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(joined.encode("utf-8", "surrogatepass")).digest()[:8], "big")
