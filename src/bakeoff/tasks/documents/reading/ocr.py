"""Words on pictures of pages: RapidOCR (PP-OCR models in ONNX form, Apache-2.0) with the models that its wheel ships, on one thread, offline.

The reader is loaded once per process, when the first picture comes. It gives words with boxes; inside of a word the boxes of characters are not
known, and whoever needs them divides the word's box evenly. The step that tells upside-down lines is left out, because it turns some upright
lines of print over; a picture that reads badly is read once more turned by half a turn, and the better reading is kept.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import SeenWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

DPI = 200.0
LONGEST_SIDE = 2400
"""Pixels of a picture's longer side, beyond which it is made smaller before it is read: a US letter page at 200 dpi has 2,200."""
LEAST_CONFIDENCE = 0.5
"""Words of less are left out, and counted."""
GOOD = 0.75
"""Mean confidence under which a picture is tried upside down."""
MOST_WORDS = 20_000
LONGEST_WORD = 500


class Seen(NamedTuple):
    """What was read on a picture: the words that are kept, and how many were left out as too uncertain."""

    words: tuple[SeenWord, ...]
    dropped: int


def available() -> bool:
    """Whether OCR can be used here. Loads nothing."""
    return problem() is None


@functools.cache
def problem() -> BadData | None:
    """Why OCR cannot be used here, with what to do about it; None where it can. Loads nothing."""
    from importlib.util import find_spec

    missing = [name for name in ("rapidocr", "cv2", "onnxruntime") if find_spec(name) is None]
    if missing:
        return BadData(f"OCR needs {', '.join(missing)}", fix="pip install 'bakeoff[ocr]'")
    if _models() is None:
        return BadData("the OCR package here brings no models", fix="pip install --upgrade 'bakeoff[ocr]'")
    return None


def scale_for(width: float, height: float, most_pixels: int) -> float:
    """Pixels per point at which to draw a surface of `width` by `height` points for OCR: 200 dpi, less where a limit on pixels asks for less."""
    wide, high = max(1.0, width), max(1.0, height)
    return min(DPI / 72.0, LONGEST_SIDE / max(wide, high), (most_pixels / (wide * high)) ** 0.5)


def read_words(picture: NDArray, scale: float) -> list[SeenWord]:
    """The words on a picture, those of confidence `LEAST_CONFIDENCE` and more, line by line from the top.

    Parameters
    ----------
    picture : array of shape (height, width, 3), uint8
        Red, green, blue.
    scale : float
        Pixels per point.

    Returns
    -------
    list of SeenWord
        Boxes in points from the picture's top left.

    Raises
    ------
    BadData
        If OCR cannot be used here, or the picture is none.
    """
    return list(_read(picture, scale).words)


def read_cached(picture: NDArray, scale: float, folder: Path | None) -> Seen:
    """What `read_words` finds, with the count of what it left out; kept in `folder` for the next time the same picture comes."""
    from bakeoff.tasks.documents.reading import ocr_cache

    if folder is None:
        return _read(picture, scale)
    address = ocr_cache.address(picture, scale, _version())
    kept = ocr_cache.get(folder, address)
    if kept is None:
        kept = _read(picture, scale)
        ocr_cache.put(folder, address, kept)
    return kept


def _read(picture: NDArray, scale: float) -> Seen:
    import numpy as np

    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size or not scale > 0:
        raise BadData(
            f"OCR was given an array of shape {picture.shape} and type {picture.dtype}.",
            fix="give height x width x 3 of uint8, and a scale above 0",
        )
    upright = np.ascontiguousarray(picture[:, :, ::-1])  # the models were trained on blue, green, red
    words = _words(upright)
    if words and _confidence(words) < GOOD:
        turned = _words(np.ascontiguousarray(upright[::-1, ::-1]))
        if _confidence(turned) > _confidence(words):
            height, width = picture.shape[:2]
            words = [
                (text, (width - x1, height - y1, width - x0, height - y0), score) for text, (x0, y0, x1, y1), score in turned
            ]
    kept = [
        SeenWord(text, (box[0] / scale, box[1] / scale, box[2] / scale, box[3] / scale), score)
        for text, box, score in words
        if score >= LEAST_CONFIDENCE
    ]
    return Seen(tuple(kept), len(words) - len(kept))


def _words(picture: NDArray) -> list[tuple[str, tuple[float, float, float, float], float]]:
    """(text, box in pixels, confidence) of each word of a picture in blue, green, red."""
    import numpy as np

    height, width = picture.shape[:2]
    result = _engine()(picture)
    found: list[tuple[str, tuple[float, float, float, float], float]] = []
    lines = zip(result.txts or (), _rows(result.boxes), result.scores or (), _rows(result.word_results), strict=False)
    for text, corners, score, parts in lines:
        # A line whose words have no boxes is one long word.
        pieces = [part for part in parts or () if part and part[2] is not None] or [(text, score, corners)]
        for word, certainty, points in pieces:
            box = np.asarray(points, float).reshape(-1, 2)
            x0, y0 = np.clip(box.min(axis=0), 0, (width, height)).tolist()
            x1, y1 = np.clip(box.max(axis=0), 0, (width, height)).tolist()
            shown = " ".join(str(word).split())[:LONGEST_WORD]
            if shown and x0 < x1 and y0 < y1 and len(found) < MOST_WORDS:
                found.append((shown, (x0, y0, x1, y1), min(1.0, max(0.0, float(certainty)))))
    return found


def _rows(values: Any) -> Any:
    return () if values is None else values


def _confidence(words: list[tuple[str, tuple[float, float, float, float], float]]) -> float:
    letters = sum(len(text) for text, _, _ in words)
    return sum(len(text) * score for text, _, score in words) / letters if letters else 0.0


def _models() -> dict[str, Path] | None:
    """The models of the wheel by step, None where one is missing. They are named, so that nothing is ever fetched."""
    from importlib.util import find_spec

    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "models"
    found = {}
    for step, pattern in (("Det", "*_det_*.onnx"), ("Rec", "*_rec_*.onnx"), ("Cls", "*_cls_*.onnx")):
        names = sorted(folder.glob(pattern))
        if not names:
            return None
        found[step] = names[-1]
    return found


@functools.cache
def _version() -> str:
    """What a kept result depends on."""
    from importlib.metadata import version

    models = _models() or {}
    return f"1 rapidocr {version('rapidocr')} onnxruntime {version('onnxruntime')} " + " ".join(
        path.name for path in models.values()
    )


@functools.cache
def _engine() -> Any:
    reason = problem()
    if reason is not None:
        raise reason
    from rapidocr import RapidOCR

    steps = {f"{step}.model_path": str(path) for step, path in (_models() or {}).items()}
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.return_word_box": True,
            "Global.text_score": 0.0,  # uncertain words are counted here, not dropped unseen
            "Global.max_side_len": LONGEST_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            **steps,
        }
    )
