"""Limits in words: ``p95 latency <= 50 ms``. Read, put in a normal form, and judged with a probability.

A limit that was not measured is never met and never passed over: its probability is None, and the
approach is outside the limits until somebody measures it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bakeoff.contract import Interval
from bakeoff.errors import BadStudy, BakeoffError, nearest
from bakeoff.study import Study

Z95 = 1.959963984540054

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
BYTES = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
RATES = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600, "/day": 1 / 86_400}
SHARES = {"%": 0.01, "": 1.0}
_SPELLINGS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "µs": "us", "μs": "us", "microseconds": "us",
    "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "minute": "min", "minutes": "min", "hour": "h", "hours": "h",
    "b": "B", "bytes": "B", "kb": "KB", "mb": "MB", "gb": "GB", "tb": "TB", "kib": "KiB", "mib": "MiB", "gib": "GiB",
    "percent": "%", "per second": "/s", "per minute": "/min", "per hour": "/h", "per day": "/day", "a day": "/day",
    "items/s": "/s", "items per second": "/s", "/sec": "/s", "/second": "/s", "/minute": "/min", "/hour": "/h", "/d": "/day",
}  # fmt: skip
_OPERATORS = {
    "<=": "<=", ">=": ">=", "<": "<", ">": ">", "≤": "<=", "≥": ">=", "=<": "<=", "=>": ">=",
    "at most": "<=", "no more than": "<=", "at least": ">=", "no less than": ">=",
    "below": "<", "under": "<", "less than": "<", "above": ">", "over": ">", "more than": ">",
}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """Something a limit can be set on: its units with their size in the measure's own unit, and the usual direction."""

    units: dict[str, float]
    better: str
    example: str


MEASURES: dict[str, Measure] = {
    **{f"p{p} latency": Measure(SECONDS, "<", f"p{p} latency <= 50 ms") for p in (50, 90, 95, 99)},
    "cost per 1000": Measure({"$": 1.0, "cents": 0.01}, "<", "cost <= $0.10 per 1000"),
    "cost per day": Measure({"$": 1.0, "cents": 0.01}, "<", "cost <= $5 per day"),
    "memory": Measure(BYTES, "<", "memory <= 1 GB"),
    "model size": Measure(BYTES, "<", "model size <= 200 MB"),
    "errors": Measure(SHARES, "<", "errors <= 1%"),
    "abstained": Measure(SHARES, "<", "abstained <= 5%"),
    "cold start": Measure(SECONDS, "<", "cold start <= 10 s"),
    "train time": Measure(SECONDS, "<", "train time <= 10 min"),
    "throughput": Measure(RATES, ">", "throughput >= 50/s"),
    "served rate": Measure(RATES, ">", "served rate >= 5/s"),
    **{f"p{p} first token": Measure(SECONDS, "<", f"p{p} first token <= 200 ms") for p in (50, 90, 95, 99)},
    "edge accuracy": Measure(SHARES, ">", "edge accuracy >= 70%"),
    "flips": Measure(SHARES, "<", "flips <= 10%"),
    "consistency": Measure(SHARES, ">", "consistency >= 99%"),
}
"""What a limit may be set on, metrics apart. ``served rate``: the highest rate of requests that one server was shown to hold
within the study's `serving` limit. ``first token``: from intended start, one request at a time over HTTP. ``edge accuracy``: on
the written edge cases. ``flips``: changed inputs that get another answer than before although they should not.
``consistency``: items whose repeats all get the same answer while others are being answered."""
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "served rate": ("serving",), "first token": ("serving",), "edge accuracy": ("edge_cases",), "flips": ("edge_cases",),
    "consistency": ("consistency", "serving"),
}  # fmt: skip
_NAMES = {
    "median latency": "p50 latency", "peak memory": "memory", "ram": "memory", "size": "model size", "model bytes": "model size",
    "error rate": "errors", "abstentions": "abstained", "abstention rate": "abstained", "training time": "train time",
    "fit time": "train time", "startup": "cold start", "rate within the limit": "served rate", "highest rate": "served rate",
    "accuracy on edge cases": "edge accuracy", "edge case accuracy": "edge accuracy", "flip rate": "flips",
}  # fmt: skip
METRICS = ("accuracy", "macro_f1", "weighted_f1", "brier", "log_loss", "ece")
_LOWER_IS_BETTER = frozenset({"brier", "log_loss", "ece"})


