"""The promise itself, small: intervals cover and identical approaches are not told apart.

The full simulation is ``benchmarks/coverage.py``; this runs a few of its cells with its own code. A cell of 600
studies knows its coverage to about 0.9 points, so the band is widened by three of those.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("bakeoff_benchmark_coverage", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


STUDIES = 600
CELLS = [
    (100, 0.85, 1, 0.01, 0.0),
    (200, 0.75, 3, 0.005, 0.0),
    (500, 0.95, 3, 0.01, 0.0),
    (200, 0.85, 3, 0.0, 0.4),
    (200, 0.6, 5, 0.01, 0.0),
]


def test_batches_are_what_the_public_functions_print(coverage):
    coverage.agrees(np.random.default_rng(1), studies=8)


@pytest.mark.parametrize("cell", CELLS)
def test_intervals_cover(coverage, cell):
    rng = np.random.default_rng(20240611)
    kinds = {"mean", "difference", "macro_f1", "macro_f1_difference"}
    rows = coverage.run_cell(kinds, coverage.Cell(*cell), STUDIES, rng, resamples=100)
    assert {row.kind for row in rows} == kinds
    for row in rows:
        assert coverage.LOW - 3 * row.error <= row.percent <= coverage.HIGH + 3 * row.error, row


@pytest.mark.parametrize("cell", [(200, 0.85, 1, 0.0, 0.0), (500, 0.95, 3, 0.01, 0.0), (200, 0.75, 1, 0.0, 0.4)])
def test_identical_approaches_are_not_told_apart(coverage, cell):
    row = coverage.run_family(coverage.Cell(*cell), STUDIES, np.random.default_rng(7))
    assert row.percent <= coverage.APART + 3 * row.error, row


def test_the_simulation_can_see_a_bad_interval(coverage):
    """Ten bootstraps and 1.96 sd / sqrt(10), a published harness's recipe, must fail here or the tests above mean nothing."""
    rng = np.random.default_rng(3)
    right = (coverage.draw(rng, 400, coverage.Cell(200, 0.85, 1, 0.0, 0.0), (0.85,)).margin[:, 0, 0] > 0).astype(float)
    boot = np.stack([right[:, rng.integers(0, 200, 200)].mean(1) for _ in range(10)])
    half = 1.96 * boot.std(0, ddof=1) / np.sqrt(10)
    assert np.mean(np.abs(boot.mean(0) - 0.85) <= half) < 0.6
