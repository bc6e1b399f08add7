"""Pictures of an episode small enough to stand in a page: a film that browsers play, and stills, as ``data:`` addresses.

A film is VP9 in MP4 by OpenCV's own encoder, which needs no program beside it (in WebM it would be the same stream, but OpenCV writes a
warning to stderr for every WebM file). Where OpenCV or its encoder is missing it is a GIF by Pillow.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import needs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

TALL, WIDEST = 200, 360
"""Pixels of a film: this high, unless it would be wider than `WIDEST`."""
RATE = 15
"""Frames a second, unless only smaller films fit."""
MOST_FRAMES = 90
"""Six seconds."""
HELD = 7
"""How often the last frame is shown besides, so that one sees how it ended."""
PLANS = ((1.0, 1), (0.75, 1), (0.75, 3), (0.5, 3), (0.5, 5))
"""What makes a film smaller, in the order it is tried: its height, and that only every k-th frame is shown, k times as long; k is odd, so that
what goes back and forth frame by frame does not stand still."""
PROBE = 12
"""Frames that are encoded to foretell how large a film gets: encoding whole films to throw them away costs most of the time."""


@dataclass(frozen=True)
class Film:
    """A film as it stands in a page.

    Parameters
    ----------
    address : str
        ``data:video/mp4;base64,...`` or ``data:image/gif;base64,...``.
    width, height : int
        Pixels, both even.
    frames : int
        How many there are, the held ones included.
    rate : int
        Frames a second.
    thin : int
        Of the frames given, every how manieth is in it.
    """

    address: str
    width: int
    height: int
    frames: int
    rate: int = RATE
    thin: int = 1


def film(frames: Sequence[Frame], *, most_bytes: int, rate: int = RATE) -> Film | None:
    """A film of `frames`, at most `MOST_FRAMES` of them, whose address has at most `most_bytes` characters; None where no size is small enough.

    Parameters
    ----------
    frames : sequence of arrays of shape (height, width, 3), uint8
        RGB, all of one size. With more than fit, every k-th is taken, and the last.
    most_bytes : int
        Characters of the whole address.
    rate : int
        Frames a second; fewer where only every k-th is kept.
    """
    if not frames:
        return None
    every = -(-len(frames) // (MOST_FRAMES - HELD))
    picked = [*frames[:-1:every], frames[-1]]
    share = PLANS[1][0]
    foretold = _foretold(scaled(picked[:PROBE], round(TALL * share), round(WIDEST * share))) * len(picked)
    for share, thin in PLANS:
        # Bytes grow a little slower than pixels, and a thinned film has more change from frame to frame.
        likely = foretold * (share / PLANS[1][0]) ** 1.5 / thin**0.6
        if likely > 1.3 * most_bytes and (share, thin) != PLANS[-1]:
            continue
        sized = scaled([*picked[:-1:thin], picked[-1]], round(TALL * share), round(WIDEST * share))
        sized += [sized[-1]] * max(1, HELD // thin)
        slowed = max(1, round(rate / thin))
        made = _vp9(sized, slowed) or _gif(sized, slowed)
        if made and len(made) <= most_bytes:
            height, width = sized[0].shape[:2]
            return Film(made, int(width), int(height), len(sized), slowed, every * thin)
    return None


def _foretold(frames: Sequence[Any]) -> float:
    """Characters that a frame costs; 0.0 where that cannot be told."""
    if len(frames) < PROBE:
        return 0.0
    whole, first = (_vp9(frames, RATE), _vp9(frames[:2], RATE))
    return max(0.0, (len(whole) - len(first)) / (len(frames) - 2))


def still(frame: Frame, *, tall: int, most_bytes: int) -> str:
    """One frame as WebP, `tall` pixels high or less; '' where even poor quality is larger than `most_bytes` characters."""
    needs("PIL", extra="control", why="Pictures of an episode")
    from PIL import Image

    picture = Image.fromarray(scaled([frame], tall, 2 * tall)[0])
    for quality in (60, 40, 20):
        held = io.BytesIO()
        picture.save(held, "WEBP", quality=quality, method=4)
        made = f"data:image/webp;base64,{base64.b64encode(held.getvalue()).decode()}"
        if len(made) <= most_bytes:
            return made
    return ""


def scaled(frames: Sequence[Frame], tall: int, widest: int) -> list[Any]:
    """Frames `tall` pixels high, or lower where they would be wider than `widest`; both sides even, as video wants them."""
    needs("PIL", extra="control", why="Pictures of an episode")
    import numpy as np
    from PIL import Image

    height, width = frames[0].shape[:2]
    share = min(tall / height, widest / width)
    size = (max(2, round(width * share / 2) * 2), max(2, round(height * share / 2) * 2))
    # Drawn cells stay sharp when they grow; anything that shrinks is averaged.
    way = Image.Resampling.NEAREST if share >= 1 else Image.Resampling.BOX
    return [np.asarray(Image.fromarray(np.ascontiguousarray(frame)).resize(size, way)) for frame in frames]


def _vp9(frames: Sequence[Any], rate: int) -> str:
    try:
        import cv2
    except ImportError:
        return ""
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory(prefix="bakeoff-film-") as folder:
        file = Path(folder) / "film.mp4"
        try:
            writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"vp09"), float(rate), (width, height))
            if not writer.isOpened():
                return ""
            for frame in frames:
                writer.write(frame[:, :, ::-1].copy())  # OpenCV holds blue, green, red
            writer.release()
        except cv2.error:
            return ""
        held = file.read_bytes() if file.is_file() else b""
    return f"data:video/mp4;base64,{base64.b64encode(held).decode()}" if held else ""


def _gif(frames: Sequence[Any], rate: int) -> str:
    from PIL import Image

    # One palette for all frames, so that what stands still does not flicker.
    palette = Image.fromarray(frames[len(frames) // 2]).quantize(64)
    made = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    held = io.BytesIO()
    # GIF counts in hundredths of a second.
    made[0].save(held, "GIF", save_all=True, append_images=made[1:], duration=round(100 / rate) * 10, loop=0)
    return f"data:image/gif;base64,{base64.b64encode(held.getvalue()).decode()}"
