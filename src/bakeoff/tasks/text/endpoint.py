"""Text classification by any OpenAI-compatible server: one request per text, answers kept, money under a ceiling."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from bakeoff.contract import Answer, Item, Json, Progress, quiet
from bakeoff.errors import BadData, BakeoffError
from bakeoff.models.answer_cache import AnswerCache
from bakeoff.models.openai_client import OpenAIClient, Reply
from bakeoff.models.rate_limit import Breaker, Clock
from bakeoff.models.spending import Prices
from bakeoff.tasks.text.label_reading import label_probabilities, read_label
from bakeoff.tasks.text.labels import labels_of

FILE = "endpoint.json"
FORMATS = ("chat", "plain")
INSTRUCTION = "Classify the text. Answer with exactly one of these labels and nothing else: {labels}."
LONGEST_SHOT = 600
LONGEST_RAW = 500


@dataclass
class Endpoint:
    """A prompted language model behind an OpenAI-compatible server.

    Every item ends as an answer, an abstention (the text names no label, or several, or the model refused) or an
    error (its first words say which kind). Figures of a cached answer are those of the time when it was paid.

    Parameters
    ----------
    base_url : str
        The server, up to and without ``/chat/completions``: ``https://api.example.com/v1``, ``http://localhost:8000/v1``.
    model : str
        The model's name at that server.
    key_env : str
        Name of the environment variable that holds the key; it may be unset for servers that need none.
    instruction : str
        What the model is told; ``{labels}`` stands for the labels. Texts to classify are never part of it.
    label_names : mapping of str to str
        A label of the data -> the name by which the model is told of it, e.g. ``{"0": negative, "1": positive}``.
    shots : int
        Examples from the training items that are shown, in turn from each label.
    format : {'chat', 'plain'}
        ``chat``: instruction as system message, examples as turns. ``plain``: all of it in one user message.
    choose_on : int
        Validation items on which the formats are compared first; 0 keeps `format`, and costs nothing.
    max_tokens : int
        Most tokens of an answer. Reasoning models need hundreds.
    token_limit : {'max_tokens', 'max_completion_tokens'}
        What the server calls that limit.
    temperature : float or None
        None leaves it to the server (some models take no other).
    logprobs : int
        Alternatives asked for each token, at most 20; 0 asks for none. Probabilities are given only where the server's figures settle them.
    structured : bool
        Ask for JSON that can only hold a label (``response_format``); not every server can.
    stream : bool
        Gives the time to the first token.
    requests_per_minute : float or None
    concurrency : int
        Requests in flight at once.
    usd_per_million_in, usd_per_million_out : float or None
        Prices. None where unknown: money is then None. State 0 for a server of your own.
    ceiling_usd : float or None
        Most that one run spends on endpoints; a request that could pass it is not sent, and ends as an error.
    repeat : int
        Another number asks everything anew, for measuring agreement.
    attempts : int
        Times that one request is sent at most.
    read_seconds, total_seconds : float
        Longest silence, and longest time of one attempt.
    longest : int
        Characters read of each text.
    """

    base_url: str = ""
    model: str = ""
    key_env: str = "OPENAI_API_KEY"
    instruction: str = INSTRUCTION
    label_names: Mapping[str, str] = field(default_factory=dict)
    shots: int = 0
    format: str = "chat"
    choose_on: int = 0
    max_tokens: int = 16
    token_limit: str = "max_tokens"
    temperature: float | None = 0.0
    logprobs: int = 0
    structured: bool = False
    stream: bool = True
    requests_per_minute: float | None = None
    concurrency: int = 4
    usd_per_million_in: float | None = None
    usd_per_million_out: float | None = None
    ceiling_usd: float | None = None
    repeat: int = 0
    attempts: int = 5
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    longest: int = 20_000

    remote: ClassVar[bool] = True
    """Answers cost somebody else's time and money: the bench times them as they come and never asks twice to time them."""

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Endpoint:
        """Take labels and examples from `train`; where `choose_on` says so, choose the format on `valid`.

        Raises
        ------
        BakeoffError
            For a setting that cannot be used. BadData where there are no training items.
        """
        if not train:
            raise BadData("There are no training items to take labels from.", fix="give more items, or a smaller test share")
        self.labels_ = labels_of(train)
        self.shots_ = self._choose_shots(train, seed)
        self.format_ = self.format
        self._connect(seed)
        self.chosen_: dict[str, Json] = {"format": self.format_, "shots": [shot["id"] for shot in self.shots_]}
        if self.choose_on:
            self._choose_format(valid, seed, progress)
        progress(1.0, "ready to ask")
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """One Answer per item, in order; `concurrency` requests are in flight at once.

        Closing the iterator waits for the requests in flight, so that no paid answer is lost.

        Raises
        ------
        BakeoffError
            When the answer cache cannot be used; going on would pay for answers that are then lost.
        """
        return self._answer(items, self.format_)

    def close(self) -> None:
        """Close the connections to the server and the answer cache. `answer` opens them again."""
        self.client_.close()

    def save(self, folder: Path) -> None:
        """Write ``endpoint.json``: labels, examples and format. No key, no answers."""
        kept = {"labels": self.labels_, "shots": self.shots_, "format": self.format_, "chosen": self.chosen_}
        (folder / FILE).write_text(json.dumps(kept, ensure_ascii=True), encoding="utf-8")

    def restore(self, folder: Path) -> Endpoint:
        """Read what `save` wrote. BakeoffError where the file is missing or is no saved endpoint."""
        try:
            kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
            self.labels_ = [str(label) for label in kept["labels"]]
            self.shots_ = [{name: str(shot[name]) for name in ("id", "text", "label")} for shot in kept["shots"]]
            self.format_, self.chosen_ = str(kept["format"]), dict(kept["chosen"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BakeoffError(f"{folder / FILE} is not a saved endpoint: {error}.", fix="run the study again") from error
        self._connect(0)
        return self

    def request(self, text: str, format: str | None = None) -> dict[str, Json]:
        """The chat-completions request for one text, without the model."""
        names = [self._names[label] for label in self.labels_]
        told = self.instruction.replace("{labels}", ", ".join(names))
        turns = [(shot["text"], self._said(self._names[shot["label"]])) for shot in self.shots_]
        asked = text.encode("utf-8", "replace").decode("utf-8")[: self.longest]
        if (format or self.format_) == "chat":
            messages = [{"role": "system", "content": told}]
            for shown, said in turns:
                messages += [{"role": "user", "content": shown}, {"role": "assistant", "content": said}]
            messages.append({"role": "user", "content": asked})
        else:
            parts = [told, *(f"Text: {shown}\nLabel: {said}" for shown, said in turns), f"Text: {asked}\nLabel:"]
            messages = [{"role": "user", "content": "\n\n".join(parts)}]
        body: dict[str, Json] = {"messages": messages, self.token_limit: self.max_tokens}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.logprobs:
            body |= {"logprobs": True, "top_logprobs": self.logprobs}
        if self.structured:
            schema = {
                "type": "object",
                "properties": {"label": {"type": "string", "enum": names}},
                "required": ["label"],
                "additionalProperties": False,
            }
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": schema}}
        if self.stream:
            body["stream"] = True
        return body

    def _answer(self, items: Iterable[Item], format: str) -> Iterator[Answer]:
        replies = self.client_.ask_all((self.request(str(item.input), format) for item in items), repeat=self.repeat)
        try:
            for reply in replies:
                yield self._read(reply)
        finally:
            replies.close()

    def _read(self, reply: Reply) -> Answer:
        details: dict[str, Json] = {"cached": reply.cached, "attempts": reply.attempts, "waited_seconds": reply.waited_seconds}
        figures: dict[str, Any] = {
            "seconds": reply.seconds,
            "first_token_seconds": reply.first_token_seconds,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
            "usd": reply.usd,
        }
        message = reply.message
        if message is None:
            return Answer(error=reply.error or "bad answer: nothing came back", details=details, **figures)
        details["usage"] = reply.usage
        facts = {"doubt": reply.doubt, "finish_reason": message.finish_reason, "refusal": (message.refusal or "")[:LONGEST_RAW]}
        details |= {name: value for name, value in facts.items() if value}
        if message.choices > 1:
            details["choices"] = message.choices
        if message.tool_calls:
            details["tool_calls"] = True
        text = message.text or ""
        details["raw"] = text[:LONGEST_RAW]
        names = {name: label for label, name in self._names.items()}
        label = None if message.refusal or message.finish_reason == "content_filter" else read_label(text, names)
        if label is None:
            return Answer(abstained=True, details=details, **figures)
        chances = label_probabilities(text, message.logprobs, names) if message.logprobs else None
        return Answer(value=label, probabilities=chances, details=details, **figures)

    def _said(self, name: str) -> str:
        return json.dumps({"label": name}, ensure_ascii=False) if self.structured else name

    def _choose_shots(self, train: Sequence[Item], seed: int) -> list[dict[str, str]]:
        """Examples in turn from each label, and none twice. Empty texts teach nothing and are left out."""
        draw = random.Random(f"shots:{seed}")
        piles: deque[list[Item]] = deque()
        for label in self.labels_:
            pile = sorted((item for item in train if item.target == label and str(item.input).strip()), key=lambda item: item.id)
            draw.shuffle(pile)
            piles.append(pile)
        chosen: list[dict[str, str]] = []
        while len(chosen) < self.shots and any(piles):
            pile = piles.popleft()
            if pile:
                item = pile.pop()
                text = str(item.input).encode("utf-8", "replace").decode("utf-8")[:LONGEST_SHOT]
                chosen.append({"id": item.id, "text": text, "label": item.target})
            piles.append(pile)
        return chosen

    def _choose_format(self, valid: Sequence[Item], seed: int, progress: Progress) -> None:
        """The format with most right answers on at most `choose_on` validation items; the first of equals."""
        usable = sorted((item for item in valid if item.target in self._names), key=lambda item: item.id)
        sample = random.Random(f"format:{seed}").sample(usable, min(self.choose_on, len(usable)))
        tried: list[dict[str, Json]] = []
        for index, format in enumerate(FORMATS):
            answers = list(self._answer([item.asked() for item in sample], format))
            right = sum(answer.answered and answer.value == item.target for item, answer in zip(sample, answers, strict=True))
            paid = [answer.usd for answer in answers if answer.usd is not None]
            tried.append(
                {
                    "format": format,
                    "right": right,
                    "of": len(sample),
                    "errors": sum(answer.error is not None for answer in answers),
                    "usd": sum(paid) if self._prices() else None,
                }
            )
            progress((index + 1) / len(FORMATS), f"format {format}: {right} of {len(sample)}")
        best = max(tried, key=lambda one: (one["right"], one["format"] == self.format))
        self.format_ = best["format"]
        self.chosen_ |= {"format": self.format_, "tried": tried}

    def _prices(self) -> Prices | None:
        given = (self.usd_per_million_in, self.usd_per_million_out)
        if given == (None, None):
            return None
        if given[0] is None or given[1] is None:
            missing = "usd_per_million_in" if given[0] is None else "usd_per_million_out"
            raise BakeoffError(
                f"`{missing}` is missing: one price without the other gives no cost.", fix=f"add `{missing}` (0 is a price)"
            )
        return Prices(given[0], given[1])

    def _connect(self, seed: int, *, clock: Clock | None = None, breaker: Breaker | None = None) -> None:
        """Check the settings and make the client; sends nothing."""
        for name, known in (("format", FORMATS), ("token_limit", ("max_tokens", "max_completion_tokens"))):
            if getattr(self, name) not in known:
                raise BakeoffError(
                    f"`{name}` is {getattr(self, name)!r}; it must be one of: {', '.join(known)}.", fix=f"correct `{name}`"
                )
        for name, least, most in (
            ("shots", 0, 1000),
            ("choose_on", 0, 100_000),
            ("max_tokens", 1, 1_000_000),
            ("logprobs", 0, 20),
            ("longest", 1, 10**7),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise BakeoffError(
                    f"`{name}` is {value!r}; it must be a whole number from {least} to {most}.", fix=f"correct `{name}`"
                )
        named = {str(label): str(name) for label, name in self.label_names.items()}
        self._names = {label: named.get(label, label) for label in self.labels_}
        if len(set(self._names.values())) < len(self._names):
            raise BakeoffError("`label_names` gives two labels the same name.", fix="give each label a name of its own")
        self.client_ = OpenAIClient(
            self.base_url,
            self.model,
            cache=AnswerCache(),
            key_env=self.key_env,
            prices=self._prices(),
            ceiling_usd=self.ceiling_usd,
            account=os.environ.get("BAKEOFF_RUN") or None,
            requests_per_minute=self.requests_per_minute,
            concurrency=self.concurrency,
            attempts=self.attempts,
            read_seconds=self.read_seconds,
            total_seconds=self.total_seconds,
            seed=seed,
            clock=clock,
            breaker=breaker,
        )
