"""What a question demands, and how well the sentences and rows that were found meet each demand.

A question about the dividend of 2023 is not answered by a sentence about the dividend of 2022, however many words they share. So the
demands are looked at one by one (the names, the years, the other figures, what is quoted, every other word, the kind of answer), and a sentence is
as good as the demand that it meets worst. A demand may also be met by what the sentence stands under: headings, the caption, the title.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bakeoff.tasks.documents.find.question import read_question
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Passage, Span
from bakeoff.tasks.documents.reply.sentences import sentence_spans

MOST_PASSAGES = 10
MOST_SENTENCES = 60
MOST_UNITS = 400
MOST_WORDS = 120
"""Words of a question that are looked at."""

HEADED, BESIDE, ALIKE = 0.8, 0.45, 0.75
"""What a word counts where it stands only in the headings, only beside (elsewhere in the passage), or only in another form of it."""

_WORD = re.compile(r"[^\W_]+(?:[-&.'’/][^\W_]+)*%?|%")
_QUOTED = re.compile(r"[“\"]([^”\"]{2,120})[”\"]")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_MONEY = re.compile(r"[$£€¥]|\b(?:USD|EUR|GBP|CHF)\b|\b(?:million|billion|thousand|dollars?|pounds?|euros?)\b")
_DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_DURATION = re.compile(
    r"\b(?:(?:business |working |calendar |consecutive )?(?:second|minute|hour|day|week|month|quarter|year)s?|annual|weekly|monthly|daily|hourly)\b",
    re.IGNORECASE,
)
_NUMERIC = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|hundred|half|third|quarter|none|twice|once)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w&.'-]*|(?<!\w)/[a-z]\w*")
_DEFINITION = re.compile(
    r"[\"”’']\s*(?:\([^)]*\)\s*)?(?:means?|refers? to|is defined|shall mean|has the meaning)\b|\b(?:is|are) defined as\b|\bmeans?\b|\brefers? to\b"
)
_NEGATED = re.compile(r"\b(?:not|no|never|without|none|nor|neither|except|unless|excluding)\b|n't\b", re.IGNORECASE)

ASKS: Mapping[str, re.Pattern[str]] = {
    "date": re.compile(r"^\W*(?:when|since when|until when|(?:on|by|from|until|in|at)? ?(?:what|which) (?:date|day|year|month))\b|\b(?:what|which) (?:date|year|month|day)\b", re.IGNORECASE),
    "duration": re.compile(r"\bhow (?:long|soon|often|many (?:days|weeks|months|years|hours|minutes))\b|\b(?:notice|length|duration|period|term) (?:of|is|must|does)\b", re.IGNORECASE),
    "money": re.compile(r"\b(?:price|cost|costs|pay|paid|spend|spent|earn|earned|fee|rent|revenue|sales|profit|income|debt|owed?|worth|dividend|amount|salary|turnover|loss|expenses?|charge|cash|fine|bonus|cap)\b", re.IGNORECASE),
    "share": re.compile(r"\b(?:percentage|percent|per cent|share|proportion|rate|margin|ratio)\b|%", re.IGNORECASE),
    "count": re.compile(r"\bhow (?:many|much|large|big|high|low|far|old|fast)\b|\b(?:number|quantity|size|level|threshold|limit|concentration|weight|capacity) of\b|\bat (?:what|which)\b", re.IGNORECASE),
    "who": re.compile(r"\b(?:who|whom|whose)\b|\b(?:what|which) (?:company|person|party|firm|auditor|bank|city|country|court|law|state|file|director|body|office|officer|name|committee)\b", re.IGNORECASE),
    "whether": re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have|had|may|can|could|must|shall|should|will|would)\b", re.IGNORECASE),
    "meaning": re.compile(r"\b(?:define[sd]?|definition|mean(?:s|t|ing)?)\b|^\W*what (?:is|are) (?:an? )?[“\"]?[A-Z]", re.IGNORECASE),
}  # fmt: skip

UNKNOWN = -1.0
"""What a feature of retrieval is where the way of searching does not give it: a corpus that is searched by words alone has no cosines."""

RETRIEVAL = ("document", "heading", "dense", "dense lead", "lexical share")
"""Features that depend on how passages are found, and may be `UNKNOWN`."""

FEATURES = (
    "covered", "own", "worst", "worst weight", "unmet", "unmet weight", "names", "worst name", "years", "other year", "numbers", "quoted",
    "kind", "ordered", "bigrams", "density", "is row", "rank", "passage score", "lead", "rivals", "negated", "phrase", "phrase anywhere",
    "phrase heads", "defined", "run", "run anywhere", "covered at first", "worst at first", "unmet at first", "covered in passage",
    "worst in passage", "covered anywhere", "never said", "never said name", *RETRIEVAL, "score", "score lead", "score margin", "next scores",
)  # fmt: skip
"""What the model of support looks at, in its order. See `features`."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A word of a question that an answer must be about.

    `terms` are what it is found by (any of them will do); `kind` is 'name', 'year', 'number' or 'word'; `quoted` is true within quotation marks.
    """

    terms: frozenset[str]
    kind: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Demands:
    """What a question asks for: its words, and the sorts of answer it wants (keys of `ASKS`)."""

    words: tuple[Demand, ...]
    asks: frozenset[str]
    phrases: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence or row with what surrounds it, as terms. `passage` is the place of its passage in rank order."""

    text: str
    order: tuple[str, ...]
    own: frozenset[str]
    headed: frozenset[str]
    beside: frozenset[str]
    under: tuple[str, ...]
    passage: int
    row: bool


