"""What a day of answering costs: reserved machines, paid answers, people, and one-off work spread over a horizon.

Daily cost = replicas(volume) x price of a replica + volume x price of an answer + one-off cost / horizon.
Replicas are reserved around the clock for the busiest rate, so the first part is a step function of volume:
``replicas = ceil(volume / 86400 x peak_factor / (measured items per second x utilisation))``, at least one. What is measured
is the throughput, or, with a utilisation of 1, the highest rate that one replica held within a latency limit under load.
One replica is one copy of the approach on one machine, as measured: a larger machine is not assumed to be faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.estimate.prices import Estimate, Machine, Prices

SECONDS_PER_DAY = 86_400.0
GIB = 2.0**30
ROUNDING = 1e-9
"""A capacity that is exceeded by less than this share is not exceeded: floating point, not load."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DailyCost:
    """The daily cost of one approach as a function of volume (items per day).

    Parameters
    ----------
    name : str
        The approach.
    usd_per_replica_day : float
        Price of one reserved replica for 24 hours; 0 where answers are bought from somebody else.
    items_per_second : Interval or None
        What one replica does, as measured. None where answers are bought.
    usd_per_item : Interval
        Money per item paid to somebody else for its answer.
    review_usd_per_item : float
        Money per item for people who answer what the approach left open, averaged over all items.
    once : Estimate
        One-off US dollars (training, labelling), spread evenly over `horizon_days`.
    peak_factor, utilisation : float
        See `Prices`.
    leaves_out : tuple of str
        What this cost does not contain.
    """

    name: str
    usd_per_replica_day: float
    items_per_second: Interval | None
    usd_per_item: Interval
    review_usd_per_item: float
    once: Estimate
    horizon_days: float
    peak_factor: float
    utilisation: float
    leaves_out: tuple[str, ...] = ()

    def capacity(self, items_per_second: float | None = None) -> float:
        """Items per day that one replica holds at this throughput (the measured one by default); inf for bought answers."""
        if self.items_per_second is None:
            return math.inf
        rate = self.items_per_second.mid if items_per_second is None else items_per_second
        return rate * self.utilisation * SECONDS_PER_DAY / self.peak_factor

    def replicas(self, volume: float, items_per_second: float | None = None) -> int:
        """Replicas reserved at `volume` items per day; 0 for bought answers."""
        if self.items_per_second is None:
            return 0
        return max(1, math.ceil(volume / self.capacity(items_per_second) * (1 - ROUNDING)))

    def parts(self, volume: float) -> Estimate:
        """US dollars per day at `volume`, by part, at the measured throughput and prices."""
        parts = {
            "machines": self.replicas(volume) * self.usd_per_replica_day,
            "answers": volume * self.usd_per_item.mid,
            "review": volume * self.review_usd_per_item,
            **{part: usd / self.horizon_days for part, usd in self.once.parts.items()},
        }
        return Estimate(parts, "USD per day", self.leaves_out)

    def usd_per_day(self, volume: float) -> Interval:
        """US dollars per day at `volume`. Its ends are the cost at the ends of the measured throughput and price:
        the cost falls with throughput and rises with the price of an answer, so no resampling is needed."""
        rate, usd = self.items_per_second, self.usd_per_item
        mid = self.at(volume, rate.mid if rate else math.inf, usd.mid)
        low = self.at(volume, rate.high if rate else math.inf, usd.low)
        high = self.at(volume, rate.low if rate else math.inf, usd.high)
        return Interval(mid, low, high, min(usd.n, rate.n) if rate else usd.n)

    def usd_per_1000(self) -> Interval:
        """Marginal US dollars per 1,000 answers on a machine that is busy all the time; no review and no one-off work is in it."""
        rate, usd = self.items_per_second, self.usd_per_item
        if rate is None:
            return Interval(usd.mid * 1000, usd.low * 1000, usd.high * 1000, usd.n)
        second = self.usd_per_replica_day / SECONDS_PER_DAY
        ends = ((rate.mid, usd.mid), (rate.high, usd.low), (rate.low, usd.high))
        mid, low, high = (1000 * (second / per_second + per_item) for per_second, per_item in ends)
        return Interval(mid, low, high, min(rate.n, usd.n))

    def at(self, volume: float, items_per_second: float, usd_per_item: float) -> float:
        """US dollars per day at `volume` if the throughput and the price of an answer were these."""
        fixed = self.replicas(volume, items_per_second) * self.usd_per_replica_day
        return fixed + volume * (usd_per_item + self.review_usd_per_item) + self.once.total / self.horizon_days

    def lines(self, inside: Floats, items_per_second: float, usd_per_item: float) -> tuple[Floats, float]:
        """Intercepts at the volumes `inside` steps, and the slope: the cost there is intercept + slope x volume."""
        once = self.once.total / self.horizon_days
        if self.items_per_second is None:
            return np.full(inside.shape, once), usd_per_item + self.review_usd_per_item
        replicas = np.maximum(1.0, np.ceil(inside / self.capacity(items_per_second) * (1 - ROUNDING)))
        return replicas * self.usd_per_replica_day + once, usd_per_item + self.review_usd_per_item


