"""Statements that are false, made from true sentences and rows the way mistakes and attacks make them; and true ones, worded in other ways.

A seeded generator. Each false statement comes with quotes that look right. A change that leaves a statement true by accident is thrown away
(`_honest`): the new value must not be one that the page gives for the same thing, the changed words must differ in meaning, and what comes out must
not be a sentence of the pages.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bakeoff.errors import BadData
from bakeoff.tasks.documents.evidence import Quote, whole_sentences
from bakeoff.tasks.documents.records import Page, Span
from bakeoff.tasks.documents.row_parts import Printed, RowParts, RowValue, rows_apart


@dataclass(frozen=True)
class Sentence:
    """A true sentence and where it stands. `lead`: it is an item of a list that this text introduces."""

    document: str
    page: int
    span: Span
    text: str
    lead: Span | None = None

    @property
    def quote(self) -> Quote:
        return Quote(self.document, self.page, self.text)


@dataclass(frozen=True)
class Row:
    """A true row and where it stands."""

    document: str
    page: int
    parts: RowParts

    def quote(self, values: Sequence[RowValue]) -> tuple[Quote, ...]:
        """The group, the label, and these values with their headers, as quotes, one per page."""
        printed = [*self.parts.groups, *self.parts.label, *(part for value in values for part in (*value.path, value.value))]
        return _quotes(self.document, printed)


@dataclass(frozen=True)
class Case:
    """One statement to check. `base` is what it was made from."""

    statement: str
    quotes: tuple[Quote, ...]
    kind: str
    true: bool
    base: str


@dataclass
class Base:
    """What statements are made from."""

    pages: Mapping[tuple[str, int], Page]
    sentences: list[Sentence] = field(default_factory=list)
    items: list[Sentence] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    roles: Mapping[str, Sequence[tuple[str, str, str]]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def page_of(self, document: str, number: int) -> Page:
        """As a store gives pages."""
        if (document, number) not in self.pages:
            raise BadData("no such page")
        return self.pages[document, number]


def base_of(
    pages: Mapping[tuple[str, int], Page], roles: Mapping[str, Sequence[tuple[str, str, str]]] | None = None, *, least_words: int = 5, most_words: int = 60
) -> Base:
    """All whole sentences of the running text of pages, list items with what introduces them, and all rows with headers and values."""
    base = Base(pages, roles=roles or {})
    for (document, number), page in pages.items():
        opening: Span | None = None
        for block in page.blocks:
            text = page.text[block.span.start : block.span.end]
            if block.kind == "list" and opening is not None and not text.rstrip().endswith(":"):
                base.items.append(Sentence(document, number, block.span, text, opening))
                continue
            opening = _last_sentence(text, block.span) if text.rstrip().endswith(":") else None
            if block.kind != "paragraph" or opening is not None or not text[:1].isupper() or not re.search(r"[.!?][\"”')]?$", text.rstrip()):
                continue
            for span in whole_sentences(text):
                words = text[span.start : span.end]
                if least_words <= len(words.split()) <= most_words and words[0].isupper() and words[-1] in ".!" and "\n" not in words:
                    where = Span(block.span.start + span.start, block.span.start + span.end)
                    base.sentences.append(Sentence(document, number, where, words))
        for index in range(len(page.tables)):
            for parts in rows_apart(page, index, lambda before, document=document: base.page_of(document, before)):
                headers = [re.sub(r"\W", "", _header(value)).lower() for value in parts.values]
                # Two columns under one header: what the row says in a sentence would be a guess.
                if parts.label and parts.values and all(headers) and len(set(headers)) == len(headers):
                    base.rows.append(Row(document, number, parts))
    base.said = {_plain(each.text) for each in base.sentences}
    found = {name for each in base.sentences for name in _NAME.findall(each.text) if name.split()[0] not in _OPENERS}
    base.names = sorted(found)
    return base


def _last_sentence(text: str, span: Span) -> Span:
    return Span(span.start + whole_sentences(text)[-1].start, span.end)


def adversarial(base: Base, count: int, seed: int = 0) -> list[Case]:
    """`count` false statements, the kinds in turn as far as they apply."""
    rng = random.Random(seed)
    made: list[Case] = []
    seen: set[tuple[str, tuple[Quote, ...]]] = set()
    kinds = list(ATTACKS.items())
    misses = 0
    while len(made) < count and misses < 200 * len(kinds):
        name, attack = kinds[len(made) % len(kinds)] if misses == 0 else rng.choice(kinds)
        case = next((case for case in attack(base, rng) if _honest(base, case)), None)
        if case is None or (case[0], case[1]) in seen:
            misses += 1
            continue
        misses = 0
        seen.add((case[0], case[1]))
        made.append(Case(case[0], case[1], name, False, case[2]))
    return made


def truthful(base: Base, count: int, seed: int = 0) -> list[Case]:
    """`count` true statements, the kinds in turn as far as they apply."""
    rng = random.Random(seed)
    made: list[Case] = []
    seen: set[tuple[str, tuple[Quote, ...]]] = set()
    kinds = list(WORDINGS.items())
    turn = misses = 0
    while len(made) < count and misses < 200 * len(kinds):
        name, wording = kinds[turn % len(kinds)]
        turn += 1
        case = next(iter(wording(base, rng)), None)
        if case is None or (case[0], case[1]) in seen:
            misses += 1
            continue
        misses = 0
        seen.add((case[0], case[1]))
        made.append(Case(case[0], case[1], name, True, case[2]))
    return made


Made = tuple[str, tuple[Quote, ...], str]
Maker = Callable[[Base, random.Random], Iterator[Made]]

_NUMBER = re.compile(r"(?<![\w.,/-])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.,/-])\d+(?:\.\d+)?(?![\w]|,\d|\.\d|-\w)")
_NAME = re.compile(r"\b[A-Z][\w&-]+(?: (?:[A-Z][\w&-]+|&|of|and(?= [A-Z])))*(?: [A-Z][\w&-]+)|\b[A-Z]{2,6}\b|(?<=[a-z,] )[A-Z][a-z]{3,}\b")
_OPENERS = {"The", "In", "If", "No", "All", "Any", "A", "An", "It", "As", "On", "At", "For", "This", "Neither", "Only", "Unless", "Some", "Either", "However", "Our", "We", "Its", "These"}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_TEMPLATES = (
    "{name} reported a loss of ${n} million in {year}.", "{name} shall pay a penalty of ${n} for each day of delay.", "{name} was founded in {year}.",
    "The contract with {name} was terminated on {day} {month} {year}.", "{name} employs {n} people.", "{name} is not permitted to disclose the results.",
    "All claims against {name} were dismissed.", "{name} must give {n} days' notice.", "The average price paid by {name} rose by {n}%.",
)  # fmt: skip


def _pick(rng: random.Random, items: Sequence) -> Iterator:
    """The items in a random order, a few of them: an attack needs one that it fits."""
    yield from rng.sample(list(items), min(len(items), 60))


def _plain(text: str) -> str:
    return re.sub(r"[^\w%$€.]+", " ", text).strip(" .").lower()


def _honest(base: Base, case: Made) -> bool:
    statement, quotes, original = case
    if not quotes or statement == original or _plain(statement) in base.said and not statement.startswith("\0"):
        return original.startswith("\0") and statement != original
    return True


def _swap(text: str, one: str, other: str) -> str:
    def exchanged(match: re.Match[str]) -> str:
        return other if match.group() == one else one

    longer, shorter = sorted((one, other), key=len, reverse=True)
    return re.sub(rf"(?<!\w){re.escape(longer)}(?!\w)|(?<!\w){re.escape(shorter)}(?!\w)", exchanged, text)


def _quotes(document: str, printed: Sequence[Printed]) -> tuple[Quote, ...]:
    pages: dict[int, list[Printed]] = {}
    for each in printed:
        pages.setdefault(each.page, []).append(each)
    return tuple(
        Quote(document, number, " ".join(" ".join(each.text.split()) for each in parts), tuple(each.span for each in parts)) for number, parts in pages.items()
    )


# Attacks on sentences


def _changed(base: Base, rng: random.Random, change: Callable[[str], str | None]) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        changed = change(sentence.text)
        if changed and changed != sentence.text:
            yield changed, (sentence.quote,), sentence.text


def number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """One figure replaced by another that is not in the sentence."""

    def change(text: str) -> str | None:
        found = [match for match in _NUMBER.finditer(text) if not _YEAR.fullmatch(match.group())]
        if not found:
            return None
        match = rng.choice(found)
        digits = list(match.group())
        places = [index for index, each in enumerate(digits) if each.isdigit()]
        for _ in range(8):
            index = rng.choice(places)
            digits[index] = rng.choice("0123456789" if index != places[0] or len(places) == 1 else "123456789")
            if "".join(digits) not in text:
                return text[: match.start()] + "".join(digits) + text[match.end() :]
        return None

    yield from _changed(base, rng, change)


def written_number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    words = "two three four five six seven eight nine ten twelve thirty ninety".split()

    def change(text: str) -> str | None:
        found = [each for each in words if re.search(rf"\b{each}\b", text)]
        return re.sub(rf"\b{found[0]}\b", rng.choice([each for each in words if each not in found]), text, count=1) if found else None

    yield from _changed(base, rng, change)


def date_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A year, a month or a day replaced."""

    def change(text: str) -> str | None:
        months = [each for each in _MONTHS if re.search(rf"\b{each} \d|\d {each}\b", text)]
        if months and rng.random() < 0.5:
            return re.sub(rf"\b{months[0]}\b", rng.choice([each for each in _MONTHS if each not in months]), text, count=1)
        years = _YEAR.findall(text)
        if not years:
            return None
        year = rng.choice(years)
        other = str(int(year) + rng.choice((-3, -2, -1, 1, 2, 3)))
        return text.replace(year, other, 1) if other not in years else None

    yield from _changed(base, rng, change)


