"""The description of the machine: complete, JSON, and anonymous."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
import sys

from bakeoff.measure import machine


def test_describe_is_complete_json():
    found = json.loads(json.dumps(machine.describe(threads=2), allow_nan=False))
    assert found["threads"] == 2 and machine.describe()["threads"] is None
    assert found["usable_cores"] >= 1 and found["memory_bytes"] > 1 << 27
    assert found["cpu"] in found["device"]
    assert found["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert {"bakeoff", "numpy", "scipy"} <= set(found["versions"])


def test_names_nobody():
    text = json.dumps(machine.describe()).lower()
    for name in (socket.gethostname(), os.path.expanduser("~")):  # noqa: PTH111
        assert name.lower() not in text
    user = getpass.getuser().lower()
    assert f'"{user}"' not in text


def test_versions_leave_out_what_is_not_installed():
    assert set(machine.versions(("numpy", "no-such-package-anywhere"))) == {"numpy"}


def test_load_average_is_none_where_there_is_none(monkeypatch):
    assert machine.load_average() is None or machine.load_average() >= 0
    monkeypatch.delattr(os, "getloadavg", raising=False)
    assert machine.load_average() is None


def test_describing_imports_no_model_library():
    code = "import sys; from bakeoff.measure.machine import describe; describe(); print([m for m in ('torch', 'sklearn', 'scipy.stats', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
