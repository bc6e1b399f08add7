"""The default corpus: the same bytes each time, and a truth that agrees with what a reader of the files finds."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.documents.boxes import overlap
from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.corpus_made import QUESTION_FILE, TRUTH_FILE, WITHOUT_FILE, MadeCorpus, make_corpus
from bakeoff.tasks.documents.made.made_box_set import make_box_set
from bakeoff.tasks.documents.made.made_facts import world
from bakeoff.tasks.documents.made.made_finance import YEARS, accounts
from bakeoff.tasks.documents.made.made_look import Look, Sheet
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_questions import REAL, lexical_overlap
from bakeoff.tasks.documents.made.made_script import play, questions_of
from bakeoff.tasks.documents.made.made_text import break_points, fill, words
from bakeoff.tasks.documents.made.made_truth import Truth, read_truth
from bakeoff.tasks.documents.quality.evaluate_values import says
from bakeoff.tasks.documents.quality.question_file import read_questions
from bakeoff.tasks.documents.reading import raw

FHS_SHA256 = "53d239e569a2d7b31a74fa09d585368c0f5a164e4624723fa2894660dd10fd23"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def corpus(folder: Path) -> MadeCorpus:
    return make_corpus(folder / "first")


def squeezed(text: str) -> str:
    """Without white space, and without hyphens, which a PDF library may keep or drop at line ends."""
    return re.sub(r"[\s\-‐\x02￾]+", "", text)


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_corpus(corpus: MadeCorpus, folder: Path) -> None:
    again = make_corpus(folder / "again")
    names = [path.name for path in corpus.files] + [TRUTH_FILE, QUESTION_FILE, WITHOUT_FILE]
    for name in names:
        assert (folder / "first" / name).read_bytes() == (folder / "again" / name).read_bytes(), name
    assert again.truth == corpus.truth and again.questions == corpus.questions

    other = make_corpus(folder / "other", seed=1)
    changed = [name for name in corpus.truth.files if other.truth.files[name] != corpus.truth.files[name]]
    assert set(changed) == set(corpus.truth.files) - {REAL}
    # The scripts' questions are checked against the truth while they are made: another world must be as sound.
    assert len(other.questions) == len(corpus.questions)


def test_it_is_as_big_and_as_mixed_as_it_claims(corpus: MadeCorpus) -> None:
    made = {name: pages for name, pages in corpus.truth.pages.items() if name != REAL}
    assert sum(made.values()) >= 120 and len(made) >= 14
    traits = {trait for place in corpus.truth.places for trait in place.traits}
    assert traits >= {
        "rotated 90",
        "rotated 270",
        "cropped",
        "two columns",
        "hyphenated",
        "multi-line cell",
        "continued table",
        "drawing",
        "image",
    }
    assert len([place for place in corpus.truth.places if place.kind == "cell"]) >= 1000
    for path in corpus.files:
        with path.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == corpus.truth.files[path.name]
        pdf = pypdfium2.PdfDocument(path)
        assert len(pdf) == corpus.truth.pages[path.name]
        pdf.close()


def boxes_that_agree(folder: Path, truth: Truth) -> tuple[int, int, list[str]]:
    """(places, places whose boxes overlap by at least 0.9 with those of the characters inside, quotes that differ from those characters)."""
    good, total, different = 0, 0, []
    for name in truth.pages:
        places = [place for place in truth.places if place.document == name and place.kind != "figure"]
        if not places:
            continue
        pdf = raw.open_pdf(folder / name)
        pages = {number: raw.read_page(pdf, number - 1) for number in {place.page for place in places}}
        for place in places:
            page = pages[place.page]
            centres = (page.boxes[:, :2] + page.boxes[:, 2:]) / 2
            found, text = [], ""
            for x0, y0, x1, y1 in place.boxes:
                inside = (centres[:, 0] > x0) & (centres[:, 0] < x1) & (centres[:, 1] > y0) & (centres[:, 1] < y1)
                at = [index for index in np.flatnonzero(inside).tolist() if not page.chars[index].isspace()]
                if at:
                    chars = page.boxes[at]
                    found.append((*chars[:, :2].min(axis=0).tolist(), *chars[:, 2:].max(axis=0).tolist()))
                text += "".join(page.chars[index] for index in at)
            total += 1
            good += overlap(found, place.boxes) >= 0.9
            if text != re.sub(r"\s", "", place.quote):
                different.append(f"{name}, page {place.page}: {place.quote!r} / {text!r}")
        pdf.close()
    return total, good, different


def test_truth_boxes_are_where_a_reader_of_the_file_finds_the_characters(corpus: MadeCorpus, folder: Path) -> None:
    total, good, different = boxes_that_agree(folder / "first", corpus.truth)
    assert total >= 3000 and not different, different[:5]
    assert good / total >= 0.99


def test_the_box_set_has_a_thousand_known_boxes_of_every_hard_kind(tmp_path: Path) -> None:
    truth = make_box_set(tmp_path / "boxes")
    assert read_truth(tmp_path / "boxes" / "truth.json") == truth
    assert sum(len(place.boxes) for place in truth.places) >= 1000
    counts = {trait: sum(trait in place.traits for place in truth.places) for place in truth.places for trait in place.traits}
    wanted = (
        "rotated 90",
        "rotated 180",
        "rotated 270",
        "cropped",
        "sideways",
        "two columns",
        "multi-line cell",
        "hyphenated",
        "across pages",
    )
    assert all(counts[trait] >= 40 for trait in wanted), counts
    total, good, different = boxes_that_agree(tmp_path / "boxes", truth)
    assert not different, different[:5]
    assert good / total >= 0.99
    assert make_box_set(tmp_path / "again").files == truth.files


def test_cropped_pages_with_an_origin_of_their_own_are_stored_as_such(tmp_path: Path) -> None:
    make_box_set(tmp_path)
    pdf = pypdfium2.PdfDocument(tmp_path / "boxes-serif.pdf")
    boxes = [pdf[number].get_mediabox() for number in range(len(pdf))]
    assert any(box[0] != 0 or box[1] != 0 for box in boxes)
    assert any(pdf[number].get_cropbox() != box for number, box in enumerate(boxes))
    assert {pdf[number].get_rotation() for number in range(len(pdf))} == {0, 90, 180, 270}
    pdf.close()


def test_every_gold_quote_stands_on_its_page(corpus: MadeCorpus) -> None:
    texts: dict[tuple[str, int], str] = {}
    for path in corpus.files:
        pdf = pypdfium2.PdfDocument(path)
        for number in range(len(pdf)):
            texts[path.name, number + 1] = squeezed(pdf[number].get_textpage().get_text_bounded())
        pdf.close()
    missing = [
        (question.id, gold)
        for question in corpus.questions
        for gold in question.gold
        if squeezed(gold.quote) not in texts[gold.document, gold.page]
    ]
    assert not missing, missing[:5]


def test_the_questions_are_as_many_and_as_mixed_as_they_claim(corpus: MadeCorpus, folder: Path) -> None:
    questions = corpus.questions
    assert read_questions(folder / "first" / QUESTION_FILE) == list(questions)
    assert len({question.id for question in questions}) == len(questions) >= 240
    unanswerable = [question for question in questions if not question.answerable]
    assert len(unanswerable) / len(questions) >= 0.2
    for about, least in (
        ("text", 60),
        ("table", 40),
        ("definition", 15),
        ("confusable", 40),
        ("figure", 10),
        ("footnote", 10),
        ("superseded", 5),
        ("statement", 30),
    ):
        assert sum(question.about == about for question in questions) >= least, about
    assert {question.kind for question in questions} == {"number", "date", "name", "text", "yes-no"}
    real = [question for question in questions if question.document == REAL]
    assert sum(question.answerable for question in real) >= 40 and sum(not question.answerable for question in real) >= 12
    assert len({question.question for question in questions}) == len(questions)


def test_questions_do_not_repeat_the_sentence_that_answers_them(corpus: MadeCorpus) -> None:
    overlaps = [lexical_overlap(question, corpus.truth) for question in corpus.questions if question.answerable]
    assert 0.2 <= float(np.mean(overlaps)) <= 0.5
    assert (
        np.mean([value >= 0.8 for value in overlaps]) <= 0.05 and np.quantile(overlaps, 0.75) - np.quantile(overlaps, 0.25) >= 0.2
    )


def test_a_removed_question_loses_every_page_that_states_its_answer(corpus: MadeCorpus, folder: Path) -> None:
    by_id = {question.id: question for question in corpus.questions}
    assert read_questions(folder / "first" / WITHOUT_FILE) == list(corpus.removed)
    assert len(corpus.removed) == sum(question.answerable for question in corpus.questions)
    for removed in corpus.removed:
        original = by_id[removed.id.removesuffix("/without")]
        assert not removed.answerable and set(original.pages) <= set(removed.without)
        assert removed.document == original.document
    facts = {place.fact for place in corpus.truth.places if place.fact.startswith("kv.2023.")}
    for fact in ("kv.2023.revenue", "kv.2023.net"):
        assert fact in facts
        pages = {(place.document, place.page) for place in corpus.truth.of(fact)}
        assert len({document for document, _ in pages}) == 2  # its own report, and the next one as the year before
        asked = [question for question in corpus.questions if {(gold.document, gold.page) for gold in question.gold} == pages]
        for question in asked:
            removed = next(other for other in corpus.removed if other.id == f"{question.id}/without")
            assert {tuple(page) for page in removed.without} >= pages


def test_every_gold_place_of_a_figure_or_date_gives_the_answer(corpus: MadeCorpus) -> None:
    units: dict[tuple[str, int, str], set[str]] = {}
    for place in corpus.truth.places:
        units.setdefault((place.document, place.page, place.quote), {""}).add(place.unit)
    for question in corpus.questions:
        if question.kind in ("number", "date") and question.document != REAL:
            for gold in question.gold:
                quotes = [f"{gold.quote} {unit}" for unit in units[gold.document, gold.page, gold.quote]]
                assert any(
                    says(quote, answer, question.kind, question.unit) for answer in question.answers for quote in quotes
                ), (question, gold)


@pytest.mark.parametrize("key", ["kv", "brook"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_accounts_add_up(key: str, seed: int) -> None:
    books = accounts(seed, key)
    for before, year in zip((None, *YEARS), YEARS, strict=False):
        now = books.of[year]
        assert (
            now["revenue"]
            == sum(now[f"segment{number}"] for number in range(3))
            == sum(now[f"region{number}"] for number in range(len(books.regions)))
        )
        assert now["assets"] == now["liabilities"] + now["equity"]
        assert now["operating"] == now["unallocated"] + sum(now[f"result{number}"] for number in range(3))
        assert now["cash"] == now["cash_before"] + now["cfo"] + now["cfi"] + now["cff"]
        assert now["cash"] > 0 and now["net"] > 0 and now["equity"] > 0
        if before is not None:
            assert now["cash_before"] == books.of[before]["cash"]
            assert now["equity"] - books.of[before]["equity"] == now["net"] + now["dividends"]


def test_the_real_document_is_the_published_one_with_its_notice(corpus: MadeCorpus, folder: Path) -> None:
    assert corpus.truth.files[REAL] == FHS_SHA256
    notice = (folder / "first" / "fhs-3.0.LICENCE.txt").read_text(encoding="utf-8")
    pdf = pypdfium2.PdfDocument(folder / "first" / REAL)
    page = squeezed(pdf[1].get_textpage().get_text_bounded())
    pdf.close()
    start = notice.index("Permission is granted to make and distribute verbatim copies")
    assert squeezed(notice[start:]) in page
    assert squeezed("Daniel Quinlan") in page and "Daniel Quinlan" in notice


def test_a_reader_of_the_file_is_told_the_height_of_a_character(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "one.pdf", Look(body=made_fonts.SANS), title="One")
    writer.frame  # noqa: B018
    writer.text_at(100, 200, "[[letter: x]]", size=40)
    writer.save()
    pdf = raw.open_pdf(tmp_path / "one.pdf")
    ascent, descent = made_fonts.heights("MadeHelvetica")
    np.testing.assert_allclose(
        raw.read_page(pdf, 0).boxes[0],
        (100, 200 - 40 * ascent, 100 + 40 * made_fonts.advances("MadeHelvetica")["x"], 200 - 40 * descent),
        atol=0.05,
    )
    pdf.close()


def test_a_broken_word_loses_its_hyphen_in_the_truth(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "one.pdf", Look(margins=(60, 60, 595 - 60 - 118, 60)), title="One")
    writer.paragraph("[[fact: The parties settle obligations notwithstanding termination of agreements]]")
    writer.save()
    (mark,) = writer.marks
    assert "hyphenated" in mark.traits
    assert mark.text == "The parties settle obligations notwithstanding termination of agreements"
    assert [mark.text[index] for index, *_ in mark.found] == [char for char in mark.text if char != " "]


def test_words_are_broken_only_where_the_list_says() -> None:
    assert break_points("obligations,") == (2, 4, 6) or "obligations"[: break_points("obligations,")[0]] == "ob"
    assert break_points("xyzzy") == ()
    assert all(0 < at < len("“Notwithstanding”") for at in break_points("“Notwithstanding”"))


def test_marks_may_lie_inside_other_markup() -> None:
    found, marks = words("**Bold [[a: one //two//]]** three^^note [[b: four]]^^")
    assert [mark.fact for mark in marks] == ["a"] and marks[0].text == "one two"
    assert found[-1][-1].note == "note [[b: four]]" and found[1][0].bold and found[2][0].italic


@pytest.mark.parametrize(
    ("text", "says_what"),
    [
        ("The {nobody} pays", "nobody"),
        ("[[a: not closed", "not closed"),
        ("closed]] twice", "closed that was not opened"),
        ("a ^^note", "not closed"),
    ],
)
def test_a_template_with_a_mistake_is_refused(text: str, says_what: str) -> None:
    with pytest.raises(BadData, match=says_what):
        words(fill(text, {}, random.Random(0)))


@pytest.mark.parametrize(
    "text",
    ["? fact | number | only three", "? fact | colour | red | | What?", "?- [absent] name | Who? | too many"],
)
def test_a_question_of_a_script_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(BadData):
        questions_of(text, {}, random.Random(0))


@pytest.mark.parametrize("text", ["@dance now", "@sheet wobble=3", "@table t | ruled | 50 50 | ll | c\n^ a | b\nx | y | z"])
def test_a_script_with_an_unknown_command_is_refused(text: str) -> None:
    with pytest.raises(BadData):
        play(Writer(None, Look(), title="One"), text, {}, random.Random(0))


def test_a_truth_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for content in (
        "",
        "[]",
        json.dumps({"format": "other"}),
        json.dumps({"format": "bakeoff-made-truth 1", "places": [{"fact": 1}], "files": {}, "pages": {}}),
    ):
        path = tmp_path / "truth.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BadData):
            read_truth(path)


def test_the_world_changes_with_the_seed_and_never_lacks_a_value() -> None:
    assert world(0) == world(0) and set(world(0)) == set(world(7))
    same = [name for name, value in world(0).items() if world(7)[name] == value]
    assert len(same) < 0.35 * len(world(0))


def test_sheets_know_what_makes_them_hard() -> None:
    assert Sheet().traits() == set()
    assert Sheet(rotate=90, origin=(3, 0)).traits() == {"rotated 90", "cropped"}
    assert Sheet(turn=270).traits() == {"sideways"}
