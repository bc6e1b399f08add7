"""Writes GGUF files whose header is true to the format and whose weights are not there (only their shapes are)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

TEXT, LIST, U32, U64, F32, BOOL = 8, 9, 4, 10, 6, 7


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(given: Any) -> bytes:
    if isinstance(given, bool):
        return struct.pack("<I?", BOOL, given)
    if isinstance(given, int):
        return struct.pack("<II", U32, given)
    if isinstance(given, float):
        return struct.pack("<If", F32, given)
    if isinstance(given, str):
        return struct.pack("<I", TEXT) + text(given)
    kind = TEXT if given and isinstance(given[0], str) else U32
    items = b"".join(text(each) if kind == TEXT else struct.pack("<I", each) for each in given)
    return struct.pack("<IIQ", LIST, kind, len(given)) + items


def header(keys: dict[str, Any], tensors: dict[str, tuple[int, ...]], *, version: int = 3, magic: bytes = b"GGUF") -> bytes:
    out = [magic, struct.pack("<IQQ", version, len(tensors), len(keys))]
    out += [text(name) + value(given) for name, given in keys.items()]
    for name, shape in tensors.items():
        out.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0))
    return b"".join(out)


def llama_keys(layers=2, hidden=16, heads=4, kv_heads=2, inner=24, architecture="llama", **more: Any) -> dict[str, Any]:
    return {
        "general.architecture": architecture,
        f"{architecture}.block_count": layers,
        f"{architecture}.embedding_length": hidden,
        f"{architecture}.attention.head_count": heads,
        f"{architecture}.attention.head_count_kv": kv_heads,
        f"{architecture}.feed_forward_length": inner,
        "tokenizer.ggml.tokens": [f"t{i}" for i in range(60)],
        "tokenizer.ggml.token_type": [1] * 3000,
        "general.quality": 0.5,
        "tokenizer.ggml.add_bos_token": False,
        **{f"{architecture}.{name}": given for name, given in more.items()},
    }


def llama_tensors(layers=2, hidden=16, heads=4, kv_heads=2, inner=24, vocabulary=60, tied=True) -> dict[str, tuple[int, ...]]:
    width = hidden // heads
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (hidden, vocabulary), "output_norm.weight": (hidden,)}
    if not tied:
        found["output.weight"] = (hidden, vocabulary)
    for layer in range(layers):
        found |= {
            f"blk.{layer}.attn_norm.weight": (hidden,),
            f"blk.{layer}.attn_q.weight": (hidden, heads * width),
            f"blk.{layer}.attn_k.weight": (hidden, kv_heads * width),
            f"blk.{layer}.attn_v.weight": (hidden, kv_heads * width),
            f"blk.{layer}.attn_output.weight": (heads * width, hidden),
            f"blk.{layer}.ffn_gate.weight": (hidden, inner),
            f"blk.{layer}.ffn_up.weight": (hidden, inner),
            f"blk.{layer}.ffn_down.weight": (inner, hidden),
        }
    return found


def tiny_llama(file: Path, **sizes: Any) -> Path:
    """A GGUF file of a small Llama without its weights."""
    keys = {name: given for name, given in sizes.items() if name not in ("vocabulary", "tied")}
    file.write_bytes(header(llama_keys(**keys), llama_tensors(**sizes)))
    return file
