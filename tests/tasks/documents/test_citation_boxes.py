"""The program that measures citation boxes: what it counts, and that the product reaches its goals on the made pages."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bakeoff.tasks.documents.made.made_look import Look, Sheet
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_truth import Place, Truth, places_of
from bakeoff.tasks.documents.records import Chunk, Page, Piece

PROGRAM = Path(__file__).parents[3] / "benchmarks" / "citation_boxes.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bakeoff_benchmark_citation_boxes", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def printed(text: str, y: float) -> tuple[str, np.ndarray]:
    boxes = np.array([[10.0 + 5 * at, y, 15.0 + 5 * at, y + 10] for at in range(len(text))], dtype=np.float32)
    boxes[[char.isspace() for char in text]] = np.nan
    return text, boxes


def stored(program: ModuleType) -> Any:
    (one, first), (other, second) = printed("salt is sold by weight", 20), printed("salt is sold by weight", 60)
    text = f"{one}\n{other}"
    page = Page(1, 300, 200, text, np.concatenate([first, np.full((1, 4), np.nan, dtype=np.float32), second]))
    chunk = Chunk(0, "text", text, "", (Piece(0, len(text), 1, 0),))
    return program.Document("a.pdf", [chunk], lambda number: page)


def place(y: float, quote: str = "sold by") -> Place:
    return Place("f", "a.pdf", 1, quote, ((50.0, y, 85.0, y + 10),))


def judged(program: ModuleType, where: Place) -> list[Any]:
    document = stored(program)
    routes = (document.by_chunk(where), document.by_page(where))
    return [
        program._judged("boxes", route, where, document.page(1), [each.boxes for each in citations])
        for route, citations in zip(program.ROUTES, routes, strict=True)
    ]


@pytest.mark.parametrize("y", [20.0, 60.0])
def test_of_words_that_stand_twice_the_place_itself_is_taken(program: ModuleType, y: float) -> None:
    for result in judged(program, place(y)):
        assert result.good and result.exact and result.iou > 0.99


def test_a_place_whose_words_stand_elsewhere_only_is_a_miss(program: ModuleType) -> None:
    for result in judged(program, place(120.0)):
        assert result.iou == 0 and not result.good
    assert [each["page"] for each in program.misses_of(judged(program, place(120.0)))] == [1, 1]


def test_words_that_are_not_there_are_not_found(program: ModuleType) -> None:
    results = judged(program, place(20.0, "sold by the sack"))
    assert [each.iou for each in results] == [None, None]
    assert program.summary(results)["not_found"] == 2


def test_boxes_that_hold_other_words_too_are_told(program: ModuleType) -> None:
    wide = replace(place(20.0), boxes=((50.0, 20.0, 86.0, 30.0),), quote="sold b")
    (by_chunk, _) = judged(program, wide)
    assert by_chunk.exact and by_chunk.iou < 0.9
    assert program.summary([by_chunk])["below"] == 1


def test_shares_have_exact_intervals_and_each_difficulty_its_row(program: ModuleType) -> None:
    hard = replace(place(20.0), traits=("rotated 90", "two columns"))
    results = [each for where in (place(20.0), hard, place(120.0)) for each in judged(program, where)]
    tables = program.tables_of(results)["boxes"]["chunk"]
    assert (tables["all"]["good"], tables["all"]["places"]) == (2, 3)
    assert tables["all"]["low"] == pytest.approx(0.0943, abs=1e-4) and tables["all"]["high"] == pytest.approx(0.9916, abs=1e-4)
    assert {kind: row["places"] for kind, row in tables["by_difficulty"].items()} == {
        "plain": 2,
        "rotated 90": 1,
        "two columns": 1,
    }


def test_places_go_through_parsing_chunks_and_store(program: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    writer = Writer(folder / "two.pdf", Look(), title="Two columns", author="Invented by Bakeoff")
    writer.use(Sheet(columns=2, rotate=90))
    for number in range(12):
        writer.paragraph(
            f"[[f{number}: Clause {number} says that the carrier hands over all of the goods in the state they came in.]] It does."
        )
    writer.save()
    truth = Truth(tuple(places_of("two.pdf", writer.marks)), {}, {"two.pdf": writer.page})
    results = program.measure("boxes", truth, folder)
    assert len(results) == 2 * len(truth.places) == 24
    assert all(each.good and each.exact for each in results), program.misses_of(results)
    assert {each.route for each in results} == set(program.ROUTES)


@pytest.mark.slow
def test_the_goals_are_met_on_the_box_set_by_the_program_itself() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM), "--set", "boxes", "--json"], capture_output=True, text=True, timeout=600)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["met"], done.stdout[-2000:] + done.stderr
    for route in ("chunk", "page"):
        row = found["sets"]["boxes"][route]["all"]
        assert row["places"] > 1000 and row["share"] >= 0.99 and row["text_differs"] == 0
    assert not found["misses"]
