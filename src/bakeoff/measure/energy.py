"""How much energy does it take? Only where the machine has a counter, and only as finely as the counter goes.

Three places are asked. RAPL (``/sys/class/powercap``, Intel and AMD processors): energy of each processor package, and of
memory where it is told. The kernel's ``amd_energy`` sensor, where RAPL is not there. NVML: NVIDIA GPUs, by their energy
counter (Volta and later) or else by adding up power readings. Rented virtual machines and containers mostly have none of
them; then nothing is estimated, and `Energy.says` tells why.

Every counter here is of a whole device. What other processes did in the meantime is in the figure, and so is what the
device draws when idle; both are said. RAPL counters overflow (after minutes on a busy server), so a thread reads them while
the block runs.

Sources: David et al. 2010 (RAPL); Hackenberg et al. 2015 (it is updated about every millisecond); and those of
`bakeoff.measure.energy_sources`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bakeoff.contract import Interval, Json
from bakeoff.errors import BakeoffError
from bakeoff.measure.energy_sources import Nvml, Power, Source, amd_sources, rapl_sources

POWERCAP, HWMON = Path("/sys/class/powercap"), Path("/sys/class/hwmon")
SHORTEST = 0.1
"""Seconds. Counters move about every millisecond (RAPL) or every 20 to 100 (NVML): a shorter block is mostly their grain."""
WHOLE = (
    "Counters are of whole devices: what other processes did in this time, and what the device draws when idle, is in the figure."
)


@dataclass(frozen=True)
class Energy:
    """Energy of one block of code.

    Parameters
    ----------
    joules : Mapping of source to joules
        By device: ``package-0 (RAPL)``, ``dram of package-0 (RAPL)``, ``GPU 0 NVIDIA L4 (NVML counter)``. Empty where
        nothing could be measured. The sources do not overlap, so that they may be added.
    seconds : float
        Duration of the block.
    says : tuple of str
        What the figure covers, and what could not be measured and why, in sentences for people.
    idle_watts : Mapping of source to watts
        What each source draws when idle, where that was given to the meter.
    """

    joules: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    says: tuple[str, ...] = ()
    idle_watts: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_joules(self) -> float | None:
        """The sum over the sources that were measured; None where there were none. `says` names those that were lost."""
        return math.fsum(self.joules.values()) if self.joules else None

    @property
    def above_idle_joules(self) -> float | None:
        """The sum less what the same sources draw when idle; None unless all have an idle power. May be below 0 by noise."""
        if not self.joules or not set(self.joules) <= set(self.idle_watts):
            return None
        return math.fsum(value - self.idle_watts[source] * self.seconds for source, value in self.joules.items())

    @property
    def watts(self) -> Mapping[str, float]:
        """Mean power of each source over the block."""
        return {source: value / self.seconds for source, value in self.joules.items()} if self.seconds > 0 else {}

    def as_json(self) -> dict[str, Json]:
        """The fields by name, and `total_joules`."""
        return {**asdict(self), "says": list(self.says), "total_joules": self.total_joules}


class EnergyMeter:
    """Measure the energy of a block::

        with EnergyMeter() as meter:
            serve_some_requests()
        meter.result.total_joules        # or None, and meter.result.says tells why

    Parameters
    ----------
    powercap, hwmon : Path
        Where the kernel tells of its counters.
    nvml : module-like or None, default=None
        An object with the functions of ``pynvml``. None imports it if it is installed (extra ``gpu``).
    interval_seconds : float, > 0, default=0.5
        How often the counters are read while the block runs. GPUs without an energy counter are read ten times as often.
    idle_watts : Mapping of source to watts, optional
        From `idle_watts` of this module.
    clock : callable, default=time.perf_counter

    Never raises for a machine that tells nothing: that is in `result.says`.
    """

    def __init__(
        self,
        *,
        powercap: Path = POWERCAP,
        hwmon: Path = HWMON,
        nvml: Any = None,
        interval_seconds: float = 0.5,
        idle_watts: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not interval_seconds > 0:
            raise BakeoffError(f"interval_seconds is {interval_seconds}; it must be above 0.", fix="set it to 0.5")
        self._powercap, self._hwmon, self._given_nvml, self._interval = powercap, hwmon, nvml, interval_seconds
        self._idle, self._clock = dict(idle_watts or {}), clock
        self._result: Energy | None = None

    @property
    def result(self) -> Energy:
        """What was measured.

        Raises
        ------
        BakeoffError
            While the block has not ended.
        """
        if self._result is None:
            raise BakeoffError("The energy is known only after the block has ended.", fix="read `result` after the `with` block")
        return self._result

    def __enter__(self) -> EnergyMeter:
        self._result = None
        self._says: list[str] = []
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._sources: list[Source] = [*rapl_sources(self._powercap, self._says)]
        if not self._sources:
            self._sources = [*amd_sources(self._hwmon)]
            if self._sources:
                self._says.clear()  # why RAPL told nothing no longer matters
        self._nvml = Nvml(self._given_nvml, self._says)
        self._sources += self._nvml.sources()
        self._started = self._clock()
        self.sample()
        if self._sources:
            often = any(isinstance(source, Power) for source in self._sources)
            wait = self._interval / 10 if often else self._interval
            threading.Thread(target=self._watch, args=(wait,), name="energy", daemon=True).start()
        return self

    def sample(self) -> None:
        """Read every counter now. The meter's own thread calls it; it may be called at other times too."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        for source in list(self._sources):
            problem = source.read(self._clock())
            if problem:
                self._sources.remove(source)
                self._says.append(problem)

    def _watch(self, wait: float) -> None:
        while not self._ended.wait(wait):
            with self._lock:
                if not self._ended.is_set():
                    self._read()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._ended.set()
            self._read()
            seconds = self._clock() - self._started
            self._nvml.close()
            joules = {source.name: source.joules for source in self._sources if source.joules > 0}
            still = [source.name for source in self._sources if source.name not in joules]
            self._sources = []
        why = f"in {seconds:.3g} s, which is too short" if seconds < SHORTEST else "at all: it is no live counter"
        self._says += [f"{name} did not move {why}." for name in still]
        if joules:
            self._says.append(WHOLE)
            if seconds < SHORTEST:
                self._says.append(f"The block took {seconds:.3g} s: the counters' own grain is a visible part of the figure.")
        idle = {source: watts for source, watts in self._idle.items() if source in joules}
        self._result = Energy(joules, seconds, tuple(dict.fromkeys(self._says)), idle)


