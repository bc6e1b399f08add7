"""Who is learned from and who is asked: train, valid and test, drawn so that nothing leaks.

What must stay together stays together: items of one group (author, document), and exact or near
copies of one text. Such *units* are dealt in an order that hangs on a hash of the seed and of the
texts themselves, so a split is the same whatever the order of the rows, and every class gets its share.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bakeoff.contract import Item, Splits
from bakeoff.errors import BadData, shown

TEST_SHARE = 0.25
VALID_SHARE = 0.15
LARGEST_UNIT = 0.2
SWEEPS = 10

FindCopies = Callable[[Sequence[str]], Iterable[Sequence[int]]]


@dataclass(frozen=True)
class Unit:
    """Items that are never parted. `key` names the unit by its contents, `members` are indices, `classes` counts them by target."""

    key: str
    members: tuple[int, ...]
    classes: Mapping[str, int]


def split_items(
    items: Sequence[Item],
    *,
    seeds: Sequence[int],
    test: float = TEST_SHARE,
    valid: float = VALID_SHARE,
    split_seed: int = 0,
    published_test: frozenset[str] = frozenset(),
    published_valid: frozenset[str] = frozenset(),
    copies: FindCopies | None = None,
) -> Splits:
    """Choose test once, from `split_seed`; choose valid from the rest for each seed; the remainder is train.

    Parameters
    ----------
    items : sequence of Item
        With str inputs and str targets; ids are unique.
    seeds : sequence of int
        One train / valid pair each.
    test : float in (0, 1)
        Share of all items that are test items, in each class as nearly as groups allow.
    valid : float in (0, 1)
        Share of the items left.
    published_test, published_valid : frozenset of str
        Ids of published splits. They are kept as they are, for every seed; what is not published is drawn from the rest.
    copies : callable or None
        Finds groups of (near) copies among texts; None means `bakeoff.measure.duplicates.duplicate_groups`.

    Returns
    -------
    Splits
        Ids in the order of `items`.

    Raises
    ------
    BadData
        If a class, or everything, stands in so few units that it cannot be both learned and tested.
    """
    ids = [item.id for item in items]
    pool = [i for i, name in enumerate(ids) if name not in published_test and name not in published_valid]
    # Published test items keep out of units: their copies in train are a fact to report, not to repair.
    units = make_units(items, pool, copies)
    chosen_test = {i for i, name in enumerate(ids) if name in published_test}
    if not chosen_test:
        _check_possible(items, units)
        taken = deal(units, test, f"test {split_seed}", leave=1 if published_valid else 2)
        chosen_test = {i for index in taken for i in units[index].members}
        units = [unit for index, unit in enumerate(units) if index not in taken]
    train: dict[int, tuple[str, ...]] = {}
    valids: dict[int, tuple[str, ...]] = {}
    kept_valid = {i for i, name in enumerate(ids) if name in published_valid}
    for seed in seeds:
        chosen = kept_valid or {
            i for index in deal(units, valid, f"valid {split_seed} {seed}", leave=1) for i in units[index].members
        }
        valids[seed] = tuple(ids[i] for i in sorted(chosen))
        train[seed] = tuple(ids[i] for i in range(len(ids)) if i not in chosen and i not in chosen_test)
        if not chosen or not train[seed]:
            raise BadData(
                f"{len(pool):,} items in {len(units):,} groups left nothing for {'train' if chosen else 'validation'}.",
                fix="add items or groups, or leave out `group` under `data`",
            )
    return Splits(test=tuple(ids[i] for i in sorted(chosen_test)), train=train, valid=valids)


def sample_items(items: Sequence[Item], indices: Sequence[int], n: int, *, seed: int) -> list[int]:
    """`n` of the `indices`, each class in its share, by a hash of the texts; in the given order. All of them if they are fewer."""
    if n >= len(indices):
        return list(indices)
    counts = Counter(str(items[i].target) for i in indices)
    exact = {label: n * count / len(indices) for label, count in counts.items()}
    quota = {label: min(counts[label], max(1, int(share))) for label, share in exact.items()}
    # Largest remainders, so that the quotas add up to n wherever n is at least the number of classes.
    for label in sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name)):
        if sum(quota.values()) < n and quota[label] < counts[label]:
            quota[label] += 1
    while sum(quota.values()) > max(n, len(quota)):
        quota[max((name for name in quota if quota[name] > 1), key=lambda name: (quota[name] - exact[name], name))] -= 1
    order = sorted(indices, key=lambda i: (_digest(f"sample {seed}", str(items[i].input)), i))
    kept: Counter[str] = Counter()
    chosen = set()
    for i in order:
        label = str(items[i].target)
        if kept[label] < quota[label]:
            kept[label] += 1
            chosen.add(i)
    return [i for i in indices if i in chosen]


def make_units(items: Sequence[Item], pool: Sequence[int], copies: FindCopies | None = None) -> list[Unit]:
    """Join the items of `pool` (indices) that share a group or are copies of one another, however long the chain.

    Groups are always whole. Where there are groups, copies in different groups are joined only while the
    unit stays within a fifth of the pool; what that leaves apart is found by the leak check.
    """
    from bakeoff.measure.duplicates import duplicate_groups

    texts = [str(items[i].input) for i in pool]
    parent = list(range(len(pool)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    size = [1] * len(pool)
    limit = len(pool)

    def join(i: int, j: int) -> None:
        i, j = root(i), root(j)
        if i != j and size[i] + size[j] <= limit:
            parent[j] = i
            size[i] += size[j]

    first: dict[str, int] = {}
    for i, index in enumerate(pool):
        group = items[index].group
        if group is not None:
            join(first.setdefault(group, i), i)
    if first:
        # One common short text ("ok") would chain all groups into one: copies join groups only up to this size.
        limit = max(int(LARGEST_UNIT * len(pool)), max(size))
    same: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        same.setdefault(text, []).append(i)
    together = [*same.values(), *(list(group) for group in (copies or duplicate_groups)(texts))]
    for alike in sorted(together, key=lambda alike: (len(alike), min(_digest("text", texts[i]) for i in alike))):
        for i in alike[1:]:
            join(alike[0], i)
    members: dict[int, list[int]] = {}
    for i in range(len(pool)):
        members.setdefault(root(i), []).append(i)
    return [
        Unit(
            key=min(_digest("text", texts[i]) for i in joined),
            members=tuple(pool[i] for i in joined),
            classes=Counter(str(items[pool[i]].target) for i in joined),
        )
        for joined in members.values()
    ]


def deal(units: Sequence[Unit], share: float, seed: str, *, leave: int) -> set[int]:
    """Indices of the units dealt out so that each class has about `share` of its items among them.

    Units come in the order of a hash of `seed` and their key. One is taken, or given back on a later sweep, if that
    brings the class counts nearer to their targets (least squares, each class weighted by the inverse of its target).
    At least one unit of every class is taken where it has two, and `leave` units of it stay where it has enough of them.
    """
    totals: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for unit in units:
        totals.update(unit.classes)
        left.update(unit.classes.keys())
    stay = {label: max(1, min(leave, count - 1)) for label, count in left.items()}
    wanted = {label: max(1.0, share * count) for label, count in totals.items()}
    have: Counter[str] = Counter()
    taken: set[int] = set()

    def worse(unit: Unit, sign: int = 1) -> float:
        """Change of the squared distance to the targets if `unit` were taken (given back for -1); below 0 is nearer."""
        return sum(
            ((have[c] + sign * n - wanted[c]) ** 2 - (have[c] - wanted[c]) ** 2) / wanted[c] for c, n in unit.classes.items()
        )

    def may(unit: Unit) -> bool:
        return all(left[label] > stay[label] for label in unit.classes)

    def take(index: int, sign: int = 1) -> None:
        (taken.add if sign > 0 else taken.remove)(index)
        for label, n in units[index].classes.items():
            have[label] += sign * n
            left[label] -= sign

    order = sorted(range(len(units)), key=lambda i: (_digest(seed, units[i].key), i))
    for _ in range(SWEEPS):
        before = set(taken)
        for index in order:
            unit = units[index]
            if index in taken:
                if worse(unit, -1) < 0 and all(have[label] > n for label, n in unit.classes.items()):
                    take(index, -1)
            elif worse(unit) < 0 and may(unit):
                take(index)
        if taken == before:
            break
    for label in sorted(totals):
        if not have[label]:
            fitting = [i for i in order if i not in taken and label in units[i].classes and may(units[i])]
            if fitting:
                take(min(fitting, key=lambda i: worse(units[i])))
    return taken


def _check_possible(items: Sequence[Item], units: Sequence[Unit]) -> None:
    in_units: Counter[str] = Counter()
    for unit in units:
        in_units.update(unit.classes.keys())
    grouped = any(item.group is not None for item in items)
    for label, count in sorted(in_units.items()):
        if count < 2:
            raise BadData(
                f"Every item of class {shown(label)} {'is in one group or' if grouped else 'is'} a copy of one text, so it cannot be both learned and tested.",
                fix="add items of that class, remove it" + (", or leave out `group` under `data`" if grouped else ""),
            )
    if len(units) < 3:
        raise BadData(
            f"There are {len(units)} groups of items that may not be parted; train, validation and test need 3.",
            fix="add items" + (" of other groups, or leave out `group` under `data`" if grouped else " that differ"),
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
