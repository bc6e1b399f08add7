"""The sections "Looking inside" and "How training went": what they show, what they leave out, and what a plugin may get wrong."""

from __future__ import annotations

import re

import pytest
import sample
import sample_pictures

from bakeoff.report.insight import insight
from bakeoff.report.page import _SIZES, LARGEST, MOST_PICTURES, page, picture_bytes, sections, shortened
from bakeoff.report.training import courses, training


def with_views(**views):
    made = sample_pictures.document()
    return made.model_copy(update={"views": {**made.views, **views}})


def part(html: str, ident: str) -> str:
    return html.split(f'<section id="{ident}"')[1].split("</section>")[0]


@pytest.fixture(scope="module")
def html() -> str:
    return page(sample_pictures.document())


def test_a_document_without_networks_has_neither_section() -> None:
    keys = [key for key, _ in sections(sample.document())]
    assert "insight" not in keys and "training" not in keys
    assert insight(sample.document()) is None and training(sample.document()) is None


def test_a_map_that_did_not_pass_is_never_on_the_page() -> None:
    explained = sample_pictures.explained(True)
    explained["gradcam"]["shown"] = False
    document = with_views(explained={sample_pictures.WITHHELD: explained})
    (found,) = insight(document).inside
    assert found.verdict == "withheld" and all(p.gradcam == "" and p.edges for p in found.maps)
    shown = part(page(document), "insight")
    assert sample_pictures.address(0, "gradcam") not in shown and sample_pictures.address(0, "edges") in shown
    assert "Grad-CAM is withheld" in shown and "edges that any picture has are shown instead" in shown


@pytest.mark.parametrize("said", [None, "yes", 1])
def test_only_true_shows_a_map(said) -> None:
    explained = sample_pictures.explained(True)
    explained["gradcam"]["shown"] = said
    (found,) = insight(with_views(explained={sample_pictures.SHOWN: explained})).inside
    assert all(p.gradcam == "" for p in found.maps)
    explained.pop("gradcam")
    (found,) = insight(with_views(explained={sample_pictures.SHOWN: explained})).inside
    assert found.verdict == "" and all(p.gradcam == "" for p in found.maps)


def test_the_page_says_why_and_shows_both_maps(html: str) -> None:
    shown = part(html, "insight")
    assert "Grad-CAM passed its check" in shown and "at most 0.50 allowed" in shown
    assert "Grad-CAM is withheld" in shown and "nothing learned that a map could explain" in shown
    assert shown.count(">Grad-CAM</figcaption>") == 8 and shown.count(">edges</figcaption>") == 16
    assert "RuntimeError: &lt;b&gt;no&lt;/b&gt; map" in shown
    assert "Temperature" in shown and "2.4%" in shown
    assert "9 of 6,724 training pictures have a label that the others speak against" in shown


def test_bias_and_variance_need_sizes_for_lines_and_are_dots_at_one() -> None:
    found = insight(sample_pictures.document())
    assert "23% of its loss at 6,724 training items is variance" in found.bias_note
    assert found.bias.wide.count("trace dashed") == 2 and len(found.bias.table.rows) == 8
    one = insight(with_views(bias_variance={"tfidf-linear": [sample_pictures.split(6_724, 0.38, 0.02)]}))
    assert "Squared bias" in one.bias.wide and "trace" not in one.bias.wide


def test_severities_are_averaged_over_the_kinds_that_have_all_of_them() -> None:
    figure = insight(sample_pictures.document()).severity
    rows = [[cell.sort for cell in row[1:]] for row in figure.table.rows]
    assert rows[0] == [1, pytest.approx(0.82), 2, 80] and rows[2][1] == pytest.approx(0.66) and len(rows) == 10
    assert figure.wide.count("trace") == 2
    plain = sample_pictures.document().model_copy(update={"edge_sets": []})
    assert insight(plain).severity is None


def test_training_marks_the_epoch_of_the_lowest_validation_loss() -> None:
    document = sample_pictures.document()
    found = courses(document)
    assert list(found) == [sample_pictures.SHOWN, sample_pictures.WITHHELD]
    for some in found.values():
        for course in some:
            assert course.best["valid_loss"] == min(row["valid_loss"] for row in course.rows)
    figure = training(document)
    assert figure.wide.count('class="c2 thin"') == 6 and figure.wide.count('class="c2 thin apart"') == 6
    assert figure.wide.count("<title>seed ") == 12  # the best epoch of six trainings, in two panels
    assert len(figure.table.rows) == 6
    assert "best epoch" in figure.wide


