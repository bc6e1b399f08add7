from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_shapes import KINDS, prepared, shapes

from bakeoff.contract import CountsFlops, KeepsCheckpoints, quiet
from bakeoff.errors import BadStudy, RunError
from bakeoff.tasks.images.cnn import CNN
from bakeoff.tasks.images.hog_linear import HogLinear
from bakeoff.tasks.images.majority import Majority
from bakeoff.tasks.images.resnet9 import ResNet9
from bakeoff.testing import RULES, Bench

MAKE: dict[str, Callable[[], object]] = {
    "cnn": lambda: CNN(blocks=2, width=0.25, epochs=2, batch_size=16, fewest_steps=0, precision="float32"),
    "resnet9": lambda: ResNet9(width=0.125, epochs=1, batch_size=16, fewest_steps=0, precision="float32"),
    "hog-linear": lambda: HogLinear(strengths=(0.001, 0.01)),
}


@pytest.fixture(scope="module", params=MAKE)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("pictures") / "24"
    items = prepared(folder, 90)

    # `read_from` is the bench's part, so the rule on constructors is checked apart.
    def make() -> object:
        made = MAKE[request.param]()
        made.read_from(folder)  # type: ignore[attr-defined]
        return made

    return Bench(
        make, items[:45], items[45:66], items[66:], ("", "data:image/png;base64,AAAA", {"picture": "no"}, None, 5, ["p0"])
    )


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "constructor_only_stores"])
def test_it_keeps_the_contract(bench: Bench, rule: str) -> None:
    bench.check(rule)


@pytest.mark.parametrize("name", MAKE)
def test_the_constructor_only_stores(name: str) -> None:
    Bench(MAKE[name], (), (), ()).check("constructor_only_stores")


@pytest.mark.parametrize(
    "make",
    [
        lambda: CNN(width=0.5, epochs=15, batch_size=16, fewest_steps=0),
        lambda: ResNet9(width=0.25, epochs=8, batch_size=16, fewest_steps=0),
    ],
)
def test_a_network_learns_shapes_where_the_floor_cannot(make: Callable[[], object], tmp_path: Path) -> None:
    items = prepared(tmp_path / "pictures", 360)
    right = {}
    for approach in (make(), Majority()):
        approach.read_from(tmp_path / "pictures")  # type: ignore[attr-defined]
        approach.fit(items[:210], items[210:270], seed=0, progress=quiet)  # type: ignore[attr-defined]
        answers = list(approach.answer([item.asked() for item in items[270:]]))  # type: ignore[attr-defined]
        right[type(approach).__name__] = np.mean([a.value == i.target for a, i in zip(answers, items[270:], strict=True)])
    network = next(name for name in right if name != "Majority")
    assert right[network] > 0.85 and right["Majority"] == pytest.approx(1 / 3, abs=0.01)


def fitted(approach: object, folder: Path, n: int = 60) -> object:
    items = prepared(folder, n)
    approach.read_from(folder)  # type: ignore[attr-defined]
    return approach.fit(items[: n * 2 // 3], items[n * 2 // 3 :], seed=0, progress=quiet)  # type: ignore[attr-defined]


def test_what_was_learned_is_said_and_counted(tmp_path: Path) -> None:
    made = fitted(MAKE["cnn"](), tmp_path / "p")
    assert isinstance(made, CountsFlops) and isinstance(made, KeepsCheckpoints)
    assert len(made.curve_) == made.chosen_["epochs"] >= made.chosen_["best_epoch"] >= 1  # type: ignore[attr-defined]
    assert made.chosen_["parameters"] == sum(each.numel() for each in made.network_.parameters())  # type: ignore[attr-defined]
    # Two convolutions of 3 x 3 and the head, multiply-adds as two: counted by hand.
    by_hand = 2 * (24 * 24 * 27 * 8 + 12 * 12 * 72 * 16 + 16 * 3)
    assert made.flops([]).per_item == by_hand


def test_the_mirror_image_is_asked_too_and_doubles_the_arithmetic(tmp_path: Path) -> None:
    with_it = fitted(ResNet9(width=0.125, epochs=1, batch_size=16, fewest_steps=0), tmp_path / "p")
    x, _ = shapes(4, seed=5)
    mirrored_scores = with_it._scores(x[:, :, ::-1])  # type: ignore[attr-defined]
    assert np.allclose(with_it._scores(x), mirrored_scores, atol=1e-5)  # type: ignore[attr-defined]
    both = with_it.flops([]).per_item  # type: ignore[attr-defined]
    with_it.mirrored = False  # type: ignore[attr-defined]
    assert both == 2 * with_it.flops([]).per_item  # type: ignore[attr-defined]
    assert not np.allclose(with_it._scores(x), with_it._scores(x[:, :, ::-1]), atol=1e-5)  # type: ignore[attr-defined]


def test_an_interrupted_fit_goes_on_from_its_folder(tmp_path: Path) -> None:
    items = prepared(tmp_path / "p", 60)

    class Stop(Exception):
        pass

    def stop(fraction: float, note: str) -> None:
        if fraction >= 0.5:
            raise Stop

    def made() -> CNN:
        approach = CNN(blocks=2, width=0.25, epochs=4, batch_size=16, fewest_steps=0, precision="float32")
        approach.read_from(tmp_path / "p")
        return approach

    whole = made().fit(items[:40], items[40:], seed=0, progress=quiet)
    broken, again = made(), made()
    for each in (broken, again):
        each.checkpoint_in(tmp_path / "checkpoint")
    with pytest.raises(Stop):
        broken.fit(items[:40], items[40:], seed=0, progress=stop)
    again.fit(items[:40], items[40:], seed=0, progress=quiet)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.network_.state_dict().values(), again.network_.state_dict().values(), strict=True)
    )
    assert again.temperature_ == whole.temperature_


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    made = fitted(MAKE["cnn"](), tmp_path / "p")
    (tmp_path / "saved").mkdir()
    made.save(tmp_path / "saved")  # type: ignore[attr-defined]
    with pytest.raises(RunError) as caught:
        CNN(blocks=3, width=0.25).restore(tmp_path / "saved")
    assert caught.value.fix


def test_a_wrong_setting_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    for approach in (CNN(optimizer="adam"), CNN(augment="weak"), CNN(blocks=9), ResNet9(schedule="linear"), ResNet9(width=0)):
        with pytest.raises(BadStudy):
            fitted(approach, tmp_path / "p")


def test_the_kinds_are_the_labels(tmp_path: Path) -> None:
    made = fitted(MAKE["cnn"](), tmp_path / "p")
    assert made.labels_ == sorted(KINDS)  # type: ignore[attr-defined]
