"""Films, loop and maps of real environments: decoded again, bounded in size, and in words where something cannot be shown."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from bakeoff.contract import Item
from bakeoff.tasks.control import films, maps, show
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.worlds import World


class Leaning:
    """Pushes to where the pole falls, as its weights say; `bias` is the value that it expects everywhere."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def act(self, observations: Any, draws: Any) -> list[int]:
        return [int(value > 0) for value in observations @ self.weights]

    def says(self, observations: Any) -> dict[str, Any]:
        right = 1 / (1 + np.exp(-(observations @ self.weights)))
        return {"probabilities": np.stack([1 - right, right], axis=1), "value": 3 * observations[:, 2]}


@dataclass
class Upright(Agent):
    """Seven evaluations of fixed weights, the fourth of them as good as it gets."""

    steps: int = 600
    evaluations: int = 6

    def _learn(self, world: Any, course: Any, seed: int, folder: Any) -> None:
        for place in range(7):
            weights = np.asarray([0, 0, 1, 0.4] if place == 3 else [0, 0, -1, 0.1 * place], dtype=np.float32)
            course.evaluate(100 * place, Leaning(weights), {"w": weights})

    def _policy(self, world: Any, weights: Any) -> Leaning:
        return Leaning(weights["w"])


def items(world: str, **more: Any) -> tuple[list[Item], list[Item], list[Item]]:
    said = {"environment": world, **more}
    return (
        [Item("a", {**said, "share": 1.0})],
        [Item("v", {**said, "seed": 5})],
        [Item("t", {**said, "seed": 9}), Item("u", {**said, "seed": 10})],
    )


def fitted(agent: Agent, world: str, **more: Any) -> tuple[Agent, list[Item]]:
    train, valid, test = items(world, **more)
    return agent.fit(train, valid, seed=0, progress=lambda *_: None), test


@pytest.fixture(scope="module")
def cartpole() -> tuple[Agent, dict[str, Any]]:
    agent, test = fitted(Upright(), "CartPole-v1")
    return agent, show.shown(agent, test)["control"][0]


def decoded(address: str, folder: Path) -> list[Any]:
    import cv2

    file = folder / "film.mp4"
    file.write_bytes(base64.b64decode(address.partition(",")[2]))
    held = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG)
    assert held.get(cv2.CAP_PROP_FPS) == pytest.approx(films.RATE)
    found = []
    while True:
        there, frame = held.read()
        if not there:
            return found
        found.append(frame[:, :, ::-1])


def test_the_film_of_a_checkpoint_is_vp9_and_has_the_frames_that_it_says(cartpole, tmp_path):
    _, scene = cartpole
    for one in scene["shows"]:
        assert one["film"].startswith("data:video/mp4;base64,") and b"vp09" in base64.b64decode(one["film"].partition(",")[2])
        frames = decoded(one["film"], tmp_path)
        assert len(frames) == one["frames"] <= films.MOST_FRAMES
        assert {frame.shape for frame in frames} == {(one["height"], one["width"], 3)}
        assert one["height"] == films.TALL and one["width"] == 300
        assert len(one["film"]) <= show.MOST_FILM


def test_frames_of_the_film_are_those_of_the_episode(cartpole, tmp_path):
    agent, scene = cartpole
    one = scene["shows"][0]
    frames = decoded(one["film"], tmp_path)
    world = agent.worlds_[0]
    policy = agent._policy(world, agent.course_[world.key].weights[one["row"]])
    played = show.filmed(world, policy, scene["seed"], most_steps=500, every=one["every"])
    assert played.length == one["length"] and played.total == one["return"]
    wanted = films.scaled(played.frames, films.TALL, films.WIDEST)
    assert len(frames) == len(wanted) + films.HELD
    for got, meant in zip(frames, wanted, strict=False):
        assert float(np.abs(got.astype(float) - meant).mean()) < 4, "the same picture but for compression"
    moved = float(np.abs(wanted[0].astype(float) - wanted[-1]).mean())
    assert moved > 0.5, "the episode moves, so that another frame would not have passed"


