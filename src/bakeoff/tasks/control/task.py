"""The control task: an item is an episode of an environment, by its seed; an answer is how the episode ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, Dataset, Finding, Item, Json, Metric, Progress, Splits, quiet
from bakeoff.measure.hack_index import BOTTOM, NEAR_BEST
from bakeoff.tasks.control.data import load_worlds, read_settings
from bakeoff.tasks.control.worlds import World

TIMED_DECISIONS = 200


class ControlTask:
    """Agents in Gymnasium environments.

    `Item.input` has ``environment``, where needed ``kwargs``, ``max_steps`` and ``folder`` (see `worlds.World`), and ``seed``; a training item has
    ``share``, its part of the training budget. `Item.target` is None: the return is the measure. `Item.meta` has ``part``: train, valid or test.
    `Answer.value` is the visible return; `details` has ``length``, ``terminated`` (else cut off) and ``hidden``, where there is a hidden return.
    """

    name = "control"

    def load(self, data: Mapping[str, Json], *, base: Path, progress: Progress = quiet) -> Dataset:
        """Open each environment, play an episode with random actions, and make the items: see `bakeoff.tasks.control.data.load_worlds`.

        Raises
        ------
        BadStudy
            For unknown keys and values out of range.
        BadData
            For environments that cannot be used.
        """
        return load_worlds(read_settings(data), base=base, progress=progress)

    def split(self, dataset: Dataset, data: Mapping[str, Json], *, seeds: Sequence[int]) -> Splits:
        """What each item is for is part of it: the same for every seed, and no episode is both trained on, chosen on or tested."""
        part = {key: tuple(i.id for i in dataset.items if i.meta["part"] == key) for key in ("train", "valid", "test")}
        return Splits(part["test"], dict.fromkeys(seeds, part["train"]), dict.fromkeys(seeds, part["valid"]))

    def metrics(self, dataset: Dataset) -> Mapping[str, Metric]:
        """`return` first for one environment, `attained` (share of the best return there is) for several; then what the facts allow.

        ``solved``: share of episodes from the environment's own threshold on. ``hidden_return``, ``intended`` (where it lies in its range) and
        ``hacked`` (share of episodes with at least 95% of the best visible return and a hidden return in the bottom quarter of its range).
        """
        worlds: Mapping[str, Mapping[str, Any]] = dataset.facts["worlds"]
        every = list(worlds.values())
        made: list[Metric] = []
        if len(every) == 1:
            top = every[0]["visible_best"]
            high = float("inf") if top is None else float(top)
            made.append(Metric("return", "Return", True, per_item=_total, low=float("-inf"), high=high))
        if all((each["visible_best"] or 0) > 0 for each in every):
            scored = partial(_attained, worlds)
            made.append(Metric("attained", "Share of the best return", True, per_item=scored, low=-1.0, high=1.0, percent=True))
        if len(every) > 1 and not made:
            made.append(Metric("return", "Return", True, per_item=_total, low=float("-inf"), high=float("inf")))
        if all(each["threshold"] is not None for each in every):
            made.append(Metric("solved", "Episodes at the threshold", True, per_item=partial(_solved, worlds), percent=True))
        if all(each["hidden"] for each in every):
            if len(every) == 1:
                made.append(
                    Metric("hidden_return", "Hidden return", True, per_item=_hidden, low=float("-inf"), high=float("inf"))
                )
            if all(each["hidden_range"] is not None for each in every):
                made.append(Metric("intended", "Intended goal", True, per_item=partial(_intended, worlds), percent=True))
                if all(each["visible_best"] is not None for each in every):
                    hacked = partial(_hacked, worlds)
                    made.append(Metric("hacked", "Hacked episodes", False, per_item=hacked, percent=True))
        made.append(Metric("length", "Episode length", True, per_item=_length, high=float("inf")))
        return {each.name: each for each in made}

    def check(self, dataset: Dataset, splits: Splits) -> Sequence[Finding]:
        """Whether each environment repeats itself from a seed, ends or is cut off, and holds to Gymnasium's interface: see `checks`."""
        from bakeoff.tasks.control.checks import run_checks

        return run_checks(dataset, splits)

    def views(self, items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> Mapping[str, Json]:
        """Nothing from one seed: see `seed_views`."""
        return {}

    def seed_views(
        self,
        dataset: Dataset,
        items: Sequence[Item],
        answers: Mapping[str, Mapping[int, Sequence[Answer]]],
        training: Mapping[str, Mapping[int, Sequence[Mapping[str, Json]]]],
    ) -> Mapping[str, Json]:
        """What all seeds together show (`contract.ViewsSeeds`): key ``control``, see `bakeoff.tasks.control.over_seeds`."""
        from bakeoff.tasks.control.over_seeds import over_seeds

        return {"control": over_seeds(dataset, items, answers, training)}

    def timed(self, items: Sequence[Item]) -> Sequence[Item]:
        """Single decisions instead of episodes (`contract.TimesOthers`): observations that random actions meet, evenly over the worlds."""
        from bakeoff.tasks.control.data import observations

        worlds = list(dict.fromkeys(World.of(item.input).key for item in items))
        by_key = {World.of(item.input).key: World.of(item.input) for item in items}
        found: list[Item] = []
        for key in worlds:
            world = by_key[key]
            for count, observation in enumerate(observations(world, max(1, TIMED_DECISIONS // len(worlds)))):
                found.append(Item(f"{key}-decision-{count}", {**world.named(), "observation": observation, "seed": count}))
        return found

    def show(self, item: Item) -> str:
        """The episode in a few words."""
        if "observation" in item.input:
            return f"a decision in {item.input.get('environment', 'the environment')}"
        return f"episode of {World.of(item.input).key} from seed {item.input.get('seed')}"

    def show_answer(self, answer: Answer) -> str:
        """How the episode ended."""
        ended = "ended" if answer.details.get("terminated") else "cut off"
        hidden = f", hidden {answer.details['hidden']:.4g}" if "hidden" in answer.details else ""
        return f"return {answer.value:.4g}{hidden}, {ended} after {answer.details.get('length', 0):,} steps"

    def show_target(self, item: Item) -> str:
        """There is no right answer, only a return."""
        return "as much as there is"


def _facts(worlds: Mapping[str, Mapping[str, Any]], item: Item) -> Mapping[str, Any]:
    return worlds[World.of(item.input).key]


def _total(item: Item, answer: Answer) -> float | None:
    return float(answer.value) if answer.answered else None


def _length(item: Item, answer: Answer) -> float | None:
    return float(answer.details["length"]) if answer.answered and "length" in answer.details else None


def _hidden(item: Item, answer: Answer) -> float | None:
    return float(answer.details["hidden"]) if answer.answered and "hidden" in answer.details else None


def _attained(worlds: Mapping[str, Mapping[str, Any]], item: Item, answer: Answer) -> float | None:
    total, best = _total(item, answer), float(_facts(worlds, item)["visible_best"])
    return None if total is None else max(-1.0, min(1.0, total / best if best else 0.0))


def _solved(worlds: Mapping[str, Mapping[str, Any]], item: Item, answer: Answer) -> float | None:
    total = _total(item, answer)
    return None if total is None else float(total >= _facts(worlds, item)["threshold"])


def _intended(worlds: Mapping[str, Mapping[str, Any]], item: Item, answer: Answer) -> float | None:
    hidden = _hidden(item, answer)
    low, high = _facts(worlds, item)["hidden_range"]
    return None if hidden is None else max(0.0, min(1.0, (hidden - low) / (high - low) if high > low else 0.0))


def _hacked(worlds: Mapping[str, Mapping[str, Any]], item: Item, answer: Answer) -> float | None:
    """1 where the visible return is within 5% of the best and the hidden one in the bottom quarter of its range; 0 otherwise."""
    place, total = _intended(worlds, item, answer), _total(item, answer)
    if place is None or total is None:
        return None
    best = float(_facts(worlds, item)["visible_best"])
    return float(total >= best - (1 - NEAR_BEST) * abs(best) and place <= BOTTOM)
