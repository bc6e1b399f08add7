"""How much arithmetic an answer takes, by formula: floating-point operations, a multiply-add counted as two.

Only products with matrices are counted, as the sources do: they are nearly all of a transformer's work. Every figure
is a sum that can be taken apart (`Estimate`), and says what it leaves out.

Sources: Kaplan et al. 2020 (arXiv 2001.08361, table 1) for the parts of a forward pass and ``2 x parameters`` per token;
Hoffmann et al. 2022 (arXiv 2203.15556, appendix F) for the full count and the backward pass as twice the forward;
Korthikanti et al. 2022 (arXiv 2205.05198, appendix A) for the training count; Ainslie et al. 2023 (arXiv 2305.13245) for
grouped-query attention; Shazeer 2020 (arXiv 2002.05202) for gated feed-forward layers; Hu et al. 2021 (arXiv 2106.09685) for
adapters. The tests hold them against published figures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bakeoff.errors import BakeoffError
from bakeoff.estimate.prices import Estimate

FLOPS = "FLOPs"
PROJECTIONS = "query, key, value and output projections"
ATTENTION = "attention scores and values"
FEED_FORWARD = "feed-forward"
EMBEDDING = "embedding projection"
POOLER = "pooler"
HEAD = "head"
VOCABULARY = "vocabulary projection"
ADAPTERS = "adapters"

ELEMENTWISE = "softmax, normalisation, activation functions and biases"
LOOKUP = "looking up embeddings"
"""A lookup multiplies nothing. Hoffmann et al. count it as a product with a one-hot matrix; nobody computes it so."""


@dataclass(frozen=True)
class Encoder:
    """The shape of a transformer encoder, in the words of a BERT configuration.

    Parameters
    ----------
    layers, hidden, heads, intermediate : int, >= 1
        ``num_hidden_layers``, ``hidden_size``, ``num_attention_heads``, ``intermediate_size``. The heads share the hidden
        width, so their number changes nothing here; it is checked to divide it.
    embedding : int or None, default=None
        Width of the word embeddings where it differs from `hidden` and is projected to it (ELECTRA).
    gated : bool, default=False
        The feed-forward layer has three matrices (SwiGLU, GEGLU) instead of two.

    Raises
    ------
    BakeoffError
        If a size is no whole number of at least 1, or the heads do not share the hidden width evenly.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    embedding: int | None = None
    gated: bool = False

    def __post_init__(self) -> None:
        _sizes(layers=self.layers, hidden=self.hidden, heads=self.heads, intermediate=self.intermediate)
        if self.embedding is not None:
            _sizes(embedding=self.embedding)
        if self.hidden % self.heads:
            raise BakeoffError(
                f"{self.heads} attention heads do not share a hidden width of {self.hidden} evenly.",
                fix="check the configuration",
            )

    @property
    def weights(self) -> int:
        """Elements of the matrices of all layers: no embeddings, biases, normalisation, pooler or head."""
        return self.layers * (4 * self.hidden**2 + (3 if self.gated else 2) * self.hidden * self.intermediate)


@dataclass(frozen=True)
class Decoder:
    """The shape of a decoder-only language model, in the words of a Llama configuration.

    Parameters
    ----------
    layers, hidden, heads, intermediate, vocabulary : int, >= 1
        ``num_hidden_layers``, ``hidden_size``, ``num_attention_heads``, ``intermediate_size``, ``vocab_size``.
    kv_heads : int or None, default=None
        Heads of keys and values, which groups of query heads share; None for as many as `heads`.
    head_dim : int or None, default=None
        Width of one head; None for ``hidden / heads``.
    gated : bool, default=True
        The feed-forward layer has three matrices (SwiGLU) instead of two (GPT-2).

    Raises
    ------
    BakeoffError
        If a size is no whole number of at least 1, or the heads do not fit together.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    kv_heads: int | None = None
    head_dim: int | None = None
    gated: bool = True

    def __post_init__(self) -> None:
        _sizes(
            layers=self.layers,
            hidden=self.hidden,
            heads=self.heads,
            intermediate=self.intermediate,
            vocabulary=self.vocabulary,
            kv_heads=self.keys,
        )
        if self.head_dim is None and self.hidden % self.heads:
            raise BakeoffError(
                f"{self.heads} attention heads do not share a hidden width of {self.hidden} evenly.", fix="give head_dim"
            )
        _sizes(head_dim=self.width)
        if self.heads % self.keys:
            raise BakeoffError(
                f"{self.heads} query heads cannot be shared out over {self.keys} heads of keys and values.",
                fix="kv_heads must divide heads",
            )

    @property
    def keys(self) -> int:
        """Heads of keys and values."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def width(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads if self.head_dim is None else self.head_dim

    @property
    def attention_weights(self) -> int:
        """Elements of one layer's query, key, value and output matrices."""
        return self.hidden * self.width * (2 * self.heads + 2 * self.keys)

    @property
    def feed_forward_weights(self) -> int:
        """Elements of one layer's feed-forward matrices."""
        return (3 if self.gated else 2) * self.hidden * self.intermediate

    @property
    def weights(self) -> int:
        """Elements of the matrices of all layers (N of Kaplan et al.): no embeddings and no vocabulary projection."""
        return self.layers * (self.attention_weights + self.feed_forward_weights)


