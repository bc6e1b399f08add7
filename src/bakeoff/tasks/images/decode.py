"""From the bytes of a picture to an array, whatever stands in them: sizes are bounded before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bakeoff.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]

LARGEST_PIXELS = 50_000_000
"""Width times height. A picture of 20,000 by 20,000 pixels would take 1.2 GB as an array: it is refused by its header."""

LARGEST_BYTES = 50_000_000
Fit: TypeAlias = Literal["crop", "pad"]


class BadPicture(BadData):
    """A picture that cannot be used; `what` says why in a few words, without the file's name."""


def decode(data: bytes, size: int, fit: Fit = "crop") -> Pixels:
    """Decode, turn upright, flatten onto white, and bring to `size` by `size` pixels.

    The first frame of an animation counts. Transparent parts become white, 16 bits become 8, CMYK and palettes become RGB.

    Parameters
    ----------
    data : bytes
        PNG, JPEG, WebP, GIF, BMP or TIFF.
    size : int
        Pixels a side.
    fit : {'crop', 'pad'}
        What happens to a picture that is not square: its middle square, or all of it on white.

    Returns
    -------
    array of shape (size, size, 3), uint8
        Red, green, blue.

    Raises
    ------
    BadPicture
        If the bytes are no picture of these kinds, broken off, or larger than `LARGEST_PIXELS`.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise BadPicture("the file is empty", fix="remove it, or put the picture back")
    if len(data) > LARGEST_BYTES:
        raise BadPicture(f"{len(data):,} bytes are more than {LARGEST_BYTES:,}", fix="make the picture smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures, which are refused here, and of odd metadata
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")) as picture:
                wide, high = picture.size
                if wide * high > LARGEST_PIXELS:
                    raise BadPicture(
                        f"its {wide:,} x {high:,} pixels are more than {LARGEST_PIXELS:,} pixels", fix="make the picture smaller"
                    )
                if picture.format == "JPEG":
                    picture.draft("RGB", (2 * size, 2 * size))  # decodes at a fraction of the size where that loses nothing
                upright = ImageOps.exif_transpose(picture) or picture
                flat = _flat(upright)
    except BadPicture:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, found in the header
        raise BadPicture(f"it has more than {LARGEST_PIXELS:,} pixels", fix="make the picture smaller") from error
    except UnidentifiedImageError as error:
        raise BadPicture("this is no picture of a known kind", fix="give PNG, JPEG, WebP, GIF, BMP or TIFF") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, ArithmeticError) as error:
        raise BadPicture(f"it cannot be decoded ({type(error).__name__})", fix="save the picture again") from error
    if fit == "pad":
        shown = ImageOps.pad(flat, (size, size), Image.Resampling.LANCZOS, color=(255, 255, 255))
    else:
        shown = ImageOps.fit(flat, (size, size), Image.Resampling.LANCZOS)
    return np.array(shown, dtype=np.uint8)


def _flat(picture: Any) -> Any:
    from PIL import Image

    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        import numpy as np

        values = np.asarray(picture, dtype=np.float64)
        # 16-bit files use the whole range; anything wider has no agreed one, so its own is taken.
        top = 65535.0 if picture.mode != "F" and values.max(initial=0) <= 65535 else float(values.max(initial=1.0)) or 1.0
        return Image.fromarray((np.clip(values / top, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        ground = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        ground.alpha_composite(seen)
        return ground.convert("RGB")
    return picture.convert("RGB")


def read_file(path: Path, size: int, fit: Fit = "crop") -> Pixels:
    """`decode` of a file.

    Raises
    ------
    BadPicture
        Also if the file cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise BadPicture(f"the file has more than {LARGEST_BYTES:,} bytes", fix="make the picture smaller")
        return decode(path.read_bytes(), size, fit)
    except OSError as error:
        raise BadPicture(f"it cannot be read ({error.strerror})", fix="check its permissions") from error


def from_address(address: str, size: int, fit: Fit = "crop") -> Pixels:
    """`decode` of a ``data:image/...;base64,`` address, as a client of an endpoint sends a picture.

    Raises
    ------
    BadPicture
        If it is no such address.
    """
    head, _, body = address.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        raise BadPicture("the picture is no data address", fix="send data:image/png;base64,... (or jpeg, webp)")
    if len(body) > LARGEST_BYTES * 4 // 3 + 4:
        raise BadPicture(f"the picture has more than {LARGEST_BYTES:,} bytes", fix="make the picture smaller")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPicture("the picture is not valid base64", fix="send data:image/png;base64,...") from error
    return decode(data, size, fit)


def as_address(pixels: Pixels, quality: int = 80) -> str:
    """A picture as a ``data:image/webp`` address, for a page that makes no request."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(held.getvalue()).decode('ascii')}"
