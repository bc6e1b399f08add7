"""The endpoint for pictures: what is sent, what every kind of reply becomes, and what it costs; against a real server on loopback."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff.contract import Item, ReadsMaterial, Saves
from bakeoff.errors import BadData, BakeoffError
from bakeoff.models.rate_limit import Breaker
from bakeoff.tasks.images.decode import from_address
from bakeoff.tasks.images.endpoint import Endpoint, png_address
from bakeoff.tasks.images.pictures import Pictures
from fake_clock import FakeClock
from fake_openai import FakeOpenAI

SIZE = 16
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


def picture(label: str, number: int) -> np.ndarray:
    made = np.full((SIZE, SIZE, 3), 255, np.uint8)
    made[2 : 4 + number % 10, 3:13] = COLOURS[label]
    made[15, number % SIZE] = number % 256
    return made


def items(n: int) -> list[Item]:
    return [Item(f"i{k}", f"{('red', 'blue')[k % 2]}/{k}", ("red", "blue")[k % 2]) for k in range(n)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Pictures.write(
        tmp_path / "pictures", ((item.input, picture(item.target, k)) for k, item in enumerate(items(40))), 40, SIZE, fit="pad"
    )
    return tmp_path / "pictures"


def seen(content: Any) -> np.ndarray:
    """The last picture of a message, as the server sees it."""
    url = [part["image_url"]["url"] for part in content if part["type"] == "image_url"][-1]
    head, body = url.split(",", 1)
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body, validate=True))).convert("RGB"))


def looks(text: str) -> str:
    """A vision model that can tell red from blue. The fake hands over the content of the last message as Python writes it."""
    import ast

    mean = seen(ast.literal_eval(text)).reshape(-1, 3).mean(0)
    return "red" if mean[0] > mean[2] else "blue"


@pytest.fixture
def endpoint(folder: Path) -> Iterator[Callable[..., Endpoint]]:
    made: list[Endpoint] = []

    def make(url: str, **settings: Any) -> Endpoint:
        approach = Endpoint(url, "see-1", **({"read_seconds": 5.0, "side": 32} | settings))
        approach.read_from(folder)
        approach.fit(items(20), items(40)[20:30], seed=0)
        approach._connect(0, clock=FakeClock())
        made.append(approach)
        return approach

    yield make
    for approach in made:
        approach.close()


def test_a_picture_is_sent_as_it_was_prepared_and_its_label_comes_back(endpoint: Callable[..., Endpoint]) -> None:
    with FakeOpenAI(rule=looks) as server:
        approach = endpoint(server.url, usd_per_million_in=1.0, usd_per_million_out=2.0, side=0, detail="low")
        assert isinstance(approach, Saves) and isinstance(approach, ReadsMaterial)
        asked = items(40)[30:]
        answers = list(approach.answer([item.asked() for item in asked]))
        assert [answer.value for answer in answers] == [item.target for item in asked]
        assert all(answer.tokens_in and answer.tokens_out and answer.usd and answer.seconds is not None for answer in answers)
        body = server.bodies[0]
        assert body["model"] == "see-1" and body["stream"] and body["temperature"] == 0.0 and body["max_tokens"] == 16
        system, user = body["messages"]
        assert "blue, red" in system["content"] and user["content"][0]["image_url"]["detail"] == "low"
        shown = {seen(each["messages"][-1]["content"]).tobytes() for each in server.bodies}
        assert shown == {picture(item.target, 30 + k).tobytes() for k, item in enumerate(asked)}
        sent = len(server.bodies)
        again = list(approach.answer([item.asked() for item in asked]))
        assert len(server.bodies) == sent and all(answer.details["cached"] for answer in again)


def test_what_is_no_picture_is_an_error_in_its_place_and_is_never_sent(endpoint: Callable[..., Endpoint]) -> None:
    good = items(40)[30:32]
    text = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    asked = [Item("a", text), good[0], Item("b", "no/such"), Item("c", None), good[1], Item("d", "data:image/png;base64,%%%")]
    with FakeOpenAI(rule=looks) as server:
        answers = list(endpoint(server.url).answer([item.asked() for item in asked]))
        assert len(server.bodies) == 2
    assert [answer.value for answer in answers] == [None, "red", None, None, "blue", None]
    assert [bool(answer.error) for answer in answers] == [True, False, True, True, False, True]
    assert all("the picture cannot be used" in answer.error for answer in answers if answer.error)


OUTCOMES = {
    "ok": "value", "html": "value", "two": "value", "no done": "value", "usage absurd": "value", "usage missing": "value",
    "nonsense": "abstained", "both": "abstained", "refusal": "abstained", "null": "abstained", "tool": "abstained",
    "empty": "error", "garbage": "error", "bomb": "error", "utf8": "error", "page": "error", "array": "error", "number": "error",
    "gzip": "error", "400": "error", "401": "error", "500": "error", "redirect": "error", "stall": "error", "trickle": "error",
    "disconnect": "error", "broken": "error", "stream error": "error", "huge": "error",
}  # fmt: skip


def test_every_kind_of_reply_ends_as_a_value_an_abstention_or_an_error(endpoint: Callable[..., Endpoint]) -> None:
    behaviours = list(OUTCOMES)
    asked = items(40)[: len(behaviours)]
    with FakeOpenAI(lambda number, body: behaviours[number], rule=looks, stall_seconds=1.0) as server:
        approach = endpoint(server.url, concurrency=1, attempts=1, read_seconds=0.3, total_seconds=0.6)
        approach._connect(0, clock=FakeClock(), breaker=Breaker(threshold=10_000))  # all that goes wrong here would open it
        found = []
        for item in asked:
            (answer,) = approach.answer([item.asked()])
            found.append("error" if answer.error else "abstained" if answer.abstained else "value")
            assert not answer.answered or answer.value == item.target
    assert dict(zip(behaviours, found, strict=True)) == OUTCOMES


def test_shots_are_pictures_with_their_labels_and_are_kept_in_what_is_saved(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    with FakeOpenAI(rule=looks) as server:
        approach = endpoint(server.url, shots=4, label_names={"red": "crimson"})
        chat, plain = approach.request("data:image/png;base64,QQ=="), approach.request("data:image/png;base64,QQ==", "plain")
        roles = [message["role"] for message in chat["messages"]]
        assert roles == ["system", *["user", "assistant"] * 4, "user"]
        said = [message["content"] for message in chat["messages"] if message["role"] == "assistant"]
        assert Counter(said) == {"crimson": 2, "blue": 2}
        for user, label in zip(chat["messages"][1:-1:2], said, strict=True):
            assert looks(str(user["content"])) == ("red" if label == "crimson" else "blue")
        kinds = [part["type"] for part in plain["messages"][0]["content"]]
        assert len(plain["messages"]) == 1 and kinds == ["text", *["image_url", "text"] * 5]
        (tmp_path / "kept").mkdir()
        approach.save(tmp_path / "kept")
        back = Endpoint(server.url, "see-1", shots=4, side=32, label_names={"red": "crimson"}).restore(tmp_path / "kept")
        address = png_address(picture("blue", 3), 0)
        assert back.request(address) == approach.request(address)
        # Behind an endpoint there are no prepared pictures: what comes is whole in itself.
        (answer,) = back.answer([Item("x", address)])
        assert answer.value == "blue"
        back.close()


def test_the_ceiling_counts_a_picture_by_what_a_server_may_charge_for_it(endpoint: Callable[..., Endpoint]) -> None:
    with FakeOpenAI(rule=looks) as server:
        # 100,000 tokens at 1 USD a million are .1 USD: more than the ceiling, whatever the few bytes of the picture say.
        approach = endpoint(
            server.url, usd_per_million_in=1.0, usd_per_million_out=1.0, ceiling_usd=0.05, tokens_per_picture=100_000
        )
        (answer,) = approach.answer([items(1)[0].asked()])
        assert answer.error and "cost ceiling" in answer.error and not server.bodies
        cheap = endpoint(server.url, usd_per_million_in=1.0, usd_per_million_out=1.0, ceiling_usd=0.05, tokens_per_picture=1000)
        assert [answer.value for answer in cheap.answer([items(1)[0].asked()])] == ["red"]


@pytest.mark.parametrize(
    "settings", [{"side": 8}, {"side": True}, {"detail": "close"}, {"tokens_per_picture": 0}, {"shots": -1}, {"format": "loud"}]
)
def test_a_setting_that_cannot_be_used_says_which(folder: Path, settings: dict[str, Any]) -> None:
    approach = Endpoint("http://localhost:1/v1", "m", **settings)
    approach.read_from(folder)
    with pytest.raises(BakeoffError, match=next(iter(settings))) as wrong:
        approach.fit(items(4))
    assert wrong.value.fix


def test_without_pictures_it_says_what_is_missing() -> None:
    with pytest.raises(BadData, match="not handed over"):
        Endpoint("http://localhost:1/v1", "m").fit(items(4))


def test_the_address_of_a_picture_loses_nothing() -> None:
    made = picture("red", 7)
    assert np.array_equal(from_address(png_address(made, 0), SIZE), made)
    assert seen([{"type": "image_url", "image_url": {"url": png_address(made, 32)}}]).shape == (32, 32, 3)
