"""A training as it is followed: rows, clocks, best and last, thinning, and going on after an interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_worlds import odd

from bakeoff.contract import quiet
from bakeoff.errors import RunError
from bakeoff.tasks.control import course as course_module
from bakeoff.tasks.control.course import MOST_KEPT, Course
from bakeoff.tasks.control.worlds import World


class Lasting:
    """Stays in reach for `steps` steps, then walks out: a return that is known beforehand, in a world that does not shake."""

    def __init__(self, right: bool) -> None:
        self.right = right

    def act(self, observations: Any, draws: Sequence[Any]) -> Sequence[int]:
        return [1 if self.right else int(row[0] < 0) for row in observations]


LONG, SHORT = Lasting(False), Lasting(True)
SEEDS = (500_000, 500_001, 500_002)


def course(
    budget: int = 1_000, evaluations: int = 4, seeds: Sequence[int] = SEEDS, progress: Any = quiet, **kwargs: Any
) -> Course:
    return Course(odd(**{"length": 60, **kwargs}), seeds, budget, evaluations=evaluations, progress=progress)


def at(number: float) -> dict[str, np.ndarray]:
    return {"w": np.array([number])}


def test_a_row_says_what_the_validation_episodes_returned() -> None:
    made = course(hidden=True)
    assert made.due(0) and made.evaluate(0, LONG, at(0)) and not made.due(249) and made.due(250)
    row = made.rows[0]
    assert (row["step"], row["return"], row["low"], row["high"], row["length"], row["hidden"]) == (0, 60, 60, 60, 60, -60)
    made.evaluate(250, SHORT, at(1))
    assert made.rows[1]["low"] <= made.rows[1]["return"] <= made.rows[1]["high"] < 30
    json.dumps(made.rows, allow_nan=False)


def test_best_is_the_highest_mean_and_the_later_of_equals_and_last_is_last() -> None:
    made = course()
    said = [made.evaluate(100 * k, policy, at(k)) for k, policy in enumerate([SHORT, LONG, LONG, SHORT])]
    assert said == [True, True, True, False]
    assert made.best == 2 and made.weights[made.best]["w"][0] == 2 and made.weights[-1]["w"][0] == 3


def test_without_validation_the_last_is_the_best() -> None:
    made = course(seeds=())
    assert [made.evaluate(k, SHORT, at(k)) for k in range(3)] == [True] * 3 and made.best == 2
    assert made.rows[2]["return"] == 0.0


def test_weights_are_copied_when_they_are_kept() -> None:
    made, weights = course(), {"w": np.zeros(3)}
    made.evaluate(0, SHORT, weights)
    weights["w"] += 5
    assert made.weights[0]["w"].tolist() == [0, 0, 0]


def test_the_clocks_stand_still_while_it_evaluates_and_run_while_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(course_module, "time", SimpleNamespace(process_time=lambda: now[0], perf_counter=lambda: 3 * now[0]))

    class Slow(Lasting):
        def act(self, observations: Any, draws: Sequence[Any]) -> Sequence[int]:
            now[0] += 1_000
            return super().act(observations, draws)

    made = course()
    now[0] += 5
    made.start()
    assert (made.cpu_seconds, made.seconds) == (0, 0)
    now[0] += 2
    made.evaluate(0, Slow(False), at(0))
    assert now[0] > 60_000 and (made.cpu_seconds, made.seconds) == (2, 6)
    now[0] += 0.5
    made.evaluate(250, Slow(True), at(0))
    assert [(row["cpu_seconds"], row["seconds"]) for row in made.rows] == [(2, 6), (2.5, 7.5)]


def test_progress_is_told_in_steps_and_never_beyond_the_whole() -> None:
    heard: list[tuple[float, str]] = []
    made = course(progress=lambda fraction, note="": heard.append((fraction, note)))
    for step in (0, 500, 2_000):
        made.evaluate(step, LONG, at(0))
    assert [fraction for fraction, _ in heard] == [0, 0.5, 1]
    assert heard[1][1] == "500 of 1,000 steps, mean return 60"


@given(returns=st.lists(st.booleans(), min_size=1, max_size=90))
def test_however_long_it_is_few_weights_are_kept_and_first_best_and_last_among_them(returns: list[bool]) -> None:
    made = course(seeds=())
    for k, good in enumerate(returns):
        made.rows.append({"step": float(k), "return": float(good)})
        made.weights.append(at(k))
        made.best = max(range(k + 1), key=lambda i: (made.rows[i]["return"], i))
        made._thin()
    kept = [i for i, each in enumerate(made.weights) if each]
    assert len(kept) <= 2 * MOST_KEPT + 2 and {0, made.best, len(returns) - 1} <= set(kept)
    shown = made.shown()
    assert shown == sorted(set(shown)) and set(shown) <= set(kept) and {0, made.best, len(returns) - 1} <= set(shown)
    assert len(shown) == min(len(kept), MOST_KEPT)


def test_what_was_kept_is_found_whole(tmp_path: Path) -> None:
    made = course(budget=40)
    for k in range(20):
        made.evaluate(2 * k, LONG if k % 3 else SHORT, at(k))
    state = {"mean": np.arange(3.0), "count": np.array([7], np.int64)}
    made.keep(tmp_path, state, {"step": 38, "draw": {"state": 2**100}})
    assert [each.name for each in tmp_path.iterdir()] == ["course.safetensors"]
    again = course(budget=40)
    held = again.found(tmp_path)
    assert held is not None
    assert held[0]["mean"].tolist() == [0, 1, 2] and held[0]["count"].dtype == np.int64
    assert held[1] == {"step": 38, "draw": {"state": 2**100}}
    assert (again.rows, again.best, again._next, again.shown()) == (made.rows, made.best, made._next, made.shown())
    assert [sorted(each) for each in again.weights] == [sorted(each) for each in made.weights]
    assert all(np.array_equal(a["w"], b["w"]) for a, b in zip(again.weights, made.weights, strict=True) if b)
    assert again.cpu_seconds >= made.rows[-1]["cpu_seconds"]


def test_a_course_of_something_else_a_torn_file_and_none_are_nothing_to_go_on_from(tmp_path: Path) -> None:
    made = course()
    made.evaluate(0, SHORT, at(0))
    made.keep(tmp_path, {"mean": np.zeros(1)}, {})
    for other in (course(budget=999), course(evaluations=5), course(seeds=(1,)), course(length=61)):
        assert other.found(tmp_path) is None and other.rows == []
    file = tmp_path / "course.safetensors"
    whole = file.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", b"x" * 100):
        file.write_bytes(torn)
        assert course().found(tmp_path) is None
    file.unlink()
    assert course().found(tmp_path) is None


def test_an_environment_that_fails_in_validation_ends_the_training_in_words() -> None:
    with pytest.raises(RunError) as caught:
        course(wrong="raises", only=SEEDS[1]).evaluate(0, LONG, at(0))
    assert "the boat sank" in caught.value.what and World.of(odd().named()).id in caught.value.what
