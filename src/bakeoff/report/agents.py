"""Agents: who solves it, in how many steps and CPU seconds, how reliably; what they can be seen doing; and whether the reward is hacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document
from bakeoff.report import agents_hacking, agents_seen
from bakeoff.report import format as form
from bakeoff.report.agents_figures import curves, each_seed, profile, time_to_threshold
from bakeoff.report.agents_given import (
    World,
    about,
    amount,
    control,
    listed,
    listing_of,
    mapping,
    named,
    names,
    number,
    span,
    steps,
    whole,
    worlds,
)
from bakeoff.report.figure import Figure
from bakeoff.report.tables import Cell, Table, plain


class InWorld(NamedTuple):
    """What is shown of one environment."""

    title: str
    note: str
    table: Table
    curves: Figure | None
    seeds: Figure | None
    time: Figure | None


class Agents(NamedTuple):
    """All that the section shows; a part that the document has nothing for is empty or None."""

    says: Sequence[str]
    worlds: Sequence[InWorld]
    profile: Figure | None
    pairs: Table | None
    pairs_note: str
    hacking: agents_hacking.Hacking | None
    seen: Sequence[agents_seen.Seen]


def agents(document: Document) -> Agents | None:
    """The section; None in a study without agents."""
    if not control(document):
        return None
    every = worlds(document)
    made = [
        InWorld(
            world.key if len(every) > 1 else "",
            _note(world),
            table(document, world),
            curves(document, world, place),
            each_seed(document, world, place),
            time_to_threshold(document, world, place),
        )
        for place, world in enumerate(every)
    ]
    compared, note = pairs(document)
    return Agents(
        [str(said) for said in listed(control(document).get("says"))][:6],
        [each for each in made if each.table.rows], profile(document), compared, note, agents_hacking.hacking(document),
        agents_seen.seen(document),
    )  # fmt: skip


class Column(NamedTuple):
    """A column of the table: its head, and what it says of an approach (text, value to sort by, note)."""

    head: str
    cell: Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[str, float | None, str]]


USUAL = 100
"""Episodes over which the return is usually taken that an environment counts as solved from."""
NOTHING = (form.MISSING, None, "")


def _solved(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
    found = span(here.get("solved"))
    return NOTHING if found is None else (found.counted(), found.mid, "")


def _iqm(key: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[str, float | None, str]]:
    def cell(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
        found = span(here.get(key))
        if found is not None:
            same = "all the same" if said.get("same") is True else ""
            return found.shown(amount), found.mid, same
        known = [
            value for each in listed(here.get("returns" if key == "iqm" else "hidden")) if (value := number(each)) is not None
        ]
        return (amount(known[0]), known[0], "one seed") if len(known) == 1 else NOTHING

    return cell


def _time(clock: str, write: Callable[[float | None], str]) -> Callable[..., tuple[str, float | None, str]]:
    def cell(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
        held = mapping(mapping(here.get("time")).get(clock))
        if not held:
            return ("does not learn", None, "") if said.get("learns") is False else NOTHING
        found = mapping(held.get("median"))
        mid, low, high = (number(found.get(key)) for key in ("mid", "low", "high"))
        reached, n = whole(held.get("reached")), whole(held.get("n"))
        if mid is None:
            return f"{reached} of {n} got there", None, ""
        ends = "" if low is None else f" ({write(low)} to {'beyond' if high is None else write(high)})"
        return write(mid) + ends, mid, "" if reached == n else f"{reached} of {n} got there"

    return cell


def _rate(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
    mean = number(mapping(here.get("steps_per_cpu_second")).get("mean"))
    return NOTHING if mean is None else (form.number(mean), mean, "")


def _stability(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
    held = mapping(here.get("stability"))
    mean, low, high = (number(held.get(end)) for end in ("mean", "least", "greatest"))
    if mean is None:
        return NOTHING
    ends = "" if low is None or high is None or low == high else f" ({low * 100:.0f} to {high * 100:.0f}%)"
    return form.percent(mean, 0) + ends, mean, ""


def _best_last(said: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, float | None, str]:
    best, last = (number(mapping(here.get(key)).get("mean")) for key in ("best", "last"))
    return (
        NOTHING if best is None or last is None or said.get("learns") is False else (f"{amount(best)} → {amount(last)}", last, "")
    )


COLUMNS = (
    Column("Seeds that solve it", _solved),
    Column("Return (IQM)", _iqm("iqm")),
    Column("Hidden return (IQM)", _iqm("hidden_iqm")),
    Column("Steps to solve", _time("steps", steps)),
    Column("CPU time to solve", _time("cpu_seconds", form.seconds)),
    Column("Steps per CPU second", _rate),
    Column("Stays solved", _stability),
    Column("Best → last evaluation", _best_last),
)


def _note(world: World) -> str:
    """What the table rests on."""
    few = f", where {USUAL} are usual" if world.episodes and world.threshold is not None and world.episodes < USUAL else ""
    tested = "" if not world.episodes else f" over {world.episodes:,} test episodes{few}"
    solved = "" if world.threshold is None else f" It is solved from a mean return of {amount(world.threshold)} on."
    return f"Each seed is an agent of its own, judged by its mean return{tested}.{solved} Intervals are over seeds."


def table(document: Document, world: World) -> Table:
    """Both clocks and reliability, a row an approach; a column that nobody has a figure for is left out."""
    rows = []
    for name in names(document):
        said, here = about(document, name), about(document, name, world.key)
        failed = [str(seed) for seed in listed(said.get("failed"))]
        first = named(name, document)
        rows.append(
            (
                first._replace(note=f"failed: seed {listing_of(failed)}") if failed else first,
                [c.cell(said, here) for c in COLUMNS],
            )
        )
    kept = [place for place in range(len(COLUMNS)) if any(cells[place][1] is not None for _, cells in rows)]
    made = [(first, *(Cell(cells[p][0], cells[p][1], "num", note=cells[p][2]) for p in kept)) for first, cells in rows]
    return Table("Agents on both clocks", ("Approach", *(COLUMNS[place].head for place in kept)), made)


def pairs(document: Document) -> tuple[Table | None, str]:
    """Every pair of approaches, agents as the units; and what so few of them cannot tell."""
    rows, blind = [], 0
    for pair in listed(control(document).get("pairs")):
        given = mapping(pair)
        gap, better = span(given.get("difference")), span(given.get("improvement"))
        if "a" not in given or "b" not in given or (gap is None and better is None):
            continue
        verdict, p = str(given.get("verdict", "")), number(given.get("p_holm"))
        shown = {"better": f"{given['a']} is better", "worse": f"{given['b']} is better"}.get(verdict, "not told apart")
        blind += given.get("can_tell") is False
        rows.append(
            (
                plain(f"{given['a']} against {given['b']}"),
                Cell(
                    form.MISSING if better is None else better.shown(lambda v: form.percent(v, 0)),
                    better.mid if better else None,
                    "num",
                ),
                Cell(form.MISSING if gap is None else gap.shown(amount), gap.mid if gap else None, "num"),
                Cell(form.MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}", p, "num"),
                plain(shown),
            )
        )
    if not rows:
        return None, ""
    unit = "IQM of the return" if mapping(control(document).get("scale")).get("kind") == "return" else "IQM of the score"
    head = ("Pair", "P(first does better)", f"Difference ({unit})", "p (Holm)", "Verdict")
    apart = sum(row[-1].text != "not told apart" for row in rows)
    note = f"{apart} of {len(rows)} pairs are told apart (permutation test over seeds, Holm)."
    if blind:
        note += f" For {blind} of them there are too few seeds to tell anything apart, whatever they show."
    return Table("An agent of the first against one of the second", head, rows), note


def memo_lines(document: Document) -> list[str]:
    """Three or four sentences for the memo: who solves it on both clocks, how many seeds, the reward hacked before and after a repair."""
    said = []
    every = worlds(document)
    for world in every[:2]:
        parts = []
        for name in names(document):
            here = about(document, name, world.key)
            found = span(here.get("solved"))
            if found is None or found.k is None:
                continue
            times = [_time(clock, write)({}, here)[:2] for clock, write in (("steps", steps), ("cpu_seconds", form.seconds))]
            clocks = ""
            if times[0][1] is not None and times[1][1] is not None:
                clocks = (
                    f" in {times[0][0].partition(' (')[0]} steps and {times[1][0].partition(' (')[0]} of processor time (medians)"
                )
            parts.append((-found.mid, times[1][1] or float("inf"), f"{name} at {found.k} of {found.n} seeds{clocks}"))
        if parts:
            where = f" in {world.key}" if len(every) > 1 else ""
            told = [text for share, _, text in sorted(parts) if share < 0]
            none = [text.partition(" at ")[0] for share, _, text in sorted(parts) if share == 0]
            said.append(f"Solved{where}: {'; '.join(told) if told else 'by none of them'}.")
            if none and told:
                said.append(f"At no seed{where}: {listing_of(none)}.")
    found_hacking = agents_hacking.hacking(document)
    if found_hacking:
        said += list(found_hacking.says[:2])
    return said
