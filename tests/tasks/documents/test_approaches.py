"""The approaches of the documents task over a small prepared corpus: ours, the peers' pipelines, and a model without documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_corpus import write_corpus

from bakeoff.contract import Item, quiet
from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents import material
from bakeoff.tasks.documents.cited import Cited
from bakeoff.tasks.documents.cited_llm import CitedLLM
from bakeoff.tasks.documents.closed_book import ClosedBook
from bakeoff.tasks.documents.langchain_peer import LangChainPipeline
from bakeoff.tasks.documents.llamaindex_peer import LlamaIndexPipeline
from bakeoff.tasks.documents.writer import declines

ASKED = {
    "What is the yearly rent?": True,
    "What deposit has the tenant paid?": True,
    "When does the lease end?": True,
    "Who keeps the roof in repair?": True,
    "In which class do employees travel on trains?": True,
    "How long are receipts kept?": True,
    "Who repairs the lift?": False,
    "What is the notice period of the managing director?": False,
    "Which bank holds the accounts?": False,
    "What is the price of electricity per unit?": False,
}


def items() -> list[Item]:
    return [Item(f"q{n}", question, {"answerable": known}) for n, (question, known) in enumerate(ASKED.items())]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("approaches") / "papers")
    patch = pytest.MonkeyPatch()
    patch.setenv("BAKEOFF_HOME", str(folder.parent / "home"))
    made, problems = material.prepare(folder)
    patch.undo()
    assert not problems
    return made


def fitted(approach, prepared: Path):
    approach.read_from(prepared)
    return approach.fit(items(), items(), seed=0, progress=quiet)


def test_quoted_answers_say_where_they_stand_and_what_is_not_there_is_declined(prepared: Path) -> None:
    approach = fitted(Cited(retrieval="lexical", rerank="none"), prepared)
    rent, lift = approach.answer([Item("a", "What is the yearly rent?"), Item("b", "Who repairs the lift?")])
    assert rent.answered and "48,000 euros" in rent.value["statements"][0]["text"]
    assert rent.citations[0].document == "lease.pdf" and rent.citations[0].boxes and rent.seconds > 0
    assert lift.abstained and lift.value is None and lift.details["support"] < rent.details["support"]
    assert rent.details["passages"][0]["page"] == 1 and approach.chosen_["chosen on"] == "20 questions, 8 of them unanswerable"


def test_a_restored_approach_answers_as_the_saved_one(prepared: Path, tmp_path: Path) -> None:
    approach = fitted(Cited(retrieval="lexical"), prepared)
    approach.save(tmp_path)
    again = Cited(retrieval="lexical").restore(tmp_path)
    for one, other in zip(approach.answer(items()), again.answer(items()), strict=True):
        assert (one.value, one.abstained, one.details["support"]) == (other.value, other.abstained, other.details["support"])


def test_a_bad_question_is_an_error_of_its_own(prepared: Path) -> None:
    approach = fitted(Cited(retrieval="lexical"), prepared)
    bad, good = approach.answer([Item("a", ""), Item("b", "What is the yearly rent?")])
    assert bad.error == "The question is empty." and good.answered


def test_a_streamed_answer_is_the_same_statement_by_statement(prepared: Path) -> None:
    approach = fitted(Cited(retrieval="lexical"), prepared)
    *pieces, last = approach.stream(Item("a", "What is the yearly rent?"))
    (whole,) = approach.answer([Item("a", "What is the yearly rent?")])
    assert last.value == whole.value and "".join(pieces) == last.details["raw"]


def test_without_a_corpus_it_says_so() -> None:
    with pytest.raises(BakeoffError, match="no corpus to read"):
        Cited(retrieval="lexical").fit([], [], seed=0, progress=quiet)


@pytest.mark.model
@pytest.mark.parametrize("peer", [LangChainPipeline, LlamaIndexPipeline])
def test_a_peers_pipeline_finds_and_words(real_assets: Path, prepared: Path, tmp_path: Path, peer) -> None:
    approach = fitted(peer(max_tokens=24), prepared)
    (answer,) = approach.answer([Item("a", "What is the yearly rent?")])
    assert answer.details["raw"] and answer.tokens_in > 50 and 0 < answer.tokens_out <= 24
    assert ("lease.pdf", 1) in {(passage["document"], passage["page"]) for passage in answer.details["passages"]}
    scores = [passage["score"] for passage in answer.details["passages"]]
    assert scores == sorted(scores, reverse=True)
    approach.save(tmp_path)
    (again,) = peer(max_tokens=24).restore(tmp_path).answer([Item("a", "What is the yearly rent?")])
    assert again.details == answer.details
    (without,) = approach.answer([Item("a", {"question": "What is the yearly rent?", "without": [["lease.pdf", 1]]})])
    assert ("lease.pdf", 1) not in {(passage["document"], passage["page"]) for passage in without.details["passages"]}


@pytest.mark.model
def test_a_model_without_documents_cites_nothing(real_assets: Path) -> None:
    approach = ClosedBook(max_tokens=16).fit([], [], seed=0, progress=quiet)
    (answer,) = approach.answer([Item("a", "What is the capital of France?")])
    assert answer.citations == () and answer.details["passages"] == [] and answer.tokens_out <= 16
    assert answer.abstained or answer.value["statements"][0]["citations"] == []


@pytest.mark.model
def test_what_a_model_words_is_verified_or_quoted(real_assets: Path, prepared: Path) -> None:
    approach = fitted(CitedLLM(retrieval="lexical", max_tokens=48, context=1024), prepared)
    (answer,) = approach.answer([Item("a", "What is the yearly rent?")])
    assert answer.answered
    held = json.dumps([passage["text"] for passage in answer.details["passages"]])
    assert all(citation.quote in held for citation in answer.citations) and answer.citations


@pytest.mark.parametrize(
    ("text", "declined"),
    [
        ("", True),
        ("I don't know.", True),
        ("I do not know the answer. It may be 7.", True),
        ("The context does not mention a lift.", True),
        ("The rent is 48,000 euros.", False),
        ("It is 7. I don't know more.", False),
    ],
)
def test_how_models_decline(text: str, declined: bool) -> None:
    assert declines(text) is declined
