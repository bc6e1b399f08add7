"""How much arithmetic an answer takes, for the approaches to text: the formulas and counters, put to the real items.

What is counted is what an approach really runs: the tokens that are read after cutting, the shared beginning of a prompt
not a second time, the non-zeros of a text and not the size of the vocabulary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Flops, Json
from bakeoff.errors import BakeoffError
from bakeoff.estimate import flops as formula

if TYPE_CHECKING:
    from bakeoff.models.encoder import SentenceEncoder
    from bakeoff.models.gguf_facts import GgufFacts
    from bakeoff.models.llm import LocalLM
    from bakeoff.models.llm_runs import Run

TOKENISING = "splitting text into tokens"
MOST_COUNTED = 16
"""Items that are run for the instrument. It slows what it looks at, and the work depends on the length alone."""
CLOSE = 0.05
"""A formula within this share of the instrument's count describes the network, and carries the count over to all items."""

PLAIN_ENCODERS = frozenset(["bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"])
"""Kinds of encoder whose layers are four projections, full attention and two feed-forward matrices."""


def encoder_shape(config: Mapping[str, Json]) -> formula.Encoder | None:
    """The shape in a Hugging Face ``config.json``; None for a kind that the formula does not describe, or without its sizes."""
    if config.get("model_type") not in PLAIN_ENCODERS:
        return None
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    if config["model_type"] == "distilbert":
        names = ("n_layers", "dim", "n_heads", "hidden_dim")
    embedding = config.get("embedding_size") if config["model_type"] == "electra" else None
    try:
        layers, hidden, heads, intermediate = (config[name] for name in names)
        return formula.Encoder(layers, hidden, heads, intermediate, embedding=embedding)
    except (KeyError, BakeoffError):
        return None


def of_tfidf(nonzeros: Sequence[int], rows: int) -> Flops:
    """From the non-zeros of each item, and the rows of weights (1 for two classes)."""
    _some(nonzeros)
    mean = sum(nonzeros) / len(nonzeros)
    estimate = formula.tfidf(mean, rows)
    return Flops(
        per_item=estimate.total,
        basis=f"formula over the non-zeros of {len(nonzeros):,} items: {mean:,.0f} each, weights per non-zero: {rows}",
        leaves_out=("splitting text into n-grams and looking them up, which is most of its time", *estimate.leaves_out),
    )


def of_onnx_encoder(encoder: SentenceEncoder, path: Path, texts: Sequence[str], rows: int) -> Flops:
    """Of a frozen ONNX encoder under a linear head with `rows` rows of weights.

    By formula where the ``config.json`` beside the model describes it. Otherwise up to `MOST_COUNTED` texts of
    different length are run under ONNX Runtime's profiler, which loads the model a second time.

    Parameters
    ----------
    encoder : SentenceEncoder
    path : Path
        The folder or file that it was loaded from.
    texts : sequence of str, length >= 1
    rows : int, >= 1
    """
    from bakeoff.models.onnx_flop_count import token_counts

    _some(texts)
    lengths = token_counts(encoder, texts)
    head = formula.linear(encoder.dimensions, rows)
    leaves_out = (TOKENISING, formula.LOOKUP, formula.ELEMENTWISE, "averaging the tokens' vectors")
    integers = "; its 8-bit products count like floating-point ones" if encoder.depends_on_batch else ""
    shape = encoder_shape(_config_beside(path))
    if shape is not None:
        totals = [formula.together(formula.encoder(shape, n), head).total for n in lengths]
        basis = f"formula over the tokens of {len(texts):,} items: {shape.layers} layers of width {shape.hidden} (config.json)"
        return _mean(totals, lengths, basis + integers, leaves_out)
    from bakeoff.models.flop_count import spread
    from bakeoff.models.onnx_flop_count import count_onnx

    chosen = [lengths[index] for index in spread(lengths, MOST_COUNTED)]
    found = count_onnx(path, chosen)
    uncounted = sorted({name for each in found.values() for name in each.uncounted})
    basis = f"counted by ONNX Runtime's profiler on {len(chosen)} items of {min(chosen)} to {max(chosen)} tokens"
    return _mean([found[n].total + head.total for n in chosen], chosen, basis + integers, (*leaves_out, *_missing(uncounted)))


