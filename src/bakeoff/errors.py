"""Problems a person can fix, each carrying its fix.

    BakeoffError            what happened, and how to fix it (exit code 1, two lines, no traceback)
    ├── MissingExtra        an optional package is not installed
    ├── BadStudy            a study file: names the field and the line
    ├── BadData             a data file or its columns
    ├── AssetError          weights or data that could not be fetched or checked
    ├── RunError            a run folder: locked, read-only, full, changed under us
    └── EndpointError       a server that could not be used at all
        └── CostCeiling     the next request could cost more than the study allows

Everything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable


class BakeoffError(Exception):
    """A problem the person can fix.

    Parameters
    ----------
    what : str
        One sentence: what is wrong, with the value given and the values allowed.
    fix : str, default=''
        One sentence or command that solves it.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return self.what + (f"\n  Fix: {self.fix}" if self.fix else "")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.what, self.fix)


class MissingExtra(BakeoffError):
    """Something needs a package that is not installed."""


class BadStudy(BakeoffError):
    """A study file that cannot be understood. Names the field and the line."""


class BadData(BakeoffError):
    """A data file, or a column of it, that cannot be used."""


class AssetError(BakeoffError):
    """Weights or data that could not be fetched, or whose bytes are not the expected ones."""


class RunError(BakeoffError):
    """A run folder that cannot be used: locked, read-only, full, or changed under us."""


class EndpointError(BakeoffError):
    """A server that cannot be used at all (single failed requests are answers with an error)."""


class CostCeiling(EndpointError):
    """The next request could cost more than the study's ceiling allows."""


def needs(*modules: str, extra: str, why: str) -> None:
    """Raise MissingExtra, naming the extra, if any of `modules` cannot be found. Imports nothing.

    Parameters
    ----------
    *modules : str
        Top-level module names, e.g. ``'torch'``.
    extra : str
        The extra that installs them: ``pip install 'bakeoff[extra]'``.
    why : str
        What needs them, as the subject of a sentence: ``'LoRA fine-tuning'``.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtra(f"{why} needs {', '.join(missing)}.", fix=f"pip install 'bakeoff[{extra}]'")


def nearest(wrong: str, right: Iterable[str]) -> str:
    """A 'did you mean' sentence for a wrong name, or the list of right ones."""
    names = sorted(right)
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(wrong.lower(), lowered, n=2, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(lowered[name]) for name in near) + "?"
    return f"use one of: {', '.join(names)}" if names else ""


def shown(value: object, most: int = 60) -> str:
    """A value from untrusted data as one quoted, printable, shortened piece of a message."""
    text = repr(value if isinstance(value, (str, int, float, bool, type(None))) else str(value))
    return text if len(text) <= most else text[: most - 4] + "..." + text[0]
