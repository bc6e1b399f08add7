"""Sections that a study has to ask for: there in full where it did, and not a trace of them where it did not."""

import html
import json
import re

import pytest
import sample
import sample_load
from test_report_page import Reader

from bakeoff.decide.record import Document, Range
from bakeoff.report import format as form
from bakeoff.report import hard_cases, plain_words
from bakeoff.report.memo import memo
from bakeoff.report.page import _SIZES, ASKED_FOR, LARGEST, SECTIONS, page, sections, shortened
from bakeoff.report.tables import limits_cell

PARTS = ("serving", "edge_sets", "consistency", "hosted", "matrix")


@pytest.fixture(scope="module")
def document():
    return sample_load.served()


@pytest.fixture(scope="module")
def text(document):
    return page(document)


@pytest.fixture(scope="module")
def reader(text):
    return Reader(text)


def section(text, key):
    return re.search(rf'<section id="{key}".*?</section>', text, re.S)[0]


def without(document, *parts):
    empty = {part: Document.model_fields[part].get_default(call_default_factory=True) for part in parts}
    return document.model_copy(update=empty)


def test_a_document_without_them_has_no_such_section_link_or_heading():
    for made in (sample.document(samples=20, examples=2), sample.minimal(), sample.twins()):
        shown, said = page(made), memo(made)
        for key, title in SECTIONS:
            assert (f'<section id="{key}"' in shown) == (key not in ASKED_FOR)
            assert (f'href="#{key}"' in shown) == (key not in ASKED_FOR)
            if key in ASKED_FOR:
                assert title not in Reader(shown).text and title not in said


def test_with_all_of_them_every_section_stands_in_the_agreed_order(text, document):
    of_other_studies = ("agents", "changes", "insight", "training")
    wanted = [(key, title) for key, title in SECTIONS if key not in of_other_studies]
    assert sections(document) == wanted
    places = [text.index(f'<section id="{key}"') for key, _ in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("part", "key"),
    [("serving", "load"), ("edge_sets", "hard"), ("consistency", "agreement"), ("hosted", "hosted"), ("matrix", "decision")],
)
def test_each_part_stands_and_falls_alone(document, part, key):
    least = without(document, *(p for p in PARTS if p != part))
    least = least.model_copy(update={"approaches": sample.document(samples=20, examples=2).approaches})
    assert {k for k, _ in sections(least)} & ASKED_FOR == {key}
    assert f'<section id="{key}"' in page(least) and memo(least)


def test_ids_are_unique_and_every_reference_has_its_target(reader):
    assert len(reader.ids) == len(set(reader.ids))
    for _, key, value in reader.attributes:
        if key in ("aria-labelledby", "aria-describedby"):
            assert value in reader.ids


def test_the_document_can_be_read_back_from_the_page(reader, document):
    """All of it but the requests in their order, which no figure here needs: they go first where a page is too large."""
    held = Document.model_validate(json.loads(reader.json))
    assert held != document and held == shortened(document, _SIZES[1])
    steps = [step for server in held.serving for step in (server.single, server.offline, *server.steps) if step is not None]
    assert steps and not any(step.over_time for step in steps) and all(step.total_seconds.samples for step in steps)
    assert "the single requests of each step in their order are left out here" in reader.text
    few = document.model_copy(update={"serving": document.serving[:2]})
    shown = Reader(page(few))
    assert Document.model_validate(json.loads(shown.json)) == few and "left out here" not in shown.text


def test_every_figure_of_the_servers_is_shown(text, document):
    words = Reader(section(text, "load")).text
    for server in document.serving:
        assert server.approach in words
        for step in [*server.steps, *filter(None, (server.single, server.offline))]:
            for name in form.FEWEST:
                assert form.load_percentile(step.total_seconds, name).split(" (")[0] in words
            for value in (step.rate_per_second, step.achieved_per_second, step.completed_per_second):
                assert value is None or form.rate(value) in words
            assert form.count(step.requests) in words
            for reason in step.invalid_because:
                assert reason.rstrip(".") in words
        for value in (server.start_seconds, server.first_request_seconds):
            assert form.seconds(value) in words
        assert form.size(server.peak_bytes) in words
        if server.highest_rate:
            assert form.rate(server.highest_rate.mid) in words
    assert "The server did not answer /healthz within 60 s." in words
    assert "Energy could not be measured: This machine shows no energy counter" in words
    assert "the moment at which the schedule says that a request is due" in words


