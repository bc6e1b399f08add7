"""The lines, filled rectangles, other shapes and pictures of a page, from pdfium's page objects, in points as displayed.

A path is taken apart into its subpaths. A filled axis-parallel rectangle is a `Fill`, or a `Rule` where it is thin. Each straight level or
upright stroke is a `Rule`; a stroked rectangle is four of them, and its box is kept among the paths too, because it may be a box of a
diagram. Everything else (curves, slanted lines, polygons, shadings) is the box of its path. What cannot be seen for sure (fully transparent,
off the page, white lines on white paper) is left out.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.tasks.documents.glyphs import Fill, RawImage, Rule
from bakeoff.tasks.documents.reading.raw_native import fill_by_object, natives, per_object
from bakeoff.tasks.documents.reading.raw_page import IMAGE, PATH, SHADING, Drawn, OpenPage, displayed, handles_of, times
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

THICKEST_RULE = 3.0
"""A filled rectangle up to this many points thick, and `SLENDER` times as long, is a line."""

SLENDER = 4.0
LEVEL = 0.5
"""A stroke whose ends differ by less than this many points across its run is level (or upright)."""

SHORTEST_RULE = 1.0
MOST_SEGMENTS = 400_000
MOST_SEGMENTS_OF_ONE = 4_000
"""Paths with more segments are drawings (maps, outlined text): their box is enough."""

MOST_FOUND = 50_000
WHITE = 250

MOVE, BEZIER = 2, 1


class Drawings(NamedTuple):
    """As in `RawPage`."""

    rules: tuple[Rule, ...]
    fills: tuple[Fill, ...]
    paths: NDArray
    images: tuple[RawImage, ...]


def no_drawings() -> Drawings:
    """Nothing."""
    import numpy as np

    return Drawings((), (), np.zeros((0, 4), dtype=np.float32), ())


def read_drawings(page: OpenPage) -> Drawings:
    """All that is drawn on the page but its text."""
    import numpy as np

    drawn = page.drawn
    rules, fills, outlines = _read_paths(page)
    shadings = drawn.of_type(SHADING)
    if len(shadings):
        outlines.append(object_boxes(page, shadings))
    boxes = np.concatenate(outlines) if outlines else np.zeros((0, 4))
    boxes, _ = _on_page(page, boxes)
    return Drawings(rules, fills, boxes[:MOST_FOUND].astype(np.float32), _read_images(page))


def object_boxes(page: OpenPage, indices: NDArray) -> NDArray:
    """Where some of the page's objects lie, stroke widths included, as displayed: shape (n, 4). Not cut to the page."""
    import numpy as np

    drawn = page.drawn
    bounds = fill_by_object("FPDFPageObj_GetBounds", handles_of(drawn, indices), 4, "f4", apart=True).astype(float)
    bounds = np.clip(np.nan_to_num(bounds, posinf=1e7, neginf=-1e7), -1e7, 1e7)
    found = np.empty((len(indices), 4))
    frame_of = drawn.frame_of[indices]
    for frame in np.unique(frame_of).tolist():
        rows = frame_of == frame
        found[rows] = displayed(times(drawn.frames[frame], page.matrix), bounds[rows])
    return found


def clip_box(page: OpenPage, index: int) -> Box | None:
    """The bounding box of what an object's clipping paths let through, as displayed. None where it has none."""
    import ctypes

    import numpy as np
    import pypdfium2.raw as pdfium

    clip = pdfium.FPDFPageObj_GetClipPath(ctypes.cast(page.drawn.handles[index], pdfium.FPDF_PAGEOBJECT))
    count = pdfium.FPDFClipPath_CountPaths(clip) if clip else 0
    matrix = times(page.drawn.frames[page.drawn.frame_of[index]], page.matrix)
    kept: Box | None = None
    x, y = ctypes.c_float(), ctypes.c_float()
    for at in range(min(max(count, 0), 32)):
        segments = pdfium.FPDFClipPath_CountPathSegments(clip, at)
        points = []
        for k in range(min(max(segments, 0), 256)):
            if pdfium.FPDFPathSegment_GetPoint(pdfium.FPDFClipPath_GetPathSegment(clip, at, k), x, y):
                points.append((x.value, y.value))
        if not points or segments > 256:
            continue
        corners = np.array(points)
        box = displayed(matrix, np.array([[*corners.min(0), *corners.max(0)]]))[0].tolist()
        low = box if kept is None else [max(kept[0], box[0]), max(kept[1], box[1]), min(kept[2], box[2]), min(kept[3], box[3])]
        kept = (low[0], low[1], max(low[0], low[2]), max(low[1], low[3]))
    return kept


