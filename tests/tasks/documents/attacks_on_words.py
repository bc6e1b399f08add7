"""False statements: a true sentence with words of it changed, dropped, added or exchanged."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence

from statement_base import MONTHS, NAME, NUMBER, OPENERS, YEAR, Base, Made, Maker, changed_in, pick


def _swap(text: str, one: str, other: str) -> str:
    def exchanged(match: re.Match[str]) -> str:
        return other if match.group() == one else one

    longer, shorter = sorted((one, other), key=len, reverse=True)
    return re.sub(rf"(?<!\w){re.escape(longer)}(?!\w)|(?<!\w){re.escape(shorter)}(?!\w)", exchanged, text)


def number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """One figure replaced by another that is not in the sentence."""

    def change(text: str) -> str | None:
        found = [match for match in NUMBER.finditer(text) if not YEAR.fullmatch(match.group())]
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

    yield from changed_in(base, rng, change)


def written_number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    words = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "thirty", "ninety"]

    def change(text: str) -> str | None:
        found = [each for each in words if re.search(rf"\b{each}\b", text)]
        return (
            re.sub(rf"\b{found[0]}\b", rng.choice([each for each in words if each not in found]), text, count=1)
            if found
            else None
        )

    yield from changed_in(base, rng, change)


def date_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A year, a month or a day replaced."""

    def change(text: str) -> str | None:
        months = [each for each in MONTHS if re.search(rf"\b{each} \d|\d {each}\b", text)]
        if months and rng.random() < 0.5:
            return re.sub(rf"\b{months[0]}\b", rng.choice([each for each in MONTHS if each not in months]), text, count=1)
        years = YEAR.findall(text)
        if not years:
            return None
        year = rng.choice(years)
        other = str(int(year) + rng.choice((-3, -2, -1, 1, 2, 3)))
        return text.replace(year, other, 1) if other not in years else None

    yield from changed_in(base, rng, change)


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

    yield from changed_in(base, rng, change)


