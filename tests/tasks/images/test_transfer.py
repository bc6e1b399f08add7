"""Transfer: what is frozen stays, what is saved answers the same (and without torch), and classes are never mixed up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from bakeoff.contract import Item, KeepsCheckpoints, ReadsMaterial, Saves, UsesAssets, quiet
from bakeoff.errors import AssetError, BadStudy, RunError
from bakeoff.tasks.images.efficientnet import shapes
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.tasks.images.transfer import Transfer, fit_head, spread_matrix

SIZE = 24
CLASSES = ("bars", "disc", "empty")


def picture(label: str, number: int) -> np.ndarray:
    draw = np.random.default_rng(number)
    made = np.full((SIZE, SIZE, 3), 255, np.uint8)
    high, wide = np.mgrid[0:SIZE, 0:SIZE]
    colour = draw.integers(0, 140, 3)
    if label == "bars":
        made[:, (wide[0] // 3) % 2 == number % 2] = colour
    if label == "disc":
        made[(high - draw.integers(9, 15)) ** 2 + (wide - draw.integers(9, 15)) ** 2 < 49] = colour
    return np.clip(made + draw.normal(0, 6, made.shape), 0, 255).astype(np.uint8)


ITEMS = [Item(f"i{k}", f"{CLASSES[k % 3]}/{k}", CLASSES[k % 3]) for k in range(60)]
TRAIN, VALID, TEST = ITEMS[:33], ITEMS[33:45], ITEMS[45:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and a backbone with random weights: of the real shape, and good enough to tell bars from discs."""
    made = tmp_path_factory.mktemp("transfer")
    Pictures.write(made / "pictures", ((item.input, picture(item.target, k)) for k, item in enumerate(ITEMS)), 60, SIZE)
    draw = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes().items():
        if len(shape) == 1:
            weights[name] = np.full(shape, float(name.endswith(("weight", "running_var"))), np.float32)
        else:
            weights[name] = draw.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
    (made / "backbone").mkdir()
    save_file(weights, str(made / "backbone" / "model.safetensors"))
    return made


