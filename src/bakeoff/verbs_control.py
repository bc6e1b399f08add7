"""Ask an agent of a run what to do, and let it play.

>>> from bakeoff import open_agent
>>> open_agent("latest", "ppo").act([0.01, 0.02, 0.03, -0.04])     # doctest: +SKIP
0
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.errors import BadData, RunError, nearest, needs

if TYPE_CHECKING:
    from bakeoff.run.ledger import Ledger
    from bakeoff.tasks.control.agent import Agent
    from bakeoff.tasks.control.episodes import Episode, Policy
    from bakeoff.tasks.control.worlds import World

FIRST_SEED = 2_000_000
"""Episodes that are played without a seed begin here: beyond those that agents are trained, chosen and tested on."""


class Says(NamedTuple):
    """What an agent would do, and what it thinks of the state.

    Attributes
    ----------
    action : int or list
        As the environment takes it.
    probabilities : dict of action to float, or None
        Sums to 1; None where the policy has none.
    value : float or None
        The discounted return that it expects from here on; None where it has no critic.
    """

    action: Any
    probabilities: dict[int, float] | None = None
    value: float | None = None


class AgentCall:
    """An agent that was learned, as an object: ``act`` decides, ``says`` tells more, ``play`` plays.

    Attributes
    ----------
    environments : tuple of str
        The environments that it knows; where there are several, each method needs `environment`.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.environments = tuple(world.key for world in agent.worlds_)

    def act(self, observation: Any, *, environment: str = "", seed: int = 0) -> Any:
        """What to do about an observation.

        Parameters
        ----------
        observation : array, list, int or mapping
            As the environment gives it.
        environment : str
            Which one, where the agent knows several.
        seed : int
            Of what the policy draws, where it chooses at random: the same seed, the same action.

        Returns
        -------
        int, array or whatever the environment's ``step`` takes

        Raises
        ------
        BadData
            If the observation is none of the environment, or there is no such environment.
        """
        import numpy as np

        world, policy = self._at(environment)
        return policy.act(self._row(world, observation), [np.random.default_rng(seed)])[0]

    def says(self, observation: Any, *, environment: str = "", seed: int = 0) -> Says:
        """As `act`, with probabilities and value where the policy has them."""
        from bakeoff.tasks.control.episodes import plain

        world, policy = self._at(environment)
        row = self._row(world, observation)
        action = plain(self.act(observation, environment=environment, seed=seed))
        tells = getattr(policy, "says", None)
        held = tells(row) if tells is not None else {}
        chances = None
        if "probabilities" in held:
            names = self._agent._actions(world)
            chances = {name: float(p) for name, p in zip(names, held["probabilities"][0], strict=True)}
        return Says(action, chances, float(held["value"][0]) if "value" in held else None)

    def play(self, episodes: int = 1, *, environment: str = "", seed: int = FIRST_SEED) -> list[Episode]:
        """Play whole episodes, from the seeds `seed`, `seed` + 1 and so on. The same seeds give the same episodes.

        Returns
        -------
        list of bakeoff.tasks.control.episodes.Episode
            Each has ``total`` (the visible return), ``length`` in steps, ``terminated`` (False where it was cut off) and ``hidden``.

        Raises
        ------
        BadData
            If `episodes` or `seed` is out of range, or the environment cannot be opened.
        RunError
            If the environment fails in an episode.
        """
        from bakeoff.tasks.control.course import failed
        from bakeoff.tasks.control.episodes import play
        from bakeoff.tasks.control.worlds import Fault

        if isinstance(episodes, bool) or not isinstance(episodes, int) or not 1 <= episodes <= 1_000_000:
            raise BadData(f"`episodes` is {episodes!r}.", fix="give a whole number from 1 to 1,000,000")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31 - episodes:
            raise BadData(f"`seed` is {seed!r}.", fix="give a whole number from 0 to about two thousand million")
        world, policy = self._at(environment)
        played: list[Episode] = []
        for one in play(world, policy, range(seed, seed + episodes)):
            if isinstance(one, Fault):
                raise failed(world, one)
            played.append(one)
        return played

    def _at(self, environment: str) -> tuple[World, Policy]:
        worlds = self._agent.worlds_
        fit = [world for world in worlds if environment in (world.key, world.id) or (not environment and len(worlds) == 1)]
        if len(fit) != 1:
            what = f"The agent knows no environment {environment!r}." if environment else "The agent knows several environments."
            fix = nearest(environment, self.environments) if environment else f"say which: {', '.join(self.environments)}"
            raise BadData(what, fix=fix)
        return fit[0], self._agent.policy(fit[0])

    def _row(self, world: World, observation: Any) -> Any:
        from bakeoff.tasks.control.worlds import as_observation, flat

        space = self._agent._spaces(world)[0]  # remembered: the environment is opened for the first observation only
        return flat(space, [as_observation(space, _as_json(observation))])


def open_agent(run: str | Path, approach: str | None = None, *, runs: str | Path = "runs") -> AgentCall:
    """An agent of a run, ready to act. It learns nothing more, and loads no training library.

    Parameters
    ----------
    run : str or path
        ``RUN`` or ``RUN:approach`` of the control task: a name, a path or ``latest``.
    approach : str or None
        Which agent; by default the one that `run` names, or else the verdict's choice.
    runs : path
        Folder of the run folders.

    Raises
    ------
    BakeoffError
        If there is no such run or approach, it is of another task, or nothing of it is saved.
    """
    from bakeoff.run.saved import find_saved, restore

    needs("gymnasium", extra="control", why="An agent")
    ledger, named = find_saved(str(run), Path(runs))
    task = ledger.study().task
    if task != "control":
        raise RunError(f"{ledger.name} is a run of the {task} task, not of agents.", fix="name a run of the control task")
    agent: Any = restore(ledger, approach or named or _chosen(ledger, str(run)))
    return AgentCall(agent)


def _chosen(ledger: Ledger, what: str) -> str:
    """The approach that the verdict chose."""
    from pydantic import ValidationError

    from bakeoff.decide.record import Document

    try:
        choice = Document.model_validate_json((ledger.folder / "verdict.json").read_bytes()).verdict.choice
    except (OSError, ValidationError):
        choice = None
    if choice is None:
        raise RunError(f"{ledger.name} has no verdict that names a choice.", fix=f"name an approach: open_agent({what!r}, NAME)")
    return str(choice)


def _as_json(observation: Any) -> Any:
    """An observation without NumPy in it; numbers keep every digit."""
    if hasattr(observation, "tolist"):
        return observation.tolist()
    if isinstance(observation, dict):
        return {key: _as_json(each) for key, each in observation.items()}
    if isinstance(observation, Sequence) and not isinstance(observation, str):
        return [_as_json(each) for each in observation]
    return observation
