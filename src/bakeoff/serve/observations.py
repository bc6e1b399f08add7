"""What the server does for agents: an item is one observation, the answer is the action, and a person can fill in a form.

An item is ``{"observation": [...]}`` or the bare observation; an agent of several environments also needs ``environment``. Which environments there are
is the agent's own word: a request can only name one of them, never bring its own, and it cannot have an episode played.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.contract import Answer, Json
from bakeoff.errors import BadData, nearest, shown
from bakeoff.serve.problem import Problem

if TYPE_CHECKING:
    from bakeoff.tasks.control.agent import Agent
    from bakeoff.tasks.control.worlds import World

MOST_FIELDS = 32
"""Numbers of an observation for which the page has a field each; a longer one is given as JSON."""
LONGEST_FIELD, LONGEST_JSON = 40, 4000
"""Characters of a field of the page: what is asked travels in its address."""
LARGEST_SEED = 2**53 - 1
"""Up to here every JSON reader keeps a whole number as it is."""
MOST_AT_ONCE = 16
"""Items that are checked without letting other requests in between."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "CartPole": ("cart position", "cart velocity", "pole angle", "pole angular velocity"),
    "MountainCar": ("car position", "car velocity"),
    "MountainCarContinuous": ("car position", "car velocity"),
    "Pendulum": ("cosine of the angle", "sine of the angle", "angular velocity"),
    "Acrobot": (
        "cosine of the first angle", "sine of the first angle", "cosine of the second angle", "sine of the second angle",
        "first angular velocity", "second angular velocity",
    ),
    "LunarLander": ("x", "y", "x velocity", "y velocity", "angle", "angular velocity", "left leg down", "right leg down"),
}  # fmt: skip
"""Gymnasium's documentation names these; of other environments ``metadata["observation_names"]`` is read."""
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "CartPole": ("push left", "push right"),
    "MountainCar": ("accelerate left", "do nothing", "accelerate right"),
    "Acrobot": ("torque -1", "torque 0", "torque +1"),
    "LunarLander": ("do nothing", "left engine", "main engine", "right engine"),
}
"""As `NAMES`, for ``metadata["action_names"]``."""


class NoObservation(Exception):
    """Why something is no observation of the agent's, in a few words without a full stop."""


class Sense(NamedTuple):
    """One environment that an agent knows, as it can be asked about.

    `fields` names the numbers of an observation in their order; empty where the page takes JSON instead. `actions` names
    actions, by the action as text. `example` is the first observation of an episode.
    """

    world: World
    space: Any
    fields: tuple[str, ...]
    actions: Mapping[str, str]
    example: Json


class Seen(NamedTuple):
    """What was asked by the form of the environment at `place`, as typed, and the answer or a sentence that says why there is none."""

    place: int
    values: tuple[str, ...]
    answer: Answer | None = None
    problem: str = ""


