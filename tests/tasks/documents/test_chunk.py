"""Chunks: every character knows its place, nothing is lost but headers and footers, and sentences stay whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadData
from bakeoff.tasks.documents.index.chunk import document_context, make_chunks
from bakeoff.tasks.documents.index.chunk_settings import ChunkSettings
from bakeoff.tasks.documents.records import Block, BlockKind, Box, Cell, Chunk, Figure, Page, Span, Table
from bakeoff.tasks.documents.reply.sentences import sentence_spans, word_pieces

BOX: Box = (72.0, 72.0, 540.0, 90.0)
Part = tuple[BlockKind, str]


def make_page(number: int, parts: Sequence[Part], levels: Sequence[int] = (), **more: object) -> Page:
    """A page with one block for each part, parted by line breaks."""
    text, blocks = "", []
    for at, (kind, words) in enumerate(parts):
        text += "\n" if text else ""
        level = (levels[at] if levels else 1) if kind == "heading" else 0
        blocks.append(Block(kind, Span(len(text), len(text) + len(words)), (72.0, 72.0 + 20 * at, 540.0, 90.0 + 20 * at), level))
        text += words
    return Page(number, 612.0, 792.0, text, np.zeros((len(text), 4), np.float32), tuple(blocks), **more)  # type: ignore[arg-type]


def assert_exact(chunks: Sequence[Chunk], pages: Sequence[Page]) -> None:
    texts = {page.number: page.text for page in pages}
    for at, chunk in enumerate(chunks):
        assert chunk.ordinal == at
        assert chunk.pieces
        end = 0
        for piece in chunk.pieces:
            assert piece.length > 0
            assert piece.start >= end
            end = piece.start + piece.length
            assert chunk.text[piece.start : end] == texts[piece.page][piece.at : piece.at + piece.length]
        assert end <= len(chunk.text)


def covered(chunks: Sequence[Chunk], page: Page) -> set[int]:
    return {
        at
        for chunk in chunks
        for piece in chunk.pieces
        if piece.page == page.number
        for at in range(piece.at, piece.at + piece.length)
    }


WORDS = st.sampled_from(
    [
        "Revenue",
        "rose",
        "by",
        "5,363",
        "million.",
        "In",
        "2022,",
        "the",
        "U.S.",
        "fell.",
        "Why?",
        "No.",
        "3",
        "日本語。",
        "é",
        "-",
        "§",
        "a" * 60,
    ]
)
PROSE = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
KINDS: st.SearchStrategy[BlockKind] = st.sampled_from(
    ["paragraph", "paragraph", "list", "heading", "footnote", "header", "footer", "caption"]
)


@st.composite
def documents(draw: st.DrawFn) -> list[Page]:
    pages = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        parts = draw(st.lists(st.tuples(KINDS, PROSE), max_size=7))
        pages.append(make_page(number, parts, draw(st.lists(st.integers(1, 3), min_size=len(parts), max_size=len(parts)))))
    return pages


@given(documents(), st.sampled_from([ChunkSettings(), ChunkSettings(32, 0, 0), ChunkSettings(48, 24, 48)]))
def test_every_character_knows_its_place_and_none_is_lost(pages: list[Page], settings: ChunkSettings) -> None:
    chunks = make_chunks("A title", "folder/a_name.pdf", pages, settings)
    assert_exact(chunks, pages)
    for page in pages:
        wanted = {
            at
            for block in page.blocks
            if block.kind not in ("header", "footer")
            for at in range(*block.span)
            if not page.text[at].isspace()
        }
        left_out = {at for block in page.blocks if block.kind in ("header", "footer") for at in range(*block.span)}
        found = covered(chunks, page)
        assert wanted <= found
        assert not left_out & found
    for chunk in chunks:
        assert word_pieces(chunk.text) <= settings.tokens + 8
        assert chunk.context.startswith("a name: A title")


def test_chunks_end_between_sentences_and_are_of_even_size() -> None:
    sentence = "The quick brown fox number {} jumps over the lazy dog near the river bank in the early morning light."
    page = make_page(1, [("paragraph", " ".join(sentence.format(at) for at in range(40)))])
    chunks = make_chunks("", "fox.pdf", [page], ChunkSettings(overlap=0))
    sizes = [word_pieces(chunk.text) for chunk in chunks]
    assert all(chunk.text.startswith("The quick") and chunk.text.endswith("light.") for chunk in chunks)
    assert max(sizes) <= 210
    assert max(sizes) - min(sizes) <= 60
    assert_exact(chunks, [page])


def test_overlap_repeats_whole_sentences() -> None:
    page = make_page(1, [("paragraph", " ".join(f"Sentence number {at} says something of its own." for at in range(60)))])
    chunks = make_chunks("", "a.pdf", [page], ChunkSettings(overlap=40))
    for one, other in itertools.pairwise(chunks):
        first = other.text[: other.text.index(".") + 1]
        assert first in one.text
        assert one.text != other.text
    assert_exact(chunks, [page])


def test_headings_are_context_of_what_follows_and_text_where_they_stand() -> None:
    prose = " ".join(["Assets are carried at cost less depreciation."] * 12)
    page = make_page(
        1,
        [("heading", "Notes"), ("heading", "Leases"), ("paragraph", prose), ("heading", "Taxes"), ("paragraph", prose)],
        [1, 2, 0, 2, 0],
    )
    chunks = make_chunks("Annual report", "r.pdf", [page], ChunkSettings(overlap=0))
    assert chunks[0].text.startswith("Notes\nLeases\nAssets")
    assert chunks[0].context == "r: Annual report"
    assert chunks[1].text.startswith("Taxes")
    assert chunks[1].context == "r: Annual report\nNotes"


def test_a_second_chunk_of_a_section_stands_under_its_headings() -> None:
    prose = " ".join(["Assets are carried at cost less depreciation."] * 60)
    chunks = make_chunks(
        "", "r.pdf", [make_page(1, [("heading", "Notes"), ("heading", "Leases"), ("paragraph", prose)], [1, 2, 0])]
    )
    assert len(chunks) > 1
    assert [chunk.context for chunk in chunks[1:]] == ["r\nNotes > Leases"] * (len(chunks) - 1)


def test_a_paragraph_that_goes_on_over_the_page_is_one_text() -> None:
    one = make_page(1, [("paragraph", "It begins here and the sentence goes on"), ("footer", "12"), ("footnote", "1 A note.")])
    two = make_page(2, [("header", "Report"), ("paragraph", "over the page. Then it ends."), ("paragraph", "New one.")])
    chunks = make_chunks("", "r.pdf", [one, two])
    whole = next(chunk for chunk in chunks if "begins" in chunk.text)
    assert whole.text == "It begins here and the sentence goes on over the page. Then it ends.\nNew one."
    assert [piece.page for piece in whole.pieces] == [1, 2]
    assert whole.page == 1
    assert any(chunk.text == "1 A note." for chunk in chunks)
    assert_exact(chunks, [one, two])


@pytest.mark.parametrize(
    ("first", "second"),
    [("It ends here.", "then more"), ("It ends here", "Then more"), ("It ends:", "then more")],
)
def test_a_paragraph_that_has_ended_does_not_go_on(first: str, second: str) -> None:
    chunks = make_chunks("", "r.pdf", [make_page(1, [("paragraph", first)]), make_page(2, [("paragraph", second)])])
    assert [chunk.text for chunk in chunks] == [first, second]
    assert [chunk.page for chunk in chunks] == [1, 2]


def test_a_page_that_is_left_out_ends_the_paragraph() -> None:
    chunks = make_chunks("", "r.pdf", [make_page(1, [("paragraph", "goes on and")]), make_page(3, [("paragraph", "on")])])
    assert [chunk.page for chunk in chunks] == [1, 3]


def table_page(number: int = 1, *, before: str = "The table shows sales:", rows: int = 3, **more: object) -> Page:
    text = f"Results\n{before}\nTable 1. Sales\n"
    start = len(text)
    cells = []
    grid = [["", "2022", "2021"], *[[f"Product {at}", f"{at},100", f"{at},050"] for at in range(1, rows + 1)]]
    for row, line in enumerate(grid):
        for column, words in enumerate(line):
            cells.append(Cell(row, column, Span(len(text), len(text) + len(words)), BOX, header=row == 0 or column == 0))
            text += words + (" " if words else "")
        text = text.rstrip() + "\n"
    end = len(text) - 1
    table = Table(Span(start, end), BOX, len(grid), 3, tuple(cells), Span(start - 15, start - 1), "USD million", **more)  # type: ignore[arg-type]
    text += "After it."
    blocks = (
        Block("heading", Span(0, 7), BOX, 1),
        Block("paragraph", Span(8, 8 + len(before)), BOX),
        Block("caption", Span(start - 15, start - 1), BOX),
        Block("table", Span(start, end), BOX),
        Block("paragraph", Span(end + 1, len(text)), BOX),
    )
    return Page(number, 612.0, 792.0, text, np.zeros((len(text), 4), np.float32), blocks, (table,))


def test_a_table_is_one_chunk_and_each_row_is_one_more() -> None:
    page = table_page()
    chunks = make_chunks("", "sales.pdf", [page])
    assert_exact(chunks, [page])
    whole = [chunk for chunk in chunks if chunk.kind == "text" and chunk.table == 0]
    rows = [chunk for chunk in chunks if chunk.kind == "row"]
    assert len(whole) == 1
    assert whole[0].text.startswith("Table 1. Sales\n2022 2021\nProduct 1 1,100 1,050")
    assert rows[0].text == "Product 1 | 2022 | 1,100 USD million | 2021 | 1,050 USD million"
    assert rows[0].context == "sales\nResults\nTable 1. Sales (USD million)"
    assert all(chunk.table == 0 for chunk in rows)
    assert sum("Table 1. Sales" in chunk.text for chunk in chunks) == 1
    assert not {at for at, character in enumerate(page.text) if not character.isspace()} - covered(chunks, page)


def test_a_long_table_is_cut_between_rows_and_names_its_columns() -> None:
    page = table_page(rows=120)
    chunks = make_chunks("", "sales.pdf", [page])
    assert_exact(chunks, [page])
    parts = [chunk for chunk in chunks if chunk.kind == "text" and chunk.table == 0]
    assert len(parts) > 2
    assert all(part.text.startswith("Product") for part in parts[1:])
    assert all(part.context.endswith("2022 2021") for part in parts[1:])
    assert sum(chunk.kind == "row" for chunk in chunks) == 120


def test_the_rows_of_a_table_that_goes_on_stand_on_their_own_page() -> None:
    one, two = table_page(1), table_page(2)
    cells = tuple(cell for cell in two.tables[0].cells if cell.row > 0)
    rest = Table(two.tables[0].span, BOX, 4, 3, cells, None, "", continues=True)
    two = Page(2, 612.0, 792.0, two.text, two.boxes, two.blocks, (rest,))
    chunks = make_chunks("", "sales.pdf", [one, two])
    assert_exact(chunks, [one, two])
    row = next(chunk for chunk in chunks if chunk.kind == "row" and chunk.page == 2)
    assert row.text == "Product 1 | 2022 | 1,100 USD million | 2021 | 1,050 USD million"
    assert "Table 1. Sales" in row.context


def test_a_table_without_a_caption_is_found_by_the_sentence_before_it() -> None:
    page = table_page()
    bare = Table(page.tables[0].span, BOX, 4, 3, page.tables[0].cells, None, "USD million")
    page = Page(1, 612.0, 792.0, page.text, page.boxes, page.blocks[:2] + page.blocks[3:], (bare,))
    row = next(chunk for chunk in make_chunks("", "sales.pdf", [page]) if chunk.kind == "row")
    assert "The table shows sales:" in row.context


def test_a_figure_is_its_caption_and_words_and_is_found_by_what_mentions_it() -> None:
    parts: list[Part] = [
        ("paragraph", "Nothing to see. The flow of requests is drawn in Figure 7."),
        ("figure", "Client Server"),
        ("caption", "Figure 7. Requests"),
    ]
    page = make_page(1, parts)
    words, caption = page.blocks[1].span, page.blocks[2].span
    page = Page(1, 612.0, 792.0, page.text, page.boxes, page.blocks, (), (Figure("drawing", BOX, caption, words),))
    chunks = make_chunks("", "f.pdf", [page])
    assert_exact(chunks, [page])
    figure = next(chunk for chunk in chunks if chunk.kind == "figure")
    assert figure.text == "Figure 7. Requests\nClient Server"
    assert figure.figure == 0
    assert "The flow of requests is drawn in Figure 7." in figure.context
    assert sum("Client" in chunk.text for chunk in chunks) == 1


def test_a_large_picture_without_words_is_found_by_the_text_above_it_and_a_small_one_is_not() -> None:
    page = make_page(1, [("paragraph", "The plant stands by the river.")])
    large = Figure("image", (72.0, 200.0, 540.0, 600.0))
    small = Figure("image", (72.0, 200.0, 90.0, 220.0))
    page = Page(1, 612.0, 792.0, page.text, page.boxes, page.blocks, (), (small, large))
    figures = [chunk for chunk in make_chunks("", "f.pdf", [page]) if chunk.kind == "figure"]
    assert [(chunk.figure, chunk.text) for chunk in figures] == [(1, "The plant stands by the river.")]
    assert_exact(figures and make_chunks("", "f.pdf", [page]), [page])


def test_a_page_without_blocks_is_one_paragraph_and_an_empty_one_is_nothing() -> None:
    text = "One line.\nAnother line."
    page = Page(1, 612.0, 792.0, text, np.zeros((len(text), 4), np.float32))
    empty = Page(2, 612.0, 792.0, " \n ", np.zeros((3, 4), np.float32))
    assert [chunk.text for chunk in make_chunks("", "a.pdf", [page, empty])] == [text]
    assert make_chunks("", "a.pdf", []) == []


@pytest.mark.parametrize(
    ("title", "name", "context"),
    [
        ("", "reports/PEPSICO_2022_10K.pdf", "PEPSICO 2022 10K"),
        ("Annual Report", "PEPSICO_2022_10K.pdf", "PEPSICO 2022 10K: Annual Report"),
        ("Debian Policy  Manual", "debian-policy.pdf", "Debian Policy Manual"),
    ],
)
def test_a_document_is_found_by_title_and_name(title: str, name: str, context: str) -> None:
    assert document_context(title, name) == context


@pytest.mark.parametrize(("tokens", "overlap", "least"), [(31, 0, 0), (5000, 0, 0), (100, 51, 0), (100, 0, 101), (100, -1, 0)])
def test_settings_out_of_range_are_refused(tokens: int, overlap: int, least: int) -> None:
    with pytest.raises(BadData, match="of the chunk settings"):
        ChunkSettings(tokens, overlap, least)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Amcor Inc. reported sales. They fell.", ["Amcor Inc. reported sales.", "They fell."]),
        ("Sales grew 5.3% in the U.S. market. Why?", ["Sales grew 5.3% in the U.S. market.", "Why?"]),
        ("See No. 5 and Fig. 2. Then stop.", ["See No. 5 and Fig. 2.", "Then stop."]),
        ("1. Business of the firm. 2. Risks.", ["1. Business of the firm.", "2. Risks."]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("J. Smith and A. Jones signed. Done", ["J. Smith and A. Jones signed.", "Done"]),
        ("今日は。明日は？はい", ["今日は。", "明日は？", "はい"]),
        ("one\ntwo", ["one", "two"]),
        ("and so on... but not here", ["and so on... but not here"]),
        ("  ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[span.start : span.end] for span in sentence_spans(text)] == sentences


@given(st.text(alphabet="aB1 .!?\n\"')。", max_size=80))
def test_sentences_cover_all_that_is_not_white(text: str) -> None:
    spans = sentence_spans(text)
    inside = {at for span in spans for at in range(*span)}
    assert {at for at, character in enumerate(text) if not character.isspace()} <= inside
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
