"""Checks of pictures with the codes of `bakeoff.measure.checks`: the same questions as for texts, asked of pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bakeoff.contract import Finding, Json, Outcome
from bakeoff.measure.checks import NEAR_SHARE_THAT_MATTERS, TITLES, coded, finding, listed


@coded("BK001")
def exact_leak(test: Collection[str], rest: Collection[str], exact: Sequence[Sequence[str]]) -> Finding:
    """BK001: is a test picture, pixel for pixel, also in train or valid?

    Parameters
    ----------
    test, rest : collection of str
        Keys of the pictures of test, and of train and valid.
    exact : sequence of groups of keys
        Pictures with the same pixels once prepared.
    """
    if not test or not rest:
        return finding("BK001", "not_applicable", "There is no test split, or nothing to compare it with.")
    asked, learned = frozenset(test), frozenset(rest)
    pairs = [
        [key, next(other for other in group if other in learned)]
        for group in exact
        if any(other in learned for other in group)
        for key in group
        if key in asked
    ]
    if not pairs:
        return finding(
            "BK001", "passed", f"None of the {len(asked):,} test pictures is in another split.", leaked=0, test=len(asked)
        )
    says = f"{len(pairs):,} of {len(asked):,} test pictures ({len(pairs) / len(asked):.1%}) are also in train or valid: {_arrows(pairs)}."
    return finding("BK001", "problem", says, leaked=len(pairs), test=len(asked), pairs=pairs[:100])


@coded("BK002")
def near_leak(
    test: Collection[str], rest: Collection[str], near: Sequence[tuple[str, str, float]], exact: Sequence[Sequence[str]] = ()
) -> Finding:
    """BK002: is a test picture a near copy of one in train or valid (`near_pictures`)? Exact ones are BK001's and not counted here.

    A problem above 1% of the test pictures, a tip below.
    """
    if not test or not rest:
        return finding("BK002", "not_applicable", "There is no test split, or nothing to compare it with.")
    asked, learned = frozenset(test), frozenset(rest)
    same = {key for group in exact if any(other in learned for other in group) for key in group}
    found: dict[str, tuple[str, float]] = {}
    for one, other, alike in near:
        for key, beside in ((one, other), (other, one)):
            if key in asked and key not in same and beside in learned and alike > found.get(key, ("", 0.0))[1]:
                found[key] = (beside, alike)
    if not found:
        says = f"None of the {len(asked):,} test pictures is nearly the same as one of another split."
        return finding("BK002", "passed", says, leaked=0, test=len(asked))
    pairs: list[list[Json]] = [[key, beside, round(alike, 3)] for key, (beside, alike) in sorted(found.items())]
    outcome: Outcome = "problem" if len(pairs) > NEAR_SHARE_THAT_MATTERS * len(asked) else "tip"
    says = f"{len(pairs):,} of {len(asked):,} test pictures ({len(pairs) / len(asked):.1%}) are nearly the same as one of train or valid: {_arrows(pairs)}."
    return finding("BK002", outcome, says, leaked=len(pairs), test=len(asked), pairs=pairs[:100])


@coded("BK008")
def conflicting_labels(
    labels: Mapping[str, str], exact: Sequence[Sequence[str]], near: Sequence[tuple[str, str, float]]
) -> Finding:
    """BK008: does the same picture, or nearly the same, carry different labels? `labels` are by key."""
    pairs = [(group[0], other) for group in exact for other in group[1:]] + [(one, other) for one, other, _ in near]
    found = [
        [one, labels[one], other, labels[other]]
        for one, other in pairs
        if one in labels and other in labels and labels[one] != labels[other]
    ]
    title = "Same picture, different labels"
    if not found:
        return Finding("BK008", title, "passed", "No picture carries two labels.", {"pairs": []})
    says = f"{len(found):,} pairs of pictures that are the same, or nearly, carry different labels: " + listed(
        [f"{one} {label!r}, {other} {another!r}" for one, label, other, another in found]
    )
    return Finding("BK008", title, "tip", says + ".", {"pairs": [list(pair) for pair in found[:50]]})


@coded("BK009")
def duplicates_within(test: Collection[str], exact: Sequence[Sequence[str]]) -> Finding:
    """BK009: do pictures occur more than once within test? Copies count one picture several times and narrow intervals falsely."""
    asked = frozenset(test)
    groups = [held for group in exact if len(held := [key for key in group if key in asked]) > 1]
    extra = sum(len(group) - 1 for group in groups)
    facts: dict[str, Json] = {"extra": extra, "n": len(asked), "groups": [list(group[:20]) for group in groups[:50]]}
    if not extra:
        return Finding("BK009", TITLES["BK009"], "passed", "No picture occurs twice within test.", facts)
    says = f"{extra:,} of {len(asked):,} test pictures repeat another: {listed([' = '.join(group[:3]) for group in groups])}."
    return Finding("BK009", TITLES["BK009"], "problem" if extra > NEAR_SHARE_THAT_MATTERS * len(asked) else "tip", says, facts)


def _arrows(pairs: Sequence[Sequence[Json]]) -> str:
    return listed([f"{pair[0]} = {pair[1]}" for pair in pairs])
