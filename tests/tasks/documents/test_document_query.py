"""What `benchmarks/document_query.py` says of its figures: whether the promise holds, and nothing where too little was measured."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "document_query.py"
    spec = importlib.util.spec_from_file_location("bakeoff_benchmark_document_query", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def part(benchmark: ModuleType, milliseconds: Sequence[float]) -> dict[str, Any]:
    """What a measured process sends, with the same CPU as wall time."""
    seconds = [each / 1e3 for each in milliseconds]
    times = {benchmark.WHOLE: seconds, benchmark.STEP + "rerank": seconds}
    return {"wall": times, "cpu": times, "memory": {"now": 1, "most": 2}, "load": 0.5, "left_out": ""}


@pytest.mark.parametrize(("slow", "holds"), [(4, True), (6, False)])
def test_the_promise_is_about_95_of_100_questions(benchmark: ModuleType, slow: int, holds: bool) -> None:
    told = benchmark.promise([part(benchmark, [20.0] * (50 - slow)), part(benchmark, [20.0] * 50 + [80.0] * slow)])
    assert told["holds"] is holds
    assert (told["within"], told["questions"]) == (100 - slow, 100)
    assert (" DOES NOT HOLD" in benchmark.promise_in_words(told)) is not holds


@pytest.mark.parametrize("parts", [[], [{"left_out": "no model"}]])
def test_what_was_not_measured_is_not_said_to_hold(benchmark: ModuleType, parts: list[dict[str, Any]]) -> None:
    told = benchmark.promise([*parts, *([part(benchmark, [20.0] * 89)] if parts else [])])
    assert told["holds"] is None
    assert "NOT MEASURED" in benchmark.promise_in_words(told)


def test_each_step_has_wall_and_cpu_percentiles_and_the_load_is_kept(benchmark: ModuleType) -> None:
    joined = benchmark.joined([part(benchmark, range(1, 51)), part(benchmark, range(51, 102))])
    figures = joined["times"][benchmark.STEP + "rerank"]
    assert figures["n"] == 101
    assert figures["wall_ms"] == figures["cpu_ms"] == {"p50": 51.0, "p95": 96.0, "p99": None}
    assert joined["load"] == [0.5, 0.5]


def test_both_sides_get_the_same_threads(benchmark: ModuleType) -> None:
    held = benchmark.held_to(2)
    assert {held["OMP_NUM_THREADS"], held["OPENBLAS_NUM_THREADS"], held["BAKEOFF_THREADS"]} == {"2"}