def test_an_invalid_step_is_shown_as_invalid_with_its_reason_and_never_as_kept(text, document):
    (tfidf,) = [s for s in document.serving if s.approach == "tfidf-linear"]
    (wrong,) = [s for s in tfidf.steps if not s.valid]
    load = section(text, "load")
    assert f"<strong>Invalid.</strong> <bdi>tfidf-linear, {form.rate(wrong.rate_per_second)}: The client was late" in load
    row = next(r for r in re.findall(r"<tr.*?</tr>", load, re.S) if form.rate(wrong.rate_per_second) in r and "invalid" in r)
    assert "kept" not in row and "not judged" not in row
    kept = tfidf.model_copy(update={"steps": [s.model_copy(update={"outcome": "kept"}) for s in tfidf.steps]})
    shown = page(document.model_copy(update={"serving": [kept]}))
    assert "462/s p95 190 ms invalid" in html.unescape(shown)


def test_a_percentile_with_too_few_requests_is_never_a_number(text):
    assert "n too small" in section(text, "load") and "failed request" in section(text, "load")


def test_energy_is_shown_where_it_was_measured(document):
    first = document.serving[0].model_copy(
        update={"joules_per_item": sample.ratio(0.0123), "energy_says": "RAPL package domain, idle subtracted."}
    )
    words = Reader(section(page(document.model_copy(update={"serving": [first, *document.serving[1:]]})), "load")).text
    assert "12.3 mJ" in words and "Energy could not be measured" not in words


def test_every_kind_is_shown_with_its_share_interval_and_n(text, document):
    words = Reader(section(text, "hard")).text
    for edge in document.edge_sets:
        for kind, what in edge.kinds.items():
            assert kind in words and what in words
        for rows in edge.results.values():
            for k in rows:
                if k.accuracy:
                    a = k.accuracy
                    small = ", small" if k.judged < hard_cases.SMALL else ""
                    assert f"{a.mid:.0%} {a.low * 100:.0f} to {a.high * 100:.0f} n {k.judged}{small}" in words
                if k.flip_rate:
                    assert f"{k.flip_rate.mid:.0%}" in words and f"{k.flips} of {k.pairs}" in words
    assert "no right answer" in words
    assert "21 of 143 flips" in words


def test_the_text_of_a_heat_cell_is_there_and_the_shade_repeats_it(text):
    cells = re.findall(r'<td style="--s:([\d.]+)">(\d+)%', section(text, "hard"))
    assert len(cells) > 100
    assert all(abs(float(shade) * 100 - int(shown)) <= 0.5 for shade, shown in cells)


def test_flips_show_the_change_what_was_right_and_what_it_did(text):
    hard = section(text, "hard")
    assert "the <del>acting</del> was" in hard and "the <ins>actnig</ins> was" in hard
    entry = next(e for e in re.findall(r"<li data-approach.*?</li>", hard, re.S) if "typos-7" in e)
    words = Reader(entry).text
    assert "negative → became (error)" in words.replace("  ", " ") or re.search(r"negative\s+→\s*became\s+\(error\)", words)
    assert "right: " in words


def test_hostile_text_in_hard_inputs_shows_as_text(text, reader):
    assert text.count("<script") == 2
    assert "Not a bad film, was it? <script>document.title='owned'" in reader.text


def test_consistency_says_what_and_how_often(text, document):
    words = Reader(section(text, "agreement")).text
    for c in document.consistency:
        assert c.says in words
        for value in (c.alone.raw, c.alone.parsed, c.concurrent.raw, c.concurrent.parsed, c.kept_under_changes):
            assert form.interval(value, form.percent).split(" (")[0] in words
        if c.formats:
            for name, value in c.formats.metric.items():
                assert name in words and form.percent(value.mid) in words
    assert "has no prompt" in words


