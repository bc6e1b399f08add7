"""What an agent can be seen doing: films of kept checkpoints, the loop between agent and environment with its numbers, maps of the policy.

Everything is asked once, of seed 0, and is small enough to stand in a report.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.contract import Item, Json
from bakeoff.errors import BakeoffError
from bakeoff.tasks.control.episodes import Episode, Policy, filmed
from bakeoff.tasks.control.films import HELD, MOST_FRAMES, RATE, film, still
from bakeoff.tasks.control.maps import is_binary, map_of, rounded, thinned
from bakeoff.tasks.control.worlds import Fault, World, features_of, flat

if TYPE_CHECKING:
    from bakeoff.tasks.control.agent import Agent

MOST_CHECKPOINTS = 4
MOST_BYTES = 350_000
"""Characters of all pictures and films of one approach."""
MOST_FILM = 60_000
MOST_STILL, MOST_POSTER = 2_000, 6_000
STILLS, STILL_TALL, POSTER_TALL = 7, 72, 200
MOST_STEPS = 2_000
"""Of an episode; what comes later is not shown, and said."""
MOST_SECONDS = 45.0
"""After this long no further checkpoint is filmed: an explanation must not cost more than the training."""
MOST_WORLDS, MANY = 8, 2
"""With more environments than `MANY`, films have half the frames."""
FEW = 6
MOST_NUMBERS = 12
"""Of an observation that are written out."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "CartPole": ("cart position (m)", "cart velocity (m/s)", "pole angle (rad)", "pole angular velocity (rad/s)"),
    "MountainCar": ("position", "velocity"),
    "MountainCarContinuous": ("position", "velocity"),
    "Pendulum": ("cosine of the angle", "sine of the angle", "angular velocity (rad/s)"),
    "Acrobot": (
        "cosine of the first angle", "sine of the first angle", "cosine of the second angle", "sine of the second angle",
        "first angular velocity (rad/s)", "second angular velocity (rad/s)",
    ),
    "LunarLander": (
        "horizontal position", "height", "horizontal speed", "vertical speed", "angle (rad)", "angular velocity (rad/s)",
        "left leg touches", "right leg touches",
    ),
    "FrozenLake": ("cell",),
    "CliffWalking": ("cell",),
    "Taxi": ("state",),
}  # fmt: skip
"""Of the observations' dimensions, by environment: from Gymnasium's documentation. Others may state ``metadata["observation_names"]``."""
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "CartPole": ("push left", "push right"),
    "MountainCar": ("push left", "do not push", "push right"),
    "MountainCarContinuous": ("push to the right",),
    "Pendulum": ("torque",),
    "Acrobot": ("torque -1", "no torque", "torque +1"),
    "LunarLander": ("do nothing", "fire left engine", "fire main engine", "fire right engine"),
    "FrozenLake": ("left", "down", "right", "up"),
    "CliffWalking": ("up", "right", "down", "left"),
    "Taxi": ("south", "north", "east", "west", "pick up", "drop off"),
}
"""Of the actions. Others may state ``metadata["action_names"]``, or have an attribute of that name."""
PAIRS = {"CartPole": (2, 3), "Acrobot": (4, 5), "LunarLander": (0, 1)}
"""Which two dimensions a map is drawn over, where the environment is known."""


class Checkpoint(NamedTuple):
    """Weights that are shown, and the row of the training's course that they belong to (its number, None where the course is gone)."""

    which: str
    weights: Any
    row: int | None
    facts: Mapping[str, float | None]


