"""Metrics of cited answers, against cases worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData
from bakeoff.tasks.documents.made.made_truth import Place
from bakeoff.tasks.documents.quality.evaluate import (
    READ_WORDS,
    abstention,
    best_f1,
    clustered,
    gains,
    is_correct,
    is_right,
    metrics,
    ndcg_at,
    page_rank,
    recall_at,
    reciprocal_rank,
    reply_of,
)
from bakeoff.tasks.documents.quality.evaluate_citations import box_score, gold_share, judge, on_page, supports, text_inside
from bakeoff.tasks.documents.quality.evaluate_values import (
    Date,
    contains,
    dates,
    normal_words,
    quantities,
    says,
    share_of,
    token_f1,
)
from bakeoff.tasks.documents.quality.question_file import Gold, Question, as_item
from bakeoff.tasks.documents.records import Page


def passage(document: str, page: int, text: str = "", **more: Any) -> dict[str, Any]:
    return {"document": document, "page": page, "text": text, "score": 1.0, **more}


def cited(text: str, *quotes: str, document: str = "a.pdf", page: int = 1) -> dict[str, Any]:
    return {"text": text, "citations": [{"document": document, "page": page, "quote": quote, "boxes": []} for quote in quotes]}


def reply(*statements: dict[str, Any], passages: tuple[dict[str, Any], ...] = (), abstained: bool = False) -> dict[str, Any]:
    return {"abstained": abstained, "statements": list(statements), "passages": list(passages)}


ONE = Question(
    "q", "What is the rent?", "number", ("£412,500",), gold=(Gold("a.pdf", 4, "a rent of £412,500 a year payable quarterly"),)
)
TWO = Question(
    "q",
    "What were assets and debts?",
    "number",
    ("5",),
    gold=(Gold("a.pdf", 4, "assets 9", 0), Gold("b.pdf", 2, "assets 9", 0), Gold("a.pdf", 7, "debts 4", 1)),
)


# --- retrieval ---------------------------------------------------------------------------------------------------------


def test_pages_rank_by_their_first_passage_and_count_once() -> None:
    got = reply(passages=(passage("a.pdf", 3), passage("a.pdf", 3), passage("b.pdf", 1), passage("a.pdf", 8, pages=[8, 9])))
    assert page_rank(got) == [("a.pdf", 3), ("b.pdf", 1), ("a.pdf", 8), ("a.pdf", 9)]


def test_recall_and_ranks_by_hand() -> None:
    got = reply(passages=(passage("a.pdf", 1), passage("b.pdf", 4), passage("a.pdf", 4)))
    assert [recall_at(ONE, got, k) for k in (1, 2, 3)] == [0.0, 0.0, 1.0]
    assert reciprocal_rank(ONE, got) == pytest.approx(1 / 3)
    assert ndcg_at(ONE, got, 10) == pytest.approx(1 / math.log2(4))
    assert recall_at(ONE, reply(), 5) == reciprocal_rank(ONE, reply()) == ndcg_at(ONE, reply(), 10) == 0.0


def test_places_of_one_part_are_alternatives_and_parts_are_all_needed() -> None:
    one = reply(passages=(passage("b.pdf", 2), passage("a.pdf", 4)))
    assert recall_at(TWO, one, 5) == 0.5 and gains(TWO, one, "page") == [1, 0]
    both = reply(passages=(passage("b.pdf", 2), passage("x.pdf", 1), passage("a.pdf", 7)))
    assert recall_at(TWO, both, 5) == 1.0 and recall_at(TWO, both, 2) == 0.5
    ideal = 1 + 1 / math.log2(3)
    assert ndcg_at(TWO, both, 10) == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    assert ndcg_at(TWO, reply(passages=(passage("b.pdf", 2), passage("a.pdf", 7))), 10) == pytest.approx(1.0)


def test_a_page_with_two_parts_is_the_best_first_page() -> None:
    question = Question("q", "?", "number", ("5",), gold=(Gold("a.pdf", 1, "", 0), Gold("a.pdf", 1, "", 1)))
    assert gains(question, reply(passages=(passage("a.pdf", 1),)), "page") == [2]
    assert ndcg_at(question, reply(passages=(passage("a.pdf", 1),)), 10) == pytest.approx(1.0)


def test_a_passage_counts_only_with_the_quote_on_the_right_page() -> None:
    right = passage("a.pdf", 4, "The tenant pays a rent of £412,500 a year, payable quarterly, in advance.")
    assert recall_at(ONE, reply(passages=(right,)), 1, "passage") == 1.0
    for wrong in (
        passage("a.pdf", 5, right["text"]),
        passage("b.pdf", 4, right["text"]),
        passage("a.pdf", 4, "The tenant pays rent."),
    ):
        assert recall_at(ONE, reply(passages=(wrong,)), 1, "passage") == 0.0
    # Most of a long quote will do, since a chunk may end inside it; a passage that begins on the page before has it too.
    assert recall_at(ONE, reply(passages=(passage("a.pdf", 4, "a rent of £412,500 a year payable"),)), 1, "passage") == 1.0
    assert recall_at(ONE, reply(passages=(passage("a.pdf", 3, right["text"], pages=[3, 4]),)), 1, "passage") == 1.0


def test_a_question_without_gold_has_no_retrieval_score() -> None:
    question = Question("q", "Who?", "name", answerable=False)
    got = reply(passages=(passage("a.pdf", 1),))
    assert recall_at(question, got, 5) is reciprocal_rank(question, got) is ndcg_at(question, got, 5) is None


@given(st.lists(st.tuples(st.sampled_from(["a.pdf", "b.pdf"]), st.integers(1, 8)), max_size=12), st.integers(1, 12))
def test_retrieval_scores_are_shares_and_grow_with_k(ranked: list[tuple[str, int]], k: int) -> None:
    got = reply(passages=tuple(passage(document, page) for document, page in ranked))
    for question in (ONE, TWO):
        low, high = recall_at(question, got, k), recall_at(question, got, k + 1)
        gain = ndcg_at(question, got, k)
        assert low is not None and high is not None and gain is not None
        assert 0 <= low <= high <= 1 and -1e-12 <= gain <= 1 + 1e-12
        rank = reciprocal_rank(question, got)
        assert rank is not None and (rank > 0) == (recall_at(question, got, 100) > 0)  # type: ignore[operator]


# --- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer", "unit", "right"),
    [
        ("Revenue | 2022 | 5,363 USD million", "5.363 billion dollars", "", True),
        ("about 5.36 billion dollars", "5,363", "USD million", True),
        ("about 5.4 billion dollars", "5,363", "USD million", False),
        ("$5,363", "5,363", "USD million", False),  # three powers of a thousand out
        ("5,363", "5,363", "USD million", True),  # a bare cell, as printed
        ("5,363 USD thousand", "5,363", "USD million", False),
        ("5,363 EUR million", "5,363", "USD million", False),
        ("5363 million", "5,363 USD million", "", True),
        ("€1.2m", "1.2 million euros", "", True),
        ("1.2 m", "1.2 metres", "", True),
        ("interest at 4.5 per cent", "4%", "", False),
        ("interest at 4.0%", "4 per cent", "", True),
        ("2.1 percentage points", "2.1 per cent", "", False),
        ("within thirty (30) days", "30 days", "", True),
        ("within thirty months", "30 days", "", False),
        ("within forty-two days", "42 days", "", True),
        ("a loss of (12.3)", "12.3", "", True),
        ("-12.3", "12.3", "", False),
        ("–5 degrees", "-5", "", True),
        ("10 working days", "ten days", "", False),
        ("ten working days", "10 working days", "", True),
        ("KV-440 needs 9 diameters", "440", "", False),
        ("see clause 4.2.1", "4.2", "", False),
        ("clauses 12 to 14", "13", "", False),
        ("12–14 days", "14 days", "", True),
        ("no number here", "13", "", False),
        ("20.5 mm", "20.5", "mm", True),
        ("20.5 cm", "20.5", "mm", False),
    ],
)
def test_a_number_is_right_with_its_unit_and_scale(said: str, answer: str, unit: str, right: bool) -> None:
    assert says(said, answer, "number", unit) is right


def test_tolerance_is_a_share_of_the_right_value() -> None:
    assert not says("104 days", "100 days", "number")
    assert says("104 days", "100 days", "number", tolerance=0.05)


@given(st.integers(100, 999_999), st.sampled_from(["USD", "EUR", "GBP"]))
def test_a_figure_says_itself_in_every_scale(number: int, unit: str) -> None:
    assert says(f"{number / 1000:.6f} {unit} billion", f"{number:,}", "number", f"{unit} million")
    assert says(f"{number:,} {unit} million", f"{number:,}", "number", f"{unit} million")
    assert not says(f"{number:,} {unit} thousand", f"{number:,}", "number", f"{unit} million")
    assert not says(f"{number + 1:,} {unit} million", f"{number:,}", "number", f"{unit} million")


def test_dates_are_read_in_the_ways_people_write_them() -> None:
    day = Date(2023, 3, 14)
    for text in (
        "14 March 2023",
        "March 14, 2023",
        "2023-03-14",
        "the 14th day of March 2023",
        "14th of Mar. 2023",
        "14 MARCH, 2023",
    ):
        assert dates(text) == [day], text
    assert dates("in March 2023") == [Date(2023, 3, 0)] and dates("32 March 2023") == [Date(2023, 3, 0)]
    assert says("on March 14, 2023", "14 March 2023", "date") and not says("on 15 March 2023", "14 March 2023", "date")
    assert says("on 14 March 2023", "March 2023", "date") and not says("in March 2023", "14 March 2023", "date")


def test_names_and_texts_are_compared_by_their_words() -> None:
    assert says("It is governed by the laws of England and Wales.", "England and Wales", "name")
    assert not says("Wales and England", "England and Wales", "name")
    long = "the estate road, the visitor parking bays, the bin store and the landscaped areas"
    assert says("Common parts are the bin store, landscaped areas, the visitor parking bays and the estate road", long, "text")
    assert not says("Common parts are the estate road", long, "text")
    assert not says("anything", "", "text")
    assert normal_words("The U.S. dollar’s 1,284.6%") == ["u", "s", "dollar's", "1284.6", "%"]
    assert contains(["a", "b", "c"], ["b", "c"]) and not contains(["a", "b"], ["b", "a"]) and not contains(["a"], [])
    assert share_of(["x", "x", "y"], ["x", "y"]) == pytest.approx(2 / 3)


def test_token_f1_by_hand() -> None:
    assert token_f1("the cat sat", "cat sat down") == pytest.approx(2 * 2 / 5)
    assert token_f1("", "") == 1.0 and token_f1("x", "") == 0.0


@given(st.text(max_size=60))
def test_no_text_breaks_the_readers(text: str) -> None:
    for quantity in quantities(text):
        assert math.isfinite(quantity.value)
    dates(text)
    assert token_f1(text, text) == 1.0
    if normal_words(text):
        assert says(text, text, "text")


# --- answers -----------------------------------------------------------------------------------------------------------


def test_right_answers_and_right_abstentions() -> None:
    unanswerable = Question("u", "Who?", "name", answerable=False)
    right, wrong = reply(cited("The rent is £412,500.")), reply(cited("The rent is £412,000."))
    none = reply(abstained=True)
    assert is_correct(ONE, right) and not is_correct(ONE, wrong) and not is_correct(ONE, none)
    assert is_correct(unanswerable, none) and not is_correct(unanswerable, right)


def test_whoever_pours_out_pages_is_not_thereby_right() -> None:
    flood = " ".join(["word"] * READ_WORDS)
    assert not is_right(ONE, reply(cited(flood), cited("The rent is £412,500.")))
    assert is_right(ONE, reply(cited("word " * (READ_WORDS - 10)), cited("The rent is £412,500.")))


def test_yes_or_no_by_word_or_by_the_sentence_that_decides() -> None:
    question = Question(
        "q",
        "May part be underlet?",
        "yes-no",
        ("yes",),
        gold=(Gold("a.pdf", 1, "The Tenant may underlet one part of the Premises"),),
    )
    assert is_right(question, reply(cited("Yes, one part.")))
    assert not is_right(question, reply(cited("No.")))
    assert is_right(question, reply(cited("The Tenant may underlet one part of the Premises, at the market rent.")))
    assert not is_right(question, reply(cited("The Tenant shall keep the Premises in repair.")))
    assert not is_right(question, reply(cited("No. The Tenant may underlet one part of the Premises.")))


def test_a_name_may_be_spread_over_statements_and_a_number_may_not() -> None:
    name = Question("q", "?", "text", ("mild steel drums with lids",), gold=(Gold("a.pdf", 1),))
    assert is_right(name, reply(cited("Mild steel drums"), cited("with lids")))
    assert not is_right(ONE, reply(cited("£412"), cited(",500")))
    assert best_f1(name, reply(cited("mild steel drums with lids"))) == 1.0 and best_f1(name, reply()) == 0.0


def test_abstentions_are_counted_in_four_boxes() -> None:
    unanswerable = Question("u", "Who?", "name", answerable=False)
    asked = [ONE, ONE, unanswerable, unanswerable, unanswerable]
    found = abstention(
        asked, [reply(cited("x")), reply(abstained=True), reply(cited("x")), reply(abstained=True), reply(abstained=True)]
    )
    assert (found.answerable_answered, found.answerable_declined, found.unanswerable_answered, found.unanswerable_declined) == (
        1,
        1,
        1,
        2,
    )
    assert found.declined_rightly == pytest.approx(2 / 3) and found.declined_wrongly == 0.5
    assert math.isnan(abstention([ONE], [reply(cited("x"))]).declined_rightly)
    with pytest.raises(BadData):
        abstention([ONE], [])


# --- citations ---------------------------------------------------------------------------------------------------------


def test_support_is_verbatim_or_figures_negation_and_words() -> None:
    quote = "The Tenant shall pay a rent of £412,500 a year by equal quarterly payments, and shall not deduct anything."
    assert supports("a rent of £412,500 a year", [quote])
    assert supports("The Tenant pays £412,500 in equal quarterly payments.", [quote.replace("shall pay", "pays")])
    assert not supports("The Tenant shall pay a rent of £412,600 a year", [quote])
    assert not supports("The Tenant shall pay a rent of €412,500 a year", [quote])
    assert not supports("The Landlord shall never repair the roof of Unit 7", [quote])
    assert not supports("The rent begins on 14 March 2023", [quote]) and not supports("", [quote]) and not supports("rent", [])
    assert supports("Assets were 9 and debts 4", ["Assets were 9", "debts were 4"])
    positive = "The Tenant may underlet one part of the premises at the market rent"
    assert not supports(positive.replace("may", "may not"), [positive])


def test_citation_recall_and_precision_by_hand() -> None:
    # Supported by the first quote alone; the second is of no use: it does not support, and without it the rest still does.
    useless = judge(reply(cited("The rent is £5.", "The rent is £5.", "The roof is sound.")))
    assert (useless.recall, useless.precision) == (1.0, 0.5)
    # Neither supports alone and both are needed: both are precise.
    joint = judge(reply(cited("Assets were 9 and debts were 4", "Assets were 9", "debts were 4")))
    assert (joint.recall, joint.precision) == (1.0, 1.0)
    # Two that each support are both precise (ALCE counts only the irrelevant ones out).
    twice = judge(reply(cited("The rent is £5.", "The rent is £5.", "We say: the rent is £5.")))
    assert (twice.recall, twice.precision) == (1.0, 1.0)
    # A statement that is not supported has recall 0, and so has the precision of its citations.
    wrong = judge(reply(cited("The rent is £6.", "The rent is £5."), cited("The rent is £5.", "The rent is £5.")))
    assert (wrong.recall, wrong.precision) == (0.5, 0.5)
    # No citation: recall 0, and there is nothing to be precise.
    bare = judge(reply(cited("The rent is £5.")))
    assert bare.recall == 0.0 and bare.precision is None
    assert judge(reply(abstained=True)).recall is None


def test_a_quote_that_is_not_on_its_page_supports_nothing() -> None:
    pages = {("a.pdf", 1): "The rent is\n£5 a year."}
    got = reply(cited("The rent is £5 a year.", "The rent is £5 a year."), cited("The rent is £6.", "The rent is £6."))
    assert judge(got).recall == 1.0
    found = judge(got, page_text=lambda document, page: pages[document, page])
    assert (found.recall, found.precision) == (0.5, 0.5)
    assert not on_page({"document": "a.pdf", "page": 1, "quote": " "}, lambda *_: "anything")


def test_another_judge_can_be_asked() -> None:
    found = judge(reply(cited("x", "y")), support=lambda statement, quotes: statement == "x" and list(quotes) == ["y"])
    assert (found.recall, found.precision) == (1.0, 1.0)


def test_citations_of_gold_pages_are_counted() -> None:
    got = reply(cited("x", "y", "z", page=4), cited("x", "y", page=5))
    assert gold_share(ONE, got) == pytest.approx(2 / 3)
    assert gold_share(ONE, reply()) is None and gold_share(Question("u", "?", answerable=False), got) is None


def test_boxes_are_compared_by_area_and_by_the_text_inside() -> None:
    text = "ab cd"
    rows = [[10, 10, 20, 20], [20, 10, 30, 20], [np.nan] * 4, [10, 30, 20, 40], [20, 30, 30, 40]]
    page = Page(1, 100, 100, text, np.array(rows, dtype=np.float32))
    place = Place("f", "a.pdf", 1, "ab cd", ((10, 10, 30, 20), (10, 30, 30, 40)))
    same = box_score(place.boxes, place, page)
    assert same.iou == 1.0 and same.exact
    half = box_score([(10, 10, 30, 20)], place, page)
    assert half.iou == pytest.approx(0.5, abs=0.03) and not half.exact
    assert text_inside([(10, 30, 30, 40)], page) == "cd"
    assert box_score([], place, page).iou == 0.0


# --- the task's metrics ------------------------------------------------------------------------------------------------


def answer_of(*statements: dict[str, Any], abstained: bool = False, passages: tuple[dict[str, Any], ...] = ()) -> Answer:
    value = None if abstained else {"statements": list(statements)}
    return Answer(value, abstained=abstained, details={"passages": list(passages), "support": 0.5})


def scored(question: Question, answer: Answer) -> dict[str, float | None]:
    item = as_item(question)
    return {name: metric.per_item(item, answer) for name, metric in metrics().items() if metric.per_item is not None}


def test_the_primary_metric_scores_abstentions_and_answers_alike() -> None:
    every = metrics()
    assert next(iter(every)) == "correct" and every["correct"].abstentions
    assert all(metric.name == name and (metric.low, metric.high) == (0.0, 1.0) and metric.title for name, metric in every.items())
    unanswerable = Question("u", "Who?", "name", answerable=False)
    assert scored(ONE, answer_of(cited("£412,500")))["correct"] == 1.0
    assert scored(ONE, answer_of(abstained=True))["correct"] == 0.0
    assert scored(unanswerable, answer_of(abstained=True))["correct"] == 1.0
    assert scored(unanswerable, answer_of(cited("x")))["correct"] == 0.0


def test_only_metrics_that_say_so_score_an_abstention() -> None:
    got = scored(ONE, answer_of(abstained=True, passages=(passage("a.pdf", 4),)))
    for name, metric in metrics().items():
        assert metric.abstentions or got[name] is None, name
    assert got["page_recall_5"] == got["mrr"] == 1.0 and got["abstained_wrong"] == 1.0 and got["abstained_right"] is None


def test_every_metric_of_one_answer_by_hand() -> None:
    quote = "a rent of £412,500 a year payable quarterly"
    answer = answer_of(cited(quote, quote, page=4), passages=(passage("b.pdf", 1), passage("a.pdf", 4, quote)))
    got = scored(ONE, answer)
    assert got["answered_right"] == got["citation_precision"] == got["citation_recall"] == got["citation_gold"] == 1.0
    assert got["page_recall_5"] == got["passage_recall_5"] == 1.0 and got["mrr"] == 0.5
    assert got["ndcg_10"] == pytest.approx(1 / math.log2(3))
    assert got["abstained_wrong"] == 0.0 and got["abstained_right"] is None


def test_whole_page_citations_of_peers_are_scored_by_the_same_rules() -> None:
    page = "Lots of words. " * 20 + "The Tenant pays a rent of £412,500 a year. " + "More words. " * 20
    got = scored(ONE, answer_of(cited("The Tenant pays a rent of £412,500 a year.", page, page=4)))
    assert got["citation_recall"] == got["citation_precision"] == got["citation_gold"] == 1.0


def test_metrics_need_the_target() -> None:
    with pytest.raises(BadData):
        metrics()["correct"].per_item(Item("q", "What?"), answer_of(cited("x")))  # type: ignore[misc]


def test_a_reply_is_read_from_an_answer() -> None:
    answer = answer_of(cited("x"), passages=(passage("a.pdf", 1),))
    assert reply_of(answer) == {"abstained": False, "statements": [cited("x")], "passages": [passage("a.pdf", 1)], "support": 0.5}
    assert reply_of(Answer(error="broken")) == {"abstained": False, "statements": [], "passages": [], "support": None}


def test_intervals_resample_documents() -> None:
    scores = [float(n % 12 < 6) for n in range(240)]
    together = [Question(f"q{n}", "?", gold=(Gold(f"{n % 12}.pdf", 1),), answers=("x",)) for n in range(240)]
    apart = [Question(f"q{n}", "?", gold=(Gold(f"{n}.pdf", 1),), answers=("x",)) for n in range(240)]
    few, many = clustered(scores, together), clustered(scores, apart)
    assert few.mid == many.mid == 0.5 and (few.n, many.n) == (12, 240)
    # A document's questions stand and fall together here: there are twelve independent things, not 240.
    assert few.high - few.low > 3 * (many.high - many.low)
    assert clustered([None, *[1.0] * 239], apart).n == 239