def test_the_table_of_hosted_models_itself_says_that_quality_was_not_measured(text, document):
    hosted = section(text, "hosted")
    for h in document.hosted:
        row = next(r for r in re.findall(r"<tr.*?</tr>", hosted, re.S) if f"<bdi>{h.model}</bdi>" in r and "list price" in r)
        assert "not measured" in row
        assert form.usd(h.usd_per_1000) in row and form.usd(h.usd_per_day) in row and h.as_of in row
        for b in h.break_evens:
            assert html.escape(b.says) in hosted
    assert re.search(r"<caption>[^<]*quality not measured", hosted)
    assert document.hosted[0].tokens_from in Reader(hosted).text


def test_the_matrix_shows_level_value_weight_anchors_and_totals(text, document):
    decision = section(text, "decision")
    words = Reader(decision).text
    for row in document.matrix.rows:
        assert row.title in words and row.unit in words
        for cell in row.cells.values():
            if cell.value is not None:
                assert f"{cell.value:.2f}" in words
                assert f'style="--v:{cell.value:.3f}"' in decision
    for total in document.matrix.totals.values():
        assert f"{total:.2f}" in words
    assert "70.0% is worth 0, 95.0% is worth 1" in words
    assert re.search(r"Arithmetic.{0,60}operations per item.{0,20}none", words)
    head = re.search(r"<thead>.*?</thead>", decision, re.S)[0]
    assert re.search(r'chosen-column">(?:(?!</th>).)*finetuned-encoder(?:(?!</th>).)*choice', head, re.S)


def test_operations_are_shown_with_how_they_were_counted_and_what_is_left_out(text):
    words = Reader(section(text, "arithmetic")).text
    for shown in ("1.31 GFLOP", "41 kFLOP", "0 FLOP", "counted by torch's flop counter", "tokenizing", "Not drawn"):
        assert shown in words


def test_under_one_megabyte_with_many_steps_flips_and_kinds(document):
    rows = [sample_load.server(name, i, 400) for i, name in enumerate(sample_load.SERVED)]
    hostile = [
        f.model_copy(update={"base": "x<&>" * 3_000, "shown": "y<&>" * 30_000}) for f in sample_load.flips(sample.NAMES, 60)
    ]
    sets = [e.model_copy(update={"flips": hostile, "flips_of": 5_000}) for e in document.edge_sets]
    many = document.model_copy(
        update={
            "serving": [s.model_copy(update={"steps": s.steps * 8}) for s in rows],
            "edge_sets": sets * 3,
            "mistakes": sample.mistakes(list(sample.NAMES), 60),
        }
    )
    shown = page(many)
    assert len(shown.encode()) < LARGEST
    assert "It was too long for one page" in shown
    json.loads(Reader(shown).json)


def test_a_usual_document_keeps_its_single_times_and_flips_on_the_page(document):
    rows = [sample_load.server(name, i, 400) for i, name in enumerate(sample_load.SERVED)]
    kept = json.loads(Reader(page(document.model_copy(update={"serving": rows}))).json)
    assert all(len(s["single"]["total_seconds"]["samples"]) >= 40 for s in kept["serving"])
    assert [len(e["flips"]) for e in kept["edge_sets"]] == [21, 3]


@pytest.mark.parametrize(
    "changes", [{"results": {}}, {"overall": {}}, {"flips": [], "flips_of": 9}, {"kinds": {}}, {"items": 0, "judged": 0}]
)
def test_any_part_of_a_set_may_be_missing(document, changes):
    sets = [e.model_copy(update=changes) for e in document.edge_sets]
    bare = document.model_copy(update={"edge_sets": sets})
    assert '<section id="hard"' in page(bare) and memo(bare)


@pytest.mark.parametrize(
    "field", ["single", "offline", "steps", "highest_rate", "limit", "context", "peak_bytes", "start_seconds"]
)
def test_any_part_of_a_server_may_be_missing(document, field):
    empty = type(document.serving[0]).model_fields[field].get_default(call_default_factory=True)
    bare = document.model_copy(update={"serving": [s.model_copy(update={field: empty}) for s in document.serving]})
    assert '<section id="load"' in page(bare) and memo(bare)


