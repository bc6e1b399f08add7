"""What each approach says of its own arithmetic, held against what it really runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))
from fake_gguf import header, llama_keys, llama_tensors, tiny_llama
from fake_lm import FakeRuntime

from bakeoff.contract import CountsFlops, Item, quiet
from bakeoff.errors import BakeoffError
from bakeoff.estimate import flops as formula
from bakeoff.models.llm_cache import CachedLM
from bakeoff.tasks.text import flops as arithmetic
from bakeoff.tasks.text.embedding_linear import EmbeddingLinear
from bakeoff.tasks.text.finetuned_encoder import FinetunedEncoder
from bakeoff.tasks.text.lora_encoder import LoraEncoder
from bakeoff.tasks.text.majority import Majority
from bakeoff.tasks.text.prompted_llm import PromptedLLM
from bakeoff.tasks.text.tfidf_linear import TfidfLinear

TRAIN = [
    Item(str(i), f"a {'good' if i % 2 else 'poor'} thing, number {i}", "positive" if i % 2 else "negative") for i in range(48)
]
VALID, TEST = TRAIN[:12], [Item(f"x{i}", "a good phone " * (1 + i % 5), None) for i in range(20)]
MINILM = formula.Encoder(6, 384, 12, 1536)


def test_majority_computes_nothing():
    found = Majority().fit(TRAIN, seed=0).flops(TEST)
    assert found.per_item == 0 and found.per_token is None and found.basis


def test_tfidf_is_counted_by_the_non_zeros_of_these_items_and_not_by_its_vocabulary():
    approach = TfidfLinear().fit(TRAIN, VALID, seed=0, progress=quiet)
    assert isinstance(approach, CountsFlops)
    nonzeros = approach.features_.transform(["a good thing"]).nnz
    found = approach.flops([Item("1", "a good thing")])
    assert found.per_item == nonzeros * (4 + 2) < 2 * approach.chosen_["features"]
    assert approach.flops([Item("1", "zzzz qqqq")]).per_item < found.per_item
    both = approach.flops([Item("1", "a good thing"), Item("2", "")])
    assert both.per_item == found.per_item / 2 and "2 items" in both.basis
    assert any("n-grams" in left for left in found.leaves_out)


def test_more_classes_take_more_rows_of_weights():
    three = [Item(item.id, item.input, str(number % 3)) for number, item in enumerate(TRAIN)]
    approach = TfidfLinear().fit(three, three[:9], seed=0, progress=quiet)
    nonzeros = approach.features_.transform(["a good thing"]).nnz
    assert approach.flops([Item("1", "a good thing")]).per_item == nonzeros * (4 + 2 * 3)


@pytest.mark.model
def test_the_frozen_encoder_is_counted_over_the_tokens_that_it_reads(real_assets):
    approach = EmbeddingLinear(longest=16).fit(TRAIN, VALID, seed=0, progress=quiet)
    short, long = approach.flops([Item("1", "good phone")]), approach.flops([Item("1", "word " * 500)])
    assert short.per_item == formula.encoder(MINILM, 4).total + 2 * 384 * 2
    assert long.per_item == formula.encoder(MINILM, 16).total + 2 * 384 * 2  # cut at 16 tokens
    assert short.per_token == short.per_item / 4 and "config.json" in short.basis
    assert approach.flops([Item("1", "good phone"), Item("2", "word " * 500)]).per_item == (short.per_item + long.per_item) / 2


@pytest.mark.model
def test_without_a_configuration_the_onnx_model_is_counted_by_running_it(real_assets, tmp_path):
    from bakeoff.models.encoder import SentenceEncoder

    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).symlink_to(real_assets / "minilm-int8" / name)
    encoder = SentenceEncoder(tmp_path)
    found = arithmetic.of_onnx_encoder(encoder, tmp_path, ["good phone"], 2)
    assert found.per_item == formula.encoder(MINILM, 4).total + 2 * 384 * 2
    assert "profiler" in found.basis and not any("no formula" in left for left in found.leaves_out)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "modernbert", "hidden_size": 384}))
    assert "profiler" in arithmetic.of_onnx_encoder(encoder, tmp_path, ["good phone"], 2).basis
    (tmp_path / "config.json").write_text("[")
    assert arithmetic.of_onnx_encoder(encoder, tmp_path, ["good phone"], 2).per_item == found.per_item


@pytest.mark.model
@pytest.mark.parametrize("make", [FinetunedEncoder, LoraEncoder])
def test_a_trained_encoder_is_counted_by_the_instrument_and_the_formula_agrees(real_assets, make):
    approach = make(epochs=1, fewest_steps=1, batch_size=16).fit(TRAIN[:16], [], seed=0, progress=quiet)
    found = approach.flops(TEST)
    adapters = sum(tensor.numel() for name, tensor in approach.network_.named_parameters() if ".lora_" in name)
    assert (adapters > 0) == (make is LoraEncoder)
    lengths = [2 + 3 * (1 + i % 5) for i in range(20)]
    expected = [formula.encoder(MINILM, n, labels=2).total + formula.adapters(adapters, n).total for n in lengths]
    assert found.per_item == pytest.approx(sum(expected) / 20, rel=1e-9)
    assert found.per_token == pytest.approx(sum(expected) / sum(lengths), rel=1e-9)
    assert "on 16 items of 5 to 17 tokens" in found.basis and "100.0% of the count and carries it over to all 20" in found.basis
    assert not any("no formula" in left for left in found.leaves_out)
    answers = [next(iter(approach.answer([item]))) for item in TEST[:5]]
    assert [answer.tokens_in for answer in answers] == lengths[:5]


def test_a_network_that_no_formula_describes_is_counted_by_the_instrument_alone():
    import torch
    import transformers

    from bakeoff.tasks.text.encoder_training import classifier

    config = transformers.AlbertConfig(
        vocab_size=30, embedding_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20
    )
    torch.manual_seed(0)
    network = classifier(transformers.AlbertModel(config, add_pooling_layer=False), 2, 0.0)
    found = arithmetic.of_network(network, [[1, 2, 3], [1, 2, 3, 4, 5]])
    shape = formula.Encoder(2, 16, 2, 20, embedding=8)
    assert found.per_item == sum(formula.encoder(shape, n, labels=2).total for n in (3, 5)) / 2
    assert "no formula" in found.basis


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"model_type": "distilbert", "n_layers": 2, "dim": 8, "n_heads": 2, "hidden_dim": 16}, formula.Encoder(2, 8, 2, 16)),
        ({"model_type": "modernbert", "num_hidden_layers": 2}, None),
        ({"model_type": "bert", "num_hidden_layers": "2"}, None),
        (
            {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 9, "num_attention_heads": 2, "intermediate_size": 4},
            None,
        ),
        ({}, None),
    ],
)
def test_only_configurations_that_the_formula_describes_are_believed(config, shape):
    assert arithmetic.encoder_shape(config) == shape


SHAPE = formula.Decoder(2, 16, 4, 24, 60, kv_heads=2)


def prompted(tmp_path: Path, runtime: FakeRuntime, **given) -> PromptedLLM:
    """The real approach over a scripted runtime and the header of a small Llama."""
    file = tiny_llama(tmp_path / "tiny.gguf")
    settings = {"model": str(file), "formats": "completion", "context": runtime.context_length, "item_tokens": 64, **given}
    approach = PromptedLLM(**settings)
    approach._lm = CachedLM(runtime)
    return approach.fit(TRAIN, VALID, seed=0, progress=quiet)


def test_a_language_model_is_counted_over_the_tokens_that_it_runs(tmp_path):
    runtime = FakeRuntime()
    approach = prompted(tmp_path, runtime)
    items = [item.asked() for item in TEST[:6]]
    ran_before = len(runtime.runs)
    found = approach.flops(items)
    assert len(runtime.runs) == ran_before  # counting ran nothing
    list(approach.answer([Item("0", "...")]))
    begin, decoded = len(runtime.runs), approach._lm.tokens_decoded
    answers = list(approach.answer(items))
    tokens = approach._lm.tokens_decoded - decoded
    assert all(answer.error is None for answer in answers)
    assert found.per_token == pytest.approx(found.per_item * len(items) / tokens)
    # The two labels are 9 bytes each, apart from the first letter on: a blank and 8 letters, the last of which is not run.
    blocks = sum(formula.decoder(SHAPE, n, kept=kept, outputs=0).total for kept, n in runtime.runs[begin:])
    scores = 2 * 16 * 60 * (1 + 2 * 8 - 1)
    assert found.per_item * len(items) == pytest.approx(blocks + scores * len(items), rel=0.02)
    assert f"{tokens / len(items):,.1f} each" in found.basis and "the model file" in found.basis


def test_the_shared_prompt_is_told_apart_and_not_counted_with_every_item(tmp_path):
    approach = prompted(tmp_path, FakeRuntime())
    longer = prompted(tmp_path, FakeRuntime(), instruction="Read this with great care. " * 5 + "Is it negative or positive?")
    one, two = approach.flops(TEST[:4]), longer.flops(TEST[:4])
    blocks = [item.per_item for item in (one, two)]
    # A longer instruction is attended to, but not read again: the tokens are the same, the work is a little more.
    assert blocks[0] < blocks[1] < 2 * blocks[0]
    assert one.basis.split("items: ")[1].split(" each")[0] == two.basis.split("items: ")[1].split(" each")[0]


def test_the_order_of_asking_leaves_the_model_as_it_was(tmp_path):
    runtime = FakeRuntime()
    approach = prompted(tmp_path, runtime)
    before = [answer.probabilities for answer in approach.answer(TEST[:3])]
    approach.flops(TEST[:8])
    assert [answer.probabilities for answer in approach.answer(TEST[:3])] == before


def test_in_mode_text_what_is_written_is_counted_too(tmp_path):
    def counted(said: bytes) -> float:
        runtime = FakeRuntime(script={"Sentiment:": said})
        approach = prompted(tmp_path, runtime, mode="text", max_tokens=12)
        begin = len(runtime.runs)
        found = approach.flops(TEST[:2])
        ran = [formula.decoder(SHAPE, n, kept=kept, outputs=1).total for kept, n in runtime.runs[begin:]]
        # All that ran but the first, meaningless text, whose reading and answer came first.
        assert found.per_item * 2 < sum(ran)
        assert "choosing each token" in found.leaves_out
        assert next(iter(approach.answer(TEST[:1]))).value == "positive"
        return found.per_item

    assert counted(b" positive, I would say") > counted(b" positive") > 0


def test_an_architecture_without_a_formula_falls_back_on_two_per_parameter(tmp_path):
    approach = prompted(tmp_path, FakeRuntime())
    tensors = llama_tensors() | {"blk.0.ssm_in.weight": (16, 100)}
    Path(approach.model).write_bytes(header(llama_keys(architecture="hybrid"), tensors))
    found = approach.flops(TEST[:4])
    assert found.basis.startswith("2 x parameters x tokens (hybrid") and formula.ATTENTION in found.leaves_out
    assert found.per_token > 2 * (SHAPE.weights + 1600)


def test_items_that_cannot_be_asked_are_left_out_and_none_at_all_is_refused(tmp_path):
    approach = prompted(tmp_path, FakeRuntime())

    def ask(lm, text):
        if text == "bad":
            raise BakeoffError("too long")
        lm.logprobs("Review: " + text, [" x"])

    file = Path(approach.model)
    with_bad = arithmetic.of_language_model(approach._lm, file, ask, ["aa", "bad", "aa"], writes=False)
    assert "for 2 items" in with_bad.basis
    with pytest.raises(BakeoffError, match="None of the items"):
        arithmetic.of_language_model(approach._lm, file, ask, ["bad"], writes=False)


@pytest.mark.model
def test_the_language_model_runs_the_tokens_that_are_counted_for_it(real_assets):
    approach = PromptedLLM(formats="completion", search_items=0).fit(TRAIN, [], seed=0, progress=quiet)
    items = [item.asked() for item in TEST[:4]]
    found = approach.flops(items)
    list(approach.answer([Item("0", "...")]))
    before = approach._lm.tokens_decoded
    list(approach.answer(items))
    assert found.per_item / found.per_token == pytest.approx((approach._lm.tokens_decoded - before) / 4)
    # SmolLM2-135M: 106M parameters in its blocks, 28M in the vocabulary projection, which runs once per item here.
    tokens = found.per_item / found.per_token
    assert found.per_item == pytest.approx(2 * 106_168_320 * tokens + 2 * 576 * 49_152, rel=0.02)


@pytest.mark.model
def test_language_model_encoder_and_words_stand_in_their_known_order(real_assets):
    words = TfidfLinear().fit(TRAIN, VALID, seed=0, progress=quiet).flops(TEST[:6])
    encoder = EmbeddingLinear().fit(TRAIN, VALID, seed=0, progress=quiet).flops(TEST[:6])
    model = PromptedLLM(formats="completion", search_items=0).fit(TRAIN, [], seed=0, progress=quiet).flops(TEST[:6])
    assert model.per_item > 5 * encoder.per_item > 5 * 10_000 * words.per_item
    for found in (words, encoder, model):
        assert json.loads(json.dumps(asdict(found)))["per_item"] == found.per_item


@pytest.mark.parametrize(
    "count", [lambda: arithmetic.of_tfidf([], 1), lambda: arithmetic.of_network(None, []), lambda: arithmetic.of_onnx_encoder(None, Path(), [], 2)]
)  # fmt: skip
def test_no_items_are_refused_with_a_fix(count):
    with pytest.raises(BakeoffError, match="no items") as caught:
        count()
    assert caught.value.fix
