"""Extracted answers: what is said is what is printed, and it is what was asked for."""

from __future__ import annotations

from collections.abc import Callable

import adversarial_base
import numpy as np
import pytest
from adversarial_base import TableSpec, page_of_blocks

from bakeoff.errors import BadData
from bakeoff.tasks.documents.index.chunk import make_chunks
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Page, Passage
from bakeoff.tasks.documents.reply.answer import extract
from bakeoff.tasks.documents.reply.candidates import candidates_near
from bakeoff.tasks.documents.reply.evidence import quotes_of
from bakeoff.tasks.documents.reply.ranking import rank
from bakeoff.tasks.documents.reply.verify import verify

PAGES = adversarial_base.pages()


def page_of(document: str, number: int) -> Page:
    if (document, number) not in PAGES:
        raise BadData("no such page")
    return PAGES[document, number]


def of(pages: dict[tuple[str, int], Page]) -> Callable[[str, int], Page]:
    """As a store gives pages."""

    def page(document: str, number: int) -> Page:
        if (document, number) not in pages:
            raise BadData("no such page")
        return pages[document, number]

    return page


def passages_for(question: str, pages: dict[tuple[str, int], Page] = PAGES, limit: int = 10) -> list[Passage]:
    """The chunks that share most terms with a question, weighted by rarity: a stand-in for retrieval."""
    chunks = []
    for name in dict.fromkeys(document for document, _ in pages):
        own = [page for (document, _), page in sorted(pages.items()) if document == name]
        chunks += [(name, chunk, set(terms_of(f"{chunk.context}\n{chunk.text}"))) for chunk in make_chunks(name, name, own)]
    wanted = set(terms_of(question))
    weight = {term: 1 / (1 + sum(term in terms for _, _, terms in chunks)) for term in wanted}
    scored = [(sum(weight[term] for term in wanted & terms), name, chunk) for name, chunk, terms in chunks]
    scored.sort(key=lambda each: (-each[0], each[1], each[2].ordinal))
    top = scored[0][0] or 1.0
    return [Passage(name, name, chunk, score / top) for score, name, chunk in scored[:limit] if score > 0]


ASKED = [
    ("How much is the security deposit?", "$37,500"),
    ("What was the effective tax rate in 2022?", "16.1%"),
    ("Who acquired Tallow Creek Foods?", "Meridian Snacks Company"),
    ("What is the maximum operating pressure of the pump?", "6 bar"),
    ("How many patients were enrolled?", "1,284"),
    ("When did the acquisition of Tallow Creek Foods close?", "April 4, 2022"),
    ("What was cost of sales in 2021?", "37,075 USD million"),
    ("How heavy is the P-500 without packaging?", "27.0 kg"),
    ("What is the monthly rent in Year 3?", "$13,261"),
    ("What must never be connected to the network?", "Private laptops"),
    ("What is the approval limit of the finance director for travel?", "10,000 EUR"),
    ("Beverages revenue in Europe in 2022", "7,012 USD million"),
    ("What does the warranty not cover?", "wear parts"),
    ("Which law governs the lease?", "Oregon"),
]


@pytest.mark.parametrize(("question", "answer"), ASKED)
def test_the_first_statements_answer(question, answer):
    reply = extract(question, passages_for(question), page_of, threshold=0.0, most=3)
    assert any(answer in statement.text for statement in reply.statements), [each.text for each in reply.statements]


@pytest.mark.parametrize("question", [question for question, _ in ASKED])
def test_statements_are_verbatim_and_pass_the_verifier(question):
    passages = passages_for(question)
    reply = extract(question, passages, page_of, threshold=0.0)
    assert reply.statements and not reply.abstained
    for statement in reply.statements:
        for citation in statement.citations:
            page = page_of(citation.document, citation.page)
            flat = " ".join(page.text.split())
            assert citation.boxes
            # The words of the citation are the statement's, and each stands on the page.
            for part in statement.text.split(" | "):
                figure = part.split(" USD")[0].split(" EUR")[0].removesuffix(" %")
                assert " ".join(figure.split()) in flat or statement.text == " ".join(citation.quote.split())
    chosen = [each for each in rank(question, passages, page_of).candidates if each.text in {s.text for s in reply.statements}]
    for candidate in chosen:
        assert verify(candidate.text, candidate.quotes(page_of), page_of), candidate.text