@dataclass(frozen=True)
class Observed:
    """What an agent can be asked: its environments, each opened once, before the first request."""

    senses: tuple[Sense, ...]

    @classmethod
    def of(cls, agent: Agent) -> Observed:
        """Look at the agent's environments.

        Raises
        ------
        BadData
            If one cannot be opened here, or gives no first observation.
        """
        return cls(tuple(_sense(agent, world) for world in agent.worlds_))

    def item(self, given: Json) -> dict[str, Json]:
        """An item as the agent is asked it: the observation as checked, in an environment of the agent's own.

        Raises
        ------
        NoObservation
            If it is none; the message says why.
        """
        asked = given if isinstance(given, Mapping) else {"observation": given}
        if "observation" not in asked:
            if "seed" in asked:
                raise NoObservation("it asks for an episode; this server does not play, it says what to do about an observation")
            raise NoObservation('it has no `observation`; send {"observation": ...}')
        strange = next((key for key in asked if key not in ("observation", "environment", "seed")), None)
        if strange is not None:
            raise NoObservation(
                f"there is no field {shown(strange)}; an item has `observation`, and where needed `environment` and `seed`"
            )
        sense = self._sense_of(asked)
        found: dict[str, Json] = {**sense.world.named(), "observation": _checked(sense, asked["observation"])}
        if asked.get("seed") is not None:
            seed = asked["seed"]
            seed = int(seed) if isinstance(seed, float) and seed.is_integer() else seed  # JSON has one kind of number
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
                raise NoObservation(f"its `seed` is {shown(seed)}, which is no whole number from 0")
            found["seed"] = seed
        return found

    def _sense_of(self, asked: Mapping[str, Json]) -> Sense:
        named = asked.get("environment")
        if named is None:
            if len(self.senses) == 1:
                return self.senses[0]
            raise NoObservation(f"the agent knows several environments; add `environment`: {self._keys()}")
        found = [sense for sense in self.senses if named in (sense.world.key, sense.world.id)]
        if len(found) != 1:
            raise NoObservation(
                f"the agent knows no environment {shown(named)}; {nearest(str(named), [s.world.key for s in self.senses])}"
            )
        return found[0]

    def _keys(self) -> str:
        return " or ".join(shown(sense.world.key) for sense in self.senses)

    def example(self) -> dict[str, Json]:
        """An item that can be asked: the first observation of an episode."""
        sense = self.senses[0]
        more = {"environment": sense.world.key} if len(self.senses) > 1 else {}
        return {**more, "observation": sense.example}

    def schema(self) -> dict[str, Json]:
        """JSON Schema of an item."""
        kinds = [_schema(sense.space) for sense in self.senses]
        observation: dict[str, Json] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        keys = list(dict.fromkeys(name for sense in self.senses for name in (sense.world.key, sense.world.id)))
        needed = ["observation"] if len(self.senses) == 1 else ["environment", "observation"]
        whole: dict[str, Json] = {
            "type": "object",
            "properties": {
                "observation": observation,
                "environment": {"enum": keys, "description": "Which environment; needed where the agent knows several."},
                "seed": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": LARGEST_SEED,
                    "description": "Of what the policy draws, where it does.",
                },
            },
            "required": needed,
            "additionalProperties": False,
        }
        described = "; ".join(f"{s.world.key}: {', '.join(s.fields) or s.space}" for s in self.senses)
        said = {"description": f"What the agent sees. {described}."}
        return {"anyOf": [whole, observation], **said} if len(self.senses) == 1 and "type" in observation else {**whole, **said}


class ObservationCheck:
    """Says before anything is queued which item is no observation, and gives the others as the agent is asked them."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    async def __call__(self, items: Sequence[Any]) -> list[dict[str, Json]]:
        """Raise Problem (400) for the first item that is no observation; nothing of the request is computed then."""
        found = []
        for place, given in enumerate(items):
            found.append(self.one(given, f"items.{place}", "items"))
            if place % MOST_AT_ONCE == MOST_AT_ONCE - 1:
                await asyncio.sleep(0)
        return found

    def one(self, given: Json, where: str, param: str) -> dict[str, Json]:
        """One item; `where` and `param` say where in the request it stands."""
        try:
            return self._observed.item(given)
        except NoObservation as no:
            raise Problem(400, f"`{where}` is no observation: {no}.", code="no_observation", param=param) from no

    def text(self, text: str, param: str) -> dict[str, Json]:
        """An item that is written as JSON in a chat message or a prompt."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            says = f"it is no JSON; send one like {json.dumps(self._observed.example())}"
            raise Problem(400, f"`{param}` is no observation: {says}.", code="no_observation", param=param) from None
        return self.one(given, param, param)


def _sense(agent: Agent, world: World) -> Sense:
    from bakeoff.tasks.control.episodes import plain
    from bakeoff.tasks.control.worlds import Fault, reset

    agent._spaces(world)  # remembered by the agent, so that no request opens an environment
    env = world.open()
    try:
        first, _ = reset(env, 0)
        space, actions = env.observation_space, env.action_space
        metadata = getattr(env.unwrapped, "metadata", None) or {}
    except Fault as fault:
        raise BadData(
            f"The environment {shown(world.id)} cannot be used: {fault.what}.", fix="correct the environment"
        ) from fault
    finally:
        with contextlib.suppress(Exception):
            env.close()
    family = world.id.rpartition("/")[2].rpartition(":")[2].rpartition("-v")[0]
    count = _numbers(space)
    names = _names(metadata.get("observation_names"), count) or _names(NAMES.get(family), count)
    fields = names or tuple(f"number {k + 1}" for k in range(count)) if 0 < count <= MOST_FIELDS else ()
    named: dict[str, str] = {}
    if hasattr(actions, "n"):
        says = _names(metadata.get("action_names"), int(actions.n)) or _names(ACTIONS.get(family), int(actions.n))
        named = {str(int(actions.start) + k): name for k, name in enumerate(says)}
    example = plain(first)
    return Sense(world, space, fields, named, example)


