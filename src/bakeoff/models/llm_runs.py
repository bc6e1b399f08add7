"""What a language model really runs when it is asked: how many tokens, on top of how many kept ones, for how many scores.

Scoring given continuations does not depend on what the model says, so its runs can be had without running the weights
(`rehearsed`). Writing depends on it, so there the real runs are written down (`recorded`). Both go through `CachedLM` itself:
what is reused is decided in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.errors import BakeoffError
from bakeoff.models.llm import LocalLM, Tokens
from bakeoff.models.llm_cache import CachedLM

if TYPE_CHECKING:
    import numpy as np


class Run(NamedTuple):
    """One call into the model: `tokens` new ones after `kept`, and at how many of them scores over the vocabulary were wanted."""

    tokens: int
    kept: int
    outputs: int


class _Noting:
    """A runtime that notes what it is asked to run, and passes it on unless `dry`."""

    def __init__(self, runtime: Any, runs: list[Run], *, dry: bool) -> None:
        self._runtime, self._runs, self._dry = runtime, runs, dry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def forget(self, position: int) -> None:
        if not self._dry:
            self._runtime.forget(position)

    def forward(self, tokens: Tokens, position: int, wanted: Sequence[int]) -> np.ndarray:
        self._runs.append(Run(len(tokens), position, len(wanted)))
        if self._dry:
            import numpy as np

            return np.zeros((len(wanted), self._runtime.n_vocab), dtype=np.float32)
        found: np.ndarray = self._runtime.forward(tokens, position, wanted)
        return found


def rehearsed(lm: LocalLM) -> tuple[LocalLM, list[Run]]:
    """A stand-in for `lm` that holds nothing yet, and the list to which its runs are added.

    It tokenises and renders as `lm` does, decides what to run as `lm` does, and gives equal scores to everything without
    running the weights. `lm` itself is left as it is. Not for `generate`: what is written would not be what `lm` writes.

    Raises
    ------
    BakeoffError
        If `lm` is not one that `open_lm` gave, or is closed.
    """
    runs: list[Run] = []
    return CachedLM(_Noting(_cached(lm)._runtime, runs, dry=True)), runs


@contextmanager
def recorded(lm: LocalLM) -> Iterator[list[Run]]:
    """Write down the runs of `lm` within the block.

    Raises
    ------
    BakeoffError
        If `lm` is not one that `open_lm` gave, or is closed.
    """
    cached, runs = _cached(lm), list[Run]()
    real = cached._runtime
    cached._given = _Noting(real, runs, dry=False)
    try:
        yield runs
    finally:
        if cached._given is not None:
            cached._given = real


def _cached(lm: LocalLM) -> CachedLM:
    if not isinstance(lm, CachedLM):
        raise BakeoffError(
            f"The runs of a {type(lm).__name__} cannot be seen.", fix="open the model with bakeoff.models.llm.open_lm"
        )
    return lm
