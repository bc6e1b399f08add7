"""When to say "not in the corpus": the threshold on support, chosen on questions whose answer is there and on questions whose answer is not.

The threshold is the least support that a question must have to be answered. It is chosen as in split conformal prediction (Vovk, Gammerman and
Shafer 2005; Angelopoulos and Bates 2023, arXiv 2107.07511): with n unanswerable validation questions, the
``ceil((n + 1) * declines)``-th smallest of their supports. A further unanswerable question drawn like them is then declined with a probability of
at least `declines`, on average over validation sets, whatever the model of support is worth; what the model decides is how many
answerable ones are declined with it. The empirical quantile alone would miss the target half of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.contract import Interval
from bakeoff.errors import BadData

if TYPE_CHECKING:
    from bakeoff.measure.calibration import RiskCoverage

DEFAULT_THRESHOLD = 0.5
"""For a corpus that has no questions to choose one on. On documents that the model was not trained on it declined 83% of the questions of the made corpus
without an answer and answered 73% of the others; on a real standard 58% and 89%, on filings 53% and 93% (docs/explanation/verified-answers.md). To decline 95%
takes 0.78 to 0.93, depending on the corpus, and about half of the answers: choose one on questions of the corpus."""

NOT_IN_THE_CORPUS = "Not in the corpus."
"""What is said in place of an answer."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The support from which a question is answered.

    Parameters
    ----------
    value : float
        In [0, 1]; answered are questions with support >= value.
    declined : Interval
        Share of the unanswerable validation questions that it declines (Clopper-Pearson). The one it was chosen on: see `promise`.
    answered : Interval
        Share of the answerable ones that it answers.
    promise : float or None
        Probability with which a further unanswerable question is declined, at least; None where there were too few to promise what was asked.
    """

    value: float
    declined: Interval
    answered: Interval
    promise: float | None


def choose_threshold(supports: Sequence[float], answerable: Sequence[bool], *, declines: float = 0.95) -> Threshold:
    """The lowest threshold that declines the wanted share of unanswerable questions, and so answers most of the others.

    Parameters
    ----------
    supports : sequence of float in [0, 1], length n
    answerable : sequence of bool, length n
        Both kinds must occur.
    declines : float in (0, 1), default=0.95
        Share of unanswerable questions to decline.

    Returns
    -------
    Threshold
        With fewer than ``declines / (1 - declines)`` unanswerable questions (19 for 0.95) nothing can be promised: it is then just above the
        highest support among them.

    Raises
    ------
    BadData
        If lengths differ, a support is no number in [0, 1], or one kind is missing.
    """
    from bakeoff.measure.intervals import proportion

    if not 0 < declines < 1:
        raise BadData(f"`declines` is {declines}; it must be between 0 and 1.", fix="set declines to 0.95")
    if len(supports) != len(answerable):
        raise BadData(f"{len(supports)} supports for {len(answerable)} questions.", fix="give one support for each question")
    if not all(0 <= each <= 1 for each in supports):
        raise BadData("A support is no number in [0, 1].", fix="give supports as the replies state them")
    without = sorted(float(each) for each, known in zip(supports, answerable, strict=True) if not known)
    there = [float(each) for each, known in zip(supports, answerable, strict=True) if known]
    if not without or not there:
        raise BadData(
            f"A threshold is chosen on questions of both kinds; got {len(there)} answerable and {len(without)} unanswerable ones.",
            fix="add questions whose answer is not in the corpus, or leave gold pages out",
        )
    place = math.ceil((len(without) + 1) * declines - 1e-9)
    promise = place / (len(without) + 1) if place <= len(without) else None
    kept = without[min(place, len(without)) - 1]
    value = min(1.0, math.nextafter(kept, math.inf))
    if kept >= 1.0:
        # Support 1 without an answer: no threshold in [0, 1] declines it.
        promise = None
    declined = sum(each < value for each in without)
    answered = sum(each >= value for each in there)
    return Threshold(
        value,
        proportion(declined, len(without), method="clopper-pearson"),
        proportion(answered, len(there), method="clopper-pearson"),
        promise,
    )


def abstention_curve(supports: Sequence[float], right: Sequence[bool]) -> RiskCoverage:
    """Risk and coverage of answering the best supported questions first, and AUGRC (Traub et al. 2024, arXiv 2407.01032).

    Parameters
    ----------
    supports : sequence of float in [0, 1], length n
    right : sequence of bool, length n
        Whether the answer would be right; a question without an answer in the corpus counts as wrong when it is answered.

    Raises
    ------
    BadData
        If there are none, or the lengths or ranges are wrong.
    """
    from bakeoff.measure.calibration import risk_coverage

    return risk_coverage([float(each) for each in supports], [bool(each) for each in right])