_UNITS = (
    (r"(?<=\d) million\b", " billion"), (r"(?<=\d) billion\b", " million"), (r"(?<=\d)%", " percentage points"), (r"percentage points", "percent"), (r"\$(?=\d)", "€"),
    (r"\bEUR(?= \d)", "USD"), (r"\bUSD(?= \d)", "EUR"), (r"\bdays\b", "months"), (r"\bmonths\b", "days"), (r"\byears\b", "months"), (r"\bhours\b", "minutes"),
    (r"(?<=\d) kg\b", " g"), (r"(?<=\d) mm\b", " cm"), (r"\bmetres\b", "feet"), (r"\blitres\b", "gallons"), (r"(?<=\d) bar\b", " psi"), (r"°C", "°F"),
    (r"\bsquare feet\b", "square metres"), (r"\bweeks?\b", "days"), (r"(?<=\d)%", ""), (r"(?<=\d) million\b", ""), (r"\$(?=\d)", ""), (r"\$(?=\d)", "US$"),
    (r"mg/kg", "g/kg"), (r"per share\b", "in total"), (r"per tonne", "per kilogram"), (r"(?<=\d) million\b", " thousand"), (r"(?<=\d)%", " basis points"),
)  # fmt: skip


def unit_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(text: str) -> str | None:
        fits = [(old, new) for old, new in _UNITS if re.search(old, text)]
        if not fits:
            return None
        old, new = rng.choice(fits)
        return re.sub(old, new, text, count=1)

    yield from _changed(base, rng, change)


