"""Reading a GGUF header: what it says, what it cannot say, and files that lie."""

from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from fake_gguf import header, llama_keys, llama_tensors, text, tiny_llama

from bakeoff.errors import AssetError
from bakeoff.models import gguf_facts


def test_a_llama_is_described_by_its_sizes(tmp_path):
    facts = gguf_facts.read(tiny_llama(tmp_path / "a.gguf"))
    assert facts.plain and facts.gated and facts.tied and facts.architecture == "llama"
    assert (facts.layers, facts.hidden, facts.heads, facts.kv_heads, facts.head_dim) == (2, 16, 4, 2, 4)
    assert (facts.intermediate, facts.vocabulary, facts.window) == (24, 60, None)
    assert facts.matrices == 2 * (16 * 4 * (2 * 4 + 2 * 2) + 3 * 16 * 24)
    assert facts.parameters == facts.matrices + 16 * 60 + 16 + 2 * 16
    untied = gguf_facts.read(tiny_llama(tmp_path / "b.gguf", tied=False))
    assert not untied.tied and untied.parameters == facts.parameters + 16 * 60


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "parameters", "sizes"),
    [
        # Published configurations. The second file stores the vocabulary projection, which the checkpoint ties (494,032,768).
        ("smollm2-135m-instruct", 134_515_008, (30, 576, 9, 3, 64, 1536, 49152)),
        ("qwen2.5-coder-0.5b-instruct", 494_032_768 + 151_936 * 896, (24, 896, 14, 2, 64, 4864, 151936)),
    ],
)
def test_real_files_say_what_their_makers_published(real_assets, name, parameters, sizes):
    (file,) = (real_assets / name).glob("*.gguf")
    facts = gguf_facts.read(file)
    assert facts.plain and facts.parameters == parameters
    assert (
        facts.layers,
        facts.hidden,
        facts.heads,
        facts.kv_heads,
        facts.head_dim,
        facts.intermediate,
        facts.vocabulary,
    ) == sizes


def test_a_mixture_counts_the_experts_that_are_chosen_and_is_not_plain(tmp_path):
    tensors = llama_tensors()
    for layer in range(2):
        for part in ("gate", "up", "down"):
            shape = tensors.pop(f"blk.{layer}.ffn_{part}.weight")
            tensors[f"blk.{layer}.ffn_{part}_exps.weight"] = (*shape, 8)
    (tmp_path / "m.gguf").write_bytes(header(llama_keys(expert_count=8, expert_used_count=2), tensors))
    facts = gguf_facts.read(tmp_path / "m.gguf")
    assert not facts.plain
    assert facts.matrices == 2 * (16 * 4 * (2 * 4 + 2 * 2) + 2 * 3 * 16 * 24)


def test_sizes_that_do_not_account_for_the_matrices_are_not_believed(tmp_path):
    tensors = llama_tensors() | {"blk.0.ssm_in.weight": (16, 40)}
    (tmp_path / "h.gguf").write_bytes(header(llama_keys(), tensors))
    assert not gguf_facts.read(tmp_path / "h.gguf").plain
    keys = llama_keys() | {"llama.attention.head_count_kv": [2, 1]}  # heads that differ by layer
    (tmp_path / "l.gguf").write_bytes(header(keys, llama_tensors()))
    assert not gguf_facts.read(tmp_path / "l.gguf").plain


GOOD = header(llama_keys(), llama_tensors())


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "ends within its header"),
        (b"GGML" + GOOD[4:], "no GGUF file"),
        (GOOD[:4] + struct.pack(">I", 3) + GOOD[8:], "version"),
        (GOOD[:200], "ends within its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 1), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**63), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "name"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IQ", 8, 2**62), "impossible lengths"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 4, 2**61), "impossible lengths"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 2**61), "claims a list"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 9, 1), "list of the type 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 99), "unknown type"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 4_000_000), "axes"),
        (header(llama_keys() | {"split.count": 3}, llama_tensors()), "one part of 3"),
    ],
)
def test_files_that_lie_are_refused_with_a_fix(tmp_path, raw, says):
    (tmp_path / "bad.gguf").write_bytes(raw)
    with pytest.raises(AssetError, match=says) as caught:
        gguf_facts.read(tmp_path / "bad.gguf")
    assert caught.value.fix


def test_a_missing_file_is_told_apart(tmp_path):
    with pytest.raises(AssetError, match="cannot be read"):
        gguf_facts.read(tmp_path / "none.gguf")


@given(st.data())
def test_a_broken_byte_never_ends_in_anything_but_facts_or_a_refusal(tmp_path_factory, data):
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    file = tmp_path_factory.getbasetemp() / "fuzzed.gguf"
    file.write_bytes(bytes(raw[:cut]) if data.draw(st.booleans()) else bytes(raw))
    with contextlib.suppress(AssetError):
        assert gguf_facts.read(file).parameters >= 0
