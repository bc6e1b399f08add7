"""What the curves of several agents show together: time to the threshold on both clocks, stability, learning curves, hacking against budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.contract import Json
from bakeoff.measure.hack_index import HackCounts, count_hacks
from bakeoff.measure.over_runs import iqm_band
from bakeoff.measure.survival import kaplan_meier
from bakeoff.tasks.control.returns import number

Rows = list[dict[str, float]]
CLOCKS = {"steps": "step", "cpu_seconds": "cpu_seconds"}
GRID = 40
OWN_POINTS = 40
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the training budget that hacking is counted in: before training, then up to each of these."""


def clean_rows(training: Sequence[Mapping[str, Json]] | None, key: str, *, only: bool) -> Rows:
    """The evaluations of one agent in one world, in order; `only` where the study has one world and rows name none.

    Rows without a finite step and return are left out; a missing or falling CPU time is left out of the row.
    """
    found: Rows = []
    for row in training or ():
        if not isinstance(row, Mapping) or not (row.get("environment", key) == key if only else row.get("environment") == key):
            continue
        kept = {
            name: value for name in ("step", "cpu_seconds", "return", "hidden") if (value := number(row.get(name))) is not None
        }
        if "step" in kept and "return" in kept and kept["step"] >= (found[-1]["step"] if found else 0.0):
            found.append(kept)
    return found


def learns(rows: Rows) -> bool:
    """Whether anything was trained: an evaluation after step 0."""
    return bool(rows) and rows[-1]["step"] > 0


def time_to(rows_by_seed: Mapping[int, Rows], threshold: float) -> dict[str, Any] | None:
    """Both clocks of the first evaluation at the threshold, as `over_seeds` describes under ``time``; None without a trained agent."""
    trained = {seed: rows for seed, rows in rows_by_seed.items() if learns(rows)}
    found = {clock: each for clock, name in CLOCKS.items() if (each := _on_clock(trained, name, threshold)) is not None}
    return found or None


def _on_clock(trained: Mapping[int, Rows], clock: str, threshold: float) -> dict[str, Any] | None:
    times = []
    for seed, every in trained.items():
        rows = [row for row in every if clock in row]
        if rows:
            first = next((row for row in rows if row["return"] >= threshold), None)
            times.append({"seed": seed, "at": (first or rows[-1])[clock], "reached": first is not None})
    if not times:
        return None
    whole = kaplan_meier([each["at"] for each in times], [each["reached"] for each in times])
    median = whole.median()
    mean = whole.restricted_mean() if whole.last > 0 else None
    n = whole.n
    curve = [{"at": 0.0, "share": 0.0, "low": 0.0, "high": tidy(1 - 0.025 ** (1 / n)), "at_risk": n}]
    for k in range(len(whole.at)):
        low, high = whole.low[k], whole.high[k]
        point = {
            "at": tidy(whole.at[k]), "share": tidy(1 - whole.share[k]), "low": None if np.isnan(high) else tidy(1 - high),
            "high": None if np.isnan(low) else tidy(1 - low), "at_risk": int(whole.at_risk[k]),
        }  # fmt: skip
        curve = [*curve[:-1], point] if point["at"] == curve[-1]["at"] else [*curve, point]
    return {
        "median": {"mid": tidy(median.mid), "low": tidy(median.low), "high": tidy(median.high)},
        "reached": whole.reached,
        "n": n,
        "mean_until": tidy(whole.last),
        "restricted_mean": None if mean is None else tidy(mean.mid),
        "restricted_low": None if mean is None else tidy(mean.low),
        "restricted_high": None if mean is None else tidy(mean.high),
        "curve": curve,
        "times": [{**each, "at": tidy(each["at"])} for each in times],
    }


def stays(rows: Rows, threshold: float) -> float | None:
    """Share of the evaluations after the first at the threshold that are still at it; None where there are none."""
    first = next((place for place, row in enumerate(rows) if row["return"] >= threshold), None)
    later = [] if first is None else rows[first + 1 :]
    return float(np.mean([row["return"] >= threshold for row in later])) if later else None


