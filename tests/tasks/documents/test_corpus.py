"""A folder of PDFs is indexed, asked, changed and asked again."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_corpus import TEXTS, write_corpus, write_pdf

from bakeoff.errors import BadData
from bakeoff.tasks.documents.boxes import line_boxes
from bakeoff.tasks.documents.corpus import FOLDER, Corpus, find_pdfs, read_access
from bakeoff.tasks.documents.records import Scope, Span


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "papers")


@pytest.fixture
def corpus(folder: Path):
    with Corpus.create(folder, embedder="") as made:
        made.index()
        yield made


LENIENT = 0.2
"""Support in so small a corpus says little; what is tested here is another thing."""


def test_every_document_is_indexed_and_a_second_run_does_nothing(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        first = corpus.index()
        assert sorted(first.added) == sorted(TEXTS) and first.pages == 4 and not first.problems
        again = corpus.index()
        assert sorted(again.unchanged) == sorted(TEXTS) and not again.added and again.pages == 0


def test_an_answer_is_verbatim_and_its_boxes_hold_its_words(corpus: Corpus) -> None:
    reply = corpus.ask("What is the yearly rent?", threshold=LENIENT)
    assert not reply.abstained
    citation = reply.statements[0].citations[0]
    assert (citation.document, citation.page) == ("lease.pdf", 1)
    assert "48,000 euros" in citation.quote
    page = corpus.store.page("lease.pdf", 1)
    at = page.text.index(citation.quote)
    assert line_boxes(page.boxes, [Span(at, at + len(citation.quote))]) == citation.boxes
    assert set(reply.timings) >= {"retrieve", "answer"}


def test_what_is_not_there_is_declined_with_the_nearest_passages(corpus: Corpus) -> None:
    reply = corpus.ask("Who won the chess olympiad in Budapest?", threshold=LENIENT)
    assert reply.abstained and reply.statements == ()


def test_without_the_page_that_says_it_the_corpus_declines(corpus: Corpus) -> None:
    from bakeoff.tasks.documents.records import PageRef

    reply = corpus.ask(
        "What deposit has the tenant paid?", scope=Scope(without=frozenset({PageRef("lease.pdf", 2)})), threshold=LENIENT
    )
    assert all(citation.page != 2 for statement in reply.statements for citation in statement.citations)
    assert all(passage.page != 2 or passage.document != "lease.pdf" for passage in reply.passages)


def test_a_changed_file_is_replaced_and_a_vanished_one_forgotten(folder: Path, corpus: Corpus) -> None:
    write_pdf(folder / "lease.pdf", [["Lease", "The tenant shall pay a yearly rent of 51,000 euros."]])
    (folder / "policy.pdf").unlink()
    report = corpus.index()
    assert report.replaced == ["lease.pdf"] and report.removed == ["policy.pdf"]
    assert "51,000" in corpus.ask("What is the yearly rent?", threshold=LENIENT).statements[0].text
    assert corpus.ask("In which class do employees travel on trains?", threshold=LENIENT).abstained
    kept = b"".join(path.read_bytes() for path in sorted((folder / FOLDER).rglob("*")) if path.is_file())
    assert b"second class" not in kept and b"48,000" not in kept


def test_who_may_not_read_a_document_gets_the_answer_of_a_corpus_without_it(folder: Path) -> None:
    question = "What has the board agreed to buy?"
    rules = read_access({"secret/*": ["board"], "*": ["*"]})
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index(readers=rules)
        told = corpus.ask(question, scope=Scope(principals=frozenset({"board"})), threshold=LENIENT)
        assert "Northwind" in told.statements[0].text
        refused = corpus.ask(question, scope=Scope(principals=frozenset({"staff"})), threshold=LENIENT)
    (folder / "secret" / "merger.pdf").unlink()
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index(readers=rules)
        never = corpus.ask(question, scope=Scope(principals=frozenset({"staff"})), threshold=LENIENT)
    assert (refused.statements, refused.passages, refused.support) == (never.statements, never.passages, never.support)


def test_a_replaced_file_keeps_its_readers(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index(readers=read_access({"secret/*": ["board"], "*": ["*"]}))
        write_pdf(folder / "secret" / "merger.pdf", [["Project Falcon", "The board has agreed to buy Contoso."]])
        assert corpus.index().replaced == ["secret/merger.pdf"]
        readers = {facts.name: facts.readers for facts in corpus.store.documents()}
    assert readers["secret/merger.pdf"] == frozenset({"board"}) and readers["lease.pdf"] is None


def test_copies_are_named(folder: Path) -> None:
    lines = [
        f"Clause {n}: the tenant shall keep part {n} of the premises in good repair and report damage number {n} at once."
        for n in range(20)
    ]
    write_pdf(folder / "one.pdf", [["Terms", *lines]])
    write_pdf(folder / "two.pdf", [["Terms", *lines]])
    with Corpus.create(folder, embedder="") as corpus:
        assert corpus.index().copies == [("one.pdf", "two.pdf")]


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_indexed(folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"this is no PDF")
    with Corpus.create(folder, embedder="") as corpus:
        report = corpus.index()
    assert [problem.name for problem in report.problems] == ["broken.pdf"] and report.problems[0].fix
    assert sorted(report.added) == sorted(TEXTS)


def test_a_file_that_breaks_leaves_its_last_good_version(folder: Path, corpus: Corpus) -> None:
    (folder / "lease.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    assert [problem.name for problem in corpus.index().problems] == ["lease.pdf"]
    assert "48,000" in corpus.ask("What is the yearly rent?", threshold=LENIENT).statements[0].text


def test_a_folder_that_was_not_indexed_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(BadData) as refused:
        Corpus.open(tmp_path)
    assert refused.value.fix == f"bakeoff index {tmp_path}"


def test_another_embedder_than_the_corpus_has_is_refused(folder: Path) -> None:
    Corpus.create(folder, embedder="").close()
    with pytest.raises(BadData, match="made with the embedder"):
        Corpus.create(folder, embedder="minilm-int8")


def test_hidden_files_and_links_out_of_the_folder_are_passed_over(folder: Path, tmp_path: Path) -> None:
    outside = write_pdf(tmp_path / "outside.pdf", [["Outside"]])
    (folder / "link.pdf").symlink_to(outside)
    write_pdf(folder / ".hidden" / "x.pdf", [["Hidden"]])
    write_pdf(folder / "UPPER.PDF", [["Upper"]])
    assert [source.name for source in find_pdfs(folder)] == ["UPPER.PDF", *sorted(TEXTS)]


def test_what_no_pattern_names_is_for_nobody() -> None:
    readers = read_access({"a/*": ["alice"], "b/*": ["*"]})
    assert readers("a/x.pdf") == frozenset({"alice"}) and readers("b/x.pdf") is None and readers("c.pdf") == frozenset()


@pytest.mark.model
def test_by_meaning_as_well_as_by_words(real_assets: Path, folder: Path) -> None:
    with Corpus.create(folder) as corpus:
        corpus.index()
        found = corpus.find("Whose permission does travelling by plane require?")
    assert found[0].document == "policy.pdf"