def fill_colours(handles: list[int]) -> NDArray:
    """Red, green, blue, alpha (0-255) that each object is filled with: shape (n, 4)."""
    return fill_by_object("FPDFPageObj_GetFillColor", handles, 4, "u4", apart=True)


def _read_images(page: OpenPage) -> tuple[RawImage, ...]:
    import numpy as np

    indices = page.drawn.of_type(IMAGE)[:MOST_FOUND]
    if not len(indices):
        return ()
    sizes = fill_by_object("FPDFImageObj_GetImagePixelSize", handles_of(page.drawn, indices), 2, "u4", apart=True)
    boxes = object_boxes(page, indices)
    for row, index in enumerate(indices.tolist() if len(indices) <= 1_000 else []):
        clip = clip_box(page, index)
        if clip is not None:
            boxes[row] = np.maximum(boxes[row], (clip[0], clip[1], -1e9, -1e9))
            boxes[row] = np.minimum(boxes[row], (1e9, 1e9, clip[2], clip[3]))
    boxes, kept = _on_page(page, boxes)
    return tuple(
        RawImage(_box(box), (int(size[0]), int(size[1]))) for box, size in zip(boxes.tolist(), sizes[kept].tolist(), strict=True)
    )


def _read_paths(page: OpenPage) -> tuple[tuple[Rule, ...], tuple[Fill, ...], list[NDArray]]:
    import numpy as np

    drawn = page.drawn
    indices = drawn.of_type(PATH)
    if not len(indices):
        return (), (), []
    handles = handles_of(drawn, indices)
    counts = np.fromiter(per_object("FPDFPath_CountSegments", handles), np.int64, len(handles))
    modes = fill_by_object("FPDFPath_GetDrawMode", handles, 2, "i4", apart=True)
    inks = np.stack([fill_colours(handles), fill_by_object("FPDFPageObj_GetStrokeColor", handles, 4, "u4", apart=True)])
    filled, stroked = (modes[:, 0] != 0) & (inks[0, :, 3] > 0), (modes[:, 1] != 0) & (inks[1, :, 3] > 0)
    drawn_at_all = (filled | stroked) & (counts > 0)
    simple = drawn_at_all & (counts <= MOST_SEGMENTS_OF_ONE)
    simple &= np.cumsum(np.where(simple, counts, 0)) <= MOST_SEGMENTS
    outlines = [object_boxes(page, indices[drawn_at_all & ~simple])]
    rows = np.flatnonzero(simple)
    if not len(rows):
        return (), (), outlines
    parts = _subpaths(page.matrix, drawn, indices[rows], [handles[i] for i in rows.tolist()], counts[rows])
    of = rows[parts.path]
    width = fill_by_object("FPDFPageObj_GetStrokeWidth", [handles[i] for i in rows.tolist()], 1, "f4")[:, 0].astype(float)[
        parts.path
    ]
    width = np.clip(np.nan_to_num(width) * parts.scale, 0.1, 1_000)

    extent = parts.boxes[:, 2:] - parts.boxes[:, :2]
    thin, long = extent.min(1), extent.max(1)
    slender = (thin <= THICKEST_RULE) & (long >= SLENDER * thin) & (long >= SHORTEST_RULE)
    bar = parts.rectangle & filled[of] & slender & ~stroked[of]
    area = parts.rectangle & filled[of] & ~bar & (thin > 0)
    frame = parts.rectangle & stroked[of]
    lines = parts.level & stroked[of] & ~parts.rectangle
    other = ~(bar | area | lines) | frame
    # White shapes are the paper as often as they are drawn.
    pale = np.where(filled[of], (inks[0, of, :3] >= WHITE).all(1), True) & np.where(
        stroked[of], (inks[1, of, :3] >= WHITE).all(1), True
    )
    outlines.append(_outlines(parts, of, other & ~pale, width * stroked[of] / 2))

    area_boxes, kept = _on_page(page, parts.boxes[area])
    colours = inks[0, of[area], :3][kept]
    fills = tuple(
        Fill(_box(box), (r, g, b))
        for box, (r, g, b) in zip(area_boxes[:MOST_FOUND].tolist(), colours[:MOST_FOUND].tolist(), strict=True)
    )
    found = [(parts.boxes[bar], inks[0, of[bar], :3])]
    at = np.isin(parts.part_of_edge, np.flatnonzero(lines | frame)) & parts.edge_level
    edge_part = parts.part_of_edge[at]
    grow = (width[edge_part] / 2)[:, None] * np.where(parts.edge_flat[at][:, None], (0, -1, 0, 1), (-1, 0, 1, 0))
    found.append((parts.edges[at] + grow, inks[1, of[edge_part], :3]))
    boxes, kept = _on_page(page, np.concatenate([each for each, _ in found]))
    ink = np.concatenate([each for _, each in found])[kept]
    seen = ~(ink >= WHITE).all(1) | _on_colour(boxes, area_boxes, colours)
    rules = tuple(Rule(_box(box), box[2] - box[0] >= box[3] - box[1]) for box in boxes[seen][:MOST_FOUND].tolist())
    return rules, fills, outlines