def demands_of(question: str) -> Demands:
    """The demands of a question, in order, each once.

    Examples
    --------
    >>> [(sorted(each.terms), each.kind) for each in demands_of("What did Acme pay in 2022?").words]
    [(['acm'], 'name'), (['pay'], 'word'), (['2022'], 'year')]
    """
    content = read_question(question, {}).content
    quoted = [match.span(1) for match in _QUOTED.finditer(content)]
    found: dict[frozenset[str], Demand] = {}
    for count, match in enumerate(_WORD.finditer(content)):
        if count == MOST_WORDS:
            break
        word = match.group()
        terms = frozenset(terms_of(word))
        if not terms or terms in found:
            continue
        inside = any(start <= match.start() < end for start, end in quoted)
        if any(_YEAR.fullmatch(term) for term in terms):
            kind = "year"
            terms = frozenset(term for term in terms if _YEAR.fullmatch(term))
        elif any(term[0].isdigit() for term in terms):
            kind = "number"
        elif count and word[0].isupper():
            kind = "name"
        else:
            kind = "word"
        found.setdefault(terms, Demand(terms, kind, inside))
    asks = frozenset(name for name, pattern in ASKS.items() if pattern.search(content))
    phrases = tuple(phrase for start, end in quoted if (phrase := tuple(terms_of(content[start:end]))))
    return Demands(tuple(found.values()), asks, phrases)


def units_of(passages: Sequence[Passage]) -> list[Unit]:
    """The sentences and rows of the first passages, with their surroundings; at most `MOST_UNITS`."""
    found: list[Unit] = []
    for rank, passage in enumerate(passages[:MOST_PASSAGES]):
        text = passage.chunk.text
        under = tuple(terms_of(passage.chunk.context))
        headed = frozenset(under)
        beside = frozenset(terms_of(text))
        row = passage.chunk.kind != "text"
        spans = [Span(0, len(text))] if row else sentence_spans(text)[:MOST_SENTENCES]
        for span in spans:
            said = text[span.start : span.end]
            order = tuple(terms_of(said))
            if order:
                found.append(
                    Unit(said, order, frozenset(order), headed, beside, under, rank, row or passage.chunk.table is not None)
                )
    return found[:MOST_UNITS]


