"""llama.cpp through llama-cpp-python, for those who have it built already. Never a default dependency: it compiles for minutes.

Its high-level scoring is off by one for models without BOS, so only `eval` and the raw logits are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError, BakeoffError, needs
from bakeoff.models.llm import Message, Tokens, batches
from bakeoff.models.threads import threads

if TYPE_CHECKING:
    import numpy as np

BATCH, GROUP = 256, 4
"""As in `bakeoff.models.llm_cyllama`: it is the same library underneath."""


class LlamaCppRuntime:
    """One model and one context of `context` tokens."""

    group = GROUP

    def __init__(self, file: Path, *, context: int) -> None:
        needs("llama_cpp", extra="llm", why="Runtime 'llama.cpp'")
        import llama_cpp

        self._library: Any = llama_cpp
        try:
            self._llama = llama_cpp.Llama(
                str(file),
                n_ctx=context,
                n_batch=BATCH,
                n_ubatch=BATCH,
                n_threads=threads(),
                n_threads_batch=threads(),
                n_gpu_layers=0,
                logits_all=True,
                flash_attn=False,
                verbose=False,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise AssetError(
                f"{file} cannot be loaded: {error}", fix="fetch the model again, or name another GGUF file"
            ) from error
        self.context_length = int(self._llama.n_ctx())
        self.n_vocab = int(self._llama.n_vocab())

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`, without BOS."""
        return list(self._llama.tokenize(text.encode("utf-8"), add_bos=False, special=special))

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a token adds to the text; empty for control tokens."""
        return bytes(self._llama.detokenize([token]))

    def is_end(self, token: int) -> bool:
        """Whether generation ends at this token."""
        model = self._llama._model
        return bool(self._library.llama_vocab_is_eog(model.vocab, token))

    def start(self) -> list[int]:
        """BOS, if the model wants one."""
        model = self._llama._model
        return [self._llama.token_bos()] if self._library.llama_vocab_get_add_bos(model.vocab) else []

    def render(self, messages: Sequence[Message]) -> str:
        """The model's own chat template, or ChatML where the file has none."""
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        template = self._llama.metadata.get("tokenizer.chat_template")
        if not template:
            return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"
        make = Jinja2ChatFormatter(template=template, eos_token="", bos_token="", add_generation_prompt=True)
        return str(make(messages=[{"role": m.role, "content": m.content} for m in messages]).prompt)

    def forget(self, position: int) -> None:
        """Drop everything kept at `position` and after it."""
        self._llama.n_tokens = min(self._llama.n_tokens, position)

    def forward(self, tokens: Tokens, position: int, wanted: Sequence[int]) -> np.ndarray:
        """Logits, float32 of shape (len(wanted), n_vocab); see `Runtime.forward`."""
        import numpy as np

        if self._llama.n_tokens != position:
            raise BakeoffError("The runtime does not hold the prefix it was said to hold.", fix="open the model again")
        for part in batches(position, len(tokens), BATCH):
            self._llama.eval(list(tokens[part.start : part.stop]))
        return np.array(self._llama.scores[[position + index for index in wanted]], dtype=np.float32)

    def close(self) -> None:
        """Free the model."""
        self._llama.close()