def name_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A name replaced by another one, by a shorter one, or by one that is a letter off."""

    def change(text: str) -> str | None:
        found = [name for name in NAME.findall(text) if name.split()[0] not in OPENERS]
        if not found or not base.names:
            return None
        name = rng.choice(found)
        others = [each for each in base.names if each not in text and name not in each]
        new = rng.choice(others) if others else None
        how = rng.random()
        if how < 0.2 and len(name) > 5:
            at = rng.randrange(1, len(name) - 1)
            new = (
                name[:at] + rng.choice([c for c in "aeiourtln" if c != name[at]]) + name[at + 1 :] if name[at].isalpha() else None
            )
        elif how < 0.3 and " " in name:
            new = name.split(" ")[0] + "field " + name.split(" ", 1)[1]
        return text.replace(name, new, 1) if new else None

    yield from changed_in(base, rng, change)


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

    yield from changed_in(base, rng, change)


_TURN = (
    ("increased", "decreased"), ("decreased", "increased"), ("rose", "fell"), ("fell", "rose"), ("grew", "declined"), ("declined", "grew"), ("improved", "worsened"),
    ("above", "below"), ("below", "above"), ("before", "after"), ("after", "before"), ("higher", "lower"), ("lower", "higher"), ("more than", "less than"),
    ("less than", "more than"), ("at least", "at most"), ("at most", "at least"), ("At least", "At most"), ("Fewer than", "More than"), ("first", "last"),
    ("between", "outside"), ("up to", "from"), ("increases", "decreases"), ("reduce", "increase"), ("reduced", "increased"), ("over", "under"), ("maximum", "minimum"),
    ("better", "worse"), ("smaller", "larger"), ("not less than", "not more than"), ("no later than", "no earlier than"), ("until", "from"), ("on or before", "on or after"),
)  # fmt: skip


def direction_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    yield from changed_in(base, rng, lambda text: _exchange(text, _TURN, rng))


_MEASURE = (
    ("may", "must"), ("may", "shall"), ("must", "may"), ("shall", "may"), ("must", "should"), ("All", "Some"), ("Some", "All"), ("Most", "All"), ("most", "all"),
    ("all", "some"), ("each", "one"), ("every", "one"), ("Either", "Only one"), ("any", "every"), ("at least", "exactly"), ("up to", "exactly"), ("Only", "Not only"),
    ("usually", "always"), ("will", "may"), ("could", "will"), ("would", "will"), ("should", "must"), ("a second", "no second"), ("fixed", "capped"), ("Any", "Some"),
    ("approximately", "exactly"), ("about", "exactly"), ("Approximately", "Exactly"), ("expect", "guarantee"), ("allege", "proved"), ("several", "all"), ("certain", "all"),
)  # fmt: skip


def quantifier_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    yield from changed_in(base, rng, lambda text: _exchange(text, _MEASURE, rng))


def _exchange(text: str, pairs: Sequence[tuple[str, str]], rng: random.Random) -> str | None:
    fits = [(old, new) for old, new in pairs if re.search(rf"\b{old}\b", text)]
    if not fits:
        return None
    old, new = rng.choice(fits)
    return re.sub(rf"\b{old}\b", new, text, count=1)


def roles_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    """Who did what to whom exchanged; only in sentences that are marked, or with a verb that works in one direction."""
    for sentence in pick(rng, base.sentences):
        for mark, one, other in base.roles.get(sentence.document, ()):
            if mark in sentence.text and one in sentence.text and other in sentence.text:
                yield _swap(sentence.text, one, other), (sentence.quote,), sentence.text
        match = re.search(
            r"^(?:The )?([A-Z][\w&. -]+?) (?:acquired|sued|paid|sold|owns|supplies|purchased|merged into|reports to) ([A-Z][\w&.-]+(?: [A-Z][\w&.-]+)*)",
            sentence.text,
        )
        if match and match[1] != match[2]:
            yield _swap(sentence.text, match[1], match[2]), (sentence.quote,), sentence.text


def values_swapped(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two figures, or two periods, of one sentence exchanged ("from 12 to 15")."""
    for sentence in pick(rng, base.sentences):
        found = list(NUMBER.finditer(sentence.text))
        pairs = [
            (a, b) for a, b in itertools.pairwise(found)
            if a.group() != b.group() and bool(YEAR.fullmatch(a.group())) == bool(YEAR.fullmatch(b.group()))
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
_LIMITS_FIRST = (
    r"^If [^,]+, (\w)",
    r"^Unless [^,]+, (\w)",
    r"^Excluding [^,]+, (\w)",
    r"^In no event (\w)",
    r"^Subject to [^,]+, (\w)",
    r"^Except [^,]+, (\w)",
)


def scope_widened(base: Base, rng: random.Random) -> Iterator[Made]:
    """A condition, an exception or a limit dropped."""

    def change(text: str) -> str | None:
        fits = [each for each in _LIMITS if re.search(each, text)]
        first = [each for each in _LIMITS_FIRST if re.search(each, text)]
        if first and (not fits or rng.random() < 0.6):
            return re.sub(first[0], lambda match: match[1].upper(), text, count=1)
        return re.sub(rng.choice(fits), "", text, count=1) if fits else None

    yield from changed_in(base, rng, change)


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

    yield from changed_in(base, rng, change)


def word_inserted(base: Base, rng: random.Random) -> Iterator[Made]:
    extra = [
        "only",
        "fully",
        "immediately",
        "always",
        "former",
        "foreign",
        "annual",
        "secured",
        "existing",
        "new",
        "final",
        "net",
        "total",
        "unaudited",
        "domestic",
        "voluntary",
        "written",
        "wholly-owned",
    ]

    def change(text: str) -> str | None:
        words = text.split(" ")
        at = rng.randrange(1, len(words))
        word = rng.choice([each for each in extra if each not in text])
        return " ".join([*words[:at], word, *words[at:]])

    yield from changed_in(base, rng, change)


def word_replaced(base: Base, rng: random.Random) -> Iterator[Made]:
    """One word of content replaced by one of another sentence."""

    def change(text: str) -> str | None:
        words = text.split(" ")
        places = [
            index
            for index in range(1, len(words) - 1)
            if len(words[index]) > 4 and words[index].isalpha() and words[index].islower()
        ]
        other = [
            word
            for word in rng.choice(base.sentences).text.split(" ")
            if len(word) > 4 and word.isalpha() and word.islower() and word not in words
        ]
        if not places or not other:
            return None
        at = rng.choice(places)
        new = rng.choice(other)
        # "report" for "reports" would say the same.
        return " ".join([*words[:at], new, *words[at + 1 :]]) if new[:4] != words[at][:4] else None

    yield from changed_in(base, rng, change)


ATTACKS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        number_changed, written_number_changed, date_changed, unit_changed, name_changed, negation_changed,
        direction_swapped, quantifier_changed, roles_swapped, values_swapped, scope_widened, hedge_dropped,
        word_inserted, word_replaced,
    )
}  # fmt: skip