def features(question: str, passages: Sequence[Passage]) -> dict[str, float]:
    """How well the best of what was found meets the demands of a question. All 0 where nothing was found. No page is read: chunks say enough.

    Parameters
    ----------
    question : str
    passages : sequence of Passage
        Best first, as `Retriever.retrieve` gives them.

    Returns
    -------
    dict
        By the names of `FEATURES`. A demand is met in [0, 1] (1 in the unit itself, less in another form, in its headings, or beside it), and weighs
        the more the rarer it is among the units. Of the best unit: *covered* and *own* (weighted mean over the demands, with and without its
        surroundings), *worst* (the demand met worst), *unmet* (how many are met nowhere near, *unmet weight* their share, *worst weight* the heaviest),
        *names*, *worst name*, *years*, *numbers*, *quoted* (demands of these kinds), *other year* (it has years, and none that is asked for), *kind* (it holds the
        kind of answer wanted), *ordered*, *bigrams*, *run* (the question's terms in order, in pairs, in one run), *phrase*, *phrase heads* (what the question quotes
        stands in it, or opens it), *defined*, *density*, *is row*, *negated*, *rank* and *passage score* (of its passage), *lead* (over the next unit), *rivals*
        (units nearly as good). *... at first* is of the best unit of the first passage, *... in passage* of its whole passage, *... anywhere* of all
        units; *never said* counts demands that nothing meets. The rest are scores of retrieval, `UNKNOWN` where it has none.
    """
    seen = dict.fromkeys(FEATURES, 0.0)
    demands, units = demands_of(question), units_of(passages)
    if not units or not demands.words:
        return seen
    weights = _weights(demands, units)
    met = [[_met(each, unit) for each in demands.words] for unit in units]
    whole = sum(weights)
    covered = [sum(w * m for w, m in zip(weights, row, strict=True)) / whole for row in met]
    top = max(passage.score for passage in passages) or 1.0
    years = {term for each in demands.words if each.kind == "year" for term in each.terms}
    known = {term for each in demands.words for term in each.terms}
    kinds = [_kind(demands, unit, known) for unit in units]
    phrases = [_phrase(demands.phrases, unit) for unit in units]
    defined = [_defines(demands, unit) for unit in units]
    totals = [
        value
        + 0.3 * (phrase - 1)
        + 0.3 * (define - 0.5)
        + 0.25 * kind
        + 0.25 * max(0.0, passages[unit.passage].score) / top
        - 0.3 * _other_year(years, unit)
        for value, phrase, define, kind, unit in zip(covered, phrases, defined, kinds, units, strict=True)
    ]
    order = sorted(range(len(units)), key=lambda at: (-round(totals[at], 9), units[at].passage, at))
    best = order[0]
    unit, row = units[best], met[best]
    seen.update(_of_unit(demands, weights, unit, row))
    seen["covered"] = covered[best]
    seen["kind"] = kinds[best]
    seen["other year"] = _other_year(years, unit)
    seen["phrase"], seen["phrase anywhere"], seen["defined"] = phrases[best], max(phrases), defined[best]
    seen["phrase heads"] = _heads(demands.phrases, unit)
    asked = [next(iter(sorted(each.terms))) for each in demands.words]
    runs = [_run(asked, each.order) for each in units]
    seen["run"], seen["run anywhere"] = runs[best] / len(asked), max(runs) / len(asked)
    seen["rank"] = float(unit.passage)
    seen["passage score"] = passages[unit.passage].score
    seen["lead"] = totals[best] - next((totals[at] for at in order[1:] if units[at].own != unit.own), 0.0)
    seen["rivals"] = float(sum(totals[at] > totals[best] - 0.1 for at in order[1:]))
    first = max((at for at in range(len(units)) if units[at].passage == units[0].passage), key=lambda at: totals[at])
    seen["covered at first"] = covered[first]
    seen["worst at first"] = min(met[first])
    seen["unmet at first"] = float(sum(value < BESIDE for value in met[first]))
    inside = [
        max(row[place] for row, each in zip(met, units, strict=True) if each.passage == unit.passage)
        for place in range(len(weights))
    ]
    seen["covered in passage"] = sum(w * m for w, m in zip(weights, inside, strict=True)) / whole
    seen["worst in passage"] = min(inside)
    anywhere = [max(row[place] for row in met) for place in range(len(weights))]
    seen["covered anywhere"] = sum(w * m for w, m in zip(weights, anywhere, strict=True)) / whole
    seen["never said"] = float(sum(value < BESIDE for value in anywhere))
    seen["never said name"] = float(
        any(value < BESIDE for value, each in zip(anywhere, demands.words, strict=True) if each.kind == "name")
    )
    seen.update(_of_retrieval(passages, passages[unit.passage], len(demands.words)))
    return {name: round(value, 6) for name, value in seen.items()}


