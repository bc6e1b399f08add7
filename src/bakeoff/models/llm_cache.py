"""A local language model over any `Runtime`: keeps the prefix, scores continuations, samples.

Prefix reuse: the tokens that the runtime holds are remembered, and only what differs from them is run. Continuations
of one prompt are visited in sorted order, so labels that begin alike share their first tokens too (a walk over
their trie).

Reuse must not change an answer, and with real kernels it can: llama.cpp computes tokens in groups of four and the ones left
over, or a single one, by other code, which rounds differently (``docs/explanation/consistency.md``). So a kept prefix
ends where a group ends, at least two tokens are run, and what was generated one by one is never kept for another prompt.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bakeoff.errors import BakeoffError
from bakeoff.models.llm import Message, Piece, Runtime, Tokens, chat_pieces, placeholder, plain

if TYPE_CHECKING:
    import numpy as np


class Draw:
    """Chooses tokens from logits. The same settings and seed choose the same tokens from the same logits.

    Parameters are those of `LocalLM.generate`.
    """

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        import numpy as np

        self._temperature, self._top_p = temperature, top_p
        # Endpoints take any whole number as a seed, numpy's generator none below 0.
        self._rng = np.random.default_rng(seed & (2**64 - 1))

    def token(self, row: np.ndarray) -> int:
        """The next token, from float logits of shape (n_vocab,)."""
        import numpy as np

        if self._temperature == 0:
            return int(row.argmax())
        with np.errstate(over="ignore"):
            weights = np.exp((row.astype(np.float64) - float(row.max())) / self._temperature)
        if self._top_p < 1:
            order = np.argsort(-weights, kind="stable")
            sums = np.cumsum(weights[order])
            # The token that carries the sum over top_p is in; rounding must never leave the set empty.
            weights[order[int(np.searchsorted(sums, self._top_p * sums[-1])) + 1 :]] = 0.0
        # A uniform draw through the cumulated weights: the same seed gives the same token whatever numpy's `choice` does.
        sums = np.cumsum(weights)
        return int(np.searchsorted(sums, self._rng.random() * sums[-1], side="right").clip(0, np.flatnonzero(weights)[-1]))


class CachedLM:
    """A `LocalLM` over a runtime. Not for use by two threads at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._given: Runtime | None = runtime
        self._held: list[int] = []
        self._firm = 0  # of what is held, how many tokens were read as a prompt; those after it were generated
        self._start = runtime.start()
        self._decoded = 0

    @property
    def _runtime(self) -> Runtime:
        # A closed library must never be called: it would take the process down with it.
        if self._given is None:
            raise BakeoffError("The model is closed.", fix="open it again")
        return self._given

    @property
    def context_length(self) -> int:
        """Tokens that fit, prompt and answer together."""
        return self._runtime.context_length

    @property
    def tokens_decoded(self) -> int:
        """Tokens really run through the model since it was opened."""
        return self._decoded

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """Tokens of `text`; see `LocalLM.tokenize`."""
        return self._runtime.tokenize(plain(text), special) if text else []

    def detokenize(self, tokens: Tokens) -> str:
        """Text of `tokens`; see `LocalLM.detokenize`."""
        return b"".join(self._runtime.bytes_of(token) for token in tokens).decode("utf-8", "replace")

    def count(self, text: str) -> int:
        """How many tokens `text` has as plain text."""
        return len(self.tokenize(text))

    def ends(self, token: int) -> bool:
        """Whether generation ends at this token."""
        return self._runtime.is_end(token)

    def chat(self, messages: Sequence[Message]) -> str:
        """The prompt text for a chat; see `LocalLM.chat`."""
        return "".join(text for text, _ in self._chat_pieces(messages))

    def chat_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt tokens for a chat; see `LocalLM.chat_tokens`."""
        return [token for text, control in self._chat_pieces(messages) for token in self.tokenize(text, special=control)]

    def _chat_pieces(self, messages: Sequence[Message]) -> list[tuple[str, bool]]:
        marked = [Message(message.role, placeholder(number)) for number, message in enumerate(messages)]
        return chat_pieces(self._runtime.render(marked), [message.content for message in messages])

    def logprobs(self, prompt: str | Tokens, continuations: Sequence[str | Tokens]) -> list[list[float]]:
        """Log-probabilities of the tokens of each continuation; see `LocalLM.logprobs`."""

        given = self._prompt(prompt)
        wanted = [tuple(self.tokenize(c) if isinstance(c, str) else c) for c in continuations]
        self._must_fit(len(given), max((len(c) for c in wanted), default=0))
        found: dict[tuple[int, ...], list[float]] = {}
        path: list[tuple[np.ndarray, float]] = []  # logits and their log-sum-exp after prompt + the first i tokens
        last: tuple[int, ...] = ()
        for tokens in sorted(set(wanted)):
            if not tokens:
                found[tokens] = []
                continue
            shared = _common(last[:-1], tokens[:-1]) if path else -1
            del path[shared + 1 :]
            missing = len(tokens) - len(path)
            if missing > 0:
                rows = self._run([*given, *tokens[:-1]], missing)
                path += [(row, _log_sum_exp(row)) for row in rows]
            found[tokens] = [float(row[token]) - total for token, (row, total) in zip(tokens, path, strict=True)]
            last = tokens
        return [list(found[tokens]) for tokens in wanted]

    def generate(
        self,
        prompt: str | Tokens,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        top_p: float = 1.0,
        top_logprobs: int | None = None,
    ) -> Iterator[Piece]:
        """Yield the answer token by token; see `LocalLM.generate`.

        Raises
        ------
        BakeoffError
            If `max_tokens` is below 1, `temperature` is negative or not finite, `top_p` is not from 0 to 1, `top_logprobs`
            is negative or more than the vocabulary, or the prompt leaves no room.
        """
        if max_tokens < 1:
            raise BakeoffError(f"max_tokens is {max_tokens}; it must be at least 1.", fix="set max_tokens to 1 or more")
        if not 0 <= temperature < math.inf:
            raise BakeoffError(f"temperature is {temperature}; it must be 0 or more.", fix="set temperature to 0")
        if not 0 <= top_p <= 1:
            raise BakeoffError(f"top_p is {top_p}; it must be from 0 to 1.", fix="leave top_p out, or set it to 1")
        if top_logprobs is not None and not 0 <= top_logprobs <= self._runtime.n_vocab:
            raise BakeoffError(
                f"top_logprobs is {top_logprobs}; it must be from 0 to {self._runtime.n_vocab:,}.", fix="set top_logprobs to 0"
            )
        tokens = self._prompt(prompt)
        self._must_fit(len(tokens), 1)
        draw = Draw(temperature, top_p, seed)
        return self._generate(tokens, max_tokens, draw, tuple(s for s in stop if s), top_logprobs)

    def _generate(
        self, tokens: list[int], max_tokens: int, draw: Draw, stop: tuple[str, ...], top_logprobs: int | None
    ) -> Iterator[Piece]:
        n_prompt, decoder, kept = len(tokens), codecs.getincrementaldecoder("utf-8")("replace"), ""
        for n_out in range(1, max_tokens + 1):
            row = self._after(tokens, n_prompt)
            token = draw.token(row)
            chances = self._chances(row, token, top_logprobs)
            tokens.append(token)
            if self._runtime.is_end(token):
                yield Piece(kept + decoder.decode(b"", True), token, n_prompt, n_out, "stop", *chances)
                return
            kept += decoder.decode(self._runtime.bytes_of(token))
            met = [at for at in (kept.find(text) for text in stop) if at >= 0]
            if met:
                yield Piece(kept[: min(met)], token, n_prompt, n_out, "stop", *chances)
                return
            if n_out == max_tokens or len(tokens) >= self.context_length:
                yield Piece(kept + decoder.decode(b"", True), token, n_prompt, n_out, "length", *chances)
                return
            free = len(kept) - _held_back(kept, stop)
            yield Piece(kept[:free], token, n_prompt, n_out, None, *chances)
            kept = kept[free:]

    def _chances(self, row: np.ndarray, token: int, most: int | None) -> tuple[float | None, tuple[tuple[str, float], ...]]:
        """The log-probability of `token` and of the `most` likeliest tokens; nothing where `most` is None."""
        if most is None:
            return None, ()
        total = _log_sum_exp(row)
        top = (-row).argsort(kind="stable")[:most] if most else ()
        return float(row[token]) - total, tuple((self.detokenize([int(i)]), float(row[i]) - total) for i in top)

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        if self._given is not None:
            self._given.close()
        self._given, self._held, self._firm = None, [], 0

    def _prompt(self, prompt: str | Tokens) -> list[int]:
        tokens = self.tokenize(prompt, special=True) if isinstance(prompt, str) else list(prompt)
        if tokens[: len(self._start)] != self._start:
            tokens = [*self._start, *tokens]
        if not tokens:
            raise BakeoffError("The prompt is empty.", fix="give the model at least one token to continue")
        return tokens

    def _must_fit(self, n_prompt: int, n_more: int) -> None:
        if n_prompt + n_more > self.context_length:
            raise BakeoffError(
                f"The prompt has {n_prompt:,} tokens and needs {n_more:,} more; the context holds {self.context_length:,}.",
                fix="shorten the text or the examples, or open the model with a larger context",
            )

    def _run(self, tokens: list[int], n_rows: int) -> np.ndarray:
        """Logits after each of the last `n_rows` of `tokens`; runs only what is not held, and at least those rows."""
        keep = max(0, min(_common(self._held, tokens), self._firm, len(tokens) - max(n_rows, 2)))
        keep -= keep % self._runtime.group
        rows = self._forward(tokens, keep, n_rows)
        self._firm = len(tokens)
        return rows

    def _after(self, tokens: list[int], n_prompt: int) -> np.ndarray:
        """Logits after `tokens`: a prompt of `n_prompt` and what was generated, which is run one by one, always."""
        if self._firm != n_prompt or self._held != tokens[:-1] or len(tokens) == n_prompt:
            row = self._run(tokens[:n_prompt], 1)[0]
            # Only after somebody else used the model in between: read again what this generation had written.
            for position in range(n_prompt, len(tokens)):
                row = self._forward(tokens[: position + 1], position, 1)[0]
            return row
        return self._forward(tokens, len(tokens) - 1, 1)[0]

    def _forward(self, tokens: list[int], keep: int, n_rows: int) -> np.ndarray:
        """Logits after each of the last `n_rows` of `tokens`, of which the first `keep` are held."""
        self._runtime.forget(keep)
        # An interrupted run leaves the runtime in an unknown state past `keep`: what is held is noted only afterwards.
        self._held = self._held[:keep]
        self._firm = min(self._firm, keep)
        fresh = tokens[keep:]
        rows = self._runtime.forward(fresh, keep, range(len(fresh) - n_rows, len(fresh)))
        self._held = list(tokens)
        self._decoded += len(fresh)
        return rows


def _common(a: Tokens, b: Tokens) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _log_sum_exp(row: np.ndarray) -> float:
    import numpy as np

    top = float(row.max())
    return top + math.log(float(np.exp(row.astype(np.float64) - top).sum()))


def _held_back(text: str, stop: Sequence[str]) -> int:
    """How many last characters of `text` could be the beginning of a stop text."""
    return max((n for s in stop for n in range(1, min(len(s), len(text) + 1)) if text.endswith(s[:n])), default=0)
