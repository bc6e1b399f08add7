"""`bakeoff index` and `bakeoff ask`, as a person types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks" / "documents"))
from small_corpus import TEXTS, write_corpus

from bakeoff.cli.ask import ask_command
from bakeoff.cli.index import index_command
from bakeoff.errors import BakeoffError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_corpus(tmp_path_factory.mktemp("cli") / "papers")
    done = CliRunner().invoke(index_command, [str(made), "--embedder", "", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert sorted(json.loads(done.output)["added"]) == sorted(TEXTS)
    return made


def ask(*arguments: str) -> str:
    # Support in so small a corpus says little; what is tested here is another thing.
    done = CliRunner().invoke(ask_command, [*arguments, "--threshold", "0.2"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_indexing_again_says_that_nothing_changed_and_what_to_type(folder: Path) -> None:
    done = CliRunner().invoke(index_command, [str(folder), "--embedder", ""], catch_exceptions=False)
    assert "3 unchanged" in done.output and f"bakeoff ask {folder}" in done.output


def test_an_answer_for_people_names_document_and_page(folder: Path) -> None:
    said = ask(str(folder), "What is the yearly rent?")
    assert "48,000 euros" in said and "[1] lease.pdf, page 1" in said


def test_the_reply_as_json_has_the_stated_fields(folder: Path) -> None:
    reply = json.loads(ask(str(folder), "What is the yearly rent?", "--json"))
    assert reply["abstained"] is False
    citation = reply["statements"][0]["citations"][0]
    assert set(citation) == {"document", "page", "quote", "boxes"} and citation["page"] == 1
    assert all(len(box) == 4 and box[0] < box[2] and box[1] < box[3] for box in citation["boxes"])
    assert {"document", "page", "pages", "score", "text"} == set(reply["passages"][0])
    assert reply["passages"][0]["pages"] == [reply["passages"][0]["page"]] and reply["wording"] is None
    scores = [passage["score"] for passage in reply["passages"]]
    assert scores == sorted(scores, reverse=True) and set(reply["timings"]) >= {"retrieve", "answer"}


def test_what_is_not_there_is_said_to_be_not_there(folder: Path) -> None:
    assert "Not in the corpus" in ask(str(folder), "Who won the chess olympiad in Budapest?")


def test_many_questions_at_once(folder: Path, tmp_path: Path) -> None:
    batch = tmp_path / "q.jsonl"
    batch.write_text('{"id": "a", "question": "What is the yearly rent?"}\n\n"How long are receipts kept?"\n', encoding="utf-8")
    rows = [json.loads(line) for line in ask(str(folder), "--batch", str(batch)).splitlines()]
    assert [row["id"] for row in rows] == ["a", "3"]
    assert "seven years" in rows[1]["statements"][0]["text"]


@pytest.mark.parametrize("line", ["{", '{"q": 1}', "[]", "7", '{"question": ""}'])
def test_a_bad_line_of_a_batch_is_named(folder: Path, tmp_path: Path, line: str) -> None:
    batch = tmp_path / "q.jsonl"
    batch.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(BakeoffError, match="line 1") as refused:
        CliRunner().invoke(ask_command, [str(folder), "--batch", str(batch)], catch_exceptions=False)
    assert refused.value.fix


def test_a_batch_with_a_bad_line_asks_nothing(folder: Path, tmp_path: Path) -> None:
    batch = tmp_path / "q.jsonl"
    batch.write_text('"What is the yearly rent?"\n{bad\n', encoding="utf-8")
    done = CliRunner().invoke(ask_command, [str(folder), "--batch", str(batch)])
    assert isinstance(done.exception, BakeoffError) and "line 2" in done.exception.what and done.output == ""


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(index_command, [str(tmp_path), "--embedder", ""], catch_exceptions=False)
    assert "no PDF file" in done.output and "end in .pdf" in done.output
    asked = CliRunner().invoke(ask_command, [str(tmp_path), "why?"], catch_exceptions=False)
    assert "Not in the corpus" in asked.output and "holds no document" in asked.stderr


def test_the_page_of_an_answer_shows_the_drawn_page(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "answer.html"
    ask(str(folder), "What is the yearly rent?", "--page", str(to))
    made = to.read_text(encoding="utf-8")
    assert "data:image/webp;base64," in made and 'class="marker"' in made


def test_access_rules_hold_for_who_asks(folder: Path, tmp_path: Path) -> None:
    rules = tmp_path / "access.yaml"
    rules.write_text('secret/*: [board]\n"*": ["*"]\n', encoding="utf-8")
    CliRunner().invoke(index_command, [str(folder), "--embedder", "", "--access", str(rules)], catch_exceptions=False)
    question = "What has the board agreed to buy?"
    assert "Northwind" in ask(str(folder), question, "--as", "board")
    assert "Northwind" not in ask(str(folder), question, "--as", "staff", "--json")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "why?"], "has not been indexed"),
        (["{folder}", "  "], "question is empty"),
        (["{folder}", "why?", "--store", "ftp://x"], "No store is called ftp"),
        (["{folder}", "why?", "--model", "no-such-model"], "no-such-model"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines(folder: Path, arguments: list[str], says: str) -> None:
    with pytest.raises(BakeoffError, match=says) as refused:
        CliRunner().invoke(ask_command, [each.format(folder=folder) for each in arguments], catch_exceptions=False)
    assert refused.value.fix


@pytest.mark.parametrize("content", ["- a\n", "a: b\n", "a: [1]\n", "{", "x: [*y]\n"])
def test_access_rules_of_another_shape_are_refused(folder: Path, tmp_path: Path, content: str) -> None:
    rules = tmp_path / "access.yaml"
    rules.write_text(content, encoding="utf-8")
    with pytest.raises(BakeoffError) as refused:
        CliRunner().invoke(index_command, [str(folder), "--access", str(rules), "--embedder", ""], catch_exceptions=False)
    assert refused.value.fix


def test_a_question_or_a_batch_but_not_both(folder: Path) -> None:
    assert CliRunner().invoke(ask_command, [str(folder)]).exit_code == 2
    assert CliRunner().invoke(ask_command, [str(folder), "why?", "--batch", "x"]).exit_code == 2


def test_a_document_is_taken_out_by_name(tmp_path: Path) -> None:
    made = write_corpus(tmp_path / "papers")
    CliRunner().invoke(index_command, [str(made), "--embedder", ""], catch_exceptions=False)
    CliRunner().invoke(index_command, [str(made), "--remove", "policy.pdf"], catch_exceptions=False)
    assert "Not in the corpus" in ask(str(made), "In which class do employees travel on trains?")
    with pytest.raises(BakeoffError, match=r"no document 'policy\.pdf'"):
        CliRunner().invoke(index_command, [str(made), "--remove", "policy.pdf"], catch_exceptions=False)
