"""Pictures spoilt on purpose, in thirteen ways and five degrees each: deterministic, and the same for every approach.

The kinds follow the idea of Hendrycks and Dietterich (2019, arXiv 1903.12261); the code and the degrees are ours, chosen by eye on
pictures of 32 to 96 pixels, so that degree 1 is hardly seen and degree 5 is hard for a person. They are no part of training.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels

    Floats = NDArray[np.float64]

SEVERITIES = (1, 2, 3, 4, 5)

KINDS: Mapping[str, str] = {
    "gaussian-noise": "grain of a weak sensor",
    "shot-noise": "grain of little light",
    "salt-and-pepper": "dead and stuck pixels",
    "gaussian-blur": "out of focus",
    "motion-blur": "the camera moved sideways",
    "pixelate": "enlarged from fewer pixels",
    "jpeg": "compressed hard",
    "brighter": "overexposed",
    "darker": "underexposed",
    "contrast": "washed out",
    "grey": "colour taken away",
    "occlusion": "a grey square in front of it",
    "rotation": "the camera was tilted",
}


def corrupt(pixels: Pixels, kind: str, severity: int, *, key: str = "") -> Pixels:
    """A spoilt copy of a picture.

    Parameters
    ----------
    pixels : array of shape (size, size, 3), uint8
    kind : str
        One of `KINDS`.
    severity : int
        1 (hardly seen) to 5.
    key : str
        Seeds what is drawn at random, with kind and severity: the same three give the same picture.

    Returns
    -------
    array of shape (size, size, 3), uint8

    Raises
    ------
    BadData
        For another kind or severity.
    """
    import numpy as np

    if kind not in KINDS:
        raise BadData(f"No corruption is called {kind!r}.", fix=nearest(kind, KINDS))
    if severity not in SEVERITIES:
        raise BadData(f"A corruption has a severity of 1 to 5, not {severity!r}.", fix="choose 1, 2, 3, 4 or 5")
    digest = hashlib.blake2b(f"{kind}|{severity}|{key}".encode(), digest_size=8).digest()
    draw = np.random.default_rng(int.from_bytes(digest, "big"))
    spoilt = _HOW[kind](pixels.astype(np.float64) / 255.0, severity - 1, draw)
    return np.asarray((np.clip(spoilt, 0.0, 1.0) * 255.0).round(), dtype=np.uint8)


def _gaussian_noise(x: Floats, level: int, draw: Any) -> Floats:
    return x + draw.normal(0.0, (0.03, 0.06, 0.10, 0.15, 0.22)[level], x.shape)


def _shot_noise(x: Floats, level: int, draw: Any) -> Floats:
    photons = (300.0, 100.0, 40.0, 18.0, 8.0)[level]
    return draw.poisson(x * photons) / photons


def _salt_and_pepper(x: Floats, level: int, draw: Any) -> Floats:
    import numpy as np

    share = (0.005, 0.015, 0.04, 0.08, 0.15)[level]
    chance = draw.random(x.shape[:2])[..., None]
    return np.where(chance < share / 2, 0.0, np.where(chance > 1 - share / 2, 1.0, x))


def _gaussian_blur(x: Floats, level: int, draw: Any) -> Floats:
    import cv2

    sigma = len(x) * (0.008, 0.015, 0.025, 0.04, 0.06)[level]
    return cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _motion_blur(x: Floats, level: int, draw: Any) -> Floats:
    import cv2
    import numpy as np

    length = max(2, round(len(x) * (0.04, 0.08, 0.12, 0.18, 0.25)[level]))
    return cv2.filter2D(x, -1, np.full((1, length), 1.0 / length), borderType=cv2.BORDER_REPLICATE)


def _pixelate(x: Floats, level: int, draw: Any) -> Floats:
    import cv2

    size = len(x)
    small = max(2, round(size * (0.75, 0.5, 0.375, 0.25, 0.18)[level]))
    return cv2.resize(cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA), (size, size), interpolation=cv2.INTER_NEAREST)


def _jpeg(x: Floats, level: int, draw: Any) -> Floats:
    import numpy as np
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray((x * 255).round().astype(np.uint8)).save(held, "JPEG", quality=(60, 35, 20, 10, 5)[level])
    return np.asarray(Image.open(held).convert("RGB"), dtype=np.float64) / 255.0


def _brighter(x: Floats, level: int, draw: Any) -> Floats:
    return x + (1.0 - x) * (0.15, 0.3, 0.45, 0.6, 0.75)[level]


def _darker(x: Floats, level: int, draw: Any) -> Floats:
    return x * (0.8, 0.62, 0.46, 0.32, 0.2)[level]


def _contrast(x: Floats, level: int, draw: Any) -> Floats:
    return (x - x.mean()) * (0.75, 0.55, 0.4, 0.26, 0.15)[level] + x.mean()


def _grey(x: Floats, level: int, draw: Any) -> Floats:
    import numpy as np

    share = (0.3, 0.55, 0.75, 0.9, 1.0)[level]
    grey = (x @ np.array([0.299, 0.587, 0.114]))[..., None]  # ITU-R BT.601 luma
    return x * (1 - share) + grey * share


def _occlusion(x: Floats, level: int, draw: Any) -> Floats:
    side = max(1, round(len(x) * (0.15, 0.25, 0.35, 0.45, 0.55)[level]))
    top, left = draw.integers(0, len(x) - side + 1, 2)
    covered = x.copy()
    covered[top : top + side, left : left + side] = 0.5
    return covered


def _rotation(x: Floats, level: int, draw: Any) -> Floats:
    import cv2

    angle = (8.0, 15.0, 25.0, 40.0, 60.0)[level] * (1 if draw.random() < 0.5 else -1)
    middle = (len(x) - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle, 1.0)
    return cv2.warpAffine(x, turn, (len(x), len(x)), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


_HOW: Mapping[str, Callable[[Floats, int, Any], Floats]] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "salt-and-pepper": _salt_and_pepper,
    "gaussian-blur": _gaussian_blur,
    "motion-blur": _motion_blur,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
    "brighter": _brighter,
    "darker": _darker,
    "contrast": _contrast,
    "grey": _grey,
    "occlusion": _occlusion,
    "rotation": _rotation,
}