def shown(agent: Agent, items: Sequence[Item]) -> dict[str, Json]:
    """Films, loop and maps of an agent, for each environment that it learned (at most `MOST_WORLDS`).

    Parameters
    ----------
    agent : Agent
        Fitted. While it is in the process that trained it, checkpoints of its courses are shown, at most `MOST_CHECKPOINTS` (fewer with
        several environments); a restored one has its best and its last weights.
    items : sequence of Item
        Test episodes: the first of each environment is filmed, the same one for every checkpoint.

    Returns
    -------
    dict
        ``control``: a list with a dict for each environment:

        world, seed
            Its key, and the seed of the episode that is shown.
        shows : list of dict
            Per checkpoint ``which`` ("before training", "on the way", "best", "last", "best and last" or "as it is"), ``row`` (in the course, or None), ``step``,
            ``cpu_seconds`` and ``valid_return`` (as the course says, each may be None), ``return``, ``hidden`` (None without), ``length``, ``ended``
            ("terminated", "cut off", or "not shown to its end"), ``answers`` (whether these weights answer), and either ``why`` (no picture, in words) or ``poster``, ``film`` ('' where it
            would be too large), ``width``, ``height``, ``frames``, ``rate``, ``every`` (steps between frames), ``strip`` (addresses) and ``strip_steps``.
        loop : dict or None
            One step of the answering checkpoint's episode: ``step`` (from 0), ``of``, ``picture``, ``observation``, ``next`` (lists, or None where there are too many numbers),
            ``numbers`` (how many there are), ``names``, ``action``, ``action_name``, ``reward``, ``hidden`` (the hidden reward), ``on`` and
            ``next_on`` (which numbers are 1, where they are many noughts and ones), ``probabilities`` (list of name and share) and ``value``, each None where
            the policy has none.
        map : dict
            See `maps.map_of`.
    """
    seeds: dict[str, int] = {}
    for item in items:
        if "seed" in item.input and "observation" not in item.input and "environment" in item.input:
            seeds.setdefault(World.of(item.input).key, int(item.input["seed"]))
    worlds = [world for world in agent.worlds_ if world.key in seeds][:MOST_WORLDS]
    room = max(1, min(MOST_CHECKPOINTS, -(-6 // max(1, len(worlds)))))
    until = time.perf_counter() + MOST_SECONDS
    rate = RATE if len(worlds) <= MANY else RATE // 2  # half the frames are half the work
    with _headless():
        made = [_world(agent, world, seeds[world.key], room, MOST_BYTES // len(worlds), until, rate) for world in worlds]
    return {"control": made} if made else {}


def checkpoints(agent: Agent, world: World, most: int) -> list[Checkpoint]:
    """What is shown of a training, in its order: the best, the first and the last weights, and one between, at most `most`."""
    course = agent.course_.get(world.key) if hasattr(agent, "course_") else None
    if course is not None and course.shown():
        kept, last = course.shown(), len(course.rows) - 1
        between = [row for row in kept if row not in (kept[0], course.best, kept[-1])]
        wish = [course.best, kept[0], kept[-1], *between[len(between) // 2 :], *between[: len(between) // 2]]
        found = []
        for row in sorted(list(dict.fromkeys(wish))[:most]):
            names = ["best"] * (row == course.best) + ["last"] * (row == last)
            untrained = course.rows[row]["step"] == 0
            which = "before training" if untrained and last > 0 else " and ".join(names) if last > 0 else "as it is"
            found.append(Checkpoint(which or "on the way", course.weights[row], row, course.rows[row]))
        return found
    kept_, chosen = agent.kept_[world.key], agent.chosen_
    told: Mapping[str, Any] = chosen.get(world.key) or chosen  # with several worlds each has its own
    best = {"step": told.get("best_step"), "return": told.get("best_return")}
    final = {"step": told.get("trained_steps"), "return": told.get("last_return"), "cpu_seconds": told.get("train_cpu_seconds")}
    if best["step"] == final["step"]:
        return [Checkpoint("best and last" if final["step"] else "as it is", kept_["best"], None, final)]
    return [Checkpoint("best", kept_["best"], None, best), Checkpoint("last", kept_["last"], None, final)][:most]


def _world(agent: Agent, world: World, seed: int, most: int, room: int, until: float, rate: int) -> dict[str, Json]:
    known = _Known.of(world)
    shows: list[dict[str, Json]] = []
    seen: list[Json] = []
    told: tuple[Policy, Episode, dict[int, Any]] | None = None
    found = checkpoints(agent, world, most)
    for place, checkpoint in enumerate(found):
        policy = agent._policy(world, checkpoint.weights)
        answers = len(found) == 1 or agent.keep in checkpoint.which.split(" and ")
        one = _facts(checkpoint) | {"answers": answers}
        shows.append(one)
        if time.perf_counter() > until:
            one["why"] = f"Showing the others took more than {MOST_SECONDS:g} seconds."
            continue
        try:
            episode = filmed(world, policy, seed, most_steps=MOST_STEPS, render=False)
        except (Fault, BakeoffError) as error:
            one["why"] = f"The environment failed: {_said(error)}."
            continue
        one |= _ended(episode)
        seen += thinned([step["observation"] for step in episode.steps], 400)
        frames: dict[int, Any] = {}
        try:
            frames = _frames(world, policy, seed, episode.length, rate)
            one |= _pictures(frames, room // (len(found) - place), rate)
            room -= _size(one)
        except (Fault, BakeoffError) as error:
            one["why"] = f"There is no film: {_said(error)}."
        if answers or told is None:
            told = policy, episode, frames
    made: dict[str, Json] = {
        "world": world.key,
        "seed": seed,
        "shows": shows,
        "loop": None,
        "map": {"why": "No episode could be played."},
    }
    if told is not None and known is not None:
        policy, episode, frames = told
        made["loop"] = _loop(policy, episode, frames, known)
        path = [step["observation"] for step in episode.steps]
        made["map"] = map_of(
            policy, known.spaces, seen, path=path, names=known.names, actions=known.actions, pair=known.pair, shape=known.shape
        )
    return made


def _facts(checkpoint: Checkpoint) -> dict[str, Json]:
    def number(key: str) -> float | None:
        value = checkpoint.facts.get(key)
        return None if value is None else float(value)

    return {
        "which": checkpoint.which, "row": checkpoint.row, "step": number("step"), "cpu_seconds": number("cpu_seconds"),
        "valid_return": number("return"), "return": None, "hidden": None, "length": 0, "ended": "", "answers": False,
    }  # fmt: skip


def _ended(episode: Episode) -> dict[str, Json]:
    stopped = episode.length == MOST_STEPS and not episode.terminated
    ended = "terminated" if episode.terminated else "not shown to its end" if stopped else "cut off"
    hidden = None if episode.hidden is None else rounded(episode.hidden, 6)
    return {"return": rounded(episode.total, 6), "hidden": hidden, "length": episode.length, "ended": ended}


def _frames(world: World, policy: Policy, seed: int, length: int, rate: int) -> dict[int, Any]:
    """Step to frame, at most as many as a film shows; the last one is the state after the last step."""
    # Odd, so that what goes back and forth by single steps (a common way to hack a reward) does not stand still in the film.
    every = -(-length // ((MOST_FRAMES - HELD - 1) * rate // RATE)) // 2 * 2 + 1
    episode = filmed(world, policy, seed, most_steps=MOST_STEPS, every=every)
    *before, last = episode.frames
    return {place * every: frame for place, frame in enumerate(before)} | {episode.length: last}


def _pictures(frames: Mapping[int, Any], room: int, rate: int) -> dict[str, Json]:
    steps = list(frames)
    places = thinned(range(len(steps)), STILLS)
    kept = sorted(
        {steps[min(place + k % 2, len(steps) - 1)] for k, place in enumerate(places)}
    )  # for the same reason one on, in turn
    strip = [still(frames[step], tall=STILL_TALL, most_bytes=MOST_STILL) for step in kept]
    poster = still(frames[steps[len(steps) // 2]], tall=POSTER_TALL, most_bytes=MOST_POSTER)
    left = room - len(poster) - sum(map(len, strip)) - MOST_POSTER  # the loop's picture comes out of it too
    made = film([frames[step] for step in steps], most_bytes=min(MOST_FILM, left), rate=rate)
    return {
        "poster": poster, "film": made.address if made else "", "width": made.width if made else 0, "height": made.height if made else 0,
        "frames": made.frames if made else 0, "rate": made.rate if made else 0, "every": (steps[1] - steps[0] if len(steps) > 1 else 1) * (made.thin if made else 1),
        "strip": strip, "strip_steps": kept,
    }  # fmt: skip


def _size(one: Mapping[str, Any]) -> int:
    return len(one.get("poster") or "") + len(one.get("film") or "") + sum(map(len, one.get("strip") or ()))


def _loop(policy: Policy, episode: Episode, frames: Mapping[int, Any], known: _Known) -> dict[str, Json] | None:
    """One step with its numbers: a framed one near the middle, where the reward is not 0 if there is such a one."""
    import numpy as np

    if not episode.steps:
        return None
    framed = [step for step in frames if step < len(episode.steps)] or list(range(len(episode.steps)))
    paid = [step for step in framed if episode.steps[step]["reward"]] or framed
    at = min(paid, key=lambda step: (abs(step - len(episode.steps) / 2), step))
    step = episode.steps[at]
    before = step["observation"]
    probabilities = value = None
    says = getattr(policy, "says", None)
    if says is not None and before is not None:
        rows = flat(known.spaces[0], [before if isinstance(before, int) else np.asarray(before)])
        held = says(rows)
        if "probabilities" in held:
            shares = [float(share) for share in held["probabilities"][0]]
            probabilities = [[known.action(known.first + k), round(share, 4)] for k, share in enumerate(shares)][:MOST_NUMBERS]
        if "value" in held:
            value = rounded(float(held["value"][0]))
    return {
        "step": at, "of": episode.length,
        "picture": still(frames[at], tall=POSTER_TALL, most_bytes=MOST_POSTER) if at in frames else "",
        "observation": _numbers(before), "next": _numbers(step["next"]), "numbers": known.size,
        "names": list(known.names[:MOST_NUMBERS]), "action": step["action"], "action_name": known.action(step["action"]),
        "reward": rounded(float(step["reward"]), 6), "hidden": rounded(float(step["hidden"]), 6) if "hidden" in step else None,
        "on": _on(known, before), "next_on": _on(known, step["next"]), "probabilities": probabilities, "value": value,
    }  # fmt: skip


def _on(known: _Known, given: Json) -> list[int] | None:
    """Which numbers are 1, of an observation of many noughts and ones; None for others."""
    import numpy as np

    if given is None or not is_binary(known.spaces[0]) or known.size <= FEW:
        return None
    return [int(place) for place in np.flatnonzero(np.asarray(given).reshape(-1))[:MOST_NUMBERS]]


def _numbers(given: Json) -> list[float] | None:
    if given is None or isinstance(given, Mapping):
        return None
    import numpy as np

    try:
        return [rounded(float(value)) for value in np.asarray(given, dtype=np.float64).reshape(-1)[:MOST_NUMBERS]]
    except (TypeError, ValueError):
        return None


class _Known(NamedTuple):
    """What a world's dimensions and actions are called, as far as anybody says."""

    spaces: tuple[Any, Any]
    size: int
    names: tuple[str, ...]
    actions: tuple[str, ...]
    pair: tuple[int, int] | None
    shape: tuple[int, int] | None

    @classmethod
    def of(cls, world: World) -> _Known | None:
        try:
            env = world.open()
        except BakeoffError:
            return None
        try:
            plainest = env.unwrapped
            metadata: Mapping[str, Any] = getattr(plainest, "metadata", None) or {}
            name = world.id.rpartition(":")[2].rpartition("/")[2].partition("-v")[0]
            spaces = env.observation_space, env.action_space
            size = features_of(spaces[0])
            names = tuple(str(each) for each in metadata.get("observation_names") or NAMES.get(name, ()))
            actions = tuple(
                str(each)
                for each in metadata.get("action_names") or getattr(plainest, "action_names", None) or ACTIONS.get(name, ())
            )
            pair = PAIRS.get(name)
            return cls(spaces, size, names, actions, pair if pair and max(pair) < size else None, _cells(plainest))
        finally:
            with contextlib.suppress(Exception):
                env.close()

    @property
    def first(self) -> int:
        return int(getattr(self.spaces[1], "start", 0))

    def action(self, action: Json) -> str | None:
        """The name of an action; None where it has none."""
        place = action - self.first if isinstance(action, int) and not isinstance(action, bool) else None
        if place is not None and 0 <= place < len(self.actions):
            return self.actions[place]
        return None if place is None else f"action {action}"


def _cells(env: Any) -> tuple[int, int] | None:
    """Rows and columns of a world of cells, where it says so the way that Gymnasium's own do (FrozenLake, CliffWalking)."""
    for rows, columns in ((getattr(env, "nrow", None), getattr(env, "ncol", None)), getattr(env, "shape", None) or (None, None)):
        if isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0:
            return rows, columns
    return None


def _said(error: Exception) -> str:
    return str(getattr(error, "what", error)).rstrip(".")


@contextlib.contextmanager
def _headless() -> Iterator[None]:
    """Drawing without a screen, and without what drawing libraries print; the caller's environment is as before afterwards."""
    wanted = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    added = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in added})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that an environment draws with: nobody here can mend them
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
