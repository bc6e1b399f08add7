"""Figures of what was measured beside the test: behind an endpoint under load, on hard inputs, and when asked again.

Each is looked up in the document by the approach's name, and is None where nobody measured it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from bakeoff.contract import Interval
from bakeoff.decide.record import ConsistencyResult, Document, KindResult, Percentiles, Range, ServingResult


def interval(found: Range | None) -> Interval | None:
    """A figure of the document as an Interval; None stays None, and a figure that is not a number is none."""
    return None if found is None or math.isnan(found.mid) else Interval(found.mid, found.low, found.high, found.n)


def percentile(times: Percentiles, name: str) -> Interval | None:
    """A percentile ('p90') of measured seconds with its interval; None with too few samples for it."""
    mid = {"p50": times.p50, "p90": times.p90, "p95": times.p95, "p99": times.p99}.get(name)
    if mid is None:
        return None
    return Interval(mid, min(mid, times.low.get(name, mid)), max(mid, times.high.get(name, mid)), times.n)


def serving(document: Document, name: str) -> ServingResult | None:
    """The approach behind an endpoint."""
    return next((found for found in document.serving if found.approach == name), None)


def served_rate(document: Document, name: str) -> Interval | None:
    """Requests per second that one server was shown to hold within the limit: the highest rate that kept it, up to the
    lowest that broke it."""
    found = serving(document, name)
    rate = interval(found.highest_rate) if found else None
    return rate if rate and rate.mid > 0 else None


def first_token(document: Document, name: str, which: str) -> Interval | None:
    """Seconds to the first token, from the intended start, one request at a time over HTTP."""
    found = serving(document, name)
    return percentile(found.single.first_token_seconds, which) if found and found.single and found.single.valid else None


def edge_accuracy(document: Document, name: str) -> Interval | None:
    """Share of the written edge cases with a right answer that the approach got right. An abstention or an error is not right."""
    return _together([(one.accuracy, one.judged) for one in _written(document, name)])


def flips(document: Document, name: str) -> Interval | None:
    """Share of changed inputs that got another answer than the one they came from, although they should not.

    Changed copies of the study's own test items where there are any, else the written pairs.
    """
    kept = consistency_result(document, name)
    if kept and kept.kept_under_changes:
        share = kept.kept_under_changes
        return Interval(1 - share.mid, 1 - share.high, 1 - share.low, share.n)
    if any(one.source == "generated" for one in document.edge_sets):
        return None  # of the others it is measured on those copies: the written pairs are another measure
    return _together([(one.flip_rate, one.pairs) for one in _written(document, name)])


def _written(document: Document, name: str) -> list[KindResult]:
    """The approach's results on every written set; none where it was not asked all of them, for the others were."""
    sets = [one.overall for one in document.edge_sets if one.source == "written"]
    return [one[name] for one in sets if name in one] if all(name in one for one in sets) else []


def _together(parts: Sequence[tuple[Range | None, int]]) -> Interval | None:
    """The share over several sets of inputs, each with its own interval and count.

    The distances to the ends add as squares, weighted by the counts (MOVER: Zou and Donner 2008): with one set it is that
    set's interval.
    """
    known = [(share, count) for share, count in parts if share is not None and count]
    total = sum(count for _, count in known)
    if not total:
        return None
    mid = math.fsum(share.mid * count for share, count in known) / total
    down = math.hypot(*((share.mid - share.low) * count / total for share, count in known))
    up = math.hypot(*((share.high - share.mid) * count / total for share, count in known))
    return Interval(mid, max(0.0, mid - down), min(1.0, mid + up), sum(share.n for share, _ in known))


def consistency_result(document: Document, name: str) -> ConsistencyResult | None:
    """How far the approach agrees with itself."""
    return next((found for found in document.consistency if found.approach == name), None)


def consistency(document: Document, name: str) -> Interval | None:
    """Share of items whose repeats all got the same answer while other requests were being answered."""
    found = consistency_result(document, name)
    return interval(found.concurrent.parsed) if found and found.concurrent else None


FIGURES: Mapping[str, Callable[[Document, str], Interval | None]] = {
    "served rate": served_rate,
    "edge accuracy": edge_accuracy,
    "flips": flips,
    "consistency": consistency,
}
"""By the names that limits use; `first_token` takes a percentile as well."""
