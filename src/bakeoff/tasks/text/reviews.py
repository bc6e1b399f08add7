"""The shipped data: sentences of Amazon product reviews, each rated by 20 people from -4 (worst) to 4 (best).

Hutto & Gilbert (2014) split 309 customer reviews of five products (Hu & Liu 2004) into 3,708 sentences. The question
that can be asked of every one of them is "good or bad?", but many are neither ("i bought it in march"), so
only clear ones are kept: those whose mean rating is at least `CLEAR` from nought. Their label is its sign.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

from bakeoff.contract import Dataset, Interval, Item, Json
from bakeoff.errors import AssetError

TEXTS = "amazonReviewSnippets_GroundTruth.txt"
RATINGS = "amazonReviewSnippets_anonDataRatings.txt"
LABELS = ("negative", "positive")
CLEAR = 0.55
"""The largest |mean rating| that still keeps 2,900 sentences (means are multiples of 1/20; at 0.60 it keeps 2,889)."""
RATERS = 20


def load_reviews(folder: Path) -> Dataset:
    """The clear sentences. `group` is the review a sentence comes from; `meta` has its mean, standard deviation and ratings.

    Parameters
    ----------
    folder : Path
        Holds the two text files of the asset ``product-reviews``.

    Returns
    -------
    Dataset
        Two classes, 'negative' and 'positive'. `facts['rater_ceiling']` is `rater_ceiling` as a mapping.

    Raises
    ------
    AssetError
        If the files are not as published.
    """
    ratings = {fields[0]: json.loads(fields[3]) for fields in _lines(folder / RATINGS, 4)}
    rows, items, unescaped = _lines(folder / TEXTS, 3), [], 0
    for name, _, text in rows:
        given = ratings.get(name)
        if not isinstance(given, list) or len(given) != RATERS or not all(isinstance(r, int) and -4 <= r <= 4 for r in given):
            raise AssetError(f"Sentence {name!r} of {TEXTS} does not have {RATERS} ratings.", fix="bakeoff assets check")
        total = sum(given)
        if abs(total) < round(CLEAR * RATERS):
            continue
        plain = html.unescape(text)
        unescaped += plain != text
        mean = total / RATERS
        spread = (sum((rating - mean) ** 2 for rating in given) / RATERS) ** 0.5
        items.append(
            Item(
                id=name,
                input=plain,
                target=LABELS[total > 0],
                group=name.partition("_")[0],
                meta={"mean": mean, "sd": round(spread, 5), "ratings": given},
            )
        )
    positive = sum(item.target == "positive" for item in items)
    ceiling = rater_ceiling(items)
    return Dataset(
        items=tuple(items),
        name="product-reviews",
        licence="MIT",
        notes=(
            f"Kept the {len(items):,} of {len(rows):,} sentences whose mean rating by {RATERS} people (-4 to 4) is {CLEAR} or more from nought;"
            f" the others are neither clearly good nor bad. {positive:,} are positive.",
            "Sentences of one review are never split apart.",
            f"Turned HTML codes back into characters (&amp; into &) in {unescaped} sentences.",
            str(ceiling["says"]),
        ),
        facts={
            "rows": len(rows),
            "rater_ceiling": ceiling,
            "columns": {"text": "sentence", "target": "sign of mean rating", "group": "review", "id": "id"},
        },
    )


def rater_ceiling(items: Sequence[Item]) -> dict[str, Json]:
    """How often one person, alone, gives a sentence the label that the other people give it.

    Leave-one-out: each rating is held against the sign of the mean of the *other* 19, so no person is measured
    against themself. A rating of nought names no label and counts as half right, as a forced guess would be;
    where the others' mean is nought there is no label, and the rating is left out. A sentence scores the mean
    over its raters; the interval is over sentences, clustered by review.

    Returns
    -------
    dict
        ``mid``, ``low``, ``high`` (95%, shares in [0, 1]), ``n`` (reviews), ``sentences``; ``nought`` (share of ratings that are
        nought), ``if_nought_is_wrong`` and ``if_nought_is_left_out`` (the same figure, counted so), ``says``.
    """
    from bakeoff.measure.intervals import mean_interval

    half, strict, wrong_counts, nought, pairs = [], [], 0, 0, 0
    for item in items:
        given = item.meta["ratings"]
        total = sum(given)
        held = [(rating, total - rating) for rating in given if total != rating]
        right = sum(rating * others > 0 for rating, others in held)
        zeros = sum(rating == 0 for rating, _ in held)
        half.append((right + zeros / 2) / len(held))
        strict.append(right / len(held))
        nought, pairs, wrong_counts = nought + zeros, pairs + len(held), wrong_counts + right
    found: Interval = mean_interval(half, [item.group for item in items], bounds=(0.0, 1.0))
    strictly = sum(strict) / len(strict)
    return {
        "mid": found.mid,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "sentences": len(items),
        "nought": nought / pairs,
        "if_nought_is_wrong": strictly,
        "if_nought_is_left_out": wrong_counts / (pairs - nought),
        "says": f"One person alone agrees with the other {RATERS - 1} on {found.mid:.1%} of these sentences ({found.low:.1%} to {found.high:.1%},"
        f" {found.n} reviews), a rating of nought counted as half right; {strictly:.1%} if it is counted as wrong. The labels are means of"
        f" {RATERS} people, so an approach can be above this.",
    }


def _lines(path: Path, fields: int) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{path.name} cannot be read: {error}.", fix="bakeoff assets check") from error
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    wrong = next((i for i, row in enumerate(rows, 1) if len(row) != fields), None)
    if wrong is not None:
        raise AssetError(
            f"{path.name}, line {wrong}: {len(rows[wrong - 1])} fields where {fields} are expected.", fix="bakeoff assets check"
        )
    return rows