def test_long_trainings_are_thinned_and_keep_their_best_and_last() -> None:
    rows = sample_pictures.curve(1, 1000)
    figure = training(with_views(training={sample_pictures.SHOWN: {"0": rows}}))
    paths = re.findall(r'thin" d="([^"]+)"', figure.wide)
    assert len(paths) == 2 and all(path.count("L") < 140 for path in paths)
    assert "only some epochs are drawn" in figure.caption


def test_no_validation_means_no_mark() -> None:
    rows = [{"epoch": e, "train_loss": 1 / e} for e in range(1, 6)]
    figure = training(with_views(training={sample_pictures.SHOWN: {"0": rows}}))
    assert "<title>seed" not in figure.wide and "not followed" in figure.wide


@pytest.mark.parametrize(
    "views",
    [
        {"explained": []}, {"explained": {"finetuned-encoder": "x"}}, {"explained": {"finetuned-encoder": {"worst": [1], "maps": {}, "gradcam": 3}}},
        {"explained": {"finetuned-encoder": {"maps": [{"picture": "javascript:alert(1)", "edges": "x"}], "hiding": {"before": "a"}, "calibration": {"before": 1}}}},
        {"explained": {"finetuned-encoder": {"worst": [], "gradcam": {"shown": True, "map": ["a", 2], "cascade": [1, {"rank": "x"}]}}}},
        {"training": {"finetuned-encoder": {"0": [{"epoch": 1}, {"epoch": float("nan")}, 7]}}}, {"training": 5}, {"training": {"finetuned-encoder": [1]}},
        {"bias_variance": {"finetuned-encoder": [{"n_train": 5, "seeds": 3, "brier": {"loss": 1}}, 2]}}, {"bias_variance": []},
        {"label_doubts": {"candidates": [1, {}], "of": "x"}}, {"label_doubts": 3}, {"pictures": [1]},
    ],
)  # fmt: skip
def test_a_view_that_is_not_as_promised_costs_its_part_and_not_the_page(views: dict) -> None:
    html = page(with_views(**views))
    assert 'src="javascript' not in html and "What was not tested" in html


def test_hostile_names_and_addresses_stay_text() -> None:
    row = {
        **sample_pictures.said(0, False),
        "said": sample.SCRIPT,
        "target": "<b>x</b>",
        "edges": 'data:image/webp;base64,AA"onerror="x',
    }
    shown = part(page(with_views(explained={sample_pictures.SHOWN: {"worst": [row], "maps": [row]}})), "insight")
    assert "<script>" not in shown and "<b>x</b>" not in shown and "onerror" not in shown


def test_the_page_stays_small_with_five_networks_at_their_limits() -> None:
    made = sample_pictures.document()
    big = {**sample_pictures.explained(True)}
    picture = "data:image/webp;base64," + "A" * 1_500
    big["worst"] = [{**row, "picture": picture} for row in big["worst"]]
    big["maps"] = [{**row, "picture": picture, "gradcam": picture, "edges": picture} for row in big["maps"]]
    names = [result.name for result in made.approaches][:5]
    document = with_views(
        explained=dict.fromkeys(names, big),
        pictures={m.id: "data:image/webp;base64," + "B" * 3_000 for m in made.mistakes.examples},
    )
    html = page(document)
    assert len(html.encode()) < LARGEST
    assert 'id="insight"' in html and html.count(picture) == 5 * (12 + 8 * 3), "each picture is there, once"


def test_pictures_stay_whole_where_long_texts_are_cut() -> None:
    made = sample_pictures.document()
    picture = "data:image/webp;base64," + "B" * 3_000
    pictures = {m.id: picture for m in made.mistakes.examples}
    document = with_views(pictures=pictures, confusion={**made.views.get("confusion", {}), "other": ["long " * 3_000] * 80})
    html = page(document)
    assert len(html.encode()) - picture_bytes(document) < LARGEST and "characters)" in html
    assert html.count(f'src="{picture}"') == len(pictures) > 0
    too_many = with_views(pictures={str(n): picture for n in range(MOST_PICTURES // 3_000 + 1)})
    assert picture not in str(shortened(too_many, _SIZES[-3]).views)


def test_items_show_their_picture(html: str) -> None:
    items = part(html, "mistakes")
    assert items.count('class="thumb"') == 24 and items.count('class="item pictured"') == 24
