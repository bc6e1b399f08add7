"""The report in headless Chromium: accessible, inert, complete without scripts, and usable on a phone."""

import os
import shutil

import pytest
import sample

from bakeoff.report.page import page, sections

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI asked for browser tests, and Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    made = {"full": sample.document(), "minimal": sample.minimal(), "twins": sample.twins()}
    for name, document in made.items():
        (folder / f"{name}.html").write_text(page(document), encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a report from disk with the network off; at the end there were no requests, console errors or page errors."""
    contexts, seen = [], []

    def open_(name="full", width=1280, height=900, **options):
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
@pytest.mark.parametrize("name", ["full", "minimal", "twins"])
def test_axe_finds_nothing(opened, name, theme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(name, color_scheme=theme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    response = Axe().run(tab).response
    assert len(response["passes"]) > 15, "axe ran"
    found = response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found] == []


@pytest.mark.parametrize("width", [360, 640, 1280])
def test_no_sideways_scrolling(opened, width):
    tab = opened(width=width)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    shown = tab.locator("figure .wide svg" if width >= 768 else "figure .narrow svg")
    assert shown.count() == 8
    for chart in shown.all():
        assert chart.bounding_box()["width"] <= width


def test_everything_stands_there_without_scripts(opened):
    tab = opened(java_script_enabled=False)
    for key, title in sections(sample.document()):
        assert tab.locator(f"#{key}").get_by_role("heading", level=2, name=title).is_visible()
    assert tab.get_by_role("img").count() == 8
    assert tab.locator("table.confusion td").first.is_visible()
    assert tab.locator("button").count() == 0
    assert tab.locator(".item").count() == len(sample.document().mistakes.examples)
    tab.get_by_text("18 more items").click()
    assert tab.locator("#item-23").is_visible()


def test_hostile_text_is_inert_and_shows_as_text(opened):
    tab = opened()
    assert tab.evaluate("window.owned") is None
    assert tab.title().startswith("sentiment: Choose finetuned-encoder")
    assert tab.locator("#item-0 .said-text").inner_text() == sample.HOSTILE[0]
    assert tab.locator("#item-2 .said-text").inner_text() == sample.HOSTILE[2]
    assert tab.locator("main script, main img, main iframe").count() == 0


def test_a_confusion_cell_is_reached_by_keyboard_and_lists_its_items(opened):
    tab = opened()
    buttons = tab.get_by_role("region", name="Confusion matrix of tfidf-linear").get_by_role("button")
    assert buttons.count() == 4
    region = tab.get_by_role("region", name="Confusion matrix of tfidf-linear")
    region.focus()
    tab.keyboard.press("Tab")
    assert buttons.nth(0).evaluate("b => b === document.activeElement")
    reached = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        tab.keyboard.press(key)
        reached.append(tab.evaluate("document.activeElement.getAttribute('aria-label')").split(":")[1].split(".")[0].strip())
    assert reached == [
        "true positive, said negative",
        "true negative, said negative",
        "true negative, said positive",
        "true positive, said positive",
    ]
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    wanted = [
        f"item-{i}"
        for i, m in enumerate(sample.document().mistakes.examples)
        if m.target == "positive" and m.answers["tfidf-linear"] == "negative"
    ]
    assert wanted
    shown = tab.locator(".item:visible").evaluate_all("items => items.map(i => i.id)")
    assert shown == wanted
    assert (
        tab.locator("#items-say")
        .inner_text()
        .startswith(f"{len(wanted)} of the listed items: true positive, and tfidf-linear said negative")
    )
    assert tab.locator("button[aria-pressed=true]").count() == 1
    tab.get_by_role("button", name="Show all items").click()
    assert tab.locator(".item[hidden]").count() == 0


def test_items_without_an_answer_are_listed_by_their_own_cell(opened):
    tab = opened()
    buttons = tab.get_by_role("region", name="Confusion matrix of llm-few-shot").get_by_role("button")
    assert buttons.count() == 6
    tab.get_by_role("button", name="2: true negative, said nothing").click()
    assert tab.locator(".item:visible").evaluate_all("items => items.map(i => i.id)") == ["item-3"]


def test_sorting_says_so_and_keeps_missing_figures_last(opened):
    tab = opened()
    table = tab.locator("table.main")
    head = table.get_by_role("columnheader", name="p90")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    names = table.locator("tbody th .who").all_inner_texts()
    assert names[:2] == ["majority", "tfidf-linear"] and set(names[-2:]) == {"llm-few-shot", "endpoint-large"}
    head.get_by_role("button").click()
    names = table.locator("tbody th .who").all_inner_texts()
    assert names[0] == "llm-zero-shot" and set(names[-2:]) == {"llm-few-shot", "endpoint-large"}


def test_skip_link_comes_first_and_focus_is_visible(opened):
    tab = opened()
    tab.keyboard.press("Tab")
    link = tab.get_by_role("link", name="Skip to the verdict")
    assert link.evaluate("a => a === document.activeElement")
    assert link.bounding_box()["x"] >= 0
    assert link.evaluate("a => getComputedStyle(a).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"


def test_every_scrolling_region_takes_focus(opened):
    tab = opened(width=360)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    loose = tab.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0).map(e => e.className)"""
    )
    assert loose == []


@pytest.mark.parametrize("scripts", [True, False])
def test_details_are_open_on_paper(opened, scripts):
    tab = opened(java_script_enabled=scripts)
    closed = tab.locator("#comparison details .scroll").first
    assert not closed.is_visible()
    tab.emulate_media(media="print")
    assert closed.is_visible() and closed.bounding_box()["height"] > 50
    assert not tab.get_by_role("navigation").is_visible()


def test_still_with_reduced_motion(opened):
    tab = opened(reduced_motion="reduce")
    assert tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_the_two_themes_differ_and_an_approach_keeps_its_place_in_the_palette(opened):
    fill = "getComputedStyle(document.querySelector('#evidence .c2.mark')).fill"
    light, dark = (opened(color_scheme=theme).evaluate(fill) for theme in ("light", "dark"))
    assert light != dark and light.startswith("rgb") and dark.startswith("rgb")


def test_accessible_tree_of_the_verdict(opened):
    tree = opened().locator("section.verdict").aria_snapshot()
    assert 'heading "Choose finetuned-encoder' in tree and "[level=1]" in tree
    assert 'link "Checks: 1 problem, 1 could not run' in tree


def test_copying_the_command_says_so(opened):
    tab = opened()
    tab.locator("#reproduce").get_by_role("button", name="Copy").first.click()
    tab.locator("#reproduce").get_by_role("button", name="Copied").first.wait_for()
