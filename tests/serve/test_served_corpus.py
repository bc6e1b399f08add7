"""A corpus behind the endpoint: an abstention comes with the nearest passages, and nobody is sent what they may not read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from small_server import Running, Small, Streaming, running

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks" / "documents"))
from small_corpus import write_corpus

from bakeoff.contract import Answer, Item
from bakeoff.serve.served import Served
from bakeoff.serve.wire import AnswerResponse, ChatResponse
from bakeoff.tasks.documents.cited import Cited
from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.reply_json import passages_json
from bakeoff.verbs_documents import index_folder

NOWHERE = "Who won the chess olympiad of Northwind, by the receipts?"
WORDING = {"written": 3, "kept": 1, "dropped": 2, "reasons": {"number": 2}, "fell_back": False, "declined": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_corpus(tmp_path_factory.mktemp("served") / "papers")
    index_folder(made, embedder="", access={"secret/*": ["board"], "*": ["*"]})
    return made


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Iterator[Corpus]:
    with Corpus.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def staff(folder: Path) -> Iterator[Running]:
    """Served to those who may not read what is for the board."""
    with Corpus.open(folder) as opened, running(Served("papers", Cited.over(opened, ["staff"]), accepts="any")) as server:
        yield server


@pytest.fixture(scope="module")
def board(folder: Path) -> Iterator[Running]:
    with Corpus.open(folder) as opened, running(Served("papers", Cited.over(opened, ["board"]), accepts="any")) as server:
        yield server


def test_an_abstention_comes_with_the_nearest_passages(board: Running, corpus: Corpus) -> None:
    reply = board.post("/v1/answer", {"items": [NOWHERE]})
    AnswerResponse.model_validate(reply.json())
    (answer,) = reply.json()["answers"]
    assert answer["abstained"] and answer["value"] is None
    from bakeoff.tasks.documents.records import Scope

    assert answer["passages"] == passages_json(corpus.ask(NOWHERE, scope=Scope(principals=frozenset({"board"}))).passages)
    assert answer["passages"] and set(answer["passages"][0]) == {"document", "page", "pages", "score", "text"}


def test_so_does_a_streamed_one_and_one_in_a_chat(board: Running) -> None:
    messages = [{"role": "user", "content": NOWHERE}]
    whole = board.post("/v1/chat/completions", {"messages": messages})
    ChatResponse.model_validate(whole.json())
    (plain,) = board.answer(NOWHERE)
    assert whole.json()["choices"][0]["message"]["content"] == "" and whole.json()["bakeoff"]["passages"] == plain["passages"]
    for path, body in (("/v1/chat/completions", {"messages": messages}), ("/v1/completions", {"prompt": NOWHERE})):
        told = board.post(path, {**body, "stream": True}).text.split("\n\n")
        chunks = [json.loads(each.removeprefix("data: ")) for each in told if each.startswith("data: {")]
        last = next(chunk["bakeoff"] for chunk in chunks if "bakeoff" in chunk)
        assert last["abstained"] and last["passages"] == plain["passages"]


def test_nobody_is_sent_what_they_may_not_read(staff: Running, board: Running) -> None:
    def documents(server: Running) -> set[str]:
        return {passage["document"] for passage in server.answer(NOWHERE)[0]["passages"]}

    assert "secret/merger.pdf" in documents(board)
    assert documents(staff) and "secret/merger.pdf" not in documents(staff)
    page = staff.client.get("/", params={"ask": NOWHERE}).text
    assert "Not in the corpus." in page and "merger" not in page and "90 million" not in page
    assert "merger" in board.client.get("/", params={"ask": NOWHERE}).text


def test_the_page_answers_with_the_place_and_shows_all_as_text(board: Running) -> None:
    page = board.client.get("/", params={"ask": "<b>What</b> has the board agreed to buy?"})
    assert page.status_code == 200 and "&lt;b&gt;What" in page.text and "<b>" not in page.text
    assert 'class="reply"' in page.text
    assert 'class="reply"' not in board.client.get("/").text == board.client.get("/", params={"ask": "  "}).text


class Worded(Small):
    """Answers as an approach that a language model words, or with details of another shape."""

    def one(self, item: Item) -> Answer:
        passage = {"document": "a.pdf", "page": 2, "score": 0.5, "text": "words"}
        details: dict[str, Any] = {
            "worded": {"passages": [passage], "wording": WORDING},
            "odd passages": {"passages": [{"document": "a.pdf"}], "wording": WORDING},
            "odd wording": {"passages": [passage], "wording": {"written": "many"}},
            "nan": {"passages": [{**passage, "score": float("nan")}]},
            "a text": {"passages": "words", "wording": 7},
            "secret": {"passages": [], "dropped": [{"text": "an unverified sentence"}]},
        }.get(item.input, {})
        statements = [{"text": "It is <so>.", "citations": [{"document": "a.pdf", "page": 2}]}]
        return Answer({"statements": statements}, details=details)


def test_a_model_s_part_is_sent_as_counts_and_shown_on_the_page() -> None:
    with running(Served("worded", Worded(), accepts="any")) as server:
        (answer,) = server.answer("worded")
        assert answer["wording"] == WORDING
        assert answer["passages"] == [{"document": "a.pdf", "page": 2, "pages": [2], "score": 0.5, "text": "words"}]
        page = server.client.get("/", params={"ask": "worded"}).text
        assert "The language model wrote 3 statements; 2 were dropped" in page and "It is &lt;so&gt;." in page
        assert "a.pdf, page 2" in page


@pytest.mark.parametrize(
    ("asked", "there"),
    [("odd passages", {"wording"}), ("odd wording", {"passages"}), ("nan", set()), ("a text", set()), ("secret", {"passages"})],
)
def test_details_of_another_shape_break_nothing_and_refused_words_are_not_sent(asked: str, there: set[str]) -> None:
    with running(Served("worded", Worded(), accepts="any")) as server:
        reply = server.post("/v1/answer", {"items": [asked]})
        AnswerResponse.model_validate(reply.json())
        answer = reply.json()["answers"][0]
        assert set(answer) & {"passages", "wording"} == there and "unverified" not in reply.text


def test_the_form_shows_what_went_wrong_with_its_status() -> None:
    from small_server import Unruly

    with running(Unruly()) as server:
        failed = server.client.get("/", params={"ask": "error"})
        assert failed.status_code == 422 and "no idea" in failed.text
        declined = server.client.get("/", params={"ask": "abstain"})
        assert declined.status_code == 200 and "declined to answer" in declined.text
        long = server.client.get("/", params={"ask": "x" * 4001})
        assert long.status_code == 422 and "4,000 characters" in long.text
        assert "good" in server.client.get("/", params={"ask": "so good"}).text


def test_another_site_cannot_make_the_page_ask() -> None:
    small = Small()
    with running(small) as server:
        sent = {"sec-fetch-site": "cross-site"}
        assert 'class="reply"' not in server.client.get("/", params={"ask": "good"}, headers=sent).text and small.batches == []
        assert 'class="reply"' in server.client.get("/", params={"ask": "good"}, headers={"sec-fetch-site": "same-origin"}).text


def test_there_is_no_form_where_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_TOKEN", "correct-horse-battery-staple")
    small = Streaming()
    with running(small, token_env="SMALL_TOKEN") as server:
        headers = {"authorization": "Bearer correct-horse-battery-staple"}
        page = httpx.get(server.url + "/", params={"ask": "good"}, headers=headers)
        assert page.status_code == 200 and "<form" not in page.text and small.batches == []


@pytest.mark.browser
def test_anybody_can_ask_and_read_the_answer_in_a_browser(chromium: str, board: Running) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in ((390, "dark"), (1280, "light")):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(board.url + "/")
            page.get_by_label("What to ask").fill(NOWHERE)
            page.get_by_role("button", name="Ask").click()
            reply = page.locator(".reply")
            assert "Not in the corpus." in reply.inner_text() and "secret/merger.pdf, page 1" in reply.inner_text()
            assert page.get_by_label("What to ask").input_value() == NOWHERE and said == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert [found["id"] for found in Axe().run(page).response["violations"]] == []
        browser.close()
