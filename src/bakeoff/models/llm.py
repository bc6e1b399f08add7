"""Local language models: what every runtime can do, and how a chat becomes tokens that its reader cannot fake.

A runtime (`Runtime`) only turns text into tokens and tokens into logits. Everything that is easy to get wrong
is written once on top of it (`bakeoff.models.llm_cache`): the kept prefix, scoring, sampling, stopping.

Text that came from outside never becomes control tokens: `chat_tokens` renders the model's own chat template
around placeholders and tokenises each message's content as plain text, so ``<|im_end|>`` inside a review is
six ordinary characters' worth of tokens and cannot end the turn.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from bakeoff.errors import AssetError, BakeoffError, MissingExtra, nearest

if TYPE_CHECKING:
    import numpy as np

Tokens: TypeAlias = Sequence[int]

RUNTIMES = {"cyllama": "cyllama", "llama.cpp": "llama_cpp"}
"""Runtime name -> the module it needs, in the order in which 'auto' tries them."""

_OPEN, _CLOSE = "\ue0f0", "\ue0f1"


@dataclass(frozen=True)
class Message:
    """One turn of a chat: `role` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class Piece(NamedTuple):
    """One generated token.

    `text` is what it adds to the answer ('' while a character is incomplete or could still become a stop text),
    `tokens_in` the prompt's tokens, `tokens_out` the tokens generated so far, `finished` None until the last
    piece, then ``stop`` (the model ended, or a stop text was met) or ``length``.

    Where log-probabilities were asked for, `logprob` is the natural logarithm of the probability of `token` at
    temperature 1 over the whole vocabulary, whatever temperature and `top_p` it was drawn with, and `top` the likeliest
    tokens as (text, log-probability), likeliest first. Their text is what `LocalLM.detokenize` gives for that one token:
    '' for a control token such as the end of the turn, U+FFFD for part of a character. `text` may lag behind `token`,
    so the text of this very token is ``detokenize([token])`` too.
    """

    text: str
    token: int
    tokens_in: int
    tokens_out: int
    finished: str | None
    logprob: float | None = None
    top: tuple[tuple[str, float], ...] = ()


