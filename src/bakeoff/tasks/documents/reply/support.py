"""How well the passages found support an answer to a question: features, and a small logistic model over them.

The model is fitted on questions that have an answer in a corpus and questions that have none (`fit`), with a ridge penalty, by Newton's method:
no random start, the same data give the same model. Without such questions `DEFAULT` is used; how it was made is said there.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.errors import BadData
from bakeoff.tasks.documents.find.question import Question, read_question
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Passage, Span
from bakeoff.tasks.documents.reply.ranking import WEIGHTS, answers_in_kind
from bakeoff.tasks.documents.reply.sentences import sentence_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = (
    "said or headed",
    "said in one sentence",
    "said near each other",
    "figures",
    "known",
    "complete",
    "passage complete",
    "never said",
    "kind of answer",
    "best",
    "lead",
    "density",
    "passage lead",
    "margin",
    "other year",
)
"""What the model looks at, in the order of its weights. See `features`."""

LOOKED_AT = 5
"""Passages, from the best on, in which support is looked for."""

MOST_SENTENCES = 60
"""Sentences of a passage that are looked at; no chunk of the default size has more."""

NEAR = 4
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class SupportModel:
    """A logistic model of support.

    Parameters
    ----------
    names : tuple of str
        Of the features it takes.
    means, scales, weights : tuple of float
        Each feature is centred and scaled, then weighted.
    bias : float
    fitted_on : str
        What it was fitted on, in words.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    fitted_on: str = ""

    def support(self, seen: Mapping[str, float]) -> float:
        """Support in [0, 1]: the probability that the question has its answer among what was found."""
        total = self.bias
        for name, mean, scale, weight in zip(self.names, self.means, self.scales, self.weights, strict=True):
            total += weight * (seen[name] - mean) / scale
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))

    def to_json(self) -> str:
        """As JSON, to be kept with a corpus."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SupportModel:
        """What `to_json` wrote. Raises BadData for anything else."""
        try:
            kept = json.loads(text)
            names = tuple(str(each) for each in kept["names"])
            numbers = {key: tuple(float(each) for each in kept[key]) for key in ("means", "scales", "weights")}
            bias, told = float(kept["bias"]), str(kept.get("fitted_on", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadData(f"This is no saved model of support: {error!r}.", fix="fit it again") from error
        finite = all(math.isfinite(each) for row in numbers.values() for each in row) and math.isfinite(bias)
        if (
            set(names) - set(FEATURES)
            or any(len(row) != len(names) for row in numbers.values())
            or not finite
            or 0.0 in numbers["scales"]
        ):
            raise BadData("This model of support is for other features than this version has.", fix="fit it again")
        return cls(names, numbers["means"], numbers["scales"], numbers["weights"], bias, told)


def features(question: str, passages: Sequence[Passage]) -> dict[str, float]:
    """What speaks for the passages holding the answer, all 0 where nothing was found. No page is read: chunks say enough.

    Parameters
    ----------
    question : str
    passages : sequence of Passage
        Best first, as `Retriever.retrieve` gives them.

    Returns
    -------
    dict
        Of the best of the first five passages, shares of the question's terms in [0, 1]: *said or headed* (in its text or what it stands under),
        *said in one sentence* (or row, with its heading), *said near each other* (pairs of neighbouring terms), *figures* (years and numbers).
        Of the best sentence or row of all: *known* (share of the terms in it or its heading), *complete* (all of them: 1 or 0), *passage complete* (all
        in its passage), *kind of answer* (it holds a figure, a date or a name where one is asked for), *best* (how well it fits, about 0 to 3), *lead*
        (over the next), *density* (share of its own terms that the question has), *other year* (it names years, and none that the question names).
        *never said*: some term is in no passage. *passage lead*, *margin*: how far the best passage is ahead of the next, and of the mean of all others.
    """
    seen = dict.fromkeys(FEATURES, 0.0)
    if not passages:
        return seen
    asked = read_question(question)
    read = [_read(passage) for passage in passages]
    wanted, figures = set(asked.terms), asked.years | asked.numbers
    for passage in read[:LOOKED_AT]:
        seen["said or headed"] = max(seen["said or headed"], _share(wanted, passage.known))
        seen["said near each other"] = max(seen["said near each other"], _near(asked.terms, passage.terms))
        seen["figures"] = max(seen["figures"], _share(figures, passage.known) if figures else 1.0)
        for _, terms in passage.sentences:
            seen["said in one sentence"] = max(seen["said in one sentence"], _share(wanted, terms | passage.headed))
    seen["never said"] = float(not wanted.issubset(set[str]().union(*(passage.known for passage in read))))
    scores = [passage.score for passage in passages]
    if len(scores) > 1:
        seen["passage lead"] = scores[0] - scores[1]
        seen["margin"] = max(0.0, min(1.0, 1 - sum(scores[1:]) / (len(scores) - 1) / scores[0])) if scores[0] > 0 else 0.0
    ranked = _ranked(asked, passages, read)
    if ranked:
        best, at, text, terms = ranked[0]
        known, years = terms | read[at].headed, set(_YEAR.findall(text))
        seen["known"] = _share(wanted, known)
        seen["complete"] = float(wanted <= known)
        seen["passage complete"] = float(wanted <= read[at].known)
        seen["kind of answer"] = answers_in_kind(asked, text)
        seen["best"] = best
        seen["lead"] = best - ranked[1][0] if len(ranked) > 1 else 0.0
        seen["density"] = len(wanted & terms) / len(terms) if terms else 0.0
        seen["other year"] = float(bool(asked.years) and bool(years) and not asked.years & years)
    return seen


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage as terms: in order, those of what it stands under, all of them, and by sentence or row."""

    terms: Sequence[str]
    headed: frozenset[str]
    known: frozenset[str]
    sentences: Sequence[tuple[str, frozenset[str]]]


