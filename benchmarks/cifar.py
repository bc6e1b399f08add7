"""CIFAR-10 as JPEG on one thread: what `resnet9` reaches within a budget of CPU minutes, and beside it a plain Lightning script.

    python benchmarks/cifar.py ARCHIVE [--epochs 6] [--width 1.0] [--seed 0] [--only ours|plain] [--device cpu|cuda] [--runs 1] [--out FILE]

ARCHIVE is a tar (gz, xz) or a folder of train/CLASS/*.jpg and test/CLASS/*.jpg; "CIFAR-10 (JPEG)", because a re-encoded picture is not the published
one. 2,000 training pictures are set apart for the curve; the test pictures are answered once, after training. The plain script is the same network (random
first layer, no mirror image at the answer) as a tutorial would train it: a data set class, a DataLoader, crops and flips picture by picture,
SGD with one-cycle, float32. It stops when it has used the CPU seconds that our training used. The last line is one JSON document.

On a GPU (`--device cuda`) the same code runs in half precision; `--epochs 18 --width 2 --runs 5` aims at 94%. That was not run here: no GPU was at hand.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.measure.intervals import proportion
from bakeoff.models.threads import environment

SIDE = 32
HELD_OUT = 2_000
MOST_BYTES, MOST_FILES = 1_000_000, 100_000
"""Per file, and files: an archive that says otherwise is no CIFAR-10."""


def files(source: Path) -> Iterator[tuple[str, str, bytes]]:
    """Split, class and bytes of each picture, in the archive's order."""
    if source.is_dir():
        for path in sorted(source.glob("*/*/*.jpg")):
            yield path.parts[-3], path.parts[-2], path.read_bytes()
        return
    with tarfile.open(source) as archive:
        for count, member in enumerate(archive):
            parts = member.name.split("/")
            if count > MOST_FILES or member.size > MOST_BYTES:
                raise SystemExit(f"{source} is too large for CIFAR-10.")
            held = archive.extractfile(member) if member.isfile() and len(parts) >= 3 and parts[-1].endswith(".jpg") else None
            if held:
                yield parts[-3], parts[-2], held.read()


def read(source: Path) -> dict[str, tuple[Any, Any]]:
    """Pictures (n, 32, 32, 3) uint8 and classes (n,) of 'train' and 'test'."""
    import numpy as np
    from PIL import Image

    found: dict[str, tuple[list[Any], list[str]]] = {"train": ([], []), "test": ([], [])}
    for split, label, data in files(source):
        if split in found:
            found[split][0].append(np.asarray(Image.open(io.BytesIO(data), formats=("JPEG",)).convert("RGB")))
            found[split][1].append(label)
    labels = sorted(set(found["train"][1]))
    if not labels or {picture.shape for (picture,) in zip(found["train"][0], strict=True)} != {(SIDE, SIDE, 3)}:
        raise SystemExit(f"{source} holds no pictures of {SIDE} x {SIDE} as train/CLASS/*.jpg.")
    return {k: (np.stack(x), np.array([labels.index(each) for each in y], dtype=np.int64)) for k, (x, y) in found.items()}


