"""The section on agents in headless Chromium: accessible, films that play when asked to, a checkpoint chosen without scripts."""

import pytest
import sample_agents

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
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agents")
    for name in ("document", "hacked"):
        (folder / f"{name}.html").write_text(page(getattr(sample_agents, name)()), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in ("document", "hacked")}


@pytest.fixture
def opened(browser, addresses):
    contexts, said = [], []

    def open_(name="document", **options):
        contexts.append(browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **options}))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(addresses[name])
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["document", "hacked"])
def test_axe_finds_nothing(opened, name, theme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(name, color_scheme=theme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    response = Axe().run(tab, context={"include": [["#agents"]]}).response
    assert len(response["passes"]) > 10, "axe ran"
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in response["violations"]] == []


def test_every_film_plays_and_none_by_itself(opened):
    tab = opened()
    films = tab.locator("#agents video")
    assert films.count() == 2 * sample_agents.SHOWN
    tab.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState >= 2 && v.videoWidth > 0 && !v.error)")
    assert tab.evaluate("[...document.querySelectorAll('video')].every(v => v.paused && v.currentTime === 0 && v.controls)")
    wanted = [
        one
        for name in ("ppo", "cem")
        for scene in sample_agents.document().views["explained"][name]["control"]
        for one in scene["shows"]
    ]
    found = tab.evaluate("[...document.querySelectorAll('video')].map(v => [v.videoWidth, v.videoHeight, v.duration])")
    for (width, height, seconds), one in zip(found, wanted, strict=True):
        assert (width, height) == (one["width"], one["height"])
        assert seconds == pytest.approx(one["frames"] / one["rate"], abs=0.1)
    assert tab.evaluate(
        "(async () => {const v = document.querySelector('video:not([hidden])'); await v.play(); return !v.paused})()"
    )


def test_a_checkpoint_is_chosen_on_the_curve_without_scripts(opened):
    tab = opened(java_script_enabled=False)
    scene = tab.locator("#agents fieldset.scene").first
    shows = scene.locator(".show")
    assert [shows.nth(k).is_visible() for k in range(4)] == [False, False, False, True]
    scene.locator(".plot label").nth(0).click()
    assert [shows.nth(k).is_visible() for k in range(4)] == [True, False, False, False]
    assert "before training" in shows.nth(0).inner_text()
    scene.locator(".chips label").nth(1).click()
    assert [shows.nth(k).is_visible() for k in range(4)] == [False, True, False, False]


def test_a_checkpoint_is_chosen_by_keyboard_and_the_choice_is_seen(opened):
    tab = opened()
    scene = tab.locator("#agents fieldset.scene").first
    radios = scene.get_by_role("radio")
    assert radios.count() == sample_agents.SHOWN and scene.get_by_role("radio", name="best and last step 60,000").is_checked()
    radios.nth(3).focus()
    tab.keyboard.press("ArrowLeft")
    assert radios.nth(2).is_checked() and scene.locator(".show").nth(2).is_visible()
    assert scene.locator(".chips label").nth(2).evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    assert scene.locator(".chips label").nth(0).evaluate("e => getComputedStyle(e).outlineStyle") == "none"


@pytest.mark.parametrize("name", ["document", "hacked"])
@pytest.mark.parametrize("width", [360, 640, 1280])
def test_no_sideways_scrolling_and_no_small_text(opened, name, width):
    tab = opened(name, viewport={"width": width, "height": 900})
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    small = tab.evaluate(
        """[...document.querySelectorAll('#agents *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
        && parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.tagName + ':' + e.textContent.trim().slice(0, 20))"""
    )
    assert small == []


def test_on_paper_every_checkpoint_is_there(opened):
    tab = opened()
    tab.emulate_media(media="print")
    assert all(show.is_visible() for show in tab.locator("#agents fieldset.scene").first.locator(".show").all())