def name_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A name replaced by another one, by a shorter one, or by one that is a letter off."""

    def change(text: str) -> str | None:
        found = [name for name in _NAME.findall(text) if name.split()[0] not in _OPENERS]
        if not found or not base.names:
            return None
        name = rng.choice(found)
        others = [each for each in base.names if each not in text and name not in each]
        new = rng.choice(others) if others else None
        how = rng.random()
        if how < 0.2 and len(name) > 5:
            at = rng.randrange(1, len(name) - 1)
            new = name[:at] + rng.choice([c for c in "aeiourtln" if c != name[at]]) + name[at + 1 :] if name[at].isalpha() else None
        elif how < 0.3 and " " in name:
            new = name.split(" ")[0] + "field " + name.split(" ", 1)[1]
        return text.replace(name, new, 1) if new else None

    yield from _changed(base, rng, change)


_NEGATE = (
    (r"\b(is|are|was|were|may|must|shall|will|can|could|does|do|did|has|have)\b(?! not)(?!n't)", r"\1 not"), (r"\b(\w+) not\b", r"\1"), (r"\bcannot\b", "can"),
    (r"\bNo\b", "Every"), (r"\bno\b", "a"), (r"\bnever\b", "always"), (r"\bNever\b", "Always"), (r"\bNeither\b", "Either"), (r"\bwithout\b", "with"), (r"\bunless\b", "if"),
    (r"\bUnless\b", "If"), (r"\bexcept\b", "including"), (r"\bexcluding\b", "including"), (r"\bExcluding\b", "Including"), (r"\bother than\b", "including"),
    (r"\bprohibited\b", "permitted"), (r"\bexempt\b", "not exempt"), (r"\bresponsible\b", "not responsible"), (r"\bdenies\b", "accepts"), (r"\brejected\b", "accepted"),
    (r"\bliable\b", "not liable"), (r"\bfailed to\b", "managed to"), (r"\bunderfunded\b", "funded"), (r"\bundrawn\b", "drawn"), (r"\bunqualified\b", "qualified"),
    (r"\bsuspended\b", "not suspended"), (r"\bonly\b", "not only"), (r"\bintends\b", "does not intend"),
)  # fmt: skip


def negation_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(text: str) -> str | None:
        fits = [(old, new) for old, new in _NEGATE if re.search(old, text)]
        if not fits:
            return None
        old, new = rng.choice(fits)
        return re.sub(old, new, text, count=1)

    yield from _changed(base, rng, change)


_TURN = (
    ("increased", "decreased"), ("decreased", "increased"), ("rose", "fell"), ("fell", "rose"), ("grew", "declined"), ("declined", "grew"), ("improved", "worsened"),
    ("above", "below"), ("below", "above"), ("before", "after"), ("after", "before"), ("higher", "lower"), ("lower", "higher"), ("more than", "less than"),
    ("less than", "more than"), ("at least", "at most"), ("at most", "at least"), ("At least", "At most"), ("Fewer than", "More than"), ("first", "last"),
    ("between", "outside"), ("up to", "from"), ("increases", "decreases"), ("reduce", "increase"), ("reduced", "increased"), ("over", "under"), ("maximum", "minimum"),
    ("better", "worse"), ("smaller", "larger"), ("not less than", "not more than"), ("no later than", "no earlier than"), ("until", "from"), ("on or before", "on or after"),
)  # fmt: skip


def direction_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    yield from _changed(base, rng, lambda text: _exchange(text, _TURN, rng))


_MEASURE = (
    ("may", "must"), ("may", "shall"), ("must", "may"), ("shall", "may"), ("must", "should"), ("All", "Some"), ("Some", "All"), ("Most", "All"), ("most", "all"),
    ("all", "some"), ("each", "one"), ("every", "one"), ("Either", "Only one"), ("any", "every"), ("at least", "exactly"), ("up to", "exactly"), ("Only", "Not only"),
    ("usually", "always"), ("will", "may"), ("could", "will"), ("would", "will"), ("should", "must"), ("a second", "no second"), ("fixed", "capped"), ("Any", "Some"),
    ("approximately", "exactly"), ("about", "exactly"), ("Approximately", "Exactly"), ("expect", "guarantee"), ("allege", "proved"), ("several", "all"), ("certain", "all"),
)  # fmt: skip


def quantifier_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    yield from _changed(base, rng, lambda text: _exchange(text, _MEASURE, rng))


def _exchange(text: str, pairs: Sequence[tuple[str, str]], rng: random.Random) -> str | None:
    fits = [(old, new) for old, new in pairs if re.search(rf"\b{old}\b", text)]
    if not fits:
        return None
    old, new = rng.choice(fits)
    return re.sub(rf"\b{old}\b", new, text, count=1)


def roles_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    """Who did what to whom exchanged; only in sentences that are marked, or with a verb that works in one direction."""
    for sentence in _pick(rng, base.sentences):
        for mark, one, other in base.roles.get(sentence.document, ()):
            if mark in sentence.text and one in sentence.text and other in sentence.text:
                yield _swap(sentence.text, one, other), (sentence.quote,), sentence.text
        match = re.search(r"^(?:The )?([A-Z][\w&. -]+?) (?:acquired|sued|paid|sold|owns|supplies|purchased|merged into|reports to) ([A-Z][\w&.-]+(?: [A-Z][\w&.-]+)*)", sentence.text)
        if match and match[1] != match[2]:
            yield _swap(sentence.text, match[1], match[2]), (sentence.quote,), sentence.text


def values_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two figures, or two periods, of one sentence exchanged ("from 12 to 15")."""
    for sentence in _pick(rng, base.sentences):
        found = [match for match in _NUMBER.finditer(sentence.text)]
        pairs = [
            (a, b) for a, b in zip(found, found[1:], strict=False)
            if a.group() != b.group() and bool(_YEAR.fullmatch(a.group())) == bool(_YEAR.fullmatch(b.group()))
            and not re.search(r"\b(?:and|or)\b", sentence.text[a.end() : b.start()]) and len(sentence.text[a.end() : b.start()].split()) <= 12
            and sentence.text[a.end() : b.start()].strip() not in ("", "(", "/", "-")
        ]  # fmt: skip
        if pairs:
            a, b = rng.choice(pairs)
            text = sentence.text
            yield text[: a.start()] + b.group() + text[a.end() : b.start()] + a.group() + text[b.end() :], (sentence.quote,), text


