"""What a fitted approach is asked beside the test: hard inputs, the same inputs again, other prompt formats.

None of it counts in the quality figures. It runs in the process that holds the fitted approach, for the first seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bakeoff import registry
from bakeoff.contract import Answer, Approach, Item, Json, TimesOthers, Trial, Varies
from bakeoff.run.ledger import Ledger
from bakeoff.study import Study

AskAll = Callable[[Approach, Sequence[Item]], list[Answer]]


def wanted(study: Study, trial: Trial) -> bool:
    """Whether this trial is asked anything beside the test."""
    beside = study.edge_cases is not None or study.consistency is not None
    # A change that is only measured against its base is no candidate, and nobody reads its answers to hard inputs.
    candidate = any(spec.name == trial.approach for spec in study.candidates)
    return trial.seed == 0 and trial.fraction == 1.0 and beside and candidate


def probe(ledger: Ledger, study: Study, trial: Trial, approach: Approach, ask: AskAll) -> dict[str, Any]:
    """Ask, keep the answers to probes in the trial's folder, and return what measures hold.

    Parameters
    ----------
    ask : callable
        (approach, items) -> one Answer per item, whatever the approach does.

    Returns
    -------
    dict
        ``probes`` (names of the sets asked) and ``consistency`` (``alone``, ``concurrent``, ``formats``; None where not measured
        here).
    """
    asked = []
    for one in ledger.probes():
        answers = ask(approach, [item.asked() for item in one.items])
        ledger.write_probe_answers(trial, one.name, [item.id for item in one.items], answers)
        asked.append(one.name)
    measures: dict[str, Any] = {"probes": {"sets": asked}}
    settings = study.consistency
    if settings is None:
        return measures
    splits, items = ledger.splits(), ledger.items()
    found: dict[str, Any] = {"alone": None, "concurrent": None, "formats": None}
    if settings.formats and isinstance(approach, Varies):
        chosen = [items[name] for name in _spread(splits.test, settings.format_items)]
        found["formats"] = _formats(approach, chosen, settings.formats, ask)
    remote = bool(getattr(approach, "remote", False))
    if (
        study.serving is None and not remote
    ):  # behind an endpoint it is asked there; a paid answer is kept, so asking again tells nothing
        again = [items[name].asked() for name in _spread(splits.test, settings.items)]
        found["alone"] = _repeats(approach, again, settings.repeats, ask)
    measures["consistency"] = found
    return measures


def parsed(answer: Answer) -> str | None:
    """An answer as text that is equal for equal answers; None where there is none."""
    return json.dumps(answer.value, sort_keys=True, ensure_ascii=False) if answer.answered else None


def spread_items(ledger: Ledger, most: int) -> list[Item]:
    """At most `most` test items, evenly spaced in the order of the split: the same ones for every approach."""
    items = ledger.items()
    return [items[name] for name in _spread(ledger.splits().test, most)]


def request_inputs(ledger: Ledger, most: int) -> list[Json]:
    """Inputs of at most `most` single requests, as an endpoint of the run is asked them: its test items, evenly spaced.

    Of a task whose items are many requests each (`TimesOthers`), what stands for single ones; of an agent an observation, without how its
    environment is made, which no request may say.
    """
    items = spread_items(ledger, most)
    task = registry.task(ledger.study().task)
    if isinstance(task, TimesOthers):
        found = [item.input for item in list(task.timed([item.asked() for item in items]))[:most]]
        return [{key: each[key] for key in ("environment", "observation", "seed") if key in each} for each in found]
    return [item.input for item in items]


def _formats(approach: Varies, items: Sequence[Item], most: int, ask: AskAll) -> Mapping[str, Any] | None:
    from bakeoff.measure.consistency import formats

    values = {
        name: [a.value if a.answered and isinstance(a.value, str) else None for a in ask(one, [i.asked() for i in items])]
        for name, one in approach.variants(most).items()
    }
    return as_dict(formats(values, [str(item.target) for item in items])) if len(values) > 1 else None


def _repeats(approach: Approach, items: Sequence[Item], repeats: int, ask: AskAll) -> Mapping[str, Any]:
    from bakeoff.measure.consistency import agreement

    rounds = [ask(approach, items) for _ in range(repeats)]
    by_item = list(zip(*rounds, strict=True))
    raw = [[None if a.error else str(a.details.get("raw", parsed(a) or "")) for a in one] for one in by_item]
    return as_dict(agreement(raw, [[parsed(a) for a in one] for one in by_item]))


def as_dict(found: Any) -> dict[str, Any]:
    """A dataclass of figures as plain data, with every Interval as a mapping."""

    def plain(value: Any) -> Any:
        if hasattr(value, "_asdict"):
            return value._asdict()
        if isinstance(value, Mapping):
            return {key: plain(each) for key, each in value.items()}
        return value

    return {key: plain(getattr(found, key)) for key in asdict(found)}


def _spread(names: Sequence[str], most: int) -> list[str]:
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)] if most > 1 else list(names[:1])
