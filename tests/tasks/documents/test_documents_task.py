"""The documents task: its data section, its split, its views and its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_corpus import write_corpus

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData, BadStudy
from bakeoff.tasks.documents.asked import question_of
from bakeoff.tasks.documents.data import split_questions
from bakeoff.tasks.documents.material import documents_of
from bakeoff.tasks.documents.records import PageRef
from bakeoff.tasks.documents.task import DocumentsTask

QUESTIONS = [
    {"id": "rent", "question": "What is the yearly rent?", "kind": "number", "answers": ["48,000 euros"],
     "gold": [{"document": "lease.pdf", "page": 1, "quote": "a yearly rent of 48,000 euros"}]},
    {"id": "class", "question": "In which class do employees travel?", "kind": "text", "answers": ["second class"],
     "gold": [{"document": "policy.pdf", "page": 1, "quote": "second class on trains"}]},
    {"id": "falcon", "question": "Who is bought?", "kind": "name", "answers": ["Northwind Traders"],
     "gold": [{"document": "secret/merger.pdf", "page": 1, "quote": "Northwind Traders"}]},
    {"id": "lift", "question": "Who repairs the lift?", "answerable": False},
]  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "papers")
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS), encoding="utf-8")
    return tmp_path


def test_the_corpus_is_read_once_and_the_questions_become_items(base: Path) -> None:
    task = DocumentsTask()
    dataset = task.load({"source": "papers", "questions": "q.jsonl"}, base=base)
    assert [item.id for item in dataset.items] == ["rent", "class", "falcon", "lift"]
    assert dataset.facts["documents"] == 3 and dataset.facts["pages"] == 4 and dataset.facts["unanswerable"] == 1
    documents = documents_of(Path(dataset.material))
    assert [document.facts.name for document in documents] == ["lease.pdf", "policy.pdf", "secret/merger.pdf"]
    assert "48,000 euros" in next(documents[0].pages()).text and documents[2].path.is_file()
    stamp = (Path(dataset.material) / "whole").stat().st_mtime_ns
    again = task.load({"source": "papers", "questions": "q.jsonl"}, base=base)
    assert again.material == dataset.material and (Path(again.material) / "whole").stat().st_mtime_ns == stamp


def test_another_file_makes_another_corpus(base: Path) -> None:
    task, data = DocumentsTask(), {"source": "papers", "questions": "q.jsonl"}
    before = task.load(data, base=base).material
    (base / "papers" / "policy.pdf").write_bytes((base / "papers" / "lease.pdf").read_bytes())
    assert task.load(data, base=base).material != before


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ({}, BadStudy, "no `source`"),
        ({"source": "papers"}, BadStudy, "no questions"),
        ({"source": "papers", "questions": "q.jsonl", "tset": 0.5}, BadStudy, "unknown key 'tset'"),
        ({"source": "papers", "questions": "q.jsonl", "test": 2.0}, BadStudy, "data.test"),
        ({"source": "nowhere", "questions": "q.jsonl"}, BadData, "no folder"),
        ({"source": "papers", "questions": "none.jsonl"}, BadData, "cannot be read"),
    ],
)
def test_what_is_wrong_with_the_data_is_said(base: Path, data: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        DocumentsTask().load(data, base=base)
    assert refused.value.fix


def test_a_question_about_a_document_that_is_not_there_is_refused(base: Path) -> None:
    (base / "papers" / "policy.pdf").unlink()
    with pytest.raises(BadData, match=r"'policy\.pdf', which is not in the corpus"):
        DocumentsTask().load({"source": "papers", "questions": "q.jsonl"}, base=base)


def _items(groups: int, each: int) -> list[Item]:
    return [Item(f"{g}-{i}", "?", {"answerable": True}, group=f"d{g}") for g in range(groups) for i in range(each)]


def test_questions_of_one_document_are_never_split_apart() -> None:
    items = _items(10, 7)
    splits = split_questions(items, seeds=range(3), test=0.6, split_seed=0)
    group = {item.id: item.group for item in items}
    for seed in range(3):
        parts = [splits.test, splits.train[seed], splits.valid[seed]]
        assert sorted(name for part in parts for name in part) == sorted(group)
        kinds = [{group[name] for name in part} for part in parts]
        assert all(kinds) and not (kinds[0] & kinds[1] or kinds[0] & kinds[2] or kinds[1] & kinds[2])
    assert 0.4 < len(splits.test) / len(items) < 0.8
    assert splits.valid[0] != splits.valid[1] or splits.valid[1] != splits.valid[2]
    assert split_questions(items, seeds=range(3), test=0.6, split_seed=0) == splits


def test_few_documents_are_split_by_question() -> None:
    splits = split_questions(_items(4, 5), seeds=[0], test=0.6, split_seed=0)
    assert len(splits.test) == 12 and len(splits.train[0]) == len(splits.valid[0]) == 4


def test_views_count_answering_and_declining_apart() -> None:
    items = [
        Item("a", "?", {"answerable": True, "answers": ["7"], "kind": "number", "unit": "", "gold": []}),
        Item("b", "?", {"answerable": False, "answers": [], "kind": "text", "unit": "", "gold": []}),
        Item("c", "?", {"answerable": False, "answers": [], "kind": "text", "unit": "", "gold": []}),
    ]
    said = {"statements": [{"text": "It is 7.", "citations": []}]}
    details = {"passages": [], "support": 0.5}
    answers = [Answer(value=said, details=details), Answer(abstained=True, details=details), Answer(error="broke")]
    views = DocumentsTask().views(items, {"x": answers})
    assert views["confusion"]["x"]["counts"] == [[1, 0], [0, 1]] and views["confusion"]["x"]["unanswered"] == [0, 1]
    assert views["by_kind"]["x"] == {"number": [1, 1], "text": [1, 1]}


def test_items_answers_and_targets_in_words() -> None:
    task = DocumentsTask()
    item = Item("a", {"question": "What is\nthe rent?", "without": [["lease.pdf", 1]]}, {"answerable": False, "answers": []})
    assert task.show(item) == "What is the rent? (without lease.pdf p. 1)"
    assert task.show_target(item) == "not in the corpus"
    value = {"statements": [{"text": "One.", "citations": []}, {"text": "Two.", "citations": []}]}
    assert task.show_answer(Answer(value=value)) == "One. Two."


def test_a_question_may_leave_pages_out() -> None:
    assert question_of("Why?")[0] == "Why?"
    question, scope = question_of({"question": "Why?", "without": [["a.pdf", 2]]})
    assert question == "Why?" and scope.without == {PageRef("a.pdf", 2)}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "  ",
        7,
        None,
        [],
        {"question": 7},
        {"text": "x"},
        {"question": "x", "without": [["a", "b"]]},
        {"question": "x", "q": 1},
        "x" * 5000,
    ],
)
def test_what_is_no_question_is_refused(given: object) -> None:
    with pytest.raises(BadData) as refused:
        question_of(given)
    assert refused.value.fix
