"""Lines that break, processes that die or race, disks that fill."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bakeoff import assets
from bakeoff.assets import download
from bakeoff.errors import AssetError

RIGHT = random.Random(2).randbytes(400_000)
FETCH = "from bakeoff.assets import fetch; print(fetch('toy'))"


@pytest.fixture
def toy(own, server):
    own.asset("toy", {"m.gguf": (RIGHT, "org/toy", [])})
    server.hub("org/toy", "m.gguf", RIGHT)
    return server.routes["/org/toy/resolve/main/m.gguf"]


def part():
    return next(iter((assets.where() / ".work" / "downloads").glob("*.part")), None)


def test_a_broken_line_goes_on_where_it_was(toy, server):
    toy.cuts = [100_000, 50_000]
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert server.asked("m.gguf") == ["", "bytes=100000-", "bytes=150000-"]


def test_a_server_without_ranges_starts_again(toy, server):
    toy.cuts, toy.ranges = [100_000], False
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert server.asked("m.gguf") == ["", "bytes=100000-"]


def test_a_source_that_keeps_breaking_leaves_its_part_for_the_next_try(toy, server):
    toy.cuts = [150_000] + [0] * 20
    with pytest.raises(AssetError, match="broke off at 150,000 of 400,000 bytes"):
        assets.fetch("toy")
    assert part().stat().st_size == 150_000
    toy.cuts = []
    server.log.clear()
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert server.asked("m.gguf") == ["bytes=150000-"] and part() is None


@pytest.mark.parametrize("size", [1000, 400_000, 500_000])
def test_a_spoilt_part_gets_one_clean_try(toy, server, make, size):
    downloads = assets.where() / ".work" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{make.sha(RIGHT)}.part").write_bytes(bytes(size))
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert server.asked("m.gguf")[-1] == ""


def test_a_silent_stream_counts_as_broken_and_goes_on(own, server, monkeypatch):
    monkeypatch.setattr(download, "STALL_SECONDS", 0.2)
    own.asset("short", {"m.gguf": (RIGHT[:12_000], "org/short", [])})
    server.hub("org/short", "m.gguf", RIGHT[:12_000], slow=0.5)
    assert (assets.fetch("short") / "m.gguf").read_bytes() == RIGHT[:12_000]
    assert server.asked("m.gguf") == ["", "bytes=4096-", "bytes=8192-"]


def test_killed_in_the_middle_then_resumed(toy, server):
    toy.slow = 0.01
    child = subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if part() is not None and part().stat().st_size > 0:
                break
            time.sleep(0.02)
            assert child.poll() is None, "it was done before it could be killed"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    here = part().stat().st_size
    assert 0 < here < len(RIGHT) and assets.status("toy") == "missing"
    toy.slow = 0
    server.log.clear()
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT
    assert server.asked("m.gguf") == [f"bytes={here}-"]


def test_two_processes_at_once_download_once(toy, server):
    toy.slow = 0.002
    children = [subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert {out.decode().strip() for out, _ in said} == {str(assets.where() / "toy")}
    assert server.asked("m.gguf") == [""] and assets.check("toy") == ()


def test_a_disk_that_cannot_take_more_is_two_lines(toy):
    # The system's own limit on a file's size makes the write fail as a full disk would.
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "from bakeoff.assets import fetch\nfrom bakeoff.errors import AssetError\n"
        "try:\n    fetch('toy')\nexcept AssetError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Cannot write to") and "free some space" in lines[1], done.stdout
    assert assets.status("toy") == "missing"
    assert (assets.fetch("toy") / "m.gguf").read_bytes() == RIGHT, "what was written is of use"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_two_lines(toy, make):
    downloads = assets.where() / ".work" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{make.sha(RIGHT)}.part").symlink_to("/dev/full")
    with pytest.raises(AssetError, match="No space left on device"):
        assets.fetch("toy")
