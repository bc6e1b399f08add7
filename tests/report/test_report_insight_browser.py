"""The sections of a study of pictures in headless Chromium: accessible, complete without scripts, and whole on a phone."""

import pytest
import sample_pictures

from bakeoff.report.page import page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    made = tmp_path_factory.mktemp("pictures") / "report.html"
    made.write_text(page(sample_pictures.document()), encoding="utf-8")
    return made.as_uri()


@pytest.fixture
def opened(browser, address):
    contexts = []

    def open_(**options):
        contexts.append(browser.new_context(offline=True, **options))
        tab = contexts[-1].new_page()
        tab.goto(address)
        return tab

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(opened, theme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(color_scheme=theme, bypass_csp=True, viewport={"width": 1280, "height": 900})
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    response = Axe().run(tab, context={"include": [["#insight"], ["#training"], ["#mistakes"]]}).response
    assert len(response["passes"]) > 8, "axe ran"
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in response["violations"]] == []


@pytest.mark.parametrize("width", [360, 640, 1280])
def test_no_sideways_scrolling_and_every_picture_is_drawn(opened, width):
    tab = opened(viewport={"width": width, "height": 900}, java_script_enabled=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.evaluate("[...document.images].every(i => i.getBoundingClientRect().right <= innerWidth)")


def test_the_maps_stand_beside_their_picture_without_scripts(opened):
    tab = opened(java_script_enabled=False, viewport={"width": 390, "height": 800})
    strip = tab.locator("#insight .strip").first
    boxes = [strip.locator("img").nth(i).bounding_box() for i in range(3)]
    assert len({box["y"] for box in boxes}) == 1
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"] and boxes[2]["x"] + boxes[2]["width"] <= 390
    assert tab.get_by_text("Grad-CAM is withheld").is_visible()
