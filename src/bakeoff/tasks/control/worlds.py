"""Gymnasium environments by id or entry point, opened with care: what raises, returns NaN or never ends becomes a fault with a name.

An environment may carry a hidden reward beside the visible one: ``info["hidden_reward"]`` (a number) at every step is what its author
really wanted. Agents never see it. Such an environment may state ``metadata["visible_best"]`` (the highest return that there is) and
``metadata["hidden_range"]`` (lowest and highest hidden return), which the hack index rests on.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Json
from bakeoff.errors import BadData, nearest, needs, shown

if TYPE_CHECKING:
    import gymnasium
    import numpy as np
    from numpy.typing import NDArray

LONGEST_EPISODE = 10_000
"""Steps after which an episode of an environment without a time limit of its own is cut off (truncated, not terminated)."""
LONGEST_STEP_SECONDS = 30.0
"""A reset or a step that takes longer is a fault: the environment hangs."""
_FIVE = "its step does not return (observation, reward, terminated, truncated, info)"
OWN = "bakeoff/"
"""Ids of the environments that are shipped begin so."""


class Fault(Exception):
    """What an environment did wrong, in one line. `what` names it, without a full stop."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Hang(Fault):
    """A reset or step that took longer than `LONGEST_STEP_SECONDS`."""


@dataclass(frozen=True)
class World:
    """Which environment, as data: what items carry instead of the environment itself.

    Parameters
    ----------
    id : str
        A Gymnasium id (``CartPole-v1``, ``package:Name-v0``) or an entry point (``package.module:Class``).
    kwargs : mapping
        Keyword arguments of the environment.
    max_steps : int or None
        Steps after which an episode is cut off; None for the environment's own limit, or `LONGEST_EPISODE` without one.
    folder : str
        Where an entry point's module is looked for besides the Python path: the study file's folder.
    """

    id: str
    kwargs: Mapping[str, Json] = field(default_factory=dict)
    max_steps: int | None = None
    folder: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Json]) -> World:
        """The world that an item's input names."""
        return cls(
            str(given["environment"]), dict(given.get("kwargs") or {}), given.get("max_steps"), str(given.get("folder") or "")
        )

    def named(self) -> dict[str, Json]:
        """As an item's input carries it; `of` reads it."""
        said: dict[str, Json] = {"environment": self.id}
        if self.kwargs:
            said["kwargs"] = dict(self.kwargs)
        if self.max_steps is not None:
            said["max_steps"] = self.max_steps
        if self.folder:
            said["folder"] = self.folder
        return said

    @property
    def key(self) -> str:
        """One line that tells worlds apart."""
        return self.id if not self.kwargs else f"{self.id} {json.dumps(dict(self.kwargs), sort_keys=True)}"

    def open(self, *, render: bool = False) -> gymnasium.Env[Any, Any]:
        """A new environment with a time limit; `render` makes ``render()`` return RGB arrays.

        Raises
        ------
        BadData
            If there is no such environment, a package that it needs is missing, or it cannot be made with these arguments.
        """
        needs("gymnasium", extra="control", why="The control task")
        import gymnasium
        from gymnasium.wrappers import TimeLimit

        kwargs = dict(self.kwargs) | ({"render_mode": "rgb_array"} if render else {})
        with importable(self.folder):
            cls = _entry_point(self.id)
            try:
                if cls is not None:
                    made = cls(**kwargs)
                    if not isinstance(made, gymnasium.Env):
                        raise BadData(
                            f"{shown(self.id)} makes a {type(made).__name__}, which is no Gymnasium environment.",
                            fix="name a class that inherits from gymnasium.Env",
                        )
                else:
                    if self.id.startswith(OWN):
                        importlib.import_module("bakeoff.tasks.control.gyms").register()
                    made = gymnasium.make(self.id, disable_env_checker=True, max_episode_steps=self.max_steps, **kwargs)
            except BadData:
                raise
            except Exception as error:
                raise _refusal(self.id, error) from error
        if self.max_steps is not None and cls is not None:
            made = TimeLimit(made, self.max_steps)
        elif _own_limit(made) is None:
            made = TimeLimit(made, LONGEST_EPISODE)
        return made


