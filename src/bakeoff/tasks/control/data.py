"""From the study's `data` section to worlds that were looked at and the episodes to train, choose and test on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bakeoff.contract import Dataset, Item, Json, Progress, quiet
from bakeoff.errors import BadStudy, nearest, shown
from bakeoff.tasks.control.worlds import Fault, World, known_folder, looked_at, random_action, reset, step

VALID_FROM, TEST_FROM = 500_000, 1_000_000
"""Seeds of validation and of test episodes begin here; training takes its own from below, so that none is ever seen twice."""
ALLOTMENTS = 20
"""Training items a world: a learning curve can take shares of the budget down to a twentieth."""


class ControlData(BaseModel):
    """The `data` section of a study of agents. `environment` or `environments` is required.

    An environment is a Gymnasium id or an entry point (``module:Class``, also of a module beside the study file). `episodes` are played for the
    test, `valid` to choose checkpoints on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    environments: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)] | None = None
    kwargs: dict[str, Any] = Field(default_factory=dict)
    max_steps: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    episodes: Annotated[int, Field(ge=2, le=100_000, strict=True)] = 100
    valid: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    first_seed: Annotated[int, Field(ge=0, le=100_000, strict=True)] = 0
    name: Annotated[str, Field(max_length=200)] | None = None
    licence: Annotated[str, Field(max_length=400)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ControlData:
        if (self.environment is None) == (self.environments is None):
            raise ValueError("exactly one of `environment` and `environments` is needed")
        return self


def read_settings(data: Mapping[str, Json]) -> ControlData:
    """Check the `data` section of a study.

    Raises
    ------
    BadStudy
        For an unknown key (near ones are offered), a missing environment, or a value out of range.
    """
    try:
        return ControlData.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "data"
        if first["type"] == "extra_forbidden":
            raise BadStudy(f"`data` has an unknown key {shown(key)}.", fix=nearest(key, ControlData.model_fields)) from error
        if key == "data":
            raise BadStudy(
                "`data` names no environment, or both `environment` and `environments`.",
                fix="add `environment: CartPole-v1` under `data`",
            ) from error
        says = first["msg"][:1].lower() + first["msg"][1:]
        raise BadStudy(f"`data.{key}` is {shown(first.get('input'))}: {says}.", fix=f"correct `{key}` under `data`") from error


def load_worlds(settings: ControlData, *, base: Path, progress: Progress = quiet) -> Dataset:
    """Look at each environment, and make the items: allotments of training, validation and test episodes.

    Returns
    -------
    Dataset
        `facts` has ``worlds``: per key, the fields of `worlds.Facts`.

    Raises
    ------
    BadData
        For an environment that cannot be opened, or fails in its first episode.
    """
    names = settings.environments or (str(settings.environment),)
    worlds = [World(name, settings.kwargs, settings.max_steps, known_folder(base, name)) for name in names]
    items: list[Item] = []
    facts: dict[str, Any] = {}
    notes: list[str] = []
    for place, world in enumerate(worlds):
        progress(place / len(worlds), f"looking at {world.id}")
        found = looked_at(world)
        facts[world.key] = {**asdict(found), "hidden_range": list(found.hidden_range) if found.hidden_range else None}
        notes.append(
            f"{world.id}: observations {found.observations}, actions {found.actions}; an episode is cut off after {found.limit:,} steps."
        )
        items += _items(world, settings, prefix="" if len(worlds) == 1 else f"{world.key} ")
    progress(1.0, "checked")
    return Dataset(
        items=tuple(items),
        name=settings.name or " and ".join(dict.fromkeys(names)),
        licence=settings.licence or "unstated",
        notes=tuple(notes),
        facts={"worlds": facts},
    )


def _items(world: World, settings: ControlData, prefix: str) -> list[Item]:
    said = world.named()
    parts: Sequence[tuple[str, int, int]] = (
        ("train", ALLOTMENTS, 0),
        ("valid", settings.valid, VALID_FROM + settings.first_seed),
        ("test", settings.episodes, TEST_FROM + settings.first_seed),
    )
    return [
        Item(
            f"{prefix}{part}-{count}",
            {**said, "share": 1 / number} if part == "train" else {**said, "seed": first + count},
            meta={"part": part},
        )
        for part, number, first in parts
        for count in range(number)
    ]


def observations(world: World, count: int) -> list[Json]:
    """The first `count` observations that random actions meet, over as many episodes as it takes, as JSON; deterministic."""
    import numpy as np

    from bakeoff.tasks.control.episodes import plain

    env, draw, seed = world.open(), np.random.default_rng(0), 0
    found: list[Json] = []
    try:
        while len(found) < count:
            observation, _ = reset(env, seed)
            seed += 1
            done = False
            while not done and len(found) < count:
                found.append(plain(observation))
                observation, _, terminated, truncated, _ = step(env, random_action(env.action_space, draw))
                done = terminated or truncated
    except Fault:
        pass  # those that were met are enough; what is wrong is said where episodes are played
    finally:
        env.close()
    return found
