"""What a Stable-Baselines3 model holds, as arrays by name: its policy for NumPy, its parts for people, its whole state to go on from.

Stable-Baselines3's own ``save`` writes a zip with pickles, which run code when they are read; nothing of that is used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

BUFFERED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
COUNTS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls")


def exported(model: Any) -> Arrays:
    """The acting network as `bakeoff.tasks.control.policies.Net` reads it: ``actor.0.weight`` ... and, of an actor-critic, ``critic.0.weight`` ...

    A DQN's actor is its Q network (not the target network). Copies: training goes on without changing them.
    """
    found: Arrays = {}
    for part, layers in _layers(model).items():
        for place, layer in enumerate(layers):
            found[f"{part}.{place}.weight"] = layer.weight.detach().cpu().numpy().copy()
            found[f"{part}.{place}.bias"] = layer.bias.detach().cpu().numpy().copy()
    return found


def _layers(model: Any) -> dict[str, list[Any]]:
    policy = model.policy
    if hasattr(policy, "q_net"):
        return {"actor": _dense(policy.q_net.q_net)}
    return {
        "actor": [*_dense(policy.mlp_extractor.policy_net), policy.action_net],
        "critic": [*_dense(policy.mlp_extractor.value_net), policy.value_net],
    }


def _dense(network: Any) -> list[Any]:
    from torch import nn

    return [each for each in network if isinstance(each, nn.Linear)]


def parts(model: Any) -> list[dict[str, Json]]:
    """The parts of the network by name, for the report.

    Each has ``name``, ``what`` (one sentence), ``shapes`` (of its arrays, by name; a weight is (outputs, inputs)) and ``parameters`` (how many
    numbers are learned; 0 for what only stores or reshapes).
    """
    policy = model.policy
    width = int(policy.features_extractor.features_dim if hasattr(policy, "mlp_extractor") else policy.q_net.features_dim)
    found = [_part("features", "The observation as a row of numbers; nothing is learned here.", {"row": (width,)}, 0)]
    if hasattr(policy, "q_net"):
        told = {
            "Q network": ("The value of each action; the highest is taken.", policy.q_net),
            "target network": (
                "A copy of the Q network, renewed now and then, which the targets are computed from.",
                policy.q_net_target,
            ),
        }
        found += [_module(name, what, module) for name, (what, module) in told.items()]
        buffer = model.replay_buffer
        shapes = {name: getattr(buffer, name).shape for name in BUFFERED if hasattr(buffer, name)}
        what = f"The last {buffer.buffer_size:,} transitions, from which batches are drawn; stored, not learned."
        return [*found, _part("replay buffer", what, shapes, 0)]
    found += [
        _module("actor body", "Hidden layers of the policy.", policy.mlp_extractor.policy_net),
        _module("actor (policy) head", "From the last hidden layer to the actions.", policy.action_net),
        _module("critic body", "Hidden layers of the value.", policy.mlp_extractor.value_net),
        _module("critic (value) head", "From the last hidden layer to the return that is still to come.", policy.value_net),
    ]
    if hasattr(policy, "log_std"):
        shape = tuple(policy.log_std.shape)
        found.append(
            _part("spread", "Logarithm of the spread of actions while training.", {"log_std": shape}, policy.log_std.numel())
        )
    return found


def _module(name: str, what: str, module: Any) -> dict[str, Json]:
    named = list(module.named_parameters())
    return _part(name, what, {key: tuple(each.shape) for key, each in named}, sum(each.numel() for _, each in named))


def _part(name: str, what: str, shapes: Mapping[str, tuple[int, ...]], parameters: int) -> dict[str, Json]:
    return {
        "name": name,
        "what": what,
        "shapes": {key: list(shape) for key, shape in shapes.items()},
        "parameters": int(parameters),
    }


def state_of(model: Any) -> tuple[Arrays, dict[str, Json]]:
    """All that is needed to go on: (arrays, JSON). Parameters, the optimiser's state, the replay buffer where there is one, and the counts."""
    import numpy as np

    arrays = {f"policy.{name}": each.detach().cpu().numpy() for name, each in model.policy.state_dict().items()}
    optimizer = model.policy.optimizer.state_dict()
    scalars: list[str] = []
    for place, held in optimizer["state"].items():
        for name, each in held.items():
            if each is None:
                continue
            array = np.asarray(each.detach().cpu().numpy() if hasattr(each, "detach") else each)
            arrays[f"optimizer.{place}.{name}"] = array
            if array.ndim == 0:  # written as a row of one number
                scalars.append(f"optimizer.{place}.{name}")
    beside: dict[str, Json] = {
        "groups": _as_json(optimizer["param_groups"]),
        "scalars": scalars,
        "counts": {name: int(getattr(model, name)) for name in COUNTS if hasattr(model, name)},
    }
    buffer = getattr(model, "replay_buffer", None)
    if buffer is not None:
        held_rows = buffer.buffer_size if buffer.full else buffer.pos
        arrays |= {f"buffer.{name}": getattr(buffer, name)[:held_rows] for name in BUFFERED if hasattr(buffer, name)}
        beside["buffer"] = {"pos": int(buffer.pos), "full": bool(buffer.full)}
    return arrays, beside


def _as_json(groups: list[dict[str, Any]]) -> list[dict[str, Json]]:
    return [{name: list(each) if isinstance(each, tuple) else each for name, each in group.items()} for group in groups]


def take(model: Any, arrays: Mapping[str, Any], beside: Mapping[str, Json]) -> None:
    """Put what `state_of` gave into a fresh model of the same settings, before its ``learn``.

    Raises
    ------
    KeyError, ValueError, RuntimeError
        If it is the state of another model.
    """
    import numpy as np
    import torch

    policy = {
        name.removeprefix("policy."): torch.from_numpy(np.array(each))
        for name, each in arrays.items()
        if name.startswith("policy.")
    }
    model.policy.load_state_dict(policy)
    held: dict[int, dict[str, Any]] = {}
    for name, each in arrays.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            place, _, key = rest.partition(".")
            array = np.array(each).reshape(()) if name in beside["scalars"] else np.array(each)
            held.setdefault(int(place), {})[key] = torch.from_numpy(array)
    groups = [{**group, **({"betas": tuple(group["betas"])} if "betas" in group else {})} for group in beside["groups"]]
    model.policy.optimizer.load_state_dict({"state": held, "param_groups": groups})
    for name, count in beside["counts"].items():
        setattr(model, name, count)
    if "buffer" in beside:
        buffer = model.replay_buffer
        for name in BUFFERED:
            if f"buffer.{name}" in arrays:
                rows = arrays[f"buffer.{name}"]
                getattr(buffer, name)[: len(rows)] = rows
        buffer.pos, buffer.full = int(beside["buffer"]["pos"]), bool(beside["buffer"]["full"])


def diverged(model: Any) -> bool:
    """Whether a number that is learned is NaN or infinite."""
    import torch

    return any(not bool(torch.isfinite(each).all()) for each in model.policy.parameters())
