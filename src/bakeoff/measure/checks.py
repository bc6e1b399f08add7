"""Checks on a study, with stable codes. Each says passed, problem, tip, not applicable or could not run.

A *problem* makes a figure of the report wrong or the question unanswerable; a *tip* is worth knowing and may be fine.
Every code has a section in ``docs/reference/checks.md``: what it means, why it matters, what to do. Codes are never used
again for something else. BK014 to BK018, on what is measured beside the test, are in `bakeoff.measure.serving_checks`.

    run_checks([partial(exact_leak, texts), partial(few_per_class, train_labels, test_labels)])
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, TypeVar

from bakeoff.contract import Answer, Finding, Interval, Item, Json, Outcome
from bakeoff.errors import BadData
from bakeoff.measure.classification import is_distribution
from bakeoff.measure.duplicates import THRESHOLD, duplicates_across, exact_groups, normalise

TITLES: Mapping[str, str] = {
    "BK000": "A check without a code",
    "BK001": "Exact duplicates across splits",
    "BK002": "Near duplicates across splits",
    "BK003": "Enough test items for the margin",
    "BK004": "Enough items of every class",
    "BK005": "Better than the floor",
    "BK006": "Labels that differ only by case or space",
    "BK007": "Label imbalance",
    "BK008": "Same text, different labels",
    "BK009": "Duplicates within test",
    "BK010": "Errors",
    "BK011": "Abstentions",
    "BK012": "More than one seed",
    "BK013": "Probabilities are probabilities",
    "BK014": "Valid load tests",
    "BK015": "Errors under load",
    "BK016": "Better than the floor on edge cases",
    "BK017": "Stable under small changes",
    "BK018": "The same answer when asked again",
    "BK030": "The same episode from the same seed",
    "BK031": "Gymnasium's own checks",
    "BK032": "Seeds of training, validation and test apart",
    "BK033": "Stated range of both rewards",
    "BK034": "Ended and cut off told apart",
    "BK035": "Different episodes from different seeds",
}

Texts = Mapping[str, Sequence[tuple[str, str]]]
"""Split -> (id, text) of its items. The splits compared with ``test`` are all the others."""

Check = Callable[[], Finding | Sequence[Finding]]
Function = TypeVar("Function", bound=Callable[..., Finding])

SHOWN = 5
NEAR_SHARE_THAT_MATTERS = 0.01
ERROR_SHARE_THAT_MATTERS = 0.01
TYPICAL_DISCORDANCE = 0.10
IMBALANCE = 0.8


def coded(code: str) -> Callable[[Function], Function]:
    """Fasten a code to a check, so that a check that could not run still has its name."""

    def fasten(function: Function) -> Function:
        function.code = code  # type: ignore[attr-defined]
        return function

    return fasten


def run_checks(checks: Iterable[Check]) -> list[Finding]:
    """The findings of all checks, in order. A check that fails is itself a finding: ``could_not_run``, with the reason.

    Parameters
    ----------
    checks : iterable of callable
        Each takes nothing and returns one Finding or several; use ``functools.partial`` to give a check of this file its
        data. The code of a check that could not run comes from its attribute ``code`` (BK000 without one).
    """
    findings: list[Finding] = []
    for check in checks:
        try:
            said = check()
        except Exception as error:
            # Deliberately every Exception: one broken check (a plugin's, or ours on odd data) must neither stop a study that
            # ran for an hour nor vanish. It is shown with its reason, and never as passed.
            code = _code_of(check)
            reason = str(error).replace("\n", " ") or "no reason given"
            findings.append(
                Finding(
                    code, TITLES.get(code, code), "could_not_run", f"This check could not run: {type(error).__name__}: {reason}"
                )
            )
            continue
        findings += [said] if isinstance(said, Finding) else list(said)
    return findings


@coded("BK001")
def exact_leak(texts: Texts) -> Finding:
    """BK001: is a test text also in another split (equal but for Unicode form, case and white space)?

    Parameters
    ----------
    texts : mapping of split to sequence of (id, text)
        With a split called ``test``.
    """
    test, others = _test_and_others(texts)
    if not test or not others:
        return finding("BK001", "not_applicable", "There is no test split, or nothing to compare it with.")
    seen = {normalise(text): f"{split} {id_}" for split, id_, text in others}
    pairs = [[id_, seen[plain]] for id_, text in test if (plain := normalise(text)) in seen]
    if not pairs:
        return finding("BK001", "passed", f"None of the {len(test):,} test texts is in another split.", leaked=0, test=len(test))
    says = f"{len(pairs):,} of {len(test):,} test texts ({len(pairs) / len(test):.1%}) are also in another split: {listed(_arrow(pairs))}."
    return finding("BK001", "problem", says, leaked=len(pairs), test=len(test), pairs=pairs[:100])


@coded("BK002")
def near_leak(texts: Texts, threshold: float = THRESHOLD) -> Finding:
    """BK002: is a test text nearly the same as one of another split? Exact ones are BK001's and not counted here.

    A problem above 1% of the test texts, a tip below.
    """
    test, others = _test_and_others(texts)
    if not test or not others:
        return finding("BK002", "not_applicable", "There is no test split, or nothing to compare it with.")
    exact = {normalise(text) for _, _, text in others}
    rest = [(id_, text) for id_, text in test if normalise(text) not in exact]
    found = duplicates_across([text for _, text in rest], [text for _, _, text in others], threshold)
    pairs: list[list[Json]] = [[rest[i][0], f"{others[j][0]} {others[j][1]}", round(near, 3)] for i, (j, near) in found.items()]
    if not pairs:
        says = f"None of the {len(test):,} test texts is at least {threshold:.0%} alike to one of another split."
        return finding("BK002", "passed", says, leaked=0, test=len(test), threshold=threshold)
    outcome: Outcome = "problem" if len(pairs) > NEAR_SHARE_THAT_MATTERS * len(test) else "tip"
    share = f"{len(pairs):,} of {len(test):,} test texts ({len(pairs) / len(test):.1%})"
    says = f"{share} are at least {threshold:.0%} alike to one of another split: {listed(_arrow(pairs))}."
    return finding("BK002", outcome, says, leaked=len(pairs), test=len(test), threshold=threshold, pairs=pairs[:100])


def items_needed(margin: float, discordance: float = TYPICAL_DISCORDANCE, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Test items for a paired comparison of two accuracies to see a difference of `margin`.

    ``((z(1 - alpha/2) sqrt(d) + z(power) sqrt(d - margin^2)) / margin)^2`` with d = `discordance`, the share of items that
    exactly one of the two gets right (Connor 1987, for McNemar's test). Two accuracies cannot differ by more than they
    disagree, so a larger margin counts as `discordance`.

    Raises
    ------
    BadData
        If a parameter is not in (0, 1).
    """
    if not all(0 < value < 1 for value in (margin, discordance, power, alpha)):
        raise BadData(f"No item count for margin {margin} and discordance {discordance}.", fix="give shares between 0 and 1")
    gap, z = min(margin, discordance), NormalDist().inv_cdf
    return math.ceil(((z(1 - alpha / 2) * math.sqrt(discordance) + z(power) * math.sqrt(discordance - gap * gap)) / gap) ** 2)


