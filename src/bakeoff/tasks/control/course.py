"""One training as it is followed: evaluations on validation episodes, both clocks, the best and the last weights, a way to go on."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Json, Progress
from bakeoff.errors import RunError
from bakeoff.tasks.control.episodes import Episode, Policy, play
from bakeoff.tasks.control.worlds import Fault, World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[Any]]

MOST_KEPT = 6
"""Checkpoints of which the weights are kept to be shown: the first, the last, and some between."""


class Course:
    """What a training tells about itself.

    An agent asks `due` after its steps, and gives its policy and weights to `evaluate`, which plays the validation episodes. Their time is
    not the training's: `cpu_seconds` stands still meanwhile.

    Parameters
    ----------
    world : World
    seeds : sequence of int
        Of the validation episodes; empty where there are none (then the last weights are the best).
    budget : int
        Steps of the environment that may be trained for.
    evaluations : int
        Evaluations over the whole budget, besides the one before training.
    progress : Progress

    Attributes
    ----------
    rows : list of dict
        A row per evaluation: ``step``, ``cpu_seconds``, ``seconds``, ``return`` (mean), ``low`` and ``high`` (least and greatest), ``length`` (mean), and
        ``hidden`` (mean) where there is a hidden reward.
    best : int
        Row with the highest mean return, the later one of equals.
    said : dict
        What else the agent has to say about this training; it becomes part of its ``chosen_``.
    """

    def __init__(self, world: World, seeds: Sequence[int], budget: int, *, evaluations: int, progress: Progress) -> None:
        self.world, self.seeds, self.budget = world, tuple(seeds), budget
        self.every = max(1, budget // max(1, evaluations))
        self.progress = progress
        self.rows: list[dict[str, float]] = []
        self.weights: list[dict[str, Any]] = []
        self.best = 0
        self.said: dict[str, Json] = {}
        self._next = 0
        self._cpu = self._wall = 0.0
        self._resume()

    def _resume(self) -> None:
        self._cpu_from, self._wall_from = time.process_time(), time.perf_counter()

    def start(self) -> None:
        """Let both clocks begin now: what was imported and opened before is no training."""
        self._cpu = self._wall = 0.0
        self._resume()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Inside, both clocks stand still: looking on is not training."""
        self._pause()
        try:
            yield
        finally:
            self._resume()

    def _pause(self) -> None:
        self._cpu += time.process_time() - self._cpu_from
        self._wall += time.perf_counter() - self._wall_from

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of training so far, evaluations left out."""
        return self._cpu + time.process_time() - self._cpu_from

    @property
    def seconds(self) -> float:
        """Wall seconds of training so far, evaluations left out."""
        return self._wall + time.perf_counter() - self._wall_from

    def due(self, step: int) -> bool:
        """Whether an evaluation is due after `step` steps of training."""
        return step >= self._next

    def evaluate(self, step: int, policy: Policy, weights: Weights) -> bool:
        """Play the validation episodes with a policy and write the row; whether it is the best so far.

        Raises
        ------
        RunError
            If the environment fails in one of them.
        """
        import numpy as np

        self._pause()
        played: list[Episode] = []
        for each in play(self.world, policy, self.seeds):
            if isinstance(each, Fault):
                raise failed(self.world, each)
            played.append(each)
        returns = [each.total for each in played] or [0.0]
        row = {
            "step": float(step), "cpu_seconds": round(self._cpu, 4), "seconds": round(self._wall, 4), "return": float(np.mean(returns)),
            "low": float(min(returns)), "high": float(max(returns)), "length": float(np.mean([each.length for each in played] or [0])),
        }  # fmt: skip
        hidden = [each.hidden for each in played if each.hidden is not None]
        if hidden:
            row["hidden"] = float(np.mean(hidden))
        self.rows.append(row)
        self.weights.append({name: np.array(each) for name, each in weights.items()})
        better = not self.seeds or row["return"] >= self.rows[self.best]["return"]
        if better:
            self.best = len(self.rows) - 1
        self._thin()
        self._next = step + self.every
        share = min(1.0, step / max(1, self.budget))
        self.progress(share, f"{step:,} of {self.budget:,} steps, mean return {row['return']:.4g}")
        self._resume()
        return better

    def _thin(self) -> None:
        """Of the rows that need not be kept (not first, best or last), every second one's weights are dropped once there are many."""
        kept = [i for i, each in enumerate(self.weights) if each]
        if len(kept) <= 2 * MOST_KEPT:
            return
        for place in kept[1:-1:2]:
            if place != self.best:
                self.weights[place] = {}

    def shown(self) -> list[int]:
        """Rows whose weights are kept to be looked at, at most `MOST_KEPT`: the first, the best and the last among them."""
        kept = [i for i, each in enumerate(self.weights) if each]
        must = sorted({kept[0], self.best, kept[-1]}) if kept else []
        others = [i for i in kept if i not in must]
        room = min(max(0, MOST_KEPT - len(must)), len(others))
        picked = [others[(2 * k + 1) * len(others) // (2 * room)] for k in range(room)]
        return sorted({*must, *picked})

    def keep(self, folder: Path, state: Weights, beside: Mapping[str, Any]) -> None:
        """Write what a training needs to go on: its own arrays and JSON, and the course. Whole at any moment."""
        from safetensors.numpy import save_file

        tensors = {f"state.{name}": each for name, each in state.items()}
        for place, weights in enumerate(self.weights):
            tensors |= {f"row.{place}.{name}": each for name, each in weights.items()}
        self._pause()
        about = {
            "rows": self.rows, "best": self.best, "next": self._next, "cpu": self._cpu, "wall": self._wall, "beside": dict(beside),
            "mark": self._mark(),
        }  # fmt: skip
        self._resume()
        draft = folder / ".course.draft"
        save_file({name: _contiguous(each) for name, each in tensors.items()}, str(draft), metadata={"about": json.dumps(about)})
        draft.replace(folder / "course.safetensors")

    def found(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What `keep` wrote in an interrupted training of the same course, taken back; None where there is nothing to go on from."""
        from safetensors import safe_open

        file = folder / "course.safetensors"
        if not file.is_file():
            return None
        try:
            with safe_open(str(file), framework="numpy") as held:
                about = json.loads((held.metadata() or {})["about"])
                tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118  it is no mapping
            if about["mark"] != self._mark():
                return None
        except Exception:  # a foreign or broken file raises a dozen kinds; it is nothing to go on from
            return None
        self.rows, self.best, self._next = about["rows"], about["best"], about["next"]
        self._cpu, self._wall = about["cpu"], about["wall"]
        self.weights = [{} for _ in self.rows]
        for name, each in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "row":
                place, _, key = rest.partition(".")
                self.weights[int(place)][key] = each
        self._resume()
        return {name.removeprefix("state."): each for name, each in tensors.items() if name.startswith("state.")}, about["beside"]

    def _mark(self) -> str:
        return json.dumps([self.world.named(), self.seeds, self.budget, self.every])


def failed(world: World, fault: Fault) -> RunError:
    """A fault of the environment while an agent learns: the trial of this seed fails, the others go on."""
    return RunError(
        f"The environment {world.id} failed: {fault.what}.", fix="correct the environment; the other seeds are unharmed"
    )


def _contiguous(array: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(array)