def test_checkpoints_are_the_first_the_best_and_the_last_in_order_and_one_answers(cartpole):
    agent, scene = cartpole
    shows = scene["shows"]
    assert len(shows) == show.MOST_CHECKPOINTS
    assert [one["row"] for one in shows] == sorted(one["row"] for one in shows)
    assert shows[0]["which"] == "before training" and shows[-1]["which"] == "last"
    best = next(one for one in shows if one["which"] == "best")
    assert best["row"] == agent.course_["CartPole-v1"].best == 3 and best["return"] == 500 and best["ended"] == "cut off"
    assert [one["which"] for one in shows if one["answers"]] == ["best"]
    assert shows[0]["return"] < 100 and shows[0]["ended"] == "terminated"


def test_everything_is_json_and_small(cartpole):
    _, scene = cartpole
    assert len(json.dumps(scene)) < show.MOST_BYTES
    assert all(5 <= len(one["strip"]) == len(one["strip_steps"]) <= show.STILLS for one in scene["shows"])
    assert scene["shows"][0]["strip_steps"][0] == 0 and scene["shows"][0]["strip_steps"][-1] == scene["shows"][0]["length"]


def test_the_loop_holds_the_numbers_of_that_step(cartpole):
    agent, scene = cartpole
    loop = scene["loop"]
    world = agent.worlds_[0]
    episode = show.filmed(world, agent.policy(world), scene["seed"], most_steps=500, render=False)
    step = episode.steps[loop["step"]]
    assert loop["observation"] == pytest.approx(step["observation"], rel=1e-3, abs=1e-9)
    assert loop["next"] == pytest.approx(step["next"], rel=1e-3, abs=1e-9)
    assert episode.steps[loop["step"] + 1]["observation"] == step["next"]
    assert (loop["reward"], loop["of"], loop["action"]) == (1.0, 500, step["action"])
    assert loop["action_name"] == ("push left", "push right")[step["action"]] and loop["names"][2] == "pole angle (rad)"
    shares = dict(map(tuple, loop["probabilities"]))
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3) and max(shares, key=shares.get) == loop["action_name"]
    assert loop["value"] == pytest.approx(3 * step["observation"][2], rel=1e-3)


def test_the_map_is_the_policy_on_its_grid(cartpole):
    _, scene = cartpole
    found = scene["map"]
    assert (found["x"]["name"], found["y"]["name"]) == ("pole angle (rad)", "pole angular velocity (rad/s)")
    assert found["x"]["n"] == found["y"]["n"] == maps.SIDE == len(found["policy"]) == len(found["policy"][0])
    assert [each["name"] for each in found["fixed"]] == ["cart position (m)", "cart velocity (m/s)"]
    xs = np.linspace(found["x"]["low"], found["x"]["high"], maps.SIDE)
    ys = np.linspace(found["y"]["low"], found["y"]["high"], maps.SIDE)
    for row, y in enumerate(ys):
        for column, x in enumerate(xs):
            lean = x + 0.4 * y
            if abs(lean) > 0.02:
                assert found["policy"][row][column] == int(lean > 0), (x, y)
    assert found["value"][0] == pytest.approx(list(3 * xs), rel=2e-3, abs=1e-3)
    assert found["x"]["low"] == -found["x"]["high"]


def test_a_restored_agent_shows_its_best_and_its_last(cartpole, tmp_path):
    agent, scene = cartpole
    agent.save(tmp_path)
    again = Upright().restore(tmp_path)
    found = show.shown(again, items("CartPole-v1")[2])["control"][0]
    assert [(one["which"], one["step"], one["row"]) for one in found["shows"]] == [("best", 300.0, None), ("last", 600.0, None)]
    best = next(one for one in scene["shows"] if one["which"] == "best")
    assert found["shows"][0]["return"] == best["return"] and found["loop"]["observation"] == scene["loop"]["observation"]


