"""What can be looked at: only what is there, only pictures that make no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.contract import Answer, Item, Trial
from bakeoff.decide.looks import LONGEST_PICTURE, looks_of

ITEMS = (Item("a", "a.png", "cat"), Item("b", "b.png", "dog"), Item("c", "c.png", "dog"), Item("d", "d.png", "cat"))
FINE = "data:image/webp;base64,UklGRg=="


class Shows:
    """A task whose second picture is a link, and whose third is too long."""

    def pictures(self, items: Sequence[Item], material: Path) -> Mapping[str, str]:
        assert material.is_dir()
        given = {"a": FINE, "b": "https://example.org/b.png", "c": FINE + "A" * LONGEST_PICTURE, "d": FINE}
        return {item.id: given[item.id] for item in items}


def evidence(task: Any, material: str, measures: Mapping[Trial, Any]) -> Any:
    return SimpleNamespace(
        task=task, about={"material": material}, items=ITEMS, measures=measures, answers={}, seeds=lambda name: [0, 1]
    )


CURVE = [{"epoch": 1, "train_loss": 2.0}]


@pytest.fixture
def measures() -> dict[Trial, Any]:
    return {
        Trial("cnn", 0): {"fit": {"curve": CURVE}, "explained": {"worst": []}},
        Trial("cnn", 1): {"fit": {"curve": CURVE}, "explained": {"never": "seed 0 alone explains"}},
        Trial("majority", 0): {"fit": {"curve": []}},
    }


def test_only_the_items_that_are_shown_and_only_plain_pictures(tmp_path: Path, measures: dict[Trial, Any]) -> None:
    found = looks_of(evidence(Shows(), str(tmp_path), measures), ["cnn", "majority"], ["a", "b", "c"])
    assert found["pictures"] == {"a": FINE}


def test_curves_of_every_seed_and_the_explanation_of_the_first(measures: dict[Trial, Any]) -> None:
    found = looks_of(evidence(object(), "", measures), ["cnn", "majority"], [])
    assert found == {"training": {"cnn": {"0": CURVE, "1": CURVE}}, "explained": {"cnn": {"worst": []}}}


@pytest.mark.parametrize("material", ["", "/nowhere/at/all"])
def test_without_material_there_are_no_pictures(material: str) -> None:
    assert looks_of(evidence(Shows(), material, {}), ["cnn"], ["a"]) == {}


class Doubts:
    """A task that doubts one of the labels it is given."""

    def label_doubts(self, items: Sequence[Item], material: Path) -> Mapping[str, Any]:
        return {"of": len(items), "candidates": [{"id": items[1].id}]} if material.is_dir() else {}


def test_doubted_labels_are_asked_of_all_items(tmp_path: Path) -> None:
    given = evidence(Doubts(), str(tmp_path), {})
    given.dataset = SimpleNamespace(items=ITEMS)
    assert looks_of(given, ["cnn"], []) == {"label_doubts": {"of": 4, "candidates": [{"id": "b"}]}}


def test_bias_and_variance_need_three_trainings(measures: dict[Trial, Any]) -> None:
    def says(chance: float) -> tuple[Answer, ...]:
        return tuple(Answer("cat", {"cat": chance, "dog": 1 - chance}) for _ in ITEMS)

    given = evidence(object(), "", {**measures, Trial("cnn", 2): {"fit": {"curve": CURVE, "n_train": 9}}})
    given.answers, given.clusters = {Trial("cnn", seed): says(chance) for seed, chance in enumerate((0.6, 0.7, 0.8))}, None
    given.seeds = lambda name, fraction=1.0: [0, 1, 2]
    (row,) = looks_of(given, ["cnn"], [])["bias_variance"]["cnn"]
    assert row["seeds"] == 3 and row["n"] == len(ITEMS)
    given.seeds = lambda name, fraction=1.0: [0, 1]
    assert "bias_variance" not in looks_of(given, ["cnn"], [])