@dataclass(frozen=True)
class Limit:
    """One limit, understood.

    Parameters
    ----------
    measure : str
        A key of `MEASURES`, or the name of a quality metric.
    operator : {'<=', '<', '>=', '>'}
    bound : float
        In the measure's own unit: seconds, bytes, US dollars, a share, items per second, or the metric's unit.
    text : str
        Normal form; `parse_limit(text).text == text`.
    """

    measure: str
    operator: str
    bound: float
    text: str

    def met_by(self, value: float) -> bool:
        """True if exactly this value is within the limit."""
        return {"<=": value <= self.bound, "<": value < self.bound, ">=": value >= self.bound, ">": value > self.bound}[
            self.operator
        ]


def parse_limit(text: str, metrics: Iterable[str] = METRICS) -> Limit:
    """Read one limit, such as ``p95 latency <= 50 ms`` or ``accuracy at least 85%``.

    Parameters
    ----------
    metrics : iterable of str
        Names of the quality metrics that a limit may also be set on.

    Raises
    ------
    BakeoffError
        For anything else. Says what is understood, and the nearest.
    """
    words = " ".join(text.replace("US$", "$").replace("USD", "$").split())
    symbols = sorted(_OPERATORS, key=len, reverse=True)
    found = re.search("|".join(rf"\b{re.escape(o)}\b" if o[0].isalpha() else re.escape(o) for o in symbols), words, re.IGNORECASE)
    if not found:
        raise BakeoffError(f"The limit {text!r} has no comparison.", fix="write it with <= or >=, e.g. 'p95 latency <= 50 ms'")
    left, right = words[: found.start()].strip(), words[found.end() :].strip()
    operator = _OPERATORS[found.group().lower()]
    names = {name.lower(): name for name in metrics}
    measure, right = _measure(text, left.lower(), right, names)
    number, unit, shown = _number(text, measure, right)
    if measure in MEASURES:
        better = MEASURES[measure].better
        if operator[0] != better:
            raise BakeoffError(
                f"The limit {text!r} points the wrong way: it would refuse the better side.",
                fix=f"write {better}= instead, e.g. {MEASURES[measure].example!r}",
            )
    bound = number * _units(measure)[unit]
    return Limit(measure, operator, bound, _normal(measure, operator, shown, unit))


def parse_limits(texts: Sequence[str], metrics: Iterable[str] = METRICS) -> tuple[Limit, ...]:
    """Read every limit; the same limit written twice counts once. Raises as `parse_limit`."""
    known = tuple(metrics)
    return tuple({limit.text: limit for limit in (parse_limit(text, known) for text in texts)}.values())


def check_measured(limits: Iterable[Limit], study: Study) -> None:
    """Refuse a limit on something that this study does not ask for: nothing could ever keep it.

    Raises
    ------
    BadStudy
        Names the section that is missing.
    """
    for limit in limits:
        needed = _SECTIONS.get("first token" if limit.measure.endswith("first token") else limit.measure, ())
        missing = [section for section in needed if getattr(study, section) is None]
        if missing:
            raise BadStudy(
                f"The limit {limit.text!r} is on something that is measured only with `{missing[0]}`, and the study has none.",
                fix=f"add a section `{missing[0]}`, or leave the limit out",
            )
        if limit.measure == "served rate" and study.serving is not None and not limit.met_by(study.serving.highest_rate):
            raise BadStudy(
                f"The limit {limit.text!r} cannot be kept: `serving.highest_rate` is {study.serving.highest_rate:g}, and no higher rate is tried.",
                fix=f"add serving: {{highest_rate: {math.ceil(limit.bound) + 1}}} or more",
            )


def probability_met(limit: Limit, measured: Interval | None) -> float | None:
    """Probability that the true figure is within the limit, in [0, 1]; None where nothing was measured.

    The 95% interval is read as a normal distribution whose spread may differ on the two sides: the
    distance from `mid` to an end is 1.96 standard deviations on that side. So the probability is 0.5 when
    the bound is the measured figure, and 0.975 when it is the far end. A figure without spread (a file's size)
    gives 0 or 1. An approximation: for shares near 0 or 1 the tails are thinner than this.
    """
    if measured is None or math.isnan(measured.mid):
        return None
    gap = limit.bound - measured.mid
    spread = ((measured.high - measured.mid) if gap > 0 else (measured.mid - measured.low)) / Z95
    if gap == 0 or spread <= 0:
        return float(limit.met_by(measured.mid)) if spread <= 0 else 0.5
    below = 0.5 * (1 + math.erf(gap / spread / math.sqrt(2)))
    return below if limit.operator[0] == "<" else 1 - below