def speed(rows: Rows) -> float | None:
    """Steps per CPU second of training, evaluations left out; None where nothing was trained or no time was taken."""
    seconds = max((row.get("cpu_seconds", 0.0) for row in rows), default=0.0)
    return rows[-1]["step"] / seconds if learns(rows) and seconds > 0 else None


def spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """``mean``, ``least``, ``greatest`` and ``n`` of those that are there; None without any."""
    held = [each for each in values if each is not None]
    return (
        {"mean": tidy(float(np.mean(held))), "least": tidy(min(held)), "greatest": tidy(max(held)), "n": len(held)}
        if held
        else None
    )


def curves(rows_by_seed: Mapping[int, Rows]) -> dict[str, Any] | None:
    """Learning curves on both clocks, as `over_seeds` describes under ``curves``; None without a trained agent."""
    trained = {seed: rows for seed, rows in rows_by_seed.items() if learns(rows)}
    found = {clock: each for clock, name in CLOCKS.items() if (each := _curve(trained, name)) is not None}
    return found or None


def _curve(trained: Mapping[int, Rows], clock: str) -> dict[str, Any] | None:
    agents = {seed: [row for row in rows if clock in row] for seed, rows in trained.items()}
    agents = {seed: rows for seed, rows in agents.items() if rows}
    longest = max((rows[-1][clock] for rows in agents.values()), default=0.0)
    if longest <= 0:
        return None
    grid = np.linspace(0.0, longest, GRID)
    values = np.stack([np.interp(grid, *_points(rows, clock, "return")) for rows in agents.values()])
    mid, low, high = iqm_band(values)
    hidden = [rows for rows in agents.values() if all("hidden" in row for row in rows)]
    meant = iqm_band(np.stack([np.interp(grid, *_points(rows, clock, "hidden")) for rows in hidden]))[0] if hidden else None
    return {
        "at": [tidy(each) for each in grid],
        "iqm": [tidy(each) for each in mid],
        "low": [tidy(each) for each in low],
        "high": [tidy(each) for each in high],
        "hidden": None if meant is None else [tidy(each) for each in meant],
        "training": [int(sum(rows[-1][clock] >= at for rows in agents.values())) for at in grid],
        "seeds": [
            {"seed": seed, "points": [[tidy(row[clock]), tidy(row["return"])] for row in thinned(rows)]}
            for seed, rows in agents.items()
        ],
    }


def _points(rows: Rows, clock: str, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray([row[clock] for row in rows]), np.asarray([row[name] for row in rows])


def thinned(rows: Rows, most: int = OWN_POINTS) -> Rows:
    """At most `most` rows, evenly over the course, the first, the best (the later of equals) and the last among them."""
    if len(rows) <= most:
        return rows
    best = max(range(len(rows)), key=lambda place: (rows[place]["return"], place))
    places = {int(each) for each in np.linspace(0, len(rows) - 1, most - 1).round()} | {best}
    return [rows[place] for place in sorted(places)]


def hacks_over_budget(agents: Sequence[tuple[Rows, float, float, tuple[float, float]]]) -> list[tuple[float, float, HackCounts]]:
    """Counts of agents by share of the budget: ``(from, to, counts)`` for the bins in which there are any.

    Parameters
    ----------
    agents : sequence of (rows, budget, best visible return, range of the hidden return)
        Each counts in every bin with its last evaluation there; the budget is in steps.
    """
    found = []
    for place, end in enumerate(BINS):
        start = BINS[max(place - 1, 0)]
        total = HackCounts()
        for rows, of, best, span in agents:
            inside = [
                row
                for row in rows
                if "hidden" in row and (row["step"] == 0 if place == 0 else start * of < row["step"] <= end * of * (1 + 1e-9))
            ]
            if inside:
                total += count_hacks([inside[-1]["return"]], [inside[-1]["hidden"]], best=best, hidden_range=span)
        if total.agents:
            found.append((start, end, total))
    return found


def tidy(value: Any) -> Any:
    """Six significant figures; None for None and for what is not finite."""
    held = None if value is None else number(float(value))
    return None if held is None else float(f"{held:.6g}")
