"""Pages as bytes: the same back, small, and nothing else is ever taken for a page."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import Block, Cell, Figure, Page, Span, Table

WORDS = [
    "net",
    "revenue",
    "of",
    "the",
    "operating",
    "segment",
    "in",
    "fiscal",
    "2022",
    "was",
    "5,363",
    "million,",
    "up",
    "4.7%",
    "from",
    "the",
    "prior",
    "year;",
    "see",
    "Note",
    "12",
    "(a).",
]


def printed_page(seed: int = 1, characters: int = 4000) -> Page:
    """A page as the parser makes them: proportional letters on lines, spaces that are put in, kerning, a table and a figure."""
    rng = random.Random(seed)
    width = {c: rng.uniform(2.2, 7.9) for c in map(chr, range(32, 127))}
    text, boxes, x, y = [], [], 72.0, 72.0
    while len(text) < characters:
        for letter in rng.choice(WORDS):
            text.append(letter)
            boxes.append((x, y, x + width[letter], y + 11.37))
            x += width[letter] + rng.choice((0, 0, 0, -0.07))
        text.append(" ")
        boxes.append((np.nan,) * 4)
        x += 2.7
        if x > 520:
            x, y = 72.0, y + 12.41
    cells = tuple(
        Cell(
            i // 4, i % 4, Span(i, i + 1), (10.0 * (i % 4), 5.0 * (i // 4), 10.0 * (i % 4) + 9, 5.0 * (i // 4) + 4), header=i < 4
        )
        for i in range(80)
    )
    return Page(
        number=7, width=612.0, height=792.0, text="".join(text), boxes=np.array(boxes, np.float32),
        blocks=(Block("heading", Span(0, 9), (72.0, 72.0, 200.5, 84.0), 2), Block("table", Span(10, 90), (0.0, 0.0, 40.0, 100.0))),
        tables=(Table(Span(10, 90), (0.0, 0.0, 40.0, 100.0), 20, 4, cells, Span(0, 9), "USD million", True),),
        figures=(Figure("image", (1.0, 2.0, 3.0, 4.0), Span(0, 4)), Figure("drawing", (1.0, 2.0, 3.0, 4.0))),
        source="mixed", hidden=3, notes=("Read by OCR.", "Größe unbekannt \u2013 \U0001f600"),
    )  # fmt: skip


def same(one: Page, other: Page) -> bool:
    """Equal but for boxes that differ by rounding."""
    near = one.boxes.shape == other.boxes.shape and bool(
        np.allclose(one.boxes, other.boxes, atol=0.5 / page_codec.UNITS + 1e-4, equal_nan=True)
    )
    nothing = np.zeros((0, 4), np.float32)
    fields = [tuple(getattr(replace(p, boxes=nothing), name) for name in Page.__slots__ if name != "boxes") for p in (one, other)]
    return near and fields[0] == fields[1]


def test_a_page_comes_back_as_it_was() -> None:
    page = printed_page()
    data = page_codec.encode(page)
    back = page_codec.decode(data)
    assert same(page, back)
    assert page_codec.encode(back) == data == page_codec.encode(page)
    assert back.boxes.dtype == np.float32
    assert np.isnan(back.boxes[[i for i, c in enumerate(page.text) if c == " "]]).all()


def test_a_page_takes_at_most_three_bytes_a_character() -> None:
    page = printed_page()
    assert len(page_codec.encode(page)) <= 3 * len(page.text)


def test_an_empty_page_comes_back() -> None:
    page = Page(1, 10.0, 10.0, "", np.zeros((0, 4), np.float32))
    assert same(page, page_codec.decode(page_codec.encode(page)))


box = st.tuples(*[st.floats(-2000, 20_000, width=32)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@given(st.lists(st.tuples(st.characters(exclude_categories=("Cs",)), st.one_of(st.none(), box)), max_size=60))
def test_any_text_and_boxes_come_back(letters: list[tuple[str, Any]]) -> None:
    boxes = np.array([b or (np.nan,) * 4 for _, b in letters], np.float32).reshape(-1, 4)
    page = Page(1, 612.0, 792.0, "".join(c for c, _ in letters), boxes)
    assert same(page, page_codec.decode(page_codec.encode(page)))


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": np.zeros((3, 4), np.float32)},
        {"boxes": np.full((4000, 4), np.inf, np.float32)},
        {"text": "\ud800", "boxes": np.zeros((1, 4), np.float32), "blocks": (), "tables": (), "figures": ()},
        {"blocks": (Block("paragraph", Span(0, 10**6), (0.0, 0.0, 1.0, 1.0)),)},
        {"blocks": (Block("paragraph", Span(5, 3), (0.0, 0.0, 1.0, 1.0)),)},
        {"blocks": (Block("paragraph", Span(0, 1), (5.0, 0.0, 1.0, 1.0)),)},
        {"blocks": (Block("paragraph", Span(0, 1), (0.0, 0.0, float("nan"), 1.0)),)},
        {"blocks": (Block("poem", Span(0, 1), (0.0, 0.0, 1.0, 1.0)),)},
        {"figures": (Figure("image", (0.0, 0.0, 1.0, 1.0), Span(0, 10**6)),)},
        {"tables": (Table(Span(0, 1), (0.0, 0.0, 1.0, 1.0), 1, 1, (Cell(1, 0, Span(0, 1), (0.0, 0.0, 1.0, 1.0)),)),)},
        {"width": float("nan")},
        {"number": 0},
        {"source": "guess"},
        {"hidden": -1},
    ],
)
def test_what_could_not_be_read_again_is_not_written(change: dict[str, Any]) -> None:
    page = printed_page()
    with pytest.raises(BadData) as caught:
        page_codec.encode(replace(page, **change))
    assert caught.value.fix


def test_bytes_that_were_changed_are_refused_or_still_a_page() -> None:
    data = page_codec.encode(printed_page(2, 300))
    rng = random.Random(4)
    refused = 0
    for _ in range(3000):
        spoilt = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            way = rng.randrange(4)
            at = rng.randrange(len(spoilt))
            if way == 0:
                spoilt[at] ^= 1 << rng.randrange(8)
            elif way == 1:
                spoilt[at:] = b""
            elif way == 2:
                spoilt[at:at] = rng.randbytes(rng.randrange(1, 9))
            else:
                spoilt[at] = rng.choice((0, 255, rng.randrange(256)))
            if not spoilt:
                break
        try:
            page = page_codec.decode(bytes(spoilt))
        except BadData:
            refused += 1
        else:
            assert page_codec.encode(page)  # whatever comes through is a page in every respect
    assert refused > 2900


def packed(facts: Any, coordinates: bytes = b"", printed: int = 0) -> bytes:
    """Bytes of the right form with this content."""
    head = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    small = zlib.compress(head)
    return page_codec.MAGIC + struct.pack("<III", len(head), len(small), printed) + small + zlib.compress(coordinates)


GOOD = {"n": 1, "w": 10.0, "h": 10.0, "t": "ab", "s": "text", "x": 0, "o": [], "b": [], "a": [], "f": []}
NO_BOXES = bytes(1)


def test_the_smallest_page_by_hand_is_read() -> None:
    assert page_codec.decode(packed(GOOD, NO_BOXES)).text == "ab"


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0}, {"n": True}, {"n": 1.5}, {"n": None}, {"n": 10**12}, {"w": 10}, {"w": -1.0}, {"w": 1e300}, {"h": "10"}, {"t": None}, {"t": 3}, {"t": "\ud800b"},
        {"s": "guess"}, {"s": ["text"]}, {"x": -1}, {"o": [1]}, {"o": "notes"}, {"o": ["\udfff"]}, {"b": None}, {"b": [1]}, {"b": [[]]},
        {"b": [["paragraph", 0, 3, 0, 0, 1, 1, 0]]}, {"b": [["paragraph", -1, 1, 0, 0, 1, 1, 0]]}, {"b": [["paragraph", 0, 1, 0, 0, -1, 1, 0]]},
        {"b": [["paragraph", 0, 1, 0, 0, 10**9, 1, 0]]}, {"b": [["paragraph", 0, 1, 0, 0, 1, 1, 0, 0]]}, {"b": [[["x"], 0, 1, 0, 0, 1, 1, 0]]},
        {"b": [["paragraph", 0, 1, 0, 0, 1, 1, "1"]]}, {"f": [["image", 0, 0, 1, 1, [0], None]]}, {"f": [["image", 0, 0, 1, 1, 5, None]]},
        {"f": [["photo", 0, 0, 1, 1, None, None]]}, {"a": [[0, 1, 0, 0, 1, 1, 1, 1, None, "", 0, [[0, 0, 0, 1, 0, 0, 1, 1, 2, 1, 0]]]]},
        {"a": [[0, 1, 0, 0, 1, 1, 1, 1, None, "", 0, None]]}, {"a": [[0, 1, 0, 0, 1, 1, 1, 1, None, 5, 0, []]]}, {"a": [[0, 1, 0, 0, 1, 1, 0, 1, None, "", 0, []]]},
    ],
)  # fmt: skip
def test_facts_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadData) as caught:
        page_codec.decode(packed({**GOOD, **wrong}, NO_BOXES))
    assert len(caught.value.what) < 200


@pytest.mark.parametrize(
    "data",
    [
        b"", b"B", page_codec.MAGIC, page_codec.MAGIC + bytes(12), b"\x80\x04." + bytes(40), packed([1, 2], NO_BOXES), packed(b"[" * 100_000, NO_BOXES),
        packed(b'{"n": NaN}', NO_BOXES), packed(b"\xff\xfe", NO_BOXES), packed(b'{"t": ' + b"9" * 5000 + b"}", NO_BOXES), packed(GOOD, b"\xff"),
        packed(GOOD, b"\x80" + bytes(16), 2), packed(GOOD, b"\x20" + bytes(16), 1), packed(GOOD, bytes(2)), packed(GOOD, NO_BOXES, 3), packed(GOOD, NO_BOXES) + b"x",
        packed(GOOD, b"\x80" + b"\xff" * 16, 1),
    ],
)  # fmt: skip
def test_bytes_that_are_no_page_are_refused(data: bytes) -> None:
    with pytest.raises(BadData):
        page_codec.decode(data)


def test_another_version_is_told_from_damage() -> None:
    data = packed(GOOD, NO_BOXES)
    with pytest.raises(BadData, match="another version"):
        page_codec.decode(page_codec.MAGIC[:-1] + b"\x02" + data[len(page_codec.MAGIC) :])


def test_a_claim_of_much_allocates_little() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    claims = [
        page_codec.MAGIC + struct.pack("<III", 2**32 - 1, len(bomb), 0) + bomb,
        page_codec.MAGIC + struct.pack("<III", 100, len(bomb), 0) + bomb + zlib.compress(NO_BOXES),
        page_codec.MAGIC + struct.pack("<III", page_codec.LARGEST_FACTS, 20, 0) + bomb[:20],
        packed(GOOD, NO_BOXES)[:17] + bomb,
        packed({**GOOD, "t": "a" * 999_999}, bytes(125_000), 999_999),
    ]
    for data in claims:
        tracemalloc.start()
        with pytest.raises(BadData):
            page_codec.decode(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000
