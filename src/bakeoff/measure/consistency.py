"""How far an approach agrees with itself: the same question again, and the same question in other formats.

Agreement over N repeats is the total agreement rate of Atil et al. 2024 (arXiv 2408.04667): TARr@N on the replies as they came
and TARa@N on the answers read from them. The spread over formats is that of Sclar et al. 2024 (arXiv 2310.11324). Every share
has its exact interval (Clopper and Pearson 1934), for there are few items and the shares are near 1.
"""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.intervals import proportion


@dataclass(frozen=True)
class Agreement:
    """The same inputs, asked again and again; the fields of `decide.record.Agreement`.

    Parameters
    ----------
    items : int
        Inputs asked.
    repeats : int
        Times each was asked.
    concurrency : int
        Requests in flight; 1 is one at a time.
    raw, parsed : Interval or None
        Share of the compared items whose replies (answers) are all the same. An item of which a reply failed is not compared;
        `n` counts those that were. None where none was.
    errors : int
        Replies that failed, of ``items * repeats``.
    """

    items: int
    repeats: int
    concurrency: int = 1
    raw: Interval | None = None
    parsed: Interval | None = None
    errors: int = 0


@dataclass(frozen=True)
class Formats:
    """The same items in other formats; the fields of `decide.record.Formats`.

    Parameters
    ----------
    items : int
    metric : mapping of format to Interval
        Accuracy on these items, in the order given.
    lowest, median, highest : float or None
        Of the accuracies, in [0, 1].
    agreement : Interval or None
        Share of items that every format answers the same.
    """

    items: int
    metric: Mapping[str, Interval] = field(default_factory=dict)
    lowest: float | None = None
    median: float | None = None
    highest: float | None = None
    agreement: Interval | None = None


def agreement(raw: Sequence[Sequence[str | None]], parsed: Sequence[Sequence[str | None]], concurrency: int = 1) -> Agreement:
    """TARr@N and TARa@N: shares of items all of whose N replies, and all of whose N answers, are identical.

    Parameters
    ----------
    raw : sequence of shape (n_items, n_repeats)
        Replies as they came; None where the request failed.
    parsed : sequence of the same shape
        The answers read from them. None where nothing could be read: an answer of its own, the same each time it happens.
    concurrency : int, default=1
        Requests that were in flight; kept as it is.

    Notes
    -----
    A failed reply is neither the same as another nor different from it. The item is left out of both shares, the failures
    are counted in `errors`, and the shares' `n` shows how many items are left.

    Raises
    ------
    BakeoffError
        If the shapes differ, there are no items, or fewer than two repeats.
    """
    repeats = {len(row) for row in raw}
    if not raw or len(repeats) > 1 or [len(row) for row in raw] != [len(row) for row in parsed] or min(repeats) < 2:
        raise BakeoffError(
            "Agreement needs the same number of replies, two or more, for every item, and as many answers as replies.",
            fix="give one row per item, with None for a reply that failed",
        )
    compared = [number for number, row in enumerate(raw) if None not in row]
    errors = sum(reply is None for row in raw for reply in row)
    return Agreement(
        items=len(raw),
        repeats=min(repeats),
        concurrency=concurrency,
        raw=_share([_same(raw[number]) for number in compared]),
        parsed=_share([_same(parsed[number]) for number in compared]),
        errors=errors,
    )


def formats(values: Mapping[str, Sequence[str | None]], targets: Sequence[str]) -> Formats:
    """How accuracy and answers move with the format of the question.

    Parameters
    ----------
    values : mapping of format name to sequence of length n_items
        Answers in each format, the one in use first. None where there is none: not right, and an answer of its own.
    targets : sequence of str, length n_items
        What is right.

    Raises
    ------
    BakeoffError
        If there is no item, no format, or a format with another number of answers.
    """
    if not values or not targets or any(len(said) != len(targets) for said in values.values()):
        raise BakeoffError(
            "Formats are compared on the same items: each needs one answer per item, and at least one.",
            fix="give None where a format has no answer",
        )
    n = len(targets)
    metric = {name: _exact(sum(a == b for a, b in zip(said, targets, strict=True)), n) for name, said in values.items()}
    found = [one.mid for one in metric.values()]
    return Formats(
        items=n,
        metric=metric,
        lowest=min(found),
        median=statistics.median(found),
        highest=max(found),
        agreement=_share([_same(row) for row in zip(*values.values(), strict=True)]) if len(values) > 1 else None,
    )


