"""Files of questions, items of a study, and questions made from a corpus' own structure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.contract import Item
from bakeoff.errors import BadData
from bakeoff.tasks.documents.quality.question_file import (
    KINDS,
    Gold,
    Question,
    as_item,
    as_items,
    question_of,
    read_questions,
    without_gold,
    write_questions,
)
from bakeoff.tasks.documents.quality.questions import generate_questions
from bakeoff.tasks.documents.records import Block, Cell, DocumentFacts, Page, PageRef, Span, Table

GOOD: dict[str, Any] = {
    "id": "q1",
    "question": "What is the rent?",
    "kind": "number",
    "answers": ["£412,500"],
    "gold": [{"document": "lease.pdf", "page": 4, "quote": "a rent of £412,500"}],
}


def written(path: Path, *records: Any) -> Path:
    path.write_text(
        "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records), encoding="utf-8"
    )
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "q.jsonl",
        GOOD,
        "",
        {"id": "q2", "question": "Who?", "kind": "name", "answerable": False, "group": "lease.pdf"},
    )
    first, second = read_questions(path)
    assert first == Question(
        "q1", "What is the rent?", "number", ("£412,500",), gold=(Gold("lease.pdf", 4, "a rent of £412,500"),)
    )
    assert first.document == second.document == "lease.pdf" and first.pages == (PageRef("lease.pdf", 4),)
    assert not second.answerable


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("{broken", "line 2 is no JSON"),
        ("[1]", "list, not an object"),
        ("[" * 100_000, "line 2"),
        ({**GOOD, "id": "q0"}, "was given on line 1"),
        ({**GOOD, "id": ""}, "id is ''"),
        ({"question": "What?"}, "id is missing"),
        ({**GOOD, "kind": "colour"}, "kind is 'colour'"),
        ({**GOOD, "answers": []}, "has no answers"),
        ({**GOOD, "answers": [5]}, "answers is"),
        ({**GOOD, "answers": None}, "answers is None"),
        ({**GOOD, "gold": {}}, "gold is"),
        ({**GOOD, "gold": [7]}, "gold 1 is 7"),
        ({**GOOD, "gold": [{"document": "a.pdf", "page": 0}]}, "pages count from 1"),
        ({**GOOD, "gold": [{"document": "a.pdf", "page": True}]}, "page is True"),
        ({**GOOD, "gold": [{"page": 3}]}, "a page is"),
        ({**GOOD, "gold": [{"document": "a.pdf", "page": 1, "part": "x"}]}, "part is 'x'"),
        ({**GOOD, "gold": [{"document": "a.pdf", "page": 1, "quot": "x"}]}, "unknown field 'quot'"),
        ({**GOOD, "anwsers": ["x"]}, "unknown field 'anwsers'"),
        ({**GOOD, "answerable": "no"}, "answerable is 'no'"),
        ({**GOOD, "answerable": False}, "has answers or gold"),
        ({**GOOD, "unit": 3}, "unit is 3"),
        ({**GOOD, "without": [["a.pdf"]]}, "a page is"),
        ({"id": "b", "doc": "X", "question": "What?", "answer": "1", "evidence": [{"doc": "X", "page": -1}]}, "page -1"),
        ({"id": "b", "doc": "X", "question": "What?", "evidence": []}, "answer is missing"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, change: Any, told: str) -> None:
    path = written(tmp_path / "q.jsonl", {**GOOD, "id": "q0"}, change)
    with pytest.raises(BadData) as caught:
        read_questions(path)
    assert told in caught.value.what and "line 2" in caught.value.what and caught.value.fix


def test_a_file_without_questions_or_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xff\xfe\x00"):
        (tmp_path / "q.jsonl").write_bytes(content)
        with pytest.raises(BadData):
            read_questions(tmp_path / "q.jsonl")
    with pytest.raises(BadData):
        read_questions(tmp_path / "missing.jsonl")


def test_financebench_pages_are_counted_from_one(tmp_path: Path) -> None:
    bank = {
        "id": "f1",
        "doc": "ACME_2022_10K",
        "question": "What were net sales in USD millions?",
        "answer": "$5,363.00",
        "evidence": [
            {"doc": "ACME_2022_10K", "page": 51, "text": "Net sales 5,363"},
            {"doc": "ACME_2022_10K", "page": 52, "text": ""},
        ],
        "type": "metrics-generated",
    }
    (question,) = read_questions(written(tmp_path / "q.jsonl", bank))
    assert question.pages == (PageRef("ACME_2022_10K.pdf", 52), PageRef("ACME_2022_10K.pdf", 53))
    assert question.kind == "number" and question.unit == "USD million" and question.document == "ACME_2022_10K"
    assert {gold.part for gold in question.gold} == {0, 1}  # evidence that is all needed
    assert read_questions(written(tmp_path / "q.jsonl", {**bank, "answer": "Yes, it did."}))[0].kind == "yes-no"


names = st.text("abcdefghij.", min_size=1, max_size=12)
golds = st.builds(Gold, names, st.integers(1, 900), st.text(max_size=20), st.integers(0, 3))
pages = st.builds(PageRef, names, st.integers(1, 50))
texts = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() != "")
some = st.builds(
    Question,
    id=texts,
    question=texts,
    kind=st.sampled_from(KINDS),
    answers=st.lists(texts, min_size=1, max_size=3).map(tuple),
    unit=st.sampled_from(["", "EUR million"]),
    gold=st.lists(golds, max_size=3).map(tuple),
    about=st.sampled_from(["", "table"]),
    without=st.lists(pages, max_size=2).map(tuple),
    group=st.sampled_from(["", "a.pdf"]),
)


@settings(max_examples=60)
@given(st.lists(some, min_size=1, max_size=4, unique_by=lambda question: question.id))
def test_what_is_written_is_read_back_equal(tmp_path: Path, questions: list[Question]) -> None:
    path = tmp_path / "q.jsonl"
    write_questions(questions, path)
    assert read_questions(path, layout="bakeoff") == questions


@given(some)
def test_an_item_gives_its_question_back(question: Question) -> None:
    item = as_item(question)
    assert question_of(item) == Question(
        **{**{name: getattr(question, name) for name in Question.__slots__}, "group": item.group}
    )
    assert json.loads(json.dumps(item.target)) == item.target
    asked = item.asked()
    assert asked.target is None and question.question in (
        asked.input,
        asked.input["question"] if isinstance(asked.input, dict) else None,
    )
    with pytest.raises(BadData):
        question_of(asked)


def test_pages_taken_out_are_part_of_what_is_asked() -> None:
    question = read_back({**GOOD, "without": [["lease.pdf", 4]]})
    (item,) = as_items([question])
    assert item == Item(
        "q1",
        {"question": GOOD["question"], "without": [["lease.pdf", 4]]},
        target=item.target,
        group="lease.pdf",
        meta={"about": ""},
    )


def read_back(record: dict[str, Any]) -> Question:
    return question_of(Item(record["id"], {name: record[name] for name in ("question", "without") if name in record}, target={
        name: record[name] for name in ("kind", "answers", "gold")
    }))  # fmt: skip


def test_a_question_without_its_gold_is_one_to_decline() -> None:
    question = read_back(GOOD)
    (removed,) = without_gold([question, Question("u", "Who?", answerable=False)])
    assert removed.id == "q1/without" and not removed.answerable and not removed.answers and not removed.gold
    assert removed.without == (PageRef("lease.pdf", 4),) and removed.document == "lease.pdf"
    (more,) = without_gold([question], {"q1": [PageRef("lease.pdf", 4), PageRef("deed.pdf", 2)]})
    assert more.without == (PageRef("lease.pdf", 4), PageRef("deed.pdf", 2))


# --- questions from structure ------------------------------------------------------------------------------------------


def page_of(number: int, blocks: list[tuple[str, str]], tables: list[tuple[list[list[str]], dict[str, Any]]] = ()) -> Page:  # type: ignore[assignment]
    """A page from (kind, text) blocks, then tables as rows of texts, the first row and column of which name the others."""
    text, made, found = "", [], []
    for kind, words in blocks:
        made.append(Block(kind, Span(len(text), len(text) + len(words)), (0, 0, 1, 1), 1 if kind == "heading" else 0))  # type: ignore[arg-type]
        text += words + "\n"
    for rows, more in tables:
        caption = None
        if "caption" in more:
            caption = Span(len(text), len(text) + len(more["caption"]))
            text += more["caption"] + "\n"
        start, cells = len(text), []
        for r, row in enumerate(rows):
            for c, words in enumerate(row):
                header = (r == 0 and not more.get("continues")) or c == 0
                cells.append(Cell(r, c, Span(len(text), len(text) + len(words)), (0, 0, 1, 1), header=header))
                text += words + "\n"
        found.append(
            Table(
                Span(start, len(text)),
                (0, 0, 1, 1),
                len(rows),
                len(rows[0]),
                tuple(cells),
                caption,
                more.get("unit", ""),
                more.get("continues", False),
            )
        )
    return Page(number, 595, 842, text, np.zeros((len(text), 4), dtype=np.float32), tuple(made), tuple(found))


def facts(name: str, title: str) -> DocumentFacts:
    return DocumentFacts("0" * 64, name, title, 2)


INCOME = [["", "2023", "2022"], ["Revenue", "5,363", "5,021"], ["Net profit", "412", "388"]]


def test_a_cell_is_asked_for_by_its_row_and_column() -> None:
    page = page_of(3, [("paragraph", "Figures follow.")], [(INCOME, {"unit": "USD million"})])
    questions = {question.question: question for question in generate_questions([(facts("acme.pdf", "Acme Report"), [page])])}
    question = questions["According to Acme Report, what was “Revenue” in 2022?"]
    assert question.answers == ("5,021",) and question.unit == "USD million" and question.kind == "number"
    assert question.gold == (Gold("acme.pdf", 3, "5,021"),) and question.about == "table"
    assert len(questions) == 4


def test_a_continued_table_takes_the_heads_of_the_page_before() -> None:
    first = page_of(1, [], [(INCOME, {})])
    second = page_of(2, [], [([["Total equity", "900", "850"]], {"continues": True})])
    asked = [question.question for question in generate_questions([(facts("a.pdf", "A"), [first, second])])]
    assert "According to A, what was “Total equity” in 2022?" in asked


def test_a_row_that_names_the_rows_below_it_names_no_column_and_exceptions_leave_the_unit_open() -> None:
    rows = [["", "2023"], ["Current assets:", ""], ["Inventories", "77"]]
    page = page_of(1, [("paragraph", "USD million, except number of shares")], [(rows, {"unit": "USD million"})])
    heads = [cell for cell in page.tables[0].cells if cell.row == 1]
    assert heads[0].header
    (question,) = generate_questions([(facts("a.pdf", "A"), [page])])
    assert question.question == "According to A, what was “Inventories” in 2023?" and question.unit == ""


def test_words_that_lead_to_two_answers_are_not_asked_unless_the_caption_settles_it() -> None:
    other = [["", "2023"], ["Revenue", "77"]]
    plain = [page_of(1, [], [(INCOME, {}), (other, {})])]
    asked = [question.question for question in generate_questions([(facts("a.pdf", "A"), plain)])]
    assert not any("“Revenue” in 2023" in question for question in asked) and any(
        "“Revenue” in 2022" in question for question in asked
    )
    named = [page_of(1, [], [(INCOME, {"caption": "Group"}), (other, {"caption": "Parent"})])]
    answers = {question.question: question.answers for question in generate_questions([(facts("a.pdf", "A"), named)])}
    assert answers["According to the table “Parent” in A, what was “Revenue” in 2023?"] == ("77",)
    assert answers["According to the table “Group” in A, what was “Revenue” in 2023?"] == ("5,363",)


def test_places_that_give_the_same_answer_are_all_gold() -> None:
    pages = [page_of(1, [], [(INCOME, {})]), page_of(2, [], [(INCOME, {})])]
    (question,) = [q for q in generate_questions([(facts("a.pdf", "A"), pages)]) if "“Revenue” in 2022" in q.question]
    assert [gold.page for gold in question.gold] == [1, 2] and {gold.part for gold in question.gold} == {0}


def test_definitions_and_numbered_sections_are_asked() -> None:
    page = page_of(
        1,
        [
            ("heading", "4.2 Late delivery"),
            ("paragraph", "The Customer may deduct two per cent of the price. It may not deduct more."),
            ("paragraph", "“Working Day” means a day other than a Saturday, a Sunday or a public holiday."),
            ("heading", "No number here"),
            ("paragraph", "This sentence stands under a heading without a number."),
        ],
    )
    found = {question.about: question for question in generate_questions([(facts("a.pdf", "The Agreement"), [page])])}
    assert set(found) == {"definition", "section"}
    assert found["definition"].question == "How does The Agreement define “Working Day”?"
    assert found["definition"].answers == ("a day other than a Saturday, a Sunday or a public holiday",)
    assert found["section"].answers == ("The Customer may deduct two per cent of the price.",)
    assert "4.2, “Late delivery”" in found["section"].question
    assert all(gold.quote in page.text for question in found.values() for gold in question.gold)


def test_two_definitions_of_one_term_are_not_asked() -> None:
    page = page_of(1, [("paragraph", "“Year” means a calendar year of twelve months."), ("paragraph", "“Year” means a year beginning in April of each year."),
                       ("paragraph", "“Month” means a calendar month, however long it is.")])  # fmt: skip
    asked = [question.question for question in generate_questions([(facts("a.pdf", "A"), [page])])]
    assert asked == ["How does A define “Month”?"]


def test_the_choice_is_the_same_whatever_the_order_and_another_with_another_seed() -> None:
    tables = [
        [
            ["", *(str(year) for year in range(2010, 2020))],
            *([f"Item number {row}", *(f"{row}{column}1" for column in range(10))] for row in range(20)),
        ]
    ]
    corpus = [(facts(f"{name}.pdf", name.upper()), [page_of(1, [], [(tables[0], {})])]) for name in ("alpha", "beta", "gamma")]
    one = generate_questions(corpus, most=30, seed=5)
    assert one == generate_questions(reversed(corpus), most=30, seed=5) and len(one) == 30
    assert one != generate_questions(corpus, most=30, seed=6)
    counts = [sum(question.document == f"{name}.pdf" for question in one) for name in ("alpha", "beta", "gamma")]
    assert counts == [10, 10, 10]


def test_cells_without_a_figure_or_a_name_are_not_asked() -> None:
    rows = [["", "2023", ""], ["Revenue", "n/a", "5"], ["7", "12", "3"], ["Cost of sales", "1,250", "x"]]
    questions = generate_questions([(facts("a.pdf", "A"), [page_of(1, [], [(rows, {})])])])
    assert [question.answers for question in questions] == [("1,250",)]


def test_a_corpus_without_structure_says_so() -> None:
    with pytest.raises(BadData, match="No questions can be made"):
        generate_questions([(facts("a.pdf", "A"), [page_of(1, [("paragraph", "Nothing to ask.")])])])
