"""The page of an answer: in headless Chromium, the marks lie on the words that were quoted, and hostile text is text."""

from __future__ import annotations

import copy
import io
import json
import re

import pytest

from bakeoff.report.answer_page import MOST_NEAREST, PagePicture, answer_page, cited_pages, pages_said

REPLY = {
    "question": "What is the yearly rent?",
    "abstained": False,
    "support": 0.81,
    "statements": [
        {
            "text": "The tenant shall pay a yearly rent of 48,000 euros.",
            "citations": [
                {
                    "document": "lease.pdf",
                    "page": 2,
                    "quote": "a yearly rent of 48,000 euros",
                    "boxes": [[100.0, 200.0, 300.0, 212.0]],
                },
                {
                    "document": "annex.pdf",
                    "page": 1,
                    "quote": "48,000",
                    "boxes": [[50.0, 60.0, 90.0, 72.0], [50.0, 80.0, 90.0, 92.0]],
                },
            ],
        },
        {
            "text": "It is due in March.",
            "citations": [{"document": "lease.pdf", "page": 2, "quote": "due in March", "boxes": []}],
        },
    ],
    "wording": {"written": 3, "kept": 2, "dropped": 1, "reasons": {"number": 1}, "fell_back": False, "declined": False},
    "dropped": [{"text": "It doubles each year.", "reason": "number"}],
    "passages": [
        {
            "document": "lease.pdf",
            "page": 2,
            "pages": [2, 3],
            "score": 0.9,
            "text": "The tenant shall pay a yearly rent of 48,000 euros.",
        }
    ],
    "timings": {"retrieve": 0.012, "answer": 0.003},
}


def picture(document: str, page: int, width: float = 600.0, height: float = 800.0) -> PagePicture:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (300, 400), "white").save(held, "WEBP")
    return PagePicture(document, page, width, height, held.getvalue())


def pictures() -> list[PagePicture]:
    return [picture("lease.pdf", 2), picture("annex.pdf", 1)]


def test_each_statement_names_its_sources_and_each_source_its_page() -> None:
    made = answer_page(REPLY, pictures())
    assert made.count('class="cite" href="#source-1"') == 2 and made.count('class="cite" href="#source-2"') == 1
    assert made.count('id="source-') == 2 and made.count('class="marker"') == 3
    assert cited_pages(REPLY) == [("lease.pdf", 2), ("annex.pdf", 1)]


def test_the_reply_stands_in_the_page_as_json() -> None:
    reply = copy.deepcopy(REPLY)
    reply["question"] = "</script><script>alert(1)</script> & <b>"
    made = answer_page(reply, pictures())
    found = re.search(r'<script type="application/json" id="reply">(.*?)</script>', made, re.S)
    assert found and json.loads(found[1]) == reply
    assert "alert(1)</script>" not in made and "<b>" not in made


def test_a_page_that_cannot_be_drawn_says_so_and_shows_its_words() -> None:
    made = answer_page(REPLY, [picture("annex.pdf", 1), PagePicture("lease.pdf", 2, 600, 800)])
    assert made.count("cannot be drawn") == 1 and "a yearly rent of 48,000 euros" in made


def test_without_an_answer_it_shows_the_nearest_passages() -> None:
    reply = {**REPLY, "abstained": True, "statements": [], "dropped": []}
    reply["passages"] = [
        {"document": f"{n}.pdf", "page": n, "pages": [n, n + 1], "score": 1 / n, "text": f"passage {n}"} for n in range(1, 6)
    ]
    made = answer_page(reply, [picture(f"{n}.pdf", n) for n in range(1, 6)])
    assert "Not in the corpus." in made and made.count('class="sheet"') == MOST_NEAREST
    assert cited_pages(reply) == [(f"{n}.pdf", n) for n in range(1, MOST_NEAREST + 1)]
    assert "pages 1\N{EN DASH}2" in made