def of_network(network: Any, ids: Sequence[Sequence[int]]) -> Flops:
    """Of an encoder with a classification head (`encoder_training.classifier`), adapters included, one text at a time.

    At most `MOST_COUNTED` items, spread over the lengths, are run under PyTorch's counter. Where the formula agrees with it,
    it carries the count over to all items; otherwise the mean over those that were run stands.

    Parameters
    ----------
    network : torch module
    ids : sequence of sequence of int, length n_items >= 1
        Token ids of each item, as the network reads them.
    """
    import torch

    from bakeoff.models.flop_count import count, spread

    _some(ids)
    lengths = [len(row) for row in ids]
    chosen = spread(lengths, MOST_COUNTED)
    device = next(network.parameters()).device
    network.eval()
    counts = []
    with torch.inference_mode():
        for index in chosen:
            read = torch.tensor([list(ids[index])], dtype=torch.long, device=device)
            given = {"input_ids": read, "attention_mask": torch.ones_like(read)}
            counts.append(count(lambda given=given: network(**given)))  # type: ignore[misc]
    totals = [float(each.total) for each in counts]
    counted = [lengths[index] for index in chosen]
    basis = f"counted by torch's FlopCounterMode on {len(chosen)} items of {min(counted)} to {max(counted)} tokens"
    shape = encoder_shape(network.encoder.config.to_dict())
    if shape is None:
        basis += "; no formula describes this kind of encoder"
    else:
        adapters = sum(tensor.numel() for name, tensor in network.named_parameters() if ".lora_" in name)
        labels = int(network.head.out_features)

        def by_formula(tokens: int) -> float:
            return formula.together(formula.encoder(shape, tokens, labels=labels), formula.adapters(adapters, tokens)).total

        share = sum(map(by_formula, counted)) / sum(totals)
        basis += f"; the formula gives {share:.1%} of the count"
        if abs(share - 1) <= CLOSE and len(chosen) < len(lengths):
            basis += f" and carries it over to all {len(lengths):,}"
            totals, counted = [by_formula(n) / share for n in lengths], lengths
    uncounted = sorted({name for each in counts for name in each.uncounted})
    leaves_out = (TOKENISING, formula.LOOKUP, formula.ELEMENTWISE, "averaging the tokens' vectors", *_missing(uncounted))
    return _mean(totals, counted, basis, leaves_out)


