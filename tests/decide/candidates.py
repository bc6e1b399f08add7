"""Documents with made-up measurements, for the tests of deciding."""

from __future__ import annotations

from typing import Any

from bakeoff.decide.record import (
    Agreement,
    ApproachResult,
    ConsistencyResult,
    DataSummary,
    Document,
    EdgeSet,
    KindResult,
    LoadStep,
    Pair,
    Percentiles,
    Range,
    Reproduce,
    ServingResult,
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


def step(rate: float | None, outcome: str, **more: Any) -> LoadStep:
    """A load step at this rate; one at a time without a rate."""
    given: dict[str, Any] = {
        "scenario": "single_stream" if rate is None else "server",
        "arrivals": "closed" if rate is None else "poisson",
        "rate_per_second": rate, "seconds": 15.0, "requests": 200, "completed": 200, "errors": 0, "outcome": outcome,
    }  # fmt: skip
    return LoadStep(**{**given, **more})


def served(
    name: str, held: float | None, broken: float | None = None, *, first_token: float = 0.05, **more: Any
) -> ServingResult:
    """An approach that held one rate, and broke its limit at another."""
    times = Percentiles(
        p50=first_token * 0.8, p90=first_token, p95=first_token * 1.1, n=200,
        low={"p90": first_token * 0.9, "p95": first_token}, high={"p90": first_token * 1.1, "p95": first_token * 1.2},
    )  # fmt: skip
    steps = [step(rate, outcome) for rate, outcome in ((held, "kept"), (broken, "broken")) if rate is not None]
    given: dict[str, Any] = {
        "approach": name, "limit": "p95 latency <= 500 ms", "protocol": "chat", "start_seconds": 1.0,
        "single": step(None, "not_judged", first_token_seconds=times), "steps": steps,
        "highest_rate": Range(mid=held, low=held, high=broken or held, n=400) if held else None,
    }  # fmt: skip
    return ServingResult(**{**given, **more})


def share(right: int, n: int) -> Range:
    """A share with a rough interval."""
    mid = right / n
    half = 2 * (max(mid * (1 - mid), 0.01) / n) ** 0.5
    return Range(mid=mid, low=max(0.0, mid - half), high=min(1.0, mid + half), n=n)


def hard(name: str, right: int, judged: int, flips: int = 0, pairs: int = 0, kind: str = "all kinds") -> KindResult:
    return KindResult(
        kind=kind, n=judged, judged=judged, right=right, accuracy=share(right, judged) if judged else None,
        pairs=pairs, flips=flips, flip_rate=share(flips, pairs) if pairs else None,
    )  # fmt: skip


def edge_set(overall: dict[str, KindResult], results: dict[str, list[KindResult]] | None = None, **more: Any) -> EdgeSet:
    items = max((one.n for one in overall.values()), default=0)
    return EdgeSet(**{"name": "sentiment", "source": "written", "items": items, "judged": items, "overall": overall,
                      "results": results or {}, **more})  # fmt: skip


def repeated(name: str, same: int, items: int = 24, kept: Range | None = None) -> ConsistencyResult:
    """Asked again: this many of the items got the same answer every time, with others at the same time."""
    one = Agreement(items=items, repeats=5, raw=share(same, items), parsed=share(same, items))
    return ConsistencyResult(
        approach=name, alone=one, concurrent=one.model_copy(update={"concurrency": 4}), kept_under_changes=kept
    )


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
