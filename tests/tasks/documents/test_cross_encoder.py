"""The cross-encoder, run for real: a graph of two nodes, written byte by byte, that scores a pair by the mean of its token numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import AssetError
from bakeoff.tasks.documents.find.cross_encoder import LONGEST, CrossEncoder, open_cross_encoder

WORDS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "rent": 3, "what": 4, "roof": 5, "bread": 40, "baked": 60}


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def value_info(name: str, element: int, columns: int | str) -> bytes:
    size = field(1, columns) if isinstance(columns, int) else field(2, columns.encode())
    shape = field(1, field(2, b"batch")) + field(1, size)
    return field(1, name.encode()) + field(2, field(1, field(1, element) + field(2, shape)))


def node(operator: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return (
        b"".join(field(1, name.encode()) for name in inputs)
        + field(2, output.encode())
        + field(4, operator.encode())
        + attributes
    )


def integer(name: str, value: int) -> bytes:
    return field(5, field(1, name.encode()) + field(3, value) + field(20, 2))


def integers(name: str, value: int) -> bytes:
    return field(5, field(1, name.encode()) + field(8, value) + field(20, 7))


def write_model(folder: Path, *, classes: int = 1, extra_input: str = "") -> Path:
    nodes = [
        node("Cast", ["input_ids"], "tokens", integer("to", 1)),
        node("Cast", ["attention_mask"], "mask", integer("to", 1)),
        node("Mul", ["tokens", "mask"], "kept"),
        node("ReduceMax", ["kept"], "score", integers("axes", 1) + integer("keepdims", 1)),
    ]
    output = "score"
    if classes > 1:
        parts = ["score"] * (classes - 1)
        nodes.append(node("Sub", ["score", "score"], "zero"))
        nodes.append(node("Concat", ["zero", *parts], "both", integer("axis", 1)))
        output = "both"
    graph = b"".join(field(1, each) for each in nodes) + field(2, b"g")
    inputs = ["input_ids", "attention_mask", *([extra_input] if extra_input else [])]
    graph += b"".join(field(11, value_info(name, 7, "length")) for name in inputs)
    graph += field(12, value_info(output, 1, classes))
    model = field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 13))
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def logistic(value: float) -> float:
    return 1 / (1 + np.exp(-value))


def test_scores_are_the_models_own_in_the_order_asked_whatever_stands_beside_them(tmp_path: Path) -> None:
    model = CrossEncoder(write_model(tmp_path / "m"))
    passages = ["rent", "roof rent rent", "what", *["rent " * length for length in range(1, 40)]]
    found = model.scores("what", passages)
    expected = [logistic(max(WORDS[word] for word in f"what {passage}".split())) for passage in passages]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(model.scores("what", passages[1:2]), expected[1:2], rtol=1e-6)
    assert model.scores("what", []).shape == (0,)


def test_of_two_classes_the_second_counts(tmp_path: Path) -> None:
    model = CrossEncoder(write_model(tmp_path / "m", classes=2))
    np.testing.assert_allclose(model.scores("what", ["roof"]), [logistic(5.0)], rtol=1e-6)


def test_a_long_passage_is_cut_and_the_question_is_not(tmp_path: Path) -> None:
    model = CrossEncoder(write_model(tmp_path / "m"))
    # What stands beyond the model's length is not read.
    found = model.scores("roof", ["rent " * (2 * LONGEST) + "bread", "rent " * 10 + "bread"])
    np.testing.assert_allclose(found, [logistic(5.0), logistic(40.0)], rtol=1e-6)
    assert model.scores("roof " * 2_000, ["rent"]).shape == (1,)


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="no cross-encoder"):
        CrossEncoder(write_model(tmp_path / "many", classes=3))
    with pytest.raises(AssetError, match="wants pixel_values"):
        CrossEncoder(write_model(tmp_path / "other", extra_input="pixel_values"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match=r"0 \.onnx"):
        CrossEncoder(tmp_path / "empty")
    bare = write_model(tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    with pytest.raises(AssetError, match=r"tokenizer\.json"):
        open_cross_encoder(str(bare))
    broken = write_model(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"\x08x")
    with pytest.raises(AssetError, match="cannot be loaded"):
        CrossEncoder(broken)


def test_retrieval_takes_its_order_from_the_cross_encoder(tmp_path: Path) -> None:
    from test_retrieve import BREAD, RENT, page, put

    from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

    with SqliteStore(tmp_path / "corpus", create=True) as store:
        put(store, "a.pdf", [page(1, RENT), page(2, BREAD.lower().replace(".", " ")), page(3, "What is rent, what is rent?")])
        plain = Retriever(store, None, RetrievalSettings(mode="lexical")).retrieve("what rent is baked bread")
        crossed = Retriever(store, None, RetrievalSettings(mode="lexical", rerank=str(write_model(tmp_path / "m")))).retrieve(
            "what rent is due"
        )
    assert "cross" not in plain[0].scores
    assert all(each.score == each.scores["cross"] for each in crossed)
    assert [each.score for each in crossed] == sorted((each.score for each in crossed), reverse=True)
