"""The shipped reviews: which sentences are clear, and how well one person alone does on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.contract import Item
from bakeoff.errors import AssetError
from bakeoff.tasks.text.reviews import CLEAR, RATINGS, TEXTS, load_reviews, rater_ceiling

GOOD, BAD = [2] * 20, [-2] * 20


def write(folder: Path, rows: list[tuple[str, str, list[int]]]) -> Path:
    (folder / TEXTS).write_text("".join(f"{name}\t{sum(r) / 20}\t{text}\r\n" for name, text, r in rows))
    (folder / RATINGS).write_text(
        "\ufeff" + "".join(f"{name}\t{sum(r) / 20}\t0.0\t{r}\r\n" for name, _, r in rows), encoding="utf-8"
    )
    return folder


def test_clear_sentences_are_kept_with_their_ratings(tmp_path: Path) -> None:
    edge, below = [1] * 11 + [0] * 9, [1] * 10 + [0] * 10
    rows = [
        ("1_1", "fine", GOOD),
        ("1_2", "tea &amp; cake", BAD),
        ("2_1", "just clear", edge),
        ("2_2", "not clear", below),
        ("12_1", "x", GOOD),
    ]
    found = load_reviews(write(tmp_path, rows))
    assert [(item.id, item.target, item.group) for item in found.items] == [
        ("1_1", "positive", "1"),
        ("1_2", "negative", "1"),
        ("2_1", "positive", "2"),
        ("12_1", "positive", "12"),
    ]
    assert found.items[1].input == "tea & cake"
    assert found.items[2].meta == {"mean": CLEAR, "sd": 0.49749, "ratings": edge}
    assert "Kept the 4 of 5" in found.notes[0] and "in 1 sentences" in found.notes[2]


def item(ratings: list[int], group: str) -> Item:
    return Item(id=f"{group}-{ratings}", input="x", target="positive", group=group, meta={"ratings": ratings})


def test_the_ceiling_by_hand() -> None:
    # 15 of 20 say 1, 3 say -1, 2 say 0: others' mean is always positive, so 15 right, 3 wrong, 2 halves.
    mixed = item([1] * 15 + [-1] * 3 + [0] * 2, "a")
    sure = item(GOOD, "b")
    found = rater_ceiling([mixed, sure])
    assert found["mid"] == pytest.approx((16 / 20 + 1) / 2)
    assert found["if_nought_is_wrong"] == pytest.approx((15 / 20 + 1) / 2)
    assert found["if_nought_is_left_out"] == pytest.approx(35 / 38)
    assert found["nought"] == pytest.approx(2 / 40)
    assert found["n"] == 2 and found["low"] <= found["mid"] <= found["high"]


def test_no_rater_is_measured_against_themself() -> None:
    # Without the one rating of 4 the others' mean is nought: that rating is left out, the noughts count half.
    lone = item([4] + [0] * 19, "a")
    others = rater_ceiling([lone, item(GOOD, "b")])
    assert others["mid"] == pytest.approx((0.5 + 1) / 2)


def test_files_that_are_not_as_published_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [("1_1", "fine", GOOD), ("1_2", "poor", BAD)])
    (tmp_path / RATINGS).write_text("1_1\t2.0\t0.0\t[2, 2]\n")
    with pytest.raises(AssetError, match="does not have 20 ratings"):
        load_reviews(tmp_path)
    (tmp_path / TEXTS).write_text("1_1\t2.0\n")
    with pytest.raises(AssetError, match="line 1: 2 fields"):
        load_reviews(tmp_path)
    (tmp_path / TEXTS).unlink()
    with pytest.raises(AssetError, match="cannot be read"):
        load_reviews(tmp_path)


@pytest.mark.model
def test_the_published_files(real_assets: Path) -> None:
    found = load_reviews(real_assets / "product-reviews")
    assert len(found.items) == 2943 and len({item.group for item in found.items}) == 298
    assert sum(item.target == "positive" for item in found.items) == 1725
    assert found.facts["rater_ceiling"]["mid"] == pytest.approx(0.9458, abs=1e-4)