def idle_watts(
    seconds: float = 5.0, *, meter: EnergyMeter | None = None, sleep: Callable[[float], None] = time.sleep
) -> dict[str, float]:
    """What each source draws while this process does nothing for `seconds` (> 0). Empty where nothing can be measured.

    It is only as idle as the rest of the machine.
    """
    if not seconds > 0:
        raise BakeoffError(f"seconds is {seconds}; it must be above 0.", fix="measure for 5 seconds")
    used = meter or EnergyMeter()
    with used:
        sleep(seconds)
    return dict(used.result.watts)


def joules_per_item(windows: Sequence[Energy], items: Sequence[int], *, above_idle: bool = False) -> Interval | None:
    """Joules per item with a 95% interval over repeated windows of the same work.

    Parameters
    ----------
    windows : sequence of Energy, length n_windows
    items : sequence of int, length n_windows, each >= 0
        Items answered in each window.
    above_idle : bool, default=False
        Take off what the same devices draw when idle.

    Returns
    -------
    Interval or None
        `mid` is all joules over all items; the ends are Student's t interval of this ratio over windows, linearised (Cochran
        1977, section 6.4), not below 0 unless `above_idle`; `n` counts windows. None with fewer than two windows, without
        items, or where a window has no measurement or other sources than the rest.

    Raises
    ------
    BakeoffError
        If the lengths differ, or a count is negative.
    """
    if len(windows) != len(items) or any(count < 0 for count in items):
        raise BakeoffError(
            f"There are {len(windows)} windows and counts {list(items)[:8]}: one count of at least 0 is needed for each window.",
            fix="give as many counts of items as windows",
        )
    found = [window.above_idle_joules if above_idle else window.total_joules for window in windows]
    joules = [value for value in found if value is not None]
    n, answered = len(windows), sum(items)
    if n < 2 or answered == 0 or len(joules) < n or len({frozenset(window.joules) for window in windows}) > 1:
        return None
    from scipy.stats import t

    mid = math.fsum(joules) / answered
    residuals = math.fsum((value - mid * count) ** 2 for value, count in zip(joules, items, strict=True))
    half = float(t.ppf(0.975, n - 1)) * math.sqrt(residuals / (n - 1) / n) / (answered / n)
    low = mid - half
    return Interval(mid, low if above_idle else max(0.0, low), mid + half, n)
