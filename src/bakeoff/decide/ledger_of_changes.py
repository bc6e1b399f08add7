"""What each change to one approach was worth: hypothesis, paired effect, cost and verdict, one entry per change.

The changes are a family of their own: Holm's correction counts them and not the pairs of the other approaches, so neither
question pays for the other.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any, Literal

from bakeoff.contract import Progress, Trial, quiet
from bakeoff.decide import foretold
from bakeoff.decide.change_record import ChangedSetting, ChangeEntry, ChangeLedger, Spread
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.paired import compared
from bakeoff.decide.parts import Range
from bakeoff.decide.record import ApproachResult, Percentiles
from bakeoff.decide.results import as_range, result_of
from bakeoff.measure.compare import Comparison, family
from bakeoff.measure.crossed import Crossed
from bakeoff.measure.detectable import detectable
from bakeoff.run import plan

Word = Literal["better", "worse", "inside the noise", "not measured"]


def change_ledger_of(
    evidence: Evidence, results: list[ApproachResult], progress: Progress = quiet
) -> tuple[ChangeLedger | None, list[ApproachResult]]:
    """The ledger, and the results of the changes that are not among `results`; (None, []) where the study tries none.

    Parameters
    ----------
    results : list of ApproachResult
        Of the candidates, the base among them.
    """
    study = evidence.study
    variants = study.variants
    if study.changes is None or not variants:
        return None, []
    known = {result.name: result for result in results}
    apart = []
    for name in variants:
        if name not in known:
            progress(1.0, f"intervals of {name}")
            known[name] = result_of(evidence, name)
            apart.append(known[name])
    base = study.changes.base
    found = {name: compared(evidence, name, base) for name in variants}
    measured = [name for name in variants if found[name] is not None]
    judged = dict(zip(measured, family([one for one in found.values() if one is not None]), strict=True))
    entries = [
        _entry(evidence, (name, change), known[name], known[base], judged.get(name), max(1, len(measured)))
        for name, change in variants.items()
    ]
    ledger = ChangeLedger(
        base=base, compete=study.changes.compete, foretold=foretold.foretell(evidence.ledger, evidence), entries=entries
    )
    return ledger, apart


def _entry(
    evidence: Evidence,
    which: tuple[str, str],
    result: ApproachResult,
    base: ApproachResult,
    found: Comparison | None,
    tried: int,
) -> ChangeEntry:
    name, change = which
    changes = evidence.study.changes
    given: Mapping[str, Any] = {
        "name": change,
        "approach": name,
        "settings": [
            ChangedSetting(setting=setting, before=before, after=after)
            for setting, (before, after) in plan.changed(evidence.study, name).items()
        ],
        "expect": changes.try_[change].expect.strip() if changes else "",
        "status": result.status,
        "failure": result.failure,
        "fit_ratio": _fit_ratio(evidence, name, base.name),
        "p50_ratio": _p50_ratio(result.latency_seconds, base.latency_seconds),
        "size_ratio": _ratio(result.model_bytes, base.model_bytes),
    }
    if found is None:
        return ChangeEntry(**given, says=_unmeasured(name, result, base))
    always = evidence.metric.per_item is None
    both = evidence.answered(name, always=always) & evidence.answered(base.name, always=always)
    effect = as_range(found.difference, int(both.sum()))
    seeds = sorted(set(result.seeds) & set(base.seeds))
    verdict: Word = {"superior": "better", "inferior": "worse"}.get(found.verdict, "inside the noise")  # type: ignore[assignment]
    smallest = _detectable(evidence, found, tried)
    within = found.a_good_enough and found.b_good_enough
    return ChangeEntry(
        **given,
        effect=effect,
        p=found.p,
        p_raw=found.p_raw,
        verdict=verdict,
        within_margin=within,
        detectable=smallest,
        beats_base=found.a_beats_b,
        seeds=seeds,
        per_seed=_per_seed(evidence, result, base, seeds),
        spread=_spread(found.spread),
        says=_says(evidence, name, base.name, found, effect, verdict, smallest, within, tried),
    )


def _detectable(evidence: Evidence, found: Comparison, tried: int) -> float | None:
    """From the spread that was seen; None also where nothing varied, since then it says nothing."""
    if float(found.spread.variance()) <= 0:
        return None
    return detectable(found.spread, alpha=found.alpha / tried, most=evidence.metric.high - evidence.metric.low)


def _spread(found: Crossed) -> Spread:
    return Spread(
        item=float(found.item),
        seed=float(found.seed),
        interaction=float(found.interaction),
        units=found.n,
        seeds=found.seeds,
        item_df=None if found.item_df is None else float(found.item_df),
    )


def _per_seed(evidence: Evidence, result: ApproachResult, base: ApproachResult, seeds: list[int]) -> list[float]:
    """The difference of both figures at each shared seed."""
    metric = evidence.metric.name
    rows = [dict(zip(one.seeds, one.per_seed.get(metric, []), strict=False)) for one in (result, base)]
    return [rows[0][seed] - rows[1][seed] for seed in seeds if seed in rows[0] and seed in rows[1]]


def _fit_ratio(evidence: Evidence, name: str, base: str) -> Range | None:
    """Processor seconds of training, change over base, seed by seed: trials share the machine, so the clock would not do."""
    ratios = []
    for seed in sorted(set(evidence.seeds(name)) & set(evidence.seeds(base))):
        fits = [evidence.measures[Trial(one, seed)].get("fit") or {} for one in (name, base)]
        spent = [float(fit.get("cpu_seconds") or fit.get("seconds") or 0.0) for fit in fits]
        if min(spent) > 0:
            ratios.append(spent[0] / spent[1])
    if not ratios:
        return None
    return Range(mid=statistics.median(ratios), low=min(ratios), high=max(ratios), n=len(ratios))


def _p50_ratio(change: Percentiles, base: Percentiles) -> Range | None:
    """Ratio of two medians from their own intervals, on the logarithmic scale (MOVER: Zou and Donner 2008)."""
    if not change.p50 or not base.p50 or change.p50 <= 0 or base.p50 <= 0:
        return None
    ends = [(one.low.get("p50", one.p50), one.p50, one.high.get("p50", one.p50)) for one in (change, base) if one.p50 is not None]
    if min(low for low, _, _ in ends) <= 0:
        return None
    (low, mid, high), (base_low, base_mid, base_high) = [tuple(math.log(value) for value in row) for row in ends]
    apart = mid - base_mid
    down, up = math.hypot(mid - low, base_high - base_mid), math.hypot(high - mid, base_mid - base_low)
    return Range(mid=math.exp(apart), low=math.exp(apart - down), high=math.exp(apart + up), n=min(change.n, base.n))


def _ratio(change: int | None, base: int | None) -> float | None:
    return change / base if change and base else None


def _unmeasured(name: str, result: ApproachResult, base: ApproachResult) -> str:
    for one in (result, base):
        if one.status == "failed":
            return f"{name} was not compared: {one.name} failed ({(one.failure or 'no reason given').rstrip('.')})."
        if one.status == "not_run":
            return f"{name} was not compared: {one.name} did not run in the time given."
    return f"{name} was not compared: too few items were answered by both at a shared seed."


def _says(
    evidence: Evidence,
    name: str,
    base: str,
    found: Comparison,
    effect: Range,
    verdict: Word,
    smallest: float | None,
    within: bool,
    tried: int,
) -> str:
    """The entry in one or two sentences."""
    percent = evidence.metric.percent
    scale, digits, unit = (100.0, 1, " points") if percent else (1.0, 3, "")
    ends = f"{effect.low * scale:+.{digits}f} to {effect.high * scale:+.{digits}f}"
    margin = foretold.amount(evidence, evidence.study.margin)
    if verdict in ("better", "worse"):
        low, high = (effect.low, effect.high) if effect.mid > 0 else (-effect.high, -effect.low)
        says = (
            f"{name} is {verdict} than {base} by {abs(effect.mid) * scale:.{digits}f}{unit} "
            f"({low * scale:.{digits}f} to {high * scale:.{digits}f})."
        )
        return says + (f" That is less than the margin of {margin}." if within else "")
    if within:
        return f"{name} and {base} differ by less than {margin} ({ends}): no change that matters here."
    says = f"{name} against {base}: {effect.mid * scale:+.{digits}f}{unit} ({ends}), inside the noise."
    if found.p_raw < found.alpha and tried > 1:
        says += f" Alone it would count; as one of {tried} changes it may be luck."
    if smallest is not None:
        says += f" That is not no effect: one of less than about {foretold.amount(evidence, smallest)} would most likely not be seen here."
    return says
