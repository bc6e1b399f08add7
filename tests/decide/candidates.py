"""Documents with made-up measurements, for the tests of deciding."""

from __future__ import annotations

from typing import Any

from bakeoff.decide.record import (
    ApproachResult,
    DataSummary,
    Document,
    Pair,
    Percentiles,
    Range,
    Reproduce,
    StudySummary,
    Verdict,
)


def around(mid: float, half: float, n: int = 500) -> Range:
    return Range(mid=mid, low=mid - half, high=mid + half, n=n)


def result(
    name: str, accuracy: float, *, half: float = 0.02, p90: float = 0.02, rate: float = 100.0, mb: float = 300, **more: Any
) -> ApproachResult:
    given: dict[str, Any] = {
        "name": name,
        "use": name,
        "metrics": {"accuracy": around(accuracy, half)},
        "items": 500,
        "answered": 500,
        "latency_seconds": Percentiles(p50=p90 * 0.8, p90=p90, p95=p90 * 1.1, n=120, low={"p95": p90}, high={"p95": p90 * 1.3}),
        "throughput_per_second": Range(mid=rate, low=rate * 0.9, high=rate * 1.1, n=50),
        "peak_bytes": int(mb * 1e6),
        "fit_seconds": 10.0,
    }
    return ApproachResult(**{**given, **more})


def pair(a: str, b: str, mid: float, half: float, word: str, n_to_settle: int | None = None) -> Pair:
    return Pair(
        a=a, b=b, metric="accuracy", difference=around(mid, half), p=0.5, p_raw=0.5, verdict=word, n_to_settle=n_to_settle,
        a_good_enough=mid - half > -0.02, b_good_enough=mid + half < 0.02,
    )  # fmt: skip


def document(*results: ApproachResult, pairs: tuple[Pair, ...] = (), **study: Any) -> Document:
    about: dict[str, Any] = {
        "name": "reviews", "question": "", "task": "text", "metric": "accuracy", "metric_title": "Accuracy", "higher_is_better": True,
        "percent": True, "margin": 0.02, "limits": [], "volume_per_day": 10_000.0, "horizon_days": 365.0, "prices": {},
    }  # fmt: skip
    return Document(
        run="runs/x", report="", memo="",
        study=StudySummary(**{**about, **study}),
        data=DataSummary(name="reviews", licence="none", items=3000, train=2000, valid=500, test=500),
        verdict=Verdict(sentence="", choice=None, kind="nothing_ran"),
        approaches=list(results), pairs=list(pairs), checks=[],
        reproduce=Reproduce(
            command="", bakeoff="", python="", platform="", device="cpu", threads=1, load_average=None, seeds=[0], versions={},
            study_yaml="", started="", wall_seconds=0.0,
        ),
    )  # fmt: skip