def test_a_model_s_part_in_the_words_is_said() -> None:
    made = answer_page(REPLY, pictures())
    assert "The language model wrote 3 statements; 1 was dropped (a number is not in the quote: 1)." in made
    assert "The statement that was dropped, and why" in made and "It doubles each year." in made
    back = {**REPLY["wording"], "kept": 0, "dropped": 3, "reasons": {"number": 3}, "fell_back": True}
    made = answer_page({**REPLY, "wording": back}, pictures())
    assert "What is shown is quoted from the documents instead." in made
    quoted = answer_page({**REPLY, "wording": None, "dropped": []}, pictures())
    assert "language model" not in quoted


@pytest.mark.parametrize(("pages", "says"), [([7], "7"), ([7, 8, 9], "7\N{EN DASH}9"), ([7, 9], "7, 9")])
def test_the_pages_of_a_passage_are_named(pages: list[int], says: str) -> None:
    assert pages_said(pages) == says


def test_nearest_passages_of_one_page_share_its_picture() -> None:
    texts = ["the first passage", "the second passage"]
    passages = [{"document": "lease.pdf", "page": 2, "pages": [2], "score": 0.1, "text": text} for text in texts]
    made = answer_page({**REPLY, "abstained": True, "statements": [], "passages": passages}, pictures())
    assert made.count('class="sheet"') == 1 and all(f"<blockquote><bdi>{text}" in made for text in texts)


def test_a_row_of_a_table_breaks_between_its_cells() -> None:
    row = {"text": "Total | 2022 | $ 86,392", "citations": REPLY["statements"][0]["citations"]}
    made = answer_page({**REPLY, "statements": [row]}, pictures())
    assert re.findall(r'<span class="cell"><bdi>(.*?)</bdi>', made) == ["Total", "2022", "$ 86,392"]
    assert 'class="cell"' not in answer_page(REPLY, pictures())


def test_an_empty_corpus_is_said() -> None:
    made = answer_page({**REPLY, "abstained": True, "statements": [], "dropped": [], "passages": []}, [])
    assert "holds nothing near this question" in made


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def opened(browser, tmp_path):
    seen, contexts = [], []

    def open_(reply=REPLY, width=1280, **options):
        file = tmp_path / "answer.html"
        file.write_text(answer_page(reply, pictures(), corpus="leases"), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on(
            "request", lambda request: seen.append(request.url) if not request.url.startswith((file.as_uri(), "data:")) else None
        )
        tab.on("console", lambda message: seen.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.goto(file.as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert seen == []


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(opened, theme) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(color_scheme=theme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    response = Axe().run(tab).response
    assert len(response["passes"]) > 15
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in response["violations"]] == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_marks_lie_where_the_boxes_are(opened, width) -> None:
    tab = opened(width=width, java_script_enabled=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    sheet = tab.locator("#source-1 .sheet").bounding_box()
    mark = tab.locator("#source-1 .marker").bounding_box()
    scale = sheet["width"] / 600
    assert sheet["height"] == pytest.approx(800 * scale, abs=1.5)
    # The marker is 1.2 points wider than the letters on every side.
    assert mark["x"] - sheet["x"] == pytest.approx((100 - 1.2) * scale, abs=1) and mark["y"] - sheet["y"] == pytest.approx(
        (200 - 1.2) * scale, abs=1
    )
    assert mark["width"] == pytest.approx(202.4 * scale, abs=1) and mark["height"] == pytest.approx(14.4 * scale, abs=1)


@pytest.mark.browser
def test_hostile_words_do_nothing(opened) -> None:
    reply = copy.deepcopy(REPLY)
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202e'
    reply["question"] = reply["statements"][0]["text"] = reply["passages"][0]["text"] = evil
    reply["statements"][0]["citations"][0] |= {"quote": evil}
    tab = opened(reply)
    assert tab.title() not in ("1", "2") and tab.locator("main img").count() == 2
    assert "⟨U+202E⟩" in tab.locator("h1").inner_text()
