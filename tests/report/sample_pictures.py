"""A document of a study of pictures for the report's tests: trainings, maps, a withheld one, bias and variance, doubted labels."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

import sample
from PIL import Image, ImageDraw

from bakeoff.decide import record as r

SHOWN, WITHHELD, FAILED = "finetuned-encoder", "lora-encoder", "llm-zero-shot"


def address(seed: int, kind: str = "picture") -> str:
    """A small drawn picture."""
    draw = random.Random(seed)
    made = Image.new("RGB", (64, 64), "white")
    pen = ImageDraw.Draw(made)
    box = [draw.randint(4, 20), draw.randint(4, 20), draw.randint(40, 60), draw.randint(40, 60)]
    colour = {"picture": tuple(draw.randint(30, 230) for _ in range(3)), "gradcam": (240, 110, 30), "edges": None}[kind]
    (pen.ellipse if seed % 2 else pen.rectangle)(box, fill=colour, outline=(60, 60, 60))
    held = io.BytesIO()
    made.save(held, "WEBP", quality=60)
    return f"data:image/webp;base64,{base64.b64encode(held.getvalue()).decode()}"


def curve(seed: int, epochs: int = 20) -> list[dict[str, float]]:
    draw = random.Random(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        way = 1 - 0.8 ** (epoch * 20 / epochs)
        over = max(0.0, epoch / epochs - 0.6) * 0.5
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 2.2 - 1.9 * way + draw.gauss(0, 0.03),
                "train_accuracy": 0.1 + 0.8 * way + draw.gauss(0, 0.01),
                "valid_loss": 2.2 - 1.7 * way + over + draw.gauss(0, 0.05),
                "valid_accuracy": 0.1 + 0.75 * way - over / 5 + draw.gauss(0, 0.015),
                "learning_rate": 0.01,
                "seconds": 3.1 * epoch,
            }
        )
    return rows


def said(i: int, right: bool, *maps: str) -> dict[str, Any]:
    labels = ("bird", "vehicle", "fruit-or-vegetable", "drink")
    row = {"id": f"row-{i}", "target": labels[i % 4], "said": labels[i % 4 if right else (i + 1) % 4], "sure": 0.97 - i * 0.03}
    return {**row, "right": right, **{kind: address(i, kind) for kind in ("picture", *maps)}}


def span(mid: float, by: float, n: int = 400) -> dict[str, Any]:
    return {"mid": mid, "low": mid - by, "high": mid + by, "n": n}


def explained(shown: bool) -> dict[str, Any]:
    kinds = ("gradcam", "edges") if shown else ("edges",)
    return {
        "worst": [said(i, False) for i in range(12 if shown else 3)],
        "maps": [said(i, i >= 4, *kinds) for i in range(8)],
        "gradcam": {
            "shown": shown,
            "why": (
                "With random weights the maps change (rank correlation 0.11, at most 0.50 allowed; structural similarity 0.09, at most "
                "0.50), and the mean probability of the right class falls from 0.81 to 0.10."
                if shown
                else "It gives the right class a mean probability of 0.12, and 20 copies of it with random weights give it 0.10: at least 0.10 "
                "more would be needed, so there is nothing learned that a map could explain."
            ),
            "layer": "body.2.3", "map": [8, 8], "pictures": 32, "copies": 20, "right": 0.81, "right_copies": 0.1,
            "spread_copies": 0.01, "need": 0.1, "rank": 0.11, "ssim": 0.09, "blank": 0.0,
            "cascade": [{"down_to": name, "rank": 0.9 - 0.15 * i, "ssim": 0.8 - 0.15 * i} for i, name in enumerate(("head", "body.2.2", "body.2.0", "body.1.0", "body.0.2", "body.0.0"))],
        },
        "hiding": {
            "before": 0.81, "share": 0.25, **({"gradcam": span(0.31, 0.06, 32)} if shown else {}),
            "edges": span(0.22, 0.07, 32), "random": span(0.08, 0.05, 32),
        },
        "calibration": {
            "temperature": 1.64, "n": 872,
            "before": {"log_loss": 0.712, "brier": 0.31, "ece": 0.093},
            "after": {"log_loss": 0.585, "brier": 0.29, "ece": 0.024},
        },
    }  # fmt: skip


def parts(bias: float, variance: float) -> dict[str, Any]:
    return {"loss": span(bias + variance, 0.02), "bias": span(bias, 0.02), "variance": span(variance, 0.005)}


def split(n: int, bias: float, variance: float) -> dict[str, Any]:
    return {"n_train": n, "seeds": 3, "n": 400, **{key: parts(bias, variance) for key in ("zero_one", "brier", "log_loss")}}


def document() -> r.Document:
    """`sample.document` with everything that a study of pictures adds."""
    made = sample.document()
    views = {
        **made.views,
        "training": {
            SHOWN: {str(seed): curve(seed) for seed in range(3)},
            WITHHELD: {str(seed): curve(10 + seed, 31) for seed in range(3)},
        },
        "explained": {SHOWN: explained(True), WITHHELD: explained(False), FAILED: {"failed": "RuntimeError: <b>no</b> map"}},
        "pictures": {mistake.id: address(i) for i, mistake in enumerate(made.mistakes.examples)},
        "bias_variance": {
            SHOWN: [split(n, b, v) for n, b, v in ((840, 0.31, 0.16), (1681, 0.24, 0.11), (3362, 0.2, 0.08), (6724, 0.17, 0.05))],
            "tfidf-linear": [split(n, b, v) for n, b, v in ((840, 0.45, 0.06), (1681, 0.41, 0.04), (3362, 0.39, 0.03), (6724, 0.38, 0.02))],
        },
        "label_doubts": {
            "of": 6_724,
            "candidates": [
                {"id": f"train/{i}.png", "given": "bird", "suggested": "vehicle", "margin": 0.9 - i / 100, "picture": address(40 + i)} for i in range(9)
            ],
        },
    }  # fmt: skip
    return made.model_copy(update={"views": views, "edge_sets": [spoilt()]})


def spoilt() -> r.EdgeSet:
    """Corrupted copies at five severities, two kinds of them, and one kind that was asked at severity 3 alone."""
    kinds = {f"{kind}-{degree}": kind for kind in ("gaussian-noise", "jpeg") for degree in range(1, 6)} | {
        "grey-3": "colour taken away"
    }

    def result(kind: str, top: float) -> r.KindResult:
        right = top - 0.08 * int(kind[-1])
        return r.KindResult(
            kind=kind,
            n=40,
            judged=40,
            right=round(40 * right),
            accuracy=r.Range(mid=right, low=right - 0.1, high=right + 0.1, n=40),
        )

    return r.EdgeSet(
        name="corruptions", source="generated", items=440, judged=440, kinds=kinds,
        results={name: [result(kind, top) for kind in kinds] for name, top in ((SHOWN, 0.9), (WITHHELD, 0.7))},
    )  # fmt: skip
