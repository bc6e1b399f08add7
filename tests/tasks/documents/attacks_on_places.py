"""False statements: put together from two places, quoted from the wrong one, cut out of their sentence, or altered where nobody sees it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from statement_base import MONTHS, NUMBER, Base, Made, Maker, changed_in, pick, plain

from bakeoff.tasks.documents.reply.evidence import Quote

_TEMPLATES = (
    "{name} reported a loss of ${n} million in {year}.", "{name} shall pay a penalty of ${n} for each day of delay.", "{name} was founded in {year}.",
    "The contract with {name} was terminated on {day} {month} {year}.", "{name} employs {n} people.", "{name} is not permitted to disclose the results.",
    "All claims against {name} were dismissed.", "{name} must give {n} days' notice.", "The average price paid by {name} rose by {n}%.",
)  # fmt: skip


def fabricated(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
        name = rng.choice(base.names) if base.names else "The Company"
        made = rng.choice(_TEMPLATES).format(
            name=name,
            n=rng.randrange(3, 990),
            year=rng.randrange(1990, 2030),
            day=rng.randrange(1, 28),
            month=rng.choice(MONTHS),
        )
        yield made, (sentence.quote,), sentence.text


_PREDICATE = re.compile(
    r"\b(?:shall|must|may|was|were|is|are|increased|decreased|rose|fell|declined|grew|improved|has|have|had|did|does|will|would|recorded|acquired|sold|paid)\b"
)


def stitched(base: Base, rng: random.Random) -> Iterator[Made]:
    """The subject of one sentence and what is said of another, with quotes of both."""
    for one in pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        first, second = _PREDICATE.search(one.text), _PREDICATE.search(other.text)
        if one.text == other.text or not first or not second or first.start() < 5 or second.start() < 5:
            continue
        subject, rival = one.text[: first.start()].strip(), other.text[: second.start()].strip()
        # "However, the Landlord" and "The Landlord" are one subject.
        if plain(subject.rpartition(", ")[2]) != plain(rival.rpartition(", ")[2]):
            yield f"{subject} {other.text[second.start() :]}", (one.quote, other.quote), one.text


def stitched_figure(base: Base, rng: random.Random) -> Iterator[Made]:
    """A sentence with a figure of another one, with quotes of both."""
    for one in pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        mine = list(NUMBER.finditer(one.text))
        theirs = [match.group() for match in NUMBER.finditer(other.text) if match.group() not in one.text]
        if mine and theirs:
            match = rng.choice(mine)
            yield one.text[: match.start()] + rng.choice(theirs) + one.text[match.end() :], (one.quote, other.quote), one.text


def misattributed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true sentence whose quote is said to stand on another page or in another document."""
    places = list(base.pages)
    for sentence in pick(rng, base.sentences):
        document, number = rng.choice(places)
        text = " ".join(base.pages[document, number].text.split())
        if " ".join(sentence.text.split()) not in text:
            yield sentence.text, (Quote(document, number, sentence.text),), "\0misattributed"


