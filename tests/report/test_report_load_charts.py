"""The charts of a load test: signs, limits, lanes, and what is never drawn as something else."""

import re
import xml.etree.ElementTree as ET

import pytest
import sample
import sample_load

from bakeoff.decide import record as r
from bakeoff.report import agreement, arithmetic, decision, hard_cases, hosted, load_page, serving
from bakeoff.report.charts import load, svg
from bakeoff.report.palette import Look

NS = "{http://www.w3.org/2000/svg}"
LOOK = Look(2, "diamond")


@pytest.fixture(scope="module")
def document():
    return sample_load.served()


def figures(document):
    rows, test = serving.served(document), sample_load.load()
    made = {
        "rates": serving.rates(rows),
        "times": serving.distribution(rows),
        "agreement": agreement.agreement(document),
        "arithmetic": arithmetic.arithmetic(document),
        "hosted": hosted.hosted(document),
        "totals": decision.decision(document).figure,
        "load-times": load_page.distribution(test),
        "load-requests": load_page.requests(test),
        "load-order": load_page.order(test)[0],
        "load-stall": load_page.order(test)[1],
        "load-rates": serving.rates([load_page._row(test)], "rates-chart"),
    }
    return made | {h.ident: h.figure for h in hard_cases.hard_cases(document)}


@pytest.fixture(scope="module")
def drawn(document):
    return figures(document)


