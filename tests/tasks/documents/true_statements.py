"""True statements: sentences and rows as they stand, and worded in other ways that change nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from statement_base import MONTHS, Base, Made, Maker, flat, header_of, label_of, pick, row_says

from bakeoff.tasks.documents.reply.evidence import Quote


def verbatim(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
        yield sentence.text, (sentence.quote,), sentence.text


def verbatim_in_longer_quote(base: Base, rng: random.Random) -> Iterator[Made]:
    """The quote is the whole paragraph, its line breaks elsewhere."""
    for sentence in pick(rng, base.sentences):
        page = base.pages[sentence.document, sentence.page]
        block = next((each for each in page.blocks if each.span.start <= sentence.span.start < each.span.end), None)
        if block is not None:
            words = page.text[block.span.start : block.span.end].split()
            broken = "".join(word + ("\n" if rng.random() < 0.1 else " ") for word in words).strip()
            yield sentence.text, (Quote(sentence.document, sentence.page, broken),), sentence.text


def connective_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
        match = re.match(
            r"(?:However|In addition|Moreover|Furthermore|Additionally|Accordingly|Therefore|As a result|Consequently|Finally|Also|Further), (\w)",
            sentence.text,
        )
        if match:
            yield match[1].upper() + sentence.text[match.end() :], (sentence.quote,), sentence.text


def harmless_parenthesis_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
        match = re.search(
            r" \((?:the [“\"][^”\"]+[”\"]|[“\"][^”\"]+[”\"]|see [^()]*|\d+|collectively, [^()]*|[A-Z]{2,6})\)(?!, Inc)",
            sentence.text,
        )
        before = sentence.text[: match.start()].split(" ")[-1] if match else ""
        # "a loss of (5)" is no repetition; "thirty (30)" is.
        name = match.group()[2:-1] if match else ""
        if name.isupper() and not re.search(
            r"\W+(?:(?:of|and|the|for)\W+)*".join(rf"{letter}\w*" for letter in name) + r" \(", sentence.text, re.IGNORECASE
        ):
            continue
        if match and (not name.isdigit() or before.lower() in _WRITTEN):
            yield sentence.text[: match.start()] + sentence.text[match.end() :], (sentence.quote,), sentence.text


_WRITTEN = dict(
    zip(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirty",
            "ninety",
            "sixty",
            "twenty",
        ],
        (*range(1, 13), 30, 90, 60, 20),
        strict=True,
    )
)
_TIME = r"(?:fiscal )?(?:year )?(?:19|20)\d\d"
_SIMPLE = r"(?:increased|decreased|rose|fell|declined|grew|improved|was|were|recorded|totaled|repurchased|generated|reported)"


def time_to_the_end(base: Base, rng: random.Random) -> Iterator[Made]:
    """'In 2022, X' as 'X in 2022', where the sentence has one clause."""
    for sentence in pick(rng, base.sentences):
        match = re.match(rf"((?:In|During) {_TIME}|As of [A-Z][a-z]+ \d+, \d{{4}}), ([^;:()]*)\.$", sentence.text)
        if (
            match
            and len(re.findall(rf"\b{_SIMPLE}\b", match[2])) == 1
            and not re.search(
                r"\b(?:and|that|which|who|to [a-z]|while|but|because|when|if|will|would|may|\w+ing)\b|\b(?:19|20)\d\d\b", match[2]
            )
        ):
            body = match[2][0].upper() + match[2][1:]
            yield f"{body} {match[1][0].lower() + match[1][1:]}.", (sentence.quote,), sentence.text


def time_to_the_front(base: Base, rng: random.Random) -> Iterator[Made]:
    """'X in 2022' as 'In 2022, X', where the time can only belong to the verb."""
    for sentence in pick(rng, base.sentences):
        match = re.match(rf"([^;:()]*\d(?:%| million| billion|)) ((?:in|during) {_TIME})\.$", sentence.text)
        if (
            match
            and len(re.findall(rf"\b{_SIMPLE}\b", match[1])) == 1
            and not re.search(
                r"\b(?:and|that|which|who|to [a-z]|while|but|because|when|if|will|would|may|due|compared|\w+ing)\b|\b(?:19|20)\d\d\b",
                match[1],
            )
        ):
            body = match[1] if re.match(r"[A-Z]{2}|(?:[A-Z]\w+ ){2}", match[1]) else match[1][0].lower() + match[1][1:]
            yield f"{match[2][0].upper()}{match[2][1:]}, {body}.", (sentence.quote,), sentence.text


def number_written_otherwise(base: Base, rng: random.Random) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
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
    for sentence in pick(rng, base.sentences):
        match = re.search(
            rf"({'|'.join(MONTHS)}) (\d{{1,2}}), (\d{{4}})|(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})", sentence.text
        )
        if match:
            month, day, year = match[1] or match[5], int(match[2] or match[4]), match[3] or match[6]
            ways = (
                f"{day} {month} {year}",
                f"{month} {day}, {year}",
                f"{year}-{MONTHS.index(month) + 1:02d}-{day:02d}",
                f"{month[:3]}. {day}, {year}" if len(month) > 4 else f"{day} {month} {year}",
            )
            new = rng.choice([each for each in ways if each != match.group()])
            yield sentence.text[: match.start()] + new + sentence.text[match.end() :], (sentence.quote,), sentence.text


def typography(base: Base, rng: random.Random) -> Iterator[Made]:
    """Contractions, curly and straight quotes, dashes and spaces of another kind."""
    for sentence in pick(rng, base.sentences):
        text = sentence.text
        ways = [re.sub(r"\b(do|does|did|is|are|was|were|has|have|could|would|should) not\b", r"\1n't", text), text.replace("'", "’"), text.replace('"', "“", 1).replace('"', "”"),
                text.replace("-", "‑"), re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", text), text.replace("cannot", "can not"), text.rstrip(".")]  # fmt: skip
        ways = [each for each in ways if each != text]
        if ways:
            yield rng.choice(ways), (sentence.quote,), text


def row_as_text(base: Base, rng: random.Random) -> Iterator[Made]:
    """The row as it is shown: "label | header | value unit | ...", all columns or one."""
    for row in pick(rng, base.rows):
        values = row.parts.values if rng.random() < 0.4 else (rng.choice(row.parts.values),)
        parts = [*(flat(each.text) for each in (*row.parts.groups, *row.parts.label))]
        for value in values:
            parts += [*(flat(each.text) for each in value.path), flat(value.text)]
        yield " | ".join(parts), row.quote(values), row.parts.text


def row_in_a_sentence(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        yield row_says(label_of(row), header_of(value), flat(value.text), rng), row.quote(row.parts.values), row.parts.text


def row_of_two_values(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in pick(rng, base.rows):
        if len(row.parts.values) >= 2:
            one, other = row.parts.values[:2]
            joint = rng.choice((" and ", " compared with ", ", "))
            yield (
                f"{label_of(row)} was {flat(one.text)} in {header_of(one)}{joint}{flat(other.text)} in {header_of(other)}.",
                row.quote((one, other)),
                row.parts.text,
            )


def row_amount_written_otherwise(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        match = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.0)? USD million", flat(value.text))
        if match:
            amount = int(match[1].replace(",", ""))
            new = rng.choice(
                (
                    f"${amount:,} million",
                    f"${amount / 1000:g} billion" if amount >= 1000 else f"${amount} million",
                    f"USD {amount:,} million",
                    f"{amount:,} million US dollars",
                )
            )
            yield row_says(label_of(row), header_of(value), new, rng), row.quote((value,)), row.parts.text


def two_sentences(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two sentences that follow each other, in one statement."""
    for index in rng.sample(range(len(base.sentences) - 1), min(60, len(base.sentences) - 1)):
        one, other = base.sentences[index], base.sentences[index + 1]
        page = base.pages[one.document, one.page]
        if (one.document, one.page) == (other.document, other.page) and page.text[one.span.end : other.span.start] == " ":
            yield f"{one.text} {other.text}", (Quote(one.document, one.page, f"{one.text} {other.text}"),), one.text


def item_with_opening(base: Base, rng: random.Random) -> Iterator[Made]:
    for item in pick(rng, base.items):
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
