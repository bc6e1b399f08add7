"""A figure: a chart in its two drawings, its caption, and the table with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.decide.record import Document
from bakeoff.report.charts import svg
from bakeoff.report.palette import Look, looks
from bakeoff.report.tables import Table

WIDE, NARROW = 860, 328
STRANGER = Look(6, "circle")
"""The looks of a name that is not among the document's approaches."""


@dataclass(frozen=True)
class Figure:
    """A chart in its wide and its narrow drawing, its caption, and the table with the same figures."""

    ident: str
    wide: Markup
    narrow: Markup
    caption: str
    table: Table


def both(ident: str, caption: str, table: Table, draw: Callable[[str, int], Markup]) -> Figure:
    """The figure, drawn twice: once for wide screens and paper, once for phones and large zoom."""
    return Figure(ident, draw(f"{ident}-w", WIDE), draw(f"{ident}-n", NARROW), caption, table)


def colours_of(document: Document) -> dict[str, Look]:
    """Each approach's looks: by the order of all names, so that they are the same in every chart."""
    return looks(result.name for result in document.approaches)


def ticks(document: Document) -> Callable[[float], str]:
    """How the primary metric is written at an axis."""
    return svg.tick_percent if document.study.percent else lambda value: f"{value:g}"


def bounds(document: Document) -> tuple[float | None, float | None]:
    """Where an axis of the primary metric must end: a percentage never leaves 0 to 100."""
    return (0.0, 1.0) if document.study.percent else (None, None)


def listing(parts: list[str]) -> str:
    """Parts as one description."""
    return "; ".join(parts) + "." if parts else ""
