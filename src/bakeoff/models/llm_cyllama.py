"""llama.cpp through cyllama: a prebuilt wheel without dependencies.

Four facts that shape this file, each checked against the installed version:

- Flash attention is switched off. With it, the same prompt cut into other batches gave log-probabilities up to 0.9 apart.
- Tokens are computed in groups of four, and those left over by other code. Cut at multiples of four, and with two tokens or
  more in the last call, a prompt gives the same logits to the last bit however it is cut (``docs/explanation/consistency.md``).
- ``get_logits_ith`` asks the model for ``n_vocab``, which ``LlamaModel`` lacks: a subclass answers for the vocabulary.
- Weights run on the CPU (``n_gpu_layers = 0``) so that an answer does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError, BakeoffError
from bakeoff.models.llm import Message, Tokens, batches
from bakeoff.models.threads import threads

if TYPE_CHECKING:
    import numpy as np

BATCH = 256
"""Tokens in one call into the library, a multiple of `GROUP`: short calls, so that Ctrl-C is answered soon."""

GROUP = 4
"""Tokens that the library's matrix kernels take together."""

FLASH_ATTENTION_OFF = 0


@cache
def _library() -> tuple[Any, type]:
    """The extension module with its backends loaded and its chatter off, and the model class with a vocabulary size."""
    import cyllama.llama.llama_cpp as library

    library.disable_logging()
    library.ggml_backend_load_all()

    class Model(library.LlamaModel):  # type: ignore[misc, name-defined, unused-ignore]
        @property
        def n_vocab(self) -> int:
            return self.get_vocab().n_vocab

    return library, Model


class CyllamaRuntime:
    """One model and one context of `context` tokens (cut to what the model was trained for)."""

    group = GROUP

    def __init__(self, file: Path, *, context: int) -> None:
        library, model = _library()
        given = library.LlamaModelParams()
        given.n_gpu_layers = 0
        try:
            self._model = model(str(file), given, False)
        except (OSError, ValueError, RuntimeError) as error:
            raise AssetError(
                f"{file} cannot be loaded: {error}", fix="fetch the model again, or name another GGUF file"
            ) from error
        self._vocab = self._model.get_vocab()
        self.n_vocab = int(self._vocab.n_vocab)
        trained = int(self._model.n_ctx_train)
        self.context_length = min(context, trained) if trained > 0 else context
        wanted = library.LlamaContextParams()
        wanted.n_ctx = self.context_length
        wanted.n_batch = wanted.n_ubatch = BATCH
        wanted.n_threads = wanted.n_threads_batch = threads()
        wanted.flash_attn_type = FLASH_ATTENTION_OFF
        wanted.n_seq_max = 1
        try:
            self._context = library.LlamaContext(self._model, wanted, False)
            self._batch = library.LlamaBatch(n_tokens=BATCH, embd=0, n_seq_max=1)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise BakeoffError(
                f"A context of {self.context_length:,} tokens cannot be made: {error}",
                fix="open the model with a smaller context",
            ) from error
        self._message = library.LlamaChatMessage

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`, without BOS."""
        return list(self._vocab.tokenize(text, False, special)) if text else []

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a token adds to the text; empty for control tokens."""
        if self._vocab.is_control(token):
            return b""
        whole = self._vocab.token_to_piece(token, 0, False)
        if "\ufffd" not in whole:
            return whole.encode("utf-8")
        raw = self._vocab.get_text(token)
        if raw.startswith("<0x") and raw.endswith(">"):
            return bytes([int(raw[3:-1], 16)])
        letters = _byte_letters()
        return bytes(letters[c] for c in raw if c in letters)

    def is_end(self, token: int) -> bool:
        """Whether generation ends at this token."""
        return bool(self._vocab.is_eog(token))

    def start(self) -> list[int]:
        """BOS, if the model wants one."""
        return [self._vocab.token_bos()] if self._vocab.get_add_bos() else []

    def render(self, messages: Sequence[Message]) -> str:
        """The model's own chat template, or ChatML where the file has none."""
        template = self._model.get_default_chat_template() or "chatml"
        turns = [self._message(message.role, message.content) for message in messages]
        try:
            return self._model.chat_apply_template(template, turns, True)
        except (ValueError, RuntimeError) as error:
            raise BakeoffError(f"The model's chat template cannot be applied: {error}", fix="choose another model") from error

    def forget(self, position: int) -> None:
        """Drop everything kept at `position` and after it."""
        if not self._context.memory_seq_rm(0, position, -1):
            raise BakeoffError("This kind of model cannot take back part of what it has read.", fix="choose a transformer model")

    def forward(self, tokens: Tokens, position: int, wanted: Sequence[int]) -> np.ndarray:
        """Logits, float32 of shape (len(wanted), n_vocab); see `Runtime.forward`."""
        import numpy as np

        rows = np.empty((len(wanted), self.n_vocab), dtype=np.float32)
        rank = {index: row for row, index in enumerate(wanted)}
        for part in batches(position, len(tokens), BATCH):
            self._batch.clear()
            for index in part:
                self._batch.add(tokens[index], position + index, [0], index in rank)
            try:
                self._context.decode(self._batch)
            except (ValueError, RuntimeError) as error:
                raise BakeoffError(
                    f"The language model could not read the prompt: {error}", fix="use a smaller `context`, or another model"
                ) from error
            for index in part:
                if index in rank:
                    rows[rank[index]] = self._context.get_logits_ith(index - part.start)
        return rows

    def close(self) -> None:
        """Free the context and the model; the library's own `close` calls may be repeated."""
        self._batch.close()
        self._context.close()
        self._model.close()


@cache
def _byte_letters() -> dict[str, int]:
    """The letters in which byte-level BPE vocabularies write bytes (Radford et al. 2019, ``bytes_to_unicode``)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + n): byte for n, byte in enumerate(hidden)}