@coded("BK003")
def too_few_items(n_test: int, margin: float, discordance: float = TYPICAL_DISCORDANCE) -> Finding:
    """BK003: can this many test items tell apart two approaches that differ by the margin (80% power, 5% level)?"""
    need = items_needed(margin, discordance)
    assumed = f"if they disagree on {discordance:.0%} of items"
    facts = {"test": n_test, "needed": need, "margin": margin, "discordance": discordance}
    if n_test >= need:
        return finding("BK003", "passed", f"{n_test:,} test items; {need:,} show a difference of {margin:g} {assumed}.", **facts)
    says = f"{n_test:,} test items; about {need:,} are needed to show a difference of {margin:g} with 80% power {assumed}."
    return finding("BK003", "problem", says, **facts)


@coded("BK004")
def few_per_class(train: Sequence[str], test: Sequence[str], *, least: int = 10) -> Finding:
    """BK004: does every label have at least `least` items in train and in test? A label missing from train is a problem."""
    if not train or not test:
        return finding("BK004", "not_applicable", "There are no labels in train or in test.")
    in_train, in_test = Counter(train), Counter(test)
    counts = {label: (in_train[label], in_test[label]) for label in sorted({*train, *test})}
    few = {label: count for label, count in counts.items() if min(count) < least}
    if not few:
        return finding("BK004", "passed", f"Every label has at least {least} items in train and in test.", counts=_lists(counts))
    missing = [label for label in few if not in_train[label]]
    shown = listed([f"{label!r} ({a} train, {b} test)" for label, (a, b) in few.items()])
    says = f"{len(few)} of {len(counts)} labels have fewer than {least} items in train or in test: {shown}."
    return finding("BK004", "problem" if missing else "tip", says, counts=_lists(counts), missing_from_train=missing)


