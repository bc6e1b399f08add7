"""Shares of a whole as bars from zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look


class Bar(NamedTuple):
    """One bar: a share in [0, 1] and the text at its end."""

    name: str
    look: Look
    share: float
    shown: str
    strong: bool = False


def shares(ident: str, rows: Sequence[Bar], *, width: int, title: str, says: str) -> Markup:
    """Horizontal bars from 0 to 1, each with its figure at its end and its approach's marker before its name."""
    narrow = width < svg.NARROW
    label = 0.0 if narrow else svg.label_width([row.name for row in rows])
    step = 38.0 if narrow else 30.0
    body = []
    end = width - 64
    for index, row in enumerate(rows):
        top = step * index
        body.append(
            svg.named(
                2, top + (14 if narrow else 20), row.name, row.look, room=(width if narrow else label) - 8, strong=row.strong
            )
        )
        y = top + (21 if narrow else 9)
        long = max(0.0, min(1.0, row.share)) * (end - label)
        body.append(svg.box(label, y, end - label, 12, "track", 2))
        body.append(svg.box(label, y, long, 12, f"c{row.look.colour} mark", 2))
        body.append(svg.text(width, y + 10, row.shown, "value strong" if row.strong else "value", "end"))
    return svg.figure(ident, width, step * len(rows) + 6, title, says, body)
