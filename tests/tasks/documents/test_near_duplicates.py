"""Which documents are copies, and which passages say the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.register_assert_rewrite("store_documents")
from store_documents import Made, made_of, page_of  # noqa: E402

from bakeoff.errors import BadData  # noqa: E402
from bakeoff.tasks.documents.index.near_duplicates import (  # noqa: E402
    META,
    VALUES,
    Copy,
    collapse,
    copies_of,
    duplicate_documents,
    signature,
)
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.records import Block, Chunk, Page, PageRef, Passage, Piece, Scope, Span  # noqa: E402

CLAUSE = (
    "The Supplier shall indemnify the Customer against all losses, damages and costs arising out of any breach of clause 9.1 by the "
    "Supplier, its employees or agents, and the Customer agrees to give notice of each claim within 30 days of becoming aware of it. "
    "Payments under this clause are made in full and free of any set-off within 60 days of receipt of a written demand by the Customer."
)


def passage(
    text: str, document: str = "a.pdf", ordinal: int = 0, *, kind: str = "text", context: str = "Title\nIndemnity", page: int = 1
) -> Passage:
    chunk = Chunk(ordinal, kind, text, context, (Piece(0, len(text), page, 0),))  # type: ignore[arg-type]
    return Passage(document, "Title", chunk, 0.9 - ordinal / 100, {"dense": 0.5})


def words(n: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join("".join(chr(97 + int(c)) for c in rng.integers(0, 26, 7)) for _ in range(n))


# Passages


def test_copies_give_way_to_the_best_and_are_named() -> None:
    other = words(60, 1)
    found = collapse([
        passage(CLAUSE), passage(other, "c.pdf", 1), passage(CLAUSE.upper().replace(",", " ;"), "b: x.pdf", 2, page=7, context="Other"),
        passage(CLAUSE.replace("becoming aware", "having knowledge"), "d.pdf", 3),
    ])  # fmt: skip
    assert [each.document for each in found] == ["a.pdf", "c.pdf"]
    assert found[1] == passage(other, "c.pdf", 1) and copies_of(found[1]) == ()
    first, second = copies_of(found[0])
    assert first == Copy("b: x.pdf", 7, 2, 1.0)
    assert second[:3] == ("d.pdf", 1, 3) and 0.8 <= second.similarity < 1
    assert found[0].scores["dense"] == 0.5 and found[0].chunk == passage(CLAUSE).chunk


def test_the_first_is_kept_whichever_it_is() -> None:
    many = [passage(CLAUSE, f"{i}.pdf", i) for i in range(5)]
    assert [each.document for each in collapse(list(reversed(many)))] == ["4.pdf"]
    assert len(copies_of(collapse(many)[0])) == 4
    assert collapse([]) == ()


@pytest.mark.parametrize(
    "change",
    [
        ("30 days", "60 days"), ("clause 9.1", "clause 9.2"), ("shall indemnify", "may indemnify"), ("shall indemnify", "shall not indemnify"),
        ("employees or agents", "employees and agents"), ("within 30 days", "after 30 days"), ("all losses", "any losses"), ("in full", "in 90% and"),
        ("each claim", "$ claim"),
    ],
    ids=lambda change: change[1],
)  # fmt: skip
def test_what_decides_the_meaning_is_never_collapsed(change: tuple[str, str]) -> None:
    changed = CLAUSE.replace(*change, 1)
    assert changed != CLAUSE
    assert len(collapse([passage(CLAUSE), passage(changed, "b.pdf", 1)])) == 2


def test_rows_and_short_passages_mean_what_they_stand_under() -> None:
    row = "Revenue | 2022 | 5,363 USD million"
    for text, kind in ((row, "row"), ("Not applicable.", "text"), ("", "figure")):
        under = [
            passage(text, f"{i}.pdf", i, kind=kind, context=context) for i, context in enumerate(("Alpha", "Beta", "alpha "))
        ]
        assert [each.document for each in collapse(under)] == ["0.pdf", "1.pdf"]
    assert len(collapse([passage(row, kind="row"), passage(row.replace("5,363", "5,364"), kind="row")])) == 2
    assert len(collapse([passage(row, kind="row"), passage(row, kind="text")])) == 2


def test_similarity_is_jaccards() -> None:
    """100 different words give 96 shingles; 10 others at the end leave 86 shared of 106."""
    text = words(100, 5)
    changed = " ".join([*text.split()[:90], *words(10, 6).split()])
    kept = collapse([passage(text), passage(changed, "b.pdf", 1)])
    assert copies_of(kept[0])[0].similarity == pytest.approx(86 / 106)
    assert len(collapse([passage(text), passage(changed, "b.pdf", 1)], threshold=0.82)) == 2
    with pytest.raises(BadData, match=r"between 0\.5 and 1"):
        collapse([], threshold=0.3)


# Documents


def store_of(folder: Path, documents: list[Made], *, keep: bool) -> SqliteStore:
    store = SqliteStore(folder, create=True)
    for document in documents:
        meta = {META: signature(document.pages)} if keep else {}
        replace(document, facts=replace(document.facts, meta=meta)).into(store)
    return store


def changed_words(text: str, share: float, seed: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(words(1, 1000 * seed + i) if rng.random() < share else word for i, word in enumerate(text.split()))


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "read from pages"])
def test_copies_of_documents_are_found(tmp_path: Path, keep: bool) -> None:
    texts = [words(300, n) for n in range(4)]
    documents = [
        made_of("b/report.pdf", texts),
        made_of("a/report (copy).pdf", [" ".join(texts[:2]), *texts[2:]], seed=1),  # the same words on other pages
        made_of("draft.pdf", [changed_words(text, 0.01, 7 + n) for n, text in enumerate(texts)], seed=2),
        made_of("other.pdf", [words(300, 50 + n) for n in range(4)], seed=3),
        made_of("half.pdf", [texts[0], texts[1], *(words(300, 70 + n) for n in range(2))], seed=4),
        made_of("scan 1.pdf", ["", ""], seed=5),
        made_of("scan 2.pdf", ["", ""], seed=6),
        made_of("note.pdf", ["Not applicable."], seed=7),
        made_of("note 2.pdf", ["not   APPLICABLE"], seed=8),
        made_of("other copy.pdf", [words(300, 50 + n) for n in range(4)], readers=frozenset({"board"}), seed=9),
    ]
    with store_of(tmp_path, documents, keep=keep) as store:
        every = duplicate_documents(store)
        assert [(each.documents, each.exact) for each in every] == [
            (("a/report (copy).pdf", "b/report.pdf", "draft.pdf"), False),
            (("note 2.pdf", "note.pdf"), True),
            (("other copy.pdf", "other.pdf"), True),
        ]
        assert every[0].similarity.low < 0.99**5 / (2 - 0.99**5) < every[0].similarity.high
        assert every[0].similarity.n == VALUES and every[1].similarity.mid == 1
        public = duplicate_documents(store, Scope(principals=frozenset()))
        assert [each.documents for each in public] == [each.documents for each in every[:2]]
        if not keep:
            without = Scope(without=frozenset({PageRef("note.pdf", 1)}))
            assert len(duplicate_documents(store, without)) == 2


def test_estimates_are_near_the_truth() -> None:
    """Over 60 pairs of known similarity, the mean of the estimates is within three standard errors of it, and so is their spread."""
    errors = []
    for n in range(60):
        shared, own = words(400, n), [words(40 + n, 200 + 2 * n + i) for i in range(2)]
        tokens = [f"{shared} {each}".split() for each in own]
        sets = [set(zip(*(text[i:] for i in range(5)), strict=False)) for text in tokens]
        truth = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        values = [np.frombuffer(read(signature([page_of(1, " ".join(text))])), "<u4") for text in tokens]
        errors.append((float(np.mean(values[0] == values[1])) - truth) / np.sqrt(truth * (1 - truth) / VALUES))
    assert abs(float(np.mean(errors))) < 3 / np.sqrt(60)
    assert 0.7 < float(np.std(errors)) < 1.3


def read(kept: str) -> bytes:
    import base64

    return base64.b85decode(kept.split(":", 2)[2])


def test_headers_and_footers_do_not_count() -> None:
    body = words(200, 1)

    def page(header: str) -> Page:
        text = f"{header}\n{body}\nPage 3 of {len(header)}"
        plain = page_of(1, text)
        spans = [
            Span(0, len(header)),
            Span(len(header) + 1, len(header) + 1 + len(body)),
            Span(len(header) + 2 + len(body), len(text)),
        ]
        kinds = ("header", "paragraph", "footer")
        return replace(plain, blocks=tuple(Block(kind, span, (0, 0, 1, 1)) for kind, span in zip(kinds, spans, strict=True)))

    assert signature([page("Confidential")]) == signature([page("Draft of May")]) == signature([page_of(1, body)])
    assert signature([page_of(1, body + " more")]) != signature([page_of(1, body)])


def test_signatures_are_the_same_in_every_process() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from store_documents import page_of; from bakeoff.tasks.documents.index.near_duplicates import signature\n"
        "print(signature([page_of(1, 'one two three four five six seven'), page_of(2, 'eight')]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parent)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {signature([page_of(1, "one two three four five six seven"), page_of(2, "eight")]) + "\n"}


def test_a_signature_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    document = made_of("a.pdf", ["tax"])
    for bad in ("2:aa:bb", "1:aa", "1:aa:~~", "1:aa:" + " " * 9):
        with SqliteStore(tmp_path, create=True) as store:
            replace(document, facts=replace(document.facts, meta={META: bad})).into(store)
            with pytest.raises(BadData, match="cannot be read") as caught:
                duplicate_documents(store)
            assert "index" in caught.value.fix
            store.remove("a.pdf")


def test_hundreds_of_copies_are_one_group(tmp_path: Path) -> None:
    text = words(50, 3)
    documents = [made_of(f"{n:04}.pdf", [changed_words(text, 0.0, n) + (" tail" if n % 2 else "")], seed=n) for n in range(300)]
    with store_of(tmp_path, documents, keep=True) as store:
        (group,) = duplicate_documents(store)
        assert len(group.documents) == 300 and not group.exact