@coded("BK005")
def worse_than_floor(approach: str, floor: str, difference: Interval) -> Finding:
    """BK005: is an approach better than the floor?

    Parameters
    ----------
    approach, floor : str
    difference : Interval
        Approach - floor on the same items, turned so that higher is better.
    """
    facts = {"approach": approach, "floor": floor, "difference": list(difference)}
    if approach == floor:
        return finding("BK005", "not_applicable", f"{approach} is the floor.", **facts)
    if difference.low > 0:
        return finding("BK005", "passed", f"{approach} is better than {floor}: {difference}.", **facts)
    if difference.high < 0 or difference.mid < 0:
        return finding("BK005", "problem", f"{approach} is worse than {floor}, which learns nothing: {difference}.", **facts)
    return finding("BK005", "tip", f"{approach} is not shown to be better than {floor}: {difference}.", **facts)


@coded("BK006")
def labels_alike(labels: Sequence[str]) -> Finding:
    """BK006: do labels differ only by case, white space or Unicode form ('Good' and 'good ')?"""
    counts = Counter(labels)
    names = sorted(counts)
    groups = [[names[i] for i in group] for group in exact_groups(names)]
    if not groups:
        return finding("BK006", "passed", f"The {len(names)} labels differ by more than case and space.")
    shown = listed([" and ".join(f"{name!r} ({counts[name]:,})" for name in group) for group in groups])
    return finding(
        "BK006", "problem", f"Some labels differ only by case or space and count as different classes: {shown}.", groups=groups
    )


@coded("BK007")
def imbalance(labels: Sequence[str]) -> Finding:
    """BK007: does one label hold more than 80% of the items, so that accuracy flatters whoever always says it?"""
    if not labels:
        return finding("BK007", "not_applicable", "There are no labels.")
    label, count = Counter(labels).most_common(1)[0]
    share = count / len(labels)
    says = f"The most frequent label, {label!r}, holds {share:.1%} of {len(labels):,} items"
    if share <= IMBALANCE:
        return finding("BK007", "passed", says + ".", label=label, share=share)
    return finding(
        "BK007", "tip", says + ": always saying it gets that accuracy, so read macro F1 first.", label=label, share=share
    )


@coded("BK008")
def conflicting_labels(items: Sequence[tuple[str, str, str]]) -> Finding:
    """BK008: does the same text (but for case and white space) carry different labels? `items` are (id, text, label)."""
    by_text: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for id_, text, label in items:
        by_text[normalise(text)].append((id_, label))
    groups = [found for found in by_text.values() if len({label for _, label in found}) > 1]
    if not groups:
        return finding("BK008", "passed", "No text carries two labels.", texts=0)
    # Whatever is answered, all but the most frequent label of such a text count as wrong.
    lost = sum(len(found) - Counter(label for _, label in found).most_common(1)[0][1] for found in groups)
    shown = listed([", ".join(f"{id_} {label!r}" for id_, label in found[:3]) for found in groups])
    says = f"{len(groups):,} texts carry different labels, so at least {lost:,} of {len(items):,} items must count as wrong: {shown}."
    return finding(
        "BK008",
        "tip",
        says,
        texts=len(groups),
        items_lost=lost,
        groups=[[list(pair) for pair in found[:20]] for found in groups[:50]],
    )


@coded("BK009")
def duplicates_within(texts: Sequence[tuple[str, str]], split: str = "test") -> Finding:
    """BK009: do texts occur more than once within one split? Copies count one text several times and narrow intervals falsely."""
    groups = exact_groups([text for _, text in texts])
    extra = sum(len(group) - 1 for group in groups)
    ids = [[texts[i][0] for i in group[:20]] for group in groups[:50]]
    facts: dict[str, Json] = {"extra": extra, "n": len(texts), "groups": ids}
    if not extra:
        return finding("BK009", "passed", f"No text occurs twice within {split}.", **facts)
    says = f"{extra:,} of {len(texts):,} items of {split} repeat the text of another: {listed([' = '.join(group[:3]) for group in ids])}."
    return finding("BK009", "problem" if extra > NEAR_SHARE_THAT_MATTERS * len(texts) else "tip", says, **facts)


@coded("BK010")
def errors(approach: str, answers: Sequence[Answer]) -> Finding:
    """BK010: did more than 1% of the answers end in an error? Fewer, but some, is a tip."""
    if not answers:
        return finding("BK010", "not_applicable", f"{approach} gave no answers.")
    kinds = Counter(answer.error for answer in answers if answer.error is not None)
    n = kinds.total()
    if not n:
        return finding("BK010", "passed", f"None of {approach}'s {len(answers):,} answers is an error.", errors=0)
    says = f"{n:,} of {approach}'s {len(answers):,} answers ({n / len(answers):.1%}) are errors: {listed([f'{k} ({c})' for k, c in kinds.most_common()])}."
    return finding(
        "BK010",
        "problem" if n > ERROR_SHARE_THAT_MATTERS * len(answers) else "tip",
        says,
        errors=n,
        kinds=dict(kinds.most_common(20)),
    )