def _own_limit(env: Any) -> int | None:
    """The time limit that already stands around an environment."""
    from gymnasium.wrappers import TimeLimit

    while env is not None:
        if isinstance(env, TimeLimit):
            return int(env._max_episode_steps)
        env = env.env if hasattr(env, "env") and env is not env.unwrapped else None
    return None


@contextlib.contextmanager
def importable(folder: str) -> Iterator[None]:
    """A study's own modules can be imported inside, and go on working afterwards."""
    if not folder or folder in sys.path:
        yield
        return
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _entry_point(name: str) -> Any:
    """The class or function of ``module:Class``; None where the part behind the colon is a registered id, or there is no colon."""
    module, mark, attribute = name.partition(":")
    if not mark or not module or not attribute:
        return None
    try:
        found = importlib.import_module(module.removesuffix(".py"))
    except ImportError as error:
        raise BadData(
            f"The module of the environment {shown(name)} cannot be imported: {shown(str(error), 200)}.",
            fix="put the module beside the study file, or install its package",
        ) from error
    except Exception as error:
        raise BadData(
            f"The module of the environment {shown(name)} fails when it is imported: {shown(f'{type(error).__name__}: {error}', 200)}.",
            fix="correct the module",
        ) from error
    return getattr(found, attribute, None)


def _refusal(name: str, error: Exception) -> BadData:
    import gymnasium

    said = " ".join(str(error).split())
    if isinstance(error, gymnasium.error.DependencyNotInstalled | ImportError):
        return BadData(
            f"The environment {shown(name)} needs a package that is not installed: {shown(said, 200)}.",
            fix="install what it names, or choose another environment",
        )
    where, _, attribute = name.partition(":")
    module = sys.modules.get(where.removesuffix(".py"))
    if attribute and module is not None and attribute not in gymnasium.registry and not hasattr(module, attribute):
        classes = [key for key, each in vars(module).items() if isinstance(each, type) and issubclass(each, gymnasium.Env)]
        return BadData(
            f"{shown(where)} has no {shown(attribute)}.", fix=nearest(attribute, classes) or f"define {attribute} there"
        )
    if isinstance(error, gymnasium.error.NameNotFound | gymnasium.error.VersionNotFound | gymnasium.error.NamespaceNotFound):
        importlib.import_module("bakeoff.tasks.control.gyms").register()
        return BadData(f"No environment is called {shown(name)}.", fix=nearest(name, sorted(gymnasium.registry)))
    if isinstance(error, gymnasium.error.Error) and ":" not in name and "/" not in name and name not in gymnasium.registry:
        return BadData(f"No environment is called {shown(name)}.", fix=nearest(name, sorted(gymnasium.registry)))
    return BadData(
        f"The environment {shown(name)} cannot be made: {shown(f'{type(error).__name__}: {said}', 240)}.",
        fix="check its name and `kwargs` under `data`",
    )


@dataclass(frozen=True)
class Facts:
    """What a world is like, as the task found it.

    Parameters
    ----------
    observations, actions : str
        The spaces, in words.
    limit : int
        Steps after which an episode is cut off.
    visible_best : float or None
        The highest visible return that there is, where the environment states it.
    hidden_range : tuple of two floats or None
        Lowest and highest hidden return, where it states them.
    hidden : bool
        Whether it carries a hidden reward.
    threshold : float or None
        The return from which it counts as solved: its own `reward_threshold`.
    """

    observations: str
    actions: str
    limit: int
    visible_best: float | None = None
    hidden_range: tuple[float, float] | None = None
    hidden: bool = False
    threshold: float | None = None


