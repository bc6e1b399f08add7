"""Figures as people read them. Every number in the page, the memo and the terminal goes through here.

A missing or non-finite figure is an em dash, never 0: a zero is a measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bakeoff.decide.record import Percentiles, Range, StudySummary

MISSING = "—"
MINUS = "−"

_PERCENT_METRICS = ("accuracy", "precision", "recall", "f1")


def finite(value: float | None) -> bool:
    """True for a real figure: neither None, NaN nor infinite."""
    return value is not None and math.isfinite(value)


def _signed(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in [0, 1] as a percentage: ``0.886`` is ``88.6%``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _signed(f"{value * 100 + 0.0:.{digits}f}%")


def share(value: float | None) -> str:
    """A probability or share in [0, 1] without false certainty: ``0.999`` is ``over 99%``, not ``100%``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if 0.99 < value < 1.0:
        return "over 99%"
    if 0.0 < value < 0.01:
        return "under 1%"
    return f"{value * 100:.0f}%"


def points(value: float | None) -> str:
    """A difference of two fractions in percentage points, signed: ``+2.3 points``."""
    return MISSING if value is None or not math.isfinite(value) else f"{difference(value, percent_points=True)} points"


def difference(value: float | None, *, percent_points: bool) -> str:
    """A signed difference, in points where the metric is a percentage: ``+2.3``, ``−0.041``."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value * 100:.1f}" if percent_points else f"{value:.3f}"
    if float(text) == 0:
        return text.lstrip("-")
    return _signed(text) if value < 0 else f"+{text}"


def decimal(value: float | None) -> str:
    """A score that is no percentage, three decimals up to 10 and fewer above: ``0.342``, ``475.0``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _signed(f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}")


def count(value: float | None) -> str:
    """A whole number with thousands separated: ``12,400``."""
    return MISSING if value is None or not math.isfinite(value) else _signed(f"{value:,.0f}")


def number(value: float | None) -> str:
    """Any figure at three significant digits, thousands separated: ``1,240``, ``27.3``, ``0.0412``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return _signed(f"{value:,.0f}")
    digits = min(6, max(0, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{digits}f}"
    return _signed(text.rstrip("0").rstrip(".") if "." in text else text)


def seconds(value: float | None) -> str:
    """A duration in the unit a person would use: ``2.1 µs``, ``0.42 ms``, ``12.3 ms``, ``3.21 s``, ``12 min 5 s``, ``2 h 10 min``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 0:
        return MINUS + seconds(-value)
    if value == 0:
        return "0 s"
    if value < 0.9995:
        milliseconds = value * 1000
        if milliseconds < 0.00995:
            return f"{milliseconds * 1000:.1f} µs"
        digits = 2 if milliseconds < 9.995 else 1 if milliseconds < 99.95 else 0
        return f"{milliseconds:.{digits}f} ms"
    if value < 59.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def size(value: float | None) -> str:
    """Bytes in decimal units, as disks are sold: ``412 MB``, ``1.3 GB``, ``0.4 MB``, ``812 bytes``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 1_000:
        return f"{value:.0f} bytes"
    if value < 100_000:
        return f"{value / 1e3:.1f} kB"
    if value < 999.5e6:
        return f"{value / 1e6:.1f} MB" if value < 9.95e6 else f"{value / 1e6:.0f} MB"
    return f"{value / 1e9:,.1f} GB"


def _usd_digits(value: float) -> int:
    if value == 0 or abs(value) >= 1000:
        return 0
    if abs(value) >= 1:
        return 2
    return min(8, 1 - math.floor(math.log10(abs(value))))


def usd(value: float | None, digits: int | None = None) -> str:
    """Money with two sensible digits under a dollar and cents above: ``$0.0012``, ``$0.42``, ``$12.30``, ``$1,230``.

    What is above 0 and less than a thousandth of a cent is ``< $0.00001``.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if 0 < abs(value) < 1e-5:
        return "< $0.00001" if value > 0 else f"> {MINUS}$0.00001"
    digits = _usd_digits(value) if digits is None else digits
    return _signed(f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}")


def usd_range(value: Range | None) -> str:
    """Money with its interval, all three at the same number of decimals, enough for the interval to be seen."""
    if value is None or not finite(value.mid):
        return MISSING
    if value.mid < 1e-5:
        return usd(value.mid)
    digits = max(_usd_digits(value.mid), _usd_digits(value.low) if value.low >= 1e-5 else 0)
    return interval(value, lambda v: usd(v, digits))


