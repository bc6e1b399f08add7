"""The answer in words that a lead can read aloud: which one, is the difference real, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bakeoff.contract import Interval
from bakeoff.decide.choose import Candidate, Choice, Kind, Question, Relation, relation
from bakeoff.decide.limits import Limit
from bakeoff.decide.record import ApproachResult, Document, Range, StudySummary
from bakeoff.decide.values import CRITERIA, figure, scored_share
from bakeoff.decide.weights import Switch
from bakeoff.estimate.break_even import MOST_REPLICAS, BreakEvens


def money(usd: float) -> str:
    """US dollars as people say them: ``$2.14``, ``11 US cents``, ``$1,250``, ``less than 0.01 US cents``."""
    if usd < 0:
        return "minus " + money(-usd)
    if usd == 0:
        return "nothing"
    if usd < 0.0001:
        return "less than 0.01 US cents"
    if usd < 0.995:
        cents = digits(usd * 100, 2).removesuffix(".0")
        return f"{cents} US cent{'' if cents == '1' else 's'}"
    return f"${usd:,.2f}" if usd < 100 else f"${round(usd):,}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best: ``0.4 ms``, ``83 ms``, ``2.1 s``, ``12 min``, ``3.5 hours``."""
    if seconds < 0.9995:
        return f"{digits(seconds * 1000, 2)} ms"
    if seconds < 119.5:
        return f"{digits(seconds, 2 if seconds < 99.5 else 3)} s"
    return f"{digits(seconds / 60, 2)} min" if seconds < 5970 else f"{digits(seconds / 3600, 2)} hours"


