"""The calls into pdfium that are made once per character or per object, thousands of times a page.

A call through pypdfium2's own bindings converts and checks its arguments each time, and gives up the interpreter lock. Here the same C
functions take plain addresses, so that `map` can make all calls of a page without a line of Python between them: about 0.2 microseconds
each. What they read and write is the caller's to get right: every address comes from pdfium or from an array that is still alive.

pdfium is not thread-safe. One process uses it from one thread.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

INT, UINT, LONG, POINTER = ctypes.c_int, ctypes.c_uint, ctypes.c_ulong, ctypes.c_void_p
HANDLE = ctypes.c_size_t
"""A pointer that is returned: 0 where C returns NULL, so that arrays can hold it."""

SIGNATURES: dict[str, tuple[Any, ...]] = {
    # name: (result, arguments...)
    "FPDFText_GetUnicode": (UINT, POINTER, INT),
    "FPDFText_GetTextObject": (HANDLE, POINTER, INT),
    "FPDFText_GetLooseCharBox": (INT, POINTER, INT, POINTER),
    "FPDFText_GetCharBox": (INT, POINTER, INT, POINTER, POINTER, POINTER, POINTER),
    "FPDFText_GetCharOrigin": (INT, POINTER, INT, POINTER, POINTER),
    "FPDFText_GetMatrix": (INT, POINTER, INT, POINTER),
    "FPDFText_IsGenerated": (INT, POINTER, INT),
    "FPDFText_IsHyphen": (INT, POINTER, INT),
    "FPDFText_HasUnicodeMapError": (INT, POINTER, INT),
    "FPDFPage_GetObject": (HANDLE, POINTER, INT),
    "FPDFFormObj_GetObject": (HANDLE, POINTER, LONG),
    "FPDFFormObj_CountObjects": (INT, POINTER),
    "FPDFPageObj_GetType": (INT, POINTER),
    "FPDFPageObj_CountMarks": (INT, POINTER),
    "FPDFPageObj_GetMark": (HANDLE, POINTER, LONG),
    "FPDFPageObj_GetMatrix": (INT, POINTER, POINTER),
    "FPDFPageObj_GetBounds": (INT, POINTER, POINTER, POINTER, POINTER, POINTER),
    "FPDFPageObj_GetFillColor": (INT, POINTER, POINTER, POINTER, POINTER, POINTER),
    "FPDFPageObj_GetStrokeColor": (INT, POINTER, POINTER, POINTER, POINTER, POINTER),
    "FPDFPageObj_GetStrokeWidth": (INT, POINTER, POINTER),
    "FPDFPageObj_SetIsActive": (INT, POINTER, INT),
    "FPDFPageObj_GetClipPath": (HANDLE, POINTER),
    "FPDFPath_CountSegments": (INT, POINTER),
    "FPDFPath_GetPathSegment": (HANDLE, POINTER, INT),
    "FPDFPath_GetDrawMode": (INT, POINTER, POINTER, POINTER),
    "FPDFPathSegment_GetPoint": (INT, POINTER, POINTER, POINTER),
    "FPDFPathSegment_GetType": (INT, POINTER),
    "FPDFPathSegment_GetClose": (INT, POINTER),
    "FPDFTextObj_GetFont": (HANDLE, POINTER),
    "FPDFTextObj_GetFontSize": (INT, POINTER, POINTER),
    "FPDFTextObj_GetTextRenderMode": (INT, POINTER),
    "FPDFImageObj_GetImagePixelSize": (INT, POINTER, POINTER, POINTER),
}


@lru_cache(maxsize=1)
def natives() -> dict[str, Callable[..., Any]]:
    """The functions of `SIGNATURES` by name, taking addresses as plain integers."""
    import pypdfium2.raw as pdfium

    return {
        name: ctypes.PYFUNCTYPE(*signature)(ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value or 0)
        for name, signature in SIGNATURES.items()
    }


def address(handle: Any) -> int:
    """The address behind a pdfium handle or a pypdfium2 helper object; 0 for none."""
    return ctypes.cast(getattr(handle, "raw", handle), ctypes.c_void_p).value or 0


def per_index(name: str, handle: int, indices: range | Sequence[int]) -> Iterable[Any]:
    """``name(handle, i)`` for each index."""
    return map(natives()[name], repeat(handle), indices)


def per_object(name: str, objects: Sequence[int]) -> Iterable[Any]:
    """``name(object)`` for each object."""
    return map(natives()[name], objects)


def fill_by_index(
    name: str, handle: int, indices: range | Sequence[int], outputs: int, dtype: str, *, apart: bool = False
) -> NDArray:
    """``name(handle, i, out)`` for each index: an array of shape (n, outputs) of what was written, zeros where it was not.

    `apart`: the function takes one address per output (`outputs` of them) instead of one for all.
    """
    import numpy as np

    out = np.zeros((len(indices), outputs), dtype=dtype)
    _run(map(natives()[name], repeat(handle), indices, *_rows(out, apart)))
    return out


def fill_by_object(name: str, objects: Sequence[int], outputs: int, dtype: str, *, apart: bool = False) -> NDArray:
    """``name(object, out)`` for each object, as `fill_by_index`."""
    import numpy as np

    out = np.zeros((len(objects), outputs), dtype=dtype)
    _run(map(natives()[name], objects, *_rows(out, apart)))
    return out


def _rows(out: NDArray, apart: bool) -> list[range]:
    base, item = out.ctypes.data, out.itemsize
    row = item * out.shape[1]
    columns = out.shape[1] if apart else 1
    return [range(base + item * k, base + item * k + row * len(out), row) for k in range(columns)]


def _run(calls: Iterable[Any]) -> None:
    deque(calls, maxlen=0)