def encoder(shape: Encoder, tokens: int, *, labels: int = 0, pooler: bool = False) -> Estimate:
    """Operations of one text through an encoder.

    Parameters
    ----------
    shape : Encoder
    tokens : int, >= 1
        Tokens of the text, special tokens included. Every token attends to every other, so the work grows faster than them.
    labels : int, >= 0, default=0
        Classes of a linear head on one vector per text; 0 for none.
    pooler : bool, default=False
        BERT's pooler: one more square matrix, on the first token alone.

    Returns
    -------
    Estimate
        In FLOPs: projections ``8 n h^2``, attention ``4 n^2 h`` and feed-forward ``4 n h f`` (gated: ``6 n h f``) of each layer.
    """
    _sizes(tokens=tokens)
    _sizes(least=0, labels=labels)
    parts = {
        PROJECTIONS: 8.0 * shape.layers * tokens * shape.hidden**2,
        ATTENTION: 4.0 * shape.layers * tokens**2 * shape.hidden,
        FEED_FORWARD: (6.0 if shape.gated else 4.0) * shape.layers * tokens * shape.hidden * shape.intermediate,
    }
    if shape.embedding is not None and shape.embedding != shape.hidden:
        parts[EMBEDDING] = 2.0 * tokens * shape.embedding * shape.hidden
    if pooler:
        parts[POOLER] = 2.0 * shape.hidden**2
    if labels:
        parts[HEAD] = 2.0 * shape.hidden * labels
    return Estimate(parts, FLOPS, leaves_out=(LOOKUP, ELEMENTWISE))