def size(count: float) -> str:
    """Bytes in decimal units: ``91 MB``, ``1.2 GB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * scale:
            return f"{digits(count / scale, 2 if count < 99.5 * scale else 3)} {unit}"
    return f"{count:.0f} bytes"


def volume(items: float) -> str:
    """Items a day, to two figures: ``10,000``, ``1.2 million``."""
    if items >= 999_500:
        return f"{digits(items / 1e6, 2).removesuffix('.0')} million"
    return f"{float(f'{items:.2g}'):,.0f}" if items >= 1 else f"{items:.2g}"


def quality(study: StudySummary, level: Range | Interval) -> str:
    """The primary metric with its interval: ``88.6% (86.2% to 90.7%)``."""
    count = places(level.low, level.mid, level.high)
    mid, low, high = (f"{100 * x:.1f}%" if study.percent else f"{x:.{count}f}" for x in (level.mid, level.low, level.high))
    return f"{mid} ({low} to {high})"


def places(*levels: float) -> int:
    """Decimals that figures which are no shares are shown with: three below 10, two below 100, one from there on."""
    most = max((abs(level) for level in levels if math.isfinite(level)), default=0.0)
    return 3 if most < 10 else 2 if most < 100 else 1


def more_items(study: StudySummary, count: int) -> str:
    """``about 400 more labelled test items``, or what the items of the task are called."""
    return f"about {count:,} more {'test episodes' if study.task == 'control' else 'labelled test items'}"


def gap(study: StudySummary, gain: Interval) -> str:
    """A difference in the primary metric with its interval: ``6.4 points (4.1 to 8.7)``."""
    scale, unit = (100.0, " points") if study.percent else (1.0, "")
    count = 1 if study.percent else places(gain.low, gain.mid, gain.high)
    # Adding 0 after rounding turns -0.0 into 0.0.
    mid, low, high = (f"{round(scale * x, count) + 0.0:.{count}f}" for x in (gain.mid, gain.low, gain.high))
    return f"{mid}{unit} ({low} to {high})"


def measured(measure: str, study: StudySummary, level: float) -> str:
    """One figure in words, in the unit that suits what it measures."""
    if measure.endswith(("latency", "first token")) or measure in ("cold start", "train time"):
        return duration(level)
    if measure in ("memory", "model size"):
        return size(level)
    if measure.startswith("cost"):
        return money(level)
    if measure in ("errors", "abstained", "edge accuracy", "flips", "consistency"):
        return f"{level:.1%}"
    if measure == "throughput":
        return f"{digits(level, 2)} items per second"
    if measure == "served rate":
        return f"{digits(level, 2)} requests per second"
    return f"{level:.1%}" if study.percent else f"{level:.{places(level)}f}"


def verdict(
    document: Document, choice: Choice, kind: Kind, rival: str | None, candidates: Sequence[Candidate], question: Question
) -> str:
    """The answer in two sentences: which one, and whether the difference is real."""
    results = {result.name: result for result in document.approaches}
    study = document.study
    if kind == "nothing_ran":
        failed = next((r for r in document.approaches if r.failure), None)
        finished = [r for r in document.approaches if r.status == "done"]
        if finished:
            return f"No approach can be compared, so there is nothing to choose from. {_no_score(study, finished)}"
        why = f"The first failure was {failed.name}: {_plain(failed.failure or '')}." if failed else "Nothing was measured."
        return f"No approach has finished, so there is nothing to choose from. {why}"
    if choice.winner is None:
        return _none(document, choice, candidates, question)
    own = results[choice.winner]
    title = study.metric_title or study.metric
    metric = title if title[1:2].isupper() or title[1:2].isdigit() else title[:1].lower() + title[1:]
    first = f"{metric} {quality(study, own.metrics[study.metric])}{_unanswered(own)}{_price(study, own)}"
    if kind == "undecided" and not choice.beats_floor:
        return (
            f"Nothing is shown to be better than always giving the same answer; {own.name} is ahead so far, with {first}. "
            + _floor(study, own.name, rival, candidates, question)
        )
    opening = f"{'For now, use' if kind == 'undecided' else 'Use'} {own.name}: {first}."
    if rival is None:
        return f"{opening} {_unrivalled(study, own.name, candidates, question)}"
    by_name = {c.name: c for c in candidates}
    found = relation(question, by_name[own.name], by_name[rival])
    return f"{opening} {_difference(document, own, results[rival], found, kind, choice, question)}"


def settles(study: StudySummary, winner: str, rival: str, found: Relation) -> str | None:
    """How many more items would settle an undecided pair, as a sentence; None where that is not known."""
    if found.word == "undecided" and found.needs_seeds:
        return f"More training runs, not more test items, would settle whether {rival} is better than {winner}."
    if found.word != "undecided" or not found.n_to_settle:
        return None
    return f"{more_items(study, found.n_to_settle).capitalize()} would settle whether {rival} is better than {winner}."


def switch(found: Switch) -> str:
    """A weight at which the choice changes. The share is rounded away from the present weight, so that typing it changes the choice."""
    says = CRITERIA[found.criterion].says
    edge = math.floor(found.at * 100 + 1e-9) + 1 if found.more else math.ceil(found.at * 100 - 1e-9) - 1
    if edge >= 100:
        return f"If only {says} counted (now {found.now:.0%}), {found.winner} would be chosen."
    if edge <= 0:
        return f"If {says} did not count at all (now {found.now:.0%}), {found.winner} would be chosen."
    return f"If {says} counted for {edge}% or {'more' if found.more else 'less'} (now {found.now:.0%}), {found.winner} would be chosen."


def break_even(found: BreakEvens, position: int | None, shown: int) -> str:
    """One crossing of two daily costs (`position` in `found.crossings`), or why there is none (`position` None)."""
    if position is None:
        top = f"every volume up to {volume(found.up_to)} items a day"
        if not found.cheaper:
            return f"{found.a} and {found.b} cost the same, to within 1%, at {top}."
        other = found.b if found.cheaper == found.a else found.a
        return f"{found.cheaper} is cheaper than {other} at {top}, so there is no break-even."
    crossing = found.crossings[position]
    other = found.b if crossing.above == found.a else found.a
    low, mid, high = (volume(items) for items in (crossing.volume.low, crossing.volume.mid, crossing.volume.high))
    between = f"about {mid} items a day" + (f" ({low} to {high})" if low != high else "")
    below = f"Up to {between} the two cost the same" if not crossing.below else f"Up to {between} {crossing.below} is cheaper"
    says = f"{below}; just above it {crossing.above} is cheaper than {other}."
    if crossing.found < 0.95:
        says += f" This change is there in {crossing.found:.0%} of redraws of the measured speed and price."
    if position == shown - 1 and found.more:
        says += f" {found.more:,} more changes follow, as further machines are added (up to {MOST_REPLICAS:,} of them)."
    return says


def missed(document: Document, limit: Limit, result: ApproachResult) -> str:
    """How an approach misses a limit: ``p95 latency <= 50 ms (measured: 83 ms)``."""
    found = figure(result, limit.measure, document)
    if found:
        return f"{limit.text} (measured: {measured(limit.measure, document.study, found.mid)})"
    times = result.latency_seconds.n if limit.measure.endswith(" latency") else 0
    return f"{limit.text} (not measured{f': {times:,} times are too few' if times else ''})"


def _no_score(study: StudySummary, finished: Sequence[ApproachResult]) -> str:
    """Why approaches that finished have no figure by the primary metric."""
    asked = sum(r.answered + r.errors + r.abstained for r in finished)
    answered, errors = sum(r.answered for r in finished), sum(r.errors for r in finished)
    if not answered:
        kinds = [kind for r in finished for kind in r.error_kinds]
        first = f" (the first kind: {_plain(kinds[0])})" if kinds else ""
        return f"None of the {asked:,} questions asked got an answer: {errors:,} ended in an error{first}."
    return f"None of the {answered:,} answers can be scored by the primary metric, {study.metric_title or study.metric}."


def _difference(
    document: Document,
    own: ApproachResult,
    other: ApproachResult,
    found: Relation,
    kind: Kind,
    choice: Choice,
    question: Question,
) -> str:
    study = document.study
    allowed = f"{100 * study.margin:g} points" if study.percent else f"{study.margin:g}"
    behind = Interval(-found.gain.mid, -found.gain.high, -found.gain.low, found.gain.n)
    trade = _declined(other) + _trade(document, own, other)
    if found.word == "superior":
        return f"The difference is real: it is better than {other.name}, the next in quality, by {gap(study, found.gain)}{_declined(other)}."
    if found.word == "undecided":
        more = f", and {more_items(study, found.n_to_settle)} would settle it" if found.n_to_settle else ""
        if found.needs_seeds:
            more = ", and more training runs, not more items, would settle it"
        kept = (
            f"; {own.name} keeps the limit on quality in any case" if kind == "good_enough" and question.quality_limited else ""
        )
        if abs(found.gain.mid) < 1e-9 and found.gain.low == found.gain.high:
            ahead = "they gave equally many right answers" if study.percent else "they are level"
        elif found.gain.mid < 0:
            ahead = f"{other.name} is ahead by {gap(study, behind)}"
        else:
            ahead = f"{own.name} is ahead by {gap(study, found.gain)}"
        return (
            f"Whether {other.name} is better is not settled: {ahead} on {found.gain.n:,} items{_declined(other, '')}{more}{kept}."
        )
    if found.word == "inferior":
        real = f"{other.name} is really better, by {gap(study, behind)}"
        if question.quality_limited:
            return f"{real}, but {own.name} keeps the limit on quality{trade}."
        if found.good_enough:
            return f"{real}, but that is within the {allowed} stated as not mattering{trade}."
        return f"{real}, which may be more than the {allowed} stated as not mattering{trade}."
    if abs(found.gain.mid) < 1e-9:
        return f"{other.name} is not better by more than the {allowed} stated as not mattering: they are level, {gap(study, found.gain)} apart{trade}."
    if found.gain.mid > 0:
        return f"{other.name} is not better by more than the {allowed} stated as not mattering: {own.name} is ahead by {gap(study, found.gain)}{trade}."
    return f"{other.name} is not better by more than the {allowed} stated as not mattering: it is ahead by {gap(study, behind)}{trade}."


def _declined(other: ApproachResult, on: str = " on the items") -> str:
    """That the comparison is on fewer items because the other one left some open; nothing where it answered all."""
    share = 1 - scored_share(other)
    return f"{on} that both answered ({other.name} gave no answer to {share:.1%} of them all)" if share >= 0.005 else ""


def _trade(document: Document, own: ApproachResult, other: ApproachResult) -> str:
    """What the choice saves against the other one, where it saves a fifth or more."""
    saves = []
    for measure, words in (
        ("cost per day", "costs {} as much a day"),
        ("p90 latency", "takes {} as long"),
        ("memory", "needs {} as much memory"),
    ):
        mine, theirs = figure(own, measure, document), figure(other, measure, document)
        if mine and theirs and mine.mid > 0 and theirs.mid / mine.mid >= 1.25:
            times = theirs.mid / mine.mid
            saves.append(words.format(f"{digits(times, 2) if times < 100 else f'{round(times, -1):,.0f}'} times"))
    return f", and {other.name} {joined(saves)}" if saves else ""


def _floor(study: StudySummary, winner: str, floor: str | None, candidates: Sequence[Candidate], question: Question) -> str:
    by_name = {c.name: c for c in candidates}
    if floor is None or floor not in by_name:
        return "There is nothing to compare it with."
    found = relation(question, by_name[winner], by_name[floor])
    more = f"; {more_items(study, found.n_to_settle)} would settle it" if found.n_to_settle else ""
    if found.needs_seeds:
        more = "; more training runs, not more items, would settle it"
    return f"Its lead over {floor} is {gap(study, found.gain)}, which may be chance{more}."


def _unrivalled(study: StudySummary, winner: str, candidates: Sequence[Candidate], question: Question) -> str:
    """What the choice was compared with where nothing else but the floor could be chosen."""
    by_name = {c.name: c for c in candidates}
    ahead = [(c.name, relation(question, by_name[winner], c)) for c in candidates if c.floor and c.name != winner]
    said = [
        f"It is better than {name}, the floor, by {gap(study, found.gain)}" for name, found in ahead if found.word == "superior"
    ]
    others = [c for c in candidates if not c.floor and c.name != winner]
    why = "no other approach keeps every limit" if others else "there was no other approach to compare it with"
    return f"{said[0]}; {why}." if said else f"{why[:1].upper()}{why[1:]}."


def _none(document: Document, choice: Choice, candidates: Sequence[Candidate], question: Question) -> str:
    results = {result.name: result for result in document.approaches}
    useful = [c for c in candidates if not c.floor] or list(candidates)
    outside = [c for c in useful if not c.within]
    if not outside:
        return (
            "No approach is recommended, because none is better than always giving the same answer. "
            f"The best of them is {max(useful, key=lambda c: c.figures['quality'].mid if 'quality' in c.figures else -math.inf).name}."
        )

    def distance(candidate: Candidate) -> tuple[int, float, float, str]:
        unmet = [p or 0.0 for p in candidate.met.values() if p is None or p < 0.5]
        level = candidate.figures.get("quality")
        sign = 1.0 if question.higher_is_better else -1.0
        return len(unmet), -min(unmet), -sign * level.mid if level else math.inf, candidate.name

    near = min(outside, key=distance)
    unmet = [limit for limit in question.limits if (near.met[limit.text] or 0.0) < 0.5]
    names = [missed(document, limit, results[near.name]) for limit in unmet]
    misses = "is not shown to keep" if all(near.met[limit.text] is None for limit in unmet) else "misses"
    only_floor = (
        "No approach that is better than always giving the same answer" if any(c.within for c in candidates) else "No approach"
    )
    return f"{only_floor} keeps every limit, so none is recommended. The nearest is {near.name}, which {misses} {joined(names)}."


def _unanswered(result: ApproachResult) -> str:
    share = 1 - scored_share(result)
    return f" on the items that it answered (it gave no answer to {share:.1%} of them all)" if share >= 0.005 else ""


def _price(study: StudySummary, result: ApproachResult) -> str:
    if result.usd_per_day is None:
        return ""
    return f", at about {money(result.usd_per_day.mid)} a day for {volume(study.volume_per_day)} items"


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:200]


def joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def digits(number: float, digits: int) -> str:
    """`number` to so many significant digits, without an exponent."""
    if number == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    return f"{round(number, digits - 1 - math.floor(math.log10(abs(number)))):,.{places}f}"


def left_out_criteria(names: Mapping[str, float]) -> list[str]:
    """Which criteria with a weight nobody has measured, as sentences."""
    return [
        f"{CRITERIA[name].says.capitalize()} was not measured, so its weight of {w:.0%} went to the others."
        for name, w in sorted(names.items())
    ]
