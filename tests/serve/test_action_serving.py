"""An agent behind `bakeoff serve`, over a real socket and in a browser: observations in, actions out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from small_server import Running, running

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData, BakeoffError
from bakeoff.serve.observations import Observed
from bakeoff.serve.page import curl, example, python
from bakeoff.serve.served import Served
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.worlds import World

STATES = [[0.01, 0.02, 0.03, -0.04], [0.5, -1, 0.1, 1e-3], [0, 0, -0.1, 0]]
ROOM = '''"""A small environment that counts how often it is made."""
import gymnasium
import numpy as np
from gymnasium import spaces

MADE = []


class Room(gymnasium.Env):
    metadata = {"observation_names": ["<b>x</b>", "y"], "action_names": ["stay", "go & look"]}
    observation_space = spaces.Box(0, 255, (2,), np.uint8)
    action_space = spaces.Discrete(2, start=1)

    def __init__(self):
        MADE.append(1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 3
        return np.array([7, 9], np.uint8), {}

    def step(self, action):
        self.left -= 1
        return np.array([7, 9], np.uint8), 1.0, self.left == 0, False, {}
'''


class Leans:
    """Pushes against the tilt: what a small actor-critic says, without training one."""

    def __init__(self, actions: tuple[int, ...]) -> None:
        self.actions = actions

    def act(self, observations: Any, draws: Any) -> list[int]:
        return [self.actions[int(row[-1] > 0) if len(row) > 1 else 0] for row in observations]

    def says(self, observations: Any) -> dict[str, Any]:
        right = 1 / (1 + np.exp(-np.clip(observations[:, -1].astype(float), -50, 50)))
        return {"probabilities": np.stack([1 - right, right], axis=1), "value": observations.astype(float).sum(axis=1) + 10}


class Leaning(Agent):
    """An agent with two actions that is fitted at once."""

    def _learn(self, world: World, course: Any, seed: int, folder: Any) -> None:
        course.evaluate(0, self._policy(world, {}), {"none": np.zeros(1)})

    def _policy(self, world: World, weights: Any) -> Any:
        return Leans(tuple(self._actions(world)))


def agent_of(kind: type[Agent], folder: Path, *worlds: World) -> Agent:
    """Fitted, saved and restored, as `bakeoff serve` gets it."""
    items = [Item(f"train-{k}", {**world.named(), "share": 1.0}) for k, world in enumerate(worlds)]
    fitted = kind().fit(items, [], seed=0, progress=quiet)
    folder.mkdir()
    fitted.save(folder)
    return kind().restore(folder)


@pytest.fixture
def leaning(tmp_path: Path) -> Served:
    return Served("lean", agent_of(Leaning, tmp_path / "agent", World("CartPole-v1")), accepts="observation")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "roomy.py").write_text(ROOM)
    monkeypatch.delitem(sys.modules, "roomy", raising=False)
    return World("roomy:Room", folder=str(tmp_path))


def asked(server: Running, *items: Any) -> list[dict[str, Any]]:
    reply = server.post("/v1/answer", {"items": list(items)})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["answers"]
    return found


def refused(server: Running, *items: Any) -> str:
    before = server.metric("bakeoff_items_total")
    reply = server.post("/v1/answer", {"items": list(items)})
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "no_observation" and error["param"] == "items", error
    assert server.metric("bakeoff_items_total") == before  # nothing of the request was computed
    return str(error["message"])


def test_actions_probabilities_and_value_are_those_of_the_agent(leaning: Served) -> None:
    own = list(leaning.approach.answer([Item(str(k), {"observation": state}) for k, state in enumerate(STATES)]))  # type: ignore[union-attr]
    with running(leaning, max_batch=2) as server:
        found = asked(server, STATES[0], {"observation": STATES[1]}, {"observation": STATES[2], "environment": "CartPole-v1"})
    assert [one["value"] for one in found] == [answer.value for answer in own] == [0, 1, 0]
    for theirs, ours in zip(found, own, strict=True):
        assert theirs["probabilities"] == pytest.approx(dict(ours.probabilities or {})) and set(theirs["probabilities"]) == {
            "0",
            "1",
        }
        assert theirs["state_value"] == pytest.approx(ours.details["value"]) and theirs["error"] is None
    assert found[0]["state_value"] == pytest.approx(10.02, abs=1e-6)


def test_what_is_no_observation_is_a_400_that_says_which_and_why(leaning: Served) -> None:
    good = {"observation": STATES[0]}
    with running(leaning) as server:
        for given, says in {
            "[1, 2, 3]": "3 numbers where CartPole-v1 has 4: cart position, cart velocity", "[]": "0 numbers", "7": "a list of 4",
            '"left"': "a list of 4", "null": "a list of 4", '["1", 2, 3, 4]': "where a number must stand", "[true, 0, 0, 0]": "where a number",
            "[null, 0, 0, 0]": "null stands where a number", "[[1], [2], [3], [4]]": "a list of 1 stands where", "[1e300, 0, 0, 0]": "holds float32",
            '{"observation": [1, 2]}': "2 numbers", '{"seed": 5}': "asks for an episode", '{"environment": "CartPole-v1", "seed": 1}': "does not play",
            "{}": "no `observation`", '{"observation": [0, 0, 0, 0], "kwargs": {}}': "no field 'kwargs'",
            '{"observation": [0, 0, 0, 0], "folder": "/tmp"}': "no field 'folder'", '{"observation": [0, 0, 0, 0], "seed": -1}': "no whole number",
            '{"observation": [0, 0, 0, 0], "environment": "os:system"}': "knows no environment 'os:system'",
            '{"observation": [0, 0, 0, 0], "environment": {"a": 1}}': "knows no environment",
            '{"observation": {"a": 1}}': "a list of 4",
        }.items():  # fmt: skip
            message = refused(server, good, json.loads(given))
            assert "`items.1` is no observation" in message and says in message, (given, message)
        body = b'{"items": [[NaN, 0, 0, 0]]}'
        nan = server.client.post("/v1/answer", content=body, headers={"content-type": "application/json"})
        assert nan.status_code == 400 and "NaN" in nan.json()["error"]["message"]
        for text, says in {"what now?": "no JSON", "[NaN, 0, 0, 0]": "must stand", '{"seed": 3}': "asks for an episode"}.items():
            for path, more in (
                ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}),
                ("/v1/completions", {"prompt": text}),
            ):
                reply = server.post(path, more)
                assert reply.status_code == 400 and reply.json()["error"]["code"] == "no_observation", reply.text
                assert reply.json()["error"]["param"] == next(iter(more)) and (
                    says in reply.json()["error"]["message"] or "NaN" in text
                )
        assert asked(server, good)[0]["value"] == 0  # and it goes on answering


def test_an_environment_is_opened_before_the_first_request_and_never_again(room: World, tmp_path: Path) -> None:
    agent = agent_of(Leaning, tmp_path / "agent", room)
    with running(Served("lean", agent, accepts="observation")) as server:
        import roomy  # type: ignore[import-not-found]

        opened = len(roomy.MADE)
        assert opened > 0
        found = [asked(server, {"observation": [k, 255 - k]})[0] for k in range(20)]
        page = server.client.get("/", params={"x0": "3", "x1": "4"})
        assert len(roomy.MADE) == opened
        assert {one["value"] for one in found} == {2} and set(found[0]["probabilities"]) == {"1", "2"}
        assert (
            page.status_code == 200
            and "2: go &amp; look" in page.text
            and "&lt;b&gt;x&lt;/b&gt;" in page.text
            and "<b>x" not in page.text
        )
        for given, says in (([256, 0], "256 cannot stand"), ([-1, 0], "-1 cannot stand"), ([0.5, 0], "0.5 cannot stand")):
            assert says in refused(server, given)


def test_an_agent_of_several_environments_is_told_which(room: World, tmp_path: Path) -> None:
    pendulum = World("Pendulum-v1")
    agent = agent_of(RandomAgent, tmp_path / "agent", World("CartPole-v1"), pendulum, room)
    served = Served("some", agent, accepts="observation")
    with running(served) as server:
        assert "add `environment`: 'CartPole-v1' or 'Pendulum-v1'" in refused(server, STATES[0])
        assert "did you mean 'CartPole-v1'" in refused(server, {"observation": STATES[0], "environment": "Cartpole-v1"})
        assert "4 numbers where Pendulum-v1 has 3" in refused(server, {"observation": STATES[0], "environment": "Pendulum-v1"})
        cart, torque, again, other = asked(
            server,
            {"observation": STATES[0], "environment": "CartPole-v1"},
            *[{"observation": [1.0, 0.0, 0.5], "environment": "Pendulum-v1", "seed": seed} for seed in (4, 4, 5)],
        )
        assert cart["value"] in (0, 1) and "state_value" not in cart and cart["probabilities"] is None
        assert -2 <= torque["value"][0] <= 2 and torque["value"] == again["value"] != other["value"]
        page = server.client.get("/", params={"world": "1", "x0": "1", "x1": "0", "x2": "0.5"})
        assert page.status_code == 200 and page.text.count('<form class="sense"') == 3 and page.text.count('role="status"') == 1
        assert server.client.get("/", params={"world": "9", "x0": "1"}).status_code == 200
        line = curl(served, server.url)
        assert server.post("/v1/answer", json.loads(line[line.index("-d '") + 4 : -1])).status_code == 200


def test_the_lines_work_when_pasted_and_the_document_fits(leaning: Served) -> None:
    import jsonschema
    from openai import OpenAI

    with running(leaning) as server:
        line = curl(leaning, server.url)
        body = json.loads(line[line.index("-d '") + 4 : -1])
        assert len(body["items"][0]["observation"]) == 4
        assert server.post("/v1/answer", body).json()["answers"][0]["error"] is None
        assert server.listening.example == example(leaning) and json.loads(example(leaning)) == body["items"][0]
        assert json.dumps(example(leaning)) in python(leaning, server.url)
        with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
            said = client.chat.completions.create(model="lean", messages=[{"role": "user", "content": server.listening.example}])
        assert said.choices[0].message.content in ("0", "1")
        assert server.post("/v1/completions", {"prompt": json.dumps(STATES[1])}).json()["choices"][0]["text"] == "1"
        document = server.client.get("/openapi.json").json()
        item = document["components"]["schemas"]["AnswerRequest"]["properties"]["items"]["items"]
        check = jsonschema.Draft202012Validator(item)
        assert check.is_valid(STATES[0]) and check.is_valid(body["items"][0])
        for wrong in (
            [1, 2],
            "x",
            {"seed": 3},
            {"observation": STATES[0], "folder": "/"},
            {"observation": STATES[0], "environment": "os:system"},
        ):
            assert not check.is_valid(wrong) and refused(server, wrong)
        answer = {"components": document["components"], "$ref": "#/components/schemas/AnswerResponse"}
        jsonschema.validate(server.post("/v1/answer", body).json(), answer)
        assert [one["name"] for one in document["paths"]["/"]["get"]["parameters"]] == ["x0", "x1", "x2", "x3"]
        assert "pole angular velocity" in json.dumps(document)


def test_every_reply_is_as_the_document_says(leaning: Served) -> None:
    """schemathesis sends what the document allows and what it forbids."""
    import schemathesis
    import schemathesis.specs.openapi.checks  # registers the checks that know OpenAPI
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import CHECKS

    seen: set[int] = set()
    with running(leaning, window_ms=0) as server:
        told = schemathesis.openapi.from_dict(server.client.get("/openapi.json").json())
        told.config.update(base_url=server.url)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=25,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=told["/v1/answer"]["POST"].as_strategy(generation_mode=mode))
            def every_case(case: Any) -> None:
                reply = case.call(timeout=20)
                seen.add(reply.status_code)
                assert reply.status_code < 500, reply.text
                case.validate_response(reply, checks=tuple(CHECKS.get_all()))

            every_case()
    assert 200 in seen and (seen - {200})


def test_the_page_has_a_field_for_each_number_and_shows_the_action(leaning: Served) -> None:
    with running(leaning) as server:
        page = server.client.get("/")
        for name in ("cart position", "cart velocity", "pole angle", "pole angular velocity"):
            assert f"<label>{name}<input" in page.text
        assert page.text.count('type="number"') == 4 and "script-src" not in page.headers["content-security-policy"]
        assert 'name="ask"' not in page.text and "<script" not in page.text and "<meter" not in page.text
        told = server.client.get("/", params={"x0": "0", "x1": "0", "x2": "0", "x3": "1"})
        assert told.status_code == 200 and "Action 1: push right" in told.text and "73.1%" in told.text and "26.9%" in told.text
        assert "as the agent judges it: 11<" in told.text
        for bad in ("nan", "<script>", "1e999", "1,5", "9" * 60):
            told = server.client.get("/", params={"x0": bad, "x1": "0", "x2": "0", "x3": "1"})
            assert told.status_code == 400 and "No answer." in told.text and "<script" not in told.text, bad
        assert server.client.get("/", params={"x0": "0"}).status_code == 400
        elsewhere = server.client.get(
            "/", params={"x0": "0", "x1": "0", "x2": "0", "x3": "1"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert elsewhere.status_code == 200 and "Action 1" not in elsewhere.text


def test_observations_that_are_no_list_are_given_as_json(tmp_path: Path) -> None:
    from gymnasium import spaces

    lake = agent_of(RandomAgent, tmp_path / "agent", World("FrozenLake-v1"))
    with running(Served("lake", lake, accepts="observation")) as server:
        assert asked(server, 3, 4.0, {"observation": 0})[0]["value"] in range(4)
        for wrong, says in ((16, "from 0 to 15"), (True, "no state"), ("3", "no state"), (1.5, "no state"), ([3], "no state")):
            assert says in refused(server, wrong)
        assert server.client.get("/", params={"x0": "3"}).status_code == 200
    (sense,) = Observed.of(lake).senses
    dict_space = spaces.Dict({"at": spaces.Discrete(3), "seen": spaces.Box(0, 1, (2, 2), np.float32)})
    observed = Observed((sense._replace(space=dict_space, fields=(), example={"at": 1, "seen": [[0, 0], [0, 1]]}),))
    assert observed.item({"observation": {"at": 1, "seen": [[0, 0], [0, 1]]}})["observation"]["at"] == 1
    for wrong in ({"observation": {"at": 7, "seen": [[0, 0], [0, 1]]}}, {"observation": 3}, {"observation": {}}, [1]):
        with pytest.raises(Exception, match="send one of"):
            observed.item(wrong)


def test_what_is_no_agent_or_cannot_be_opened_is_refused_before_listening(tmp_path: Path, room: World) -> None:
    agent = agent_of(Leaning, tmp_path / "agent", room)
    (tmp_path / "roomy.py").unlink()
    gone = Leaning().restore(tmp_path / "agent")
    sys.modules.pop("roomy", None)
    with pytest.raises(BadData, match="cannot be imported"), running(Served("lean", gone, accepts="observation")):
        pass
    with pytest.raises(BakeoffError, match="no agent"), running(Served("x", object(), accepts="observation")):  # type: ignore[arg-type]
        pass
    assert agent.worlds_ == gone.worlds_


def test_a_trained_agent_of_a_run_decides_behind_the_command_as_in_python(tmp_path: Path) -> None:
    """`bakeoff serve RUN:cem` in its own process, asked with what a load test of the run asks."""
    import httpx

    from bakeoff import open_agent
    from bakeoff.run.endpoint_process import EndpointProcess
    from bakeoff.run.engine import Settings, execute, prepare
    from bakeoff.run.probing import request_inputs
    from bakeoff.study import parse_study

    study = parse_study(
        "study: s\ntask: control\ndata: {environment: CartPole-v1, episodes: 4, valid: 2}\nseeds: 1\n"
        "approaches: [random, {use: cem, settings: {steps: 3000, evaluations: 2}}]\n"
        "timing: {single_items: 5, single_seconds: 0.1, batch_seconds: 0.1}\n"
    )
    settings = Settings(tmp_path / "runs")
    ledger = prepare(study, base=tmp_path, settings=settings)
    execute(ledger, settings)
    asked = request_inputs(ledger, 50)
    assert len(asked) == 50 and all(set(one) == {"environment", "observation", "seed"} for one in asked)
    with EndpointProcess(ledger.folder, "cem", threads=1, options=[], log=tmp_path / "log.txt") as endpoint:
        reply = httpx.post(f"{endpoint.url}/v1/answer", json={"items": asked}, timeout=30)
    agent = open_agent(ledger.folder, "cem")
    assert [one["value"] for one in reply.json()["answers"]] == [agent.act(one["observation"]) for one in asked]
    assert {one["value"] for one in reply.json()["answers"]} == {0, 1}


def test_behind_a_token_the_page_has_no_form(leaning: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTION_TOKEN", "correct-horse-battery-staple")
    with running(leaning, token_env="ACTION_TOKEN") as server:
        page = server.client.get("/?x0=0&x1=0&x2=0&x3=1", headers={"authorization": "Bearer correct-horse-battery-staple"})
        assert page.status_code == 200 and "<form" not in page.text and "Action" not in page.text


@pytest.mark.browser
def test_a_person_fills_in_a_state_and_sees_the_action(leaning: Served, chromium: str) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect, sync_playwright

    with running(leaning) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (390, 1100):
            page = browser.new_page(viewport={"width": width, "height": 900})
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(server.url + "/")
            for value, action in (("1", "Action 1: push right"), ("-1.5", "Action 0: push left")):
                page.get_by_label("pole angular velocity").fill(value)
                page.get_by_role("button").click()
                expect(page.locator(".act")).to_have_text(action)
                assert page.get_by_label("pole angular velocity").input_value() == value
                assert page.locator("meter").count() == 2 and page.locator(".chances .share").nth(0).inner_text().endswith("%")
            assert [found["id"] for found in Axe().run(page).response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert said == []
            page.close()
        browser.close()
