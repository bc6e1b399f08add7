"""Progress for people: live bars on a terminal, one line per finished trial elsewhere. All of it on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from bakeoff.contract import Progress, Trial
from bakeoff.contract import quiet as silent
from bakeoff.run.engine import Event, Watch, watch_nothing


@contextlib.contextmanager
def watching(*, quiet: bool = False) -> Iterator[Watch]:
    """A Watch that shows what happens, for as long as the block lasts."""
    if quiet:
        yield watch_nothing
    elif sys.stderr.isatty():
        with _live() as watch:
            yield watch
    else:
        yield _lines()


@contextlib.contextmanager
def line(*, quiet: bool = False) -> Iterator[Progress]:
    """A Progress that shows one bar on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bars:
        row = bars.add_task("", total=1.0)

        def show(fraction: float, note: str = "") -> None:
            bars.update(row, completed=fraction, description=note[:60])

        yield show


def name_of(trial: Trial) -> str:
    """A trial in a person's words."""
    share = f", {trial.fraction:.3g} of the training items" if trial.fraction < 1 else ""
    return f"{trial.approach} (seed {trial.seed}{share})"


def left(seconds: float | None) -> str:
    """Time left in words; empty while unknown."""
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


def _lines() -> Watch:
    began = time.monotonic()

    held: list[str] = []

    def watch(event: Event) -> None:
        if event.kind == "progress":
            return
        what = f"{name_of(event.trial)}: " if event.trial else ""
        remaining = left(event.seconds_left)
        line = f"[{time.monotonic() - began:5.0f} s] {what}{event.kind}" + (f", {event.note}" if event.note else "")
        line += f"  ({event.overall:.0%}, {remaining})" if remaining else ""
        if event.kind == "data":  # said once the data turned out to be usable: an error is two lines, and nothing else
            held.append(line)
            return
        print("\n".join([*held, line]), file=sys.stderr, flush=True)
        held.clear()

    return watch


@contextlib.contextmanager
def _live() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    bars = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bars:
        overall = bars.add_task("[bold]all", total=1.0, note="")
        rows: dict[Trial, TaskID] = {}

        def watch(event: Event) -> None:
            bars.update(overall, completed=event.overall, note=left(event.seconds_left))
            trial = event.trial
            if trial is None:
                bars.update(overall, note=event.note)
                return
            if event.kind in ("done", "failed", "stopped"):
                if trial in rows:
                    bars.remove_task(rows.pop(trial))
                mark = {"done": "[green]done[/]", "failed": "[red]failed[/]", "stopped": "[yellow]stopped[/]"}[event.kind]
                bars.console.print(f"  {mark}  {name_of(trial)}  [dim]{_plain(event.note)}[/]")
                return
            if trial not in rows:
                rows[trial] = bars.add_task(f"  {name_of(trial)}", total=1.0, note="")
            bars.update(rows[trial], completed=event.fraction, note=_plain(event.note)[:60])

        yield watch


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
