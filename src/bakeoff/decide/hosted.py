"""What the same questions would cost at hosted models' list prices, and where that price line meets each approach's cost.

Only money is compared: a reference is asked nothing, so nothing is known about its answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bakeoff.contract import Interval
from bakeoff.decide import crossings
from bakeoff.decide.priced import labelled_items
from bakeoff.decide.record import ApproachResult, BreakEven, Document, HostedReference
from bakeoff.errors import BadStudy, nearest
from bakeoff.estimate.cost import DailyCost, bought
from bakeoff.estimate.prices import ModelPrice, Prices

NOT_MEASURED = " The quality of {} was not measured here."


class Tokens(NamedTuple):
    """Mean tokens per question, read and written, and where they come from."""

    read: float
    written: float
    says: str
    of: ApproachResult


def check_names(names: Sequence[str], prices: Prices) -> None:
    """Refuse hosted models that have no price.

    Raises
    ------
    BadStudy
        Names the near ones of the price table.
    """
    for name in names:
        if prices.model(name) is None:
            fix = nearest(name, prices.models) + " Or give its price: prices: {models: {" + name + ": {usd_per_million_in: ...}}}"
            raise BadStudy(f"`hosted` names {name!r}, which has no price here.", fix=fix)


def tokens_of(results: Sequence[ApproachResult]) -> Tokens | None:
    """Tokens of the prompt that a hosted model would most likely be asked with; None where no approach is prompted.

    A prompt with examples goes before one without, and one whose label is written before one whose label is scored.
    A label that is scored writes nothing; a hosted model must write at least one token.
    """
    prompted = [r for r in results if r.status == "done" and r.tokens_in is not None and (r.remote or "shots" in r.settings)]
    if not prompted:
        return None
    best = min(prompted, key=lambda r: (not _examples(r), not (r.tokens_out or 0) > 0, r.name))
    written = max(1.0, best.tokens_out or 0.0)
    says = (
        f"Mean tokens of {best.name} over the test items, as its own tokenizer counts them; a hosted model's may count otherwise."
    )
    if not (best.tokens_out or 0) > 0:
        says += " It scores its labels instead of writing them, so one written token is assumed."
    return Tokens(best.tokens_in or 0.0, written, says, best)


def references(
    document: Document, costs: Mapping[str, DailyCost], prices: Prices, named: frozenset[str]
) -> tuple[list[HostedReference], list[str]]:
    """The references of the hosted models that the study names, and sentences on what could not be worked out.

    Parameters
    ----------
    costs : mapping of approach to DailyCost
    named : names of models whose price the study, or this decision, states
        For the others a price that this run has already used goes before the table of this version.

    Raises
    ------
    BadStudy
        For a model without a price.
    """
    names = document.study.hosted
    if not names:
        return [], []
    tokens = tokens_of(document.approaches)
    if tokens is None:
        says = "What hosted models would cost is not worked out: no approach of this study is prompted, so there are no token counts."
        return [], [says]
    earlier = {one.model: one for one in document.hosted}
    found = []
    for name in dict.fromkeys(names):
        model = prices.model(name)
        before = earlier.get(name)
        stated = model is not None and model.name in named
        if before and before.usd_per_million_in is not None and before.usd_per_million_out is not None and not stated:
            model = ModelPrice(name, before.usd_per_million_in, before.usd_per_million_out, before.as_of, before.source)
        if model is None:
            check_names([name], prices)
            continue
        found.append(_reference(name, model, tokens, document, costs, prices))
    return found, []


def asked_here(results: Sequence[ApproachResult], name: str) -> bool:
    """Whether an approach of this run asked that very model, so that its quality was measured after all."""
    return any(r.remote and r.status == "done" and r.settings.get("model") == name for r in results)


def daily_cost(
    name: str, model: ModelPrice, read: float, written: float, asked: ApproachResult, document: Document, prices: Prices
) -> DailyCost:
    """The price line of a hosted model that reads and writes so many tokens for each question.

    `asked` is the approach whose prompt it would be asked with: the labels behind that prompt are counted as its are.
    """
    usd = model.usd_per_item(read, written)
    return bought(
        f"{name} (list price)",
        Interval(usd, usd, usd, max(1, asked.items)),
        prices,
        horizon_days=document.study.horizon_days,
        labelled_items=labelled_items(asked, document),
    )


def _reference(
    name: str, model: ModelPrice, tokens: Tokens, document: Document, costs: Mapping[str, DailyCost], prices: Prices
) -> HostedReference:
    study = document.study
    cost = daily_cost(name, model, tokens.read, tokens.written, tokens.of, document, prices)
    own = [one for one in crossings.useful(costs, document.approaches) if costs[one].items_per_second is not None]
    says = "" if asked_here(document.approaches, name) else NOT_MEASURED.format(name)
    met: list[BreakEven] = []
    for one in own:
        met += crossings.between(one, costs[one], name, cost, study.volume_per_day, says)
    return HostedReference(
        model=name,
        as_of=model.as_of,
        source=model.source,
        tokens_in=tokens.read,
        tokens_out=tokens.written,
        tokens_from=tokens.says,
        usd_per_million_in=model.usd_per_million_in,
        usd_per_million_out=model.usd_per_million_out,
        usd_per_1000=cost.usd_per_1000().mid,
        usd_per_day=cost.usd_per_day(study.volume_per_day).mid,
        break_evens=met,
    )


def _examples(result: ApproachResult) -> bool:
    shots = result.settings.get("shots")
    return bool(result.chosen.get("examples") or result.chosen.get("shots") or (isinstance(shots, int) and shots > 0))