_LIMITS = (
    r",? except [^.;]+?(?=\.$|, )", r",? other than [^.;]+?(?=\.$|, )", r",? provided that [^.]+?(?=\.$)", r" \(excluding [^)]*\)", r",? unless [^.]+?(?=\.$)", r",? if [^.,]+?(?=\.$)",
    r" without [^.,]+?(?=\.$)", r",? with the exception of [^.]+?(?=\.$)", r" during the [^.,]+?(?=\.$)", r" only\b", r",? whichever comes first", r" at the end of \d{4}",
    r" in (?:Europe|Leeds|Brno|Vienna|women|the treatment group|the first year|cash)\b", r"(?<=\d), but not [^.]+?(?=\.$)", r", but not [^.]+?(?=\.$)", r" on business days",
    r" (?:for|of) each occurrence", r" per share", r" of more than six hours", r" with diabetes| with severe renal impairment", r", less any unpaid rent", r" that cost more than \$5,000",
    r" of joining", r" at a distance of 1 m", r" above EUR \d+", r" (?:excluding|net of|before|after) [a-z][^.,]+?(?=\.$)", r" subject to [^.,]+?(?=\.$)",
)  # fmt: skip
_LIMITS_FIRST = (r"^If [^,]+, (\w)", r"^Unless [^,]+, (\w)", r"^Excluding [^,]+, (\w)", r"^In no event (\w)", r"^Subject to [^,]+, (\w)", r"^Except [^,]+, (\w)")


def scope_widened(base: Base, rng: random.Random) -> Iterator[Made]:
    """A condition, an exception or a limit dropped."""

    def change(text: str) -> str | None:
        fits = [each for each in _LIMITS if re.search(each, text)]
        first = [each for each in _LIMITS_FIRST if re.search(each, text)]
        if first and (not fits or rng.random() < 0.6):
            return re.sub(first[0], lambda match: match[1].upper(), text, count=1)
        return re.sub(rng.choice(fits), "", text, count=1) if fits else None

    yield from _changed(base, rng, change)


_HEDGES = (
    (r" approximately| about| usually| in good faith| hypothetical", ""), (r"\bmay be required to\b", "must"), (r"\bWe expect\b", "We have"), (r"The plaintiffs allege that t", "T"),
    (r"\bA hypothetical\b", "A"), (r"\bmay be\b", "is"), (r"\bwould have increased\b", "increased"), (r"\bwould reduce\b", "reduced"), (r"^Approximately ", ""), (r"^At least ", ""),
    (r"\bcould not rule out\b", "found"), (r" statistically", ""), (r"\bexpected to be\b", ""), (r"\bWe believe (?:that )?(\w)", r"\1"), (r"\bmay\b", ""), (r"\bcould\b", ""),
    (r"\bdoes not expect\b", "rules out"), (r"\bintends to\b", "will"), (r" generally| typically| substantially| primarily| certain| potential(?:ly)?", ""),
)  # fmt: skip


def hedge_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(text: str) -> str | None:
        fits = [(old, new) for old, new in _HEDGES if re.search(old, text)]
        if not fits:
            return None
        old, new = rng.choice(fits)
        return re.sub(old, new, text, count=1)

    yield from _changed(base, rng, change)


def word_inserted(base: Base, rng: random.Random) -> Iterator[Made]:
    extra = "only fully immediately always former foreign annual secured existing new final net total unaudited domestic voluntary written wholly-owned".split()

    def change(text: str) -> str | None:
        words = text.split(" ")
        at = rng.randrange(1, len(words))
        word = rng.choice([each for each in extra if each not in text])
        return " ".join([*words[:at], word, *words[at:]])

    yield from _changed(base, rng, change)


def word_replaced(base: Base, rng: random.Random) -> Iterator[Made]:
    """One word of content replaced by one of another sentence."""

    def change(text: str) -> str | None:
        words = text.split(" ")
        places = [index for index in range(1, len(words) - 1) if len(words[index]) > 4 and words[index].isalpha() and words[index].islower()]
        other = [word for word in rng.choice(base.sentences).text.split(" ") if len(word) > 4 and word.isalpha() and word.islower() and word not in words]
        if not places or not other:
            return None
        at = rng.choice(places)
        new = rng.choice(other)
        # "report" for "reports" would say the same.
        return " ".join([*words[:at], new, *words[at + 1 :]]) if new[:4] != words[at][:4] else None

    yield from _changed(base, rng, change)


def fabricated(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        name = rng.choice(base.names) if base.names else "The Company"
        made = rng.choice(_TEMPLATES).format(name=name, n=rng.randrange(3, 990), year=rng.randrange(1990, 2030), day=rng.randrange(1, 28), month=rng.choice(_MONTHS))
        yield made, (sentence.quote,), sentence.text


_PREDICATE = re.compile(r"\b(?:shall|must|may|was|were|is|are|increased|decreased|rose|fell|declined|grew|improved|has|have|had|did|does|will|would|recorded|acquired|sold|paid)\b")


def stitched(base: Base, rng: random.Random) -> Iterator[Made]:
    """The subject of one sentence and what is said of another, with quotes of both."""
    for one in _pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        first, second = _PREDICATE.search(one.text), _PREDICATE.search(other.text)
        if one.text == other.text or not first or not second or first.start() < 5 or second.start() < 5:
            continue
        subject, rival = one.text[: first.start()].strip(), other.text[: second.start()].strip()
        # "However, the Landlord" and "The Landlord" are one subject.
        if _plain(subject.rpartition(", ")[2]) != _plain(rival.rpartition(", ")[2]):
            yield f"{subject} {other.text[second.start() :]}", (one.quote, other.quote), one.text


def stitched_figure(base: Base, rng: random.Random) -> Iterator[Made]:
    """A sentence with a figure of another one, with quotes of both."""
    for one in _pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        mine = [match for match in _NUMBER.finditer(one.text)]
        theirs = [match.group() for match in _NUMBER.finditer(other.text) if match.group() not in one.text]
        if mine and theirs:
            match = rng.choice(mine)
            yield one.text[: match.start()] + rng.choice(theirs) + one.text[match.end() :], (one.quote, other.quote), one.text


def misattributed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true sentence whose quote is said to stand on another page or in another document."""
    places = list(base.pages)
    for sentence in _pick(rng, base.sentences):
        document, number = rng.choice(places)
        text = " ".join(base.pages[document, number].text.split())
        if " ".join(sentence.text.split()) not in text:
            yield sentence.text, (Quote(document, number, sentence.text),), "\0misattributed"


def misattributed_support(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true sentence with a real quote that says something else."""
    for sentence in _pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        if _plain(sentence.text) not in _plain(other.text):
            yield sentence.text, (other.quote,), "\0other quote"


def quote_altered(base: Base, rng: random.Random) -> Iterator[Made]:
    """A quote with one character changed, added or left out, and the statement with it."""
    for sentence in _pick(rng, base.sentences):
        text = sentence.text
        at = rng.randrange(1, len(text) - 1)
        if not text[at].isalnum():
            continue
        new = rng.choice([text[:at] + text[at + 1 :], text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :], text[:at] + text[at] + text[at:]])
        page = " ".join(base.pages[sentence.document, sentence.page].text.split())
        if new not in page:
            yield rng.choice((new, text)), (Quote(sentence.document, sentence.page, new),), "\0altered"


