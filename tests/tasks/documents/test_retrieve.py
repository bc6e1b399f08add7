"""Retrieval over a real store: what is asked for comes first, what may not be read leaves no trace, and nothing is left to chance."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadData
from bakeoff.tasks.documents.find.glossary import ACCOUNTING, definitions
from bakeoff.tasks.documents.find.names import named_documents
from bakeoff.tasks.documents.find.question import content_of, read_question
from bakeoff.tasks.documents.find.rerank import NEAR, WEIGHTS, Candidate, features, rerank
from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever, rank_pages, thinned
from bakeoff.tasks.documents.index.chunk import make_chunks
from bakeoff.tasks.documents.index.embed import text_to_embed
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Block, Chunk, DocumentFacts, Hit, Page, PageRef, Passage, Piece, Scope, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Bag:
    """An embedder that needs no weights: texts with common terms are near each other."""

    name, dimensions = "bag", 64

    def encode(self, texts: Sequence[str]) -> NDArray:
        rows = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in terms_of(text):
                row[zlib.crc32(term.encode()) % self.dimensions] += 1
        unit: NDArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def page(number: int, *paragraphs: str) -> Page:
    text, blocks = "", []
    for words in paragraphs:
        text += "\n" if text else ""
        kind: Any = "heading" if words.startswith("# ") else "paragraph"
        words = words.removeprefix("# ")
        blocks.append(
            Block(kind, Span(len(text), len(text) + len(words)), (72.0, 72.0, 540.0, 90.0), 1 if kind == "heading" else 0)
        )
        text += words
    return Page(number, 612.0, 792.0, text, np.zeros((len(text), 4), np.float32), tuple(blocks))


def put(store: SqliteStore, name: str, pages: Sequence[Page], *, title: str = "", readers: frozenset[str] | None = None) -> None:
    chunks = make_chunks(title, name, pages)
    terms = [terms_of(f"{chunk.context}\n{chunk.text}") for chunk in chunks]
    facts = DocumentFacts(f"{zlib.crc32(name.encode()):064x}", name, title, len(pages), readers)
    store.add(facts, pages, chunks, terms, Bag().encode([text_to_embed(chunk) for chunk in chunks]))


BREAD = "The bakery sells bread and rolls. Bread is baked at night. Rolls are baked in the morning."
MILK = "The dairy sells milk and butter. Milk is kept cold. Butter is kept in the cellar."
RENT = "The rent is paid on the first day of each month. The landlord repairs the roof."


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "corpus", create=True) as opened:
        put(opened, "BAKER_2022.pdf", [page(1, "# Bread", BREAD), page(2, "# Rent", RENT)])
        put(opened, "DAIRY_2022.pdf", [page(1, "# Milk", MILK), page(2, "# Rent", RENT + " The dairy pays more.")])
        put(
            opened,
            "lease.pdf",
            [page(1, "# Heating", "Heating is the tenant's business. The boiler is old."), page(2, "# Rent", RENT)],
        )
        yield opened


def retriever(store: SqliteStore, **settings: Any) -> Retriever:
    return Retriever(store, Bag(), RetrievalSettings(**settings))


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense"])
@pytest.mark.parametrize("order", ["features", "none"])
@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("When is bread baked?", PageRef("BAKER_2022.pdf", 1)),
        ("Where is butter kept?", PageRef("DAIRY_2022.pdf", 1)),
        ("Whose business is heating?", PageRef("lease.pdf", 1)),
    ],
)
def test_the_page_that_answers_comes_first(store: SqliteStore, mode: str, order: str, question: str, place: PageRef) -> None:
    found = retriever(store, mode=mode, rerank=order).retrieve(question)
    assert rank_pages(found)[0] == place


def test_a_document_that_is_named_comes_before_others_that_say_the_same(store: SqliteStore) -> None:
    for name in ("BAKER_2022.pdf", "DAIRY_2022.pdf"):
        asked = f"When does {name.partition('_')[0].title()} pay the rent?"
        assert rank_pages(retriever(store, collapse=False).retrieve(asked))[0] == PageRef(name, 2)


def test_passages_that_say_the_same_are_one(store: SqliteStore) -> None:
    asked = "Who repairs the roof?"
    every = retriever(store, collapse=False).retrieve(asked)
    collapsed = retriever(store).retrieve(asked)
    assert sum("landlord" in each.chunk.text for each in every) == 3
    assert sum(each.chunk.text == f"Rent\n{RENT}" for each in collapsed) == 1


def test_the_same_question_has_the_same_answer_and_its_parts_are_shown(store: SqliteStore) -> None:
    one, two = (retriever(store).search("When is bread baked?") for _ in range(2))
    assert one.passages == two.passages
    assert set(one.timings) == {"read", "embed", "dense", "lexical", "fuse", "chunks", "rerank", "thin"}
    assert one.cpu.keys() == one.timings.keys()
    assert all(seconds >= 0 for seconds in [*one.timings.values(), *one.cpu.values()])
    best = one.passages[0]
    assert {"lexical", "dense", *WEIGHTS} <= set(best.scores)
    assert 0 <= best.score <= 1
    assert best.title == "BAKER 2022"
    assert [each.score for each in one.passages] == sorted((each.score for each in one.passages), reverse=True)


def test_what_may_not_be_read_changes_no_byte(store: SqliteStore, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "other", create=True) as more:
        for name in ("BAKER_2022.pdf", "DAIRY_2022.pdf", "lease.pdf"):
            pages = [store.page(name, number) for number in (1, 2)]
            put(more, name, pages)
        put(more, "BAKER_2023.pdf", [page(1, BREAD + " Secret bread.")], readers=frozenset({"owner"}))
        scope = Scope(principals=frozenset({"guest"}))
        for question in ("When is bread baked?", "When does Baker pay rent in 2023?", "Secret bread"):
            for mode in ("hybrid", "lexical", "dense"):
                assert retriever(more, mode=mode).retrieve(question, scope) == retriever(store, mode=mode).retrieve(
                    question, scope
                )
        seen = retriever(more).retrieve("Secret bread", Scope(principals=frozenset({"owner"})))
        assert rank_pages(seen)[0] == PageRef("BAKER_2023.pdf", 1)


def test_a_page_that_is_taken_out_is_not_found(store: SqliteStore) -> None:
    gone = PageRef("BAKER_2022.pdf", 1)
    found = retriever(store).retrieve("When does Baker bake bread?", Scope(without=frozenset({gone})))
    assert found
    assert gone not in rank_pages(found)


def test_a_named_document_out_of_scope_is_not_asked(store: SqliteStore) -> None:
    found = retriever(store).retrieve("When does Baker pay rent?", Scope(documents=frozenset({"lease.pdf"})))
    assert {each.document for each in found} == {"lease.pdf"}


def test_limit_and_share_of_one_page(store: SqliteStore, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "long", create=True) as more:
        put(
            more,
            "a.pdf",
            [page(1, *[f"# Part {at}\n" + f"Bread number {at} is fine. " * 20 for at in range(8)]), page(2, "Bread.")],
        )
        found = retriever(more, per_page=2, collapse=False).retrieve("bread", limit=4)
        assert [each.page for each in found].count(1) == 3
        assert 2 in [each.page for each in found][:3]
        assert len(retriever(more).retrieve("bread", limit=1)) == 1


@pytest.mark.parametrize("question", ["", "   ", "the of and", "?!", "zzzzqqq"])
def test_a_question_that_says_nothing_finds_nothing_by_words(store: SqliteStore, question: str) -> None:
    assert retriever(store, mode="lexical").retrieve(question) == ()
    retriever(store).retrieve(question)


def test_a_question_of_a_megabyte_is_answered(store: SqliteStore) -> None:
    assert retriever(store).retrieve("When is bread baked? " * 50_000)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "best"},
        {"fusion": "sum"},
        {"candidates": 0},
        {"depth": 0},
        {"per_page": 0},
        {"weight": 1.5},
        {"weight": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(settings: Mapping[str, Any]) -> None:
    with pytest.raises(BadData):
        RetrievalSettings(**settings)


def test_meaning_needs_a_model_and_a_limit_is_at_least_one(store: SqliteStore) -> None:
    with pytest.raises(BadData, match="embedding model"):
        Retriever(store, None)
    with pytest.raises(BadData, match="limit"):
        retriever(store).retrieve("bread", limit=0)
    assert Retriever(store, None, RetrievalSettings(mode="lexical")).retrieve("bread")


def passage(document: str, *pieces: tuple[int, int]) -> Passage:
    placed, start = [], 0
    for number, length in pieces:
        placed.append(Piece(start, length, number, 0))
        start += length
    return Passage(document, "", Chunk(0, "text", "x" * start, "", tuple(placed)), 1.0)


def test_pages_are_ranked_once_each_and_the_fuller_page_of_a_passage_first() -> None:
    found = rank_pages([passage("a", (3, 5), (4, 9)), passage("b", (1, 1)), passage("a", (3, 1)), passage("a", (9, 2), (10, 2))])
    assert found == [PageRef("a", 4), PageRef("a", 3), PageRef("b", 1), PageRef("a", 9), PageRef("a", 10)]


def test_passages_over_a_pages_share_come_only_where_there_is_nothing_else() -> None:
    same, other = passage("a", (1, 1)), passage("b", (1, 1))
    assert thinned([same, same, same, other], 3, 2) == (same, same, other)
    assert thinned([same, same, same], 3, 2) == (same, same, same)


@pytest.mark.parametrize(
    ("asked", "content"),
    [
        ("What is the rent? If there is none, then state that and explain why.", "What is the rent?"),
        ("What is the rent? Please answer in USD millions.", "What is the rent?"),
        ("What is the rent? Answer by relying on the details shown in the lease.", "What is the rent? the lease."),
        ("Use only the balance sheet. What is the cash?", "only the balance sheet. What is the cash?"),
        ("State the purpose of the fund.", "State the purpose of the fund."),
        ("If the roof leaks, who must repair it?", "If the roof leaks, who must repair it?"),
        ("What is EBITDA? Define it as income plus tax.", "What is EBITDA? Define it as income plus tax."),
        ("rent due", "rent due"),
    ],
)
def test_instructions_are_left_out_of_the_search(asked: str, content: str) -> None:
    assert content_of(asked) == content


def test_a_question_as_read() -> None:
    asked = read_question("How much did revenue grow from FY2021 to 2022, by 5,363?")
    assert asked.years == {"2021", "2022"}
    assert asked.numbers == {"5363"}
    assert asked.quantity
    assert not asked.reason
    assert {"revenu", "sale", "grow"} <= set(asked.terms)
    assert read_question("revenue", {}).terms == ("revenu",)
    why = read_question("Why did the margin fall?")
    assert why.reason
    assert not why.quantity


LABELS = {
    "AMERICANEXPRESS_2022_10K.pdf": "AMERICANEXPRESS 2022 10K",
    "PEPSICO_2021_10K.pdf": "PEPSICO 2021 10K",
    "PEPSICO_2022_10K.pdf": "PEPSICO 2022 10K",
    "ULTABEAUTY_2023Q4.pdf": "ULTABEAUTY 2023Q4: Ulta Beauty Announces Results",
    "policy.pdf": "Debian Policy Manual",
    "ibm.pdf": "International Business Machines annual report",
}


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("Did AMEX grow in 2022?", {"AMERICANEXPRESS_2022_10K.pdf"}),
        ("Did American Express' revenue grow?", {"AMERICANEXPRESS_2022_10K.pdf"}),
        ("What did Pepsi earn in FY2021?", {"PEPSICO_2021_10K.pdf"}),
        ("What did PepsiCo's division earn in FY2022?", {"PEPSICO_2022_10K.pdf"}),
        ("How many stores has Ulta?", {"ULTABEAUTY_2023Q4.pdf"}),
        ("What does IBM sell?", {"ibm.pdf"}),
        ("what does the debian policy say?", {"policy.pdf"}),
        ("What is the revenue in 2022?", set()),
        ("", set()),
    ],
)
def test_documents_that_a_question_names(question: str, meant: set[str]) -> None:
    strength = named_documents(question, LABELS).strength
    best = max(strength.values())
    assert {name for name, value in strength.items() if value and value == best} == meant
    assert all(0 <= value <= 1 for value in strength.values())


def test_two_names_are_two_documents_and_their_words_are_known() -> None:
    named = named_documents("Does AMEX or PepsiCo pay more tax in 2022?", LABELS)
    assert named.strength["AMERICANEXPRESS_2022_10K.pdf"] >= 0.6
    assert named.strength["PEPSICO_2022_10K.pdf"] >= 0.6
    assert named.words == {"amex", "pepsico"}
    assert named_documents("anything", {}).strength == {}


def test_a_word_without_a_capital_is_no_sure_name() -> None:
    assert 0 < named_documents("What is the dividend policy?", LABELS).strength["policy.pdf"] < 0.6


@pytest.mark.parametrize(
    ("question", "strength"), [("Did Busi grow?", True), ("Did busi grow?", False), ("Did Bus grow?", False)]
)
def test_only_a_word_with_a_capital_and_enough_letters_is_a_shortened_name(question: str, strength: bool) -> None:
    assert bool(named_documents(question, LABELS).strength["ibm.pdf"]) is strength


def test_a_name_that_all_documents_share_names_none() -> None:
    named = named_documents("What did Acme earn?", {"a.pdf": "Acme 2020", "b.pdf": "Acme 2021"})
    assert set(named.strength.values()) == {0.0}


def test_definitions_are_found_whatever_the_case_and_the_longer_term_first() -> None:
    assert definitions("What is the FREE CASH-FLOW?") == [ACCOUNTING["free cash flow"]]
    assert definitions("quick ratios") == [ACCOUNTING["quick ratio"]]
    assert definitions("the step was quick", ACCOUNTING) == []
    assert definitions("R&D&A and ebitdax") == []
    assert definitions("rent review", {"rent review": "open market rent"}) == ["open market rent"]
    assert definitions("rent review", {}) == []


def candidate(
    text: str, *, score: float = 1.0, context: str = "Report", number: int = 1, kind: Any = "text", ordinal: int = 0
) -> Candidate:
    return Candidate(Hit(("a.pdf", ordinal), score), Chunk(ordinal, kind, text, context, (Piece(0, len(text), number, 0),)))


def first(question: str, *candidates: Candidate) -> str:
    asked = read_question(question, {})
    best = max(zip(rerank(asked, candidates), candidates, strict=True), key=lambda each: each[0].score)
    return best[1].chunk.text


@pytest.mark.parametrize(
    ("question", "better", "worse"),
    [
        (
            "interest rate swaps",
            "Interest rate swaps are held.",
            "Swaps of land were usual in those early days before money. A rate of change was seldom great then. Few kept letters of interest.",
        ),
        ("revenue in 2021", "Revenue 2021", "Revenue 2020"),
        ("boiler repair costs", "Boiler repair and its costs.", "Costs of heating."),
    ],
)
def test_of_two_passages_that_score_alike_the_one_that_fits_comes_first(question: str, better: str, worse: str) -> None:
    one, other = candidate(better, ordinal=1), candidate(worse, ordinal=2, number=2)
    assert first(question, one, other) == better
    assert first(question, other, one) == better


def test_a_figure_is_looked_for_in_rows_and_a_reason_in_text() -> None:
    row = candidate("Sales | 2022 | 5", kind="row", ordinal=1)
    text = candidate("Sales 2022 5", ordinal=2, number=2)
    assert first("How much were sales in 2022?", row, text) == row.chunk.text
    assert first("Why did sales fall in 2022?", row, text) == text.chunk.text


def test_a_page_with_more_that_fits_comes_first() -> None:
    alone = candidate("Sales rose.", ordinal=1, number=1)
    supported = candidate("Sales fell.", ordinal=2, number=2)
    beside = candidate("Sales and more sales.", ordinal=3, number=2)
    seen = features(read_question("sales", {}), [alone, supported, beside])
    assert seen[0]["page"] == 0
    assert seen[1]["page"] > 0


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=20), st.floats(0, 100), st.integers(1, 3)), max_size=6),
    st.text(max_size=40),
)
def test_features_are_between_0_and_1_for_any_text(given_: list[tuple[str, str, float, int]], question: str) -> None:
    candidates = [
        candidate(text or "x", score=score, context=context, number=number, ordinal=at)
        for at, (text, context, score, number) in enumerate(given_)
    ]
    seen = features(read_question(question), candidates)
    assert len(seen) == len(candidates)
    assert all(set(each) == set(WEIGHTS) and all(-1e-9 <= value <= 1 + 1e-9 for value in each.values()) for each in seen)
    for hit in rerank(read_question(question), candidates):
        assert -1e-9 <= hit.score <= 1 + 1e-9


def by_definition(question: str, text: str, heading: str) -> tuple[float, float, float]:
    """Coverage, pairs and heading of a passage that is the only one and whose document is not named, from all of its terms."""
    asked, terms = read_question(question, {}).terms, terms_of(text)
    known, said = {*terms, *terms_of(f"Report\n{heading}")}, set(terms_of(heading.rpartition(" > ")[2]))
    at = {term: [place for place, each in enumerate(terms) if each == term] for term in asked}
    pairs = [any(abs(i - j) <= NEAR for i in at[one] for j in at[other]) for one, other in itertools.pairwise(asked)]
    # With one candidate every term that it holds is as rare as any other, and one that it lacks counts nothing.
    coverage = float(any(term in known for term in asked))
    return coverage, sum(pairs) / len(pairs) if pairs else 0.0, len(said & set(asked)) / len(said) if said else 0.0


SAID = st.lists(
    st.sampled_from(["organized", "organization", "relying", "reliable", "long-term", "debt", "FY2022", "5,363", "the", "of", "%", ">", "’s", "R&D", "ability"]),
    max_size=14,
).map(" ".join)  # fmt: skip


@given(SAID, SAID, SAID)
def test_features_are_those_of_all_terms_of_the_passage(question: str, text: str, heading: str) -> None:
    seen = features(read_question(question, {}), [candidate(text or "x", context=f"Report\n{heading}")])[0]
    assert (seen["coverage"], seen["pairs"], seen["heading"]) == pytest.approx(by_definition(question, text, heading))


def test_weights_of_nothing_but_the_fused_score_keep_the_order() -> None:
    candidates = [candidate(f"text {at}", score=float(at), ordinal=at) for at in range(5)]
    scored = rerank(read_question("text", {}), candidates, {"fused": 1.0})
    assert [hit.score for hit in scored] == [at / 4 for at in range(5)]
    assert replace(scored[0], score=0.0).key == ("a.pdf", 0)
