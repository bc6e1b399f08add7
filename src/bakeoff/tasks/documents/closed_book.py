"""A language model asked without any documents: what it knows by heart, and what it makes up. The floor that retrieval must beat."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bakeoff.contract import Answer, Item, Progress, Requires
from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.asked import question_of
from bakeoff.tasks.documents.writer import Writer, declines

SYSTEM = "Answer the question in one short sentence. If you do not know the answer, reply: I don't know."


@dataclass
class ClosedBook:
    """A language model, the question, and nothing else.

    Parameters
    ----------
    model : str
        A catalogue name, `hub:org/name` or the path of a `.gguf` file.
    context : int
        Tokens that prompt and answer may have together.
    max_tokens : int
        Most tokens written.
    """

    model: str = "smollm2-135m-instruct"
    context: int = 1024
    max_tokens: int = 64

    asset_kind: ClassVar[str] = "gguf"
    requires: ClassVar[Requires] = Requires(("cyllama",), extra="llm")

    def assets(self) -> Sequence[str]:
        """The language model."""
        return [self.model]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> ClosedBook:
        """Open the model; nothing is learned."""
        self._writer().lm  # noqa: B018  # a model that cannot be opened is found now, not at the first question
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """One written reply per question, without citations. Saying that it does not know is an abstention."""
        for item in items:
            started = time.perf_counter()
            try:
                written = self._writer().write(question_of(item.input)[0], system=SYSTEM)
            except BakeoffError as error:
                yield Answer(error=error.what, seconds=time.perf_counter() - started)
                continue
            declined = declines(written.text)
            yield Answer(
                value=None if declined else {"statements": [{"text": written.text, "citations": []}]},
                abstained=declined,
                seconds=time.perf_counter() - started,
                first_token_seconds=written.first_token_seconds,
                tokens_in=written.tokens_in,
                tokens_out=written.tokens_out,
                details={"passages": [], "support": 0.0, "raw": written.text},
            )

    def save(self, folder: Path) -> None:
        """The settings say everything."""
        (folder / "closed_book.json").write_text(json.dumps({"model": self.model}), encoding="utf-8")

    def restore(self, folder: Path) -> ClosedBook:
        """Open the model."""
        self._writer().lm  # noqa: B018
        return self

    def _writer(self) -> Writer:
        if not hasattr(self, "_kept"):
            self._kept = Writer(self.model, context=self.context, max_tokens=self.max_tokens)
        return self._kept
