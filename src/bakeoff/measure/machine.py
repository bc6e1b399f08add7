"""On what was it measured? The device, its memory, threads, load and versions, without naming the machine or a person.

A figure without its machine cannot be compared. Nothing here imports a model library: versions come from the packages'
metadata, and a GPU is named only when torch is imported already.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from bakeoff.contract import Json

PACKAGES = (
    "bakeoff", "numpy", "scipy", "scikit-learn", "skops", "onnxruntime", "tokenizers", "torch", "transformers", "datasets",
    "peft", "accelerate", "safetensors", "cyllama", "llama-cpp-python", "huggingface_hub", "httpx", "pyarrow", "pydantic",
)  # fmt: skip
LARGEST_BELIEVED_LIMIT = 1 << 60


def describe(*, threads: int | None = None) -> dict[str, Json]:
    """What this process runs on, as JSON.

    Parameters
    ----------
    threads : int or None, default=None
        Threads that the models were held to; None when that is not known.

    Returns
    -------
    dict
        `device` (one line), `cpu`, `cores` (physical, or None), `logical_cores`, `usable_cores`, `gpu` (None unless torch is
        imported and has one), `memory_bytes`, `memory_limit_bytes` (of the container, or None), `load_average` (one minute,
        None where the system has none), `threads`, `python`, `platform`, `versions`. No host, user or folder names.
    """
    import psutil

    cpu, gpu, cores = _cpu(), _gpu(), psutil.cpu_count(logical=False)
    usable = usable_cores()
    return {
        "device": f"{cpu}, {usable} {'core' if usable == 1 else 'cores'}" + (f", {gpu}" if gpu else ""),
        "cpu": cpu,
        "cores": cores,
        "logical_cores": os.cpu_count(),
        "usable_cores": usable,
        "gpu": gpu,
        "memory_bytes": int(psutil.virtual_memory().total),
        "memory_limit_bytes": _memory_limit(),
        "load_average": load_average(),
        "threads": threads,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": versions(),
    }


def load_average() -> float | None:
    """Processes that ran or waited to run, on average over the last minute; None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def usable_cores() -> int:
    """Logical cores that this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed versions of `packages` by name, read from metadata without importing; those not installed are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Hardware") and value.strip() not in ("", "unknown"):
            return " ".join(value.split())
    if sys.platform == "darwin":
        import subprocess

        try:
            named = subprocess.run(
                ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=5, check=True
            )
            return named.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or platform.machine() or "unknown processor"


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0))
        if torch is not None and torch.backends.mps.is_available():
            return "Apple GPU (MPS)"
    except (AttributeError, RuntimeError):
        return None  # a half-imported torch, or a driver that does not answer
    return None


def _memory_limit() -> int | None:
    """The container's memory limit in bytes (cgroup version 2, then 1)."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = int(Path(file).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        return limit if limit < LARGEST_BELIEVED_LIMIT else None
    return None