def made(folder: Path, **settings: Any) -> Transfer:
    usual = {"model": str(folder / "backbone"), "resolution": 48, "unfreeze": 1, "epochs": 1, "precision": "float32"}
    approach = Transfer(**(usual | settings))
    approach.read_from(folder / "pictures")
    return approach


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Transfer:
    return made(folder, mirrored=True, epochs=2).fit(TRAIN, VALID, seed=0, progress=quiet)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def saved(fitted: Transfer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("kept")
    fitted.save(kept)
    return kept


def test_it_learns_and_says_what_it_chose(fitted: Transfer) -> None:
    assert isinstance(fitted, Saves) and isinstance(fitted, ReadsMaterial)
    assert isinstance(fitted, KeepsCheckpoints) and isinstance(fitted, UsesAssets)
    answers = list(fitted.answer([item.asked() for item in TEST]))
    right = sum(answer.value == item.target for answer, item in zip(answers, TEST, strict=True))
    assert right >= 12  # of 15; guessing gives 5
    assert all(sum(answer.probabilities.values()) == pytest.approx(1) for answer in answers if answer.probabilities)
    assert fitted.chosen_["answers_by"] == "onnx" and fitted.chosen_["onnx_difference"] < 1e-3
    assert fitted.chosen_["resolution"] == 48 and fitted.chosen_["frozen_valid_accuracy"] > 0.5
    assert [row["epoch"] for row in fitted.curve_] == [1, 2]


def test_what_was_frozen_stays_and_statistics_of_normalisation_too(folder: Path) -> None:
    approach = made(folder, runtime="torch", unfreeze=2, learning_rate=0.01)
    approach.fit(TRAIN, (), seed=0, progress=quiet)  # without validation pictures the last epoch is kept
    from safetensors.numpy import load_file

    before = load_file(str(folder / "backbone" / "model.safetensors"))
    after = {name.removeprefix("backbone."): each.numpy() for name, each in approach.network_.state_dict().items()}
    changed = {name for name, each in before.items() if not np.array_equal(each, after[name])}
    assert not {name for name in changed if "running" in name}
    assert changed and all(name.startswith(("_blocks.14.", "_blocks.15.", "_conv_head.", "_bn1.")) for name in changed)
    assert any(name.startswith("_blocks.14.") for name in changed)


def test_nothing_of_the_backbone_changes_where_nothing_is_unfrozen(folder: Path) -> None:
    approach = made(folder, runtime="torch", unfreeze=0)
    approach.fit(TRAIN, VALID, seed=0, progress=quiet)
    from safetensors.numpy import load_file

    before = load_file(str(folder / "backbone" / "model.safetensors"))
    after = approach.network_.state_dict()
    assert all(np.array_equal(each, after[f"backbone.{name}"].numpy()) for name, each in before.items())
    assert approach.curve_ == [] and approach.chosen_["answers_by"] == "torch"


def test_the_same_seed_gives_the_same_weights_also_when_taken_up_again(folder: Path, tmp_path: Path) -> None:
    first = made(folder, runtime="torch")
    first.checkpoint_in(tmp_path / "checkpoint")
    first.fit(TRAIN, VALID, seed=3, progress=quiet)
    again = made(folder, runtime="torch")
    again.checkpoint_in(tmp_path / "checkpoint")  # all of it is done already
    again.fit(TRAIN, VALID, seed=3, progress=quiet)
    alone = made(folder, runtime="torch").fit(TRAIN, VALID, seed=3, progress=quiet)
    for other in (again, alone):
        state = other.network_.state_dict()  # type: ignore[attr-defined]
        assert all(torch.equal(each, state[name]) for name, each in first.network_.state_dict().items())


def test_onnx_and_torch_answer_alike(fitted: Transfer) -> None:
    assert fitted.store_ is not None
    x = fitted.store_.take([item.input for item in TEST])
    by_onnx = fitted._scores(x)
    session, fitted._session = fitted._session, None
    try:
        ours = fitted._scores(x)
    finally:
        fitted._session = session
    assert np.abs(by_onnx - ours).max() < 1e-3
    assert np.abs(by_onnx - fitted._scores(x[:, :, ::-1])).max() < 1e-3  # the mean over the mirror image has no left and right


def test_a_restored_one_answers_the_same_and_imports_no_torch(fitted: Transfer, saved: Path, folder: Path) -> None:
    own = [answer.probabilities for answer in fitted.answer([item.asked() for item in TEST])]
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from bakeoff.contract import Item\n"
        "from bakeoff.tasks.images.transfer import Transfer\n"
        "approach = Transfer(model='nowhere', resolution=48, unfreeze=1, mirrored=True).restore(Path(sys.argv[1]))\n"
        "approach.read_from(Path(sys.argv[2]))\n"
        "said = [a.probabilities for a in approach.answer([Item(str(k), key) for k, key in enumerate(json.loads(sys.argv[3]))])]\n"
        "print(json.dumps([said, sorted({'torch', 'pytorch_lightning', 'onnx'} & set(sys.modules))]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved), str(folder / "pictures"), json.dumps([item.input for item in TEST])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, imported = json.loads(done.stdout)
    assert imported == []
    assert said == [pytest.approx(each) for each in own]


def test_the_network_comes_back_from_what_was_saved(fitted: Transfer, saved: Path) -> None:
    back = Transfer(model="nowhere", resolution=48, unfreeze=1, mirrored=True).restore(saved)
    state = back.network_.state_dict()
    assert all(torch.equal(each, state[name]) for name, each in fitted.network_.state_dict().items())
    assert not any(each.requires_grad for each in back.network_.parameters()) and not back.network_.training
    assert back.flops(TEST).per_item == fitted.flops(TEST).per_item > 2 * 30e6  # at 48 pixels about 18 million products, twice


@pytest.mark.parametrize("what", ["order in json", "other onnx", "no onnx", "resolution", "weights"])
def test_a_saved_model_whose_parts_do_not_agree_is_refused(saved: Path, tmp_path: Path, what: str) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(saved, kept)
    about = json.loads((kept / "picture.json").read_text())
    assert about["labels"] == list(CLASSES)
    settings = {"model": "nowhere", "resolution": 48, "mirrored": True}
    if what == "order in json":
        about["labels"].reverse()
        (kept / "picture.json").write_text(json.dumps(about))
    elif what == "other onnx":
        from bakeoff.tasks.images.onnx_export import with_facts

        other = with_facts(
            (kept / "picture.onnx").read_bytes(), labels=list(CLASSES[::-1]), size=SIZE, fit="crop", temperature=1.0
        )
        (kept / "picture.onnx").write_bytes(other)
    elif what == "no onnx":
        (kept / "picture.onnx").unlink()
    elif what == "resolution":
        settings["resolution"] = 64
    else:
        save_file({"head.bias": np.zeros(2, np.float32)}, str(kept / "picture.safetensors"))
    with pytest.raises(Exception) as wrong:
        Transfer(**settings).restore(kept)  # type: ignore[arg-type]
    assert isinstance(wrong.value, RunError) or what == "no onnx"
    assert getattr(wrong.value, "fix", "")


@pytest.mark.parametrize(
    "settings", [{"resolution": 16}, {"resolution": 64.0}, {"unfreeze": 17}, {"unfreeze": True}, {"dropout": 1.0}, {"runtime": "tf"},
                 {"epochs": 0}, {"augment": "loud"}]
)  # fmt: skip
def test_a_setting_that_cannot_be_used_says_which(settings: dict[str, Any]) -> None:
    with pytest.raises(BadStudy, match=next(iter(settings)) + "|augment") as wrong:
        Transfer(**settings)
    assert wrong.value.fix


def test_a_backbone_that_is_not_there_is_said_before_anything_is_trained(folder: Path) -> None:
    approach = made(folder, model=str(folder / "pictures"))
    with pytest.raises(AssetError):
        approach.fit(TRAIN, VALID, seed=0, progress=quiet)


@pytest.mark.parametrize(("size", "to"), [(24, 48), (64, 128), (96, 40)])
def test_resizing_by_products_is_pillows_bicubic(size: int, to: int) -> None:
    draw = np.random.default_rng(size)
    channel = draw.uniform(0, 255, (size, size)).astype(np.float32)
    matrix = spread_matrix(size, to)
    theirs = np.asarray(Image.fromarray(channel).resize((to, to), Image.Resampling.BICUBIC))
    assert np.abs(matrix @ channel @ matrix.T - theirs).max() < 0.01
    assert matrix.sum(1) == pytest.approx(np.ones(to), abs=1e-5)


def test_the_head_is_the_logistic_regression_on_standardised_features() -> None:
    draw = np.random.default_rng(0)
    for labels in (2, 4):
        y = draw.integers(0, labels, 300)
        features = (draw.normal(0, 1, (300, 6)) + 3 * np.eye(6)[y] * 2 + 5).astype(np.float32)
        head = fit_head(features[:200], y[:200], features[200:], y[200:], labels)
        logits = features @ head.weights.T + head.bias
        assert logits.shape == (300, labels) and (logits.argmax(1) == y).mean() > 0.9
        from sklearn.linear_model import LogisticRegression

        mean, spread = features[:200].mean(0), features[:200].std(0) + 1e-6
        known = LogisticRegression(C=head.strength, max_iter=500, tol=1e-3).fit((features[:200] - mean) / spread, y[:200])
        chances = known.predict_proba((features - mean) / spread)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        assert shares / shares.sum(1, keepdims=True) == pytest.approx(chances, abs=1e-4)
        assert head.valid_accuracy == pytest.approx((logits[200:].argmax(1) == y[200:]).mean())
    none = fit_head(features, y, features[:0], y[:0], 4)
    assert none.valid_accuracy == 0.0 and none.strength == 0.01