def rounded(value: float | None) -> str:
    """Three significant digits, also of large figures: ``41,234`` is ``41,200``."""
    if value is None or not math.isfinite(value) or abs(value) < 1000:
        return number(value)
    keep = 10 ** (math.floor(math.log10(abs(value))) - 2)
    return _signed(f"{round(value / keep) * keep:,.0f}")


def volume(value: float | None) -> str:
    """Items a day at three significant digits: ``12,400 a day``."""
    shown = rounded(value)
    return shown if shown == MISSING else f"{shown} a day"


def interval(value: Range | None, form: Callable[[float | None], str]) -> str:
    """A figure with its 95% interval: ``88.6% (87.1% to 90.0%)``; a repeated percent sign is written once."""
    if value is None or not finite(value.mid):
        return MISSING
    low, high = form(value.low), form(value.high)
    if low == MISSING or high == MISSING:
        return form(value.mid)
    if low.endswith("%") and high.endswith("%"):
        low, high = low[:-1], high[:-1]
    return f"{form(value.mid)} ({low} to {high})"


def is_percent(metric: str, study: StudySummary) -> bool:
    """Whether `metric` is shown as a percentage: the primary one as the study says, others by their kind."""
    if metric == study.metric:
        return study.percent
    return study.percent and any(word in metric.lower() for word in _PERCENT_METRICS)


def metric_form(metric: str, study: StudySummary) -> Callable[[float | None], str]:
    """The function that formats values of `metric` in this study."""
    return percent if is_percent(metric, study) else decimal


def score(value: Range | None, metric: str, study: StudySummary) -> str:
    """A metric with its interval in its own unit."""
    return interval(value, metric_form(metric, study))


def difference_range(value: Range, study: StudySummary) -> str:
    """A paired difference with its interval: ``+2.3 (+0.9 to +3.7)``."""
    return interval(value, lambda v: difference(v, percent_points=study.percent))


def margin(study: StudySummary) -> str:
    """The study's margin in words: ``2.0 points`` or ``0.050``."""
    return f"{study.margin * 100:.1f} points" if study.percent else decimal(study.margin)


def percentile(latency: Percentiles, name: str) -> str:
    """One percentile in ms or s; where it is null, the reason instead of a number."""
    value = getattr(latency, name)
    if value is not None:
        return seconds(value)
    return f"n too small (n = {latency.n})" if latency.n else MISSING


def percentile_range(latency: Percentiles, name: str) -> str:
    """A percentile with its 95% interval where there is one."""
    value = getattr(latency, name)
    if value is None or name not in latency.low or name not in latency.high:
        return percentile(latency, name)
    return f"{seconds(value)} ({seconds(latency.low[name])} to {seconds(latency.high[name])})"


FEWEST = {"p50": 7, "p90": 44, "p95": 90, "p99": 459}
"""Requests needed before a percentile is printed (`bakeoff.measure.timing`)."""


def load_percentile(times: Percentiles, name: str) -> str:
    """One percentile of a load step; where it is null, whether requests were too few or it falls on one that failed."""
    if getattr(times, name) is None and times.n >= FEWEST[name]:
        return "failed request"
    return percentile(times, name)


def load_percentile_range(times: Percentiles, name: str) -> str:
    """As `load_percentile`, with the 95% interval where there is one."""
    return load_percentile(times, name) if getattr(times, name) is None else percentile_range(times, name)


def rate(value: float | None) -> str:
    """Requests or items per second: ``6.4/s``, ``1,240/s``."""
    shown = number(value)
    return shown if shown == MISSING else f"{shown}/s"


def prefixed(value: float | None, unit: str, prefixes: tuple[tuple[float, str], ...]) -> str:
    """Three significant digits with the largest fitting prefix; an exact 0 is ``0`` and the unit."""
    if value is None or not math.isfinite(value):
        return MISSING
    size_, letter = next(((s, p) for s, p in prefixes if abs(value) >= s * 0.9995), prefixes[-1])
    shown = number(value / size_)
    return f"{shown} {letter}{unit}"


def flops(value: float | None) -> str:
    """Floating-point operations: ``1.24 GFLOP``, ``812 kFLOP``, ``0 FLOP``."""
    return prefixed(value, "FLOP", ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")))


def joules(value: float | None) -> str:
    """Energy: ``3.4 J``, ``12.1 mJ``, ``2.1 kJ``."""
    return prefixed(value, "J", ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ")))


def setting(value: Any) -> str:
    """A setting's value as a person would type it: ``yes``, ``1–2``-free plain text, lists joined by commas."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {setting(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(setting(each) for each in value) or "none"
    return str(value)
