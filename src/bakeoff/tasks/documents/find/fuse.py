"""Lexical and dense candidates in one order.

BM25 has no upper end and a cosine has little spread, so the two cannot be added as they are. Bruch, Gai and Ingber (2023, "An analysis of
fusion functions for hybrid retrieval", ACM TOIS 42) find a convex combination of normalised scores better than reciprocal rank fusion, in and
out of the domain its one weight was chosen in. `convex` is that; `reciprocal` is the alternative for scores that mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Hit
from bakeoff.tasks.documents.store import DECIMALS

Fusion: TypeAlias = Literal["convex", "reciprocal"]

RRF_K = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""


def fuse(
    lexical: Sequence[Hit], dense: Sequence[Hit], weight: float, method: Fusion = "convex", limit: int | None = None
) -> list[Hit]:
    """The candidates of both lists, best first; ties by document name, then by ordinal.

    Parameters
    ----------
    lexical, dense : sequence of Hit
        Best first, each chunk at most once in each.
    weight : float in [0, 1]
        Of the dense scores; the lexical ones get ``1 - weight``.
    method : {'convex', 'reciprocal'}
        *convex*: scores are brought to [0, 1] by the least value that they can have in theory (BM25: 0) or, for cosines, by the least
        one found, and the greatest one found. *reciprocal*: ``1 / (60 + rank)``.
    limit : int or None
        At most this many; None for all.

    Returns
    -------
    list of Hit
        `score` in [0, 1] for convex; `scores` holds 'lexical' and 'dense' as they were, where the chunk was in that list.

    Raises
    ------
    BadData
        If `weight` is out of its range.
    """
    if not 0 <= weight <= 1:
        raise BadData(f"The weight of dense scores is {weight}; it must be in [0, 1].", fix="correct `weight`")
    parts: dict[tuple[str, int], dict[str, float]] = {}
    total: dict[tuple[str, int], float] = {}
    for name, hits, share, floor in (("lexical", lexical, 1 - weight, 0.0), ("dense", dense, weight, None)):
        values = _reciprocal(hits) if method == "reciprocal" else _normalised(hits, floor)
        for hit, value in zip(hits, values, strict=True):
            parts.setdefault(hit.key, {})[name] = hit.scores.get(name, hit.score)
            total[hit.key] = total.get(hit.key, 0.0) + share * value
    order = sorted((-round(score, DECIMALS), key) for key, score in total.items())  # as `ranked` has it
    return [Hit(key, total[key], parts[key]) for _, key in order[:limit]]


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Hits in order: by score to 6 decimals, highest first, then by document name, then by ordinal."""
    return sorted(hits, key=lambda hit: (-round(hit.score, DECIMALS), hit.key))


def _normalised(hits: Sequence[Hit], floor: float | None) -> list[float]:
    if not hits:
        return []
    high = max(hit.score for hit in hits)
    low = min(hit.score for hit in hits) if floor is None else floor
    return [(hit.score - low) / (high - low) if high > low else 1.0 for hit in hits]


def _reciprocal(hits: Sequence[Hit]) -> list[float]:
    return [1 / (RRF_K + rank) for rank in range(1, len(hits) + 1)]
