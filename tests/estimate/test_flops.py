"""The formulas against published figures, against each other, and against what must hold for any shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.estimate import flops
from bakeoff.estimate.flops import ADAPTERS, ATTENTION, HEAD, Decoder, Encoder

BERT_BASE = Encoder(layers=12, hidden=768, heads=12, intermediate=3072)
GPT2 = Decoder(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=50257, gated=False)
GPT2_XL = Decoder(layers=48, hidden=1600, heads=25, intermediate=6400, vocabulary=50257, gated=False)
GPT3 = Decoder(layers=96, hidden=12288, heads=96, intermediate=49152, vocabulary=50257, gated=False)
LLAMA2_7B = Decoder(layers=32, hidden=4096, heads=32, intermediate=11008, vocabulary=32000)
LLAMA2_70B = Decoder(layers=80, hidden=8192, heads=64, intermediate=28672, vocabulary=32000, kv_heads=8)
SMOLLM2 = Decoder(layers=30, hidden=576, heads=9, intermediate=1536, vocabulary=49152, kv_heads=3)


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        # Sun et al. 2020 (MobileBERT, table 4) and Jiao et al. 2020 (TinyBERT, table 1): FLOPs at 128 tokens.
        (BERT_BASE, 22.5e9),
        (Encoder(layers=6, hidden=768, heads=12, intermediate=3072), 11.3e9),  # DistilBERT
        (Encoder(layers=4, hidden=312, heads=12, intermediate=1200), 1.2e9),  # TinyBERT 4
    ],
)
def test_encoders_take_what_was_published(shape, published):
    assert flops.encoder(shape, 128).total == pytest.approx(published, rel=0.04)


def test_at_512_tokens_attention_is_an_eighth_of_bert_base():
    # By the configuration: projections 8nh^2, feed-forward 16nh^2, attention 4n^2h, so attention is n / (6h + n) = 512 / 5120.
    long = flops.encoder(BERT_BASE, 512)
    assert long.parts[ATTENTION] / long.total == pytest.approx(512 / (6 * 768 + 512))
    assert long.total == 12 * (24 * 512 * 768**2 + 4 * 512**2 * 768) == 96_636_764_160


@pytest.mark.parametrize(
    ("shape", "parameters", "other"),
    [
        # Parameters of the published checkpoints; `other` are their norms, biases and positions, by their configurations.
        (GPT2, 124_439_808, 1024 * 768 + 12 * (4 * 768 + 9 * 768) + 2 * 768),
        (GPT2_XL, 1_557_611_200, 1024 * 1600 + 48 * (4 * 1600 + 9 * 1600) + 2 * 1600),
        (LLAMA2_7B, 6_738_415_616, 65 * 4096 + 32000 * 4096),
        (LLAMA2_70B, 68_976_648_192, 161 * 8192 + 32000 * 8192),
        (SMOLLM2, 134_515_008, 61 * 576),
    ],
)
def test_shapes_account_for_every_parameter_of_published_models(shape, parameters, other):
    assert shape.weights + shape.vocabulary * shape.hidden + other == parameters


def test_kaplan_forward_pass_per_token():
    """Table 1 of Kaplan et al. 2020: 2N + 2 n_layer n_ctx d_attn per token, N without embeddings (85M for GPT-2 small)."""
    assert GPT2.weights == 84_934_656
    read = flops.decoder(GPT2, 1024, outputs=0).total / 1024
    assert read == pytest.approx(2 * GPT2.weights + 2 * 12 * 1024 * 768, rel=1e-4)


def test_llama_2_7b_takes_two_operations_per_parameter_and_token():
    near, far = (flops.decoder_token(LLAMA2_7B, context).total for context in (0, 4095))
    assert near == pytest.approx(2 * 6.607e9, rel=1e-3)  # all but the embeddings, which are looked up
    assert far - near == 4 * 32 * 4096 * 4095


def test_gpt_3_training_is_what_was_published():
    """Brown et al. 2020, table D.1: 3.14e23 FLOPs for 300e9 tokens, by six operations per parameter and token."""
    step = flops.training(flops.decoder(GPT3, 2048, outputs=2048))
    without_attention = step.total - 3 * flops.decoder(GPT3, 2048).parts[ATTENTION]
    assert without_attention * 300e9 / 2048 == pytest.approx(3.14e23, rel=0.005)


def test_korthikanti_training_formula_and_utilisation():
    """72 B L s h^2 (1 + s/6h + v/12hL), and table 5: 175B, batch 64, 64 A100 in 13.75 s is 51.4% of 312 TFLOP/s."""
    batch, layers, tokens, hidden, vocabulary = 64, 96, 2048, 12288, 51200
    shape = Decoder(layers, hidden, 96, 4 * hidden, vocabulary, gated=False)
    step = flops.training(flops.decoder(shape, tokens, outputs=tokens, skips_masked=False)).total * batch
    by_paper = 72 * batch * layers * tokens * hidden**2 * (1 + tokens / (6 * hidden) + vocabulary / (12 * hidden * layers))
    assert step == pytest.approx(by_paper, rel=1e-12)
    assert step / (64 * 312e12 * 13.75) == pytest.approx(0.514, abs=0.001)


def test_hoffmann_appendix_f():
    """Its sum for one sequence less what this project leaves out: embeddings as a product, and softmax."""
    tokens, layers, width, key, heads, inner, vocabulary = 2048, 10, 640, 64, 10, 2560, 32000
    attention = 2 * 3 * tokens * width * key * heads + 2 * 2 * tokens**2 * key * heads + 2 * tokens * key * heads * width
    forward = layers * (attention + 2 * tokens * (width * inner * 2)) + 2 * tokens * width * vocabulary
    shape = Decoder(layers, width, heads, inner, vocabulary, head_dim=key, gated=False)
    assert flops.decoder(shape, tokens, outputs=tokens, skips_masked=False).total == forward


def test_frozen_weights_save_a_third_of_training_and_attention_saves_nothing():
    forward = flops.together(flops.encoder(BERT_BASE, 128, labels=2), flops.adapters(12 * 2 * 2 * 768 * 8, 128))
    whole, lora = flops.training(forward), flops.training(forward, trained=(ADAPTERS, HEAD))
    assert whole.total == pytest.approx(3 * forward.total)
    saved = whole.total - lora.total
    assert saved == pytest.approx(flops.encoder(BERT_BASE, 128).total - forward.parts[ATTENTION])
    assert 0.66 < lora.total / whole.total < 0.70


def test_linear_classifiers_are_counted_by_their_features():
    assert flops.linear(384, 2).total == 1536
    assert flops.tfidf(245, 1).total == 245 * 6
    assert flops.tfidf(0, 1).total == 0


def test_estimates_add_up_and_units_do_not_mix():
    from bakeoff.estimate.prices import Estimate

    both = flops.together(flops.linear(10, 2), flops.linear(5, 2))
    assert both.parts == {HEAD: 60.0} and both.unit == "FLOPs"
    with pytest.raises(BakeoffError, match="cannot be added"):
        flops.together(both, Estimate({"x": 1.0}, "bytes"))
    with pytest.raises(BakeoffError, match="cannot be added"):
        flops.together()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Encoder(0, 768, 12, 3072),
        lambda: Encoder(12, 768, 7, 3072),
        lambda: Encoder(12, 768.0, 12, 3072),
        lambda: Encoder(True, 768, 12, 3072),
        lambda: Decoder(12, 768, 12, 3072, 50257, kv_heads=5),
        lambda: Decoder(12, 770, 12, 3072, 50257),
        lambda: Decoder(12, 768, 12, 3072, 0),
        lambda: flops.encoder(BERT_BASE, 0),
        lambda: flops.encoder(BERT_BASE, 8, labels=-1),
        lambda: flops.decoder(GPT2, -1),
        lambda: flops.decoder(GPT2, 1, kept=-1),
        lambda: flops.linear(-1, 2),
        lambda: flops.linear(float("nan"), 2),
        lambda: flops.linear(10, 0),
        lambda: flops.by_parameters(-1, 2),
        lambda: flops.training(flops.linear(3, 2), trained=["adapter"]),
    ],
)
def test_impossible_sizes_are_refused_with_a_fix(wrong):
    with pytest.raises(BakeoffError) as caught:
        wrong()
    assert caught.value.fix


SIZES = st.integers(1, 6)
ENCODERS = st.builds(
    lambda layers, heads, width, inner, gated: Encoder(layers, heads * width, heads, inner, gated=gated),
    SIZES, SIZES, SIZES, st.integers(1, 64), st.booleans(),
)  # fmt: skip
DECODERS = st.builds(
    lambda layers, keys, share, width, hidden, inner, vocabulary, gated: Decoder(
        layers, hidden, keys * share, inner, vocabulary, kv_heads=keys, head_dim=width, gated=gated
    ),
    SIZES, SIZES, SIZES, SIZES, st.integers(1, 64), st.integers(1, 64), st.integers(1, 99), st.booleans(),
)  # fmt: skip
COUNTS = st.integers(0, 4096)


@given(ENCODERS, st.integers(1, 4096), st.integers(1, 64))
def test_more_tokens_or_layers_never_take_less_through_an_encoder(shape, tokens, more):
    base = flops.encoder(shape, tokens).total
    assert flops.encoder(shape, tokens + more).total > base * (tokens + more) / tokens * (1 - 1e-12)
    deeper = Encoder(shape.layers + more, shape.hidden, shape.heads, shape.intermediate, gated=shape.gated)
    assert flops.encoder(deeper, tokens).total > base
    assert base >= flops.by_parameters(shape.weights, tokens).total


@given(DECODERS, COUNTS, COUNTS, st.integers(1, 64))
def test_more_tokens_kept_tokens_or_layers_never_take_less_through_a_decoder(shape, tokens, kept, more):
    base = flops.decoder(shape, tokens, kept=kept).total
    assert flops.decoder(shape, tokens + more, kept=kept).total > base
    assert flops.decoder(shape, tokens, kept=kept + more).total >= base
    assert flops.decoder(shape, tokens, kept=kept, skips_masked=False).total >= base
    assert base >= flops.by_parameters(shape.weights, tokens).total
    deeper = Decoder(shape.layers + more, shape.hidden, shape.heads, shape.intermediate, shape.vocabulary, shape.kv_heads, shape.width, shape.gated)  # fmt: skip
    assert flops.decoder(deeper, tokens, kept=kept).total >= base


@given(DECODERS, COUNTS, COUNTS, COUNTS)
def test_a_prompt_run_in_two_goes_takes_what_it_takes_in_one(shape, kept, first, second):
    def run(tokens, before):
        return flops.decoder(shape, tokens, kept=before, outputs=tokens)

    apart, whole = flops.together(run(first, kept), run(second, kept + first)), run(first + second, kept)
    assert apart.parts == whole.parts


@given(DECODERS, st.integers(1, 40), st.integers(0, 40))
def test_writing_is_reading_one_token_at_a_time(shape, written, prompt):
    one_by_one = flops.together(*(flops.decoder_token(shape, prompt + i) for i in range(written)))
    assert one_by_one.parts == flops.decoder(shape, written, kept=prompt, outputs=written).parts
