"""Policies as forward passes in NumPy: linear ones and small networks, so that answering loads no training library.

Weights are arrays by name, as they are kept in ``agent.safetensors``:

    actor.0.weight   shape (outputs, inputs), as PyTorch lays them out; the first layer takes the observation as a row of numbers
    actor.0.bias     shape (outputs,)
    actor.1.weight   ... and so on; the last layer's outputs are what `kind` says
    critic.0.weight  ... optional: the same for the value, whose last layer has one output

A linear policy is an actor of one layer. Between layers stands the activation, after the last one nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, BadStudy, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.control.episodes import Observations

    Layer = tuple[NDArray[Any], NDArray[Any]]

KINDS = ("logits", "q", "scores", "gaussian")
"""What an actor's outputs are: unnormalised log-probabilities of actions, their values, numbers of which only the order counts, or the mean of
a Box action."""
ACTIVATIONS = ("tanh", "relu")
PARTS = ("actor", "critic")


class Net:
    """A feed-forward actor, with a critic where there is one. It acts deterministically (`episodes.Policy`, `episodes.Looks`).

    A row's result is the same, bit for bit, whatever rows stand beside it: each is multiplied alone (in one call), since a matrix product
    of many rows may sum in another order than one of few.

    Parameters
    ----------
    weights : mapping of name to array
        See the head of this file. Other names are left alone.
    space : gymnasium.spaces.Discrete or Box
        Of the actions.
    kind : {'logits', 'q', 'gaussian'}
        ``logits`` and ``q`` for Discrete (the action with the highest output, the first of equals), ``gaussian`` for Box (the mean, clipped to the
        bounds).
    activation : {'tanh', 'relu'}, default='tanh'

    Attributes
    ----------
    parts : dict of str to tuple of int
        Per part (``actor``, ``critic``) the width of each layer, the observation first: ``{"actor": (4, 64, 64, 2), "critic": (4, 64, 64, 1)}``.

    Raises
    ------
    BadData
        If the weights make no such network, or are not of this action space.
    """

    def __init__(self, weights: Mapping[str, Any], space: Any, *, kind: str, activation: str = "tanh") -> None:
        import numpy as np
        from gymnasium import spaces

        if kind not in KINDS:
            raise BadData(f"The kind of a policy is {shown(kind)}.", fix=f"use one of: {', '.join(KINDS)}")
        if activation not in ACTIVATIONS:
            raise BadData(f"The activation of a policy is {shown(activation)}.", fix=f"use one of: {', '.join(ACTIVATIONS)}")
        if isinstance(space, spaces.Box) != (kind == "gaussian"):
            raise BadData(
                f"A policy of kind {kind!r} cannot act in {space}.",
                fix="use gaussian for a Box, logits or q for a Discrete space",
            )
        self.space, self.kind, self.activation = space, kind, activation
        self._layers = {part: layers for part in PARTS if (layers := _layers_of(part, weights))}
        if "actor" not in self._layers:
            raise BadData("The weights hold no actor.", fix="name them actor.0.weight, actor.0.bias, and so on")
        self.parts = {part: (layers[0][0].shape[0], *(bias.size for _, bias in layers)) for part, layers in self._layers.items()}
        outputs = int(np.prod(space.shape)) if kind == "gaussian" else int(space.n)
        self._ends("actor", outputs, f"{space}")
        if "critic" in self.parts:
            self._ends("critic", 1, "a value")
            if self.parts["critic"][0] != self.parts["actor"][0]:
                raise BadData("Actor and critic take observations of different length.", fix="train the agent again")

    def _ends(self, part: str, wanted: int, what: str) -> None:
        if self.parts[part][-1] != wanted:
            raise BadData(
                f"The {part} has {self.parts[part][-1]} outputs, where {what} takes {wanted}.",
                fix="train the agent again for this environment",
            )

    def outputs(self, observations: Observations, part: str = "actor") -> NDArray[Any]:
        """What the last layer of a part says, shape (n, outputs), for observations of shape (n, features).

        Raises
        ------
        BadData
            If the observations have another length than the network was made for.
        """
        import numpy as np

        rows = np.asarray(observations)
        if rows.ndim != 2 or rows.shape[1] != self.parts[part][0]:
            raise BadData(
                f"The policy takes observations of {self.parts[part][0]} numbers, not of shape {rows.shape}.",
                fix="ask about the environment that it was trained in",
            )
        now = rows[:, None, :]  # shape (n, 1, features): one product for each row
        last = len(self._layers[part]) - 1
        for place, (weight, bias) in enumerate(self._layers[part]):
            now = now @ weight + bias
            if place < last:
                now = np.tanh(now) if self.activation == "tanh" else np.maximum(now, 0)
        return now[:, 0, :]

    def act(self, observations: Observations, draws: Sequence[np.random.Generator] = ()) -> Sequence[Any]:
        """The action with the highest output, or the mean within the bounds; nothing is drawn."""
        import numpy as np

        said = self.outputs(observations)
        if self.kind != "gaussian":
            return [int(self.space.start) + int(best) for best in said.argmax(axis=1)]
        shaped = said.reshape(len(said), *self.space.shape)
        return list(np.clip(shaped, self.space.low, self.space.high).astype(self.space.dtype))

    def says(self, observations: Observations) -> Mapping[str, NDArray[Any]]:
        """``probabilities``, shape (n, actions), of an actor of logits; ``value``, shape (n,): the critic's, or the highest of the actions' values.

        Action values are no probabilities, and none are made of them.
        """
        import numpy as np

        found: dict[str, NDArray[Any]] = {}
        if self.kind == "logits":
            said = self.outputs(observations).astype(np.float64)
            raised = np.exp(said - said.max(axis=1, keepdims=True))  # less the greatest, so that none overflows
            found["probabilities"] = raised / raised.sum(axis=1, keepdims=True)
        if "critic" in self.parts:
            found["value"] = self.outputs(observations, "critic")[:, 0]
        elif self.kind == "q":
            found["value"] = self.outputs(observations).max(axis=1)
        return found

    @property
    def multiply_adds(self) -> int:
        """Multiplications of one decision by the actor, each with an addition."""
        return sum(weight.size for weight, _ in self._layers["actor"])


def _layers_of(part: str, weights: Mapping[str, Any]) -> list[Layer]:
    """(weight as (inputs, outputs), bias) of each layer of a part; none where there is no first layer."""
    import numpy as np

    layers: list[Layer] = []
    while f"{part}.{len(layers)}.weight" in weights:
        name = f"{part}.{len(layers)}"
        weight, bias = np.asarray(weights[f"{name}.weight"]), np.asarray(weights.get(f"{name}.bias", ()))
        fits = weight.ndim == 2 and bias.shape == weight.shape[:1] and weight.size > 0
        if not fits or (layers and layers[-1][1].size != weight.shape[1]):
            raise BadData(f"The weights of {name} do not fit: {weight.shape} and {bias.shape}.", fix="train the agent again")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise BadData(
                f"The weights of {name} hold NaN or infinity: the training diverged.", fix="use a smaller learning rate"
            )
        layers.append((np.ascontiguousarray(weight.T), bias))
    return layers


def check_spaces(name: str, observations: Any, actions: Any) -> None:
    """Whether a network of this file can act between such spaces: the observation a row of numbers, the action Discrete or a bounded-size Box.

    Raises
    ------
    BadStudy
        In two lines, naming the approach `name` and the space.
    """
    from gymnasium import spaces

    if not isinstance(actions, spaces.Discrete | spaces.Box):
        raise BadStudy(f"{name} cannot take the actions {actions}.", fix="use an environment whose actions are Discrete or a Box")
    if isinstance(actions, spaces.Box) and actions.dtype.kind != "f":
        raise BadStudy(
            f"{name} cannot take the actions {actions}: a Box of whole numbers.", fix="use Discrete actions, or a Box of floats"
        )
    try:
        size = spaces.utils.flatdim(observations)
    except (ValueError, NotImplementedError) as error:
        raise BadStudy(
            f"{name} cannot read the observations {observations}: they have no fixed length.",
            fix="use an environment with a Box or Discrete",
        ) from error
    if size < 1:
        raise BadStudy(f"{name} cannot read the observations {observations}: they are empty.", fix="use another environment")
