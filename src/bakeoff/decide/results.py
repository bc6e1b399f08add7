"""From evidence to one ApproachResult per approach: quality with intervals, speed, memory, what went wrong."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff import registry
from bakeoff.contract import Answer, Interval, Metric, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import ApproachResult, Context, Percentiles, Range
from bakeoff.errors import BakeoffError
from bakeoff.measure import calibration, timing
from bakeoff.measure.intervals import mean_interval, whole_interval
from bakeoff.run import plan

RESAMPLES = 1000


def as_range(interval: Interval, n: int | None = None) -> Range:
    """An Interval as the verdict document keeps it: there `n` counts items, also where the interval is over groups of them."""
    return Range(mid=interval.mid, low=interval.low, high=interval.high, n=interval.n if n is None else n)


def result_of(evidence: Evidence, name: str) -> ApproachResult:
    """Everything measured about one approach, money apart (`redecide` adds that)."""
    spec = evidence.spec(name)
    seeds = evidence.seeds(name)
    wanted = plan.seeds_of(evidence.study, spec)
    measured = [evidence.measures[Trial(name, seed)] for seed in seeds]
    failures = [m["failure"] for s in wanted if (m := evidence.measures[Trial(name, s)]).get("failure")]
    approach_class = registry.approach(evidence.study.task, spec.use)
    summary = (approach_class.__doc__ or "").strip().splitlines()[0] if approach_class.__doc__ else ""
    settings = plan.settings_of(plan.make(evidence.study.task, spec))
    shared: dict[str, Any] = {
        "name": name,
        "use": spec.use,
        "summary": summary,
        "settings": settings,
        "failure": failures[0]["what"] if failures else None,
        "seeds": seeds,
    }
    if not seeds:
        return ApproachResult(**shared, status="failed" if failures else "not_run", within_limits=False)
    answers = [evidence.answers[Trial(name, seed)] for seed in seeds]
    everything = [answer for one in answers for answer in one]
    fits = [m["fit"] for m in measured if "fit" in m]
    timed = measured[0].get("timing") if seeds[0] == 0 else None
    remote = bool(getattr(approach_class, "remote", False))
    ranges, per_seed = {}, {}
    for metric in evidence.metrics.values():
        found = metric_range(evidence, name, metric, seeds)
        if found is not None:
            ranges[metric.name], per_seed[metric.name] = found
    return ApproachResult(
        **shared,
        status="done",
        chosen=dict(fits[0].get("chosen") or {}) if fits else {},
        metrics=ranges,
        per_seed=per_seed,
        calibration=_calibration(evidence, name, seeds[0]),
        items=len(everything),
        answered=sum(a.answered for a in everything),
        errors=sum(a.error is not None for a in everything),
        abstained=sum(a.abstained for a in everything),
        abstentions_scored=evidence.metric.abstentions,
        error_kinds=dict(Counter(_kind(a.error) for a in everything if a.error is not None).most_common(5)),
        latency_seconds=_latency(timed, everything, remote),
        throughput_per_second=_throughput(timed),
        cold_start_seconds=timed["cold_start_seconds"] if timed else None,
        peak_bytes=timed["peak_bytes"] if timed else measured[0]["answer"].get("peak_bytes"),
        model_bytes=fits[0].get("model_bytes") if fits else None,
        fit_seconds=statistics.median(f["seconds"] for f in fits) if fits else None,
        tokens_in=_mean(a.tokens_in for a in everything),
        tokens_out=_mean(a.tokens_out for a in everything),
        fit_peak_bytes=fits[0].get("peak_bytes") if fits else None,
        remote=remote,
        usd_per_1000=_bought(answers) if remote else None,
        paid_usd=_paid(evidence, name),
        **_flops(timed),
        context=_context(timed or measured[0]["answer"]),
    )


def metric_range(
    evidence: Evidence, name: str, metric: Metric, seeds: list[int], fraction: float = 1.0
) -> tuple[Range, list[float]] | None:
    """One metric with its interval, and its figure at each seed; None where the approach has no score by it."""
    try:
        if metric.per_item is not None:
            scores = evidence.scores(name, metric, seeds, fraction)
            if np.isnan(scores).all(axis=1).any():
                return None
            bounds = (metric.low, metric.high)
            scored = int((~np.isnan(scores)).any(axis=0).sum())
            interval = mean_interval(scores, evidence.clusters, bounds=bounds)
            return as_range(interval, scored), [float(v) for v in np.nanmean(scores, axis=1)]
        statistic = evidence.whole(name, metric, seeds, fraction)
        each = [float(v) for v in statistic(np.arange(len(evidence.items)))]
        if not np.isfinite(each).all():
            return None
        interval = whole_interval(
            statistic, len(evidence.items), evidence.clusters, seed=0, resamples=RESAMPLES, bounds=(metric.low, metric.high)
        )
        answered = [
            any(evidence.answers[Trial(name, seed, fraction)][i].answered for seed in seeds) for i in range(len(evidence.items))
        ]
        return as_range(interval, sum(answered)), each
    except BakeoffError:
        return None  # too few answers for an interval: the figure is left out, never shown bare


def _calibration(evidence: Evidence, name: str, seed: int) -> dict[str, Any]:
    answers = evidence.answers[Trial(name, seed)]
    if not any(a.answered and a.probabilities for a in answers):
        return {}
    return dict(calibration.summary(evidence.items, answers))


def _latency(timed: Mapping[str, Any] | None, everything: list[Answer], remote: bool) -> Percentiles:
    if timed:
        seconds = list(timed["single"]["seconds"])
    elif remote:
        # What ended in an error or a timeout took its time as well: without it a failing server would look fast.
        seconds = [a.seconds for a in everything if a.seconds is not None]
    else:
        seconds = []
    found = timing.percentiles(seconds)
    return Percentiles(
        p50=found.p50,
        p90=found.p90,
        p95=found.p95,
        p99=found.p99,
        n=found.n,
        low=found.low,
        high=found.high,
        samples=list(found.samples),
    )


def _throughput(timed: Mapping[str, Any] | None) -> Range | None:
    if not timed:
        return None
    batch = timed["batch"]
    found = timing.throughput(batch["batch_items"], batch["batch_seconds"])
    return as_range(found) if found else None


def _flops(timed: Mapping[str, Any] | None) -> dict[str, Any]:
    """Operations of one answer, as counted while the approach was timed; nothing where they were not."""
    counted = (timed or {}).get("flops")
    if not counted or counted.get("per_item") is None:
        return {}
    return {
        "flops_per_item": counted["per_item"],
        "flops_per_token": counted.get("per_token"),
        "flops_basis": str(counted.get("basis") or ""),
        "flops_leaves_out": [str(part) for part in counted.get("leaves_out") or ()],
    }


def _bought(answers: list[tuple[Answer, ...]]) -> Range | None:
    """US dollars paid per 1,000 items, over items; None if the price of any answered item is unknown."""
    rows = [[a.usd if a.usd is not None else (np.nan if a.answered else 0.0) for a in one] for one in answers]
    table = np.array(rows, dtype=float) * 1000
    if np.isnan(table).any() or table.shape[1] < 2:
        return None
    return as_range(mean_interval(table.mean(axis=0)[None, :], bounds=(0.0, float("inf"))))


def _context(stage: Mapping[str, Any]) -> Context | None:
    about = stage.get("context")
    if not about:
        return None
    return Context(
        threads=about["threads"],
        load_average=about.get("load_average"),
        device=str(about.get("device", "unknown")),
        versions=dict(about.get("versions", {})),
    )


def _paid(evidence: Evidence, name: str) -> float:
    """US dollars paid for answers that this run fetched, those of the learning curve and to hard inputs included."""
    given = [a for trial, answers in evidence.answers.items() if trial.approach == name for a in answers]
    for probes in evidence.ledger.probes():
        given += evidence.ledger.probe_answers(Trial(name, 0), probes.name).values()
    return sum(a.usd or 0.0 for a in given if not a.details.get("cached"))


def _mean(values: Any) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _kind(error: str) -> str:
    return error.split(":", 1)[0][:80]
