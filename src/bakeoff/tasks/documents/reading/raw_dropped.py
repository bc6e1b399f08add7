"""Letters that pdfium takes for a second print of the one before, and leaves out.

Some programs set every letter as an object of its own. Two of the same, as the f's of "effect", then overlap, and pdfium's search for text that is
printed twice drops the second: the text reads "ef ect". The object is still on the page. It is read again where nothing speaks against it: it is
in the font, size and direction of a letter just before it, its ink has the same bounds about its origin, and it stands as far along the line as
the letter is wide. A second print (how bold is imitated) is shifted by much less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bakeoff.tasks.documents.reading.raw_fonts import Font, advance_of
from bakeoff.tasks.documents.reading.raw_native import fill_by_object, per_object
from bakeoff.tasks.documents.reading.raw_page import TEXT, OpenPage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOK_BACK = 5
"""So many objects before one are looked at by pdfium."""

NEAREST, FARTHEST = 0.5, 1.1
"""In widths of the letter: how far behind its twin it stands."""

OFF_LINE = 0.02
"""In font sizes: how far off the line of its twin it may stand."""

SAME_INK = 0.005
"""In font sizes: how far the bounds of two prints of one glyph may differ."""

MOST_DROPPED = 5_000


class Dropped(NamedTuple):
    """`twin` is the row of the letter that each repeats, `handle` the object that it is, `shift` how far it stands from the twin, in the page's own coordinates."""

    twin: NDArray
    handle: tuple[int, ...]
    shift: NDArray


def find_dropped(
    page: OpenPage, chars: str, objects: tuple[int, ...], object_of: NDArray, fonts_of: NDArray, fonts: tuple[Font, ...]
) -> Dropped:
    """The letters that are on the page and not among its characters.

    Parameters
    ----------
    page : OpenPage
    chars : str of length n
    objects : tuple of int
        The text objects that have characters.
    object_of, fonts_of : arrays of shape (n,)
        Of each character, its object (an index into `objects`) and font (an index into `fonts`).
    fonts : tuple of Font

    Returns
    -------
    Dropped
        In the order of the page's objects.
    """
    import numpy as np

    none = Dropped(np.zeros(0, dtype=np.intp), (), np.zeros((0, 2)))
    texts = page.drawn.of_type(TEXT)
    if not len(texts) or not len(objects):
        return none
    handles = np.array(page.drawn.handles, dtype=np.uint64)[texts]
    missing = np.flatnonzero(~np.isin(handles, np.array(objects, dtype=np.uint64)))
    # Nearly all of them are spaces, which have no ink.
    sides = fill_by_object("FPDFPageObj_GetBounds", handles[missing].tolist(), 4, "f4", apart=True)
    missing = missing[((sides[:, 2:] - sides[:, :2]) > 0).all(axis=1)][:MOST_DROPPED]
    if not len(missing):
        return none
    wanted = np.unique(np.clip(missing[:, None] - np.arange(LOOK_BACK + 1), 0, None))
    chosen = handles[wanted].tolist()
    bounds = fill_by_object("FPDFPageObj_GetBounds", chosen, 4, "f4", apart=True).astype(float)
    matrix = fill_by_object("FPDFPageObj_GetMatrix", chosen, 6, "f4").astype(float)
    size = fill_by_object("FPDFTextObj_GetFontSize", chosen, 1, "f4")[:, 0].astype(float)
    font = np.fromiter(per_object("FPDFTextObj_GetFont", chosen), np.uint64, len(chosen))
    frame = page.drawn.frame_of[texts][wanted]
    counts = np.bincount(object_of, minlength=len(objects))
    first = np.full(len(objects), -1, dtype=np.intp)
    first[object_of[::-1]] = np.arange(len(object_of))[::-1]
    alone = {objects[at]: int(first[at]) for at in np.flatnonzero(counts == 1).tolist()}
    twins: list[int] = []
    found: list[int] = []
    shifts: list[NDArray] = []
    for at in missing.tolist():
        here = int(np.searchsorted(wanted, at))
        ink = bounds[here, 2:] - bounds[here, :2]
        if not (np.isfinite(bounds[here]).all() and np.isfinite(matrix[here]).all() and ink.min() > 0 and size[here] > 0):
            continue
        for back in range(1, min(LOOK_BACK, at) + 1):
            there = int(np.searchsorted(wanted, at - back))
            row = alone.get(chosen[there])
            if row is None or font[here] != font[there] or size[here] != size[there] or frame[here] != frame[there]:
                continue
            if not np.array_equal(matrix[here, :4], matrix[there, :4]):
                continue
            shift = matrix[here, 4:] - matrix[there, 4:]
            along = matrix[here, :2] * size[here]
            em = float(np.hypot(*along))
            width = advance_of(fonts[fonts_of[row]], ord(chars[row])) * em
            if em <= 0 or width <= 0 or np.abs(bounds[here] - bounds[there] - np.tile(shift, 2)).max() > SAME_INK * em:
                continue
            far, off = float(shift @ along) / em, float(shift[0] * along[1] - shift[1] * along[0]) / em
            if NEAREST * width <= far <= FARTHEST * width and abs(off) <= OFF_LINE * em:
                a, b, c, d = page.drawn.frames[frame[here]][:4]
                twins.append(row)
                found.append(chosen[here])
                shifts.append(np.array([shift[0] * a + shift[1] * c, shift[0] * b + shift[1] * d]))
                break
    if not found:
        return none
    return Dropped(np.array(twins, dtype=np.intp), tuple(found), np.array(shifts))