class _Subpaths(NamedTuple):
    """The subpaths of some paths; their edges, without those that have no length."""

    path: NDArray  # index into the paths given
    boxes: NDArray
    scale: NDArray  # points as displayed per unit of the path
    rectangle: NDArray  # axis-parallel, as displayed
    level: NDArray  # made only of level and upright edges
    edges: NDArray  # boxes, without width
    edge_flat: NDArray
    edge_level: NDArray
    part_of_edge: NDArray


def _subpaths(page: NDArray, drawn: Drawn, indices: NDArray, handles: list[int], counts: NDArray) -> _Subpaths:
    import numpy as np

    total = int(counts.sum())
    numbers = chain.from_iterable(map(range, counts.tolist()))
    owners = chain.from_iterable(map(repeat, handles, counts.tolist()))
    segments = list(map(natives()["FPDFPath_GetPathSegment"], owners, numbers))
    points = fill_by_object("FPDFPathSegment_GetPoint", segments, 2, "f4", apart=True).astype(float)
    kinds = np.fromiter(per_object("FPDFPathSegment_GetType", segments), np.int32, total)
    closes = np.fromiter(per_object("FPDFPathSegment_GetClose", segments), np.int32, total) == 1
    path = np.repeat(np.arange(len(handles)), counts)
    own = fill_by_object("FPDFPageObj_GetMatrix", handles, 6, "f4")
    matrix = times(times(own, drawn.frames[drawn.frame_of[indices]]), page)
    a, b, c, d, e, f = np.nan_to_num(matrix[path]).T
    points = np.stack([a * points[:, 0] + c * points[:, 1] + e, b * points[:, 0] + d * points[:, 1] + f], axis=1)
    points = np.clip(np.nan_to_num(points, posinf=1e7, neginf=-1e7), -1e7, 1e7)

    starts_here = (kinds == MOVE) | np.concatenate([[True], path[1:] != path[:-1]])
    part = np.cumsum(starts_here) - 1
    starts = np.flatnonzero(starts_here)
    ends = np.append(starts[1:], total)
    boxes = np.concatenate([np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)], axis=1)
    curved = np.add.reduceat(kinds == BEZIER, starts) > 0
    closed = np.add.reduceat(closes, starts) > 0

    # Edges between neighbours of one subpath, and from the last point back to the first where it is closed.
    begins = np.concatenate([np.flatnonzero(part[1:] == part[:-1]), ends[closed] - 1])
    stops = np.concatenate([np.flatnonzero(part[1:] == part[:-1]) + 1, starts[closed]])
    run = np.abs(points[stops] - points[begins])
    real = run.max(1) > 1e-3 if len(run) else np.zeros(0, dtype=bool)
    begins, stops, run = begins[real], stops[real], run[real]
    part_of_edge = part[begins]
    level = run.min(1) <= np.minimum(LEVEL, run.max(1) / 4) if len(run) else np.zeros(0, dtype=bool)
    n_parts = len(starts)
    edge_count, level_count = np.bincount(part_of_edge, minlength=n_parts), np.bincount(part_of_edge[level], minlength=n_parts)
    straight = ~curved & (edge_count > 0) & (edge_count == level_count)
    # Four corners, each of them on a corner of the box: a rectangle, also when it is filled without being closed.
    span = boxes[part]
    near = np.minimum(np.abs(points - span[:, :2]), np.abs(points - span[:, 2:])).max(1) <= 0.05
    on_corners = np.add.reduceat(near, starts) == ends - starts
    rectangle = straight & on_corners & (edge_count >= 3) & (edge_count <= 5) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    flat = run[:, 0] >= run[:, 1]
    edges = np.concatenate([np.minimum(points[begins], points[stops]), np.maximum(points[begins], points[stops])], axis=1)
    long_enough = run.max(1) >= SHORTEST_RULE if len(run) else np.zeros(0, dtype=bool)
    scale = np.sqrt(np.abs(matrix[:, 0] * matrix[:, 3] - matrix[:, 1] * matrix[:, 2]))
    of = path[starts]
    return _Subpaths(of, boxes, scale[of], rectangle, straight, edges, flat, level & long_enough, part_of_edge)