_LOOKALIKES = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "x": "х", "i": "і", "A": "А", "B": "В", "C": "С", "E": "Е", "H": "Н", "M": "М", "O": "О", "T": "Т"} | {
    "0": "०٠０𝟎O", "1": "１𝟏l١", "2": "２𝟐٢", "3": "３𝟑٣З", "4": "４𝟒٤", "5": "５𝟓٥Ѕ", "6": "６𝟔б", "7": "７𝟕", "8": "８𝟖", "9": "９𝟗"
}


def lookalike(base: Base, rng: random.Random) -> Iterator[Made]:
    """A letter or digit replaced by one of another script that looks like it."""

    def change(text: str) -> str | None:
        places = [index for index, each in enumerate(text) if each in _LOOKALIKES]
        digits = [index for index in places if text[index].isdigit()]
        if not places:
            return None
        at = rng.choice(digits if digits and rng.random() < 0.7 else places)
        return text[:at] + rng.choice(_LOOKALIKES[text[at]]) + text[at + 1 :]

    yield from _changed(base, rng, change)


def invisible(base: Base, rng: random.Random) -> Iterator[Made]:
    """A character that nobody can see put in."""

    def change(text: str) -> str | None:
        at = rng.randrange(1, len(text))
        return text[:at] + rng.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u2066\u061c\u180e\u200f\ue000\x07") + text[at:]

    for made, quotes, original in _changed(base, rng, change):
        yield made, quotes, "\0" + original


def misspelt_amount(base: Base, rng: random.Random) -> Iterator[Made]:
    """An amount in another notation, a power of ten off; a date in another notation, day and month exchanged."""

    def change(text: str) -> str | None:
        match = re.search(r"(\d+(?:\.\d+)?) (million|billion)", text)
        if match:
            factor = {"million": 10**6, "billion": 10**9}[match[2]]
            exact = round(float(match[1]) * factor)
            wrong = exact * rng.choice((10, 100, 1000)) if rng.random() < 0.5 else exact // rng.choice((10, 100, 1000))
            return text[: match.start()] + rng.choice((f"{wrong:,}", f"{wrong / 10**6:g} million")) + text[match.end() :]
        match = re.search(rf"({'|'.join(_MONTHS)}) (\d{{1,2}}), (\d{{4}})|(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}})", text)
        if not match:
            return None
        month, day, year = _MONTHS.index(match[1] or match[5]) + 1, int(match[2] or match[4]), match[3] or match[6]
        if day > 12 or day == month:
            return text[: match.start()] + f"{year}-{month:02d}-{day % 28 + 1:02d}" + text[match.end() :]
        return text[: match.start()] + f"{year}-{day:02d}-{month:02d}" + text[match.end() :]

    yield from _changed(base, rng, change)


def quote_cut(base: Base, rng: random.Random) -> Iterator[Made]:
    """A stretch of a sentence that says something else alone: what comes after "not", "if", "unless", "alleges that"."""
    for sentence in _pick(rng, base.sentences):
        marks = list(re.finditer(r"\b(?:not|never|unless|if|except|without|that|neither|nor|prohibited|before|until)\b ", sentence.text))
        marks = [each for each in marks if len(sentence.text[each.end() :].split()) >= 3]
        if marks:
            rest = sentence.text[rng.choice(marks).end() :]
            yield rest[0].upper() + rest[1:] if rng.random() < 0.5 else rest, (Quote(sentence.document, sentence.page, rest),), sentence.text


def sentence_cut(base: Base, rng: random.Random) -> Iterator[Made]:
    """The front of a sentence, cut where it goes on to limit what was said, and the quote with it."""
    for sentence in _pick(rng, base.sentences):
        marks = list(re.finditer(r",? (?:but not|except|unless|if|provided|until|other than|only|subject to) ", sentence.text))
        marks = [each for each in marks if len(sentence.text[: each.start()].split()) >= 4]
        if marks:
            part = sentence.text[: rng.choice(marks).start()]
            yield part + ".", (Quote(sentence.document, sentence.page, part),), sentence.text


def item_alone(base: Base, rng: random.Random) -> Iterator[Made]:
    """An item of a list without the words that introduce it, and with them turned round."""
    for item in _pick(rng, base.items):
        page = base.pages[item.document, item.page]
        opening = page.text[item.lead.start : item.lead.end] if item.lead else ""
        quotes = (Quote(item.document, item.page, opening), item.quote)
        turned = re.sub(r"\b(?:not|never)\b ?", "", opening)
        bare = re.sub(r"^\W*\(?\w[.)] |^• ", "", item.text)
        made = [(item.text, (item.quote,)), (item.text, quotes), (bare, quotes), (bare[0].upper() + bare[1:], quotes)]
        if turned != opening:
            made += [(f"{turned} {item.text}", quotes), (f"{turned.rstrip(':')} {bare}", quotes)]
        statement, given = rng.choice(made)
        yield statement, given, "\0item"


