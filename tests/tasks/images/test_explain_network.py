"""What a network shows of itself: the surest mistakes, maps that were checked, calibration, and little enough of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_networks as tiny
import torch

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData
from bakeoff.tasks.images import explain, sanity
from bakeoff.tasks.images.decode import from_address
from bakeoff.tasks.images.pictures import Pictures

LABELS = ["bar", "disc", "ring", "square"]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A trained network, its classifier at temperature 2, and answers to 80 pictures of which 20 carry a wrong label on purpose."""
    folder: Path = tmp_path_factory.mktemp("pictures") / "prepared"
    pictures, codes = tiny.drawn(80, 4, 77)
    Pictures.write(folder, ((f"p{i}", one) for i, one in enumerate(pictures)), 80, tiny.SIDE)
    network = tiny.trained("normalised", 4, 1)
    classifier = SimpleNamespace(labels_=LABELS, temperature_=2.0)
    with torch.no_grad():
        chances = torch.softmax(network(tiny.tensor(pictures)).double() / 2.0, dim=1).numpy()
    items = [Item(f"i{i}", f"p{i}", LABELS[(code + (i % 4 == 3)) % 4]) for i, code in enumerate(codes)]
    answers = [
        Answer(value=LABELS[int(row.argmax())], probabilities=dict(zip(LABELS, map(float, row), strict=True))) for row in chances
    ]
    return SimpleNamespace(
        network=network,
        classifier=classifier,
        items=items,
        answers=answers,
        store=Pictures.open(folder),
        chances=chances,
        codes=codes,
    )


@pytest.fixture(scope="module")
def shown(case: SimpleNamespace) -> dict:
    return explain.explain_network(case.network, case.classifier, case.items, case.answers, case.store)


def test_the_surest_mistakes_come_first(case: SimpleNamespace, shown: dict) -> None:
    wrong = [i for i, (item, answer) in enumerate(zip(case.items, case.answers, strict=True)) if item.target != answer.value]
    assert len(shown["worst"]) == min(12, len(wrong))
    sure = [row["sure"] for row in shown["worst"]]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == pytest.approx(max(case.chances[i].max() for i in wrong), abs=1e-4)
    assert all(row["said"] != row["target"] for row in shown["worst"])


def test_pictures_can_be_decoded_and_the_whole_is_small(shown: dict) -> None:
    assert len(json.dumps(shown)) < 60_000
    for row in [*shown["worst"], *shown["maps"]]:
        for kind in ("picture", "gradcam", "edges"):
            if kind in row:
                assert from_address(row[kind], tiny.SIDE).shape == (tiny.SIDE, tiny.SIDE, 3)


def test_maps_are_of_right_and_wrong_answers_and_the_check_stands_beside(shown: dict) -> None:
    assert shown["gradcam"]["shown"] is True
    assert [row["right"] for row in shown["maps"]] == [False] * 4 + [True] * 4
    assert all("gradcam" in row and "edges" in row for row in shown["maps"])
    assert shown["gradcam"]["copies"] == 2 * sanity.COPIES and shown["gradcam"]["pictures"] == explain.CHECKED
    assert len(shown["gradcam"]["cascade"]) == sanity.STEPS


def test_hiding_what_the_map_marks_costs_more_than_chance(shown: dict) -> None:
    hiding = shown["hiding"]
    assert hiding["gradcam"]["mid"] > hiding["random"]["mid"]
    assert hiding["gradcam"]["low"] <= hiding["gradcam"]["mid"] <= hiding["gradcam"]["high"]


def test_calibration_before_is_that_of_the_plain_scores(case: SimpleNamespace, shown: dict) -> None:
    with torch.no_grad():
        plain = torch.softmax(case.network(tiny.tensor(case.store.array[:].copy())).double(), dim=1).numpy()
    truth = [LABELS.index(item.target) for item in case.items]
    rows = np.arange(len(truth))
    assert shown["calibration"]["before"]["log_loss"] == pytest.approx(-np.log(plain[rows, truth]).mean(), rel=1e-6)
    assert shown["calibration"]["after"]["log_loss"] == pytest.approx(-np.log(case.chances[rows, truth]).mean(), rel=1e-6)
    assert shown["calibration"]["temperature"] == 2.0 and shown["calibration"]["n"] == 80


def test_random_weights_show_edges_and_no_map(case: SimpleNamespace) -> None:
    found = explain.explain_network(tiny.made("normalised", 4, 9), case.classifier, case.items, case.answers, case.store)
    assert found["gradcam"]["shown"] is False and "nothing learned" in found["gradcam"]["why"]
    assert all("gradcam" not in row and "edges" in row for row in found["maps"])
    assert "gradcam" not in found["hiding"] and {"edges", "random"} < set(found["hiding"])


def test_the_same_items_in_another_order_show_the_same(case: SimpleNamespace, shown: dict) -> None:
    turned = explain.explain_network(case.network, case.classifier, case.items[::-1], case.answers[::-1], case.store)
    assert turned["worst"] == shown["worst"] and turned["maps"] == shown["maps"]
    assert turned["gradcam"] == shown["gradcam"]


def test_errors_and_abstentions_are_left_out(case: SimpleNamespace) -> None:
    answers = [Answer(error="broken") if i % 2 else answer for i, answer in enumerate(case.answers)]
    found = explain.explain_network(case.network, case.classifier, case.items, answers, case.store)
    assert found["calibration"]["n"] == 40


def test_too_few_pictures_show_mistakes_and_no_map(case: SimpleNamespace) -> None:
    found = explain.explain_network(case.network, case.classifier, case.items[:4], case.answers[:4], case.store)
    assert "gradcam" not in found and "maps" not in found and found["calibration"]["n"] == 4


def test_pictures_give_way_to_the_budget(case: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "BUDGET", 6_000)
    found = explain.explain_network(case.network, case.classifier, case.items, case.answers, case.store)
    rows = [*found["worst"], *found["maps"]]
    assert 0 < sum(len(row.get(kind, "")) for row in rows for kind in ("picture", "gradcam", "edges")) <= 6_000


def test_no_pictures_is_said(case: SimpleNamespace) -> None:
    with pytest.raises(BadData, match="handed over"):
        explain.explain_network(case.network, case.classifier, case.items, case.answers, None)


def test_the_overlay_leaves_what_is_not_marked_in_grey() -> None:
    picture = np.full((8, 8, 3), (200, 40, 90), np.uint8)
    heat = np.zeros((8, 8))
    heat[2:4, 2:4] = 1
    made = explain.overlay(picture, heat)
    assert made.dtype == np.uint8 and (made[0, 0] == made[0, 0, 0]).all()
    assert made[2, 2, 0] > made[2, 2, 2] + 60