def _of_retrieval(passages: Sequence[Passage], chosen: Passage, demands: int) -> dict[str, float]:
    scores = [passage.score for passage in passages]
    seen = {
        "score": scores[0],
        "score lead": scores[0] - scores[1] if len(scores) > 1 else 0.0,
        "score margin": scores[0] - sum(scores) / len(scores),
        "next scores": sum(scores[1:4]) / max(1, len(scores[1:4])),
        **dict.fromkeys(RETRIEVAL, UNKNOWN),
    }
    for name in ("document", "heading"):
        if name in chosen.scores:
            seen[name] = float(chosen.scores[name])
    dense = sorted((float(each.scores.get("dense", 0.0)) for each in passages), reverse=True)
    if dense[0] > 0:
        seen["dense"], seen["dense lead"] = dense[0], dense[0] - dense[min(3, len(dense) - 1)]
    lexical = max(float(each.scores.get("lexical", 0.0)) for each in passages)
    if lexical > 0:
        seen["lexical share"] = lexical / demands
    return seen


def _of_unit(demands: Demands, weights: Sequence[float], unit: Unit, row: Sequence[float]) -> dict[str, float]:
    whole, heaviest = sum(weights), max(weights)
    own = [float(bool(each.terms & unit.own)) for each in demands.words]
    missing = [w for w, value in zip(weights, row, strict=True) if value < BESIDE]
    terms = [next(iter(sorted(each.terms))) for each in demands.words]
    asked = {term for each in demands.words for term in each.terms}

    def share(kind: str) -> list[float]:
        return [value for value, each in zip(row, demands.words, strict=True) if each.kind == kind]

    names, years, numbers = share("name"), share("year"), share("number")
    quoted = [value for value, each in zip(row, demands.words, strict=True) if each.quoted]
    said = [term for term in unit.order if term in asked]
    return {
        "own": sum(w * o for w, o in zip(weights, own, strict=True)) / whole,
        "worst": min(row),
        "worst weight": max(missing, default=0.0) / heaviest,
        "unmet": float(len(missing)),
        "unmet weight": sum(missing) / whole,
        "names": _mean(names),
        "worst name": min(names, default=1.0),
        "years": min(years, default=1.0),
        "numbers": _mean(numbers),
        "quoted": _mean(quoted),
        "ordered": _longest_common(terms, said) / len(terms),
        "bigrams": _bigrams(terms, unit.order),
        "density": len(asked & unit.own) / len(unit.own),
        "is row": float(unit.row),
        "negated": float(bool(_NEGATED.search(unit.text))),
    }


def _weights(demands: Demands, units: Sequence[Unit]) -> list[float]:
    """Inverse frequency over what was found: a word that every unit has, or stands under, tells nothing apart."""
    n = len(units)
    found = []
    for each in demands.words:
        count = sum(bool(each.terms & unit.own) or 0.5 * bool(each.terms & unit.headed) for unit in units)
        found.append(0.2 + math.log(1 + (n - count + 0.5) / (count + 0.5)))
    return found


def _met(demand: Demand, unit: Unit) -> float:
    """How well a unit meets a demand, in [0, 1]."""
    if demand.terms & unit.own:
        return 1.0
    if demand.terms & unit.headed:
        return HEADED
    if demand.kind in ("word", "name"):
        if _alike(demand.terms, unit.own):
            return ALIKE
        if _alike(demand.terms, unit.headed):
            return ALIKE * HEADED
    if demand.terms & unit.beside:
        return BESIDE
    return 0.0


