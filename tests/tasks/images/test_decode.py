"""Whatever stands in a picture's bytes becomes a small square of RGB, or a plain word about why not."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.tasks.images.decode import BadPicture, as_address, decode, from_address, read_file


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def halves(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Left half red, right half blue."""
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    pixels[:, : size[0] // 2, 0] = 255
    pixels[:, size[0] // 2 :, 2] = 255
    return Image.fromarray(pixels).convert(mode)


def colours(pixels: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The colour in the middle of the left and of the right half."""
    size = len(pixels)
    return tuple(int(v) for v in pixels[size // 2, size // 8]), tuple(int(v) for v in pixels[size // 2, -size // 8])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_kind_becomes_a_square_of_rgb(kind: str) -> None:
    pixels = decode(encoded(halves(), kind), 32)
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8
    left, right = colours(pixels)
    assert left[0] > 200 and left[2] < 60 and right[2] > 200 and right[0] < 60


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("P", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGBA", "PNG"), ("1", "PNG"), ("L", "PNG"), ("LA", "PNG")],
)
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    left, right = colours(decode(encoded(halves(mode), kind), 32))
    if mode in ("P", "CMYK", "RGBA"):
        assert left[0] > 200 and right[2] > 200
    else:
        assert len(set(left)) == len(set(right)) == 1


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (20, 20), (10, 200, 10, 0))
    assert (decode(encoded(clear), 8) == 255).all()
    palette = halves("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    left, right = colours(decode(encoded(palette, transparency=palette.getpixel((0, 0))), 32))
    assert left == (255, 255, 255) and right[2] > 200


def test_sixteen_bits_keep_their_shades() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    pixels = decode(encoded(Image.fromarray(ramp)), 64)
    assert pixels[32, 0, 0] < 5 and pixels[32, -1, 0] > 250
    assert (np.diff(pixels[32, :, 0].astype(int)) >= -1).all()


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    left, _ = colours(decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 16))
    assert left[0] > 200 and left[2] < 60


def test_a_picture_is_turned_upright() -> None:
    lying = halves().getexif()
    lying[0x0112] = 3  # turned by 180 degrees
    left, right = colours(decode(encoded(halves(), "JPEG", exif=lying), 32))
    assert left[2] > 200 and right[0] > 200


def test_crop_takes_the_middle_and_pad_keeps_all() -> None:
    wide = Image.new("RGB", (90, 30), "blue")
    wide.paste("red", (30, 0, 60, 30))
    assert decode(encoded(wide), 30)[15, 2, 0] > 200
    padded = decode(encoded(wide), 30, "pad")
    assert (padded[0] == 255).all() and padded[15, 2, 2] > 200 and padded[15, 15, 0] > 200


def giant(side: int) -> bytes:
    """A PNG whose header says so many pixels a side."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"not a picture, but a text", "no picture"),
        (giant(20_000), "more than 50,000,000 pixels"),
        (giant(8_000), "8,000 x 8,000"),
        (encoded(halves())[:60], "decoded"),
    ],
    ids=["empty", "text", "20,000", "8,000", "broken off"],
)
def test_what_is_no_picture_is_refused_in_a_few_words(data: bytes, says: str) -> None:
    with pytest.raises(BadPicture, match=says) as refused:
        decode(data, 32)
    assert refused.value.fix


def test_changed_bytes_are_decoded_or_refused_and_nothing_else() -> None:
    draw = np.random.default_rng(7)
    refused = 0
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = encoded(halves(), kind)
        for _ in range(60):
            data = bytearray(whole)
            for at in draw.integers(0, len(data), int(draw.integers(1, 6))):
                data[at] = int(draw.integers(0, 256))
            try:
                assert decode(bytes(data[: int(draw.integers(1, len(data) + 1))]), 16).shape == (16, 16, 3)
            except BadPicture:
                refused += 1
    assert 50 < refused < 360


def test_an_address_goes_there_and_back() -> None:
    pixels = decode(encoded(halves()), 32)
    back = from_address(as_address(pixels, quality=95), 32)
    assert np.abs(back.astype(int) - pixels).mean() < 12
    given = base64.b64encode(encoded(halves())).decode()
    assert (from_address(f"data:image/png;base64,{given}", 32) == pixels).all()


@pytest.mark.parametrize("address", ["mouse.png", "data:image/png,abc", "data:image/png;base64,???", "data:image/png;base64,"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadPicture):
        from_address(address, 32)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="cannot be read"):
        read_file(tmp_path / "none.png", 32)