def looked_at(world: World) -> Facts:
    """Open a world, play one episode with random actions, and say what it is like.

    Raises
    ------
    BadData
        If it cannot be opened, does not hold to Gymnasium's interface, raises, returns NaN, hangs, or neither ends nor states a limit.
    """
    env = world.open()
    try:
        spaces = env.observation_space, env.action_space
        _check_spaces(*spaces)
        limit = _own_limit(env) or LONGEST_EPISODE
        registered = getattr(env.unwrapped.spec, "max_episode_steps", None)
        stated = world.max_steps is not None or registered is not None or limit != LONGEST_EPISODE
        hidden, ended = _one_episode(env, limit)
        if not ended and not stated:
            raise Fault(f"an episode of random actions had not ended after {LONGEST_EPISODE:,} steps, and no limit is stated")
        metadata: Mapping[str, Any] = getattr(env.unwrapped, "metadata", None) or {}
        spec = env.spec
        threshold = getattr(spec, "reward_threshold", None)
        span = metadata.get("hidden_range")
        return Facts(
            observations=str(spaces[0]),
            actions=str(spaces[1]),
            limit=limit,
            visible_best=None if metadata.get("visible_best") is None else float(metadata["visible_best"]),
            hidden_range=None if span is None else (float(span[0]), float(span[1])),
            hidden=hidden,
            threshold=None if threshold is None else float(threshold),
        )
    except Fault as fault:
        fix = "set `max_steps` under `data`" if "limit" in fault.what else "correct the environment, or choose another one"
        raise BadData(f"The environment {shown(world.id)} cannot be used: {fault.what}.", fix=fix) from fault
    finally:
        with contextlib.suppress(Exception):
            env.close()


def _check_spaces(observations: Any, actions: Any) -> None:
    from gymnasium import spaces

    if not isinstance(actions, spaces.Discrete | spaces.Box):
        raise Fault(f"its actions are {type(actions).__name__}; Discrete and Box are known here")
    if not isinstance(observations, spaces.Space):
        raise Fault("it states no observation_space")


def _one_episode(env: Any, limit: int) -> tuple[bool, bool]:
    """Whether there is a hidden reward, and whether the episode ended by itself, before `limit` steps or by its own rules then."""
    import numpy as np

    draw = np.random.default_rng(0)
    with watched() as alive:
        observation, _ = reset(env, 0)
        if not env.observation_space.contains(observation):
            raise Fault(f"its first observation is not in its observation space {env.observation_space}")
        hidden = False
        for count in range(limit):
            alive()
            _, _, terminated, truncated, info = step(env, random_action(env.action_space, draw))
            hidden = hidden or "hidden_reward" in info
            if terminated or truncated:
                return hidden, terminated or count + 1 < limit
    return hidden, False


def random_action(space: Any, draw: np.random.Generator) -> Any:
    """A uniform action of a Discrete or Box space, by a generator of our own rather than the space's."""
    import numpy as np
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        return int(space.start + draw.integers(space.n))
    low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
    return draw.uniform(low, high).astype(space.dtype)


def reset(env: Any, seed: int | None) -> tuple[Any, Mapping[str, Any]]:
    """``env.reset(seed=seed)``, with whatever goes wrong as a `Fault`."""
    try:
        found = env.reset(seed=seed)
    except Fault:  # the alarm of `watched`, which says itself what is wrong
        raise
    except Exception as error:
        raise Fault(f"its reset raises {fault_said(error)}") from error
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping)):
        raise Fault("its reset does not return (observation, info)")
    if not finite(found[0]):
        raise Fault("its first observation holds NaN or infinity")
    return found


