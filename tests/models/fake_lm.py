"""A byte-level runtime for tests: 256 bytes and four control tokens, and logits that anyone can work out by hand.

The next byte is likelier the more often it has followed the last byte in the text so far, and `likes` adds to chosen bytes.
What is kept is really kept: a wrong position or a forgotten prefix gives other logits, as it would in a real runtime.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from bakeoff.models.llm import Message

CONTROL = {"<|im_start|>": 256, "<|im_end|>": 257, "<|end|>": 258, "<|bos|>": 259}
N_VOCAB = 260


class FakeRuntime:
    """`script` is what it writes, byte by byte, after any prompt that ends with one of its keys; then it ends."""

    n_vocab = N_VOCAB
    group = 1

    def __init__(
        self,
        *,
        context: int = 512,
        likes: Mapping[str, float] | None = None,
        script: Mapping[str, bytes] | None = None,
        bos: bool = False,
    ) -> None:
        self.context_length = context
        self.likes = dict(likes or {})
        self.script = dict(script or {})
        self.bos = bos
        self.held: list[int] = []
        self.runs: list[tuple[int, int]] = []
        self.closed = 0

    def tokenize(self, text: str, special: bool) -> list[int]:
        raw, tokens = text.encode("utf-8"), []
        while raw:
            mark = next((m for m in CONTROL if special and raw.startswith(m.encode())), None)
            tokens.append(CONTROL[mark] if mark else raw[0])
            raw = raw[len(mark) if mark else 1 :]
        return tokens

    def bytes_of(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def is_end(self, token: int) -> bool:
        return token in (257, 258)

    def start(self) -> list[int]:
        return [259] if self.bos else []

    def render(self, messages: Sequence[Message]) -> str:
        return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"

    def forget(self, position: int) -> None:
        self.held = self.held[:position]

    def forward(self, tokens: Sequence[int], position: int, wanted: Sequence[int]) -> np.ndarray:
        assert position == len(self.held), "the runtime was told to run at a position that it does not hold"
        assert len(self.held) + len(tokens) <= self.context_length, "the context overflows"
        start = len(self.held)
        self.held += list(tokens)
        self.runs.append((position, len(tokens)))
        return np.stack([self.logits(self.held[: start + index + 1]) for index in wanted])

    def logits(self, text: Sequence[int]) -> np.ndarray:
        row = np.zeros(N_VOCAB, dtype=np.float32)
        for before, after in itertools.pairwise(text):
            if before == text[-1]:
                row[after] += 1.0
        for character, extra in self.likes.items():
            row[ord(character)] += extra
        raw = b"".join(self.bytes_of(token) for token in text)
        for key, said in self.script.items():
            at = raw.rfind(key.encode())
            if at >= 0:
                written = raw[at + len(key) :]
                if said.startswith(written):
                    row[said[len(written)] if len(written) < len(said) else 258] += 50.0
        return row

    def close(self) -> None:
        self.closed += 1


class GroupedRuntime(FakeRuntime):
    """Rounds as llama.cpp's kernels do: what is computed for a token depends on whether it was in a full group of four, left
    over, or alone in its call, and everything after it that looks back at it is a little different too."""

    group = 4

    def __init__(self, **given) -> None:
        super().__init__(**given)
        self.how: list[str] = []

    def forget(self, position: int) -> None:
        super().forget(position)
        self.how = self.how[:position]

    def forward(self, tokens: Sequence[int], position: int, wanted: Sequence[int]) -> np.ndarray:
        whole = len(tokens) - len(tokens) % self.group
        alone = len(tokens) == 1
        self.how += ["alone" if alone else "group" if index < whole else "left over" for index in range(len(tokens))]
        return super().forward(tokens, position, wanted)

    def logits(self, text: Sequence[int]) -> np.ndarray:
        noise = sum(
            {"group": 0, "left over": 1, "alone": 2}[how] * (index + 1) for index, how in enumerate(self.how[: len(text)])
        )
        row = super().logits(text)
        row[ord("a")] += 0.37 * (noise % 11)
        return row
