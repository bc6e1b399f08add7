"""The page at `/` in a browser, and the lines that it shows, run as they stand."""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess

import httpx
import pytest
from small_server import Small, running

from bakeoff.models.llm_cache import CachedLM
from bakeoff.serve.page import curl, python
from bakeoff.serve.served import Served
from models.fake_lm import FakeRuntime

TOKEN = "correct-horse-battery-staple"


@pytest.mark.browser
def test_it_fetches_nothing_and_anybody_can_read_it(chromium: str) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with running(Served("small", Small(), CachedLM(FakeRuntime()), "tiny")) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (390, 1100):
            page = browser.new_page(viewport={"width": width, "height": 800})
            asked, said = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(server.url + "/")
            assert asked == [server.url + "/"] and said == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("getComputedStyle(document.querySelector('pre')).overflowX") == "auto"  # the style was taken
            assert page.inner_text("pre >> nth=0").startswith(f"curl {server.url}/v1/answer")
            assert [found["id"] for found in Axe().run(page).response["violations"]] == []
        browser.close()


@pytest.mark.parametrize("token_env", ["", "SMALL_TOKEN"])
@pytest.mark.parametrize("kind", ["approach", "model"])
def test_the_lines_that_it_shows_work(kind: str, token_env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_TOKEN", TOKEN)
    served = (
        Served("small", Small())
        if kind == "approach"
        else Served("tiny", lm=CachedLM(FakeRuntime(script={"assistant\n": b"Hello."})))
    )
    with running(served, token_env=token_env) as server:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(python(served, server.url, token_env=token_env), {})
        assert out.getvalue() == ("bad\n" if kind == "approach" else "Hello.\n")
        # As a shell reads the line, with its variable filled in.
        line = curl(served, server.url, token_env=token_env)
        shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True).stdout
        words = shown.split("\0")
        assert words[0] == "curl" and shlex.split(line)[1] == words[1]
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        reply = httpx.post(words[1], content=words[words.index("-d") + 1], headers=headers)
        assert reply.status_code == 200, reply.text
