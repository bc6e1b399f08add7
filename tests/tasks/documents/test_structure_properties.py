"""What holds for every page, whatever is printed on it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_pages import WORDS, Paper, check, paragraph, read, width_of

from bakeoff.tasks.documents.glyphs import RawCell, RawFigure, RawPage, RawTable
from bakeoff.tasks.documents.layout.columns import Items, reading_order
from bakeoff.tasks.documents.layout.ink import PRINTED, SEVERAL, kind_of
from bakeoff.tasks.documents.layout.structure import assemble
from bakeoff.tasks.documents.records import Page

letter = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Z", "Cc", "Cf", "Co", "Mn"))
piece = st.tuples(
    st.floats(-50, 650),
    st.floats(-50, 850),
    st.text(letter, min_size=1, max_size=12) | st.text("abcdef -", min_size=1, max_size=30),
    st.sampled_from([4.0, 8.0, 10.0, 10.5, 24.0]),
    st.sampled_from([0.0, 0.0, 0.0, 33.0, 90.0, 180.0, 270.0]),
    st.booleans(),
)


@settings(max_examples=150)
@given(
    pieces=st.lists(piece, max_size=25), cells=st.integers(0, 6), figure=st.integers(0, 6), data=st.randoms(use_true_random=False)
)
def test_every_visible_character_stands_in_the_text_once(pieces: list, cells: int, figure: int, data: object) -> None:
    paper = Paper()
    glyphs = [paper.print(x, y, text, size, angle=angle, visible=seen) for x, y, text, size, angle, seen in pieces]
    raw = paper.page()
    data.shuffle(glyphs)  # type: ignore[attr-defined]
    tables, figures = [], []
    if glyphs:
        made = tuple(RawCell(number // 2, number % 2, tuple(part), (0, 0, 10, 10)) for number, part in enumerate(glyphs[:cells]))
        tables = [RawTable((0, 0, 100, 100), max(1, (cells + 1) // 2), 2, made, tuple(glyphs[-1]))]
        inside = [index for part in glyphs[cells : cells + figure] for index in part]
        figures = [RawFigure("image", (50, 50, 200, 200), tuple(inside), (), tuple(glyphs[0]))]
    page = check(assemble(raw, tables, figures))
    missing, extra = differences(raw, page)
    assert all(explained(raw, glyph, page) for glyph in missing)
    # What is there and was not printed so is a letter that an accent was put into.
    assert all(unicodedata.decomposition(character) for character in extra)


spot = st.tuples(st.integers(0, 11), st.integers(0, 30), st.integers(1, 12))


@settings(max_examples=40)
@given(spots=st.lists(spot, min_size=8, max_size=60, unique_by=lambda each: each[:2]), shift=st.sampled_from([0.0, 3.0]))
def test_no_arrangement_of_lines_loses_any(spots: list[tuple[int, int, int]], shift: float) -> None:
    """Lines of all lengths strewn over a grid: gutters that some of them cross, notes, lists, tables, and none of these."""
    paper = Paper()
    for column, row, count in spots:
        paper.print(
            20 + 48 * column,
            40 + 12 * row + shift * (column % 2),
            " ".join(WORDS[(column + row + number) % len(WORDS)] for number in range(count)),
        )
    raw = paper.page()
    page = check(assemble(raw, [], []))
    missing, extra = differences(raw, page)
    assert not extra
    assert all(explained(raw, glyph, page) for glyph in missing)


thing = st.tuples(
    st.integers(0, 11),
    st.integers(0, 40),
    st.integers(1, 12),
    st.integers(1, 9),
    st.sampled_from([False, False, True]),
    st.booleans(),
)


@settings(max_examples=300)
@given(things=st.lists(thing, max_size=40))
def test_reading_order_keeps_every_item(things: list[tuple[int, int, int, int, bool, bool]]) -> None:
    boxes = np.array(
        [
            (40 + 45 * x, 20 + 12 * y, 35 + 45 * (x + wide), 29 + 12 * y + (40 * tall if unit else 0))
            for x, y, wide, tall, unit, _ in things
        ],
        dtype=float,
    ).reshape(-1, 4)
    unit = np.array([each[4] for each in things], dtype=bool)
    chars = np.where(unit, 0, np.array([9 * each[2] for each in things], dtype=int))
    goes_on = np.array([each[5] for each in things], dtype=bool)
    items = Items(boxes, np.where(unit, boxes[:, 1], boxes[:, 3] - 2), unit, chars, chars, chars // 5, goes_on)
    regions = reading_order(items, 800.0, 10.0)
    assert sorted(item for region in regions for row in region for item in row) == list(range(len(things)))
    assert all(len(row) == 1 for region in regions for row in region if unit[row].any())


def differences(raw: RawPage, page: Page) -> tuple[list[int], list[str]]:
    """Visible glyphs that stand nowhere in the text, and characters of the text that are no glyph. Ligatures are passed over."""
    standing: dict[tuple[str, tuple[float, ...]], int] = {}
    for character, box in zip(page.text, page.boxes, strict=True):
        if not character.isspace() and not np.isnan(box).any():
            key = (character, tuple(np.round(box, 2)))
            standing[key] = standing.get(key, 0) + 1
    missing = []
    for glyph, (character, seen) in enumerate(zip(raw.chars, raw.visible, strict=True)):
        kind = kind_of(ord(character))
        if not seen or kind.kind != PRINTED:
            continue
        key = (kind.text, tuple(np.round(raw.boxes[glyph], 2)))
        if standing.get(key, 0):
            standing[key] -= 1
        else:
            missing.append(glyph)
    ligatures = {
        letter for character in raw.chars for letter in kind_of(ord(character)).text if kind_of(ord(character)).kind == SEVERAL
    }
    return missing, [key[0] for key, count in standing.items() if count and key[0] not in ligatures]


def explained(raw: RawPage, glyph: int, page: Page) -> bool:
    """Whether a glyph is missing with good reason: a hyphen at a line's end, a second print, an accent and its letter that became one."""
    character, box = kind_of(ord(raw.chars[glyph])).text, raw.boxes[glyph].astype(float)
    if character in "-\u2010\u2011":
        return True
    # Three prints may each be a little beside the one before.
    near = 0.36 * float(raw.sizes[glyph])
    inside = [
        other
        for other, where in zip(page.text, page.boxes, strict=True)
        if not np.isnan(where).any() and (where[:2] <= box[:2] + near).all() and (where[2:] >= box[2:] - near).all()
    ]
    return character in inside or any(unicodedata.decomposition(other) for other in inside)