def of_language_model(
    lm: LocalLM, file: Path, ask: Callable[[LocalLM, str], object], texts: Sequence[str], *, writes: bool
) -> Flops:
    """Of a prompted language model, from its file's own sizes and the tokens that it really runs for each text.

    The model is first asked about a text of no meaning, so that the beginning that all prompts share is held, as it is once a
    server runs; what reading it once takes is said in `basis`. Where nothing is written the runs are rehearsed without the
    weights, for all texts. Where the model writes, at most `MOST_COUNTED` texts are really asked.

    Parameters
    ----------
    lm : LocalLM
    file : Path
        The GGUF file that it was loaded from.
    ask : callable
        ``ask(lm, text)`` asks as an answer would. A BakeoffError (a text that does not fit) leaves that text out.
    texts : sequence of str, length >= 1
    writes : bool
        The model generates text, so that what it runs depends on what it says.
    """
    from bakeoff.models import gguf_facts, llm_runs
    from bakeoff.models.flop_count import spread

    _some(texts)
    facts = gguf_facts.read(file)
    if writes:
        order = sorted(spread([len(text) for text in texts], MOST_COUNTED))
        with llm_runs.recorded(lm) as runs:
            each = _runs_of(lm, runs, ask, [texts[index] for index in order])
    else:
        stand_in, runs = llm_runs.rehearsed(lm)
        each = _runs_of(stand_in, runs, ask, texts)
    tokens = [sum(run.tokens for run in one) for one in each]
    totals = [math.fsum(_of_run(facts, run) for run in one) for one in each]
    n, mean = len(each), sum(tokens) / len(each)
    model = f"{facts.architecture}, {facts.layers} layers of width {facts.hidden}" if facts.plain else facts.architecture
    how = "formula" if facts.plain else "2 x parameters x tokens"
    kept = min(run.kept for one in each for run in one[:1])
    basis = (
        f"{how} ({model}, by the model file) over the tokens really run for {n:,} items: {mean:,.1f} each. At least {kept:,} tokens "
        f"of each prompt are kept from the one before; reading those once takes {_of_run(facts, llm_runs.Run(kept, 0, 0)):.2g}"
    )
    if facts.plain and math.fsum(totals) > 0:
        rule = formula.by_parameters(facts.matrices, sum(tokens)).total + sum(
            _vocabulary(facts, run) for one in each for run in one
        )
        basis += f"; 2 x parameters x tokens gives {rule / math.fsum(totals):.1%}"
    leaves_out = [TOKENISING, formula.LOOKUP, formula.ELEMENTWISE, "unpacking quantised weights"]
    if writes:
        leaves_out.append("choosing each token")
    if not facts.plain:
        leaves_out.append(formula.ATTENTION)
    if facts.window is not None and facts.plain:
        leaves_out.append("that some layers look back only so far (counted as full attention)")
    return _mean(totals, tokens, basis, tuple(leaves_out))


def _runs_of(lm: LocalLM, runs: list[Run], ask: Callable[[LocalLM, str], object], texts: Sequence[str]) -> list[list[Run]]:
    """The runs of each text, after a first one of no meaning."""
    ask(lm, "...")
    each = []
    for text in texts:
        runs.clear()
        try:
            ask(lm, text)
        except BakeoffError:
            continue
        each.append(list(runs))
    if not each:
        raise BakeoffError("None of the items can be asked, so there is nothing to count.", fix="shorten the texts or the prompt")
    return each


def _of_run(facts: GgufFacts, run: Run) -> float:
    if facts.plain:
        shape = formula.Decoder(
            layers=facts.layers or 0,
            hidden=facts.hidden or 0,
            heads=facts.heads or 0,
            intermediate=facts.intermediate or 0,
            vocabulary=facts.vocabulary or 0,
            kv_heads=facts.kv_heads,
            head_dim=facts.head_dim,
            gated=facts.gated,
        )
        return formula.decoder(shape, run.tokens, kept=run.kept, outputs=run.outputs).total
    return formula.by_parameters(facts.matrices, run.tokens).total + _vocabulary(facts, run)


def _vocabulary(facts: GgufFacts, run: Run) -> float:
    return 2.0 * (facts.hidden or 0) * (facts.vocabulary or 0) * run.outputs


def _config_beside(path: Path) -> dict[str, Json]:
    """The ``config.json`` of a model's folder, or of the one above an ``.onnx`` file; empty where there is none."""
    folders = [path] if path.is_dir() else [path.parent, path.parent.parent]
    for folder in folders:
        try:
            found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def _missing(operators: Sequence[str]) -> tuple[str, ...]:
    return (f"operators that have no formula: {', '.join(operators)}",) if operators else ()


def _mean(totals: Sequence[float], tokens: Sequence[int], basis: str, leaves_out: tuple[str, ...]) -> Flops:
    run = sum(tokens)
    return Flops(
        per_item=sum(totals) / len(totals), per_token=sum(totals) / run if run else None, basis=basis, leaves_out=leaves_out
    )


def _some(items: Sequence[object]) -> None:
    if not len(items):
        raise BakeoffError("There are no items to count the operations of.", fix="give at least one item")