def _names(given: Any, count: int) -> tuple[str, ...]:
    """Names that an environment states, where there is one for each; they are shown as text, whatever they hold."""
    fit = isinstance(given, list | tuple) and len(given) == count and all(isinstance(one, str) and one.strip() for one in given)
    return tuple(one.strip()[:LONGEST_FIELD] for one in given) if fit else ()


def _numbers(space: Any) -> int:
    """How many numbers an observation is, where it is a flat list of them or one number; else 0."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        return 1
    return int(space.shape[0]) if isinstance(space, spaces.Box) and len(space.shape) == 1 else 0


def _checked(sense: Sense, given: Json) -> Json:
    """The observation as plain JSON of the right shape. Stricter than NumPy: a text is no number, and nothing wraps around."""
    from gymnasium import spaces

    from bakeoff.tasks.control.worlds import as_observation

    space, key = sense.space, sense.world.key
    if isinstance(space, spaces.Box):
        _shaped(sense, given, tuple(space.shape))
        lowest, highest, whole = _held(space.dtype)
        for number in _leaves(given, len(space.shape)):
            if not lowest <= number <= highest or (whole and number != int(number)):
                raise NoObservation(f"{shown(number)} cannot stand in an observation of {key}, which holds {space.dtype}")
        return given
    if isinstance(space, spaces.Discrete):
        found = int(given) if isinstance(given, float) and given.is_integer() else given
        first, last = int(space.start), int(space.start) + int(space.n) - 1
        if isinstance(found, bool) or not isinstance(found, int) or not first <= found <= last:
            raise NoObservation(f"{shown(given)} is no state of {key}; they are the whole numbers from {first} to {last}")
        return found
    try:
        as_observation(space, given)
    except BadData:
        raise NoObservation(f"it is none of {key}; send one of {shown(space, 200)}") from None
    except Exception:  # a space of its own kind may raise anything about what it does not know
        raise NoObservation(f"it cannot be read as one of {key}; send one of {shown(space, 200)}") from None
    return given


def _shaped(sense: Sense, given: Json, shape: tuple[int, ...]) -> None:
    if not shape:
        if (
            isinstance(given, bool)
            or not isinstance(given, int | float)
            or (isinstance(given, float) and not math.isfinite(given))
        ):
            what = "null" if given is None else f"a list of {len(given):,}" if isinstance(given, list) else shown(given)
            raise NoObservation(f"{what} stands where a number must stand")
        return
    if not isinstance(given, list):
        raise NoObservation(
            f"it must be a list of {shape[0]:,}{'' if len(shape) == 1 else ' lists'}, like {sense.world.key} gives it"
        )
    if len(given) != shape[0]:
        named = f": {', '.join(sense.fields)}" if sense.fields else ""
        what = "numbers" if len(shape) == 1 else "lists"
        raise NoObservation(f"it has {len(given):,} {what} where {sense.world.key} has {shape[0]:,}{named}")
    for each in given:
        _shaped(sense, each, shape[1:])


def _leaves(given: Json, depth: int) -> list[Any]:
    rows = [given]
    for _ in range(depth):
        rows = [each for row in rows for each in row]
    return rows


def _held(dtype: Any) -> tuple[float, float, bool]:
    """The least and greatest number that a kind of array holds, and whether it holds whole ones only."""
    import numpy as np

    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max), False
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max), True
    return 0, 1, True


def _schema(space: Any) -> dict[str, Json]:
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        lowest, highest, whole = _held(space.dtype)
        kind: dict[str, Json] = {"type": "integer" if whole else "number", "minimum": lowest, "maximum": highest}
        for size in reversed(space.shape):
            kind = {"type": "array", "items": kind, "minItems": int(size), "maxItems": int(size)}
        return kind
    if isinstance(space, spaces.Discrete):
        return {"type": "integer", "minimum": int(space.start), "maximum": int(space.start) + int(space.n) - 1}
    return {"description": str(space)[:200]}


# -- the page ---------------------------------------------------------------------------------------------------------

STYLE = """
form.sense { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .7rem; align-items: end; }
.sense label { display: block; } .sense input { display: block; width: 100%; margin-top: .2rem; }
.sense button { justify-self: start; }
.chances { list-style: none; margin: .6rem 0 0; padding: 0 !important; }
.chances li { display: grid; grid-template-columns: minmax(0, 11rem) 1fr 3.5rem; gap: .6rem; align-items: center; margin: 0 0 .25rem !important; }
.chances meter { width: 100%; height: 1rem; } .chances .share { text-align: right; font-variant-numeric: tabular-nums; }
.reply .act { font-size: 1.25rem; font-weight: 600; }
"""


def read_form(observed: Observed, given: Mapping[str, str]) -> tuple[Seen, Json] | None:
    """What the form of the page asks: how it is shown again, and the item. None where nothing was asked.

    Fields are ``x0``, ``x1`` ... (or ``ask``, as JSON), and ``world``, the place of the environment where there are several.
    """
    place = int(given["world"]) if given.get("world", "").isdecimal() and len(given["world"]) < 4 else 0
    if place >= len(observed.senses):
        return None
    sense = observed.senses[place]
    names = [f"x{k}" for k in range(len(sense.fields))] or ["ask"]
    if not any(given.get(name, "").strip() for name in names):
        return None
    longest = LONGEST_FIELD if sense.fields else LONGEST_JSON
    values = tuple(given.get(name, "").strip()[:longest] for name in names)
    found = [_typed(value) for value in values]
    observation = found if sense.fields and getattr(sense.space, "shape", ()) else found[0]
    return Seen(place, values), {"environment": sense.world.key, "observation": observation}


def _typed(value: str) -> Json:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def forms(observed: Observed, seen: Seen | None) -> str:
    """A form for each environment with a field for each number, and below the one that was asked its answer. Needs no script."""
    made = []
    several = len(observed.senses) > 1
    for place, sense in enumerate(observed.senses):
        mine = seen if seen is not None and seen.place == place else None
        heading = (
            f"<h3>{escape(sense.world.key)}</h3>"
            if several
            else f'<p class="soft">{escape(sense.world.key)}: one observation</p>'
        )
        hidden = f'<input type="hidden" name="world" value="{place}">' if several else ""
        made.append(
            f'{heading}<form class="sense" method="get" action="/">{hidden}{_fields(sense, mine)}<button>What to do?</button></form>'
        )
        if mine is not None:
            made.append(f'<div class="reply" role="status">{_answered(sense, mine)}</div>')
    return "".join(made)


def _fields(sense: Sense, seen: Seen | None) -> str:
    if not sense.fields:
        value = seen.values[0] if seen else json.dumps(sense.example)
        value = value if len(value) <= LONGEST_JSON else ""
        return f'<label>Observation, as JSON<input name="ask" required maxlength="{LONGEST_JSON}" value="{escape(value)}" autocomplete="off"></label>'
    first = sense.example if isinstance(sense.example, list) else [sense.example]
    values = seen.values if seen else tuple(json.dumps(one) for one in first)
    return "".join(
        f'<label>{escape(name)}<input type="number" step="any" required name="x{k}" value="{escape(value)}" autocomplete="off"></label>'
        for k, (name, value) in enumerate(zip(sense.fields, values, strict=True))
    )


def _answered(sense: Sense, seen: Seen) -> str:
    answer = seen.answer
    if answer is None or answer.error is not None:
        return f"<p><strong>No answer.</strong> {escape(seen.problem or (answer.error if answer else '') or '')}</p>"
    made = [f'<p class="act">Action {escape(_action(sense, json.dumps(answer.value)))}</p>']
    if answer.probabilities:
        rows = "".join(
            f'<li><span>{escape(_action(sense, name))}</span><meter min="0" max="1" value="{share:.4f}" '
            f'aria-label="Probability of action {escape(name)}"></meter><span class="share">{100 * share:.1f}%</span></li>'
            for name, share in answer.probabilities.items()
        )
        made.append(f'<ol class="chances">{rows}</ol>')
    if "value" in answer.details:
        made.append(f'<p class="soft">Discounted return from here, as the agent judges it: {answer.details["value"]:.4g}</p>')
    return "".join(made)


def _action(sense: Sense, action: str) -> str:
    return f"{action}: {sense.actions[action]}" if action in sense.actions else action
