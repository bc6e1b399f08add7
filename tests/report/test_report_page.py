import html
import json
import re
from html.parser import HTMLParser

import pytest
import sample

from bakeoff.decide.record import ApproachResult, Document, Range
from bakeoff.report import format as form
from bakeoff.report.memo import memo
from bakeoff.report.page import LARGEST, as_json, page, sections, shortened


class Reader(HTMLParser):
    """Collects tags, ids, visible text and the embedded JSON of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.attributes, self.words, self.json = [], [], [], [], ""
        self.inside = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]
        self.ids += [value for key, value in attrs if key == "id"]
        if tag in ("script", "style"):
            self.inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.words.append(data)
        elif self.inside[-1][1].get("id") == "document":
            self.json += data

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def document():
    return sample.document()


@pytest.fixture(scope="module")
def text(document):
    return page(document)


@pytest.fixture(scope="module")
def reader(text):
    return Reader(text)


def test_sections_stand_in_the_agreed_order(text, document):
    places = [text.index(f'<section id="{key}"') for key, _ in sections(document)]
    assert places == sorted(places)
    assert text.index('class="verdict"') < places[0]
    assert [key for key, _ in sections(document)] == [
        "evidence", "comparison", "differs", "mistakes", "learning", "latency", "calibration",
        "cost", "sensitivity", "pairs", "checks", "untested", "reproduce", "data",
    ]  # fmt: skip


def test_the_verdict_is_the_first_heading(reader, document):
    assert reader.tags.count("h1") == 1
    lead, rest = document.verdict.sentence.split(". ", 1)
    assert f"{lead}." in reader.text and rest in reader.text


def test_ids_are_unique_and_every_reference_has_its_target(reader):
    assert len(reader.ids) == len(set(reader.ids))
    for _, key, value in reader.attributes:
        if key in ("aria-labelledby", "aria-describedby"):
            assert value in reader.ids
        if key == "href":
            assert value.startswith("#") and value[1:] in reader.ids


def test_the_page_can_ask_for_nothing(text, reader):
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:" in html.unescape(text)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio"} & set(reader.tags)
    assert not [
        key for _, key, _ in reader.attributes if key in ("src", "srcset", "action", "background") or key.startswith("on")
    ]
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    assert "url(" not in style and "@import" not in style


def test_the_document_can_be_read_back_from_the_page(reader, document):
    assert Document.model_validate(json.loads(reader.json)) == document


def test_json_in_the_page_cannot_end_its_script(document):
    made = as_json(document)
    assert not set("<>&") & set(made) and made.isascii()
    assert made.count("\\u003cscript\\u003e") >= 1


def test_every_measured_figure_is_shown(reader, document):
    words = reader.text
    for a in document.approaches:
        for metric, value in a.metrics.items():
            show = form.metric_form(metric, document.study)
            assert show(value.mid) in words and show(value.high).rstrip("%") in words
        for value in a.per_seed.get("accuracy", []):
            assert form.percent(value) in words
        for name in ("p50", "p90", "p95", "p99"):
            assert form.percentile(a.latency_seconds, name).split(" (")[0] in words
        shown = [
            form.usd_range(a.usd_per_1000),
            form.usd_range(a.usd_per_day),
            form.interval(a.throughput_per_second, form.number),
            form.seconds(a.cold_start_seconds),
            form.seconds(a.fit_seconds),
            form.size(a.peak_bytes),
            form.size(a.model_bytes),
            form.number(a.tokens_in),
            form.count(a.answered),
            form.count(a.errors),
            form.count(a.abstained),
            *(form.share(p) for p in a.limits.values()),
        ]
        for figure in shown:
            assert figure.rstrip(")").split(" (")[0] in words, (a.name, figure)
    for pair in document.pairs:
        assert form.difference(pair.difference.mid, percent_points=True) in words
    for curve in document.curves:
        for point in curve.points:
            assert form.count(point.n_train) in words and form.percent(point.metric.mid) in words
    for said in (*document.not_tested, *document.curves_say, *document.verdict.would_change, *document.sensitivity.changes):
        assert said in words
    for check in document.checks:
        assert check.says in words and check.code in words
    for version in document.reproduce.versions.values():
        assert version in words
    assert document.reproduce.command in words


def test_a_check_that_could_not_run_is_never_shown_as_passed(text):
    entry = re.search(r'<li class="could_not_run">(.*?)</li>', text, re.S)[1]
    assert "Could not run" in entry and "BK005" in entry and "Passed" not in entry


def test_an_error_is_no_wrong_answer(text):
    assert re.search(r'<li class="none">.{0,120}no answer.{0,120}\(error\)', text, re.S)


def test_hostile_text_shows_as_text(text, reader, document):
    assert text.count("<script") == 2
    for mistake in document.mistakes.examples:
        if len(mistake.shown) < 400 and mistake.shown.isprintable() and mistake.shown.isascii():
            assert re.sub(r"\s+", " ", mistake.shown) in reader.text
    assert "\x00" not in text and "NUL here: ␀ and bell ␇" in reader.text
    assert "⟨U+202E⟩" in reader.text and "\u202e" not in text
    assert "(3,508 characters)" in reader.text
    assert "{{ 7*7 }}" in reader.text


def test_hostile_names_labels_and_settings_are_escaped():
    bad = "\"><script>window.owned=1</script><b x='"
    made = sample.document()
    renamed = made.model_dump()
    text = json.dumps(renamed)
    text = (
        text.replace('"tfidf-linear"', json.dumps(bad))
        .replace('"positive"', json.dumps(bad))
        .replace('"learning_rate"', json.dumps(bad))
    )
    shown = page(Document.model_validate_json(text))
    assert shown.count("<script") == 2
    assert "<b x" not in shown


def test_under_one_megabyte_at_the_stated_size():
    made = sample.document(samples=400, examples=60)
    eighth = made.approaches[-2].model_copy(update={"name": "eighth"})
    made = made.model_copy(update={"approaches": [*made.approaches[:-1], eighth]})
    assert len(made.approaches) == 8 and len(made.mistakes.examples) == 60
    assert len(made.approaches[0].latency_seconds.samples) == 400
    shown = page(made)
    assert len(shown.encode()) < 600_000
    assert "It was too long for one page" not in shown


def test_under_one_megabyte_whatever_the_document_holds():
    made = sample.document(samples=400, examples=60)
    huge = [
        m.model_copy(update={"shown": "x<&>" * 100_000, "answers": dict.fromkeys(m.answers, "y" * 50_000)})
        for m in made.mistakes.examples
    ]
    labels = [f"label {i}" for i in range(150)]
    view = {a.name: {"labels": labels, "counts": [[i * j % 7 for j in range(150)] for i in range(150)]} for a in made.approaches}
    made = made.model_copy(update={"mistakes": made.mistakes.model_copy(update={"examples": huge}), "views": {"confusion": view}})
    shown = page(made)
    assert len(shown.encode()) < LARGEST
    assert "It was too long for one page" in shown
    json.loads(Reader(shown).json)


def test_shortening_leaves_a_small_document_alone(document):
    from bakeoff.report.page import _SIZES

    assert shortened(document, _SIZES[0]) == document


def test_two_identical_approaches_are_never_ranked():
    shown = Reader(page(sample.twins())).text
    assert "the order is not a rank" in shown
    assert not re.search(r"\b(1st|2nd|first place|winner|#1|rank 1)\b", shown, re.I)
    table = re.search(r'<table class="main".*?</table>', page(sample.twins()), re.S)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
    ties = [re.findall(r"<td><bdi>(.*?)</bdi>", row)[0] for row in rows]
    assert ties == ["a", "a"]
    assert "equivalent" in shown and "Undecided" in shown


def test_swapping_two_identical_approaches_changes_no_tie():
    one = sample.twins()
    other = one.model_copy(update={"approaches": list(reversed(one.approaches))})
    body = re.compile(r'<script type="application/json".*', re.S)
    assert body.sub("", page(one)) == body.sub("", page(other))


def test_a_minimal_document_says_what_there_is_not():
    shown = Reader(page(sample.minimal())).text
    assert "Nothing was measured." in shown and "Nothing ran" in shown
    for words in (
        "No approach has a measured score",
        "No learning curve",
        "No times were measured",
        "No checks were run",
        "No pair was compared",
    ):
        assert words in shown
    assert "None" not in shown and "nan" not in shown.lower().split()


@pytest.mark.parametrize(
    "view", [None, [], {}, {"labels": ["a"]}, {"labels": ["a", "b"], "counts": [[1], [2]]}, {"labels": ["a"], "counts": [["x"]]}]
)
def test_a_view_that_is_no_matrix_is_left_out(view):
    made = sample.document(examples=2)
    shown = page(made.model_copy(update={"views": {"confusion": {"tfidf-linear": view}}}))
    assert "Confusion matrix of" not in shown


def test_many_labels_are_folded_and_rows_still_add_up():
    from bakeoff.report.mistakes import confusions

    labels = [f"label {i}" for i in range(30)]
    counts = [[(i * 31 + j * 17) % 9 + (40 if i == j else 0) for j in range(30)] for i in range(30)]
    made = sample.document(examples=2).model_copy(
        update={"views": {"confusion": {"majority": {"labels": labels, "counts": counts}}}}
    )
    matrix = confusions(made)[0]
    assert len(matrix.rows) == 12 and matrix.folded == 19
    assert matrix.n == sum(map(sum, counts)) == sum(matrix.totals)
    assert [sum(s.n for s in row) for row in matrix.squares] == list(matrix.totals)


def test_other_answers_and_no_answers_have_columns_of_their_own():
    from bakeoff.report.mistakes import OUTSIDE, UNANSWERED, confusions

    view = {"labels": ["a", "b"], "counts": [[5, 1], [0, 7]], "other": [2, 1], "unanswered": [0, 3]}
    made = sample.document(examples=2).model_copy(update={"views": {"confusion": {"majority": view}}})
    matrix = confusions(made)[0]
    assert list(matrix.columns) == ["a", "b", "(other answer)", "(no answer)"]
    assert list(matrix.totals) == [8, 11] and (matrix.right, matrix.n) == (12, 19)
    assert [(s.n, s.column) for s in matrix.squares[1]] == [(0, 0), (7, 1), (1, OUTSIDE), (3, UNANSWERED)]


def test_figures_that_are_not_finite_are_shown_as_missing():
    made = sample.document(examples=2)
    first = made.approaches[0].model_copy(update={"cold_start_seconds": float("nan"), "fit_seconds": float("inf")})
    shown = page(made.model_copy(update={"approaches": [first, *made.approaches[1:]]}))
    assert json.loads(Reader(shown).json)["approaches"][0]["cold_start_seconds"] is None
    assert not re.search(r"\bnan\b|\binf\b", Reader(shown).text)


@pytest.mark.parametrize("field", [name for name, info in ApproachResult.model_fields.items() if not info.is_required()])
def test_any_part_of_a_result_may_be_missing(field):
    made = sample.document(examples=2, samples=50)
    default = ApproachResult.model_fields[field].get_default(call_default_factory=True)
    bare = made.model_copy(update={"approaches": [a.model_copy(update={field: default}) for a in made.approaches]})
    assert "<h1" in page(bare)
    assert memo(bare)


def test_names_that_are_no_approach_do_no_harm():
    made = sample.document(examples=3)
    kept = [a for a in made.approaches if a.name in ("majority", "tfidf-linear")]
    shown = page(made.model_copy(update={"approaches": kept}))
    assert "llm-few-shot" in shown and memo(made.model_copy(update={"approaches": kept}))


def test_a_metric_that_is_no_percentage_and_better_when_lower():
    made = sample.document(examples=2)
    study = sample.study(metric="log_loss", metric_title="Log loss", percent=False, higher_is_better=False, margin=0.01)
    pairs = [p.model_copy(update={"metric": "log_loss"}) for p in made.pairs]
    shown = Reader(page(made.model_copy(update={"study": study, "pairs": pairs, "curves": []}))).text
    assert "0.010 above the lowest measured value" in shown
    assert "Log loss, ↓ better" in shown
    assert "0.364 (0.343 to 0.385)" in shown


def test_endless_and_touching_intervals():
    made = sample.document(examples=2)
    odd = Range(mid=5000, low=0, high=float("inf"), n=20)
    flat = Range(mid=0.5, low=0.5, high=0.5, n=1)
    results = [
        a.model_copy(update={"metrics": {"accuracy": flat}, "usd_per_1000": Range(mid=0, low=0, high=0, n=1)})
        for a in made.approaches
    ]
    events = [b.model_copy(update={"volume_per_day": odd}) for b in made.break_evens]
    shown = page(made.model_copy(update={"approaches": results, "break_evens": events}))
    assert not re.search(r'(?:d|x|y|cx|cy|width|height)="[^"]*(?:nan|inf)', shown)


def test_many_labels_show_one_matrix_open_and_the_rest_folded_away():
    labels = [f"label {i}" for i in range(8)]
    view = {"labels": labels, "counts": [[5 if i == j else 1 for j in range(8)] for i in range(8)]}
    made = sample.document(examples=2)
    shown = page(made.model_copy(update={"views": {"confusion": dict.fromkeys(sample.NAMES, view)}}))
    assert shown.count("<summary>Confusion matrix of") == len(sample.NAMES) - 1


def test_break_evens_of_the_choice_are_drawn_and_all_stand_in_the_table():
    shown = page(sample.document())
    cost = re.search(r'<section id="cost".*?</section>', shown, re.S)[0]
    chart = re.search(r"<svg.*?</svg>", cost, re.S)[0]
    assert "against llm-few-shot" in chart and "llm-zero-shot" not in chart
    assert "tfidf-linear and llm-zero-shot" in cost and "3,150" in cost
