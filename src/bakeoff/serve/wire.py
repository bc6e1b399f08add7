"""Requests and responses as they travel: checked on the way in, and described in the OpenAPI document.

A request is read strictly: a text is no number and a number is no text. Fields of OpenAI's interface that would change
the answer and are not supported here may be given only with the value that changes nothing; anything else is refused
with 400, so that nobody takes an answer for what it is not. Fields that change nothing are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MOST_MESSAGES = 1000
MOST_STOPS = 16
MOST_TOKENS = 1_000_000


def _whole(given: Any) -> Any:
    """JSON has one kind of number: 5.0 is as whole as 5."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _boolean(given: Any) -> Any:
    """To Python 0 is False; in JSON it is a number."""
    if given is not None and not isinstance(given, bool):
        raise ValueError("Input should be a valid boolean")
    return given


WHOLE = BeforeValidator(_whole)
BOOLEAN = BeforeValidator(_boolean)


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class AnswerRequest(BaseModel):
    """Items to answer. An item is what the approach looks at: for a task about texts, a text; for an agent, an observation."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    model: str | None = None
    items: list[Any]


class TextPart(_Request):
    """A part of a message. Only text is taken."""

    type: Literal["text"]
    text: str


class ChatMessage(_Request):
    """One turn of the chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(_Request):
    """Options of a streamed answer."""

    include_usage: bool | None = None


class TextFormat(_Request):
    """The only format: text."""

    type: Literal["text"]


class _Sampled(_Request):
    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1), WHOLE] | None = None
    stop: str | Annotated[list[str], Field(max_length=MOST_STOPS)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS), WHOLE] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # What follows is taken only where it changes nothing; see UNSUPPORTED.
    n: Annotated[int, Field(ge=1, le=1), WHOLE] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    repetition_penalty: Annotated[float, Field(ge=1, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=0), WHOLE] | None = None
    min_p: Annotated[float, Field(ge=0, le=0)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=0), WHOLE] | None = None
    ignore_eos: Annotated[Literal[False], BOOLEAN] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop texts; empty ones stop nothing."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)

    @property
    def with_usage(self) -> bool:
        """Whether a streamed answer ends with its token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(_Sampled):
    """OpenAI's chat completion. An approach answers the text of the last user message; a language model goes on with the chat."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS), WHOLE] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    functions: Annotated[list[Any], Field(max_length=0)] | None = None
    response_format: TextFormat | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    audio: None = None


class CompletionRequest(_Sampled):
    """OpenAI's text completion. An approach answers the prompt; a language model goes on with it."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    logprobs: Annotated[int, Field(ge=0, le=5), WHOLE] | None = None
    best_of: Annotated[int, Field(ge=1, le=1), WHOLE] | None = None
    echo: Annotated[Literal[False], BOOLEAN] | None = None
    suffix: Literal[""] | None = None

    @property
    def text(self) -> str:
        """The prompt as one text."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


UNSUPPORTED = frozenset({
    "n", "presence_penalty", "frequency_penalty", "logit_bias", "repetition_penalty", "top_k", "min_p", "min_tokens", "ignore_eos",
    "tools", "functions", "response_format", "modalities", "audio", "best_of", "echo", "suffix",
})  # fmt: skip
"""Fields that may be given only with the value that changes nothing."""


# -- responses ------------------------------------------------------------------------------------------------------


class _Response(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Passage(_Response):
    """A passage of a corpus of documents that was found for a question."""

    document: str
    page: int = Field(description="Where it begins, from 1.")
    pages: list[int] = Field(description="All pages that it stands on.")
    score: float
    text: str


class Wording(_Response):
    """A language model's part in an answer from documents. What the verifier refused is counted; its words are not sent."""

    written: int = Field(description="Statements that the model wrote.")
    kept: int = Field(description="Those that are in the answer.")
    dropped: int = Field(description="Those that the verifier refused.")
    reasons: dict[str, int] = Field(description="Reason of a refusal to how many there were.")
    fell_back: bool = Field(description="None was kept; the documents are quoted instead.")
    declined: bool = Field(description="The model said that the passages hold no answer.")


class _Beside(_Response):
    """What stands beside a value where the approach has it; left out where it has not."""

    passages: list[Passage] | None = Field(
        None, description="Of an approach over documents: the passages nearest to the question, also for an abstention."
    )
    wording: Wording | None = Field(None, description="Where a language model worded the answer.")
    state_value: float | None = Field(
        None, description="Of an agent with a critic: the discounted return that it expects from here on."
    )


class ItemAnswer(_Beside):
    """The answer to one item: a value, an abstention, or an error."""

    value: Any = Field(description="What the approach says; null for an abstention or an error.")
    probabilities: dict[str, float] | None = Field(description="Label to probability, where the approach has them.")
    seconds: float | None = Field(description="Time in the model for this item alone; null where it was computed with others.")
    abstained: bool
    error: str | None


class AnswerResponse(_Response):
    """The answers, one for each item, in the order of the items."""

    model: str
    answers: list[ItemAnswer]


class Usage(_Response):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Bakeoff(_Beside):
    """What the approach says besides its text."""

    value: Any
    probabilities: dict[str, float] | None
    abstained: bool


class TopLogprob(_Response):
    """A token that could have stood there. `bytes` is null for a part of a character."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob]


class Logprobs(_Response):
    """Log-probabilities (natural logarithm, at temperature 1) of the tokens of the answer."""

    content: list[TokenLogprob]
    refusal: None


class AssistantMessage(_Response):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(_Response):
    """The one choice."""

    index: Literal[0]
    message: AssistantMessage
    finish_reason: Literal["stop", "length"]
    logprobs: Logprobs | None


class ChatResponse(_Response):
    """A chat completion. `usage` is null where the approach does not count tokens; `bakeoff` is there for approaches."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: Annotated[list[ChatChoice], Field(min_length=1, max_length=1)]
    usage: Usage | None
    bakeoff: Bakeoff | None = None


class TextLogprobs(_Response):
    """Log-probabilities of the tokens of a text completion."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(_Response):
    """The one choice."""

    index: Literal[0]
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: TextLogprobs | None


class CompletionResponse(_Response):
    """A text completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: Annotated[list[TextChoice], Field(min_length=1, max_length=1)]
    usage: Usage | None
    bakeoff: Bakeoff | None = None


class Model(_Response):
    """A model that can be asked for. `bakeoff` says what it is: an approach answers, a language model generates."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["bakeoff"]
    bakeoff: Literal["approach", "language_model"]


class Models(_Response):
    """The models, the one in use where none is named first."""

    object: Literal["list"]
    data: list[Model]


class Health(_Response):
    """Whether requests should be sent here. Status 200 says `ok`, any other is 503."""

    status: Literal["ok", "draining", "dead", "stalled"]
    models: list[str]
    queue: int = Field(description="Items and generations that wait.")
    in_flight: int = Field(description="Requests being worked on.")
    uptime_seconds: float
    version: str
    says: str


class ErrorDetail(_Response):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class Error(_Response):
    """An error, in the shape that OpenAI's clients read."""

    error: ErrorDetail