def parsed(text):
    return ET.fromstring(str(text).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_every_chart_is_an_image_with_title_description_and_a_table_beside_it(drawn):
    assert len(drawn) == 13
    for name, figure in drawn.items():
        for drawing in (figure.wide, figure.narrow):
            root = parsed(drawing)
            assert root.get("role") == "img", name
            title, says = root.find(f"{NS}title"), root.find(f"{NS}desc")
            assert title.get("id") == root.get("aria-labelledby") and title.text
            assert re.search(r"\d", says.text), name
        assert figure.table.rows and all(len(row) == len(figure.table.head) for row in figure.table.rows), name
        assert figure.caption


def test_nothing_is_drawn_outside_the_picture_or_with_more_than_one_decimal(drawn):
    for name, figure in drawn.items():
        for drawing in (figure.wide, figure.narrow):
            root = parsed(drawing)
            _, _, width, height = (float(v) for v in root.get("viewBox").split())
            for element in root.iter():
                for key, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                    if element.get(key) is not None:
                        assert -0.5 <= float(element.get(key)) <= most + 0.5, (name, ET.tostring(element))
            for value in re.findall(r'\b(?:d|x|y|cx|cy|r|width|height)="([^"]*)"', str(drawing)):
                assert not re.search(r"\.\d\d|nan|inf", value), (name, value)


def test_charts_are_the_same_text_each_time(document, drawn):
    again = figures(document)
    assert {name: (f.wide, f.narrow) for name, f in again.items()} == {name: (f.wide, f.narrow) for name, f in drawn.items()}


def test_a_chart_holds_at_most_2000_points():
    figure = load_page.distribution(sample_load.load(samples=2000))
    assert str(figure.wide).count("H") <= svg.MOST_POINTS
    assert load_page.requests(sample_load.load(samples=2000)).wide.count("h0") <= svg.MOST_POINTS


def one(state, rate=10.0, tail=0.2, **changes):
    return load.AtRate(rate, 0.1, tail, state, f"{rate} {state}", **changes)


def draw(*steps, limit=0.5, width=860):
    row = load.Rates("server-a", LOOK, tuple(steps))
    return load.rates(
        "t", [row], width=width, tail="p95", limit=limit, limit_says="limit: p95 at most 500 ms", title="t", says="1"
    )


@pytest.mark.parametrize("width", [860, 328])
def test_every_state_has_a_sign_of_its_own_and_its_word_in_the_legend(width):
    steps = [one(state, 2.0 * (i + 1)) for i, state in enumerate(load.STATES)]
    root = parsed(draw(*steps, width=width))
    words = {t.text for t in root.iter(f"{NS}text")}
    assert set(load.STATES) <= words
    signs = {load.sign(0, 0, state, 1) for state in load.STATES}
    assert len(signs) == len(load.STATES)


def test_a_line_joins_valid_steps_only():
    steps = (one("kept", 1.0, 0.1), one("invalid", 2.0, 0.3), one("broken", 4.0, 0.9))
    root = parsed(draw(*steps))
    path = next(p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "c2 trace")
    assert path.count("L") == 1
    marks = [e for e in root.iter() if e.find(f"{NS}title") is not None and e.find(f"{NS}title").text == "2.0 invalid"]
    assert len(marks) == 1 and marks[0].get("class").endswith("hollow")


def test_a_percentile_on_a_failed_request_is_an_arrow_at_the_top_and_no_point():
    root = parsed(draw(one("kept", 1.0), one("broken", 4.0, None, endless=True)))
    marks = [e for e in root.iter() if e.find(f"{NS}title") is not None and e.find(f"{NS}title").text == "4.0 broken"]
    assert len(marks) == 1
    assert float(re.match(r"M[\d.]+ ([\d.]+)", marks[0].get("d"))[1]) < 80


def test_the_limit_stands_where_its_seconds_are():
    root = parsed(draw(one("kept", 1.0, 0.5), one("kept", 4.0, 0.5)))
    limit = next(p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "reference")
    y = float(limit.split()[1].split("L")[0])
    points = [float(c.get("cy")) for c in root.iter(f"{NS}circle") if c.find(f"{NS}title") is not None]
    assert points == pytest.approx([y, y], abs=0.2)


def test_a_curve_of_a_server_that_fails_requests_never_reaches_the_top():
    def top(share):
        curve = load.Times("a", LOOK, "whole answer", (0.1, 0.2, 0.3, 0.4), share)
        text = load.cumulative("t", [curve], [], width=860, title="t", says="1")
        path = next(p.get("d") for p in parsed(text).iter(f"{NS}path") if p.get("class") == "c2 trace")
        return min(float(v) for v in re.findall(r"V([\d.]+)", path))

    assert top(0.5) > top(1.0) + 50


def test_known_times_lie_on_the_curve_at_their_quantiles():
    curve = load.Times("a", LOOK, "whole answer", tuple(0.001 * 10 ** (i / 50) for i in range(101)))
    text = load.cumulative("t", [curve], [], width=860, title="t", says="1")
    root = parsed(text)
    path = next(p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "c2 trace")
    pairs = [(float(x), float(y)) for x, y in re.findall(r"H([\d.]+)V([\d.]+)", path)]
    tick = {t.text: float(t.get("x")) for t in root.iter(f"{NS}text") if t.get("class") == "tick"}
    bottom, top = 310.0, 58.0
    x, y = pairs[50]
    assert x == pytest.approx(tick["10 ms"], abs=0.2)
    assert y == pytest.approx(bottom + (top - bottom) * 51 / 101, abs=0.2)


def test_the_first_request_is_a_mark_below_the_axis_and_no_part_of_a_curve():
    curve = load.Times("a", LOOK, "whole answer", (0.1, 0.2))
    drawn = load.cumulative("t", [curve], [load.First("a", LOOK, 5.0)], width=860, title="t", says="1")
    root = parsed(drawn)
    mark = next(
        e for e in root.iter(f"{NS}path") if e.find(f"{NS}title") is not None and "first request" in e.find(f"{NS}title").text
    )
    assert float(re.match(r"M[\d.]+ ([\d.]+)", mark.get("d"))[1]) > 310


def in_order(*points, limit=0.5, width=860):
    return parsed(
        load.timeline(
            "t", "At 10/s", points, LOOK, width=width, limit=limit, limit_says="limit: p95 at most 500 ms", title="t", says="1"
        )
    )


def dots(root):
    """The marks of answered requests; the first of all is the one in the legend."""
    paths = [p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "c2 dot"]
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", "".join(paths))][1:]


def crosses(root):
    return [p for p in root.iter(f"{NS}path") if p.get("class") == "c1 mark"]


@pytest.mark.parametrize("width", [860, 328])
def test_each_request_is_one_mark_where_its_moment_and_its_time_are(width):
    points = [(0.5 * i, 0.01) for i in range(8)] + [(4.0, 1.0), (4.5, None), (5.0, 0.1)]
    root = in_order(*points, width=width)
    marks = dots(root)
    assert len(marks) == 10 and len(crosses(root)) == 2, "a failed request is a cross, and another one is in the legend"
    ticks = [t for t in root.iter(f"{NS}text") if t.get("class") == "tick"]
    beside, below = ({t.text: t for t in ticks if t.get("text-anchor") == where} for where in ("end", "middle"))
    # A tick's words stand 4 px below the line that they name.
    assert marks[0][1] == pytest.approx(float(beside["10 ms"].get("y")) - 4, abs=0.2)
    assert marks[8][1] == pytest.approx(float(beside["1 s"].get("y")) - 4, abs=0.2)
    assert marks[0][0] == pytest.approx(float(below["0 s"].get("x")), abs=0.2)
    assert marks[8][0] == pytest.approx(float(below["4 s"].get("x")), abs=0.2)
    limit = next(p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "reference")
    assert marks[8][1] < float(limit.split()[1].split("L")[0]) < marks[-1][1]
    slowest = next(t for t in root.iter(f"{NS}text") if t.text == "1.00 s")
    assert abs(float(slowest.get("y")) - marks[8][1]) < 12 and abs(float(slowest.get("x")) - marks[8][0]) < 12


def test_failed_requests_lie_above_every_time_and_have_a_word():
    root = in_order((0.0, 0.1), (1.0, None), (2.0, 90.0))
    words = {t.text for t in root.iter(f"{NS}text")}
    assert {"answered", "failed"} <= words
    below = min(y for _, y in dots(root))
    legend, mark = sorted(float(re.match(r"M[\d.]+ ([\d.]+)", p.get("d"))[1]) for p in crosses(root))
    assert legend < mark < below - 10
    none = in_order((0.0, 0.1), (1.0, 0.2))
    assert not crosses(none) and "failed" not in {t.text for t in none.iter(f"{NS}text")}


@pytest.mark.parametrize("width", [860, 328])
@pytest.mark.parametrize("slowest", [0.35, 0.42, 0.49, 0.51, 0.6, 5.0])
@pytest.mark.parametrize("at", [0, 5, 39])
def test_the_words_of_the_slowest_stand_on_no_other_words_and_not_on_the_limit(width, slowest, at):
    root = in_order(*((i / 4, slowest if i == at else 0.02) for i in range(40)), width=width)
    named = [t for t in root.iter(f"{NS}text") if t.get("class") == "tick halo"]
    limit = next(p.get("d") for p in root.iter(f"{NS}path") if p.get("class") == "reference")
    line = float(limit.split()[1].split("L")[0])
    words = next(t for t in root.iter(f"{NS}text") if t.text.startswith("limit"))
    assert len(named) == 1
    y, x, other = float(named[0].get("y")), float(named[0].get("x")), float(words.get("y"))
    assert not y - 8 < line < y
    reach = (x, x + 40) if named[0].get("text-anchor") is None else (x - 40, x)
    start = float(words.get("x")) - (150 if words.get("text-anchor") == "end" else 0)
    assert abs(y - other) > 9 or reach[1] < start or reach[0] > start + 150


@pytest.mark.parametrize("points", [[(0.0, 0.1)], [(0.0, None)], [(0.0, None), (3.0, None)], [(0.0, 0.0), (1.0, 1e-6)]])
def test_odd_steps_are_drawn_in_order_too(points):
    root = in_order(*points, limit=None)
    assert not [p for p in root.iter(f"{NS}path") if p.get("class") == "reference"]
    assert len(dots(root)) + max(0, len(crosses(root)) - 1) == len(points)


def shaped(times, *, rate=10.0, p50=None, outcome="broken", valid=True, errors=0, requests=None):
    ended = sorted(t for t in times if t is not None)
    return r.LoadStep(
        scenario="server", arrivals="constant", rate_per_second=rate, seconds=len(times) / rate, requests=requests or len(times),
        completed=len(ended), errors=errors or times.count(None), valid=valid, outcome=outcome,
        total_seconds=r.Percentiles(p50=p50 or ended[(len(times) + 1) // 2 - 1], n=len(times), samples=ended),
        over_time=[(i / rate, t) for i, t in enumerate(times)],
    )  # fmt: skip


CALM = [0.02, 0.03, 0.025, 0.03] * 40


def stall(seconds, every=0.1, before=80, tail=60):
    """A server that stands still for `seconds`: each later request waits that much less."""
    return CALM[:before] + [max(0.02, seconds - i * every) for i in range(int(seconds / every))] + CALM[:tail]


def chosen(*steps):
    result = r.ServingResult(approach="", limit="p95 latency <= 500 ms", steps=list(steps))
    return [step.rate_per_second for step in load_page.in_order(result)]


def test_the_highest_kept_step_and_the_worst_stall_are_drawn_in_order():
    kept = [shaped(CALM, rate=rate, outcome="kept") for rate in (5.0, 20.0)]
    assert chosen(*kept) == [20.0]
    assert chosen(*kept, shaped(stall(2.0), rate=8.0), shaped(stall(5.0), rate=9.0)) == [20.0, 9.0]
    # An invalid step says little of the server: a valid one goes before it.
    assert chosen(*kept, shaped(stall(2.0), rate=8.0), shaped(stall(5.0), rate=9.0, valid=False)) == [20.0, 8.0]
    assert chosen(*kept, shaped(stall(5.0), rate=9.0, valid=False)) == [20.0, 9.0]
    # In the step at the highest kept rate, the stall is in the first figure already.
    assert chosen(kept[0], shaped(stall(1.0), rate=20.0, outcome="kept")) == [20.0]
    assert chosen(shaped(CALM, outcome="kept").model_copy(update={"over_time": []})) == []


def test_what_is_no_stall_gets_no_figure_of_its_own():
    kept = shaped(CALM, rate=20.0, outcome="kept")
    spiky = shaped([*CALM, 0.45], rate=30.0)  # 15 times the median, and within the limit
    growing = shaped([0.02 + i * 0.05 for i in range(160)], rate=40.0)  # a queue without end: no request stands out
    slow = shaped([1.0, 1.2, 0.9, 4.0] * 40, rate=50.0)  # above the limit, and all of it is slow
    assert chosen(kept, spiky, growing, slow) == [20.0]
    assert chosen(kept, shaped([*CALM, 0.55], rate=30.0)) == [20.0, 30.0]
    # A failed request is slower than any time.
    assert chosen(kept, shaped([*CALM, None], rate=30.0)) == [20.0, 30.0]


def test_a_stall_that_holds_most_of_a_step_is_one():
    times = stall(10.0, before=45, tail=0)
    assert sorted(times)[len(times) // 2] * load_page.STALL > 10.0, "it moved the median"
    assert chosen(shaped(CALM, rate=5.0, outcome="kept"), shaped(times, rate=60.0)) == [5.0, 60.0]


def test_the_figure_in_order_says_the_median_the_slowest_and_what_failed():
    made = sample_load.load()
    kept = shaped([*CALM[:150], 4.0, None, *CALM[:8]], rate=10.0, p50=0.025)
    figure = load_page.order(
        made.model_copy(update={"result": r.ServingResult(approach="", steps=[kept], limit=made.result.limit)})
    )[0]
    for said in ("At 10/s, broken", "median 25.0 ms", "slowest answer 4.00 s, due at 15.0 s", "1 of 160 failed"):
        assert said in figure.caption
    assert "median 25.0 ms; slowest answer 4.00 s, due at 15.0 s; 1 of 160 failed; limit: p95" in str(figure.wide)
    rows = [[cell.text for cell in row] for row in figure.table.rows]
    assert len(rows) == 10 and figure.table.head == ("Due at", "Requests", "Median", "Slowest", "Failed")
    assert rows[0] == ["0 s to 1.59 s", "16", "25.0 ms", "30.0 ms", "0"]
    assert rows[-1] == ["14.3 s to 15.9 s", "16", "30.0 ms", "4.00 s", "1"]
    assert sum(int(row[1]) for row in rows) == 160


def test_the_table_in_order_says_when_it_is_of_the_drawn_ones_and_prints_no_median_of_few():
    made = sample_load.load()
    step = shaped([0.1, None, None, *CALM[:17]], rate=1.0, requests=4000, errors=40, p50=0.02)
    figure = load_page.order(made.model_copy(update={"result": r.ServingResult(approach="", steps=[step])}))[0]
    assert figure.table.head[1] == "Drawn" and "of the requests drawn" in figure.table.caption
    assert "20 of 4,000 requests are drawn" in figure.caption and "40 of 4,000 failed" in figure.caption
    assert {row[2].text for row in figure.table.rows} == {"n too small (n = 2)"}
    lost = shaped([0.1] + [None] * 19, rate=1e-9, p50=0.1).model_copy(update={"over_time": [(0.0, None)] * 20})
    rows = load_page.order(made.model_copy(update={"result": r.ServingResult(approach="", steps=[lost])}))[0].table.rows
    assert [[cell.text for cell in row] for row in rows] == [["0 s to 0 s", "20", "failed request", "—", "20"]]


def test_names_that_are_markup_are_text():
    name = "<script>alert(1)</script>"
    row = load.Rates(name, LOOK, (one("kept", 1.0), one("kept", 2.0)))
    text = load.rates("t", [row], width=328, tail="p95", limit=0.5, limit_says=name, title=name, says=name)
    text += load.cumulative(
        "u", [load.Times(name, LOOK, "first token", (0.1,))], [load.First(name, LOOK, 1)], width=860, title=name, says=name
    )
    text += load.timeline("v", name, [(0.0, 0.1)], LOOK, width=860, limit=1.0, limit_says=name, title=name, says=name)
    assert "<script" not in text


def test_limits_that_cannot_be_read_draw_no_line():
    made = sample_load.server("tfidf-linear", 1)
    for text, wanted in (("p99 latency <= 2 s", ("p99", 2.0)), ("soon enough", ("p95", None)), ("", ("p95", None))):
        row = serving.Served("a", LOOK, False, made.model_copy(update={"limit": text}))
        found = serving.limit_of([row])
        assert (found.percentile, found.seconds) == wanted


def test_the_front_of_quality_and_arithmetic_is_that_of_these_two():
    document = sample_load.served()
    best = arithmetic.on_arithmetic_front(document)
    counted = {x.name: x for x in arithmetic.counted(document)}
    for name, x in counted.items():
        beaten = [
            y for y in counted.values()
            if y.flops_per_item <= x.flops_per_item and y.metrics["accuracy"].mid >= x.metrics["accuracy"].mid and y.name != name
        ]  # fmt: skip
        assert (name in best) == (not beaten)
    assert {"majority", "tfidf-linear", "finetuned-encoder"} == best


def test_nothing_asked_for_draws_nothing():
    for made in (sample.document(samples=20, examples=2), sample.minimal()):
        assert serving.served(made) == [] and serving.rates([]) is None and serving.distribution([]) is None
        assert agreement.agreement(made) is None and arithmetic.arithmetic(made) is None and hosted.hosted(made) is None
        assert decision.decision(made) is None and hard_cases.hard_cases(made) == []


def test_highest_rate_says_what_broke_it_or_that_nothing_did():
    made = sample_load.server("finetuned-encoder", 2)
    assert serving.highest(made).note.startswith("broke at ")
    never = made.model_copy(update={"highest_rate": r.Range(mid=9.0, low=9.0, high=9.0, n=100)})
    assert serving.highest(never)[0] == "9/s" and serving.highest(never).note == "none tried broke it"
    broken = [s.model_copy(update={"outcome": "broken"}) for s in made.steps]
    assert serving.highest(made.model_copy(update={"highest_rate": None, "steps": broken})).text == "none kept it"
    assert serving.highest(r.ServingResult(approach="x")).text == "—"