def time_moved(base: Base, rng: random.Random) -> Iterator[Made]:
    """A time taken from a subordinate clause, a noun or a second clause to the front of the sentence."""
    for sentence in _pick(rng, base.sentences):
        match = re.search(r" (in|on|by|until) ((?:[A-Z][a-z]+ )?(?:19|20)\d\d|\d{1,2} [A-Z][a-z]+ (?:19|20)\d\d)\.$", sentence.text)
        rest = sentence.text[: match.start()] if match else ""
        if match and re.search(r"\b(?:that|which|who|and|expires|agreed|due|while|if|because|before|after|expect|until|by)\b|\bto [a-z]", rest):
            yield f"{match[1].capitalize()} {match[2]}, {rest[0].lower() + rest[1:]}.", (sentence.quote,), sentence.text


def parenthesis_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    """A parenthesis dropped that limits what is said."""

    def change(text: str) -> str | None:
        found = [each for each in re.finditer(r" \(([^()]*)\)", text) if re.search(r"exclud|except|net of|other than|unaudited|loss|if |only|n = ", each[1])]
        return text[: found[0].start()] + text[found[0].end() :] if found else None

    yield from _changed(base, rng, change)


def reference_rounded(base: Base, rng: random.Random) -> Iterator[Made]:
    """A section, version or grade number that looks equal as a figure and is not; a figure rounded."""

    def change(text: str) -> str | None:
        match = re.search(r"(?:Section|Article|Note|Version|version) (\d+\.\d+)", text)
        if match:
            return text[: match.end()] + "0" + text[match.end() :]
        found = [each for each in _NUMBER.finditer(text) if "." in each.group()]
        if not found:
            return None
        figure = rng.choice(found)
        short = figure.group().rsplit(".", 1)[0]
        return text[: figure.start()] + short + text[figure.end() :] if float(figure.group().replace(",", "")) != float(short.replace(",", "")) else None

    yield from _changed(base, rng, change)


# Attacks on rows


def _says(label: str, header: str, value: str, rng: random.Random) -> str:
    """A row in a sentence, one way or another."""
    ways = (
        f"{label} was {value} in {header}.", f"{label} for {header} was {value}.", f"In {header}, {label} was {value}.", f"{label} | {header} | {value}", f"{label} ({header}): {value}",
        f"{label}, {header}: {value}", f"{label} amounted to {value} for {header}.",
    )  # fmt: skip
    return rng.choice(ways[:4] + ways[5:])


def _label(row: Row) -> str:
    return ": ".join(" ".join(each.text.split()) for each in (*row.parts.groups, *row.parts.label))


def _header(value: RowValue) -> str:
    return " ".join(" ".join(each.text.split()) for each in value.path)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _row_attack(base: Base, rng: random.Random, change: Callable[[Row, RowValue], tuple[str, str, str] | None]) -> Iterator[Made]:
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        changed = change(row, value)
        if changed is not None:
            yield _says(*changed, rng), row.quote(row.parts.values), row.parts.text


