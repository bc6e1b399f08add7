"""Export: the file answers as torch does, whoever runs it, and a graph that does not is refused. And calling: any kind of picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.images.call import Label, PictureCall, caller_of, pixels_of
from bakeoff.tasks.images.cnn import CNN
from bakeoff.tasks.images.decode import BadPicture
from bakeoff.tasks.images.majority import Majority
from bakeoff.tasks.images.onnx_export import (
    ExportRefused,
    OnnxPictures,
    export_classifier,
    export_network,
    whole_network,
    with_facts,
)
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.verbs_images import drawn_patterns, open_classifier

SIZE = 16
COLOURS = {"blau": (30, 40, 210), "rot": (210, 40, 30)}


def picture(label: str, number: int) -> np.ndarray:
    draw = np.random.default_rng(number)
    made = np.full((SIZE, SIZE, 3), 255, np.uint8)
    made[draw.integers(0, 5) : 12, 3:13] = COLOURS[label]
    return np.clip(made + draw.normal(0, 8, made.shape), 0, 255).astype(np.uint8)


ITEMS = [Item(f"i{k}", f"p{k}", ("blau", "rot")[k % 2]) for k in range(60)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> CNN:
    folder = tmp_path_factory.mktemp("onnx") / "pictures"
    Pictures.write(folder, ((item.input, picture(item.target, k)) for k, item in enumerate(ITEMS)), 60, SIZE)
    approach = CNN(blocks=1, width=0.25, epochs=2, batch_size=8, precision="float32")
    approach.read_from(folder)
    approach.fit(ITEMS[:40], ITEMS[40:], seed=0, progress=quiet)
    return approach


@pytest.fixture(scope="module")
def file(fitted: CNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    fitted.mirrored = True
    assert fitted.store_ is not None
    made = export_classifier(fitted, fitted.store_.array[:10])
    assert made.difference < 1e-4 and made.pictures == 10
    path = tmp_path_factory.mktemp("file") / "classifier.onnx"
    path.write_bytes(made.onnx)
    return path


def test_the_file_gives_the_classifiers_probabilities_with_nothing_but_onnx_runtime(fitted: CNN, file: Path) -> None:
    assert fitted.store_ is not None and fitted.temperature_ != 1.0
    x = np.array(fitted.store_.array)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for part in (x, x[:1], x[:7]):
        logits, chances = session.run(["logits", "probabilities"], {"pictures": part})
        assert chances == pytest.approx(fitted.probabilities(part), abs=1e-5)
        assert logits == pytest.approx(fitted._scores(part), abs=1e-4)
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["bakeoff.labels"] == '["blau", "rot"]' and facts["bakeoff.size"] == "16" and facts["bakeoff.fit"] == '"crop"'
    found = OnnxPictures.open(file)
    assert (found.labels, found.size, found.fit) == (["blau", "rot"], SIZE, "crop")
    assert found.temperature == pytest.approx(fitted.temperature_)


def test_a_graph_that_does_not_answer_as_torch_is_refused() -> None:
    class TwoFaced(torch.nn.Module):
        """Answers otherwise once it is exported, as a wrongly translated operator would make it."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = x.mean((2, 3))
            return logits + 0.01 if torch.compiler.is_exporting() else logits

    with pytest.raises(ExportRefused, match=r"differ from torch's by up to 0\.01") as wrong:
        export_network(whole_network(TwoFaced()), drawn_patterns(8, 4))
    assert "runtime: torch" in wrong.value.fix
    made = export_network(whole_network(TwoFaced()), drawn_patterns(8, 4), tolerance=0.02)
    assert made.difference == pytest.approx(0.01, rel=1e-3)


def test_a_network_that_cannot_be_exported_is_refused() -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) if float(x.sum().numpy()) > 0 else x.sum((2, 3))

    with pytest.raises(ExportRefused, match="cannot export"):
        export_network(whole_network(Branching()), drawn_patterns(8, 2))
    with pytest.raises(ExportRefused, match="no network"):
        export_classifier(Majority(), drawn_patterns(8, 2))
    with pytest.raises(BadData, match="there are none"):
        export_network(whole_network(torch.nn.Identity()), drawn_patterns(8, 2)[:0])


