"""The sentence encoder: vectors that depend on the text alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import AssetError, BakeoffError
from bakeoff.models import encoder
from bakeoff.models.encoder import SentenceEncoder, open_encoder

TEXTS = [
    "a",
    "The picture is sharp and the battery lasts.",
    "",
    "broke after a week " * 12,
    "日本語 🦄",
    "Great sound!",
    "great  sound !",
] * 3


@pytest.fixture
def minilm(real_assets: Path) -> SentenceEncoder:
    return open_encoder("minilm-int8")


@pytest.mark.model
def test_vectors_have_the_stated_shape_and_length(minilm):
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert minilm.encode([]).shape == (0, 384)
    longer = minilm.encode(TEXTS[:2], normalise=False)
    assert not np.allclose(np.linalg.norm(longer, axis=1), 1, atol=1e-3)


@pytest.mark.model
def test_a_vector_does_not_depend_on_its_batch(minilm):
    alone = np.vstack([minilm.encode([text]) for text in TEXTS])
    for size in (1, 2, 7, 32):
        assert np.abs(minilm.encode(TEXTS, batch_size=size) - alone).max() <= 1e-6
    backwards = minilm.encode(TEXTS[::-1])[::-1]
    assert np.abs(backwards - alone).max() <= 1e-6


@pytest.mark.model
def test_a_model_that_quantises_while_it_runs_gets_one_text_at_a_time(minilm):
    sizes = []
    pooled = minilm._pooled

    def counting(tokens):
        sizes.append(len(tokens))
        return pooled(tokens)

    minilm._pooled = counting
    minilm.encode(TEXTS[:6])
    minilm.depends_on_batch = True
    minilm.encode(TEXTS[:6])
    assert sizes == [6, 1, 1, 1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.model
def test_it_agrees_with_the_float_model_it_was_made_from(minilm, real_assets):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer

    model = transformers.AutoModel.from_pretrained(real_assets / "minilm").eval()
    read = Tokenizer.from_file(str(real_assets / "minilm" / "tokenizer.json"))
    read.no_padding()
    for text in TEXTS[:6]:
        with torch.no_grad():
            vector = model(torch.tensor([read.encode(text).ids])).last_hidden_state[0].mean(0).numpy()
        assert vector @ minilm.encode([text])[0] / np.linalg.norm(vector) > 0.99


@pytest.mark.model
def test_near_in_meaning_is_near_in_space(minilm):
    bad, awful, train = minilm.encode(["The camera is bad.", "What an awful camera.", "The train leaves at noon."])
    assert bad @ awful > bad @ train + 0.2


@pytest.mark.model
def test_only_the_beginning_of_a_long_text_is_read(minilm):
    start = "good phone " * 200
    assert np.array_equal(minilm.encode([start])[0], minilm.encode([start + "terrible " * 120_000])[0])
    assert np.isfinite(minilm.encode(["\x00\ud800 x", "x" * 1_000_000])).all()


@pytest.mark.model
def test_settings_out_of_range(minilm, real_assets):
    with pytest.raises(BakeoffError, match="batch_size"):
        minilm.encode(["a"], batch_size=0)
    with pytest.raises(BakeoffError, match="longest"):
        open_encoder("minilm-int8", longest=1)


def test_folders_that_are_no_encoder(tmp_path):
    with pytest.raises(AssetError, match=r"no \.onnx"):
        SentenceEncoder(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(AssetError, match=r"tokenizer\.json"):
        SentenceEncoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(AssetError, match="cannot be loaded"):
        SentenceEncoder(tmp_path)
    shutil.copy(tmp_path / "a.onnx", tmp_path / "b.onnx")
    with pytest.raises(AssetError, match=r"2 \.onnx"):
        SentenceEncoder(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"y")
    assert encoder._model_file(tmp_path).name == "model.onnx"


class FakeTensor:
    def __init__(self, name: str, shape: list) -> None:
        self.name, self.shape = name, shape


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Stands in for ONNX Runtime: notes which file was opened, and has the inputs and the output it is told to have."""
    import onnxruntime

    told: dict = {"inputs": ["input_ids", "attention_mask"], "shape": ["batch", "tokens", 8]}

    class Session:
        def __init__(self, path: str, *args, **options) -> None:
            told["path"] = path

        def get_inputs(self):
            return [FakeTensor(name, []) for name in told["inputs"]]

        def get_outputs(self):
            return [FakeTensor("states", told["shape"])]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return told


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models

    folder.mkdir(parents=True, exist_ok=True)
    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))


def test_the_file_that_was_named_is_the_one_that_is_opened(tmp_path, opened):
    write_tokenizer(tmp_path)
    for name in ("model.onnx", "model_int8.onnx"):
        (tmp_path / name).write_bytes(b"\x08x")
    assert open_encoder(str(tmp_path / "model_int8.onnx")).dimensions == 8
    assert Path(opened["path"]).name == "model_int8.onnx"
    open_encoder(str(tmp_path))
    assert Path(opened["path"]).name == "model.onnx"


def test_the_tokenizer_may_lie_one_folder_above_the_model(tmp_path, opened):
    write_tokenizer(tmp_path)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model_O1.onnx").write_bytes(b"\x08x")
    open_encoder(str(tmp_path / "onnx" / "model_O1.onnx"))
    assert Path(opened["path"]).name == "model_O1.onnx"


@pytest.mark.parametrize(
    "told",
    [{"shape": ["batch", 2]}, {"shape": ["batch", "tokens", "width"]}, {"inputs": ["input_ids", "pixel_values"]}],
)
def test_models_that_give_no_vector_per_token_are_refused(tmp_path, opened, told):
    opened |= told
    write_tokenizer(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"\x08x")
    with pytest.raises(AssetError, match="no encoder") as caught:
        SentenceEncoder(tmp_path)
    assert caught.value.fix