def test_boxes_are_those_of_the_words():
    question = "How much is the security deposit?"
    statement = extract(question, passages_for(question), page_of, threshold=0.0, most=1).statements[0]
    citation = statement.citations[0]
    page = page_of(citation.document, citation.page)
    start = page.text.index(citation.quote)
    inside = page.boxes[start : start + len(citation.quote)]
    inside = inside[~np.isnan(inside).any(axis=1)]
    x0, y0, x1, y1 = (np.array([box[side] for box in citation.boxes]) for side in range(4))
    for left, top, right, bottom in inside:
        assert ((x0 <= left) & (y0 <= top) & (x1 >= right) & (y1 >= bottom)).any()


def test_a_named_period_picks_its_column():
    reply = extract(
        "What was gross profit in 2021?", passages_for("What was gross profit in 2021?"), page_of, threshold=0.0, most=1
    )
    assert reply.statements[0].text == "Gross profit | 2021 | 42,399 USD million"
    assert "2022" not in reply.statements[0].citations[0].quote


def test_a_row_without_a_named_period_shows_all_columns():
    reply = extract("What was the gross profit?", passages_for("What was the gross profit?"), page_of, threshold=0.0, most=1)
    assert (
        reply.statements[0].text
        == "Gross profit | 2022 | 45,816 USD million | 2021 | 42,399 USD million | 2020 | 38,575 USD million"
    )


def test_an_item_comes_with_the_words_that_introduce_it():
    question = "May the tenant change the locks?"
    reply = extract(question, passages_for(question), page_of, threshold=0.0, most=1)
    assert reply.statements[0].text == "Without the consent of the Landlord the Tenant shall not: (b) change the locks; or"


def test_a_definition_is_preferred_where_one_is_asked_for():
    pages = {
        ("a.pdf", 1): page_of_blocks(
            1,
            [
                (
                    "paragraph",
                    'The Premises are let to the tenant. "Premises" means the second floor of 118 Canal Street. The Premises were painted.',
                )
            ],
        )
    }
    reply = extract("What does Premises mean?", passages_for("What does Premises mean?", pages), of(pages), threshold=0.0, most=1)
    assert reply.statements[0].text.startswith('"Premises" means')


def test_nothing_is_said_twice():
    words = "The rent is $500 per month. The lease is long."
    pages = {(f"{name}.pdf", 1): page_of_blocks(1, [("paragraph", words)]) for name in "abc"}
    reply = extract("What is the rent?", passages_for("What is the rent?", pages), of(pages), threshold=0.0, most=4)
    assert [each.text for each in reply.statements].count("The rent is $500 per month.") == 1


def test_statements_that_differ_in_a_figure_are_both_said():
    pages = {
        ("a.pdf", 1): page_of_blocks(
            1,
            [
                (
                    "paragraph",
                    "The monthly rent for the office in 2021 was $500. The monthly rent for the office in 2022 was $520.",
                )
            ],
        )
    }
    reply = extract(
        "What was the monthly rent for the office?", passages_for("monthly rent office", pages), of(pages), threshold=0.0
    )
    assert len(reply.statements) == 2


def test_low_support_abstains_and_shows_the_nearest():
    passages = passages_for("Who won the chess championship of Reykjavik?") or passages_for("the premises")
    reply = extract("Who won the chess championship of Reykjavik?", passages, page_of, threshold=0.78)
    assert reply.abstained and reply.statements == () and reply.passages == tuple(passages) and reply.support < 0.78


