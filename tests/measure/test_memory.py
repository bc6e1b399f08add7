"""Peak memory of a block, the trap of ru_maxrss, and sizes on disk."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure import memory

MB = 1 << 20
CHILD = """
import json, resource
from bakeoff.measure.memory import peak_bytes
print(json.dumps([peak_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's marks are Linux's")


def touched(megabytes: int) -> bytearray:
    held = bytearray(megabytes * MB)
    for page in range(0, len(held), 4096):
        held[page] = 1
    return held


def test_a_block_shows_what_it_held_for_a_moment():
    with memory.PeakMemory() as peak:
        held = touched(80)
        del held
    found = peak.result
    assert found.peak_bytes - found.before_bytes > 70 * MB or found.covers == "process"
    assert found.peak_bytes >= max(found.before_bytes, found.after_bytes)
    assert found.after_unique_bytes is None or 0 < found.after_unique_bytes <= found.after_bytes + MB
    assert json.loads(json.dumps(found.as_json()))["source"] == found.source


@linux
def test_blocks_do_not_inherit_an_earlier_peak():
    held = touched(120)
    del held
    with memory.PeakMemory() as peak:
        touched(5)
    if peak.result.covers == "block":
        assert peak.result.peak_bytes - peak.result.before_bytes < 60 * MB
    assert peak.result.source == "VmHWM"


@linux
def test_a_small_child_of_a_big_parent_is_small():
    """Why ru_maxrss is not used on Linux: it survives exec."""
    held = touched(300)
    out = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout
    (ours, source), theirs = json.loads(out)
    assert source == "VmHWM" and ours < 150 * MB
    assert theirs > ours + 100 * MB
    assert len(held) == 300 * MB


def test_result_only_after_the_block():
    peak = memory.PeakMemory()
    with peak, pytest.raises(BakeoffError, match="after the block"):
        _ = peak.result
    assert peak.result.peak_bytes > MB


def test_result_survives_an_error_in_the_block():
    peak = memory.PeakMemory()
    with pytest.raises(ValueError, match="boom"), peak:
        raise ValueError("boom")
    assert peak.result.peak_bytes > MB


def test_folder_bytes(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"x" * 1000)
    (tmp_path / "notes").write_bytes(b"y" * 24)
    assert memory.folder_bytes(tmp_path) == 1024
    assert memory.folder_bytes(tmp_path / "notes") == 24
    outside = tmp_path.parent / f"{tmp_path.name}-blob"
    outside.write_bytes(b"z" * 500)
    (tmp_path / "model" / "linked").symlink_to(outside)
    (tmp_path / "model" / "again").symlink_to(outside)
    (tmp_path / "model" / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "model" / "circle").symlink_to(tmp_path)
    assert memory.folder_bytes(tmp_path) == 1524
    with pytest.raises(BakeoffError, match="nothing at"):
        memory.folder_bytes(tmp_path / "missing")
