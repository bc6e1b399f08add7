"""The counters of energy that a machine may have, each read by one small object.

Reading is defensive: the files are the kernel's, but they vanish (a driver is unloaded), change their rights, and in some virtual
machines stand still or hold nonsense.

Sources: Linux, ``Documentation/power/powercap/powercap.rst`` and ``Documentation/hwmon/amd_energy.rst`` (5.8 to 5.12); NVIDIA's
NVML API reference; CVE-2020-8694 for why RAPL is readable by root only since Linux 5.10.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

DRIVER = Path("/proc/driver/nvidia/version")
MOST_WATTS = 10_000.0
"""Of one device. A counter that seems to have used more has been set back, not overflowed."""


class Source(Protocol):
    name: str
    joules: float

    def read(self, now: float) -> str:
        """Bring `joules` up to date; a sentence if the source can no longer be read, else ''."""
        ...


class Counter:
    """A counter that only grows, and begins again at 0 after `top` (None: it never does)."""

    def __init__(self, name: str, read: Callable[[], int], joules_per_unit: float, top: int | None) -> None:
        self.name, self.joules = name, 0.0
        self._read, self._unit, self._top = read, joules_per_unit, top
        self._last: tuple[float, int] | None = None

    def read(self, now: float) -> str:
        try:
            value = self._read()
        except PermissionError:
            return f"{self.name} became unreadable while it was measured; its energy is not known."
        except Exception:  # a driver's library raises kinds of its own; files vanish and hold anything
            return f"{self.name} vanished or could not be read while it was measured; its energy is not known."
        if self._last is not None:
            then, before = self._last
            step = value - before if value >= before else value - before + (self._top or 0)
            if step < 0 or step * self._unit > MOST_WATTS * max(now - then, 0.01):
                return f"{self.name} jumped while it was measured, as no energy does; its energy is not known."
            self.joules += step * self._unit
        self._last = (now, value)
        return ""


class Power:
    """Power readings in watts, added up by the trapezoidal rule."""

    def __init__(self, name: str, read: Callable[[], float]) -> None:
        self.name, self.joules, self._read = name, 0.0, read
        self._last: tuple[float, float] | None = None

    def read(self, now: float) -> str:
        try:
            watts = self._read()
        except Exception:  # the driver's library raises kinds of its own
            return f"{self.name} could not be read while it was measured; its energy is not known."
        if self._last is not None:
            then, before = self._last
            self.joules += (now - then) * (before + watts) / 2
        self._last = (now, watts)
        return ""


def _whole_number(file: Path) -> int:
    return int(file.read_text(encoding="ascii").strip())


def _of_file(name: str, file: Path, top: int | None) -> Counter:
    """A counter of microjoules in a file of one number."""
    return Counter(name, lambda: _whole_number(file), 1e-6, top)


def rapl_sources(folder: Path, says: list[str]) -> list[Source]:
    """Packages and their memory. Core and uncore lie inside a package; the whole platform (psys) contains it."""
    zones: dict[str, str] = {}
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        names = []
    for zone in names:
        # intel-rapl-mmio is a second way to the same counters; added to the first it would count them twice.
        if not re.fullmatch(r"intel-rapl:\d+(:\d+)?", zone):
            continue
        try:
            zones[zone] = (folder / zone / "name").read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
    packages = {zone: name for zone, name in zones.items() if zone.count(":") == 1 and name.startswith("package")}
    chosen = dict(packages)
    chosen |= {
        zone: f"dram of {packages[zone.rpartition(':')[0]]}"
        for zone, name in zones.items()
        if name == "dram" and zone.rpartition(":")[0] in packages
    }
    if not packages:
        chosen = {zone: name for zone, name in zones.items() if zone.count(":") == 1 and name == "psys"}
    if not chosen:
        says.append(
            "The processor's energy could not be measured: this system has no RAPL counters (usual in virtual machines and "
            "containers, and on processors other than Intel's and AMD's)."
        )
    sources: list[Source] = []
    for zone, name in chosen.items():
        file = folder / zone / "energy_uj"
        try:
            _whole_number(file)
        except PermissionError:
            says.append(
                f"The energy of {name} could not be measured: only an administrator may read it (a protection of the kernel since "
                f"2020). To allow it: sudo chmod a+r {file}"
            )
            continue
        except (OSError, ValueError):
            says.append(f"The energy of {name} could not be measured: its counter cannot be read.")
            continue
        try:
            top: int | None = _whole_number(folder / zone / "max_energy_range_uj")
        except (OSError, ValueError):
            top = None
        sources.append(_of_file(f"{name} (RAPL)", file, top))
    return sources


def amd_sources(folder: Path) -> list[Source]:
    """Sockets of the ``amd_energy`` sensor (Linux 5.8 to 5.12, and out of tree): microjoules in 64 bits."""
    sources: list[Source] = []
    try:
        sensors = sorted(path for path in folder.iterdir() if (path / "name").read_text(encoding="ascii").strip() == "amd_energy")
    except (OSError, ValueError):
        return sources
    for sensor in sensors:
        for label in sorted(sensor.glob("energy*_label")):
            file = label.with_name(label.name.replace("_label", "_input"))
            try:
                name = label.read_text(encoding="ascii", errors="replace").strip()
                _whole_number(file)
            except (OSError, ValueError):
                continue
            if name.startswith("Esocket"):
                sources.append(_of_file(f"{name} (amd_energy)", file, None))
    return sources


class Nvml:
    """NVIDIA's management library, opened for one block; silent where there is no sign of an NVIDIA GPU."""

    def __init__(self, given: Any, says: list[str]) -> None:
        self._says, self._library, self._open = says, given, False
        if given is None:
            if importlib.util.find_spec("pynvml") is None:
                if DRIVER.exists():
                    says.append(
                        "The energy of the NVIDIA GPU could not be measured: a package is missing. "
                        "To install it: pip install 'bakeoff[gpu]'"
                    )
                return
            self._library = importlib.import_module("pynvml")
        try:
            self._library.nvmlInit()
            self._open = True
        except Exception as error:  # NVMLError, whose class is made at run time
            if given is not None or DRIVER.exists():
                says.append(f"The energy of NVIDIA GPUs could not be measured: {error}.")

    def sources(self) -> list[Source]:
        """One per GPU that this process may see, by energy counter or by power readings."""
        if not self._open:
            return []
        found: list[Source] = []
        try:
            count = int(self._library.nvmlDeviceGetCount())
        except Exception as error:
            self._says.append(f"The energy of NVIDIA GPUs could not be measured: {error}.")
            return []
        for index in range(count):
            try:
                handle = self._library.nvmlDeviceGetHandleByIndex(index)
                if not self._visible(index, handle):
                    continue
                model = self._library.nvmlDeviceGetName(handle)
                name = f"GPU {index} {model.decode() if isinstance(model, bytes) else model}"
            except Exception as error:
                self._says.append(f"The energy of GPU {index} could not be measured: {error}.")
                continue
            source = self._of(handle, name)
            if source is not None:
                found.append(source)
        return found

    def _of(self, handle: Any, name: str) -> Source | None:
        library = self._library
        try:
            library.nvmlDeviceGetTotalEnergyConsumption(handle)
            return Counter(f"{name} (NVML counter)", lambda: int(library.nvmlDeviceGetTotalEnergyConsumption(handle)), 1e-3, None)
        except Exception:  # older than Volta, or not told to this process
            pass
        try:
            library.nvmlDeviceGetPowerUsage(handle)
        except Exception as error:
            self._says.append(f"The energy of {name} could not be measured: {error}.")
            return None
        self._says.append(f"{name} has no energy counter: its power was read again and again, and added up.")
        return Power(f"{name} (NVML power)", lambda: float(library.nvmlDeviceGetPowerUsage(handle)) / 1e3)

    def _visible(self, index: int, handle: Any) -> bool:
        """NVML sees every GPU of the machine, CUDA only those that it is told to: the others are not this process's."""
        told = os.environ.get("CUDA_VISIBLE_DEVICES")
        if told is None:
            return True
        wanted = [name.strip() for name in told.split(",") if name.strip()]
        if str(index) in wanted:
            return True
        identity = self._library.nvmlDeviceGetUUID(handle)
        identity = identity.decode() if isinstance(identity, bytes) else str(identity)
        return any(name.startswith("GPU-") and identity.startswith(name) for name in wanted)

    def close(self) -> None:
        """Let the library go. Safe to call twice."""
        if self._open:
            self._open = False
            try:
                self._library.nvmlShutdown()
            except Exception:  # nothing is read any more, so nothing is lost
                return
