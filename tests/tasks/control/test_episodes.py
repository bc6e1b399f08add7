"""Playing: alone or together the same, faults apart, films, and values as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_worlds import Odd, odd

from bakeoff.tasks.control.episodes import Episode, filmed, plain, play
from bakeoff.tasks.control.policies import Net
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.worlds import Fault, World

CARTPOLE = World("CartPole-v1")


class Dice:
    """Draws several times a decision, and how often depends on what it draws: only an own generator a row keeps episodes apart."""

    def act(self, observations: Any, draws: Sequence[np.random.Generator]) -> Sequence[Any]:
        return [int(np.sum(draw.integers(2, size=1 + int(draw.integers(3)))) % 2) for draw in draws]


@pytest.mark.parametrize("policy", [Dice(), RandomAgent()._policy(CARTPOLE, {})], ids=["dice", "random"])
def test_episodes_are_the_same_alone_and_together(policy: Any) -> None:
    seeds = list(range(100, 145))
    together = list(play(CARTPOLE, policy, seeds))
    assert [each.seed for each in together if isinstance(each, Episode)] == seeds
    assert (
        together
        == [next(iter(play(CARTPOLE, policy, [seed]))) for seed in seeds]
        == list(play(CARTPOLE, policy, seeds, together=7))
    )
    assert len({each.total for each in together if isinstance(each, Episode)}) > 5


@settings(max_examples=15)
@given(order=st.permutations(list(range(12))))
def test_the_order_of_episodes_makes_no_difference(order: list[int]) -> None:
    world = odd()
    right = {seed: next(iter(play(world, Dice(), [seed]))) for seed in range(12)}
    assert list(play(world, Dice(), order, together=5)) == [right[seed] for seed in order]


def test_a_network_plays_the_same_alone_and_together() -> None:
    draw = np.random.default_rng(0)
    held = {"actor.0.weight": draw.normal(size=(64, 4)), "actor.0.bias": draw.normal(size=64)}
    held |= {"actor.1.weight": draw.normal(size=(2, 64)), "actor.1.bias": draw.normal(size=2)}
    net = Net({name: each.astype(np.float32) for name, each in held.items()}, CARTPOLE.open().action_space, kind="logits")
    assert list(play(CARTPOLE, net, range(20))) == [next(iter(play(CARTPOLE, net, [seed]))) for seed in range(20)]


def test_returns_lengths_and_how_it_ended_are_those_of_the_environment() -> None:
    class Left:
        def act(self, observations: Any, draws: Any) -> Any:
            return [0] * len(observations)

    (played,) = play(CARTPOLE, Left(), [7])
    env = CARTPOLE.open()
    env.reset(seed=7)
    total, length, ended = 0.0, 0, False
    while not ended:
        _, reward, ended, _, _ = env.step(0)
        total, length = total + float(reward), length + 1
    assert played == Episode(7, total, length, True, None)
    (cut,) = play(World("CartPole-v1", max_steps=3), Left(), [7])
    assert cut == Episode(7, 3.0, 3, False, None)


def test_the_hidden_return_is_summed_where_there_is_one() -> None:
    (with_one,) = play(odd(hidden=True, length=6), Dice(), [1])
    (without,) = play(odd(length=6), Dice(), [1])
    assert isinstance(with_one, Episode) and isinstance(without, Episode)
    assert (with_one.hidden, with_one.total, without.hidden) == (-6.0, 6.0, None)


def test_a_fault_is_the_outcome_of_its_episode_wherever_it_stands() -> None:
    for place in range(3):
        played = list(play(odd(wrong="raises", only=place, at=0), Dice(), [0, 1, 2], together=2))
        assert [isinstance(each, Fault) for each in played] == [each == place for each in range(3)]


def test_a_film_has_a_frame_a_step_and_the_last_one_and_is_the_same_episode() -> None:
    world = odd(length=6, hidden=True)
    film = filmed(world, Dice(), 3, most_steps=100)
    (played,) = play(world, Dice(), [3])
    assert isinstance(played, Episode)
    assert (film.total, film.length, film.terminated, film.hidden) == (
        played.total,
        played.length,
        played.terminated,
        played.hidden,
    )
    assert len(film.frames) == 7 and all(each.shape == (8, 12, 3) for each in film.frames)
    assert len(filmed(world, Dice(), 3, most_steps=100, every=4).frames) == 3
    short = filmed(world, Dice(), 3, most_steps=2, render=False)
    assert (short.length, short.frames, len(short.steps)) == (2, (), 2)
    assert all(first["next"] == second["observation"] for first, second in zip(film.steps, film.steps[1:], strict=False))
    json.dumps(film.steps, allow_nan=False)


def test_a_film_of_what_cannot_be_rendered_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fault, match="the boat sank"):
        filmed(odd(wrong="raises"), Dice(), 0, most_steps=10)
    monkeypatch.setattr(Odd, "render", lambda self: np.zeros((4, 4), np.uint8))
    with pytest.raises(Fault, match=r"no RGB picture but an array of shape \(4, 4\)"):
        filmed(odd(), Dice(), 0, most_steps=10)
    monkeypatch.setattr(Odd, "render", lambda self: 1 / 0)
    with pytest.raises(Fault, match="its render raises ZeroDivisionError"):
        filmed(odd(), Dice(), 0, most_steps=10)


def test_values_become_json() -> None:
    value = {"a": np.float32(0.5), "b": (np.int64(3), np.array([[1.25, 2]])), "c": np.array(7), "d": True, 5: None}
    assert plain(value) == {"a": 0.5, "b": [3, [[1.25, 2.0]]], "c": 7, "d": True, "5": None}
    assert type(plain(np.bool_(True))) is bool and json.dumps(plain(value))
