"""How training went: loss and accuracy of every epoch, as the record holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document
from bakeoff.report import format as form
from bakeoff.report.charts import epochs, svg
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.tables import Cell, Table, name_cell
from bakeoff.report.ties import ordered

MOST_EPOCHS = 120
"""Points of one line; where there are more, every second, third, ... epoch is drawn, and the best and the last."""
PARTS = (("loss", "Loss", False), ("accuracy", "Right", True))


class Course(NamedTuple):
    """One training: its seed and its rows, each with ``epoch``, as finite numbers."""

    seed: str
    rows: Sequence[Mapping[str, float]]

    @property
    def best(self) -> Mapping[str, float] | None:
        """The epoch whose weights are kept: the lowest validation loss, the first of equals; None without validation."""
        known = [row for row in self.rows if "valid_loss" in row]
        return min(known, key=lambda row: (row["valid_loss"], row["epoch"])) if known else None


def courses(document: Document) -> dict[str, list[Course]]:
    """Trainings by approach, in shown order. What is no row of numbers is left out: a task may be a plugin."""
    given = document.views.get("training")
    if not isinstance(given, Mapping):
        return {}
    made = {}
    for result in ordered(document):
        seeds = given.get(result.name)
        if isinstance(seeds, Mapping):
            found = [Course(str(seed), rows) for seed, curve in seeds.items() if len(rows := _rows(curve)) > 1]
            if found:
                made[result.name] = sorted(found, key=lambda course: (len(course.seed), course.seed))
    return made


def _rows(curve: Any) -> list[dict[str, float]]:
    if not isinstance(curve, list):
        return []
    rows = [
        {
            str(key): float(value)
            for key, value in row.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        }
        for row in curve
        if isinstance(row, Mapping)
    ]
    return sorted((row for row in rows if "epoch" in row), key=lambda row: row["epoch"])


def training(document: Document) -> Figure | None:
    """Loss and accuracy by epoch, one row of panels per approach; None where nothing was trained in epochs."""
    found = courses(document)
    if not found:
        return None
    colours = colours_of(document)
    panels = [
        epochs.Row(
            name,
            colours.get(name, STRANGER),
            tuple(
                epochs.Panel(title, tuple(_lines(some, key)), svg.tick_percent if percent else _tick, percent)
                for key, title, percent in PARTS
            ),
            name == document.verdict.choice,
        )
        for name, some in found.items()
    ]
    says = listing([f"{name}: {_says(some)}" for name, some in found.items()])
    seeds = max(len(some) for some in found.values())
    thinned = (
        " Of long trainings only some epochs are drawn."
        if any(len(c.rows) > MOST_EPOCHS for s in found.values() for c in s)
        else ""
    )
    caption = (
        "Solid lines are validation, dashed ones training"
        + (f"; each of up to {seeds} seeds is a thin line of its own" if seeds > 1 else "")
        + ". The marker is the epoch with the lowest validation loss, whose weights are kept. Training figures are taken while learning, on "
        f"augmented pictures, so they can lie on the worse side.{thinned}"
    )
    return both(
        "training",
        caption,
        _table(document, found),
        lambda i, w: epochs.rows(i, panels, width=w, title="Loss and accuracy by epoch", says=says),
    )


def _tick(value: float) -> str:
    return f"{value:g}"


def _lines(some: Sequence[Course], key: str) -> list[epochs.Line]:
    made = []
    for course in some:
        best = course.best
        for part, dashed in (("train", True), ("valid", False)):
            points = [(row["epoch"], row[f"{part}_{key}"]) for row in course.rows if f"{part}_{key}" in row]
            if not points:
                continue
            at = None
            if best is not None and not dashed and f"valid_{key}" in best:
                at = (best["epoch"], best[f"valid_{key}"])
            every = -(-len(points) // MOST_EPOCHS)
            made.append(epochs.Line(f"seed {course.seed}", tuple(_thin(points, every, at)), dashed, at))
    return made


def _thin(points: Sequence[tuple[float, float]], every: int, keep: tuple[float, float] | None) -> list[tuple[float, float]]:
    return [p for i, p in enumerate(points) if i % every == 0 or i == len(points) - 1 or p == keep]


def _says(some: Sequence[Course]) -> str:
    parts = []
    for course in some:
        best, last = course.best, course.rows[-1]
        said = f"seed {course.seed}, {len(course.rows):,} epochs"
        if best is not None:
            said += f", best epoch {best['epoch']:g} with validation loss {form.decimal(best['valid_loss'])}"
            if "valid_accuracy" in best:
                said += f" and {form.percent(best['valid_accuracy'])} right"
        elif "train_loss" in last:
            said += f", training loss {form.decimal(last['train_loss'])} at the end"
        parts.append(said)
    return ", ".join(parts)


def _table(document: Document, found: Mapping[str, Sequence[Course]]) -> Table:
    head = (
        "Approach",
        "Seed",
        "Epochs",
        "Best epoch",
        "Training loss",
        "Validation loss",
        "Right in training",
        "Right in validation",
        "Time",
    )
    rows = []
    for name, some in found.items():
        for course in some:
            at, last = course.best or course.rows[-1], course.rows[-1]
            best = course.best["epoch"] if course.best else None
            rows.append(
                (
                    name_cell(name, document),
                    Cell(course.seed, course.seed, "num"),
                    Cell(form.count(len(course.rows)), len(course.rows), "num"),
                    Cell(form.MISSING if best is None else f"{best:g}", best, "num"),
                    *(Cell(form.decimal(at.get(key)), at.get(key), "num") for key in ("train_loss", "valid_loss")),
                    *(Cell(form.percent(at.get(key)), at.get(key), "num") for key in ("train_accuracy", "valid_accuracy")),
                    Cell(form.seconds(last.get("seconds")), last.get("seconds"), "num"),
                )
            )
    return Table("The best epoch of each training", head, rows)
