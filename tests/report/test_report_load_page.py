"""The page and the table of one load test."""

import io
import json
import re

import pytest
import sample_load
from rich.console import Console
from test_report_page import Reader

from bakeoff.decide.load_record import LoadDocument
from bakeoff.decide.record import ServingResult
from bakeoff.report import format as form
from bakeoff.report.load_page import SECTIONS, headline, load_page, shortened
from bakeoff.report.load_table import terminal
from bakeoff.report.page import LARGEST


@pytest.fixture(scope="module")
def document():
    return sample_load.load(samples=60)


@pytest.fixture(scope="module")
def text(document):
    return load_page(document)


def printed(document, width):
    out = io.StringIO()
    Console(file=out, width=width).print(terminal(document))
    return out.getvalue()


def test_the_result_is_the_first_heading_and_all_sentences_follow(text, document):
    reader = Reader(text)
    assert reader.tags.count("h1") == 1
    assert text.index("<h1") < min(text.index(f'<section id="{key}"') for key, _ in SECTIONS)
    for said in document.says:
        assert said in reader.text


def test_it_asks_for_nothing_and_holds_its_document(text, document):
    reader = Reader(text)
    assert "default-src 'none'" in text.replace("&#39;", "'")
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    assert LoadDocument.model_validate(json.loads(reader.json)) == document
    assert len(reader.ids) == len(set(reader.ids))
    for _, key, value in reader.attributes:
        if key in ("aria-labelledby", "aria-describedby") or (key == "href"):
            assert value.removeprefix("#") in reader.ids


def test_every_step_is_shown_with_its_figures(text, document):
    words = Reader(text).text
    result = document.result
    for step in [result.single, result.offline, *result.steps]:
        for name in form.FEWEST:
            assert form.load_percentile(step.total_seconds, name).split(" (")[0] in words
        assert form.count(step.requests) in words
    for shown in (
        "one at a time",
        "kept busy",
        "failed request",
        form.seconds(result.first_request_seconds),
        "Sent at 93%",
        "Seed 7",
    ):
        assert shown in words
    assert document.command in words


def test_invalid_steps_are_named_with_their_reason(text):
    part = re.search(r'<section id="validity".*?</section>', text, re.S)[0]
    assert "58/s: Sent at 93% of the rate asked for; 99% is the least." in Reader(part).text
    assert "Not all of it is valid" in Reader(text).text


def test_hostile_names_are_text(text):
    assert text.count("<script") == 2
    assert "finetuned-encoder</script><script>window.owned=1</script>" in Reader(text).text


def test_under_one_megabyte_with_large_histograms_and_says_so(document):
    large = sample_load.load(samples=400).model_copy(update={"histograms": {f"{i}/total": "QUJD" * 20_000 for i in range(30)}})
    shown = load_page(large)
    assert len(shown.encode()) < LARGEST and "single times and histograms are cut here" in shown
    json.loads(Reader(shown).json)


def test_requests_in_order_go_first_but_for_the_steps_that_are_drawn(document):
    whole = sample_load.load(samples=400)
    large = whole.model_copy(update={"histograms": {"0/total": "QUJD" * 155_000}})
    shown = load_page(large)
    held = LoadDocument.model_validate(json.loads(Reader(shown).json))
    assert len(shown.encode()) < LARGEST and held == shortened(large, 400, 400, orders=False, histograms=True) != large
    steps = [held.result.single, held.result.offline, *held.result.steps]
    assert [step.rate_per_second for step in steps if step.over_time] == [49.383, 67.901]
    figures = re.compile(r'<section id="order".*?</section>', re.S)
    assert figures.search(shown)[0] == figures.search(load_page(whole))[0]


def test_a_document_from_before_requests_were_kept_in_order_has_a_page_without_them(document):
    given = document.model_dump()
    for step in (given["result"]["single"], given["result"]["offline"], *given["result"]["steps"]):
        del step["over_time"]
    shown = load_page(LoadDocument.model_validate(given))
    assert 'id="order"' not in shown and "#order" not in shown and 'id="requests"' in shown


def test_the_smallest_and_a_failed_test_have_a_page(document):
    bare = document.model_copy(update={"result": ServingResult(approach=""), "says": [], "histograms": {}, "valid": True})
    assert "Nothing was measured." in Reader(load_page(bare)).text
    failed = bare.model_copy(update={"result": ServingResult(approach="", status="failed", failure="Connection refused.")})
    assert headline(failed) == "The load test failed: Connection refused."
    assert "No step was run." in Reader(load_page(failed)).text
    single = bare.model_copy(update={"result": ServingResult(approach="", single=document.result.single)})
    assert headline(single).startswith("One request at a time took ")


@pytest.mark.parametrize("gone", ["single", "offline", "steps", "highest_rate", "limit", "first_request_seconds"])
def test_any_part_may_be_missing(document, gone):
    empty = ServingResult.model_fields[gone].get_default(call_default_factory=True)
    bare = document.model_copy(update={"result": document.result.model_copy(update={gone: empty})})
    assert "<h1" in load_page(bare) and printed(bare, 100)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_fits_the_terminal_and_names_what_is_invalid(document, width):
    said = printed(document, width)
    assert max(map(len, said.splitlines())) <= width
    assert "Invalid: 58/s" in " ".join(said.split())
    assert re.search(r"49\.4/s .*kept", said)
    assert "\x1b" not in said
