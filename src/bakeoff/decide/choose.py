"""Which one: limits first, then what is good enough, then the front, then weights.

1. *Limits.* Every limit has to be met by the measured figure (probability of at least one half). What was
   not measured is not met.
2. *The floor.* An approach that is not shown to be better than always giving the same answer is not chosen for being
   cheap. Where none is shown to be better, nothing is settled, and the answer says so.
3. *Good enough.* An approach that is shown to be worse than the best one, by more than the margin, is left out; unless
   the study has a limit on quality, which then says what is good enough.
4. *The front*, and among those on it the highest weighted value at the measured figures. Win shares say how sure
   that is; they do not choose, because a copy of an approach would split its votes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bakeoff.contract import Interval
from bakeoff.decide.front import front
from bakeoff.decide.limits import Limit
from bakeoff.decide.record import Pair
from bakeoff.decide.values import value
from bakeoff.decide.weights import total_value
from bakeoff.study import Anchor

Kind = Literal["clear", "good_enough", "undecided", "none_within_limits", "nothing_ran"]
Word = Literal["superior", "inferior", "non-inferior", "equivalent", "undecided"]
SURE = 0.8
"""A choice is called clear only if it wins in at least this share of draws and meets each limit with at least this probability."""


@dataclass(frozen=True)
class Candidate:
    """One approach that ran: figures by criterion, and the probability that each limit is met (None: not measured)."""

    name: str
    figures: Mapping[str, Interval]
    met: Mapping[str, float | None] = field(default_factory=dict)
    floor: bool = False

    @property
    def within(self) -> bool:
        """True if every limit is met by the measured figure."""
        return all(p is not None and p >= 0.5 for p in self.met.values())


@dataclass(frozen=True)
class Relation:
    """x against y in quality. `gain` is above 0 where x is better; `word` and `keeps_margin` are from the side of x."""

    word: Word
    gain: Interval
    margin: float
    n_to_settle: int | None = None
    keeps_margin: bool = False
    needs_seeds: bool = False

    @property
    def good_enough(self) -> bool:
        """True if x is shown to be at most the margin worse than y."""
        return self.keeps_margin or self.word in ("superior", "equivalent", "non-inferior")


@dataclass(frozen=True)
class Question:
    """What the choice depends on besides the candidates. `weights` hold the criteria in play and sum to 1."""

    weights: Mapping[str, float]
    anchors: Mapping[str, Anchor]
    margin: float
    higher_is_better: bool = True
    pairs: Sequence[Pair] = ()
    limits: Sequence[Limit] = ()
    quality_metric: str = ""

    @property
    def quality_limited(self) -> bool:
        """True if a limit says what quality is good enough."""
        return any(limit.measure == self.quality_metric for limit in self.limits)


@dataclass(frozen=True)
class Choice:
    """The choice and how it came about.

    `eligible` passed every step before the front; `left_out` maps the others to the step that left them out: ``limits``,
    ``floor``, ``worse``. `best` is the eligible one with the best quality. `beats_floor` is False where nothing was shown to.
    """

    winner: str | None
    eligible: tuple[str, ...]
    left_out: Mapping[str, str]
    best: str | None
    beats_floor: bool
    values: Mapping[str, Mapping[str, float]]
    ranked: tuple[str, ...]


def choose(candidates: Sequence[Candidate], question: Question) -> Choice:
    """Choose one of the candidates. The order in which they are given does not matter."""
    ordered = sorted(candidates, key=lambda candidate: candidate.name)
    values = {
        c.name: {k: value(question.anchors[k], m.mid) for k, m in c.figures.items() if k in question.anchors} for c in ordered
    }
    left_out = {c.name: "limits" for c in ordered if not c.within}
    within = [c for c in ordered if c.within]
    floors = [c for c in ordered if c.floor]
    beats_floor = True
    if floors and within:
        words = {c.name: [relation(question, c, floor).word for floor in floors] for c in within if not c.floor}
        better = [c for c in within if not c.floor and all(word == "superior" for word in words[c.name])]
        beats_floor = bool(better)
        kept = better or [c for c in within if not c.floor and "inferior" not in words[c.name]]
        left_out |= {c.name: "floor" for c in within if c not in kept}
        within = kept
    best = _best(within, question, values)
    if best is not None and not question.quality_limited:
        worse = {c.name for c in within if c is not best and _shown_worse(relation(question, c, best))}
        left_out |= dict.fromkeys(worse, "worse")
        within = [c for c in within if c.name not in worse]
    on_front = front_of(within, question)
    totals = {c.name: total_value(values[c.name], question.weights) for c in within}
    ranked = sorted((c for c in within if c.name in on_front), key=lambda c: (-totals[c.name], *_tie(c, question)))
    names = tuple(c.name for c in ranked)
    eligible = tuple(c.name for c in within)
    return Choice(names[0] if names else None, eligible, left_out, best.name if best else None, beats_floor, values, names)


def front_of(candidates: Sequence[Candidate], question: Question) -> frozenset[str]:
    """Names on the Pareto front of the criteria that have a weight, at the measured figures."""
    criteria = sorted(criterion for criterion, weight in question.weights.items() if weight > 0)

    return front({c.name: [_good(c, criterion, question) for criterion in criteria] for c in candidates})


def relation(question: Question, x: Candidate, y: Candidate) -> Relation:
    """x against y in quality: from their pair where they were compared on the same items, else from their two intervals."""
    sign = 1.0 if question.higher_is_better else -1.0
    for pair in question.pairs:
        if {pair.a, pair.b} == {x.name, y.name} and x.name != y.name:
            turn = sign if pair.a == x.name else -sign
            ends = sorted((turn * pair.difference.low, turn * pair.difference.high))
            gain = Interval(turn * pair.difference.mid, ends[0], ends[1], pair.difference.n)
            keeps = pair.a_good_enough if pair.a == x.name else pair.b_good_enough
            return Relation(_turned(pair, x.name), gain, question.margin, pair.n_to_settle, keeps, pair.needs_seeds)
    mine, other = x.figures.get("quality"), y.figures.get("quality")
    if mine is None or other is None:
        return Relation("undecided", Interval(0.0, -math.inf, math.inf, 0), question.margin)
    mid = sign * (mine.mid - other.mid)
    half = math.hypot(mine.high - mine.low, other.high - other.low) / 2
    gain = Interval(mid, mid - half, mid + half, min(mine.n, other.n))
    return Relation(_word(gain, question.margin), gain, question.margin, None, gain.low > -question.margin)


def kind_of(choice: Choice, candidates: Sequence[Candidate], question: Question, sure: float) -> tuple[Kind, str | None]:
    """What kind of answer it is, and the other approach that it turns on (None where there is none to name).

    clear: better in quality than everything that could be chosen instead, and sure. good_enough: not worse than any by more than
    the margin, or above the limit on quality that the study sets. undecided: the items do not say, a limit is only just
    met, or nothing was shown to beat the floor.
    """
    if choice.winner is None:
        return ("none_within_limits" if candidates else "nothing_ran"), None
    by_name = {c.name: c for c in candidates}
    winner = by_name[choice.winner]
    limits_sure = all(p is not None and p >= SURE for p in winner.met.values())
    others = [by_name[name] for name in choice.eligible if name != winner.name]
    others += [by_name[name] for name, why in choice.left_out.items() if why != "limits"]
    others.sort(key=lambda c: (-_quality(c, question), c.name))
    relations = {c.name: relation(question, winner, c) for c in others}
    open_ones = [name for name, found in relations.items() if found.word == "undecided" and not by_name[name].floor]
    rival = next((name for name in relations if not by_name[name].floor), None)
    if not choice.beats_floor:
        return "undecided", next((c.name for c in others if c.floor), rival)
    if not others:
        return "undecided", None
    if all(found.word == "superior" for found in relations.values()) and sure >= SURE and limits_sure:
        return "clear", rival
    if question.quality_limited and limits_sure:
        better = [name for name, found in relations.items() if found.word == "inferior"]
        return "good_enough", next(iter(better or open_ones), rival)
    if open_ones:
        return "undecided", open_ones[0]
    in_play = {name: relations[name] for name in relations if name in choice.eligible}
    not_kept = [name for name, found in in_play.items() if not found.good_enough]
    if not_kept or not limits_sure:
        return "undecided", next(iter(not_kept), rival)
    return "good_enough", rival


def _turned(pair: Pair, x: str) -> Word:
    """The pair's word from the side of x. Non-inferiority does not turn round: b has its own test, adjusted as a's is."""
    if pair.a == x or pair.verdict == "equivalent":
        return pair.verdict
    if pair.verdict in ("superior", "inferior"):
        return "inferior" if pair.verdict == "superior" else "superior"
    return "non-inferior" if pair.b_good_enough else "undecided"


def _word(gain: Interval, margin: float) -> Word:
    if gain.low > 0:
        return "superior"
    if gain.high < 0:
        return "inferior"
    if gain.low > -margin:
        return "equivalent" if gain.high < margin else "non-inferior"
    return "undecided"


def _shown_worse(found: Relation) -> bool:
    return found.word == "inferior" and found.gain.mid < -found.margin


def _quality(candidate: Candidate, question: Question) -> float:
    measured = candidate.figures.get("quality")
    if measured is None or math.isnan(measured.mid):
        return -math.inf
    return measured.mid if question.higher_is_better else -measured.mid


def _good(candidate: Candidate, criterion: str, question: Question) -> float:
    """The measured figure, turned so that larger is better; -inf where it was not measured."""
    measured, anchor = candidate.figures.get(criterion), question.anchors[criterion]
    if measured is None or math.isnan(measured.mid):
        return -math.inf
    return measured.mid if anchor.best > anchor.worst else -measured.mid


def _tie(candidate: Candidate, question: Question) -> tuple[float | str, ...]:
    """Settles a tie by the figures before the name, so that a copy of a loser cannot win by its name."""
    return (-_quality(candidate, question), *(-_good(candidate, c, question) for c in sorted(question.weights)), candidate.name)


def _best(within: Sequence[Candidate], question: Question, values: Mapping[str, Mapping[str, float]]) -> Candidate | None:
    on_front = front_of(within, question)
    kept = [c for c in within if c.name in on_front]
    return min(
        kept,
        key=lambda c: (-_quality(c, question), -total_value(values[c.name], question.weights), *_tie(c, question)),
        default=None,
    )