def ours(data: dict[str, tuple[Any, Any]], given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train `resnet9` with the product's own code and answer the test once."""
    import numpy as np

    from bakeoff.tasks.images.resnet9 import ResNet9

    (x, y), (x_test, y_test) = data["train"], data["test"]
    order = np.random.default_rng(seed).permutation(len(x))
    held, rest = order[:HELD_OUT], order[HELD_OUT:]
    approach = ResNet9(width=given.width, epochs=given.epochs, batch_size=given.batch_size, learning_rate=given.learning_rate)
    approach.labels_, approach.size_, approach.fit_ = sorted(str(label) for label in range(int(y.max()) + 1)), SIDE, "crop"
    approach.chosen_, approach.curve_ = {}, []
    cpu, wall = time.process_time(), time.perf_counter()
    approach._learn(x[rest], y[rest], x[held], y[held], seed=seed, progress=_told(given))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    hits = sum(int((approach._scored(part).argmax(1) == truth).sum()) for part, truth in _parts(x_test, y_test))
    return _result("bakeoff resnet9", hits, len(y_test), cpu, wall, len(approach.curve_) * len(rest)) | {
        "curve": approach.curve_, "chosen": approach.chosen_, "seed": seed,
    }  # fmt: skip


def plain(data: dict[str, tuple[Any, Any]], given: argparse.Namespace, seed: int, cpu_budget: float) -> dict[str, Any]:
    """The same network as a tutorial trains it, for as many CPU seconds."""
    import pytorch_lightning as lightning
    import torch
    from torch.nn import functional

    from bakeoff.tasks.images.networks import resnet9
    from bakeoff.tasks.images.schedule import factor

    (x, y), (x_test, y_test) = data["train"], data["test"]

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            picture = torch.from_numpy(x[index]).permute(2, 0, 1).float() / 255
            if torch.rand(()) < 0.5:
                picture = picture.flip(-1)
            picture = functional.pad(picture, (4, 4, 4, 4))
            top, left = torch.randint(0, 9, (2,)).tolist()
            return picture[:, top : top + SIDE, left : left + SIDE], int(y[index])

    class Script(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = resnet9(10, SIDE, width=given.width)
            self.network.whiten.weight.requires_grad_(True)
            self.passed = 0

        def training_step(self, batch: Any, _: int) -> Any:
            pictures, truth = batch
            self.passed += len(truth)
            if time.process_time() - started > cpu_budget:
                self.trainer.should_stop = True
            return functional.cross_entropy(self.network(pictures), truth)

        def configure_optimizers(self) -> Any:
            chosen = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

            # One-cycle over the CPU budget rather than over a number of epochs that nobody knows beforehand: to its advantage.
            def share(_: int) -> float:
                return factor("one-cycle", min(999, int(1000 * (time.process_time() - started) / cpu_budget)), 1000)

            cycle = torch.optim.lr_scheduler.LambdaLR(chosen, share)
            return {"optimizer": chosen, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    lightning.seed_everything(seed, verbose=False)
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=given.batch_size, shuffle=True, drop_last=True)
    script = Script()
    trainer = lightning.Trainer(
        max_epochs=1000, min_epochs=0, accelerator="gpu" if given.device == "cuda" else "cpu", devices=1, logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    started, wall = time.process_time(), time.perf_counter()
    trainer.fit(script, loader)
    cpu, wall = time.process_time() - started, time.perf_counter() - wall
    network = script.network.to("cpu").eval()
    hits = 0
    with torch.inference_mode():
        for part, truth in _parts(x_test, y_test):
            logits = network(torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255)
            hits += int((logits.argmax(1).numpy() == truth).sum())
    return _result("plain Lightning script", hits, len(y_test), cpu, wall, script.passed) | {"seed": seed}


def _parts(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    for start in range(0, len(x), 500):
        yield x[start : start + 500], y[start : start + 500]


def _result(name: str, hits: int, n: int, cpu: float, wall: float, passed: int) -> dict[str, Any]:
    accuracy = proportion(hits, n)
    load = os.getloadavg()[0]
    print(
        f"{name}: {accuracy.mid:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%}, n = {n:,}), {cpu:.0f} CPU seconds, {wall:.0f} s, "
        f"{passed / cpu:.0f} pictures per CPU second, load {load:.1f}",
        flush=True,
    )
    return {
        "name": name, "accuracy": accuracy.mid, "low": accuracy.low, "high": accuracy.high, "n": n, "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(wall, 1), "pictures": passed, "pictures_per_cpu_second": round(passed / cpu, 1), "load": load,
    }  # fmt: skip


def _told(given: argparse.Namespace) -> Any:
    last = [""]

    def progress(fraction: float, note: str) -> None:
        epoch = note.split(",")[0]
        if epoch != last[0]:
            last[0] = epoch
            print(f"  {fraction:.0%} {note}", flush=True)

    return progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1, help="seeds, from --seed on")
    parser.add_argument("--only", choices=("ours", "plain"))
    parser.add_argument("--plain-cpu", type=float, default=600.0, help="CPU seconds of the plain script where ours is not run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ.update(environment(1))
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    torch.set_num_threads(1)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda needs a GPU that torch can use.")
    data = read(given.archive)
    document: dict[str, Any] = {
        "data": "CIFAR-10 (JPEG)",
        "threads": 1,
        "device": given.device,
        "torch": torch.__version__,
        "runs": [],
    }
    for seed in range(given.seed, given.seed + given.runs):
        budget = given.plain_cpu
        if given.only != "plain":
            document["runs"].append(ours(data, given, seed))
            budget = document["runs"][-1]["cpu_seconds"]
        if given.only != "ours":
            document["runs"].append(plain(data, given, seed, budget))
    if given.out:
        given.out.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