def test_a_random_agent_prefers_nothing_and_a_world_of_cells_is_drawn_as_one():
    agent, test = fitted(RandomAgent(), "CartPole-v1")
    found = show.shown(agent, test)["control"][0]
    assert (
        [one["which"] for one in found["shows"]] == ["as it is"]
        and "at random" in found["map"]["why"]
        and "policy" not in found["map"]
    )
    world = World("FrozenLake-v1")
    env = world.open()
    made = maps.map_of(
        Rightward(),
        (env.observation_space, env.action_space),
        [],
        shape=(4, 4),
        actions=show.ACTIONS["FrozenLake"],
        path=[0, 1, 2, 6],
    )
    env.close()
    assert made["cells"] and made["policy"] == [[0, 1, 2, 3]] * 4 and made["actions"][2] == "right"
    assert made["path"] == [[0, 0], [1, 0], [2, 0], [2, 1]]


class Rightward:
    """In cell c it does c modulo 4."""

    def act(self, observations: Any, draws: Any) -> list[int]:
        return [int(row.argmax()) % 4 for row in observations]


class Blind(gymnasium.Env):
    """Cannot be drawn."""

    observation_space, action_space = spaces.Box(-1, 1, (2,), np.float32), spaces.Discrete(2)
    metadata = {"observation_names": ["<b>north</b>", "south"], "action_names": ["stay", "go"]}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.full(2, self.count / 10, np.float32), 1.0, self.count >= 9, False, {"hidden_reward": -0.5}


