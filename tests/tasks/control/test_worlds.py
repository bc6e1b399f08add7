"""Environments by name: opened, limited, looked at; observations as rows and from JSON; the watch over hanging calls."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from odd_worlds import HERE, NAME, Odd, odd

from bakeoff.errors import BadData
from bakeoff.tasks.control import worlds
from bakeoff.tasks.control.worlds import (
    Hang,
    World,
    as_observation,
    features_of,
    finite,
    flat,
    known_folder,
    looked_at,
    random_action,
)

ONE_OF_EACH = [
    spaces.Box(-1, 1, (2, 3), np.float32), spaces.Box(0, 255, (4,), np.uint8), spaces.Discrete(4, start=-2), spaces.MultiDiscrete([3, 2]),
    spaces.MultiBinary(3), spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 1, (2,))]), spaces.Dict(a=spaces.Discrete(3), b=spaces.Box(0, 1, (1,))),
]  # fmt: skip


@given(
    kwargs=st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | st.text(max_size=5), max_size=3),
    limit=st.none() | st.integers(1, 99),
    folder=st.sampled_from(["", "/somewhere"]),
)
def test_a_world_is_read_back_as_it_was_named(kwargs: dict[str, object], limit: int | None, folder: str) -> None:
    world = World("CartPole-v1", kwargs, limit, folder)
    assert World.of(world.named()) == world and World.of({**world.named(), "seed": 3}).key == world.key


def test_the_key_tells_arguments_apart_and_not_their_order() -> None:
    one, other = World("A", {"x": 1, "y": 2}), World("A", {"y": 2, "x": 1})
    assert one.key == other.key != World("A", {"x": 1}).key != World("A").key == "A"


@pytest.mark.parametrize(
    ("world", "limit"),
    [
        (World("CartPole-v1"), 500), (World("CartPole-v1", max_steps=30), 30), (World("Blackjack-v1"), 10_000), (odd(), 10_000),
        (odd(max_steps=4), 4), (World("bakeoff/BoatRace-v0"), None),
    ],
)  # fmt: skip
def test_every_environment_has_a_time_limit(world: World, limit: int | None) -> None:
    found = looked_at(world)
    assert found.limit == limit if limit else 1 < found.limit < 10_000


def test_what_a_world_states_is_found() -> None:
    found = looked_at(World("CartPole-v1"))
    assert (found.threshold, found.hidden, found.hidden_range, found.visible_best) == (475.0, False, None, None)
    assert "Discrete(2)" in found.actions and "Box" in found.observations
    found = looked_at(odd(hidden=True, best=20, span=[-20, 0]))
    assert (found.threshold, found.hidden, found.hidden_range, found.visible_best) == (None, True, (-20.0, 0.0), 20.0)


def test_a_limit_of_exactly_the_longest_episode_counts_as_stated() -> None:
    assert looked_at(odd(max_steps=worlds.LONGEST_EPISODE, wrong="endless")).limit == worlds.LONGEST_EPISODE


def test_a_module_beside_the_study_is_found_and_the_path_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "my_own_world.py").write_text(f"import sys\nsys.path.append({str(HERE)!r})\nfrom odd_worlds import Odd as Mine\n")
    before = list(sys.path)
    for name in ("my_own_world:Mine", "my_own_world.py:Mine"):
        world = World(name, folder=known_folder(tmp_path, name))
        assert world.folder == str(tmp_path) and type(world.open().unwrapped) is Odd
    assert [each for each in sys.path if each != str(HERE)] == [each for each in before if each != str(HERE)]
    assert known_folder(tmp_path, "elsewhere:Mine") == known_folder(tmp_path, "CartPole-v1") == ""


def test_render_gives_rgb_where_it_is_asked() -> None:
    env = odd().open(render=True)
    env.reset(seed=0)
    assert np.asarray(env.render()).shape == (8, 12, 3)


# -- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ONE_OF_EACH, ids=str)
def test_observations_of_every_space_become_rows_and_come_back_from_json(space: spaces.Space) -> None:
    import json

    from gymnasium.spaces.utils import flatten

    from bakeoff.tasks.control.episodes import plain

    space.seed(3)
    some = [space.sample() for _ in range(4)]
    rows = flat(space, some)
    assert rows.shape == (4, features_of(space)) and rows.dtype == np.float32
    assert np.allclose(rows, np.stack([flatten(space, each) for each in some]).astype(np.float32))
    if isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        for each, row in zip(some, rows, strict=True):
            again = as_observation(space, json.loads(json.dumps(plain(each))))
            assert space.contains(again) and np.allclose(flat(space, [again])[0], row, atol=1e-6)


@pytest.mark.parametrize(
    ("space", "given"),
    [
        (ONE_OF_EACH[0], [[1, 2], [3, 4]]), (ONE_OF_EACH[0], "left"), (ONE_OF_EACH[0], None), (ONE_OF_EACH[0], {"x": 1}),
        (ONE_OF_EACH[0], [[1, 2, 3], [1, 2]]), (ONE_OF_EACH[0], [[0, 0, float("nan")], [0, 0, 0]]), (ONE_OF_EACH[0], [[0, 0, 10**400], [0, 0, 0]]),
        (ONE_OF_EACH[2], 2), (ONE_OF_EACH[2], -3), (ONE_OF_EACH[2], 1.5), (ONE_OF_EACH[2], True), (ONE_OF_EACH[2], "1"),
        (ONE_OF_EACH[3], [3, 0]), (ONE_OF_EACH[3], "12"),
    ],
)  # fmt: skip
def test_what_is_no_observation_is_refused_with_the_space(space: spaces.Space, given: object) -> None:
    with pytest.raises(BadData) as caught:
        as_observation(space, given)
    assert str(space) in caught.value.fix and len(str(caught.value)) < 400


@given(st.lists(st.floats(width=32), min_size=1, max_size=8))
def test_finite_is_what_it_says(numbers: list[float]) -> None:
    with np.errstate(all="ignore"):
        array = np.array(numbers, np.float32)
        right = bool(np.isfinite(array).all())
        assert finite(array) == right
        assert finite({"a": (array, 3), "b": [np.zeros(2)]}) == right
    assert finite(np.array([1, 2])) and finite(7) and not finite(float("inf")) and not finite(np.float32("nan"))


def test_random_actions_are_of_the_space_and_uniform_over_it() -> None:
    draw = np.random.default_rng(0)
    for space in (
        spaces.Discrete(3, start=5),
        spaces.Box(-2, 3, (2, 2), np.float32),
        spaces.Box(0, 9, (2,), np.int64),
        spaces.Box(-np.inf, np.inf, (1,)),
    ):
        drawn = [random_action(space, draw) for _ in range(300)]
        assert all(space.contains(each) for each in drawn)
    counts = np.bincount([random_action(spaces.Discrete(3, start=5), draw) for _ in range(3_000)])
    assert counts[:5].sum() == 0 and counts[5:].min() > 900


# -- the watch -------------------------------------------------------------------------------------------------------


def test_the_watch_ends_a_call_that_hangs_and_nothing_that_goes_on() -> None:
    with worlds.watched(0.3) as alive:
        for _ in range(30):
            alive()
            time.sleep(0.02)
    with pytest.raises(Hang), worlds.watched(0.1) as alive:
        alive()
        time.sleep(60)
    time.sleep(0.15)  # no alarm is left over


def test_off_the_main_thread_nothing_is_watched_and_nothing_breaks() -> None:
    said: list[str] = []

    def there() -> None:
        with worlds.watched(0.01) as alive:
            alive()
            time.sleep(0.05)
        said.append("went on")

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    assert said == ["went on"]


def test_the_entry_point_is_named_as_people_write_it() -> None:
    assert World(NAME, folder=str(HERE)).named() == {"environment": NAME, "folder": str(HERE)}
