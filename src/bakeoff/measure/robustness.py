"""How far answers hold on hard inputs: by kind, with the answers that flip.

Three tests, after CheckList (Ribeiro, Wu, Guestrin and Singh 2020, "Beyond Accuracy", ACL):

- **minimum functionality**: an input with a right answer gets it (`KindResult.accuracy`);
- **invariance**: an input made from another one, whose answer must stay (``meta['keeps']`` true), gets the answer of its base,
  whether that is right or wrong (`KindResult.flip_rate`, `flips`, `kept_share`);
- **direction**: an input made from another one whose right answer is another (a negation) turns (`turned_share`).

The rule for what was not answered: an abstention or an error is not a right answer, and counts among the judged inputs. It is
no flip either: a pair counts only where both its inputs were answered.

Inputs that share a base, or a group, are not independent. Where none do, intervals are exact (Clopper and Pearson
1934); where some do, they rest on the bases (groups) as clusters, and their `n` counts those.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bakeoff.contract import Answer, Interval, Item, Json
from bakeoff.errors import BakeoffError
from bakeoff.measure.intervals import mean_interval, proportion

BASE = "base"
"""The kind of inputs that only serve to make others from."""


@dataclass(frozen=True)
class KindResult:
    """One kind of hard input for one approach; the fields are those of `bakeoff.decide.record.KindResult`.

    Parameters
    ----------
    kind : str
    n : int
        Inputs of this kind.
    judged : int
        Those with a right answer.
    right : int
        Judged inputs that got it.
    unanswered : int
        Abstentions and errors among `n`.
    accuracy : Interval or None
        ``right / judged``; None where nothing is judged.
    pairs : int
        Inputs whose answer must stay that of their base, where both were answered.
    flips : int
        Those among them whose answer did not stay.
    flip_rate : Interval or None
        ``flips / pairs``; None without pairs.
    """

    kind: str
    n: int
    judged: int
    right: int
    unanswered: int = 0
    accuracy: Interval | None = None
    pairs: int = 0
    flips: int = 0
    flip_rate: Interval | None = None


@dataclass(frozen=True)
class Flip:
    """A changed input that got another answer than its base, although it should not. `before` and `after` are their answers."""

    base: Item
    changed: Item
    before: Answer
    after: Answer


def by_kind(items: Sequence[Item], answers: Mapping[str, Answer]) -> list[KindResult]:
    """One result for each kind, in the order in which kinds first come; bases are a kind of their own.

    Parameters
    ----------
    items : sequence of Item
        Of one `bakeoff.contract.ProbeSet`, targets and meta included.
    answers : mapping of item id to Answer
        Of one approach, for every item.

    Raises
    ------
    BakeoffError
        If an item has no answer, or names a base that is not there.
    """
    table = _by_id(items, answers)
    kinds = dict.fromkeys(_kind(item) for item in items)
    return [_result(kind, [item for item in items if _kind(item) == kind], table, answers) for kind in kinds]


def overall(items: Sequence[Item], answers: Mapping[str, Answer], kind: str = "all kinds") -> KindResult:
    """All kinds together, bases left out: they are not hard inputs. Raises as `by_kind` does."""
    table = _by_id(items, answers)
    return _result(kind, [item for item in items if _kind(item) != BASE], table, answers)


def flips(items: Sequence[Item], answers: Mapping[str, Answer]) -> list[Flip]:
    """Every changed input whose answer should have stayed and did not, in the order of `items`. Raises as `by_kind` does."""
    table = _by_id(items, answers)
    return [
        Flip(base=base, changed=item, before=answers[base.id], after=answers[item.id])
        for item, base in _pairs(items, table, answers)
        if not _equal(answers[item.id].value, answers[base.id].value)
    ]


def kept_share(items: Sequence[Item], answers: Mapping[str, Answer]) -> Interval | None:
    """Share of changed inputs that got the answer of their base, where it must stay; None without such a pair.

    The copies of one base stand or fall together more often than copies of different ones, so bases (or groups of bases) are
    the clusters of the interval, and `n` counts them. Raises as `by_kind` does.
    """
    pairs = _pairs(items, _by_id(items, answers), answers)
    return _share([(_equal(answers[item.id].value, answers[base.id].value), _cluster(item)) for item, base in pairs])


def turned_share(items: Sequence[Item], answers: Mapping[str, Answer]) -> Interval | None:
    """Share of changed inputs that got their own right answer, where it differs from their base's; None without such a pair.

    Only pairs with a right answer to the base count, since a wrong one has nothing to turn from, and only those where the changed
    input was answered. Raises as `by_kind` does.
    """
    table = _by_id(items, answers)
    counted = []
    for item in items:
        base = table.get(str(item.meta.get("base")))
        if base is None or item.target is None or base.target is None or item.target == base.target:
            continue
        if answers[item.id].answered and _is_right(base, answers[base.id]):
            counted.append((_is_right(item, answers[item.id]), _cluster(item)))
    return _share(counted)


def wrong_by_all(items: Sequence[Item], answers: Sequence[Mapping[str, Answer]]) -> list[Item]:
    """The judged inputs (bases left out) that every approach answered, and none rightly. Raises as `by_kind` does."""
    for one in answers:
        _by_id(items, one)
    return [
        item
        for item in items
        if answers
        and _kind(item) != BASE
        and item.target is not None
        and all(one[item.id].answered and not _is_right(item, one[item.id]) for one in answers)
    ]


def _by_id(items: Sequence[Item], answers: Mapping[str, Answer]) -> dict[str, Item]:
    table = {item.id: item for item in items}
    if len(table) < len(items):
        raise BakeoffError(f"{len(items) - len(table)} probes share an id with another one.", fix="give every input its own id")
    unasked = [item.id for item in items if item.id not in answers]
    if unasked:
        raise BakeoffError(
            f"{len(unasked)} of {len(items)} probes have no answer, not even an error; the first is {unasked[0]!r}.",
            fix="ask the approach for all of them",
        )
    lost = next((item for item in items if "base" in item.meta and item.meta["base"] not in table), None)
    if lost is not None:
        raise BakeoffError(
            f"Probe {lost.id!r} was made from {lost.meta['base']!r}, which is not there.", fix="put the base into the set too"
        )
    return table


def _kind(item: Item) -> str:
    return str(item.meta.get("kind", ""))


def _is_right(item: Item, answer: Answer) -> bool:
    return answer.answered and _equal(answer.value, item.target)


def _equal(a: Json, b: Json) -> bool:
    # In Python True == 1; as answers they are two.
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _pairs(items: Iterable[Item], table: Mapping[str, Item], answers: Mapping[str, Answer]) -> list[tuple[Item, Item]]:
    """(changed, base) where the answer must stay and both were answered."""
    found = [(item, table[str(item.meta["base"])]) for item in items if item.meta.get("keeps") is True and "base" in item.meta]
    return [(item, base) for item, base in found if answers[item.id].answered and answers[base.id].answered]


def _cluster(item: Item) -> Hashable:
    if item.group is not None:
        return ("group", item.group)
    return ("input", str(item.meta.get("base", item.id)))


def _result(kind: str, items: Sequence[Item], table: Mapping[str, Item], answers: Mapping[str, Answer]) -> KindResult:
    judged = [(_is_right(item, answers[item.id]), _cluster(item)) for item in items if item.target is not None]
    pairs = [
        (not _equal(answers[item.id].value, answers[base.id].value), _cluster(item))
        for item, base in _pairs(items, table, answers)
    ]
    return KindResult(
        kind=kind,
        n=len(items),
        judged=len(judged),
        right=sum(right for right, _ in judged),
        unanswered=sum(not answers[item.id].answered for item in items),
        accuracy=_share(judged),
        pairs=len(pairs),
        flips=sum(flipped for flipped, _ in pairs),
        flip_rate=_share(pairs),
    )


def _share(counted: Sequence[tuple[bool, Hashable]]) -> Interval | None:
    """The share that is True, with an exact interval where every one has a cluster of its own."""
    if not counted:
        return None
    values, clusters = [value for value, _ in counted], [cluster for _, cluster in counted]
    if len(set(clusters)) == len(clusters):
        return proportion(sum(values), len(values), method="clopper-pearson")
    return mean_interval([float(value) for value in values], clusters)
