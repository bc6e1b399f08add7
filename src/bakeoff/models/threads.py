"""How many threads a model may use: one setting, made by the bench, read by every model.

The bench starts each trial with ``BAKEOFF_THREADS`` set, and the usual variables of BLAS and OpenMP with
it, before any library is imported. One is the default: two threads on two busy cores can be many times slower than one.
"""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def threads() -> int:
    """Threads that a model may use, at least 1."""
    try:
        return max(1, int(os.environ.get("BAKEOFF_THREADS", "1")))
    except ValueError:
        return 1


def environment(count: int) -> dict[str, str]:
    """The environment variables that hold a child process to `count` threads."""
    return {"BAKEOFF_THREADS": str(count), "TOKENIZERS_PARALLELISM": "false"} | dict.fromkeys(VARIABLES, str(count))
