from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_shapes import shapes

from bakeoff.contract import quiet
from bakeoff.errors import BadStudy, BakeoffError
from bakeoff.tasks.images.networks import small_cnn
from bakeoff.tasks.images.training import Recipe, Trained, precision_for, train

SMALL = Recipe(epochs=4, batch_size=16, learning_rate=0.01, precision="float32", augment="strong")
NOTHING = np.zeros((0, 16, 16, 3), dtype=np.uint8), np.zeros(0, dtype=np.int64)


def lesson(
    recipe: Recipe = SMALL, *, seed: int = 0, n: int = 60, valid: bool = True, **more: object
) -> tuple[torch.nn.Module, Trained]:
    x, y = shapes(n, 16)
    torch.manual_seed(seed)
    network = small_cnn(3, 16, blocks=2, width=0.25)
    held = shapes(30, 16, seed=1) if valid else NOTHING
    done = train(network, x, y, *held, recipe, labels=3, seed=seed, **{"progress": quiet} | more)  # type: ignore[arg-type]
    return network, done


def weights(network: torch.nn.Module) -> bytes:
    return b"".join(each.contiguous().numpy().tobytes() for each in network.state_dict().values())


def test_a_curve_has_a_row_for_each_epoch_and_the_best_one_is_kept() -> None:
    network, done = lesson(Recipe(epochs=12, batch_size=16, learning_rate=0.02, precision="float32"))
    assert [row["epoch"] for row in done.curve] == list(range(1, 13))
    assert set(done.curve[0]) == {
        "epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "learning_rate", "seconds",
    }  # fmt: skip
    losses = [row["valid_loss"] for row in done.curve]
    assert done.best_epoch == losses.index(min(losses)) + 1
    assert done.curve[-1]["train_loss"] < 0.8 * done.curve[0]["train_loss"]
    assert [row["seconds"] for row in done.curve] == sorted(row["seconds"] for row in done.curve)
    # What came back is that epoch's network: its loss on validation is the row's.
    x, y = shapes(30, 16, seed=1)
    assert not network.training
    with torch.inference_mode():
        logits = network(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255)
    assert float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))) == pytest.approx(min(losses), rel=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    recipe = Recipe(epochs=2, batch_size=16, learning_rate=0.01, precision="float32", augment="strong")
    once, twice, other = (weights(lesson(recipe, seed=seed)[0]) for seed in (0, 0, 1))
    assert once == twice != other


def test_training_leaves_torchs_own_randomness_alone() -> None:
    x, y = shapes(32, 16)
    network = small_cnn(3, 16, blocks=1, width=0.25)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(network, x, y, *NOTHING, Recipe(epochs=1, batch_size=16), labels=3, seed=0, progress=quiet)
    assert torch.equal(torch.rand(3), expected)


def test_without_validation_the_last_epoch_stays() -> None:
    _, done = lesson(valid=False)
    assert done.best_epoch == 4 and "valid_loss" not in done.curve[0]


def test_it_stops_once_validation_no_longer_improves() -> None:
    # Labels of the validation pictures are wrong, so learning makes its loss worse.
    x, y = shapes(60, 16)
    x_valid, y_valid = shapes(30, 16, seed=1)
    network = small_cnn(3, 16, blocks=2, width=0.5)
    recipe = Recipe(
        epochs=40, batch_size=16, learning_rate=0.02, patience=3, augment="none", precision="float32", schedule="constant"
    )
    done = train(network, x, y, x_valid, (y_valid + 1) % 3, recipe, labels=3, seed=0, progress=quiet)
    assert len(done.curve) < 40 and len(done.curve) - done.best_epoch == 3


def test_progress_is_live_and_never_goes_back() -> None:
    told: list[tuple[float, str]] = []
    lesson(progress=lambda fraction, note: told.append((fraction, note)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert "epoch 4 of 4, loss " in told[-1][1] and "accuracy" in told[-1][1] and told[-1][1].endswith("s left")


def test_it_is_silent_and_writes_nowhere_but_in_its_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, folder = tmp_path / "here", tmp_path / "checkpoint"
    here.mkdir()
    monkeypatch.chdir(here)
    lesson(checkpoint=folder)
    lesson()
    assert list(here.iterdir()) == []
    assert sorted(path.relative_to(folder).parts[0] for path in folder.iterdir()) == ["epoch.ckpt", "logs"]
    assert capfd.readouterr() == ("", "")


def test_logs_hold_the_curve_as_csv_and_for_tensorboard(tmp_path: Path) -> None:
    _, done = lesson(checkpoint=tmp_path)
    rows = list(csv.DictReader((tmp_path / "logs" / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["valid_loss"]) for row in rows] == [row["valid_loss"] for row in done.curve]
    events = list((tmp_path / "logs" / "tensorboard").iterdir())
    assert len(events) == 1 and b"train_loss" in events[0].read_bytes()


def test_an_interrupted_training_goes_on_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, done = lesson()

    class Stop(Exception):
        pass

    def stop_after(epochs: int) -> object:
        def progress(fraction: float, note: str) -> None:
            if fraction >= epochs / 4:
                raise Stop

        return progress

    for epochs in (1, 2, 3):  # three interruptions of one training
        with pytest.raises(Stop):
            lesson(checkpoint=tmp_path, progress=stop_after(epochs))
    again, resumed = lesson(checkpoint=tmp_path)
    assert resumed.resumed_after == 3 and len(resumed.curve) == 4
    assert weights(again) == weights(whole)
    same = [name for name in done.curve[0] if name != "seconds"]
    assert [[row[name] for name in same] for row in resumed.curve] == [[row[name] for name in same] for row in done.curve]
    assert len((tmp_path / "logs" / "metrics.csv").read_text(encoding="utf-8").splitlines()) == 5
    # Already done: nothing is trained again.
    once_more, finished = lesson(checkpoint=tmp_path)
    assert finished.resumed_after == 4 and weights(once_more) == weights(whole)


def test_a_checkpoint_of_another_training_or_of_nothing_is_written_over(tmp_path: Path) -> None:
    lesson(checkpoint=tmp_path, seed=1)
    _, done = lesson(checkpoint=tmp_path, seed=0)
    assert done.resumed_after == 0
    (tmp_path / "epoch.ckpt").write_bytes(b"broken" * 100)
    again, done = lesson(checkpoint=tmp_path, seed=0)
    assert done.resumed_after == 0 and weights(again) == weights(lesson(seed=0)[0])


def test_a_checkpoint_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "harm",)

    torch.save({"bakeoff": {"mark": Harm(), "rows": [1]}}, tmp_path / "epoch.ckpt")
    _, done = lesson(checkpoint=tmp_path)
    assert done.resumed_after == 0 and not (tmp_path / "harm").exists()


def test_ctrl_c_reaches_the_caller_and_works_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupt(fraction: float, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lesson(progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_no_number_is_said() -> None:
    with pytest.raises(BakeoffError, match="diverged") as caught:
        lesson(Recipe(epochs=30, batch_size=16, optimizer="sgd", learning_rate=100.0, weight_decay=50.0, precision="float32"))
    assert "learning_rate" in caught.value.fix


def test_few_pictures_are_passed_more_often() -> None:
    _, done = lesson(Recipe(epochs=2, batch_size=16, fewest_steps=15, precision="float32"))
    assert done.epochs == 6 and len(done.curve) == 6  # 3 steps an epoch: 2 x 3 epochs make 18 steps
    _, done = lesson(Recipe(epochs=2, batch_size=500, precision="float32"))
    assert len(done.curve) == 2  # fewer pictures than a batch are one batch


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": 1.5}, {"batch_size": 1}, {"optimizer": "adam"}, {"schedule": "linear"}, {"augment": "weak"},
        {"learning_rate": -1}, {"label_smoothing": 1.0}, {"patience": -1}, {"precision": "int8"}, {"weight_decay": float("nan")},
    ],
)  # fmt: skip
def test_a_recipe_out_of_range_is_refused_when_it_is_written(wrong: dict[str, object]) -> None:
    with pytest.raises(BadStudy) as caught:
        Recipe(**wrong)  # type: ignore[arg-type]
    assert caught.value.fix and next(iter(wrong)) in caught.value.what


def test_half_the_width_on_a_gpu_alone_or_where_the_processor_has_it() -> None:
    assert precision_for("float32", False) == precision_for("float32", True) == "32-true"
    assert precision_for("bfloat16", False) == "bf16-mixed" and precision_for("float16", True) == "16-mixed"
    assert precision_for("auto", False) in ("32-true", "bf16-mixed")
    with pytest.raises(BadStudy, match="GPU"):
        precision_for("float16", False)


def test_bfloat16_learns_too() -> None:
    _, done = lesson(Recipe(epochs=6, batch_size=16, learning_rate=0.02, precision="bfloat16"))
    assert done.precision == "bf16-mixed" and done.curve[-1]["train_loss"] < done.curve[0]["train_loss"]


CHILD = """
import json, sys, warnings
warnings.simplefilter("error")
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from drawn_shapes import shapes
from bakeoff.tasks.images.networks import look_at, resnet9
from bakeoff.tasks.images.training import Recipe, train
x, y = shapes(96, 16)
torch.manual_seed(3)
network = resnet9(3, 16, width=0.125)
look_at(network, torch.from_numpy(x))
recipe = Recipe(epochs=8, batch_size=16, optimizer="muon", learning_rate=0.02, augment="strong", label_smoothing=0.1, precision=sys.argv[3])
told = lambda fraction, note: print(f"{fraction:.6f}", flush=True)
done = train(network, x, y, *shapes(30, 16, seed=1), recipe, labels=3, seed=3, progress=told, checkpoint=Path(sys.argv[2]))
Path(sys.argv[2], "done.json").write_text(json.dumps({
    "bytes": [each.contiguous().numpy().tobytes().hex() for each in network.state_dict().values()], "after": done.resumed_after}))
"""


def child(folder: Path, precision: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    given = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder), precision]
    return subprocess.Popen(given, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def run_to_the_end(folder: Path, precision: str) -> None:
    with child(folder, precision) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_killed_several_times_ends_with_the_same_bits(tmp_path: Path, precision: str) -> None:
    run_to_the_end(tmp_path / "whole", precision)
    expected = json.loads((tmp_path / "whole" / "done.json").read_text())
    broken = tmp_path / "broken"
    # Killed after the first, third and sixth epoch is told, some of the way into the next.
    for at, later in ((1 / 8, 0.0), (3 / 8, 0.02), (6 / 8, 0.005)):
        process = child(broken, precision)
        assert process.stdout
        for line in process.stdout:
            if float(line) >= at:
                break
        time.sleep(later)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        process.stdout.close()
        assert not (broken / "done.json").exists()
    run_to_the_end(broken, precision)
    found = json.loads((broken / "done.json").read_text())
    assert found["after"] >= 6
    assert found["bytes"] == expected["bytes"]
