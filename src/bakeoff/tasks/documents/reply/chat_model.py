"""Language models that word answers: a local one, or any OpenAI-compatible server, behind one small protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.models.llm import Message

if TYPE_CHECKING:
    from bakeoff.models.llm import LocalLM
    from bakeoff.models.openai_client import OpenAIClient

CHARACTERS_PER_TOKEN = 3.0
"""Fewer than in English text (about 4.3), so that tables of figures fit too."""


@runtime_checkable
class ChatModel(Protocol):
    """Anything that replies to a chat."""

    characters: int
    """About how many characters of messages it can read."""

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The reply, piece by piece or whole. Closing the iterator stops the model where that is possible.

        Raises
        ------
        BakeoffError
            If it cannot be asked, or the messages do not fit.
        """
        ...


class LocalChat:
    """A language model on this machine, at temperature 0. Message contents are data: no control token can be smuggled in.

    Parameters
    ----------
    lm : LocalLM
    max_tokens : int, default=300
        Most tokens written.
    """

    def __init__(self, lm: LocalLM, *, max_tokens: int = 300) -> None:
        if not 1 <= max_tokens < lm.context_length:
            raise BakeoffError(
                f"max_tokens is {max_tokens}; the model's context holds {lm.context_length}.",
                fix="set it below the context's length",
            )
        self.lm, self.max_tokens = lm, max_tokens
        self.characters = int((lm.context_length - max_tokens - 32) * CHARACTERS_PER_TOKEN)

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The reply, token by token."""
        for piece in self.lm.generate(self.lm.chat_tokens(messages), max_tokens=self.max_tokens, temperature=0.0):
            if piece.text:
                yield piece.text


class EndpointChat:
    """A model behind an OpenAI-compatible server. The client keeps paid answers, so its reply comes whole.

    Parameters
    ----------
    client : OpenAIClient
    max_tokens : int, default=600
    temperature : float or None, default=0
        None leaves it to the server.
    token_limit : {'max_tokens', 'max_completion_tokens'}
        What the server calls that limit.
    characters : int, default=48,000
        Most characters sent.
    """

    def __init__(
        self,
        client: OpenAIClient,
        *,
        max_tokens: int = 600,
        temperature: float | None = 0.0,
        token_limit: str = "max_tokens",
        characters: int = 48_000,
    ) -> None:
        self.client, self.max_tokens, self.temperature = client, max_tokens, temperature
        self.token_limit, self.characters = token_limit, characters

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The reply, whole. Raises EndpointError where the server gave none."""
        body = {
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            self.token_limit: self.max_tokens,
            "stream": True,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        reply = self.client.ask(body)
        if reply.error is not None or reply.message is None:
            raise EndpointError(f"The model gave no answer: {reply.error or 'empty'}.", fix="see docs/how-to/use-an-endpoint.md")
        if reply.message.text:
            yield reply.message.text


def open_chat(spec: str, *, context: int = 4096, max_tokens: int = 300) -> ChatModel:
    """The model that a setting names.

    Parameters
    ----------
    spec : str
        A name in the catalogue (``smollm2-135m-instruct``), ``hub:org/name``, or the path of a ``.gguf`` file; or ``endpoint:URL#model`` for a
        server, e.g. ``endpoint:http://localhost:8000/v1#llama``. Its key, if it needs one, is read from the environment variable
        OPENAI_API_KEY, or from the one named at the end: ``endpoint:URL#model@MY_KEY``.
    context : int, default=4096
        Tokens that prompt and reply may have together, for a local model.
    max_tokens : int, default=300
        Most tokens written.

    Raises
    ------
    BakeoffError
        If `spec` cannot be understood; AssetError if the model is missing, MissingExtra if no runtime is installed.
    """
    if spec.startswith("endpoint:"):
        from bakeoff.models.answer_cache import AnswerCache
        from bakeoff.models.openai_client import OpenAIClient

        url, sign, model = spec.removeprefix("endpoint:").partition("#")
        model, _, key_env = model.rpartition("@") if re.search(r"@[A-Z_][A-Z0-9_]*$", model) else (model, "", "OPENAI_API_KEY")
        if not sign or not url or not model:
            raise BakeoffError(
                "A model behind a server needs a URL and a name.", fix="give it as endpoint:http://localhost:8000/v1#model-name"
            )
        return EndpointChat(OpenAIClient(url, model, cache=AnswerCache(), key_env=key_env), max_tokens=max_tokens)
    from bakeoff.models.llm import open_lm

    return LocalChat(open_lm(spec, context=context), max_tokens=max_tokens)