def on_machine(
    name: str,
    items_per_second: Interval,
    machine: Machine,
    prices: Prices,
    *,
    horizon_days: float,
    fit_seconds: float | None = None,
    labelled_items: int = 0,
    review_share: float = 0.0,
    utilisation: float | None = None,
) -> DailyCost:
    """The cost of an approach that runs on machines you reserve.

    Parameters
    ----------
    items_per_second : Interval
        What one replica does as measured, all three above 0: its throughput, or the highest rate that it held within a
        latency limit (then with a `utilisation` of 1, because the limit leaves the room that utilisation is for).
    fit_seconds : float or None
        One training, charged at the machine's price. None when it was not measured (said in `leaves_out`).
    labelled_items : int
        Labelled items that it learns from or is tuned on.
    review_share : float in [0, 1]
        Share of items that a person has to answer.
    utilisation : float in (0, 1], or None
        Share of `items_per_second` that is planned for; None for that of `prices`.

    Raises
    ------
    BakeoffError
        If the throughput is not above 0.
    """
    if not items_per_second.mid > 0 or not items_per_second.low > 0:
        raise BakeoffError(
            f"{name}: a throughput of {items_per_second.low:g} items per second cannot be priced.", fix="measure longer"
        )
    once = {
        "training": (fit_seconds or 0.0) / 3600 * machine.usd_per_hour,
        "labelling": labelled_items * prices.labelling_usd_per_item,
    }
    out = [
        f"machines that are larger or smaller than {machine.name} (one copy per machine, as measured)",
        "storage, network traffic, discounts, taxes and the people who keep it running",
    ]
    if fit_seconds is None:
        out.append("training, which was not timed")
    out += _people(prices, labelled_items, review_share)
    return DailyCost(
        name=name,
        usd_per_replica_day=machine.usd_per_hour * 24,
        items_per_second=items_per_second,
        usd_per_item=Interval(0.0, 0.0, 0.0, items_per_second.n),
        review_usd_per_item=review_share * prices.review_usd_per_item,
        once=Estimate(once, "USD"),
        horizon_days=horizon_days,
        peak_factor=prices.peak_factor,
        utilisation=prices.utilisation if utilisation is None else utilisation,
        leaves_out=tuple(out),
    )


def bought(
    name: str,
    usd_per_item: Interval,
    prices: Prices,
    *,
    horizon_days: float,
    labelled_items: int = 0,
    review_share: float = 0.0,
) -> DailyCost:
    """The cost of an approach whose answers are bought one by one from somebody else's endpoint. No machine is reserved.

    `usd_per_item` is tokens x price, or the measured bill. See `on_machine` for the rest.
    """
    return DailyCost(
        name=name,
        usd_per_replica_day=0.0,
        items_per_second=None,
        usd_per_item=usd_per_item,
        review_usd_per_item=review_share * prices.review_usd_per_item,
        once=Estimate({"labelling": labelled_items * prices.labelling_usd_per_item}, "USD"),
        horizon_days=horizon_days,
        peak_factor=prices.peak_factor,
        utilisation=prices.utilisation,
        leaves_out=(
            "the requests spent on choosing a prompt, the client's machine, and volume discounts",
            *_people(prices, labelled_items, review_share),
        ),
    )


def smallest_that_fits(machines: Sequence[Machine], peak_bytes: float, gpu: bool) -> Machine | None:
    """The cheapest machine whose memory holds `peak_bytes`, with or without a GPU as asked. None when none does."""
    fits = [m for m in machines if m.memory_gib is not None and m.memory_gib * GIB >= peak_bytes and bool(m.gpu) == gpu]
    return min(fits, key=lambda machine: (machine.usd_per_hour, machine.name), default=None)


def _people(prices: Prices, labelled_items: int, review_share: float) -> list[str]:
    out = []
    if labelled_items and not prices.labelling_usd_per_item:
        out.append(f"labelling {labelled_items:,} items (set prices.labelling_usd_per_item)")
    if review_share and not prices.review_usd_per_item:
        out.append(f"people for the {review_share:.1%} of items without an answer (set prices.review_usd_per_item)")
    return out