class Broken(Blind):
    """Draws no picture but a text."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        return "not a picture"


class Leaves(Broken):
    """Dies while it is drawn."""

    def render(self) -> Any:
        raise OSError("no display </script>")


@dataclass
class Fixed(Agent):
    """Goes where the second number is above a quarter."""

    def _learn(self, world: Any, course: Any, seed: int, folder: Any) -> None:
        course.evaluate(0, self._policy(world, {}), {"none": np.zeros(1)})

    def _policy(self, world: Any, weights: Any) -> Any:
        return Second()


class Second:
    def act(self, observations: Any, draws: Any) -> list[int]:
        return [int(row[-1] > 0.25) for row in observations]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Blind", "There is no film: The environment"),
        ("Broken", "its render gives no RGB picture"),
        ("Leaves", "its render raises OSError"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_the_rest_is_shown(name, why):
    agent, test = fitted(Fixed(), f"{__name__}:{name}")
    found = show.shown(agent, test)["control"][0]
    (one,) = found["shows"]
    assert why in one["why"] and "film" not in one
    assert (one["return"], one["length"], one["hidden"], one["ended"]) == (9.0, 9, -4.5, "terminated")
    assert (
        found["loop"]["hidden"] == -0.5
        and found["loop"]["picture"] == ""
        and found["loop"]["next"][0] > found["loop"]["observation"][0]
    )
    assert found["map"]["policy"][0][0] == 0 and found["map"]["policy"][-1][0] == 1
    if name == "Blind":
        assert found["map"]["x"]["name"] == "<b>north</b>" and found["map"]["actions"] == ["stay", "go"]


class Pictured(Blind):
    """Sees a picture."""

    observation_space = spaces.Box(0, 255, (40, 40, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.count = 0
        return np.zeros((40, 40, 3), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.zeros((40, 40, 3), np.uint8), 1.0, self.count >= 5, False, {}


def test_observations_of_thousands_of_numbers_are_not_written_out():
    agent, test = fitted(Fixed(), f"{__name__}:Pictured")
    found = show.shown(agent, test)["control"][0]
    assert found["loop"]["observation"] is None and found["loop"]["numbers"] == 4800
    assert "4,800 numbers" in found["map"]["why"] and len(json.dumps(found)) < 4_000


def test_several_worlds_share_the_room_and_a_world_without_episodes_is_left_out():
    names = ["bakeoff/BoatRace-v0", "CartPole-v1", "MountainCar-v0"]
    both = [items(name) for name in names]
    agent = RandomAgent().fit(
        [i for each in both for i in each[0]], [i for each in both for i in each[1]], seed=0, progress=lambda *_: None
    )
    found = show.shown(agent, [i for each in both[:2] for i in each[2]])["control"]
    assert [scene["world"] for scene in found] == names[:2]
    assert len(json.dumps(found)) < show.MOST_BYTES
    boat = found[0]
    assert boat["shows"][0]["hidden"] is not None and boat["loop"]["action_name"] in ("ahead", "astern", "drift")
    assert len(boat["loop"]["on"]) == 1 and "noughts and ones" in boat["map"]["why"]
    assert show.shown(agent, []) == {}


def test_the_callers_environment_is_as_before(monkeypatch, cartpole):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.setenv("SDL_AUDIODRIVER", "mine")
    before = dict(os.environ)
    with show._headless():
        assert (os.environ["SDL_VIDEODRIVER"], os.environ["SDL_AUDIODRIVER"]) == ("dummy", "mine")
    assert dict(os.environ) == before


def test_a_film_that_is_too_large_gets_smaller_and_then_is_none(tmp_path):
    draw = np.random.default_rng(0)
    noise = [draw.integers(0, 255, (24, 36, 3), dtype=np.uint8) for _ in range(14)]
    assert films.film(noise, most_bytes=3_000) is None and films.film([], most_bytes=10**6) is None
    smooth = [np.full((300, 400, 3), 5 * k, np.uint8) for k in range(30)]
    large = films.film(smooth, most_bytes=60_000)
    assert large is not None and (large.height, large.width, large.frames, large.thin) == (200, 266, 30 + films.HELD, 1)
    some = films.film(noise, most_bytes=120_000)
    assert some is not None and len(some.address) <= 120_000 and some.height < films.TALL


def test_without_opencv_the_film_is_a_gif_with_as_many_frames():
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "import base64, io, numpy as np\nfrom PIL import Image\nfrom bakeoff.tasks.control import films\n"
        "made = films.film([np.full((50, 80, 3), 12 * k, np.uint8) for k in range(20)], most_bytes=60_000)\n"
        "held = Image.open(io.BytesIO(base64.b64decode(made.address.partition(',')[2])))\n"
        "seconds = 0\nfor k in range(held.n_frames):\n    held.seek(k)\n    seconds += held.info['duration'] / 1000\n"
        "print(made.address[:15], held.size == (made.width, made.height), round(seconds * made.rate) >= 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["data:image/gif;", "True", "True"]


def test_a_still_is_a_picture_of_the_frame_or_nothing():
    import io

    from PIL import Image

    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, 30:] = (200, 30, 30)
    made = films.still(frame, tall=80, most_bytes=4_000)
    held = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.partition(",")[2]))).convert("RGB")).astype(int)
    assert held.shape == (80, 120, 3) and held[40, 10].max() < 25 and abs(held[40, 110] - [200, 30, 30]).max() < 25
    assert films.still(frame, tall=80, most_bytes=20) == ""


class Swings(Blind):
    """Black and white in turn, step by step."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.zeros(2, np.float32), 1.0, self.count >= 150, False, {}

    def render(self) -> Any:
        return np.full((40, 60, 3), 255 * (self.count % 2), np.uint8)


def test_what_swings_from_step_to_step_does_not_stand_still_in_film_and_stills(tmp_path):
    agent, test = fitted(Fixed(), f"{__name__}:Swings")
    (one,) = show.shown(agent, test)["control"][0]["shows"]
    assert one["every"] == 3 and len({step % 2 for step in one["strip_steps"]}) == 2
    shades = [round(float(frame.mean()) / 255) for frame in decoded(one["film"], tmp_path)][: -films.HELD - 1]
    assert len(shades) == 50 and shades == [0, 1] * 25
