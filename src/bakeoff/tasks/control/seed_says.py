"""What `over_seeds` found, in a few sentences for whoever decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMED = 3
MOST = 5


def said(found: Mapping[str, Any]) -> list[str]:
    """At most five sentences: who solved it and how fast, who is better than whom, who hacks, what is missing.

    `found` is the document of `over_seeds` without ``says``.
    """
    made = [_solved(found), _ahead(found), _hacks(found), _missing(found), _too_few(found)]
    return [each for each in made if each][:MOST]


def _solved(found: Mapping[str, Any]) -> str:
    worlds = [world for world in found["worlds"] if world["threshold"] is not None]
    if len(worlds) != 1 or len(found["worlds"]) != 1:
        return _levels(found)
    key = worlds[0]["key"]
    solved = {name: each["worlds"][key] for name, each in found["approaches"].items() if each["worlds"][key]["solved"]}

    def order(name: str) -> tuple[float, float]:
        return -solved[name]["solved"]["mid"], _median(solved[name], "cpu_seconds") or float("inf")

    some = sorted((name for name in solved if solved[name]["solved"]["k"]), key=order)
    none = [name for name in solved if not solved[name]["solved"]["k"]]
    if not solved:
        return ""
    parts = []
    for name in some[:NAMED]:
        each, count = solved[name], solved[name]["solved"]
        times = []
        if (seconds := _median(each, "cpu_seconds")) is not None:
            times.append(f"{seconds:.2g} CPU seconds" if seconds < 100 else f"{seconds:,.0f} CPU seconds")
        if (steps := _median(each, "steps")) is not None:
            times.append(f"{steps:,.0f} steps")
        when = f", median {' and '.join(times)} to the threshold" if times else ""
        if found["approaches"][name]["same"]:
            parts.append(f"{name} solved it, the same way from every seed")
        else:
            parts.append(f"{name} solved {count['k']} of {count['n']} seeds (exact 95%: {_range(count)}){when}")
    if len(some) > NAMED:
        others = [(name, solved[name]["solved"]) for name in some[NAMED:]]
        parts.append(_list([f"{name} {count['k']} of {count['n']}" for name, count in others]))
    if none:
        parts.append(f"{_list(none)} solved none")
    few = min((each["solved"]["episodes"] for each in solved.values()), default=0)
    by = (
        f" (judged by {few} episodes, where 100 are usual)"
        if not all(each["solved"]["enough"] for each in solved.values())
        else ""
    )
    return f"{'; '.join(parts)}{by}."


def _levels(found: Mapping[str, Any]) -> str:
    ranked = sorted(
        ((each["iqm"], name) for name, each in found["approaches"].items() if each["iqm"]),
        key=lambda pair: (-pair[0]["mid"], pair[1]),
    )
    if not ranked:
        return "No approach gave a return."
    parts = []
    for iqm, name in ranked[:NAMED]:
        ends = f" (95%: {iqm['low']:.3g} to {iqm['high']:.3g})" if iqm["low"] is not None else ""
        parts.append(f"{name} {iqm['mid']:.3g}{ends}")
    what = "return" if found["scale"]["kind"] == "return" else "score"
    return f"Interquartile mean {what}: {_list(parts)}."


def _median(world: Mapping[str, Any], clock: str) -> float | None:
    time = (world.get("time") or {}).get(clock)
    return None if time is None else time["median"]["mid"]


def _ahead(found: Mapping[str, Any]) -> str:
    pairs = found["pairs"]
    if not any(pair["can_tell"] for pair in pairs):
        return ""
    worse: dict[str, list[str]] = {}
    for pair in pairs:
        if pair["verdict"] != "not told apart":
            better, other = (pair["a"], pair["b"]) if pair["verdict"] == "better" else (pair["b"], pair["a"])
            worse.setdefault(better, []).append(other)
    open_pairs = sum(pair["verdict"] == "not told apart" for pair in pairs)
    if not worse:
        return f"No two approaches are told apart by their seeds ({len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'}, Holm)."
    first = sorted(worse, key=lambda name: (-len(worse[name]), -(found["approaches"][name]["iqm"]["mid"])))
    top = [name for name in first if len(worse[name]) == len(worse[first[0]])]
    parts = [f"{name} does better than {_list(worse[name])}" for name in top[:NAMED]]
    rest = f"; {open_pairs} of {len(pairs)} pairs are not told apart" if open_pairs else ""
    return f"Judged over seeds, {'; '.join(parts)}{rest} (permutation test, Holm)."


def _hacks(found: Mapping[str, Any]) -> str:
    hacking = found["hacking"]
    if not hacking:
        return ""
    cells = {name: each["pooled"] for name, each in hacking["approaches"].items()}
    known = {name: cell for name, cell in cells.items() if cell["index"] is not None}
    if not known:
        return "No agent came within 5% of the best visible return, so there is no hack index."
    ranked = sorted(known, key=lambda name: (-known[name]["index"]["mid"], -known[name]["capable"]))
    shown = ranked if len(ranked) <= NAMED + 1 else [*ranked[:NAMED], ranked[-1]]
    parts = [
        f"{name} {known[name]['hacked']} of {known[name]['capable']} (exact 95%: {_range(known[name]['index'])})"
        for name in shown
    ]
    return f"Of the agents that got the stated reward, these missed what was meant: {_list(parts)}."


def _missing(found: Mapping[str, Any]) -> str:
    failed = {name: len(each["failed"]) for name, each in found["approaches"].items() if each["failed"]}
    errors = {name: each["errors"] for name, each in found["approaches"].items() if each["errors"]}
    parts = []
    if failed:
        counted = [f"{name} {k} {'seed' if k == 1 else 'seeds'}" for name, k in failed.items()]
        parts.append(f"without any result: {_list(counted)}")
    if errors:
        counted = [f"{name} {k}" for name, k in errors.items()]
        parts.append(f"episodes that ended with an error: {_list(counted)}")
    return f"Not in these figures, {'; '.join(parts)}." if parts else ""


def _too_few(found: Mapping[str, Any]) -> str:
    blind = [pair for pair in found["pairs"] if not pair["can_tell"]]
    if not blind:
        return ""
    n = min(pair["difference"]["n"] for pair in blind)
    which = "No two approaches" if len(blind) == len(found["pairs"]) else f"{len(blind)} of {len(found['pairs'])} pairs"
    can = "can" if len(blind) == len(found["pairs"]) else "cannot"
    return (
        f"{which} {can} be told apart with {n} {'seed' if n == 1 else 'seeds'}, whatever they show: "
        "train from more seeds, or compare fewer approaches."
    )


def _range(count: Mapping[str, Any]) -> str:
    return f"{100 * count['low']:.0f} to {100 * count['high']:.0f}%"


def _list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