class Runtime(Protocol):
    """The least a runtime must do. One sequence; positions count from 0."""

    context_length: int
    n_vocab: int
    group: int
    """Tokens that the kernels take together, at least 1. What is computed for a token must not depend on how a longer prompt
    was cut into `forward` calls, as long as it was cut at multiples of this and the last call holds two tokens or more."""

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`. With `special`, control tokens written out in the text are recognised. Adds no BOS."""
        ...

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a token adds to the text; empty for control tokens."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether generation ends at this token."""
        ...

    def start(self) -> list[int]:
        """Tokens that every prompt must begin with (BOS), or none."""
        ...

    def render(self, messages: Sequence[Message]) -> str:
        """The chat template applied to `messages`, up to where the assistant's turn begins."""
        ...

    def forget(self, position: int) -> None:
        """Drop everything kept at `position` and after it."""
        ...

    def forward(self, tokens: Tokens, position: int, wanted: Sequence[int]) -> np.ndarray:
        """Run `tokens` at `position` on top of what is kept; logits, float32 of shape (len(wanted), n_vocab).

        `wanted` are indices into `tokens`, ascending.
        """
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...


@runtime_checkable
class LocalLM(Protocol):
    """A loaded language model. A prompt is text (control tokens in it are honoured) or tokens."""

    @property
    def context_length(self) -> int:
        """Tokens that fit, prompt and answer together."""
        ...

    @property
    def tokens_decoded(self) -> int:
        """Tokens really run through the model since it was opened; reused prefixes are not in it."""
        ...

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """Tokens of `text`. With `special`, control tokens written in it are honoured: never do that to data."""
        ...

    def detokenize(self, tokens: Tokens) -> str:
        """Text of `tokens`; control tokens vanish and broken UTF-8 shows as U+FFFD."""
        ...

    def count(self, text: str) -> int:
        """How many tokens `text` has as plain text."""
        ...

    def logprobs(self, prompt: str | Tokens, continuations: Sequence[str | Tokens]) -> list[list[float]]:
        """Natural log-probability of each token of each continuation, given the prompt and the tokens before it.

        What this prompt shares with the one before it is not computed again. Raises BakeoffError if a prompt
        is empty or does not fit in the context.
        """
        ...

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
        """Yield the answer token by token. At temperature 0 the likeliest token (lowest id on a tie) is taken.

        Parameters
        ----------
        prompt : str or tokens
            At least one token, and at least one less than the context holds.
        max_tokens : int
            Most tokens generated, at least 1.
        temperature : float, default=0.0
            The logits are divided by it before a token is drawn; 0 or more.
        seed : int, default=0
            The same seed gives the same tokens; any whole number.
        stop : sequence of str
            Texts at which the answer ends; they are not part of it.
        top_p : float, default=1.0
            Draw from the smallest set of likeliest tokens whose probabilities, at `temperature`, reach this sum (nucleus
            sampling, Holtzman et al. 2020); from 0 (the likeliest alone) to 1 (all of them).
        top_logprobs : int or None, default=None
            None: no log-probabilities are worked out. 0: that of the chosen token. More: also of that many likeliest tokens.

        The generator may be closed at any piece: nothing more is computed, and the model can be asked again at once.

        Raises
        ------
        BakeoffError
            At the call, not at the first piece, for settings outside these ranges or a prompt that leaves no room.
        """
        ...

    def chat(self, messages: Sequence[Message]) -> str:
        """The prompt text for a chat, ready for the assistant's turn. For shown text; use `chat_tokens` for data."""
        ...

    def chat_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt tokens for a chat. Message contents become plain text: no control token can be smuggled in."""
        ...

    def ends(self, token: int) -> bool:
        """Whether generation ends at this token."""
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...


def batches(position: int, count: int, most: int) -> Iterator[range]:
    """`count` tokens at `position` in calls of at most `most`: ranges of indices, cut where the absolute position divides by `most`.

    So a prompt is cut at the same places whether its beginning is read now or was kept.
    """
    begin = 0
    while begin < count:
        end = min(count, begin + most - (position + begin) % most)
        yield range(begin, end)
        begin = end


def plain(text: str) -> str:
    """`text` without what tokenisers stumble over: lone surrogates become U+FFFD, C0 controls (but tab and newline) vanish."""
    cleaned = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in cleaned if c >= " " or c in "\t\n")


def chat_pieces(rendered: str, contents: Sequence[str]) -> list[tuple[str, bool]]:
    """Split a template rendered around `placeholder` marks into (text, is_control) pieces, contents filled in.

    Raises
    ------
    BakeoffError
        If the template left out a message or changed the marks (a template that is not understood).
    """
    pieces: list[tuple[str, bool]] = []
    rest = rendered
    for number, content in enumerate(contents):
        before, mark, rest = rest.partition(placeholder(number))
        if not mark:
            raise BakeoffError(
                "The model's chat template does not show every message as it is given.",
                fix="choose another model, or put the instruction and the text in one user message",
            )
        pieces += [(before, True), (plain(content), False)]
    return [*pieces, (rest, True)]


def placeholder(number: int) -> str:
    """A mark that stands for message `number` while the template is rendered; private-use characters, never in a template."""
    return f"{_OPEN}{number}{_CLOSE}"


def open_lm(spec: str | Path, *, context: int = 2048, runtime: str = "auto") -> LocalLM:
    """Load a local language model.

    Parameters
    ----------
    spec : str or Path
        A name of the catalogue (``smollm2-135m-instruct``), ``hub:org/name``, or the path of a ``.gguf`` file or
        of a folder with one.
    context : int, default=2048
        Tokens that must fit, at least 16; more than the model was trained for is cut to that.
    runtime : {'auto', 'cyllama', 'llama.cpp'}, default='auto'
        'auto' takes the first that is installed.

    Raises
    ------
    MissingExtra
        If no runtime is installed.
    AssetError
        If the weights cannot be found or read.
    """
    if runtime != "auto" and runtime not in RUNTIMES:
        raise BakeoffError(f"No runtime is called {runtime!r}.", fix=nearest(runtime, [*RUNTIMES, "auto"]))
    if context < 16:
        raise BakeoffError(f"context is {context}; it must be at least 16 tokens.", fix="set context to 2048")
    wanted = list(RUNTIMES) if runtime == "auto" else [runtime]
    there = [name for name in wanted if RUNTIMES[name] in sys.modules or importlib.util.find_spec(RUNTIMES[name])]
    if not there:
        raise MissingExtra(f"A local language model needs {RUNTIMES[wanted[0]]}.", fix="pip install 'bakeoff[llm]'")
    file = weights_file(spec)
    from bakeoff.models.llm_cache import CachedLM

    if there[0] == "cyllama":
        from bakeoff.models.llm_cyllama import CyllamaRuntime

        return CachedLM(CyllamaRuntime(file, context=context))
    from bakeoff.models.llm_llamacpp import LlamaCppRuntime

    return CachedLM(LlamaCppRuntime(file, context=context))


def weights_file(spec: str | Path) -> Path:
    """The one ``.gguf`` file that `spec` names (see `open_lm`), fetched if need be. Raises AssetError if there is none."""
    from bakeoff.assets import resolve

    path = Path(resolve(str(spec), kind="gguf"))
    if path.is_dir():
        found = sorted(path.rglob("*.gguf"))
        if len(found) != 1:
            says = "no .gguf file" if not found else f"{len(found)} .gguf files"
            raise AssetError(f"{spec} holds {says}.", fix="name one .gguf file by its path")
        path = found[0]
    return path