def test_nothing_found_abstains():
    reply = extract("What is the rent?", [], page_of, threshold=0.0)
    assert reply.abstained and reply.support == 0.0


def test_support_is_the_same_whatever_the_threshold():
    question = ASKED[0][0]
    replies = [extract(question, passages_for(question), page_of, threshold=threshold) for threshold in (0.0, 0.5, 1.0)]
    assert len({reply.support for reply in replies}) == 1
    assert [reply.abstained for reply in replies] == [False, replies[0].support < 0.5, True]


def test_at_most_as_many_as_asked_for():
    for most in (1, 2, 5):
        assert (
            len(
                extract(
                    "What did the Company report in 2022?",
                    passages_for("What did the Company report in 2022?"),
                    page_of,
                    threshold=0.0,
                    most=most,
                ).statements
            )
            <= most
        )
    with pytest.raises(BadData):
        extract("x", [], page_of, threshold=0.0, most=0)
    with pytest.raises(BadData):
        extract("x", [], page_of, threshold=1.5)


def test_the_same_question_gives_the_same_reply():
    passages = passages_for(ASKED[1][0])
    one, other = (extract(ASKED[1][0], passages, page_of, threshold=0.0) for _ in range(2))
    assert one.statements == other.statements and one.support == other.support


def test_an_embedder_counts_where_one_is_given():
    pages = {("a.pdf", 1): page_of_blocks(1, [("paragraph", "The dog of the house barked. The hound of the house slept.")])}

    class Likes:
        name, dimensions = "likes", 2

        def encode(self, texts):
            return np.array(
                [[0.0, 1.0] if "hound" in text or text.startswith("Which") else [1.0, 0.0] for text in texts], dtype=np.float32
            )

    question = "Which animal of the house?"
    found = passages_for("house animal", pages)
    first = extract(question, found, of(pages), threshold=0.0, most=1, embedder=Likes()).statements[0].text
    assert first == "The hound of the house slept."


def test_a_sentence_over_two_pages_is_cited_on_both():
    pages = {
        ("a.pdf", 1): page_of_blocks(1, [("paragraph", "The tenant pays rent. The deposit of the tenant is")]),
        ("a.pdf", 2): page_of_blocks(2, [("paragraph", "kept in a bank account. The end.")]),
    }
    passage = passages_for("Where is the deposit of the tenant kept?", pages)
    reply = extract("Where is the deposit of the tenant kept?", passage, of(pages), threshold=0.0, most=1)
    assert reply.statements[0].text == "The deposit of the tenant is kept in a bank account."
    assert [citation.page for citation in reply.statements[0].citations] == [1, 2]


def test_quotes_of_a_chunk_are_found_at_their_place():
    for passage in passages_for("gross profit rent dividend", limit=20):
        for quote in quotes_of(passage.chunk, 0, len(passage.chunk.text), passage.document, page_of):
            page = page_of(quote.document, quote.page)
            assert " ".join(page.text[span.start : span.end] for span in quote.spans) == quote.text


def test_a_quote_that_is_not_in_the_passage_finds_nothing():
    passage = passages_for("How much is the security deposit?")[0]
    assert list(candidates_near(0, passage, page_of, "security deposit of $37,500"))
    assert not list(candidates_near(0, passage, page_of, "security deposit of $37,501"))


def test_a_row_chunk_of_a_table_that_is_gone_is_passed_over():
    spec = TableSpec("T", "", (("", "A", "B"), ("Length", "1 m", "2 m"), ("Width", "3 m", "4 m")))
    pages = {("a.pdf", 1): page_of_blocks(1, [("caption", "T"), spec])}
    passages = passages_for("What is the length of B?", pages)
    bare = {("a.pdf", 1): page_of_blocks(1, [("paragraph", pages["a.pdf", 1].text.replace("\n", " "))])}
    extract("What is the length of B?", passages, of(bare), threshold=0.0)
    assert "2 m" in extract("What is the length of B?", passages, of(pages), threshold=0.0).statements[0].text
