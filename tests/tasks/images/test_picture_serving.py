"""A run's classifier behind `bakeoff serve`, over a real socket and in a browser, and called by a verb."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "serve"))
from small_server import Running, running

from bakeoff.contract import Item, Trial, quiet
from bakeoff.errors import BadData, RunError
from bakeoff.run.ledger import Ledger
from bakeoff.run.saved import restore, task_of
from bakeoff.serve.page import curl, python
from bakeoff.serve.pictures import example_picture, why_not
from bakeoff.serve.served import Served
from bakeoff.serve.settings import usual_body
from bakeoff.study import parse_study
from bakeoff.tasks.images.cnn import CNN
from bakeoff.tasks.images.decode import from_address
from bakeoff.tasks.images.majority import Majority
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.verbs_images import export_classifier, open_classifier

SIZE = 16
STUDY = """study: colours
task: images
data: {source: pictures}
approaches:
  - majority
  - {use: cnn, name: net, settings: {blocks: 1, width: 0.25, epochs: 6, batch_size: 8, precision: float32}}
"""


def picture(label: str, number: int) -> np.ndarray:
    draw = np.random.default_rng(number)
    made = np.full((SIZE, SIZE, 3), 255, np.uint8)
    made[draw.integers(0, 5) : 12, 3:13] = {"blue <b>": (30, 40, 210), "red": (210, 40, 30)}[label]
    return np.clip(made + draw.normal(0, 8, made.shape), 0, 255).astype(np.uint8)


ITEMS = [Item(f"i{k}", f"p{k}", ("blue <b>", "red")[k % 2]) for k in range(60)]


def address(pixels: np.ndarray, kind: str = "PNG") -> str:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(held.getvalue()).decode()}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A run of the images task in which two approaches are fitted and saved, as the bench does it."""
    place = tmp_path_factory.mktemp("served")
    Pictures.write(place / "pictures", ((item.input, picture(item.target, k)) for k, item in enumerate(ITEMS)), 60, SIZE)
    study = parse_study(STUDY)
    ledger = Ledger.create(place / "runs", study, "data")
    for name, approach in {"majority": Majority(), "net": CNN(**study.spec("net").settings)}.items():
        approach.read_from(place / "pictures")
        fitted = approach.fit(ITEMS[:40], ITEMS[40:], seed=0, progress=quiet)
        with ledger.model_folder(Trial(name, 0)) as folder:
            fitted.save(folder)
    return ledger


def served(run: Ledger, name: str = "net") -> Served:
    return Served.of(name, restore(run, name), accepts="picture")


def refused(server: Running, *items: Any) -> dict[str, Any]:
    reply = server.post("/v1/answer", {"items": list(items)})
    assert reply.status_code == 400, reply.text
    found: dict[str, Any] = reply.json()["error"]
    assert found["code"] == "no_picture" and found["param"] == "items"
    return found


def test_a_picture_is_answered_as_in_its_own_process(run: Ledger) -> None:
    asked = [picture(label, 100 + k) for k in range(5) for label in ("blue <b>", "red")]
    own = list(restore(run, "net").answer([Item(str(k), address(each)) for k, each in enumerate(asked)]))
    with running(served(run), max_batch=3) as server:
        found = server.answer(*[address(each) for each in asked])
        (large,) = server.answer(address(np.kron(asked[1], np.ones((9, 9, 1), np.uint8)), "WEBP"))
    assert [answer["value"] for answer in found] == [answer.value for answer in own] == ["blue <b>", "red"] * 5
    for theirs, ours in zip(found, own, strict=True):
        assert theirs["probabilities"] == pytest.approx(dict(ours.probabilities or {}), abs=1e-6)
    assert large["value"] == "red"