def test_a_file_that_is_no_exported_classifier_is_refused(file: Path, tmp_path: Path) -> None:
    plain = export_network(whole_network(torch.nn.AdaptiveAvgPool2d(1)), drawn_patterns(8, 2)).onnx
    (tmp_path / "plain.onnx").write_bytes(plain)
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "size.onnx").write_bytes(with_facts(file.read_bytes(), labels=["a", "b"], size=99, fit="crop", temperature=1.0))
    for name in ("plain", "text", "size", "missing"):
        with pytest.raises(BadData) as wrong:
            open_classifier(tmp_path / f"{name}.onnx")
        assert wrong.value.fix


# -- calling ----------------------------------------------------------------------------------------------------------


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, kind)
    return held.getvalue()


def test_every_kind_of_picture_gets_the_same_label(fitted: CNN, file: Path, tmp_path: Path) -> None:
    pixels = picture("rot", 99)
    path = tmp_path / "mäuse 鼠.png"
    path.write_bytes(encoded(pixels))
    for classify in (caller_of(fitted), open_classifier(file)):
        first = classify(path)
        assert isinstance(first, Label) and first.label == "rot" and first.probability == first.probabilities["rot"] > 0.5
        assert list(first.probabilities) == ["rot", "blau"] and sum(first.probabilities.values()) == pytest.approx(1)
        assert str(first) == f"rot ({first.probability:.2f})"
        alike = [
            str(path),
            path.read_bytes(),
            memoryview(path.read_bytes()),
            pixels,
            Image.fromarray(pixels),
            encoded(pixels, "TIFF"),
        ]
        found = classify.all(alike)
        assert [each.label for each in found] == ["rot"] * len(alike)
        # A batch is multiplied in another order than one picture: the last bits of a probability may differ.
        assert all(each.probabilities == pytest.approx(first.probabilities, abs=1e-6) for each in found)
        assert classify.all([]) == [] and len(classify.all([pixels] * 130)) == 130


def test_pillow_images_of_every_mode_are_prepared_as_files_are() -> None:
    colour = Image.fromarray(picture("rot", 5)).resize((40, 30))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"):
        image = colour.convert("L").convert("I").convert("I;16") if mode == "I;16" else colour.convert(mode)
        if mode == "YCbCr":
            continue_with = image.convert("RGB")
            assert np.array_equal(pixels_of(continue_with, 20, "pad"), pixels_of(image.convert("RGB"), 20, "pad"))
            continue
        assert pixels_of(image, 20, "pad").shape == (20, 20, 3)
    clear = Image.new("RGBA", (10, 10), (200, 0, 0, 0))
    assert (pixels_of(clear, 8, "crop") == 255).all()
    grey = np.full((9, 12), 100, np.uint8)
    assert (pixels_of(grey, 8, "crop") == 100).all() and pixels_of(np.dstack([grey] * 3 + [grey * 0]), 8, "crop").min() == 255


@pytest.mark.parametrize(
    "given", [None, 7, b"", b"text", "no/such.png", "data:image/png;base64,QQ==", np.zeros((4, 4)), np.zeros((2, 2, 7), np.uint8),
              np.zeros((0, 3, 3), np.uint8), np.zeros(5, np.uint8), ["a.png"]]
)  # fmt: skip
def test_what_is_no_picture_says_why(given: object) -> None:
    with pytest.raises(BadPicture) as wrong:
        pixels_of(given, 16, "crop")
    assert wrong.value.what and wrong.value.fix


def test_only_a_classifier_of_pictures_can_be_called() -> None:
    with pytest.raises(BadData, match="no classifier"):
        caller_of(object())  # type: ignore[arg-type]
    assert repr(PictureCall(["a", "b"], 8, "crop", lambda x: x)) == "PictureCall(2 labels, 8 x 8 pixels)"


def test_patterns_to_check_with_are_the_same_every_time() -> None:
    assert np.array_equal(drawn_patterns(12), drawn_patterns(12)) and drawn_patterns(12).shape == (32, 12, 12, 3)
    assert drawn_patterns(12).std() > 40
