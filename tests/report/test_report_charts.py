import re
import xml.etree.ElementTree as ET

import pytest
import sample

from bakeoff.report import evidence, measurements
from bakeoff.report.charts import bars, dots, lines, scatter, strips, svg
from bakeoff.report.palette import SHAPES, Look

FIGURES = [
    evidence.evidence,
    evidence.tradeoff,
    evidence.differences,
    measurements.learning,
    measurements.latency,
    measurements.reliability,
    measurements.break_even,
    measurements.win_shares,
]
NS = "{http://www.w3.org/2000/svg}"
CIRCLE = Look(0, "circle")


def parsed(text):
    return ET.fromstring(str(text).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


@pytest.fixture(scope="module")
def document():
    return sample.document(samples=400)


@pytest.mark.parametrize("draw", FIGURES, ids=lambda f: f.__name__)
def test_a_chart_is_an_image_with_title_description_and_table(draw, document):
    figure = draw(document)
    for drawing in (figure.wide, figure.narrow):
        root = parsed(drawing)
        assert root.get("role") == "img"
        title, says = root.find(f"{NS}title"), root.find(f"{NS}desc")
        assert title.get("id") == root.get("aria-labelledby") and title.text
        assert says.get("id") == root.get("aria-describedby")
        assert re.search(r"\d", says.text), "the description gives the numbers"
    assert figure.table.rows and len(figure.table.rows[0]) == len(figure.table.head)


@pytest.mark.parametrize("draw", FIGURES, ids=lambda f: f.__name__)
def test_a_chart_is_the_same_text_each_time_and_rounded_to_one_decimal(draw, document):
    once, twice = draw(document), draw(document)
    assert (once.wide, once.narrow) == (twice.wide, twice.narrow)
    for value in re.findall(r'\b(?:d|x|y|cx|cy|r|width|height)="([^"]*)"', once.wide + once.narrow):
        assert not re.search(r"\.\d\d", value), value


@pytest.mark.parametrize("draw", FIGURES, ids=lambda f: f.__name__)
def test_nothing_is_drawn_outside_the_picture(draw, document):
    figure = draw(document)
    for drawing in (figure.wide, figure.narrow):
        root = parsed(drawing)
        _, _, width, height = (float(v) for v in root.get("viewBox").split())
        for element in root.iter():
            for key, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                if element.get(key) is not None:
                    assert -0.5 <= float(element.get(key)) <= limit + 0.5, ET.tostring(element)


@pytest.mark.parametrize("draw", FIGURES, ids=lambda f: f.__name__)
def test_nothing_measured_draws_nothing(draw):
    assert draw(sample.minimal()) is None


def test_a_chart_holds_at_most_2000_points_and_says_that_it_is_a_sample(document):
    figure = measurements.latency(document)
    assert figure.wide.count("h0") <= svg.MOST_POINTS
    drawn = figure.wide.count("h0")
    measured = sum(a.latency_seconds.n for a in document.approaches)
    assert measured > 2000
    assert f"{drawn:,} of {measured:,} measured times are drawn" in figure.caption


def test_thinning_keeps_both_ends():
    kept = strips.thin(range(1000), 10)
    assert (len(kept), kept[0], kept[-1]) == (10, 0, 999)
    assert strips.thin([3, 1, 2], 10) == (1, 2, 3)
    assert strips.thin([1, 2], 0) == ()


def test_an_approach_keeps_its_colour_and_shape_in_every_chart(document):
    looks = evidence.colours_of(document)
    smaller = document.model_copy(update={"curves": document.curves[:1]})
    assert evidence.colours_of(smaller) == looks
    own = f"c{looks['finetuned-encoder'].colour} "
    for draw in FIGURES:
        if draw not in (evidence.differences, measurements.break_even):  # these two draw the others
            assert f'class="{own}' in draw(document).wide, draw.__name__


def test_dot_and_interval_stand_where_the_numbers_say():
    panel = dots.Panel("Score", "", {"a": dots.Dot(0.5, 0.25, 0.75, "50%")}, svg.tick_percent, floor=0, top=1)
    root = parsed(dots.panels("t", [dots.Row("a", CIRCLE)], [panel], width=860, title="t", says="1"))
    mid = [float(c.get("cx")) for c in root.iter(f"{NS}circle")][-1]
    path = next(p.get("d") for p in root.iter(f"{NS}path") if "whisker" in p.get("class", ""))
    low, high = (float(v) for v in re.match(r"M([\d.]+) [\d.]+L([\d.]+)", path).groups())
    assert (low + high) / 2 == pytest.approx(mid, abs=0.2)
    assert low < mid < high


def test_a_value_off_the_scale_is_an_arrow_never_a_dot_in_a_wrong_place(document):
    assert evidence.off_scale(document) == {"majority"}
    figure = evidence.evidence(document)
    assert "Off the scale, at the arrow: majority (50.9%)." in figure.caption
    assert "majority: 50.9%" in figure.wide


def test_log_scale_ticks_and_positions():
    scale = svg.logarithmic([0.001, 10], 0, 100)
    assert scale(0.001) > 0 and scale(10) < 100
    assert scale(0.1) == pytest.approx((scale(0.001) + scale(10)) / 2, abs=0.1)
    assert all(a < b for a, b in zip(scale.ticks, scale.ticks[1:], strict=False))
    assert scale(-1) == scale(0) == 0


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [], [0.0, 1e-12], [-3.0, 4.0], [1e9, 2e9]])
def test_scales_hold_any_values(values):
    scale = svg.linear(values, 0, 100)
    assert scale.low < scale.high and len(scale.ticks) >= 2
    assert all(0 <= scale(v) <= 100 for v in values)
    log = svg.logarithmic([abs(v) for v in values], 0, 100)
    assert log.low < log.high and log.ticks


def test_names_of_nearby_lines_do_not_overlap_and_others_do_not_move():
    placed = lines.spread([10.0, 12.0, 100.0], 17)
    assert placed[2] == 100.0
    assert abs(placed[0] - placed[1]) == pytest.approx(17)
    assert lines.spread([5.0, 5.0, 5.0], 10) == pytest.approx([-5.0, 5.0, 15.0])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn(shape):
    assert "NaN" not in svg.marker(5, 5, Look(1, shape))
    assert svg.marker(5, 5, Look(1, shape)) != svg.marker(5, 5, Look(1, "circle" if shape != "circle" else "square"))


def test_texts_in_a_chart_are_escaped():
    name = "<script>alert(1)</script>"
    drawn = bars.shares("x", [bars.Bar(name, CIRCLE, 0.4, "40%")], width=860, title=name, says=name)
    assert "<script" not in drawn
    parsed(drawn)
    point = scatter.Point(name, CIRCLE, 1, 0.9, 1.1, 0.5, 0.4, 0.6, True)
    form = svg.tick_usd
    both = scatter.front("y", [point], width=328, x_title="x", y_title="y", x_form=form, y_form=form, title=name, says=name)
    assert "<script" not in both
    parsed(both)


def test_ticks_are_short():
    assert [svg.tick_usd(v) for v in (0.0001, 0.5, 10, 2000, 3e6)] == ["$0.0001", "$0.5", "$10", "$2k", "$3M"]
    assert [svg.tick_seconds(v) for v in (1e-5, 0.002, 2)] == ["0.01 ms", "2 ms", "2 s"]
    assert [svg.tick_percent(v) for v in (0.5, 0.825)] == ["50%", "82.5%"]
    assert [svg.tick_count(v) for v in (250, 3000, 2e6)] == ["250", "3k", "2M"]
