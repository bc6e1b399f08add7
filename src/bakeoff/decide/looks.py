"""What can be looked at beside the figures: how training went, what approaches show of themselves, the items' pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, DoubtsLabels, ShowsPictures, Trial, ViewsSeeds
from bakeoff.decide.evidence import Evidence

LONGEST_PICTURE = 4_000
"""Characters of a picture's address: a page of 60 items stays readable and small."""


def looks_of(evidence: Evidence, names: Sequence[str], items: Sequence[str]) -> dict[str, Any]:
    """Views that the task does not make itself; a key is missing where there is nothing to show.

    Parameters
    ----------
    names : sequence of str
        The approaches that were answered.
    items : sequence of str
        Ids of the test items that the report shows.

    Returns
    -------
    dict
        ``training``: per approach and seed, its `curve_` (rows with ``epoch`` and whatever was followed). ``explained``: per
        approach, what its `explain` gave. ``pictures``: item id to a ``data:`` address. ``bias_variance``: per approach, the
        decomposition at each training size with enough seeds. ``label_doubts``: what the task thinks of its labels.
    """
    if isinstance(evidence.task, ViewsSeeds):
        # What changes were worth is seen in the agents themselves, so they are looked at too; no candidates, they are in no other view.
        names = [*names, *(name for name in evidence.study.variants if name not in names and evidence.seeds(name))]
    training: dict[str, dict[str, Any]] = {}
    explained: dict[str, Any] = {}
    for name in names:
        for seed in evidence.seeds(name):
            measured = evidence.measures.get(Trial(name, seed), {})
            if curve := (measured.get("fit") or {}).get("curve"):
                training.setdefault(name, {})[str(seed)] = curve
            if seed == 0 and measured.get("explained"):
                explained[name] = measured["explained"]
    found: dict[str, Any] = {
        "training": training,
        "explained": explained,
        "pictures": _pictures(evidence, items),
        "bias_variance": {name: rows for name in names if training and (rows := _bias_variance(evidence, name))},
        "label_doubts": _label_doubts(evidence),
    }
    if isinstance(evidence.task, ViewsSeeds):
        found |= evidence.task.seed_views(evidence.dataset, evidence.items, _by_seed(evidence, names), _curves(training))
    return {key: value for key, value in found.items() if value}


def _by_seed(evidence: Evidence, names: Sequence[str]) -> dict[str, dict[int, tuple[Answer, ...]]]:
    return {name: {seed: evidence.answers[Trial(name, seed)] for seed in evidence.seeds(name)} for name in names}


def _curves(training: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    return {name: {int(seed): rows for seed, rows in by_seed.items()} for name, by_seed in training.items()}


def _bias_variance(evidence: Evidence, name: str) -> list[dict[str, Any]]:
    from bakeoff.measure.bias_variance import of_answers

    rows = []
    for fraction in sorted({trial.fraction for trial in evidence.answers if trial.approach == name}):
        trials = [Trial(name, seed, fraction) for seed in evidence.seeds(name, fraction)]
        found = of_answers(evidence.items, [evidence.answers[trial] for trial in trials], clusters=evidence.clusters)
        if found:
            rows.append({"n_train": (evidence.measures[trials[0]].get("fit") or {}).get("n_train"), **found})
    return rows


def _label_doubts(evidence: Evidence) -> Mapping[str, Any]:
    material = Path(str(evidence.about.get("material") or ""))
    if not isinstance(evidence.task, DoubtsLabels) or not material.parts or not material.is_dir():
        return {}
    return evidence.task.label_doubts(list(evidence.dataset.items), material)


def _pictures(evidence: Evidence, ids: Sequence[str]) -> Mapping[str, str]:
    material = Path(str(evidence.about.get("material") or ""))
    if not isinstance(evidence.task, ShowsPictures) or not material.parts or not material.is_dir():
        return {}
    wanted = set(ids)
    given = evidence.task.pictures([item for item in evidence.items if item.id in wanted], material)
    fine = ("data:image/webp;base64,", "data:image/png;base64,", "data:image/jpeg;base64,")
    return {name: address for name, address in given.items() if address.startswith(fine) and len(address) <= LONGEST_PICTURE}