@settings(max_examples=40)
@given(
    lines=st.integers(4, 25),
    gutter=st.floats(9, 60),
    shift=st.floats(-6, 6),
    size=st.sampled_from([7.0, 9.0, 12.0]),
    leading=st.sampled_from([1.1, 1.2, 1.5, 2.0]),
    across=st.booleans(),
    glyph_spaces=st.booleans(),
)
def test_a_made_page_of_two_columns_is_read_in_order(
    lines: int, gutter: float, shift: float, size: float, leading: float, across: bool, glyph_spaces: bool
) -> None:
    width = 230.0
    left, right = paragraph(0, lines, width, size), paragraph(5000, lines, width, size)
    edge = 40 + max(width_of(line, size) for line in left)
    paper = Paper()
    printed = [(40.0, 120 + leading * size * row, line) for row, line in enumerate(left)]
    printed += [(edge + max(gutter, size), 120 + leading * size * row + shift, line) for row, line in enumerate(right)]
    for x, y, line in sorted(printed, key=lambda each: (each[1], each[0])) if across else printed:
        paper.print(x, y, line, size, glyph_spaces=glyph_spaces)
    assert read(paper).text.replace("\n", " ") == " ".join([*left, *right])


def test_a_page_of_nonsense_ends() -> None:
    """Characters strewn over a page, as in a page that is made to take time."""
    rng = np.random.default_rng(0)
    paper = Paper()
    paper.print(20, 20, "x" * 6000)
    raw = paper.page()
    where = rng.uniform(0, 600, (6000, 2)).astype(np.float32)
    raw = replace(raw, boxes=np.concatenate([where, where + 5], axis=1), sizes=rng.uniform(1, 50, 6000).astype(np.float32))
    page = check(assemble(raw, [], []))
    assert page.text
