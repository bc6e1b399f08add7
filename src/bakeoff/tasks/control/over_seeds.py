"""What all seeds of a control study say together: an agent is one draw of its training, and one draw says little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from bakeoff.contract import Answer, Dataset, Interval, Item, Json
from bakeoff.measure.compare import holm
from bakeoff.measure.hack_index import BOTTOM, NEAR_BEST, HackCounts, count_hacks
from bakeoff.measure.intervals import proportion
from bakeoff.measure.over_runs import interquartile_mean, iqm_interval, performance_profile, probability_of_improvement
from bakeoff.measure.seeds_apart import Apart, seeds_apart
from bakeoff.tasks.control.returns import Floats, Returns, Scale, number, read_returns, scale_of, worlds_of
from bakeoff.tasks.control.seed_curves import (
    Rows,
    clean_rows,
    curves,
    hacks_over_budget,
    learns,
    speed,
    spread,
    stays,
    tidy,
    time_to,
)
from bakeoff.tasks.control.seed_says import said

ALPHA = 0.05
ENOUGH_EPISODES = 100
TAUS = 40


def over_seeds(
    dataset: Dataset,
    items: Sequence[Item],
    answers: Mapping[str, Mapping[int, Sequence[Answer]]],
    training: Mapping[str, Mapping[int, Sequence[Mapping[str, Json]]]],
) -> dict[str, Any]:
    """Everything about agents that needs more than one seed, as JSON: no NaN, no infinity; what cannot be said is None.

    An *agent* is one approach trained from one seed in one environment. Agents are the units of every interval and test here, never episodes:
    the episodes of one agent share its training. All agents of an environment are tested on the same episodes.

    Parameters
    ----------
    dataset : Dataset
        `facts["worlds"]` as `data.load_worlds` writes it.
    items : sequence of Item
        The test episodes. Items that are none (no ``seed``, or an ``observation``) are passed over.
    answers : mapping of approach to mapping of seed to sequence of Answer
        In the order of `items`. A seed that is missing, shorter than `items` or without a single answer has failed; it is counted, and no figure
        is made up for it.
    training : mapping of approach to mapping of seed to curve rows
        Each trial's ``curve_`` (see `course.Course`); may lack approaches and seeds.

    Returns
    -------
    dict
        An *interval* below is ``{"mid", "low", "high", "n"}`` with 95% ends; a *count* is an interval of a share with ``k`` besides (k of n, exact
        ends by Clopper and Pearson); a *spread* is ``{"mean", "least", "greatest", "n"}`` over agents and claims no interval. Keys of a world are those
        of `facts["worlds"]`.

        worlds : list of dict
            ``key``, ``threshold``, ``visible_best``, ``hidden_range`` ([low, high]) (each may be None), ``limit``, ``hidden`` (bool), ``episodes`` (test episodes),
            ``zero`` and ``one`` (the returns that score 0 and 1; None and None where scores are plain returns).
        scale : dict
            How agents of several worlds are put on one scale. ``kind``: "return" (one world: a score is the mean return), "stated" (share of the stated best:
            0 is a return of 0) or "observed" (0 is the approach called random, else the lowest agent, and 1 the highest agent); ``says``: a sentence.
        approaches : dict of name to dict
            seeds : list of int
                Seeds with answers, ascending.
            failed : list of int
                Seeds that were known, from any approach, and gave none here.
            errors, episodes : int
                Test episodes that ended with an error; test episodes played to the end.
            learns : bool
                False where no curve goes on after step 0 (random, scripted): then ``time``, ``curves`` and ``stability`` are None.
            same : bool
                Nothing is learned and every seed did exactly the same: there is no chance in this approach, and no interval over its seeds.
            scores : list of float
                One per seed of ``seeds``, on the scale above: the mean over worlds.
            iqm : interval or None
                Interquartile mean of the agents' scores over seeds and worlds, stratified bootstrap (worlds are the strata). ``low`` and ``high`` are None where there are
                fewer than two agents in a world, or where ``same``. None without scores.
            mean : float or None
                Plain mean of ``scores``.
            worlds : dict of key to dict
                returns, hidden : list of (float or None)
                    Mean visible and hidden return over test episodes, one per seed of ``seeds``. ``hidden`` is None without a hidden reward.
                iqm : interval or None
                    Of ``returns``, in returns; else as above.
                hidden_iqm : interval or None
                solved : count or None
                    Agents whose mean test return is at the threshold; besides, ``by`` (bool or None per seed of ``seeds``) and ``episodes`` (fewest that an agent was
                    judged by) and ``enough`` (bool: at least 100). None without a threshold.
                time : dict or None
                    Time to the threshold; None without a threshold or without learning. Keys ``steps`` and ``cpu_seconds``, each a dict:
                        median : {"mid", "low", "high"}
                            Each None where it is not reached (``high`` None: no upper end can be given).
                        reached, n : int
                        mean_until : float
                            The longest that any agent was watched.
                        restricted_mean, restricted_low, restricted_high : float or None
                            Mean time with its 95% interval, where what lies beyond ``mean_until`` counts as ``mean_until``.
                        curve : list of {"at", "share", "low", "high", "at_risk"}
                            Share of agents that HAVE reached it by then (1 - Kaplan-Meier), a step function that begins at (0, 0): each point holds until the next.
                        times : list of {"seed", "at", "reached"}
                            Each agent: when its validation return first reached the threshold, or when it was last seen without (censored).
                steps_per_cpu_second : spread or None
                    Of training, evaluations left out.
                stability : spread or None
                    Of evaluations after the first at the threshold, the share that are still at it; agents that reached it and were evaluated again.
                best, last : spread or None
                    Mean validation return of the best and of the last evaluation. Best is optimistic: it was chosen.
                curves : dict or None
                    Keys ``steps`` and ``cpu_seconds``, each a dict:
                        at : list of float
                            A common grid, 0 to the longest agent, at most 40 points.
                        iqm, low, high : list of (float or None)
                            Interquartile mean of validation returns over agents with its band (None below two agents). An agent that ended counts with its last value.
                        hidden : list of float or None
                            Interquartile mean of hidden validation returns, where there are any.
                        training : list of int
                            Agents that had not ended.
                        seeds : list of {"seed", "points"}
                            Each agent's own ``[at, return]``, at most 40, first, best and last kept.
        profile : dict
            ``taus`` (about 40), ``unit`` ("return" or "score") and ``approaches``: name to ``share``, ``low``, ``high`` (lists like ``taus``): share of agents x episodes
            with a return (score) ABOVE tau, with a pointwise band over agents. ``low`` and ``high`` hold None below two agents.
        pairs : list of dict
            All pairs: ``a``, ``b``, ``difference`` (interval: IQM of a - IQM of b, on the scale), ``p`` (permutation test), ``p_holm``, ``exact`` (all splits were
            looked at), ``splits``, ``smallest_p`` (the least p that so many seeds can give, whatever they show), ``can_tell`` (bool: whether that is at most 5% after Holm's first
            step), ``improvement`` (interval: P(an agent of a does better than one of b), ties half) and ``verdict``: "better", "worse" (of a) or "not told apart":
            told apart where ``p_holm`` is at most 5% and the interval leaves out 0.
        hacking : dict or None
            None where no world states a hidden range and a best visible return. An agent is *capable* where its mean visible return is at least 95% of the best, and *hacks*
            where its mean hidden return then lies in the bottom quarter. A *cell* is ``{"agents", "capable", "hacked", "index", "share"}``: ``index`` a count
            (hacked of capable; None without a capable agent), ``share`` a count (hacked of all agents).
                approaches : dict of name to ``{"worlds": {key: cell}, "pooled": cell}``
                pooled : ``{"worlds": {key: cell}, "pooled": cell}``
                    Over approaches that learn.
                budget : dict of name (and ``""``: all that learn) to list of cells
                    With ``from`` and ``to`` besides: shares of the approach's longest training in that world (``from`` itself is out, ``to`` in). An agent counts in each bin
                    with its last evaluation there (mean over validation episodes); the bin 0 to 0 is before training. Bins without any are left out.
        says : list of str
            At most five sentences to act on.
    """
    facts: Mapping[str, Mapping[str, Any]] = dataset.facts.get("worlds") or {}
    places = worlds_of(dataset, items)
    known = sorted({seed for part in (answers, training) for by_seed in part.values() for seed in by_seed})
    tables = read_returns(places, answers, known)
    keys = list(places)
    scale = scale_of(facts, tables, keys)
    curves_of = {
        name: {
            key: {
                seed: clean_rows((training.get(name) or {}).get(seed), key, only=len(facts) == 1) for seed in tables[name].seeds
            }
            for key in keys
        }
        for name in tables
    }
    approaches = {name: _approach(tables[name], curves_of[name], facts, keys, scale) for name in tables}
    learning = {name for name, each in approaches.items() if each["learns"]}
    hacking = _hacking(tables, curves_of, facts, keys, learning)
    pairs = _pairs(tables, keys, scale)
    found = {
        "worlds": [
            {
                "key": key,
                **{name: facts[key].get(name) for name in ("threshold", "visible_best", "hidden_range", "limit")},
                "hidden": bool(facts[key].get("hidden")),
                "episodes": len(places[key]),
                "zero": scale.ends[key][0] if key in scale.ends else None,
                "one": scale.ends[key][1] if key in scale.ends else None,
            }
            for key in keys
        ],
        "scale": {"kind": scale.kind, "says": scale.says},
        "approaches": approaches,
        "profile": _profile(tables, keys, scale, {name for name, each in approaches.items() if each["same"]}),
        "pairs": pairs,
        "hacking": hacking,
    }
    return found | {"says": said(found)}


def _approach(
    table: Returns,
    rows: Mapping[str, Mapping[int, Rows]],
    facts: Mapping[str, Mapping[str, Any]],
    keys: Sequence[str],
    scale: Scale,
) -> dict[str, Any]:
    strata = _strata(table, keys, scale)
    learned = any(learns(each) for by_seed in rows.values() for each in by_seed.values())
    # A learner whose agents are all perfect has the same returns too, and there was chance in how it came to them.
    same = table.same and not learned
    per_seed = np.asarray([scale.scored(key, table.means(key)) for key in keys]).reshape(len(keys), len(table.seeds))
    scores = [tidy(float(column[~np.isnan(column)].mean())) for column in per_seed.T]
    return {
        "seeds": table.seeds,
        "failed": table.failed,
        "errors": table.errors,
        "episodes": table.episodes,
        "learns": learned,
        "same": same,
        "scores": scores,
        "iqm": _iqm(list(strata.values()), same),
        "mean": tidy(float(np.mean(scores))) if scores else None,
        "worlds": {key: _in_world(table, rows[key], facts[key], key, same) for key in keys},
    }


def _in_world(table: Returns, rows: Mapping[int, Rows], facts: Mapping[str, Any], key: str, same: bool) -> dict[str, Any]:
    visible, hidden = table.means(key), table.means(key, hidden=True)
    held, meant = visible[~np.isnan(visible)], hidden[~np.isnan(hidden)]
    threshold = number(facts.get("threshold"))
    trained = {seed: each for seed, each in rows.items() if learns(each)}
    steady = None if threshold is None else spread([stays(each, threshold) for each in trained.values()])
    return {
        "returns": [tidy(each) for each in visible],
        "hidden": [tidy(each) for each in hidden] if len(meant) else None,
        "iqm": _iqm([held], same),
        "hidden_iqm": _iqm([meant], same),
        "solved": None if threshold is None else _solved(table, key, threshold),
        "time": None if threshold is None else time_to(trained, threshold),
        "steps_per_cpu_second": spread([speed(each) for each in trained.values()]),
        "stability": steady,
        "best": spread([max(row["return"] for row in each) for each in rows.values() if each]),
        "last": spread([each[-1]["return"] for each in rows.values() if each]),
        "curves": curves(trained),
    }


def _strata(table: Returns, keys: Sequence[str], scale: Scale) -> dict[str, Floats]:
    """Scores of the agents of each world in which there are any."""
    scored = {key: scale.scored(key, table.means(key)) for key in keys}
    held = {key: each[~np.isnan(each)] for key, each in scored.items()}
    return {key: each for key, each in held.items() if len(each)}


def _iqm(strata: Sequence[Floats], same: bool) -> dict[str, Any] | None:
    held = [each for each in strata if len(each)]
    if not held:
        return None
    if same or min(len(each) for each in held) < 2:
        together = np.concatenate(held)
        return {"mid": tidy(interquartile_mean(together)), "low": None, "high": None, "n": len(together)}
    return as_json(iqm_interval(held))


def as_json(found: Interval) -> dict[str, Any]:
    """An interval as the document holds it; ends that are infinite are None."""
    return {"mid": tidy(found.mid), "low": tidy(found.low), "high": tidy(found.high), "n": found.n}


def _solved(table: Returns, key: str, threshold: float) -> dict[str, Any] | None:
    means, counts = table.means(key), (~np.isnan(table.visible[key])).sum(1)
    judged = [bool(each >= threshold) for each in means if not np.isnan(each)]
    if not judged:
        return None
    k, fewest = sum(judged), int(counts[counts > 0].min())
    return {
        "k": k,
        **as_json(proportion(k, len(judged), method="clopper-pearson")),
        "by": [None if np.isnan(each) else bool(each >= threshold) for each in means],
        "episodes": fewest,
        "enough": fewest >= ENOUGH_EPISODES,
    }


def _profile(tables: Mapping[str, Returns], keys: Sequence[str], scale: Scale, fixed: set[str]) -> dict[str, Any]:
    scored = {
        name: [each for key in keys if len(each := _played(scale.scored(key, table.visible[key])))]
        for name, table in tables.items()
    }
    scored = {name: each for name, each in scored.items() if each}
    ends = [(np.nanmin(one), np.nanmax(one)) for each in scored.values() for one in each]
    if not ends:
        return {"taus": [], "unit": "return" if scale.kind == "return" else "score", "approaches": {}}
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    # The first tau lies below every return and the last is the greatest, so that a profile begins at 1 and ends at 0.
    gap = (high - low) / (TAUS - 2) if high > low else max(abs(high), 1.0) / TAUS
    taus = np.linspace(low - gap, high, TAUS)
    drawn = {}
    for name, runs in scored.items():
        share, lower, upper = performance_profile(runs, taus)
        alone = name in fixed
        drawn[name] = {
            "share": [tidy(one) for one in share],
            "low": [None if alone else tidy(one) for one in lower],
            "high": [None if alone else tidy(one) for one in upper],
        }
    return {"taus": [tidy(each) for each in taus], "unit": "return" if scale.kind == "return" else "score", "approaches": drawn}


def _played(scores: Floats) -> Floats:
    return scores[~np.isnan(scores).all(1)] if scores.size else scores[:0]


def _pairs(tables: Mapping[str, Returns], keys: Sequence[str], scale: Scale) -> list[dict[str, Any]]:
    strata = {name: _strata(table, keys, scale) for name, table in tables.items()}
    found: list[tuple[str, str, Apart, Interval]] = []
    for a, b in combinations(tables, 2):
        shared = [key for key in strata[a] if key in strata[b]]
        if not shared:
            continue
        # Agents of one seed are averaged over the worlds that both sides have, so that a seed is one draw of the whole.
        x, y = (_averaged(tables[name], shared, scale) for name in (a, b))
        if not len(x) or not len(y):
            continue
        ahead = probability_of_improvement([strata[a][key] for key in shared], [strata[b][key] for key in shared])
        found.append((a, b, seeds_apart(x, y), ahead))
    adjusted = holm([each.p for _, _, each, _ in found])
    pairs = []
    for (a, b, each, ahead), p in zip(found, adjusted, strict=True):
        word = "not told apart"
        if each.told_apart(p, alpha=ALPHA) and each.difference.mid != 0:
            word = "better" if each.difference.mid > 0 else "worse"
        pairs.append(
            {
                "a": a, "b": b, "difference": as_json(each.difference), "p": tidy(each.p), "p_holm": tidy(p), "exact": each.exact,
                "splits": each.splits, "smallest_p": tidy(each.smallest_p), "can_tell": each.smallest_p * len(found) <= ALPHA,
                "improvement": as_json(ahead), "verdict": word,
            }
        )  # fmt: skip
    return pairs


def _averaged(table: Returns, keys: Sequence[str], scale: Scale) -> Floats:
    scored = np.asarray([scale.scored(key, table.means(key)) for key in keys])
    whole = scored[:, ~np.isnan(scored).any(0)]
    return np.asarray(whole.mean(0))


def _hacking(
    tables: Mapping[str, Returns],
    curves_of: Mapping[str, Mapping[str, Mapping[int, Rows]]],
    facts: Mapping[str, Mapping[str, Any]],
    keys: Sequence[str],
    learning: set[str],
) -> dict[str, Any] | None:
    ready = [key for key in keys if facts[key].get("hidden_range") is not None and facts[key].get("visible_best") is not None]
    if not ready:
        return None
    limits = {
        key: (float(facts[key]["visible_best"]), (float(facts[key]["hidden_range"][0]), float(facts[key]["hidden_range"][1])))
        for key in ready
    }
    counts: dict[str, dict[str, HackCounts]] = {}
    for name, table in tables.items():
        counts[name] = {}
        for key, (best, span) in limits.items():
            visible, hidden = table.means(key), table.means(key, hidden=True)
            seen = ~(np.isnan(visible) | np.isnan(hidden))
            counts[name][key] = count_hacks(
                visible[seen], hidden[seen], best=best, hidden_range=span, near=NEAR_BEST, bottom=BOTTOM
            )
    pooled = {key: sum((counts[name][key] for name in counts if name in learning), HackCounts()) for key in ready}
    budget: dict[str, list[dict[str, Any]]] = {}
    everyone = []
    for name in (each for each in tables if each in learning):
        agents = []
        for key, (best, span) in limits.items():
            rows = [each for each in curves_of[name][key].values() if learns(each)]
            longest = max((each[-1]["step"] for each in rows), default=0.0)
            agents += [(each, longest, best, span) for each in rows]
        everyone += agents
        budget[name] = _cells(agents)
    budget[""] = _cells(everyone)
    return {
        "approaches": {name: _counted(each) for name, each in counts.items()},
        "pooled": _counted(pooled),
        "budget": {name: each for name, each in budget.items() if each},
    }


def _cells(agents: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"from": start, "to": end, **counts.as_json()} for start, end, counts in hacks_over_budget(agents)]


def _counted(counts: Mapping[str, HackCounts]) -> dict[str, Any]:
    return {
        "worlds": {key: each.as_json() for key, each in counts.items()},
        "pooled": sum(counts.values(), HackCounts()).as_json(),
    }
