"""Prepared pictures: whole or not there, found by key, spoilt by recipe; and what all approaches share over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData, RunError
from bakeoff.tasks.images.corruptions import corrupt
from bakeoff.tasks.images.decode import BadPicture, as_address
from bakeoff.tasks.images.majority import Majority
from bakeoff.tasks.images.pictures import Pictures, pictures_of


def some(n: int, size: int = 16) -> list[tuple[str, np.ndarray]]:
    draw = np.random.default_rng(3)
    return [(f"kind/{i}.png", draw.integers(0, 256, (size, size, 3), dtype=np.uint8)) for i in range(n)]


def test_pictures_come_back_by_key(tmp_path: Path) -> None:
    made = some(7)
    Pictures.write(tmp_path / "p", iter(made), 7, 16, fit="pad", about={"styles": ["a"]})
    found = Pictures.open(tmp_path / "p")
    assert (found.size, found.fit, found.about, found.keys) == (16, "pad", {"styles": ["a"]}, tuple(key for key, _ in made))
    assert (found.take(["kind/5.png", "kind/0.png"]) == np.stack([made[5][1], made[0][1]])).all()


def test_room_that_was_not_needed_is_cut_off(tmp_path: Path) -> None:
    Pictures.write(tmp_path / "p", iter(some(3)), 9, 16)
    assert Pictures.open(tmp_path / "p").array.shape == (3, 16, 16, 3)


def test_a_failure_leaves_nothing_and_a_second_writer_changes_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[str, np.ndarray]]:
        yield from some(2)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        Pictures.write(tmp_path / "p", broken(), 5, 16)
    assert list(tmp_path.iterdir()) == []
    Pictures.write(tmp_path / "p", iter(some(2)), 2, 16)
    Pictures.write(tmp_path / "p", iter(some(5)), 5, 16)
    assert len(Pictures.open(tmp_path / "p").keys) == 2


def test_what_is_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no prepared pictures"):
        Pictures.open(tmp_path)
    Pictures.write(tmp_path / "p", iter(some(2)), 2, 16)
    index = tmp_path / "p" / "pictures.json"
    index.write_text(index.read_text().replace('"kind/1.png"', '"kind/1.png", "kind/2.png"'))
    with pytest.raises(BadData, match="do not fit"):
        Pictures.open(tmp_path / "p")


def test_an_item_names_a_picture_in_three_ways(tmp_path: Path) -> None:
    made = some(2)
    Pictures.write(tmp_path / "p", iter(made), 2, 16)
    store = Pictures.open(tmp_path / "p")
    assert (store.picture("kind/1.png") == made[1][1]).all()
    spoilt = store.picture({"picture": "kind/1.png", "corruption": "grey", "severity": 5})
    assert (spoilt == corrupt(made[1][1], "grey", 5, key="kind/1.png")).all()
    assert store.picture(as_address(made[1][1])).shape == (16, 16, 3)
    for nothing in ("kind/9.png", {"picture": "kind/9.png", "corruption": "grey"}, 7, None):
        with pytest.raises(BadPicture):
            store.picture(nothing)
    with pytest.raises(BadPicture):
        pictures_of("kind/1.png", 16, "crop", None)


def test_the_floor_learns_shares_answers_all_and_comes_back(tmp_path: Path) -> None:
    made = some(10)
    Pictures.write(tmp_path / "p", iter(made), 10, 16)
    items = [Item(key, key, "cat" if index < 7 else "dog") for index, (key, _) in enumerate(made)]
    floor = Majority()
    floor.read_from(tmp_path / "p")
    floor.fit(items, items[:2], seed=0, progress=quiet)
    asked = [item.asked() for item in items] + [Item("x", "nowhere.png")]
    answers = list(floor.answer(asked))
    assert [answer.value for answer in answers[:10]] == ["cat"] * 10 and "cannot be used" in str(answers[10].error)
    assert all(sum((answer.probabilities or {}).values()) == pytest.approx(1) for answer in answers[:10])
    (tmp_path / "m").mkdir()
    floor.save(tmp_path / "m")
    again = Majority().restore(tmp_path / "m")
    (one,) = again.answer([Item("y", as_address(made[0][1]))])
    assert one.value == "cat" and one.probabilities == answers[0].probabilities
    with pytest.raises(RunError):
        Majority().restore(tmp_path)


def test_one_class_is_no_question(tmp_path: Path) -> None:
    made = some(3)
    Pictures.write(tmp_path / "p", iter(made), 3, 16)
    floor = Majority()
    with pytest.raises(BadData):
        floor.fit([], [], seed=0, progress=quiet)
    floor.read_from(tmp_path / "p")
    with pytest.raises(BadData, match="two classes"):
        floor.fit([Item(key, key, "cat") for key, _ in made], [], seed=0, progress=quiet)