def _outlines(parts: _Subpaths, of: NDArray, chosen: NDArray, margin: NDArray) -> NDArray:
    """One box per path of those subpaths that are chosen, grown by half their stroke."""
    import numpy as np

    rows = np.flatnonzero(chosen)
    if not len(rows):
        return np.zeros((0, 4))
    boxes = parts.boxes[rows] + margin[rows][:, None] * (-1, -1, 1, 1)
    # Separate rectangles of one path stay apart: a whole diagram is often one path.
    group = np.where(parts.rectangle[rows], len(parts.path) + rows, of[rows])
    _, first = np.unique(group, return_inverse=True)
    low = np.full((first.max() + 1, 2), np.inf)
    high = np.full((first.max() + 1, 2), -np.inf)
    np.minimum.at(low, first, boxes[:, :2])
    np.maximum.at(high, first, boxes[:, 2:])
    return np.concatenate([low, high], axis=1)


def _on_page(page: OpenPage, boxes: NDArray) -> tuple[NDArray, NDArray]:
    """Boxes cut to the page, those off it left out, and the indices of those that stayed."""
    import numpy as np

    cut = np.clip(boxes, 0, (page.width, page.height, page.width, page.height))
    inside = (boxes[:, 0] < page.width) & (boxes[:, 1] < page.height) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    kept = np.flatnonzero(inside)
    return cut[kept], kept


def _on_colour(boxes: NDArray, areas: NDArray, colours: NDArray) -> NDArray:
    """Which boxes have their middle in an area that is not white."""
    import numpy as np

    found = np.zeros(len(boxes), dtype=bool)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    tinted = areas[~(colours >= WHITE).all(1)]
    for x0, y0, x1, y1 in tinted[:2_000].tolist():
        found |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return found


def _box(values: list[float]) -> Box:
    return (values[0], values[1], values[2], values[3])