def test_parts_of_consistency_may_be_missing(document):
    for gone in ("alone", "concurrent", "formats", "kept_under_changes"):
        rest = [c.model_copy(update={gone: None}) for c in document.consistency]
        assert memo(document.model_copy(update={"consistency": rest})) and page(document.model_copy(update={"consistency": rest}))
    none = [
        c.model_copy(update=dict.fromkeys(("alone", "concurrent", "formats", "kept_under_changes"))) for c in document.consistency
    ]
    assert "Does it agree with itself?" in page(document.model_copy(update={"consistency": none}))


def test_names_that_are_no_approach_do_no_harm(document):
    kept = [a for a in document.approaches if a.name in ("majority", "tfidf-linear")]
    bare = document.model_copy(update={"approaches": kept})
    assert "llm-few-shot" in page(bare) and memo(bare)


def test_of_many_kinds_the_worst_are_seen_first_and_all_are_there(document):
    edge = document.edge_sets[0]
    kinds = {f"kind-{i:02d}": "what it is" for i in range(20)}
    results = {
        name: [sample_load.kind(k, 20, 5 + i % 15, 20, (i * 7) % 20) for i, k in enumerate(kinds)]
        for name in ("tfidf-linear", "majority")
    }
    many = edge.model_copy(update={"kinds": kinds, "results": results})
    (hard,) = hard_cases.hard_cases(document.model_copy(update={"edge_sets": [many]}))
    first = [kind for kind, _, _ in hard.hardest.rows]
    assert first[:4] == ["kind-00", "kind-15", "kind-01", "kind-16"] and first[-1] == hard_cases.ALL
    assert next(kind for kind, _, _ in hard.shakiest.rows) == "kind-17", "19 of 20"
    assert [kind for kind, _, _ in hard.right.rows] == [*kinds, hard_cases.ALL]
    few = hard_cases.hard_cases(document)
    assert all(h.hardest is None and h.shakiest is None for h in few)


def test_a_rate_that_was_tried_twice_is_two_signs_and_one_point_of_the_line(document):
    server = sample_load.server("finetuned-encoder", 2, 20)
    again = server.model_copy(update={"steps": [*server.steps, server.steps[0]]})
    shown = section(page(document.model_copy(update={"serving": [again]})), "load")
    chart = re.search(r'<svg role="img".*?</svg>', shown, re.S)[0]
    line = re.search(r'<path class="c\d trace"[^>]* d="([^"]*)"', chart)[1]
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", line)]
    assert xs == sorted(set(xs))


def test_times_of_an_invalid_single_stream_are_marked_as_such(document):
    server = sample_load.server("finetuned-encoder", 2, 20)
    wrong = server.single.model_copy(update={"valid": False, "invalid_because": ["The client was late."]})
    shown = Reader(
        section(page(document.model_copy(update={"serving": [server.model_copy(update={"single": wrong})]})), "load")
    ).text
    assert "invalid: one at a time" in shown and "finetuned-encoder (invalid)" in shown
    assert re.search(r"15\.\d ms invalid", shown)


def test_the_memo_says_who_was_right_on_more_hard_inputs_than_the_choice() -> None:
    made = sample_load.served()
    chosen = made.verdict.choice or ""
    assert "right on more" not in plain_words.hard(made)[0]
    edge = next(one for one in made.edge_sets if one.source == "written")
    other = next(name for name in edge.overall if name != chosen)
    better = edge.overall[other].model_copy(update={"accuracy": Range(mid=0.91, low=0.85, high=0.95, n=87)})
    changed = edge.model_copy(update={"overall": {**edge.overall, other: better}})
    told = plain_words.hard(made.model_copy(update={"edge_sets": [changed]}))[0]
    assert told.endswith(f"On the whole set {other} was right on more: 91 of 100 (likely between 85 and 95).")


def test_a_limit_that_was_not_measured_is_named_where_it_keeps_an_approach_outside() -> None:
    result = sample_load.served().approaches[0]
    met = result.model_copy(update={"limits": {"p95 latency <= 1 s": 0.99}, "within_limits": False})
    asked = ["p95 latency <= 1 s", "served rate >= 5/s"]
    assert limits_cell(met, asked).note == "not measured: served rate >= 5/s"
    assert limits_cell(met.model_copy(update={"within_limits": True}), asked).note == "99% sure"
    assert limits_cell(met.model_copy(update={"limits": {"p95 latency <= 1 s": 0.01}}), asked[:1]).note == "1% sure"