def _alike(terms: AbstractSet[str], known: AbstractSet[str]) -> bool:
    """Another form of the same word ("arbitrate", "arbitrator"): five letters or more in common from the start, and most of the shorter one."""
    for term in terms:
        if len(term) < 5 or not term[0].isalpha():
            continue
        stem = term[: max(5, math.ceil(0.7 * len(term)))]
        if any(other.startswith(stem) or (len(other) >= 5 and term.startswith(other)) for other in known):
            return True
    return False


def _kind(demands: Demands, unit: Unit, known: AbstractSet[str]) -> float:
    """Whether the unit holds the kind of thing that is asked for, beyond what the question says itself: 1, 0, or between; 0.5 where it does not say."""
    asks = demands.asks
    figures = {term for term in unit.own if term[0].isdigit()} - known
    if "date" in asks:
        return 1.0 if figures and _DATE.search(unit.text) else 0.0
    if "duration" in asks:
        return 1.0 if _DURATION.search(unit.text) and _NUMERIC.search(unit.text) else 0.0
    if "share" in asks and (figures or _NUMERIC.search(unit.text)):
        return 1.0 if "percent" in unit.own or "%" in unit.text or "cent" in unit.own else 0.6
    if "count" in asks or ("money" in asks and "who" not in asks and "whether" not in asks):
        if "money" in asks and figures:
            return 1.0 if _MONEY.search(unit.text) or unit.row else 0.7
        return 1.0 if figures else 0.6 if _NUMERIC.search(unit.text) and "count" in asks else 0.0
    if "share" in asks:
        return 0.0
    if "who" in asks:
        return 1.0 if any(not set(terms_of(name)) <= known for name in _NAME.findall(unit.text)) else 0.0
    return 0.5


def _other_year(years: AbstractSet[str], unit: Unit) -> float:
    if not years or years & unit.own:
        return 0.0
    named = set(_YEAR.findall(unit.text))
    return 1.0 if named else 0.5 if not years & unit.headed else 0.0


def _phrase(phrases: Sequence[Sequence[str]], unit: Unit) -> float:
    """How much of the least met quoted phrase stands together in the unit or in what it stands under; 1 where nothing is quoted."""
    return min((max(_run(each, unit.order), HEADED * _run(each, unit.under)) / len(each) for each in phrases), default=1.0)


def _heads(phrases: Sequence[Sequence[str]], unit: Unit) -> float:
    """Whether a quoted phrase opens the unit, as the label of a row or a defined term does; 0.5 where nothing is quoted."""
    return max((float(list(unit.order[: len(each)]) == list(each)) for each in phrases), default=0.5)


def _defines(demands: Demands, unit: Unit) -> float:
    """Whether the unit defines what the question wants defined: 1 or 0; 0.5 where it asks for no definition."""
    if "meaning" not in demands.asks:
        return 0.5
    match = _DEFINITION.search(unit.text)
    if match is None:
        return 0.0
    before = set(terms_of(unit.text[: match.start() + 1]))
    wanted = {term for each in demands.phrases for term in each} or {
        term for each in demands.words if each.kind == "name" for term in each.terms
    }
    return 1.0 if not wanted or wanted <= before else 0.3


def _run(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest run of terms that stands in both without a gap."""
    other = other[:200]
    best, row = 0, [0] * (len(other) + 1)
    for a in one[:MOST_WORDS]:
        before = 0
        for at, b in enumerate(other, 1):
            kept = row[at]
            row[at] = before + 1 if a == b else 0
            best = max(best, row[at])
            before = kept
    return best


def _bigrams(terms: Sequence[str], order: Sequence[str]) -> float:
    pairs = set(itertools.pairwise(terms))
    near = set()
    for gap in (1, 2, 3):
        near |= set(zip(order, order[gap:], strict=False))
    return len({(a, b) for a, b in pairs if (a, b) in near or (b, a) in near}) / len(pairs) if pairs else 0.0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence; both are short."""
    other = other[:60]
    lengths = [0] * (len(other) + 1)
    for a in one[:MOST_WORDS]:
        before = 0
        for at, b in enumerate(other, 1):
            kept = lengths[at]
            lengths[at] = before + 1 if a == b else max(lengths[at], lengths[at - 1])
            before = kept
    return lengths[-1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 1.0
