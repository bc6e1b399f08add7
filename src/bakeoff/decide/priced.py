"""What each approach costs: from measured speed, or what holds under load, to a daily cost, and what the figure rests on.

Where the approach was put under load, one machine is taken to hold the highest rate that kept the study's latency limit. That
limit already leaves room, so nothing more is taken off. Elsewhere one machine is taken to hold a share (`utilisation`) of
the measured throughput, because queues grow without bound as a machine nears it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.contract import Interval
from bakeoff.decide import beside, sentences
from bakeoff.decide.record import ApproachResult, Document, Range
from bakeoff.decide.values import answered_share, figure
from bakeoff.estimate.cost import GIB, DailyCost, bought, on_machine, smallest_that_fits
from bakeoff.estimate.prices import Machine, ModelPrice, Prices

Basis = Literal["held", "throughput", "median", "bought", ""]


@dataclass(frozen=True)
class Priced:
    """The money of one approach.

    Parameters
    ----------
    result : ApproachResult
        With the money filled in; None where there is no price.
    cost : DailyCost or None
        None where there is no price; `notes` say why.
    notes : tuple of str
        What the figure rests on, one sentence each.
    price : Machine, ModelPrice or None
        The entry of the price table used. None for a bill.
    basis : {'held', 'throughput', 'median', 'bought', ''}
        What one machine is taken to hold: the rate held within the limit, a share of the throughput, one item per median time.
    """

    result: ApproachResult
    cost: DailyCost | None = None
    notes: tuple[str, ...] = ()
    price: Machine | ModelPrice | None = None
    basis: Basis = ""


def price(result: ApproachResult, document: Document, prices: Prices, named: frozenset[str] = frozenset()) -> Priced:
    """The cost of one approach at the document's volume.

    `named` are the hosted models whose price the study states: it is used even where the answers were billed.
    """
    none = {"usd_per_day": None, "replicas": None}
    if result.status != "done":
        return Priced(result.model_copy(update=none))
    found = _bought(result, document, prices, named) if result.remote else _own(result, document, prices)
    if found.cost is None:
        return Priced(result.model_copy(update={"usd_per_1000": None, **none}), None, found.notes)
    volume = document.study.volume_per_day
    billed = result.remote and found.price is None
    update = {
        "usd_per_1000": result.usd_per_1000 if billed else as_range(found.cost.usd_per_1000()),
        "usd_per_day": as_range(found.cost.usd_per_day(volume)),
        "replicas": found.cost.replicas(volume) or None,
    }
    return Priced(result.model_copy(update=update), found.cost, found.notes, found.price, found.basis)


def labelled_items(result: ApproachResult, document: Document) -> int:
    """Labelled items that an approach learns from or is tuned on.

    One that is only prompted reads labels to choose its prompt and to show examples, and learns from no others.
    """
    shots = result.settings.get("shots")
    return document.data.valid + (shots if isinstance(shots, int) else document.data.train)


def stored(prices: Prices, priced: Sequence[Priced], document: Document) -> dict[str, Any]:
    """The prices that figures rest on, as the document keeps them, with notes."""
    used = [one.price for one in priced if one.price is not None]
    machines = {one.name: one for one in used if isinstance(one, Machine) and prices.machines.get(one.name) == one}
    models = {one.name: one for one in used if isinstance(one, ModelPrice)}
    kept = prices.to_json(tuple(machines.values()), tuple(models.values()))
    notes = [note for one in priced for note in one.notes]
    left_out = dict.fromkeys(part for one in priced if one.cost for part in one.cost.leaves_out)
    kept["notes"] = [*notes, *_bases(priced, document, prices), *(f"Not counted: {part}." for part in left_out)]
    return kept


def as_range(found: Interval) -> Range:
    """An Interval as the document keeps it."""
    return Range(mid=found.mid, low=found.low, high=found.high, n=found.n)


def _bought(result: ApproachResult, document: Document, prices: Prices, named: frozenset[str]) -> Priced:
    study, name = document.study, result.name
    asked = str(result.settings.get("model", ""))
    model = prices.model(asked)
    if model and result.tokens_in is not None and (model.name in named or result.usd_per_1000 is None):
        usd = model.usd_per_item(result.tokens_in, result.tokens_out or 0.0)
        per_item = Interval(usd, usd, usd, max(1, result.items))
    elif result.usd_per_1000 is not None:
        bill = result.usd_per_1000
        model, per_item = None, Interval(bill.mid / 1000, bill.low / 1000, bill.high / 1000, bill.n)
    else:
        return Priced(result, None, (f"{name} has no price: add prices: {{models: {{{asked or 'MODEL'}: ...}}}}.",))
    cost = bought(
        name,
        per_item,
        prices,
        horizon_days=study.horizon_days,
        labelled_items=labelled_items(result, document),
        review_share=1.0 - answered_share(result),
    )
    return Priced(result, cost, (), model, "bought")


def _own(result: ApproachResult, document: Document, prices: Prices) -> Priced:
    study, name, notes = document.study, result.name, []
    held = beside.served_rate(document, name)
    basis: Basis = "held" if held else "throughput"
    rate = held or figure(result, "throughput", document)
    if rate is None:
        one = figure(result, "p50 latency", document)
        if one is None or one.low <= 0:
            return Priced(result, None, (f"{name} has no price: its speed was not measured.",))
        rate, basis = Interval(1 / one.mid, 1 / one.high, 1 / one.low, one.n), "median"
        notes.append(f"{name} is priced by its median time for one item, because its throughput was not measured.")
    if not rate.low > 0:
        return Priced(result, None, (f"{name} has no price: its speed is too uncertain.",))
    machine = prices.machine_for.get(name, prices.machine)
    device = result.context.device if result.context else ""
    if any(word in device.lower() for word in ("cuda", "nvidia", "gpu")) and not machine.gpu and name not in prices.machine_for:
        says = f"{name} has no price: it was measured on {device}; give that machine's price in prices.machine_for."
        return Priced(result, None, (says,))
    served = beside.serving(document, name)
    peak = max(result.peak_bytes or 0, (served.peak_bytes or 0) if served and held else 0)
    if peak and machine.memory_gib and peak > machine.memory_gib * GIB:
        larger = smallest_that_fits(list(prices.machines.values()), peak, bool(machine.gpu))
        needs = f"{name} needs {sentences.size(peak)}, more than {machine.name} has"
        if larger is None:
            says = f"{needs}, and no machine in the price table is large enough: it has no price."
            return Priced(result, None, (says,))
        machine = larger
        notes.append(f"{needs}: it is priced on {machine.name}.")
    cost = on_machine(
        name,
        rate,
        machine,
        prices,
        horizon_days=study.horizon_days,
        fit_seconds=result.fit_seconds,
        labelled_items=labelled_items(result, document),
        review_share=1.0 - answered_share(result),
        utilisation=1.0 if held else None,
    )
    return Priced(result, cost, tuple(notes), machine, basis)


def _bases(priced: Sequence[Priced], document: Document, prices: Prices) -> list[str]:
    """What one machine is taken to hold, and for whom; nothing where no approach was put under load."""
    if not document.serving:
        return []
    told = []
    by_limit: dict[str, list[str]] = {}
    for one in priced:
        found = beside.serving(document, one.result.name)
        if one.basis == "held" and found:
            by_limit.setdefault(found.limit, []).append(one.result.name)
    for limit, names in by_limit.items():
        told.append(
            f"Cost rests on what holds under load for {sentences.joined(names)}: one machine is taken to hold the highest rate that "
            f"kept `{limit}`, and nothing more is taken off, because that limit already leaves room."
        )
    open_ = [one.result.name for one in priced if one.basis == "held" and unbroken(document, one.result.name)]
    if open_:
        told.append(
            f"No rate that was tried under load broke the limit of {sentences.joined(open_)}: one machine may hold more than was tried, "
            "so at large volumes the true cost may be lower, below its interval too."
        )
    others = [one.result.name for one in priced if one.basis in ("throughput", "median")]
    unserved = [name for name in others if beside.serving(document, name) is None]
    for names, why in (
        (unserved, "not put under load"),
        ([name for name in others if name not in unserved], "not found to keep a latency limit under load at any rate"),
    ):
        if names:
            told.append(
                f"Cost rests on measured speed for {sentences.joined(names)}, {why}: "
                f"one machine is taken to hold {prices.utilisation:.0%} of it."
            )
    for one in priced:
        found = beside.serving(document, one.result.name)
        if found and one.basis in ("throughput", "median") and held_at_none(found.steps):
            told.append(
                f"{one.result.name} kept `{found.limit}` at no rate that was tried: at this price it answers, but not within that limit."
            )
    return told


def unbroken(document: Document, name: str) -> bool:
    """True where a rate was held and none was seen to break the limit, so that the rate held is only a lower bound."""
    rate = beside.served_rate(document, name)
    return rate is not None and rate.high <= rate.mid


def held_at_none(steps: Sequence[Any]) -> bool:
    """True where rates were tried validly, some broke the limit and none kept it."""
    judged = {step.outcome for step in steps if step.valid and step.scenario == "server"}
    return "broken" in judged and "kept" not in judged


def costs_of(priced: Sequence[Priced]) -> Mapping[str, DailyCost]:
    """Daily costs by approach, of those that have one."""
    return {one.result.name: one.cost for one in priced if one.cost is not None}