def _read(passage: Passage) -> _Read:
    text = passage.chunk.text
    spans = [Span(0, len(text))] if passage.chunk.kind != "text" else sentence_spans(text)
    sentences = [
        (text[span.start : span.end], frozenset(terms_of(text[span.start : span.end]))) for span in spans[:MOST_SENTENCES]
    ]
    terms, headed = terms_of(text), frozenset(terms_of(passage.chunk.context))
    return _Read(terms, headed, headed | set(terms), sentences)


def _ranked(asked: Question, passages: Sequence[Passage], read: Sequence[_Read]) -> list[tuple[float, int, str, frozenset[str]]]:
    """Sentences and rows that share a term with the question, best first: score, passage, text, terms. Scored as statements are (`ranking.WEIGHTS`)."""
    wanted, figures = set(asked.terms), asked.years | asked.numbers
    every = [(at, text, terms) for at, passage in enumerate(read) for text, terms in passage.sentences]
    counts = {term: sum(term in terms for _, _, terms in every) for term in wanted}
    rarity = {term: math.log(1 + (len(every) - count + 0.5) / (count + 0.5)) for term, count in counts.items()}
    whole, top = sum(rarity.values()) or 1.0, max(passage.score for passage in passages)
    found = []
    for at, text, terms in every:
        own = sum(rarity[term] for term in wanted & terms)
        headed = sum(rarity[term] for term in (wanted & read[at].headed) - terms)
        if own:
            parts = {
                "said": own / whole,
                "headed": headed / whole,
                "passage": passages[at].score / top if top > 0 else 1 / (1 + at),
                "kind": answers_in_kind(asked, text),
                "figures": _share(figures, terms | read[at].headed) if figures else 0.0,
                "alone": float(passages[at].chunk.kind == "row"),
            }
            found.append((sum(WEIGHTS[name] * value for name, value in parts.items()), at, text, terms))
    return sorted(found, key=lambda each: (-round(each[0], 9), each[1]))