@coded("BK011")
def abstentions(approach: str, answers: Sequence[Answer]) -> Finding:
    """BK011: did the approach decline items? Then its quality is that of the items it chose to answer."""
    if not answers:
        return finding("BK011", "not_applicable", f"{approach} gave no answers.")
    n = sum(answer.abstained and answer.error is None for answer in answers)
    if not n:
        return finding("BK011", "passed", f"{approach} declined none of {len(answers):,} items.", abstained=0)
    says = f"{approach} declined {n:,} of {len(answers):,} items ({n / len(answers):.1%}); its quality is that of the others. Compare at equal coverage."
    return finding("BK011", "tip", says, abstained=n)


@coded("BK012")
def single_seed(seeds: int) -> Finding:
    """BK012: was there more than one seed? With one, luck in the split and in training is not seen."""
    if seeds > 1:
        return finding("BK012", "passed", f"{seeds} seeds.", seeds=seeds)
    return finding(
        "BK012", "tip", "One seed: how much results change with the split and the start of training is not measured.", seeds=seeds
    )


@coded("BK013")
def bad_probabilities(approach: str, answers: Sequence[Answer]) -> Finding:
    """BK013: are all probabilities in [0, 1] with sum 1? Those that are not are left out of Brier, log loss and calibration."""
    given = [answer.probabilities for answer in answers if answer.answered and answer.probabilities is not None]
    if not given:
        return finding("BK013", "not_applicable", f"{approach} gives no probabilities.")
    bad = [found for found in given if not is_distribution(found)]
    if not bad:
        return finding("BK013", "passed", f"{approach}'s probabilities are in [0, 1] and sum to 1.", bad=0)
    says = f"{len(bad):,} of {len(given):,} probabilities of {approach} are not in [0, 1] with sum 1, and are left out: {str(dict(bad[0]))[:200]}."
    return finding("BK013", "problem", says, bad=len(bad), given=len(given))


def hashes(items: Iterable[Item]) -> dict[str, str]:
    """SHA-256 of what is asked (`x`) and of what is right (`y`), over the items in order of id.

    Canonical JSON of ``[id, input]`` and ``[id, target]`` per item: keys sorted, no spaces, ASCII, one line each. Neither
    the order of items nor of keys matters; a single changed label changes `y` alone.

    Raises
    ------
    BadData
        If an input or target is not JSON (a nan, bytes), or an id occurs twice.
    """
    x, y = hashlib.sha256(), hashlib.sha256()
    last: str | None = None
    for item in sorted(items, key=lambda item: item.id):
        if item.id == last:
            raise BadData(f"The id {item.id!r} occurs twice.", fix="give every item an id of its own")
        last = item.id
        for digest, value in ((x, item.input), (y, item.target)):
            try:
                line = json.dumps([item.id, value], sort_keys=True, separators=(",", ":"), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise BadData(
                    f"Item {item.id!r} holds a value that is not JSON: {error}.",
                    fix="use texts, numbers, lists and mappings only",
                ) from error
            digest.update(line.encode("ascii") + b"\n")
    return {"x": x.hexdigest(), "y": y.hexdigest()}


def finding(code: str, outcome: Outcome, says: str, **details: Any) -> Finding:
    """A finding with the title of its code."""
    return Finding(code, TITLES[code], outcome, says, details)


def _code_of(check: object) -> str:
    while isinstance(check, partial) and not hasattr(check, "code"):
        check = check.func
    return str(getattr(check, "code", "BK000"))


def _test_and_others(texts: Texts) -> tuple[Sequence[tuple[str, str]], list[tuple[str, str, str]]]:
    return texts.get("test", ()), [(split, id_, text) for split, found in texts.items() if split != "test" for id_, text in found]


def _arrow(pairs: Sequence[Sequence[Json]]) -> list[str]:
    return [f"{pair[0]} = {pair[1]}" for pair in pairs]


def listed(shown: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    rest = len(shown) - SHOWN
    return "; ".join(shown[:SHOWN]) + (f"; and {rest:,} more" if rest > 0 else "")


def _lists(counts: Mapping[str, tuple[int, int]]) -> dict[str, list[int]]:
    return {label: list(pair) for label, pair in counts.items()}
