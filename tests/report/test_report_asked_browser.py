"""The sections a study asks for, and the page of a load test, in headless Chromium: as for the report as a whole."""

import pytest
import sample
import sample_load
from test_report_browser import FLAGS

from bakeoff.report.load_page import SECTIONS, load_page
from bakeoff.report.page import page, sections

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    made = {"asked": page(sample_load.served()), "load": load_page(sample_load.load())}
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a page from disk with the network off; at the end there were no requests, console errors or page errors."""
    contexts, seen = [], []

    def open_(name="asked", width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        address = (files / f"{name}.html").as_uri()
        tab.on("request", lambda request: seen.append(request.url) if request.url.split("#")[0] != address else None)
        tab.on("console", lambda message: seen.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.goto(address)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert seen == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["asked", "load"])
def test_axe_finds_nothing(opened, name, theme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(name, color_scheme=theme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    response = Axe().run(tab).response
    assert len(response["passes"]) > 15, "axe ran"
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in response["violations"]] == []


@pytest.mark.parametrize(("name", "charts"), [("asked", 16), ("load", 5)])
@pytest.mark.parametrize("width", [360, 640, 1280])
def test_no_sideways_scrolling(opened, name, charts, width):
    tab = opened(name, width=width)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    shown = tab.locator("figure .wide svg" if width >= 768 else "figure .narrow svg")
    assert shown.count() == charts
    for chart in shown.all():
        assert chart.bounding_box()["width"] <= width


@pytest.mark.parametrize("name", ["asked", "load"])
def test_it_reads_without_scripts(opened, name):
    tab = opened(name, java_script_enabled=False)
    for key, title in sections(sample_load.served()) if name == "asked" else SECTIONS:
        assert tab.locator(f"#{key}").get_by_role("heading", level=2, name=title).is_visible()
    assert tab.locator("button, select").count() == 0
    if name == "asked":
        tab.get_by_text("21 of 143 flips").click()
        assert tab.locator(".flip-list li").nth(5).is_visible()


def test_flips_are_filtered_by_keyboard_and_the_page_says_how_many_are_left(opened):
    tab = opened()
    part = tab.locator(".flips").nth(1)
    part.locator("summary").focus()
    tab.keyboard.press("Enter")
    flips = sample_load.flips(sample.NAMES, 24)[3:]
    tab.keyboard.press("Tab")
    approach = part.get_by_label("Approach")
    assert approach.evaluate("e => e === document.activeElement")
    approach.select_option("tfidf-linear")
    of_one = [f for f in flips if f.approach == "tfidf-linear"]
    assert part.get_by_role("status").inner_text() == f"{len(of_one)} of 21 shown"
    part.get_by_label("Kind").select_option(of_one[0].kind)
    both = [f for f in of_one if f.kind == of_one[0].kind]
    assert part.locator("li:visible").count() == len(both) > 0
    assert part.locator("li:visible").first.get_attribute("data-approach") == "tfidf-linear"
    approach.select_option("")
    part.get_by_label("Kind").select_option("")
    assert part.get_by_role("status").inner_text() == "21 of 21 shown"


def test_hostile_text_is_inert(opened):
    for name in ("asked", "load"):
        tab = opened(name)
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert tab.evaluate("window.owned") is None
        assert tab.locator("main script, main img, main iframe").count() == 0


@pytest.mark.parametrize("name", ["asked", "load"])
def test_every_scrolling_region_takes_focus(opened, name):
    tab = opened(name, width=360)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    loose = tab.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0).map(e => e.className)"""
    )
    assert loose == []


def test_a_table_of_servers_sorts_and_keeps_missing_figures_last(opened):
    tab = opened()
    table = tab.locator("#load table.main")
    head = table.get_by_role("columnheader", name="Highest rate in the limit")
    head.get_by_role("button").click()
    names = table.locator("tbody th .who").all_inner_texts()
    assert names[0] == "llm-zero-shot" and set(names[-2:]) == {"llm-few-shot", "lora-encoder"}


def test_accessible_trees(opened):
    tree = opened().locator("#decision").aria_snapshot()
    assert 'columnheader "finetuned-encoder choice"' in tree and "worth 0.74" in tree
    tree = opened("load").locator("section.verdict").aria_snapshot()
    assert 'heading "It kept p95 latency' in tree and "[level=1]" in tree and 'link "1 invalid step"' in tree
    tree = opened("load").locator("#order").aria_snapshot()
    assert 'img "Requests in order. At 49.4/s, kept"' in tree and 'img "Requests in order. At 67.9/s, broken"' in tree
    assert "slowest answer 2.02 s, due at 2.55 s; 40 of 300 failed" in tree


@pytest.mark.parametrize("scripts", [True, False])
def test_everything_is_on_paper(opened, scripts):
    tab = opened(java_script_enabled=scripts)
    closed = tab.locator(".flip-list").nth(1)
    assert not closed.is_visible()
    tab.emulate_media(media="print")
    assert closed.is_visible() and not tab.locator(".filters").first.is_visible()