def fit(
    rows: Sequence[Mapping[str, float]], answerable: Sequence[bool], *, penalty: float = 1.0, fitted_on: str = ""
) -> SupportModel:
    """Learn a model of support from questions with and without an answer in the corpus.

    Parameters
    ----------
    rows : sequence of mappings, length n
        Of `features`.
    answerable : sequence of bool, length n
        Whether what was found could answer the question. Both must occur.
    penalty : float, above 0
        Ridge penalty on the weights of the scaled features, not on the bias: with few questions the model stays near "cannot tell".
    fitted_on : str
        Kept with the model, in words for people.

    Raises
    ------
    BadData
        If lengths differ, or all questions are of one kind.
    """
    import numpy as np

    if len(rows) != len(answerable) or len(set(map(bool, answerable))) < 2:
        raise BadData(
            f"Support is learned from questions of both kinds; got {sum(map(bool, answerable))} answerable ones of {len(rows)}.",
            fix="add questions with and without an answer in the corpus",
        )
    if not penalty > 0:
        raise BadData(f"`penalty` is {penalty}; it must be above 0.", fix="set penalty to 1")
    x = np.array([[row[name] for name in FEATURES] for row in rows], dtype=float)
    y = np.array([1.0 if each else 0.0 for each in answerable])
    means, scales = x.mean(axis=0), x.std(axis=0)
    # A feature that does not vary says nothing, and must not be scaled up.
    scales = np.where(scales > 1e-6, scales, 1.0)
    z = (x - means) / scales
    weights, bias = _newton(z, y, penalty)
    told = fitted_on or f"{len(rows)} questions, {int(y.sum())} of them answerable"

    def listed(array: NDArray) -> tuple[float, ...]:
        return tuple(round(float(each), 6) for each in array)

    return SupportModel(FEATURES, listed(means), listed(scales), listed(weights), round(float(bias), 6), told)


def _newton(z: NDArray, y: NDArray, penalty: float) -> tuple[NDArray, float]:
    """Ridge-penalised maximum likelihood of a logistic model; the loss is strictly convex in the weights, so steps are halved until it falls."""
    import numpy as np

    with_one = np.hstack([z, np.ones((len(z), 1))])
    ridge = np.append(np.full(z.shape[1], penalty), 1e-6)
    given = np.zeros(with_one.shape[1])

    def loss(at: NDArray) -> float:
        score = with_one @ at
        return float(np.logaddexp(0, score).sum() - y @ score + (ridge * at**2).sum() / 2)

    value = loss(given)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(with_one @ given, -60, 60)))
        slope = with_one.T @ (chance - y) + ridge * given
        curve = (with_one * (chance * (1 - chance))[:, None]).T @ with_one + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > 1e-6 and loss(given - size * step) > value:
            size /= 2
        given = given - size * step
        before, value = value, loss(given)
        if before - value < 1e-10 * (1 + abs(value)):
            break
    return given[:-1], float(given[-1])


def _share(wanted: AbstractSet[str], known: AbstractSet[str]) -> float:
    return len(wanted & known) / len(wanted) if wanted else 0.0


def _near(terms: Sequence[str], text: Sequence[str]) -> float:
    pairs = list(itertools.pairwise(terms))
    if not pairs:
        return 0.0
    places: dict[str, list[int]] = {}
    for at, term in enumerate(text):
        places.setdefault(term, []).append(at)
    near = sum(
        any(abs(a - b) <= NEAR for a in places.get(one, ())[:50] for b in places.get(other, ())[:50]) for one, other in pairs
    )
    return near / len(pairs)


DEFAULT = SupportModel(
    names=FEATURES,
    means=(0.6849, 0.6357, 0.2494, 0.9578, 0.6157, 0.0562, 0.0859, 0.6773, 0.7159, 1.5484, 0.1365, 0.2419, 0.066, 0.2897, 0.054),
    scales=(0.1903, 0.1914, 0.208, 0.1935, 0.2016, 0.2302, 0.2802, 0.4675, 0.273, 0.2722, 0.1555, 0.1594, 0.0733, 0.1411, 0.2259),
    weights=(
        0.4622, 0.1408, -0.0246, 0.3669, 0.1874, -0.1072, 0.0052, 0.2779,
        -0.0552, 0.5515, 0.2048, 0.0913, 0.279, 0.4178, -0.1024,
    ),
    bias=-0.3817,
    fitted_on="the made corpus, 908 questions, 397 of them answerable",
)  # fmt: skip
"""Used where a corpus has no model of its own. ``benchmarks/abstention.py`` fits it, and says how it does on documents that it was not fitted on."""
