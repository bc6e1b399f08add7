"""The energy meter against a fake tree of the kernel's files and a fake NVML: overflow, rights, vanishing, and honesty."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.energy import WHOLE, Energy, EnergyMeter, idle_watts, joules_per_item

NEVER = 1e6
"""An interval at which the meter's own thread does not come to read in a test."""


class Hand:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Tree:
    """``/sys/class/powercap`` with zones whose counters a test can turn."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "intel-rapl").mkdir()

    def zone(self, zone: str, name: str, microjoules: int = 0, top: int | None = 262_143_328_850) -> Path:
        folder = self.root / zone
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        if top is not None:
            (folder / "max_energy_range_uj").write_text(f"{top}\n")
        return folder / "energy_uj"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "powercap")


class NoNvml:
    """An NVML without a driver."""

    def nvmlInit(self):
        raise RuntimeError("NVML Shared Library Not Found")


class Nvml:
    """GPUs with an energy counter in millijoules (None: the call is refused) and a power in milliwatts (None: likewise)."""

    def __init__(self, *gpus: tuple[int | None, int | None]) -> None:
        self.gpus, self.opened, self.shut = [list(gpu) for gpu in gpus], 0, 0

    def nvmlInit(self):
        self.opened += 1

    def nvmlShutdown(self):
        self.shut += 1

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, handle):
        return b"NVIDIA Fake" if handle else "NVIDIA Fake"

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-0000000{handle}-aaaa"

    def _read(self, handle, column):
        if self.gpus[handle][column] is None:
            raise RuntimeError("Not Supported")
        return self.gpus[handle][column]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self._read(handle, 0)

    def nvmlDeviceGetPowerUsage(self, handle):
        return self._read(handle, 1)


def meter(tmp_path: Path, clock: Hand | None = None, **given) -> EnergyMeter:
    given = {"powercap": tmp_path / "powercap", "hwmon": tmp_path / "hwmon", "interval_seconds": NEVER, **given}
    return EnergyMeter(**given, **({"clock": clock} if clock else {}))


def test_packages_and_their_memory_are_added_and_what_overlaps_is_not(tree, tmp_path):
    clock = Hand()
    counters = {
        "package-0": tree.zone("intel-rapl:0", "package-0", 1_000_000),
        "core": tree.zone("intel-rapl:0:0", "core"),
        "dram": tree.zone("intel-rapl:0:1", "dram", 500_000),
        "package-1": tree.zone("intel-rapl:1", "package-1"),
        "psys": tree.zone("intel-rapl:2", "psys"),
        "mmio": tree.zone("intel-rapl-mmio:0", "package-0"),
    }
    with meter(tmp_path, clock) as used:
        clock.sleep(2)
        for name, file in counters.items():
            file.write_text(str({"package-0": 61_000_000, "dram": 4_500_000, "package-1": 20_000_000}.get(name, 99_000_000)))
    found = used.result
    assert found.joules == pytest.approx({"package-0 (RAPL)": 60.0, "dram of package-0 (RAPL)": 4.0, "package-1 (RAPL)": 20.0})
    assert found.total_joules == pytest.approx(84) and found.seconds == pytest.approx(2)
    assert found.watts["package-0 (RAPL)"] == pytest.approx(30)
    assert found.says == (WHOLE,) and found.above_idle_joules is None
    assert found.as_json()["total_joules"] == pytest.approx(84)


def test_the_whole_platform_stands_in_where_there_is_no_package(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "psys")
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        file.write_text("7000000")
    assert used.result.joules == {"psys (RAPL)": 7.0}


def test_an_overflow_is_not_lost_and_several_need_the_readings_in_between(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0", 9_000_000, top=10_000_000)
    with meter(tmp_path, clock) as used:
        for reading in (4_000_000, 3_000_000, 9_999_999, 0):  # three times over the top
            clock.sleep(1)
            file.write_text(str(reading))
            used.sample()
    assert used.result.total_joules == pytest.approx(5 + 9 + 6.999999 + 0.000001)


def test_a_counter_that_was_set_back_is_dropped_and_not_taken_for_an_overflow(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0", 200_000_000_000)
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        file.write_text("5")  # 62 kJ in a second, if it had overflowed
    assert used.result.total_joules is None
    assert any("jumped" in sentence for sentence in used.result.says)


@pytest.mark.parametrize("top", [None, 0])
def test_without_a_known_top_a_step_back_is_dropped(tree, tmp_path, top):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0", 5_000_000, top=top)
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        file.write_text("4000000")
    assert used.result.joules == {} and "jumped" in " ".join(used.result.says)


def test_a_file_that_vanishes_takes_its_figure_with_it_and_the_others_stay(tree, tmp_path):
    clock = Hand()
    first, second = tree.zone("intel-rapl:0", "package-0"), tree.zone("intel-rapl:1", "package-1")
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        first.unlink()
        second.write_text("3000000")
    assert used.result.joules == {"package-1 (RAPL)": 3.0}
    assert any("package-0 (RAPL) vanished" in sentence for sentence in used.result.says)


def test_nonsense_in_a_file_is_no_energy(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:1", "package-1").write_text("")
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        file.write_bytes(b"\xff\xfe")
    assert used.result.joules == {} and used.result.total_joules is None
    assert {"package-0", "package-1"} <= {word for sentence in used.result.says for word in sentence.split()}


def test_what_only_root_may_read_is_said_with_the_command_that_allows_it(tree, tmp_path, monkeypatch):
    file = tree.zone("intel-rapl:0", "package-0")
    file.chmod(0)
    if os.geteuid() == 0:  # root reads everything: the refusal is made where the file is read
        real = Path.read_text

        def refuse(self, *given, **named):
            if self == file:
                raise PermissionError(13, "Permission denied")
            return real(self, *given, **named)

        monkeypatch.setattr(Path, "read_text", refuse)
    with meter(tmp_path, Hand()) as used:
        pass
    assert used.result.total_joules is None
    (says,) = used.result.says
    assert "administrator" in says and f"sudo chmod a+r {file}" in says


def test_a_machine_that_tells_nothing_is_said_to_and_never_gives_nought(tmp_path):
    clock = Hand()
    with meter(tmp_path, clock, nvml=NoNvml()) as used:
        clock.sleep(1)
    found = used.result
    assert found.joules == {} and found.total_joules is None and found.watts == {} and found.above_idle_joules is None
    assert found.seconds == 1 and "no RAPL counters" in found.says[0] and "NVML Shared Library" in found.says[1]
    assert WHOLE not in found.says


def test_a_counter_that_stands_still_is_not_nought_joules(tree, tmp_path):
    clock = Hand()
    tree.zone("intel-rapl:0", "package-0", 123)
    with meter(tmp_path, clock) as used:
        clock.sleep(5)
    assert used.result.total_joules is None and "no live counter" in used.result.says[0]
    with meter(tmp_path, clock) as used:
        clock.sleep(0.01)
    assert used.result.total_joules is None and "too short" in used.result.says[0]


def test_a_short_block_says_that_its_figure_is_coarse(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0")
    with meter(tmp_path, clock) as used:
        clock.sleep(0.02)
        file.write_text("400000")
    assert used.result.total_joules == pytest.approx(0.4) and "grain" in used.result.says[-1]


def test_the_old_amd_sensor_is_asked_only_where_there_is_no_rapl(tree, tmp_path):
    clock, sensor = Hand(), tmp_path / "hwmon" / "hwmon3"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("amd_energy\n")
    for number, (label, start) in enumerate([("Ecore000", 5), ("Esocket0", 1_000_000)], start=1):
        (sensor / f"energy{number}_label").write_text(label + "\n")
        (sensor / f"energy{number}_input").write_text(f"{start}\n")
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        (sensor / "energy2_input").write_text("31000000")
    assert used.result.joules == {"Esocket0 (amd_energy)": 30.0} and used.result.says == (WHOLE,)
    file = tree.zone("intel-rapl:0", "package-0")
    with meter(tmp_path, clock) as used:
        clock.sleep(1)
        file.write_text("2000000")
        (sensor / "energy2_input").write_text("61000000")
    assert used.result.joules == {"package-0 (RAPL)": 2.0}


def test_gpus_by_counter_and_by_power_and_which_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    clock, nvml = Hand(), Nvml((10_000, 50_000), (None, 40_000), (None, None))
    with meter(tmp_path, clock, nvml=nvml) as used:
        for watts in (60, 80):
            clock.sleep(1)
            nvml.gpus[0][0] += 55_000
            nvml.gpus[1][1] = watts * 1000
            used.sample()
    found = used.result
    assert found.joules["GPU 0 NVIDIA Fake (NVML counter)"] == pytest.approx(110)
    assert found.joules["GPU 1 NVIDIA Fake (NVML power)"] == pytest.approx(50 + 70)  # trapezoids of 40, 60, 80 W
    says = " ".join(found.says)
    assert "GPU 1 NVIDIA Fake has no energy counter" in says and "GPU 2 NVIDIA Fake could not be measured: Not Supported" in says
    assert (nvml.opened, nvml.shut) == (1, 1)


@pytest.mark.parametrize(
    ("told", "seen"), [("1", {"GPU 1"}), ("GPU-00000000", {"GPU 0"}), ("", set()), ("-1", set()), ("0,1", {"GPU 0", "GPU 1"})]
)
def test_gpus_that_this_process_may_not_use_are_left_out(tmp_path, monkeypatch, told, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    clock, nvml = Hand(), Nvml((0, 0), (0, 0))
    with meter(tmp_path, clock, nvml=nvml) as used:
        clock.sleep(1)
        for gpu in nvml.gpus:
            gpu[0] += 1000
    assert {name[:5] for name in used.result.joules} == seen


def test_a_gpu_that_falls_off_the_bus_takes_its_figure_with_it(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    clock, nvml = Hand(), Nvml((0, 0))
    with meter(tmp_path, clock, nvml=nvml) as used:
        clock.sleep(1)
        nvml.gpus[0] = [None, None]
    assert used.result.total_joules is None and "vanished" in " ".join(used.result.says)


def test_its_own_thread_sees_the_overflows_and_ends_with_the_block(tree, tmp_path):
    file, reads = tree.zone("intel-rapl:0", "package-0", 0, top=10_000_000), [0]

    def clock():
        reads[0] += 1
        return time.perf_counter()

    used = meter(tmp_path, clock, interval_seconds=0.002)
    deadline = time.monotonic() + 30
    with used:
        reading = 0
        for _ in range(6):
            reading = (reading + 8_000_000) % 10_000_000
            (tmp_path / "next").write_text(str(reading))
            (tmp_path / "next").replace(file)
            seen = reads[0]
            while reads[0] < seen + 2 and time.monotonic() < deadline:  # the second reading began after the file was there
                time.sleep(0.001)
    # Six steps of 8 J, which wrap four times: from the first and last value alone it would be 8 J.
    assert used.result.total_joules == pytest.approx(48)
    while any(thread.name == "energy" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name == "energy" for thread in threading.enumerate())


def test_a_block_that_fails_is_measured_too_and_the_error_goes_on(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0")
    used = meter(tmp_path, clock)
    with pytest.raises(ZeroDivisionError), used:
        clock.sleep(1)
        file.write_text("1000000")
        raise ZeroDivisionError
    assert used.result.total_joules == 1


def test_the_result_is_not_there_before_the_end_and_a_meter_can_be_used_again(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0")
    used = meter(tmp_path, clock)
    for end in (2_000_000, 5_000_000):
        with used:
            with pytest.raises(BakeoffError, match="after the block"):
                _ = used.result
            clock.sleep(1)
            file.write_text(str(end))
    assert used.result.total_joules == 3
    with pytest.raises(BakeoffError, match="interval_seconds"):
        EnergyMeter(interval_seconds=0)


def test_idle_power_is_taken_off_where_it_is_known_for_every_source(tree, tmp_path):
    clock, file = Hand(), tree.zone("intel-rapl:0", "package-0")

    def rest(seconds):
        clock.sleep(seconds)
        file.write_text(str(int(seconds * 10e6)))

    idle = idle_watts(4, meter=meter(tmp_path, clock), sleep=rest)
    assert idle == {"package-0 (RAPL)": pytest.approx(10)}
    with meter(tmp_path, clock, idle_watts=idle) as used:
        clock.sleep(2)
        file.write_text("100000000")
    assert used.result.total_joules == pytest.approx(60) and used.result.above_idle_joules == pytest.approx(40)
    with pytest.raises(BakeoffError, match="seconds"):
        idle_watts(0)


def test_the_real_machine_gives_joules_or_reasons():
    with EnergyMeter() as used:
        time.sleep(0.15)
    found = used.result
    assert found.seconds > 0.1 and found.says
    assert found.total_joules is None or found.total_joules > 0


def energy(joules, idle=None):
    return Energy({"p": joules}, 10.0, idle_watts={} if idle is None else {"p": idle})


def test_joules_per_item_over_repeated_windows():
    same = joules_per_item([energy(50), energy(50), energy(50)], [10, 10, 10])
    assert same == Interval(5.0, 5.0, 5.0, 3)
    found = joules_per_item([energy(48), energy(50), energy(52)], [10, 10, 10])
    # Known answer: Student's t with 2 degrees of freedom (4.3027) x s (0.2) / sqrt(3).
    assert found.mid == pytest.approx(5) and found.high - found.mid == pytest.approx(4.30265 * 0.2 / 3**0.5, rel=1e-4)
    uneven = joules_per_item([energy(50), energy(100)], [10, 20])
    assert uneven.mid == pytest.approx(5) and uneven.low == pytest.approx(5) and uneven.high == pytest.approx(5)
    wide = joules_per_item([energy(1), energy(99)], [10, 10])
    assert wide.low == 0 and wide.mid == 5
    above = joules_per_item([energy(50, idle=4), energy(50, idle=4)], [10, 10], above_idle=True)
    assert above.mid == pytest.approx(1)


@pytest.mark.parametrize(
    ("windows", "items"),
    [
        ([], []),
        ([energy(5)], [1]),
        ([energy(5), Energy(says=("no counters",))], [1, 1]),
        ([energy(5), Energy({"other": 5.0}, 10.0)], [1, 1]),
        ([energy(5), energy(5)], [0, 0]),
    ],
)
def test_what_was_not_measured_has_no_joules_per_item(windows, items):
    assert joules_per_item(windows, items) is None


def test_above_idle_without_an_idle_power_is_none():
    assert joules_per_item([energy(5), energy(5)], [1, 1], above_idle=True) is None


@pytest.mark.parametrize("items", [[1], [1, -1]])
def test_counts_that_do_not_fit_are_refused(items):
    with pytest.raises(BakeoffError, match="one count"):
        joules_per_item([energy(5), energy(5)], items)