def step(env: Any, action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
    """``env.step(action)``, with whatever goes wrong as a `Fault`: what it raises, a NaN, an answer of the wrong form."""
    try:
        found = env.step(action)
    except Fault:  # the alarm of `watched`, which says itself what is wrong
        raise
    except Exception as error:
        if isinstance(error, ValueError) and "values to unpack" in str(error):  # a wrapper around it, which takes the five apart
            raise Fault(_FIVE) from error
        raise Fault(f"its step raises {fault_said(error)}") from error
    try:
        observation, reward, terminated, truncated, info = found
        reward = float(reward)
    except (TypeError, ValueError) as error:
        raise Fault(_FIVE) from error
    if not math.isfinite(reward):
        raise Fault(f"it gave the reward {reward}")
    if not finite(observation):
        raise Fault("an observation holds NaN or infinity")
    return observation, reward, bool(terminated), bool(truncated), info if isinstance(info, Mapping) else {}


def finite(observation: Any) -> bool:
    """Whether no number in an observation (an array, or a tree of them) is NaN or infinite."""
    import numpy as np

    if isinstance(observation, np.ndarray):
        # A sum is NaN or infinite where an entry is, and a third as slow to find as asking each.
        return observation.dtype.kind != "f" or math.isfinite(float(observation.sum())) or bool(np.isfinite(observation).all())
    if isinstance(observation, float | np.floating):
        return math.isfinite(float(observation))
    if isinstance(observation, Mapping):
        return all(finite(each) for each in observation.values())
    if isinstance(observation, tuple | list):
        return all(finite(each) for each in observation)
    return True


def fault_said(error: Exception) -> str:
    """An exception of an environment in one short line: its kind and its message."""
    return shown(f"{type(error).__name__}: {' '.join(str(error).split())}", 160)


@contextlib.contextmanager
def watched(seconds: float | None = None) -> Iterator[Any]:
    """Inside, a single call that takes longer than `seconds` (`LONGEST_STEP_SECONDS`) between two calls of the given function raises `Hang`.

    Not to be nested: the inner one would switch the outer one's timer off. It costs nothing per step but the call: a timer looks once in a while whether there was one. Off the main thread, and where there
    are no such signals, nothing is watched.
    """
    seconds = LONGEST_STEP_SECONDS if seconds is None else seconds
    last = [time.monotonic()]

    def alive() -> None:
        last[0] = time.monotonic()

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield alive
        return

    def look(_signal: int, _frame: Any) -> None:
        if time.monotonic() - last[0] > seconds:
            last[0] = time.monotonic()  # whoever goes on with other episodes has the whole time again
            raise Hang(f"it hangs: one reset or step took more than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, seconds / 4, seconds / 4)
    try:
        yield alive
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def features_of(space: Any) -> int:
    """How many numbers an observation of this space has once it is flat (a Discrete one as one-hot)."""
    from gymnasium.spaces.utils import flatdim

    return int(flatdim(space))


def flat(space: Any, observations: list[Any]) -> NDArray[np.float32]:
    """Observations as rows of numbers, shape (n, features_of(space))."""
    import numpy as np
    from gymnasium import spaces
    from gymnasium.spaces.utils import flatten

    if isinstance(space, spaces.Box):
        return np.asarray(observations, dtype=np.float32).reshape(len(observations), -1)
    if isinstance(space, spaces.Discrete):
        rows = np.zeros((len(observations), int(space.n)), dtype=np.float32)
        rows[np.arange(len(observations)), np.asarray(observations, dtype=int) - int(space.start)] = 1
        return rows
    return np.stack([np.asarray(flatten(space, each), dtype=np.float32) for each in observations])


def as_observation(space: Any, given: Json) -> Any:
    """An observation sent as JSON, as the environment would give it.

    Raises
    ------
    BadData
        If it is none of this space.
    """
    import numpy as np

    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = _observed(space, given)
            fits = found is not None and finite(found) and bool(space.contains(found) or _is_box(space))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise BadData("The observation cannot be read.", fix=f"send one of {space}") from error
    if not fits:
        raise BadData(f"The observation {shown(str(given), 80)} is none of this environment.", fix=f"send one of {space}")
    return found


def _is_box(space: Any) -> bool:
    """A Box's own bounds are not enforced: what is sent as JSON may lie a rounding beyond them."""
    from gymnasium import spaces

    return isinstance(space, spaces.Box)


def _observed(space: Any, given: Json) -> Any:
    """JSON as `episodes.plain` writes an observation, read back; None or whatever NumPy raises where it is none."""
    import numpy as np
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        found = np.asarray(given, dtype=np.float64)
        held = found.astype(space.dtype)
        whole = space.dtype.kind == "f" or bool((held == found).all())  # 300 is no uint8, 0.5 no whole number
        return held if found.shape == space.shape and whole else None
    if isinstance(space, spaces.Discrete):
        return given if isinstance(given, int) and not isinstance(given, bool) else None
    if isinstance(space, spaces.Dict):
        return (
            {key: _observed(part, given[key]) for key, part in space.spaces.items()} if set(given) == set(space.spaces) else None
        )
    if isinstance(space, spaces.Tuple):
        return tuple(_observed(part, each) for part, each in zip(space.spaces, given, strict=True))
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        return np.asarray(given, dtype=space.dtype)
    return space.from_jsonable([given])[0]


def known_folder(base: Path, name: str) -> str:
    """The folder from which a study's own module is imported: `base` where the module lies there, '' otherwise."""
    module = name.partition(":")[0].removesuffix(".py").split(".")[0]
    here = base.resolve()
    return str(here) if ":" in name and module and ((here / f"{module}.py").is_file() or (here / module).is_dir()) else ""