def decoder(shape: Decoder, tokens: int, *, kept: int = 0, outputs: int = 1, skips_masked: bool = True) -> Estimate:
    """Operations of running `tokens` new tokens on top of `kept` ones whose keys and values are held.

    Reading a prompt is ``decoder(shape, n)``; the rest of one whose first k tokens are held is ``decoder(shape, n - k, kept=k)``.
    Writing m tokens after a prompt of n is ``decoder(shape, m, kept=n, outputs=m)``, as each is run once (all but the last
    written token, which nobody reads on).

    Parameters
    ----------
    shape : Decoder
    tokens : int, >= 0
        Tokens really run.
    kept : int, >= 0, default=0
        Tokens before them that are not run again. They are attended to.
    outputs : int, from 0 to `tokens`, default=1
        Positions whose scores over the vocabulary are computed: 1 for a prompt, each token while writing, all in training.
        Cut to `tokens`.
    skips_masked : bool, default=True
        A token attends to itself and what is before it: ``k + 1, k + 2, ...`` positions. False counts the masked positions too,
        as an implementation without a causal kernel computes them: all ``k + n`` for each token.

    Returns
    -------
    Estimate
        In FLOPs. Adding up the parts of a prompt run in two goes gives the parts of one go.
    """
    _sizes(least=0, tokens=tokens, kept=kept, outputs=outputs)
    attended = tokens * kept + (tokens * (tokens + 1) // 2 if skips_masked else tokens * tokens)
    parts = {
        PROJECTIONS: 2.0 * shape.layers * shape.attention_weights * tokens,
        ATTENTION: 4.0 * shape.layers * shape.heads * shape.width * attended,
        FEED_FORWARD: 2.0 * shape.layers * shape.feed_forward_weights * tokens,
        VOCABULARY: 2.0 * shape.hidden * shape.vocabulary * min(outputs, tokens),
    }
    return Estimate(parts, FLOPS, leaves_out=(LOOKUP, ELEMENTWISE, "rotary positions"))


def decoder_token(shape: Decoder, context: int) -> Estimate:
    """Operations of one new token that is written after `context` tokens, its scores over the vocabulary included."""
    return decoder(shape, 1, kept=context, outputs=1)


def by_parameters(parameters: float, tokens: float) -> Estimate:
    """The rule of thumb: each token multiplies and adds each parameter once, ``2 x parameters x tokens`` (Kaplan et al. 2020).

    `parameters` are those that take part in a product for each token: embeddings that are only looked up do not belong in it, nor
    experts that are not chosen. It leaves out attention over what was read, which grows with the square of the length.
    """
    if not parameters >= 0 or not tokens >= 0:
        raise BakeoffError(f"parameters is {parameters} and tokens is {tokens}; neither can be negative.", fix="give counts")
    return Estimate({"2 x parameters x tokens": 2.0 * parameters * tokens}, FLOPS, leaves_out=(ATTENTION, ELEMENTWISE))


def linear(features: float, rows: int) -> Estimate:
    """Operations of a linear classifier: one multiply-add per feature and row of weights.

    Parameters
    ----------
    features : float, >= 0
        Features of an item: all of them for a dense vector, the non-zeros for a sparse one (a mean over items is allowed).
    rows : int, >= 1
        Rows of weights: 1 for two classes under logistic regression, else the number of classes.
    """
    if not features >= 0:
        raise BakeoffError(f"features is {features}; it cannot be negative.", fix="give a count of features")
    _sizes(rows=rows)
    return Estimate({HEAD: 2.0 * features * rows}, FLOPS, leaves_out=("softmax",))


def tfidf(nonzeros: float, rows: int) -> Estimate:
    """Operations of TF-IDF features under a linear classifier, from the non-zeros of an item.

    Each non-zero is multiplied by its inverse document frequency (1), squared and added for the length (2), divided by the
    length (1), and multiplied with each row of weights (2 x rows).
    """
    return Estimate(
        {"inverse document frequency": float(nonzeros), "length of 1": 3.0 * nonzeros, **linear(nonzeros, rows).parts},
        FLOPS,
        leaves_out=("logarithms of counts", "softmax"),
    )


def adapters(weights: int, tokens: int) -> Estimate:
    """Operations of low-rank adapters that are not merged: `weights` elements of both thin matrices, over all adapted layers."""
    _sizes(least=0, weights=weights, tokens=tokens)
    return Estimate({ADAPTERS: 2.0 * weights * tokens}, FLOPS, leaves_out=("adding and scaling the adapters' outputs",))


def together(*estimates: Estimate) -> Estimate:
    """The sum of several estimates in one unit, part by part.

    Raises
    ------
    BakeoffError
        If the units differ, or there is nothing to add.
    """
    units = {each.unit for each in estimates}
    if len(units) != 1:
        raise BakeoffError(f"Estimates in {', '.join(sorted(units)) or 'no unit'} cannot be added.", fix="add like to like")
    parts: dict[str, float] = {}
    for each in estimates:
        for name, value in each.parts.items():
            parts[name] = parts.get(name, 0.0) + value
    return Estimate(parts, units.pop(), tuple(dict.fromkeys(left for each in estimates for left in each.leaves_out)))


def training(forward: Estimate, *, trained: Collection[str] | None = None) -> Estimate:
    """Operations of one training step over the items of `forward`: three times the forward pass when everything is trained.

    The backward pass computes for each product the gradient of its input, and of its weights where those are trained
    (Hoffmann et al. 2022: twice the forward pass). Both operands of attention's products are activations, so they always
    cost twice. What lies below the lowest trained weights needs no gradients at all; it is counted here.

    Parameters
    ----------
    forward : Estimate
        The forward pass of all items of the step, e.g. ``together(encoder(...), adapters(...))``.
    trained : collection of str or None, default=None
        Names of the parts whose weights are trained; None for all. With LoRA, ``('adapters', 'head')``: what is frozen
        costs two thirds of training it.

    Raises
    ------
    BakeoffError
        If `trained` names a part that `forward` does not have.
    """
    names = set(forward.parts) if trained is None else set(trained)
    unknown = sorted(names - set(forward.parts))
    if unknown:
        raise BakeoffError(f"There is no part {unknown[0]!r} to train.", fix=f"use: {', '.join(forward.parts)}")
    attention = forward.parts.get(ATTENTION, 0.0)
    return Estimate(
        {
            "forward": forward.total,
            "gradients of activations": forward.total + attention,
            "gradients of weights": sum(value for name, value in forward.parts.items() if name in names and name != ATTENTION),
        },
        forward.unit,
        leaves_out=(*forward.leaves_out, "the optimiser's step", "activations computed again to save memory", "validation"),
    )


def _sizes(least: int = 1, **given: object) -> None:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise BakeoffError(
                f"{name} is {value!r}; it must be a whole number of at least {least}.",
                fix=f"check {name} in the configuration",
            )
