"""Bakeoff: one bench for every approach.

The public names. Importing this package imports none of them (each waits until it is used), so it
takes a few milliseconds and never imports torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Answer": "bakeoff.contract",
    "Approach": "bakeoff.contract",
    "BakeoffError": "bakeoff.errors",
    "Citation": "bakeoff.contract",
    "Dataset": "bakeoff.contract",
    "Finding": "bakeoff.contract",
    "Interval": "bakeoff.contract",
    "Item": "bakeoff.contract",
    "Metric": "bakeoff.contract",
    "Progress": "bakeoff.contract",
    "Requires": "bakeoff.contract",
    "Splits": "bakeoff.contract",
    "Study": "bakeoff.study",
    "Task": "bakeoff.contract",
    "Trial": "bakeoff.contract",
    "ask": "bakeoff.verbs_documents",
    "build_report": "bakeoff.verbs",
    "decide_again": "bakeoff.verbs",
    "index_folder": "bakeoff.verbs_documents",
    "open_classifier": "bakeoff.verbs_images",
    "export_classifier": "bakeoff.verbs_images",
    "new_study": "bakeoff.verbs",
    "open_agent": "bakeoff.verbs_control",
    "open_corpus": "bakeoff.verbs_documents",
    "pull_assets": "bakeoff.verbs",
    "run_study": "bakeoff.verbs",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
