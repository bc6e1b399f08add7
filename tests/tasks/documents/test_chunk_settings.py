"""Chunk settings are given once, kept with the corpus, and hold for every document of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from bakeoff.cli.index import index_command
from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.documents import material
from bakeoff.tasks.documents.cited import Cited
from bakeoff.tasks.documents.index.chunk_settings import KEY, ChunkSettings, agree, settings_of
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
from bakeoff.tasks.documents.reply.sentences import word_pieces
from bakeoff.verbs_documents import index_folder


def write_long(folder: Path, name: str = "long.pdf") -> Path:
    """One page of 40 sentences."""
    folder.mkdir(exist_ok=True)
    canvas = Canvas(str(folder / name), pagesize=A4, invariant=1)
    for line in range(40):
        canvas.drawString(
            72, 780 - 18 * line, f"Sentence number {line} of {name[:-4]} says that party {line} shall pay the rent."
        )
    canvas.showPage()
    canvas.save()
    return folder


def chunk_texts(folder: Path) -> list[str]:
    with SqliteStore(folder / ".bakeoff", read_only=True) as store:
        keys = [hit.key for hit in store.lexical(["rent"], limit=1000)]
        return [chunk.text for chunk in store.chunks(sorted(keys))]


def test_smaller_chunks_are_more_and_none_is_too_long(tmp_path: Path) -> None:
    usual, small = write_long(tmp_path / "a"), write_long(tmp_path / "b")
    index_folder(usual, embedder="")
    index_folder(small, embedder="", chunks={"tokens": 48, "overlap": 0, "least": 0})
    assert len(chunk_texts(small)) > 2 * len(chunk_texts(usual))
    assert max(word_pieces(text) for text in chunk_texts(small)) <= 48 < max(word_pieces(text) for text in chunk_texts(usual))


def test_they_are_kept_and_hold_for_what_comes_later(tmp_path: Path) -> None:
    folder = write_long(tmp_path / "a")
    index_folder(folder, embedder="", chunks={"tokens": 48})
    write_long(folder, "later.pdf")
    index_folder(folder, embedder="")
    with SqliteStore(folder / ".bakeoff", read_only=True) as store:
        assert settings_of(store) == ChunkSettings(48, 24, 48)
    assert sum("later" in text for text in chunk_texts(folder)) > 3
    assert max(map(word_pieces, chunk_texts(folder))) <= 48


def test_others_are_refused_and_change_nothing(tmp_path: Path) -> None:
    folder = write_long(tmp_path / "a")
    index_folder(folder, embedder="", chunks={"tokens": 48})
    before = chunk_texts(folder)
    with pytest.raises(BadData, match="with tokens 48, not 64") as refused:
        index_folder(folder, embedder="", chunks={"tokens": 64})
    assert "delete" in refused.value.fix and str(folder / ".bakeoff") in refused.value.fix
    assert index_folder(folder, embedder="", chunks={"tokens": 48}).unchanged == ["long.pdf"]
    assert chunk_texts(folder) == before


def test_a_corpus_from_before_was_cut_with_the_defaults(tmp_path: Path) -> None:
    folder = write_long(tmp_path / "a")
    index_folder(folder, embedder="")
    with SqliteStore(folder / ".bakeoff") as store:
        assert KEY not in store.settings() and settings_of(store) == ChunkSettings()
        assert agree(store, {"tokens": 210}) == ChunkSettings()
        with pytest.raises(BadData, match="overlap 40, not 10"):
            agree(store, {"overlap": 10})
        store.set_settings({KEY: '{"tokens": "many"}'})
        with pytest.raises(BadData, match="cannot be read"):
            settings_of(store)


def test_an_empty_corpus_takes_others_still(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "c", create=True) as store:
        assert agree(store, {"tokens": 64}) == ChunkSettings(64, 32, 60)
        assert agree(store, {"tokens": 400}) == settings_of(store) == ChunkSettings(400, 40, 60)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tokens": 31}, "32 to 4096"),
        ({"tokens": 64, "overlap": 33}, "0 to 32"),
        ({"size": 9}, "no setting 'size'"),
        ({"tokens": 50.5}, "whole number"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, given: dict[str, int], says: str) -> None:
    with pytest.raises(BadData, match=says) as refused:
        index_folder(write_long(tmp_path / "a"), embedder="", chunks=given)
    assert refused.value.fix


def test_from_the_command_line(tmp_path: Path) -> None:
    folder = write_long(tmp_path / "a")
    plain = [str(folder), "--embedder", "", "--json"]
    done = CliRunner().invoke(
        index_command, [*plain, "--chunk-tokens", "48", "--chunk-overlap", "0", "--chunk-least", "0"], catch_exceptions=False
    )
    assert json.loads(done.output)["added"] == ["long.pdf"] and max(map(word_pieces, chunk_texts(folder))) <= 48
    with pytest.raises(BadData, match="overlap 0, not 20"):
        CliRunner().invoke(index_command, [*plain, "--chunk-overlap", "20"], catch_exceptions=False)
    assert CliRunner().invoke(index_command, [*plain, "--chunk-tokens", "8"]).exit_code == 2


def test_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    prepared, _ = material.prepare(write_long(tmp_path / "a"))
    counts = []
    for tokens in (210, 48):
        approach = Cited(retrieval="lexical", rerank="none", chunk_tokens=tokens, chunk_overlap=0, chunk_least=0)
        approach.read_from(prepared)
        approach.fit([Item("q", "Who shall pay the rent?", {"answerable": True})], [], seed=0, progress=quiet)
        counts.append(approach.chosen_["chunks"])
        assert approach.corpus_ is not None and settings_of(approach.corpus_.store).tokens == tokens
    assert counts[1] > 2 * counts[0]