def _measure(text: str, left: str, right: str, metrics: dict[str, str]) -> tuple[str, str]:
    left = left.replace("latency p", "p") + " latency" if re.fullmatch(r"latency p\d\d", left) else left
    if re.fullmatch(r"p\d\d", left):
        left += " latency"
    left = re.sub(r"\b(ttft|time to first token|first-token)$", "first token", left)
    if left in ("cost", "price", "usd", "cost per 1000", "cost per 1,000", "cost per day"):
        for period, pattern in (
            ("cost per 1000", r"(?:per|/|a)\s*1[,']?000(?:\s*items)?$"),
            ("cost per day", r"(?:per|/|a)\s*day$"),
        ):
            if left.replace(",", "") == period:
                return period, right
            if re.search(pattern, right):
                return period, re.sub(pattern, "", right).strip()
        raise BakeoffError(
            f"The limit {text!r} does not say for how much.", fix="write 'cost <= $0.10 per 1000' or 'cost <= $5 per day'"
        )
    if left == "latency":
        raise BakeoffError(
            f"The limit {text!r} does not say which latency.", fix=f"say how many answers must keep it: 'p95 latency <= {right}'"
        )
    if left == "first token":
        raise BakeoffError(
            f"The limit {text!r} does not say for how many requests.",
            fix=f"say how many must keep it: 'p95 first token <= {right}'",
        )
    name = _NAMES.get(left, left)
    if name in MEASURES:
        return name, right
    for spelling in (left, left.replace(" ", "_"), left.replace("-", "_")):
        if spelling in metrics:
            return metrics[spelling], right
    known = sorted({*MEASURES, *_NAMES, *metrics.values()})
    raise BakeoffError(
        f"The limit {text!r} is on {left!r}, which is not measured. Understood: {', '.join(sorted({*MEASURES, *metrics.values()}))}.",
        fix=nearest(left, known),
    )


def _units(measure: str) -> dict[str, float]:
    return MEASURES[measure].units if measure in MEASURES else SHARES


def _number(text: str, measure: str, right: str) -> tuple[float, str, str]:
    units = _units(measure)
    example = MEASURES[measure].example if measure in MEASURES else f"{measure} >= 85%"
    money = "$" in units
    found = re.fullmatch(
        r"(-?\d[\d,_']*(?:\.\d+)?(?:e[+-]?\d+)?|-?\.\d+)\s*(.*)",
        right.removeprefix("$").strip() if money else right,
        re.IGNORECASE,
    )
    if not found:
        raise BakeoffError(f"The limit {text!r} has no number after the comparison.", fix=f"e.g. {example!r}")
    shown, written = re.sub("[,_']", "", found[1]), found[2].strip()
    number = float(shown)
    unit = written if written in units else _SPELLINGS.get(written, _SPELLINGS.get(written.lower(), written))
    if money:
        unit = "cents" if written.lower() in ("cent", "cents", "¢") else "$" if written in ("", "$", "dollars") else written
    if unit not in units:
        allowed = ", ".join(u for u in units if u)
        raise BakeoffError(f"The limit {text!r} is in {written or 'no unit'!r}; understood: {allowed}.", fix=f"e.g. {example!r}")
    if not math.isfinite(number) or (number < 0 and measure in MEASURES):
        raise BakeoffError(f"The limit {text!r} has a number that nothing can keep.", fix=f"e.g. {example!r}")
    if units is SHARES and unit == "" and number > 1 and (measure in MEASURES or measure in METRICS) and measure != "log_loss":
        raise BakeoffError(
            f"The limit {text!r}: {shown} is more than the largest possible, 1.", fix=f"write {shown}% or {number / 100:g}"
        )
    return number, unit, shown


def _normal(measure: str, operator: str, shown: str, unit: str) -> str:
    if measure.startswith("cost per"):
        amount = f"${shown}" if unit == "$" else f"{shown} cents"
        return f"cost {operator} {amount} {measure.removeprefix('cost ')}"
    return f"{measure} {operator} {shown}" + (unit if unit in ("%", "") or unit.startswith("/") else f" {unit}")
