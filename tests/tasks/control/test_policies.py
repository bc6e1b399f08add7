"""Networks in NumPy: against a plain computation, alone and beside others, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadData, BadStudy
from bakeoff.tasks.control.policies import Net, check_spaces


def weights(part: str, widths: list[int], seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    found = {}
    for place, (columns, rows) in enumerate(pairwise(widths)):
        found[f"{part}.{place}.weight"] = draw.normal(size=(rows, columns)).astype(np.float32)
        found[f"{part}.{place}.bias"] = draw.normal(size=rows).astype(np.float32)
    return found


def by_hand(held: dict[str, np.ndarray], part: str, row: np.ndarray, activation: str) -> list[float]:
    """Number by number, in Python."""
    now = [float(each) for each in row]
    layers = sum(name.startswith(f"{part}.") for name in held) // 2
    for place in range(layers):
        weight, bias = held[f"{part}.{place}.weight"], held[f"{part}.{place}.bias"]
        now = [sum(float(w) * x for w, x in zip(line, now, strict=True)) + float(b) for line, b in zip(weight, bias, strict=True)]
        if place < layers - 1:
            now = [float(np.tanh(each)) if activation == "tanh" else max(0.0, each) for each in now]
    return now


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_outputs_are_those_of_a_plain_computation(activation: str) -> None:
    held = weights("actor", [3, 5, 4, 2]) | weights("critic", [3, 6, 1], seed=1)
    net = Net(held, spaces.Discrete(2), kind="logits", activation=activation)
    rows = np.random.default_rng(2).normal(size=(7, 3)).astype(np.float32)
    assert net.parts == {"actor": (3, 5, 4, 2), "critic": (3, 6, 1)} and net.multiply_adds == 3 * 5 + 5 * 4 + 4 * 2
    for row, said, action, value, chances in zip(
        rows, net.outputs(rows), net.act(rows), net.says(rows)["value"], net.says(rows)["probabilities"], strict=True
    ):
        right = by_hand(held, "actor", row, activation)
        assert said == pytest.approx(right, rel=1e-4, abs=1e-5)
        assert action == int(np.argmax(right)) and isinstance(action, int)
        assert value == pytest.approx(by_hand(held, "critic", row, activation)[0], rel=1e-4, abs=1e-5)
        assert chances == pytest.approx(np.exp(right) / np.exp(right).sum(), rel=1e-4)


@given(count=st.integers(1, 40), width=st.integers(1, 80), inputs=st.integers(1, 70), seed=st.integers(0, 99))
def test_a_row_is_answered_the_same_alone_and_beside_others(count: int, width: int, inputs: int, seed: int) -> None:
    net = Net(weights("actor", [inputs, width, width, 3], seed), spaces.Discrete(3), kind="q")
    rows = np.random.default_rng(seed).normal(size=(count, inputs)).astype(np.float32)
    together = net.outputs(rows)
    for place in range(count):
        assert np.array_equal(net.outputs(rows[place : place + 1])[0], together[place])


def test_actions_start_where_the_space_does_and_the_first_of_equals_is_taken() -> None:
    held = {"actor.0.weight": np.zeros((3, 2)), "actor.0.bias": np.array([1.0, 2.0, 2.0])}
    assert list(Net(held, spaces.Discrete(3, start=5), kind="scores").act(np.zeros((2, 2)))) == [6, 6]


def test_a_box_action_is_the_mean_within_the_bounds_in_its_shape_and_kind() -> None:
    space = spaces.Box(np.array([[-1, -2]], np.float32), np.array([[1, 2]], np.float32))
    held = {"actor.0.weight": np.array([[10.0], [-0.5]]), "actor.0.bias": np.zeros(2)}
    (action,) = Net(held, space, kind="gaussian").act(np.array([[1.0]]))
    assert action.shape == (1, 2) and action.dtype == np.float32 and action.tolist() == [[1.0, -0.5]] and space.contains(action)


def test_only_what_a_policy_has_is_said() -> None:
    rows = np.ones((1, 2), np.float32)
    linear = weights("actor", [2, 2])
    assert set(Net(linear, spaces.Discrete(2), kind="logits").says(rows)) == {"probabilities"}
    assert Net(linear, spaces.Discrete(2), kind="scores").says(rows) == {}
    valued = Net(linear, spaces.Discrete(2), kind="q")
    assert set(valued.says(rows)) == {"value"} and valued.says(rows)["value"][0] == valued.outputs(rows)[0].max()
    assert Net(linear, spaces.Box(-1, 1, (2,)), kind="gaussian").says(rows) == {}


def test_large_logits_do_not_overflow() -> None:
    held = {"actor.0.weight": np.array([[1e4], [-1e4]], np.float32), "actor.0.bias": np.zeros(2, np.float32)}
    chances = Net(held, spaces.Discrete(2), kind="logits").says(np.ones((1, 1), np.float32))["probabilities"][0]
    assert chances.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "space", "kind", "says"),
    [
        ({}, spaces.Discrete(2), "policy", "'policy'"),
        ({}, spaces.Box(-1, 1, (2,)), "logits", "cannot act in Box"),
        ({}, spaces.Discrete(2), "gaussian", "cannot act in Discrete"),
        ({}, spaces.Discrete(3), "logits", "2 outputs, where Discrete(3) takes 3"),
        ({"actor.1.weight": np.zeros((2, 9))}, spaces.Discrete(2), "logits", "actor.1 do not fit"),
        ({"actor.0.bias": np.zeros(3)}, spaces.Discrete(2), "logits", "actor.0 do not fit"),
        ({"actor.1.bias": np.array([0, np.nan])}, spaces.Discrete(2), "logits", "NaN or infinity"),
        (weights("critic", [3, 2]), spaces.Discrete(2), "logits", "critic has 2 outputs"),
        (weights("critic", [4, 1]), spaces.Discrete(2), "logits", "different length"),
    ],
)
def test_weights_that_make_no_policy_are_refused(
    change: dict[str, np.ndarray], space: spaces.Space, kind: str, says: str
) -> None:
    with pytest.raises(BadData) as caught:
        Net(weights("actor", [3, 5, 2]) | change, space, kind=kind)
    assert says in caught.value.what and caught.value.fix


def test_no_actor_a_wrong_activation_and_wrong_observations_are_refused() -> None:
    with pytest.raises(BadData, match="no actor"):
        Net(weights("critic", [3, 1]), spaces.Discrete(2), kind="logits")
    with pytest.raises(BadData, match="'gelu'"):
        Net(weights("actor", [3, 2]), spaces.Discrete(2), kind="logits", activation="gelu")
    net = Net(weights("actor", [3, 2]), spaces.Discrete(2), kind="logits")
    for rows in (np.zeros((1, 4)), np.zeros(3)):
        with pytest.raises(BadData, match="takes observations of 3 numbers"):
            net.act(rows)


@pytest.mark.parametrize(
    ("observations", "actions", "says"),
    [
        (spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 2]), "cannot take the actions MultiDiscrete"),
        (spaces.Box(-1, 1, (2,)), spaces.Box(0, 5, (1,), np.int64), "whole numbers"),
        (spaces.Sequence(spaces.Discrete(2)), spaces.Discrete(2), "no fixed length"),
        (spaces.Box(-1, 1, (0,)), spaces.Discrete(2), "empty"),
    ],
)
def test_spaces_that_no_network_joins_are_refused_with_the_name(
    observations: spaces.Space, actions: spaces.Space, says: str
) -> None:
    with pytest.raises(BadStudy) as caught:
        check_spaces("cem", observations, actions)
    assert caught.value.what.startswith("cem ") and says in caught.value.what and caught.value.fix
    check_spaces("cem", spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 1, (3,))), spaces.Discrete(2))