def misattributed_support(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true sentence with a real quote that says something else."""
    for sentence in pick(rng, base.sentences):
        other = rng.choice(base.sentences)
        if plain(sentence.text) not in plain(other.text):
            yield sentence.text, (other.quote,), "\0other quote"


def quote_altered(base: Base, rng: random.Random) -> Iterator[Made]:
    """A quote with one character changed, added or left out, and the statement with it."""
    for sentence in pick(rng, base.sentences):
        text = sentence.text
        at = rng.randrange(1, len(text) - 1)
        if not text[at].isalnum():
            continue
        new = rng.choice(
            [
                text[:at] + text[at + 1 :],
                text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :],
                text[:at] + text[at] + text[at:],
            ]
        )
        page = " ".join(base.pages[sentence.document, sentence.page].text.split())
        if new not in page:
            yield rng.choice((new, text)), (Quote(sentence.document, sentence.page, new),), "\0altered"


_LOOKALIKES = {
    "a": "а",
    "e": "е",
    "o": "о",
    "p": "р",
    "c": "с",
    "x": "х",
    "i": "і",
    "A": "А",
    "B": "В",
    "C": "С",
    "E": "Е",
    "H": "Н",
    "M": "М",
    "O": "О",
    "T": "Т",
} | {
    "0": "०٠０𝟎O",
    "1": "１𝟏l١",
    "2": "２𝟐٢",
    "3": "３𝟑٣З",
    "4": "４𝟒٤",
    "5": "５𝟓٥Ѕ",
    "6": "６𝟔б",
    "7": "７𝟕",
    "8": "８𝟖",
    "9": "９𝟗",
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

    yield from changed_in(base, rng, change)


def invisible(base: Base, rng: random.Random) -> Iterator[Made]:
    """A character that nobody can see put in."""

    def change(text: str) -> str | None:
        at = rng.randrange(1, len(text))
        return text[:at] + rng.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u2066\u061c\u180e\u200f\ue000\x07") + text[at:]

    for made, quotes, original in changed_in(base, rng, change):
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
        match = re.search(rf"({'|'.join(MONTHS)}) (\d{{1,2}}), (\d{{4}})|(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})", text)
        if not match:
            return None
        month, day, year = MONTHS.index(match[1] or match[5]) + 1, int(match[2] or match[4]), match[3] or match[6]
        if day > 12 or day == month:
            return text[: match.start()] + f"{year}-{month:02d}-{day % 28 + 1:02d}" + text[match.end() :]
        return text[: match.start()] + f"{year}-{day:02d}-{month:02d}" + text[match.end() :]

    yield from changed_in(base, rng, change)


def quote_cut(base: Base, rng: random.Random) -> Iterator[Made]:
    """A stretch of a sentence that says something else alone: what comes after "not", "if", "unless", "alleges that"."""
    for sentence in pick(rng, base.sentences):
        marks = list(
            re.finditer(r"\b(?:not|never|unless|if|except|without|that|neither|nor|prohibited|before|until)\b ", sentence.text)
        )
        marks = [each for each in marks if len(sentence.text[each.end() :].split()) >= 3]
        if marks:
            rest = sentence.text[rng.choice(marks).end() :]
            yield (
                rest[0].upper() + rest[1:] if rng.random() < 0.5 else rest,
                (Quote(sentence.document, sentence.page, rest),),
                sentence.text,
            )


def sentence_cut(base: Base, rng: random.Random) -> Iterator[Made]:
    """The front of a sentence, cut where it goes on to limit what was said, and the quote with it."""
    for sentence in pick(rng, base.sentences):
        marks = list(re.finditer(r",? (?:but not|except|unless|if|provided|until|other than|only|subject to) ", sentence.text))
        marks = [each for each in marks if len(sentence.text[: each.start()].split()) >= 4]
        if marks:
            part = sentence.text[: rng.choice(marks).start()]
            yield part + ".", (Quote(sentence.document, sentence.page, part),), sentence.text


def item_alone(base: Base, rng: random.Random) -> Iterator[Made]:
    """An item of a list without the words that introduce it, and with them turned round."""
    for item in pick(rng, base.items):
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
    for sentence in pick(rng, base.sentences):
        match = re.search(
            r" (in|on|by|until) ((?:[A-Z][a-z]+ )?(?:19|20)\d\d|\d{1,2} [A-Z][a-z]+ (?:19|20)\d\d)\.$", sentence.text
        )
        rest = sentence.text[: match.start()] if match else ""
        if match and re.search(
            r"\b(?:that|which|who|and|expires|agreed|due|while|if|because|before|after|expect|until|by)\b|\bto [a-z]", rest
        ):
            yield f"{match[1].capitalize()} {match[2]}, {rest[0].lower() + rest[1:]}.", (sentence.quote,), sentence.text


def parenthesis_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    """A parenthesis dropped that limits what is said."""

    def change(text: str) -> str | None:
        found = [
            each
            for each in re.finditer(r" \(([^()]*)\)", text)
            if re.search(r"exclud|except|net of|other than|unaudited|loss|if |only|n = ", each[1])
        ]
        return text[: found[0].start()] + text[found[0].end() :] if found else None

    yield from changed_in(base, rng, change)


def reference_rounded(base: Base, rng: random.Random) -> Iterator[Made]:
    """A section, version or grade number that looks equal as a figure and is not; a figure rounded."""

    def change(text: str) -> str | None:
        match = re.search(r"(?:Section|Article|Note|Version|version) (\d+\.\d+)", text)
        if match:
            return text[: match.end()] + "0" + text[match.end() :]
        found = [each for each in NUMBER.finditer(text) if "." in each.group()]
        if not found:
            return None
        figure = rng.choice(found)
        short = figure.group().rsplit(".", 1)[0]
        return (
            text[: figure.start()] + short + text[figure.end() :]
            if float(figure.group().replace(",", "")) != float(short.replace(",", ""))
            else None
        )

    yield from changed_in(base, rng, change)


ATTACKS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        fabricated, stitched, stitched_figure, misattributed, misattributed_support, quote_altered,
        lookalike, invisible, misspelt_amount, quote_cut, sentence_cut, item_alone,
        time_moved, parenthesis_dropped, reference_rounded,
    )
}  # fmt: skip