class _Range(Protocol):
    @property
    def mid(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


class _Agreed(Protocol):
    @property
    def items(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def raw(self) -> _Range | None: ...
    @property
    def parsed(self) -> _Range | None: ...
    @property
    def errors(self) -> int: ...


class _Formatted(Protocol):
    @property
    def items(self) -> int: ...
    @property
    def metric(self) -> Mapping[str, _Range]: ...
    @property
    def lowest(self) -> float | None: ...
    @property
    def median(self) -> float | None: ...
    @property
    def highest(self) -> float | None: ...
    @property
    def agreement(self) -> _Range | None: ...


def says(alone: _Agreed | None = None, concurrent: _Agreed | None = None, formats: _Formatted | None = None) -> str:
    """What was found, in plain words; '' where nothing was measured.

    Takes the dataclasses of this file, or anything with the same fields (`decide.record`). A share of 1 is never called
    certain: its interval says what so few questions can show.
    """
    parts = [_of_repeats(found) for found in (alone, concurrent) if found is not None]
    if formats is not None and formats.metric:
        parts.append(_of_formats(formats))
    return " ".join(parts)


def _of_repeats(found: _Agreed) -> str:
    how = "one at a time" if found.concurrency == 1 else f"with {found.concurrency:,} requests in flight"
    begin = f"Asked the same {_count(found.items, 'question')} {found.repeats:,} times each, {how}, "
    left_out = found.items - (found.parsed.n if found.parsed else 0)
    failed = ""
    if found.errors:
        failed = f" {_count(found.errors, 'reply', 'replies')} of {found.items * found.repeats:,} failed; the "
        failed += f"{_count(left_out, 'question')} concerned {'is' if left_out == 1 else 'are'} not compared."
    if found.parsed is None:
        return begin + f"it gave no full set of replies to any of them, so that nothing could be compared.{failed}"
    text = begin + f"it gave the same answer every time to {_of(found.parsed, of=found.items)}."
    if found.raw is not None and found.raw.mid < found.parsed.mid:
        text += f" The reply itself was the same to the last character for {_of(found.raw)}."
    return text + failed


def _of_formats(found: _Formatted) -> str:
    ranges = sorted(found.metric.values(), key=lambda one: one.mid)
    count, asked = len(ranges), _count(found.items, "question")
    used = next(iter(found.metric.values()))
    if count == 1 or found.lowest is None or found.highest is None or found.median is None:
        return f"It was asked in one format only, and was right on {_of(used)}."
    text = f"Asked {asked} in {count} formats, "
    if ranges[0].mid == ranges[-1].mid:
        text += f"it was right on {percent(ranges[0].mid)} ({_interval(ranges[0])}) in each of them"
    else:
        text += f"it was right on {percent(found.lowest)} ({_interval(ranges[0])}) in the worst and "
        text += f"{percent(found.highest)} ({_interval(ranges[-1])}) in the best, "
        text += f"{percent(found.median)} in the median format and {percent(used.mid)} in the one in use"
    return text + (f"; all formats gave the same answer to {_of(found.agreement)}." if found.agreement else ".")


def percent(share: float) -> str:
    """`share` in whole percent; with a decimal near the ends, where rounding would hide what is left or claim 0% or 100%."""
    if share in (0.0, 1.0) or 0.01 <= share < 0.99:
        return f"{share:.0%}"
    if share < 0.001:
        return "under 0.1%"
    return "over 99.9%" if share > 0.999 else f"{share:.1%}"


def _of(share: _Range, of: int | None = None) -> str:
    """e.g. ``22 of 24 (92%; 95% interval 73% to 99%)``; all of them without the share."""
    same = round(share.mid * share.n)
    if same == share.n:
        what = f"all {share.n:,}" if of in (None, share.n) else f"all {share.n:,} that could be compared"
        return f"{what} ({_interval(share)} of such questions)"
    rest = "" if of in (None, share.n) else " that could be compared"
    return f"{same:,} of {share.n:,}{rest} ({percent(share.mid)}; {_interval(share)})"


def _interval(share: _Range) -> str:
    return f"95% interval {percent(share.low)} to {percent(share.high)}"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _same(row: Sequence[Hashable]) -> bool:
    return len(set(row)) == 1


def _share(same: Sequence[bool]) -> Interval | None:
    return _exact(sum(same), len(same)) if same else None


def _exact(k: int, n: int) -> Interval:
    return proportion(k, n, method="clopper-pearson")