def test_a_photograph_of_a_telephone_is_taken(run: Ledger) -> None:
    """Two megabytes of noise: larger than a request of texts may be, and usual for a photograph."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 800, 3), np.uint8)
    given = address(noise)
    assert len(given) > usual_body("text") and task_of(str(run.folder), run.folder.parent) == "images"
    with running(served(run), max_body_bytes=usual_body("images")) as server:
        (answer,) = server.answer(given)
    assert answer["value"] in ("blue <b>", "red")
    with running(served(run), max_body_bytes=usual_body("text")) as server:
        assert server.post("/v1/answer", {"items": [given]}).status_code == 413


def test_what_is_no_picture_is_a_400_that_says_which_and_why(run: Ledger) -> None:
    good = address(picture("red", 1))
    head, _, body = good.partition(",")
    broken = f"{head},{body[: len(body) // 8 * 4]}"
    bomb = Image.new("1", (20_000, 20_000))
    held = io.BytesIO()
    bomb.save(held, "PNG")
    huge = "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
    with running(served(run)) as server:
        for given, says in {
            "a text": "no data address", "data:image/png;base64,": "is empty", "data:image/png;base64,???": "not valid base64",
            "data:image/png;base64," + base64.b64encode(b"<svg/>").decode(): "no picture of a known kind",
            broken: "cannot be decoded", huge: "more than 50,000,000",
        }.items():  # fmt: skip
            error = refused(server, good, given)
            assert "`items.1` is no picture" in error["message"] and says in error["message"], error
        for given in (7, None, {"picture": "p1"}, "p1"):  # keys of the study's own pictures are nobody's business here
            assert "`items.0`" in refused(server, given)["message"]
        reply = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "what is this?"}]})
        assert reply.status_code == 400 and reply.json()["error"]["param"] == "messages"
        assert server.answer(good)[0]["value"] == "red"  # and it goes on answering


def test_the_lines_and_the_document_fit_what_is_served(run: Ledger) -> None:
    from openai import OpenAI

    with running(served(run)) as server:
        line = curl(served(run), server.url)
        body = json.loads(line[line.index("-d '") + 4 : -1])
        assert body == {"items": [example_picture()]} and len(example_picture()) < 200
        assert server.post("/v1/answer", body).json()["answers"][0]["error"] is None
        assert example_picture() in python(served(run), server.url)
        with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
            said = client.chat.completions.create(model="net", messages=[{"role": "user", "content": address(picture("red", 5))}])
        assert said.choices[0].message.content == "red"
        document = server.client.get("/openapi.json").json()
        items = document["components"]["schemas"]["AnswerRequest"]["properties"]["items"]
        assert items["items"]["type"] == "string" and items["items"]["pattern"] == "^data:"
        page = server.client.get("/")
        policy = page.headers["content-security-policy"]
        assert "script-src 'sha256-" in policy and "connect-src 'self'" in policy and "unsafe" not in policy
        assert 'type="file"' in page.text and 'name="ask"' not in page.text
    with running(Served("m", Majority(), accepts="any")) as server:
        other = server.client.get("/")
        assert "script-src" not in other.headers["content-security-policy"] and "<script" not in other.text


def test_behind_a_token_the_page_has_no_chooser(run: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTURE_TOKEN", "correct-horse-battery-staple")
    with running(served(run), token_env="PICTURE_TOKEN") as server:
        page = server.client.get("/", headers={"authorization": "Bearer correct-horse-battery-staple"})
        assert page.status_code == 200 and 'type="file"' not in page.text and "<script" not in page.text


def test_the_example_is_a_picture() -> None:
    pixels = from_address(example_picture(), 16)
    assert pixels[8, 8].tolist() == [40, 40, 40] and pixels[0, 0].tolist() == [255, 255, 255]
    assert why_not(example_picture()) == ""


@pytest.mark.browser
def test_a_person_chooses_a_picture_and_sees_label_and_bars(run: Ledger, chromium: str, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect, sync_playwright

    Image.fromarray(picture("red", 7)).save(tmp_path / "red.png")
    Image.fromarray(picture("blue <b>", 8)).save(tmp_path / "blue.png")
    draw = np.random.default_rng(0)
    noise = np.clip(np.kron(picture("red", 9), np.ones((60, 60, 1))) + draw.normal(0, 20, (960, 960, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 1_000_000
    (tmp_path / "text.png").write_text("no picture at all")
    with running(served(run)) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (390, 1100):
            page = browser.new_page(viewport={"width": width, "height": 900})
            asked: list[str] = []
            said: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(server.url + "/")
            assert not page.is_visible(".seen")
            for name, label in (("red", "red"), ("blue", "blue <b>"), ("large", "red")):
                page.set_input_files("input[type=file]", tmp_path / f"{name}.png")
                expect(page.locator(".label")).to_have_text(label)
                rows = page.locator(".seen li")
                assert rows.count() == 2 and rows.nth(0).locator(".name").inner_text() == label
                shares = [float(rows.nth(k).locator(".share").inner_text().rstrip("%")) for k in range(2)]
                assert shares[0] >= shares[1] and sum(shares) == pytest.approx(100, abs=0.2)
                wide = [rows.nth(k).locator(".bar span").bounding_box()["width"] for k in range(2)]  # type: ignore[index]
                whole = rows.nth(0).locator(".bar").bounding_box()["width"] - 2  # type: ignore[index]
                assert wide == pytest.approx([whole * share / 100 for share in shares], abs=2)
            assert page.evaluate("document.querySelector('.seen img').naturalWidth") > 0
            assert [found["id"] for found in Axe().run(page).response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.set_input_files("input[type=file]", tmp_path / "text.png")
            expect(page.locator(".label")).to_contain_text("no picture")
            assert page.locator(".seen li").count() == 0
            assert {url.split(":")[0] for url in asked} <= {"http", "blob"}
            assert all(url.startswith((server.url, f"blob:{server.url}")) for url in asked)
            # Chromium itself logs the 400 and nothing else is said.
            assert all("400" in text for text in said), said
            page.close()
        browser.close()


# -- verbs ------------------------------------------------------------------------------------------------------------


def test_two_lines_of_python_classify_a_picture(run: Ledger, tmp_path: Path) -> None:
    Image.fromarray(picture("red", 7)).save(tmp_path / "mouse.png")
    classify = open_classifier(f"{run.folder}:net")
    assert classify(tmp_path / "mouse.png").label == "red"
    made = export_classifier(f"{run.folder}:net", tmp_path / "net.onnx")
    assert made.path.stat().st_size == made.bytes and made.difference < 1e-3 and made.pictures == 32
    again = open_classifier(made.path)(tmp_path / "mouse.png")
    assert again.probabilities == pytest.approx(classify(tmp_path / "mouse.png").probabilities, abs=1e-5)
    with pytest.raises(BadData, match="exists"):
        export_classifier(f"{run.folder}:net", tmp_path / "net.onnx")


def test_what_cannot_be_opened_or_exported_says_why(run: Ledger, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no verdict that names a choice"):
        open_classifier(run.folder)
    with pytest.raises(RunError, match="no approach called 'nett'"):
        open_classifier(f"{run.folder}:nett")
    with pytest.raises(BadData, match=r"\.onnx"):
        export_classifier(f"{run.folder}:net", tmp_path / "net.bin")
    with pytest.raises(Exception, match="no network"):
        export_classifier(f"{run.folder}:majority", tmp_path / "m.onnx")
    other = Ledger.create(
        tmp_path / "runs", parse_study("study: t\ntask: text\ndata: {source: x.csv}\napproaches: [majority]\n"), "d"
    )
    with pytest.raises(RunError, match="not of pictures"):
        open_classifier(f"{other.folder}:majority")