def row_wrong_column(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        others = [each for each in row.parts.values if _flat(each.text) != _flat(value.text) and _header(each) != _header(value)]
        # The header must not stand over that value anywhere in the row.
        others = [each for each in others if not any(_header(each) == _header(one) and _flat(one.text) == _flat(value.text) for one in row.parts.values)]
        return (_label(row), _header(rng.choice(others)), _flat(value.text)) if others else None

    yield from _row_attack(base, rng, change)


def row_wrong_label(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        others = [each for each in base.rows if (each.document, each.page) == (row.document, row.page) and _label(each) != _label(row)]
        others = [each for each in others if all(_flat(one.text) != _flat(value.text) for one in each.parts.values)]
        if others:
            other = rng.choice(others)
            quotes = (*row.quote(row.parts.values), *other.quote(other.parts.values)) if rng.random() < 0.6 else row.quote(row.parts.values)
            yield _says(_label(other), _header(value), _flat(value.text), rng), quotes, row.parts.text


def row_number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = _flat(value.text)
        places = [index for index, each in enumerate(text) if each.isdigit()]
        if not places:
            return None
        at = rng.choice(places)
        new = text[:at] + rng.choice([each for each in "123456789" if each != text[at]]) + text[at + 1 :]
        return (_label(row), _header(value), new) if new not in row.parts.text else None

    yield from _row_attack(base, rng, change)


def row_unit_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = _flat(value.text)
        fits = [
            (old, new) for old, new in (("USD million", "USD billion"), ("USD million", "USD thousand"), ("USD million", "EUR million"), ("USD million", "USD"), ("USD million", "%"),
                ("EUR thousand", "EUR million"), ("EUR", "USD"), ("%", "percentage points"), ("%", ""), (" kg", " lb"), (" kW", " hp"), (" l/h", " m³/h"), ("hours", "days"),
                ("months", "years"), ("$", "€"), ("$", ""), (" m", " ft"), ("dB(A)", "dB"), ("USD million", ""), (" %", " million"), ("USD", "CAD"))
            if old in text and not (old in ("$", "%") and ("USD" in text or "%" in _header(value)))
        ]  # fmt: skip
        if not fits:
            return None
        old, new = rng.choice(fits)
        return _label(row), _header(value), _flat(text.replace(old, new, 1))

    yield from _row_attack(base, rng, change)


def row_sign_flipped(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = _flat(value.text)
        if re.match(r"^\$? ?\(\$? ?\d", text):
            return _label(row), _header(value), text.replace("(", "", 1).replace(")", "", 1)
        if re.match(r"^\$? ?\d[\d,.]*( [A-Z%]|%|$)", text) and not re.match(r"^0\b", text):
            figure = re.match(r"^\$? ?[\d,.]*\d", text)
            return (_label(row), _header(value), rng.choice((f"({figure[0]})", f"-{figure[0]}")) + text[figure.end() :]) if figure else None
        return None

    yield from _row_attack(base, rng, change)


def row_label_shortened(base: Base, rng: random.Random) -> Iterator[Made]:
    """A label without its first or last words, or a group left out."""

    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        if row.parts.groups and rng.random() < 0.6:
            return ": ".join(_flat(each.text) for each in row.parts.label), _header(value), _flat(value.text)
        words = _label(row).split(" ")
        if len(words) < 3:
            return None
        cut = rng.randrange(1, len(words) - 1)
        short = " ".join(words[cut:]) if rng.random() < 0.5 else " ".join(words[:-cut])
        # A note mark is no part of a label.
        if re.fullmatch(r"\W*\(?\w?\W*", _label(row).replace(short, "", 1)):
            return None
        return short[0].upper() + short[1:], _header(value), _flat(value.text)

    yield from _row_attack(base, rng, change)


def row_header_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    """A value without what its column is called, in a row with other values."""
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        if len({_flat(each.text) for each in row.parts.values}) > 1:
            yield f"{_label(row)} was {_flat(value.text)}.", row.quote(row.parts.values), row.parts.text


def row_header_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A period or column that the table does not have."""

    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        header = _header(value)
        year = _YEAR.search(header)
        new = header.replace(year[0], str(int(year[0]) + rng.choice((-7, -5, 4, 6)))) if year else rng.choice(("Total", "Average", "All others", "Fiscal 2019"))
        return (_label(row), new, _flat(value.text)) if new not in row.parts.text else None

    yield from _row_attack(base, rng, change)


def row_extended(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true row with something added that it does not say."""
    tails = (", an increase", ", not including taxes", ", the highest ever", " on average", " or more", " per quarter", " after tax", ", as expected", " at least", " approximately")
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        yield f"{_label(row)} was {_flat(value.text)} in {_header(value)}{rng.choice(tails)}.", row.quote(row.parts.values), row.parts.text


def row_two_values(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two values of a row with their headers exchanged."""
    for row in _pick(rng, base.rows):
        values = [each for each in row.parts.values]
        if len(values) < 2:
            continue
        one, other = rng.sample(values, 2)
        if _flat(one.text) == _flat(other.text) or _header(one) == _header(other):
            continue
        ways = (
            f"{_label(row)} was {_flat(one.text)} in {_header(other)} and {_flat(other.text)} in {_header(one)}.",
            f"{_label(row)} | {_header(one)} | {_flat(other.text)} | {_header(other)} | {_flat(one.text)}",
            f"{_label(row)} rose from {_flat(one.text)} in {_header(one)} to {_flat(other.text)} in {_header(other)}, by half.",
        )
        yield rng.choice(ways), row.quote(row.parts.values), row.parts.text


ATTACKS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        fabricated, stitched, stitched_figure, misattributed, misattributed_support, number_changed, written_number_changed, date_changed, unit_changed, name_changed,
        negation_changed, direction_swapped, quantifier_changed, roles_swapped, values_swapped, scope_widened, hedge_dropped, word_inserted, word_replaced, quote_altered,
        lookalike, invisible, misspelt_amount, quote_cut, sentence_cut, item_alone, time_moved, parenthesis_dropped, reference_rounded, row_wrong_column, row_wrong_label,
        row_number_changed, row_unit_changed, row_sign_flipped, row_label_shortened, row_header_dropped, row_header_changed, row_extended, row_two_values,
    )
}  # fmt: skip


# True statements


def verbatim(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        yield sentence.text, (sentence.quote,), sentence.text


def verbatim_in_longer_quote(base: Base, rng: random.Random) -> Iterator[Made]:
    """The quote is the whole paragraph, its line breaks elsewhere."""
    for sentence in _pick(rng, base.sentences):
        page = base.pages[sentence.document, sentence.page]
        block = next((each for each in page.blocks if each.span.start <= sentence.span.start < each.span.end), None)
        if block is not None:
            words = page.text[block.span.start : block.span.end].split()
            broken = "".join(word + ("\n" if rng.random() < 0.1 else " ") for word in words).strip()
            yield sentence.text, (Quote(sentence.document, sentence.page, broken),), sentence.text


def connective_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        match = re.match(r"(?:However|In addition|Moreover|Furthermore|Additionally|Accordingly|Therefore|As a result|Consequently|Finally|Also|Further), (\w)", sentence.text)
        if match:
            yield match[1].upper() + sentence.text[match.end() :], (sentence.quote,), sentence.text


def harmless_parenthesis_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        match = re.search(r" \((?:the [“\"][^”\"]+[”\"]|[“\"][^”\"]+[”\"]|see [^()]*|\d+|collectively, [^()]*|[A-Z]{2,6})\)(?!, Inc)", sentence.text)
        before = sentence.text[: match.start()].split(" ")[-1] if match else ""
        # "a loss of (5)" is no repetition; "thirty (30)" is.
        name = match.group()[2:-1] if match else ""
        if name.isupper() and not re.search(r"\W+(?:(?:of|and|the|for)\W+)*".join(rf"{letter}\w*" for letter in name) + r" \(", sentence.text, re.IGNORECASE):
            continue
        if match and (not name.isdigit() or before.lower() in _WRITTEN):
            yield sentence.text[: match.start()] + sentence.text[match.end() :], (sentence.quote,), sentence.text


_WRITTEN = dict(zip("one two three four five six seven eight nine ten eleven twelve thirty ninety sixty twenty".split(), (*range(1, 13), 30, 90, 60, 20), strict=True))
_TIME = r"(?:fiscal )?(?:year )?(?:19|20)\d\d"
_SIMPLE = r"(?:increased|decreased|rose|fell|declined|grew|improved|was|were|recorded|totaled|repurchased|generated|reported)"


def time_to_the_end(base: Base, rng: random.Random) -> Iterator[Made]:
    """'In 2022, X' as 'X in 2022', where the sentence has one clause."""
    for sentence in _pick(rng, base.sentences):
        match = re.match(rf"((?:In|During) {_TIME}|As of [A-Z][a-z]+ \d+, \d{{4}}), ([^;:()]*)\.$", sentence.text)
        if match and len(re.findall(rf"\b{_SIMPLE}\b", match[2])) == 1 and not re.search(r"\b(?:and|that|which|who|to [a-z]|while|but|because|when|if|will|would|may|\w+ing)\b|\b(?:19|20)\d\d\b", match[2]):
            body = match[2][0].upper() + match[2][1:]
            yield f"{body} {match[1][0].lower() + match[1][1:]}.", (sentence.quote,), sentence.text


def time_to_the_front(base: Base, rng: random.Random) -> Iterator[Made]:
    """'X in 2022' as 'In 2022, X', where the time can only belong to the verb."""
    for sentence in _pick(rng, base.sentences):
        match = re.match(rf"([^;:()]*\d(?:%| million| billion|)) ((?:in|during) {_TIME})\.$", sentence.text)
        if match and len(re.findall(rf"\b{_SIMPLE}\b", match[1])) == 1 and not re.search(r"\b(?:and|that|which|who|to [a-z]|while|but|because|when|if|will|would|may|due|compared|\w+ing)\b|\b(?:19|20)\d\d\b", match[1]):
            body = match[1] if re.match(r"[A-Z]{2}|(?:[A-Z]\w+ ){2}", match[1]) else match[1][0].lower() + match[1][1:]
            yield f"{match[2][0].upper()}{match[2][1:]}, {body}.", (sentence.quote,), sentence.text


def number_written_otherwise(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        text = sentence.text
        found: list[str] = []
        if match := re.search(r"(\d+(?:\.\d{1,2})?) billion", text):
            found.append(text[: match.start()] + f"{round(float(match[1]) * 1000, 3):,g} million" + text[match.end() :])
        if match := re.search(r"(?<![\d.,])(\d{1,3}(?:\.\d)?) million", text):
            found.append(text[: match.start()] + f"{round(float(match[1]) * 10**6):,}" + text[match.end() :])
        if match := re.search(r"(\d)%(?!\w)", text):
            found.append(text[: match.end(1)] + " percent" + text[match.end() :])
        if match := re.search(r"\b(two|three|four|five|six|seven|eight|nine|ten|twelve)\b (?=[a-z])", text):
            found.append(text[: match.start()] + str(_WRITTEN[match[1]]) + text[match.end(1) :])
        if match := re.search(r"(?<![\w,.])(\d{1,3}),(\d{3})(?![,\d.])", text):
            found.append(text[: match.start()] + match[1] + match[2] + text[match.end() :])
        if found:
            yield rng.choice(found), (sentence.quote,), text


def date_written_otherwise(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in _pick(rng, base.sentences):
        match = re.search(rf"({'|'.join(_MONTHS)}) (\d{{1,2}}), (\d{{4}})|(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}})", sentence.text)
        if match:
            month, day, year = match[1] or match[5], int(match[2] or match[4]), match[3] or match[6]
            ways = (f"{day} {month} {year}", f"{month} {day}, {year}", f"{year}-{_MONTHS.index(month) + 1:02d}-{day:02d}", f"{month[:3]}. {day}, {year}" if len(month) > 4 else f"{day} {month} {year}")
            new = rng.choice([each for each in ways if each != match.group()])
            yield sentence.text[: match.start()] + new + sentence.text[match.end() :], (sentence.quote,), sentence.text


def typography(base: Base, rng: random.Random) -> Iterator[Made]:
    """Contractions, curly and straight quotes, dashes and spaces of another kind."""
    for sentence in _pick(rng, base.sentences):
        text = sentence.text
        ways = [re.sub(r"\b(do|does|did|is|are|was|were|has|have|could|would|should) not\b", r"\1n't", text), text.replace("'", "’"), text.replace('"', "“", 1).replace('"', "”"),
                text.replace("-", "‑"), re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", text), text.replace("cannot", "can not"), text.rstrip(".")]  # fmt: skip
        ways = [each for each in ways if each != text]
        if ways:
            yield rng.choice(ways), (sentence.quote,), text


def row_as_text(base: Base, rng: random.Random) -> Iterator[Made]:
    """The row as it is shown: "label | header | value unit | ...", all columns or one."""
    for row in _pick(rng, base.rows):
        values = row.parts.values if rng.random() < 0.4 else (rng.choice(row.parts.values),)
        parts = [*(_flat(each.text) for each in (*row.parts.groups, *row.parts.label))]
        for value in values:
            parts += [*(_flat(each.text) for each in value.path), _flat(value.text)]
        yield " | ".join(parts), row.quote(values), row.parts.text


def row_in_a_sentence(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        yield _says(_label(row), _header(value), _flat(value.text), rng), row.quote(row.parts.values), row.parts.text


def row_of_two_values(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in _pick(rng, base.rows):
        if len(row.parts.values) >= 2:
            one, other = row.parts.values[:2]
            joint = rng.choice((" and ", " compared with ", ", "))
            yield f"{_label(row)} was {_flat(one.text)} in {_header(one)}{joint}{_flat(other.text)} in {_header(other)}.", row.quote((one, other)), row.parts.text


def row_amount_written_otherwise(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in _pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        match = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.0)? USD million", _flat(value.text))
        if match:
            amount = int(match[1].replace(",", ""))
            new = rng.choice((f"${amount:,} million", f"${amount / 1000:g} billion" if amount >= 1000 else f"${amount} million", f"USD {amount:,} million", f"{amount:,} million US dollars"))
            yield _says(_label(row), _header(value), new, rng), row.quote((value,)), row.parts.text


def two_sentences(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two sentences that follow each other, in one statement."""
    for index in rng.sample(range(len(base.sentences) - 1), min(60, len(base.sentences) - 1)):
        one, other = base.sentences[index], base.sentences[index + 1]
        page = base.pages[one.document, one.page]
        if (one.document, one.page) == (other.document, other.page) and page.text[one.span.end : other.span.start] == " ":
            yield f"{one.text} {other.text}", (Quote(one.document, one.page, f"{one.text} {other.text}"),), one.text


def item_with_opening(base: Base, rng: random.Random) -> Iterator[Made]:
    for item in _pick(rng, base.items):
        page = base.pages[item.document, item.page]
        if item.lead:
            opening = page.text[item.lead.start : item.lead.end]
            yield f"{opening} {item.text}", (Quote(item.document, item.page, opening), item.quote), item.text


WORDINGS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        verbatim, verbatim_in_longer_quote, connective_dropped, harmless_parenthesis_dropped, time_to_the_end, time_to_the_front, number_written_otherwise,
        date_written_otherwise, typography, row_as_text, row_in_a_sentence, row_of_two_values, row_amount_written_otherwise, two_sentences, item_with_opening,
    )
}  # fmt: skip
