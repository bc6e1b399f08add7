"""Pictures labelled by any OpenAI-compatible vision model: one request per picture, answers kept, money under a ceiling.

Everything but the picture is as in the text task's endpoint (`bakeoff.tasks.text.endpoint`): settings, cache, rate limit, prices, strict
reading of the answer. The picture is sent inside the request as a ``data:`` address, so the server fetches nothing.
"""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Answer, Item, Json, Progress, Requires, quiet
from bakeoff.errors import BadData, BakeoffError
from bakeoff.models.openai_client import OpenAIClient
from bakeoff.models.rate_limit import Breaker, Clock
from bakeoff.tasks.images.decode import BadPicture, Fit
from bakeoff.tasks.images.pictures import Pictures, pictures_of
from bakeoff.tasks.text.endpoint import FILE
from bakeoff.tasks.text.endpoint import Endpoint as TextEndpoint

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels

INSTRUCTION = "Say what the picture shows. Answer with exactly one of these labels and nothing else: {labels}."
DETAILS = ("auto", "low", "high")


@dataclass
class Endpoint(TextEndpoint):
    """A vision model behind an OpenAI-compatible server.

    Every picture ends as an answer, an abstention (the text names no label, or several, or the model refused) or an error: a picture
    that cannot be read is one, and costs nothing.

    Parameters
    ----------
    base_url, model, key_env, label_names, shots, format, choose_on, max_tokens, token_limit, temperature, logprobs, structured, stream,
    requests_per_minute, concurrency, usd_per_million_in, usd_per_million_out, ceiling_usd, repeat, attempts, read_seconds, total_seconds
        As for ``text/endpoint``. `shots` are training pictures shown with their labels; each costs as much as a picture that is asked.
    instruction : str
        What the model is told; ``{labels}`` stands for the labels.
    side : int
        Pixels a side that are sent, 16 to 2048; 0 sends pictures as they were prepared. Many models see little in 64 pixels.
    detail : {'auto', 'low', 'high'}
        How closely the server is asked to look; most charge by it.
    tokens_per_picture : int
        Most tokens that the server counts for one picture, for `ceiling_usd`: what is set aside before a request is sent.
    """

    instruction: str = INSTRUCTION
    side: int = 224
    detail: str = "auto"
    tokens_per_picture: int = 3_000

    requires: ClassVar[Requires] = Requires(("PIL",), extra="images")
    store_: ClassVar[Pictures | None] = None

    def read_from(self, material: Path) -> None:
        """Open the study's prepared pictures."""
        self.store_ = Pictures.open(material)  # type: ignore[misc]

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Endpoint:
        """Take labels and examples from `train`; where `choose_on` says so, choose the format on `valid`.

        Raises
        ------
        BakeoffError
            For a setting that cannot be used. BadData where there are no training items, or no pictures.
        """
        if self.store_ is None:
            raise BadData("The pictures were not handed over.", fix="call read_from(folder) first")
        self.size_, self.fit_ = self.store_.size, self.store_.fit
        super().fit(train, valid, seed=seed, progress=progress)
        return self

    def save(self, folder: Path) -> None:
        """Write ``endpoint.json``: labels, examples with their pictures, format and size. No key, no answers."""
        kept = {
            "labels": self.labels_, "shots": self.shots_, "format": self.format_, "chosen": self.chosen_, "size": self.size_, "fit": self.fit_,
        }  # fmt: skip
        (folder / FILE).write_text(json.dumps(kept, ensure_ascii=True), encoding="utf-8")

    def restore(self, folder: Path) -> Endpoint:
        """Read what `save` wrote. BakeoffError where the file is missing or is no saved endpoint."""
        super().restore(folder)
        try:
            kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
            fit: Fit = kept["fit"]
            self.size_, self.fit_ = int(kept["size"]), fit
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BakeoffError(f"{folder / FILE} is no saved endpoint of pictures.", fix="run the study again") from error
        return self

    def request(self, text: str, format: str | None = None) -> dict[str, Json]:
        """The chat-completions request for one picture, without the model. `text` is the picture as a ``data:`` address."""
        names = [self._names[label] for label in self.labels_]
        told = self.instruction.replace("{labels}", ", ".join(names))
        turns = [(shot["text"], self._said(self._names[shot["label"]])) for shot in self.shots_]
        messages: list[dict[str, Json]] = []
        if (format or self.format_) == "chat":
            messages.append({"role": "system", "content": told})
            for shown, said in turns:
                messages += [{"role": "user", "content": [self._part(shown)]}, {"role": "assistant", "content": said}]
            messages.append({"role": "user", "content": [self._part(text)]})
        else:
            parts: list[dict[str, Json]] = [{"type": "text", "text": told}]
            for shown, said in turns:
                parts += [self._part(shown), {"type": "text", "text": f"Label: {said}"}]
            messages.append({"role": "user", "content": [*parts, self._part(text), {"type": "text", "text": "Label:"}]})
        return super().request("", format) | {"messages": messages}  # all other settings are those of a text

    def _part(self, address: str) -> dict[str, Json]:
        picture: dict[str, Json] = {"url": address}
        if self.detail != "auto":
            picture["detail"] = self.detail
        return {"type": "image_url", "image_url": picture}

    def _answer(self, items: Iterable[Item], format: str) -> Iterator[Answer]:
        ends: deque[str] = deque()  # one for each item that was read: why there is no request for it, or '' where there is one

        def bodies() -> Iterator[Mapping[str, Json]]:
            for item in items:
                try:
                    address = self._address(item.input)
                except BadPicture as error:
                    ends.append(f"the picture cannot be used: {error.what}")
                    continue
                ends.append("")
                yield self.request(address, format)

        replies = self.client_.ask_all(bodies(), repeat=self.repeat)
        try:
            for reply in replies:
                while ends[0]:
                    yield Answer(error=ends.popleft())
                ends.popleft()
                yield self._read(reply)
            while ends:
                yield Answer(error=ends.popleft())
        finally:
            replies.close()

    def _address(self, given: Any) -> str:
        return png_address(pictures_of(given, self.size_, self.fit_, self.store_), self.side)

    def _choose_shots(self, train: Sequence[Item], seed: int) -> list[dict[str, str]]:
        """As for texts; what is kept of each is the picture itself, so that a restored endpoint needs no pictures beside it."""
        named = [Item(item.id, str(item.input), item.target) for item in train if isinstance(item.input, str)]
        inputs = {item.id: item.input for item in named}
        return [{**shot, "text": self._address(inputs[shot["id"]])} for shot in super()._choose_shots(named, seed)]

    def _connect(self, seed: int, *, clock: Clock | None = None, breaker: Breaker | None = None) -> None:
        if self.detail not in DETAILS:
            raise BakeoffError(f"`detail` is {self.detail!r}; it must be one of: {', '.join(DETAILS)}.", fix="correct `detail`")
        for name, least, most in (("side", 16, 2048), ("tokens_per_picture", 1, 1_000_000)):
            value = getattr(self, name)
            fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
            if not fine and not (name == "side" and value == 0 and not isinstance(value, bool)):
                raise BakeoffError(
                    f"`{name}` is {value!r}; it must be a whole number from {least} to {most}.", fix=f"correct `{name}`"
                )
        super()._connect(seed, clock=clock, breaker=breaker)
        plain = self.client_
        self.client_ = _PictureClient(
            self.base_url, self.model, cache=plain.cache, key_env=self.key_env, prices=plain.prices, ceiling_usd=self.ceiling_usd,
            account=plain.account, requests_per_minute=self.requests_per_minute, concurrency=self.concurrency, attempts=self.attempts,
            read_seconds=self.read_seconds, total_seconds=self.total_seconds, seed=seed, clock=clock, breaker=breaker,
        )  # fmt: skip
        self.client_.tokens_per_picture = self.tokens_per_picture


class _PictureClient(OpenAIClient):
    """Sets aside for each picture what a server may count for it, which has nothing to do with its bytes."""

    tokens_per_picture = 0

    def _worst(self, whole: Mapping[str, Json]) -> int | None:
        worst = super()._worst(whole)
        if worst is None or self.prices is None:
            return worst
        contents = [message.get("content") for message in whole.get("messages", ())]
        pictures = sum(part.get("type") == "image_url" for content in contents if isinstance(content, list) for part in content)
        return worst + self.prices.nano(self.tokens_per_picture * pictures, 0)


def png_address(pixels: Pixels, side: int) -> str:
    """A prepared picture (size, size, 3) as a ``data:image/png`` address that loses nothing, resized to `side` pixels (0: as it is)."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if side and image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    image.save(held, "PNG", compress_level=6)
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode('ascii')}"
