"""The counters of operations against the formulas: exactly for random tiny networks, and for the real weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_lm import FakeRuntime

from bakeoff.errors import AssetError, BakeoffError
from bakeoff.estimate import flops
from bakeoff.models.flop_count import FlopCount, count, spread
from bakeoff.models.llm_cache import CachedLM
from bakeoff.models.llm_runs import Run, recorded, rehearsed


def forward(network, tokens: int) -> FlopCount:
    import torch

    ids = torch.ones((1, tokens), dtype=torch.long)
    with torch.inference_mode():
        return count(lambda: network(input_ids=ids, attention_mask=torch.ones_like(ids)))


def bert(attention: str = "sdpa", **sizes):
    import transformers

    given = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40, **sizes}
    return transformers.BertModel(transformers.BertConfig(vocab_size=50, attn_implementation=attention, **given)).eval()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("tokens", [1, 2, 17, 64])
def test_the_formula_is_exact_for_bert(attention, tokens):
    counted = forward(bert(attention), tokens)
    assert counted.total == flops.encoder(flops.Encoder(3, 24, 4, 40), tokens, pooler=True).total
    assert counted.uncounted == ()
    assert "native_layer_norm" in counted.reductions and "gelu" in counted.elementwise and "embedding" in counted.moves


def test_the_formula_is_exact_for_electra_with_its_narrow_embeddings():
    import transformers

    config = transformers.ElectraConfig(
        vocab_size=50, embedding_size=12, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40
    )
    counted = forward(transformers.ElectraModel(config).eval(), 9)
    assert counted.total == flops.encoder(flops.Encoder(2, 24, 4, 40, embedding=12), 9).total


@pytest.mark.parametrize(("keys", "head_dim"), [(4, 6), (2, 6), (1, 10)])
def test_the_formula_is_exact_for_a_llama_with_shared_heads(keys, head_dim):
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=70, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=keys, intermediate_size=40,
        head_dim=head_dim, attn_implementation="eager",
    )  # fmt: skip
    counted = forward(transformers.LlamaForCausalLM(config).eval(), 11)
    shape = flops.Decoder(2, 24, 4, 40, 70, kv_heads=keys, head_dim=head_dim)
    # This implementation multiplies the masked half as well, and computes scores at every position.
    expected = flops.decoder(shape, 11, outputs=11, skips_masked=False).total
    rotary = sum(n for name, n in counted.by_operator.items() if name == "bmm") - 4 * 2 * 4 * head_dim * 11 * 11
    assert counted.total - rotary == expected and 0 <= rotary < 0.01 * expected


def test_training_takes_three_forward_passes():
    import torch

    network, ids = bert().train(), torch.ones((2, 9), dtype=torch.long)

    def run():
        return network(input_ids=ids, attention_mask=torch.ones_like(ids)).pooler_output

    once = count(run).total
    assert count(lambda: run().sum().backward()).total == 3 * once
    one = flops.encoder(flops.Encoder(3, 24, 4, 40), 9, pooler=True)
    assert flops.training(flops.together(one, one)).total == 3 * once


def test_adapters_train_for_little_more_than_two_thirds():
    import peft
    import torch

    # Enough layers that what lies below the first adapter, whose gradients nobody needs, is a small share.
    network = bert("eager", num_hidden_layers=8, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    network = peft.get_peft_model(network, peft.LoraConfig(r=2, target_modules=["query", "value"], lora_dropout=0.0)).train()
    ids = torch.ones((1, 20), dtype=torch.long)
    counted = count(lambda: network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.sum().backward()).total
    weights = sum(tensor.numel() for name, tensor in network.named_parameters() if "lora_" in name)
    parts = flops.together(flops.encoder(flops.Encoder(8, 24, 4, 40), 20), flops.adapters(weights, 20))
    assert flops.training(parts, trained=[flops.ADAPTERS]).total == pytest.approx(counted, rel=0.05)


@pytest.mark.model
@pytest.mark.parametrize("tokens", [4, 32, 128])
def test_the_formula_agrees_with_the_counter_on_the_real_encoder(real_assets, tokens):
    from bakeoff.tasks.text import encoder_training

    _, encoder = encoder_training.load_encoder(real_assets / "minilm")
    counted = forward(encoder_training.classifier(encoder, 2, 0.1).eval(), tokens)
    assert counted.uncounted == ()
    assert flops.encoder(flops.Encoder(6, 384, 12, 1536), tokens, labels=2).total == pytest.approx(counted.total, rel=0.001)


def test_fused_arithmetic_without_a_formula_is_named_and_not_passed_over():
    import torch

    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    with torch.inference_mode():
        counted = count(lambda: layer(torch.zeros(1, 5, 16)))
    # In this mode the library runs the whole layer as one kernel: nothing is counted, and that must be told.
    assert counted.total == 0 and counted.uncounted == ("_transformer_encoder_layer_fwd",)
    signal = torch.zeros(64)
    assert count(lambda: torch.fft.rfft(signal)).uncounted == ("_fft_r2c",)


def test_convolutions_and_products_are_counted():
    import torch

    convolution, product = torch.nn.Conv1d(3, 5, 4), torch.nn.Linear(7, 11)
    with torch.inference_mode():
        assert count(lambda: convolution(torch.zeros(1, 3, 10))).total == 2 * 5 * 7 * 3 * 4
        assert count(lambda: product(torch.zeros(2, 7))).total == 2 * 2 * 7 * 11


def test_an_error_within_leaves_no_mode_behind():
    import torch

    def fail():
        torch.ones(2) @ torch.ones(3)

    with pytest.raises(RuntimeError):
        count(fail)
    assert count(lambda: torch.ones(2, 3) @ torch.ones(3, 4)).total == 48


def test_a_few_items_stand_for_all_lengths():
    lengths = [*range(1, 101)] * 2
    chosen = sorted(lengths[index] for index in spread(lengths, 16))
    assert len(chosen) == 16 and sum(chosen) / 16 == pytest.approx(sum(lengths) / 200, rel=0.02)
    assert chosen[0] < 10 and chosen[-1] > 90
    assert sorted(spread([5, 1, 3], 16)) == [0, 1, 2] and spread([], 16) == []


@pytest.mark.model
def test_the_onnx_profile_agrees_with_the_formula_on_the_real_encoder(real_assets):
    from bakeoff.models.encoder import open_encoder
    from bakeoff.models.onnx_flop_count import count_onnx, token_counts

    shape = flops.Encoder(6, 384, 12, 1536)
    found = count_onnx(real_assets / "minilm-int8", [3, 20, 128, 20])
    assert {n: each.total for n, each in found.items()} == {n: flops.encoder(shape, n).total for n in (3, 20, 128)}
    assert all(each.uncounted == () and set(each.by_operator) == {"MatMul"} for each in found.values())
    encoder = open_encoder("minilm-int8", longest=12)
    assert token_counts(encoder, ["", "good phone", "word " * 50, "\ud800"]) == [2, 4, 12, 3]
    assert token_counts(encoder, []) == []


def test_a_file_that_is_no_onnx_model_is_refused(tmp_path):
    from bakeoff.models.onnx_flop_count import count_onnx

    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(AssetError, match="cannot be run"):
        count_onnx(tmp_path, [4])


def test_shapes_in_a_profile_become_operations():
    from bakeoff.models.onnx_flop_count import _sum

    def event(name, *inputs, out):
        told = {"op_name": name, "input_type_shape": [{"float": i} for i in inputs], "output_type_shape": [{"float": out}]}
        return {"cat": "Node", "name": "n_kernel_time", "args": told}

    counted = _sum(
        [
            event("MatMul", [2, 5, 3], [3, 4], out=[2, 5, 4]),
            event("Gemm", [3, 5], [3, 4], out=[5, 4]),  # the first matrix transposed
            event("Conv", [1, 3, 10], [5, 3, 4], out=[1, 5, 7]),
            event("MatMulInteger", [2, 3], [3, 4], [], [], out=[2, 4]),
            event("Softmax", [2, 3], out=[2, 3]),
            event("LSTM", [2, 3], [3, 4], out=[2, 4]),
        ]
    )
    assert counted.by_operator == {"Conv": 840, "Gemm": 120, "MatMul": 240, "MatMulInteger": 48}
    assert counted.total == 1248 and counted.uncounted == ("LSTM",) and counted.reductions == ("Softmax",)


PROMPTS = ["Review: good\nSentiment:", "Review: good thing\nSentiment:", "Review: poor\nSentiment:"]


def test_a_rehearsal_runs_what_the_model_runs():
    real, lm = FakeRuntime(), CachedLM(FakeRuntime())
    measured = CachedLM(real)
    stand_in, runs = rehearsed(lm)
    for prompt in PROMPTS:
        runs.clear()
        before = measured.tokens_decoded
        for each in (measured, stand_in):
            each.logprobs(prompt, [" positive", " negative", " neither"])
        assert sum(run.tokens for run in runs) == measured.tokens_decoded - before
        assert [(run.kept, run.tokens) for run in runs] == real.runs[-len(runs) :]
        # One row of scores for each different beginning of a label.
        beginnings = {label[:n] for label in (" positive", " negative", " neither") for n in range(len(label))}
        assert sum(run.outputs for run in runs) >= len(beginnings)
    assert lm.tokens_decoded == 0


def test_recording_changes_no_answer_and_ends_with_its_block():
    alone, watched = (CachedLM(FakeRuntime(script={"say:": b"hello"})) for _ in range(2))
    with recorded(watched) as runs:
        said = [piece.text for piece in watched.generate("say:", max_tokens=9)]
    assert said == [piece.text for piece in alone.generate("say:", max_tokens=9)]
    assert runs == [Run(4, 0, 1), *(Run(1, 4 + i, 1) for i in range(5))]
    noted = len(runs)
    assert list(watched.generate("say:", max_tokens=2)) == list(alone.generate("say:", max_tokens=2))
    assert len(runs) == noted and watched.logprobs("say:", ["hi"]) == alone.logprobs("say:", ["hi"])


def test_recording_ends_with_an_error_too_and_a_closed_model_stays_closed():
    lm = CachedLM(FakeRuntime(context=32))
    with pytest.raises(BakeoffError), recorded(lm) as runs:
        lm.logprobs("x" * 99, ["y"])
    assert runs == []
    with recorded(lm):
        lm.close()
    with pytest.raises(BakeoffError, match="closed"):
        lm.count("x")
    with pytest.raises(BakeoffError, match="cannot be seen"):
        rehearsed(object())
