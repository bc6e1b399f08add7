"""Why a statement was refused: what differs from the nearest evidence, the gravest difference first. It decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bakeoff.tasks.documents.reply.verify_facts import Token, is_year, tokens_of, unit_of, value_of, word_set

NEGATIONS = word_set(
    """not no never none neither nor without nobody nothing except excluding unless fails fail failed declined denies denied
    refused lacks"""
)
QUANTIFIERS = word_set(
    """all every each any some most many few several both either only at least most more less than up approximately about
    nearly almost over under may might can could shall should must will would generally usually typically always often
    sometimes substantially certain solely exclusively expected expects expect believes believe estimated estimates likely
    possible potentially primarily mainly partly entirely"""
)
_OPPOSITES = """increase decrease; increases decreases; increased decreased; increased declined; rose fell; grew shrank; grew declined;
    gain loss; gains losses; higher lower; above below; before after; more less; more fewer; over under; up down; exceeded
    missed; buyer seller; maximum minimum; earlier later; favorable unfavorable; improved deteriorated; improved worsened;
    added removed; greater less; highest lowest; won lost; accepted rejected; include exclude; includes excludes; included
    excluded; including excluding; debit credit; asset liability; opened closed; first last; increase decline; expanded
    contracted; gained lost; acquired sold; lent borrowed; profit loss; income loss"""
OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _OPPOSITES.split(";"):
    _one, _other = _pair.split()
    OPPOSITES[_one] = OPPOSITES.get(_one, frozenset()) | {_other}
    OPPOSITES[_other] = OPPOSITES.get(_other, frozenset()) | {_one}

FUNCTION_WORDS = word_set(
    """a an the of in on at to for by from with and or as is are was were be been being has have had do does did it its this
    that these those their"""
)


def explain(statement: str, evidence: Sequence[str], partly: Sequence[bool]) -> tuple[str, str]:
    """The reason code (a key of `verify.REASONS`) and the words it is about.

    Parameters
    ----------
    statement : str
        One sentence that no unit of evidence supports.
    evidence : sequence of str
        The quoted sentences and rows as text.
    partly : sequence of bool
        For each, whether its quote leaves out some of it.
    """
    asked = tokens_of(statement, accounting=any(" | " in each for each in evidence))
    read = [tokens_of(each, accounting=" | " in each) for each in evidence]
    if not read:
        return "unsupported", ""
    best = max(range(len(read)), key=lambda index: (_shared(asked, read[index]), -index))
    missing = _missing(asked, read[best])
    everything = [token for tokens in read for token in tokens]
    if missing and len(read) > 1 and not [token for token in _missing(asked, everything) if _is_content(token)]:
        content = [token for token in missing if _is_content(token)]
        if content:
            return "stitched", _words(statement, content)
    return _difference(statement, evidence[best], asked, read[best], missing, partly[best])


def _difference(
    statement: str, evidence: str, asked: Sequence[Token], there: Sequence[Token], missing: Sequence[Token], partly: bool
) -> tuple[str, str]:
    extra = _missing(there, asked)
    numbers = [token for token in missing if token.kind == "number" and not is_year(token)]
    for token in numbers:
        rivals = [other for other in extra if other.kind == "number"]
        if any(_same_digits(token, other) for other in rivals):
            return "unit", _words(statement, [token])
    if numbers:
        return "number", _words(statement, numbers)
    dates = [token for token in missing if token.kind == "date" or is_year(token)]
    if dates:
        return "date", _words(statement, dates)
    missed = [token.key for token in missing if token.kind == "word"]
    gone = [token.key for token in extra if token.kind == "word"]
    low, lost = {each.lower() for each in missed}, {each.lower() for each in gone}
    negated = (low | lost) & NEGATIONS or {each for each in low ^ lost if _is_negated(each, low, lost)}
    if negated:
        return "negation", ", ".join(sorted(negated))
    turned = {each for each in low if OPPOSITES.get(each, frozenset()) & lost}
    if turned:
        return "direction", ", ".join(sorted(turned))
    names = [token for token in missing if token.kind == "word" and _is_name(token, asked)]
    if names:
        return "name", _words(statement, names)
    hedges = (low | lost) & QUANTIFIERS
    if hedges:
        return "quantifier", ", ".join(sorted(hedges))
    others = [token for token in missing if token.kind == "word" and token.key.lower() not in FUNCTION_WORDS]
    if others:
        return "unsupported", _words(statement, others)
    if partly and missing:
        return "not_in_quote", _words(statement, missing)
    if [token for token in extra if token.kind != "sign"]:
        return "left_out", _words(evidence, [token for token in extra if token.kind != "sign"])
    if missing:
        return "unsupported", _words(statement, missing)
    return "order", ""


def _missing(asked: Sequence[Token], there: Sequence[Token]) -> list[Token]:
    """Tokens of the first that the second does not hold as often; the case of first letters aside."""
    left = Counter((token.kind, _folded(token)) for token in there)
    found = []
    for token in asked:
        if token.kind == "sign" and token.key in ".,|:;":
            continue
        key = (token.kind, _folded(token))
        if left[key]:
            left[key] -= 1
        else:
            found.append(token)
    return found


def _shared(asked: Sequence[Token], there: Sequence[Token]) -> int:
    return len(asked) - len(_missing(asked, there))


def _folded(token: Token) -> str:
    return token.key[:1].lower() + token.key[1:] if token.kind == "word" else token.key


def _is_content(token: Token) -> bool:
    return token.kind in ("number", "date") or (token.kind == "word" and token.key.lower() not in FUNCTION_WORDS)


def _is_name(token: Token, asked: Sequence[Token]) -> bool:
    return token.key[:1].isupper() and (token is not asked[0] or token.key.isupper())


def _is_negated(word: str, low: set[str], lost: set[str]) -> bool:
    """'unaudited' for 'audited', and the like."""
    for prefix in ("un", "non", "non-", "in", "im", "ir", "dis"):
        if (
            word.startswith(prefix)
            and (rest := word[len(prefix) :])
            and ((word in low and rest in lost) or (word in lost and rest in low))
        ):
            return True
    return False


def _same_digits(one: Token, other: Token) -> bool:
    first, second = value_of(one), value_of(other)
    if first is None or second is None:
        return False
    digits = str(abs(first)).replace(".", "").strip("0"), str(abs(second)).replace(".", "").strip("0")
    return digits[0] == digits[1] and (first < 0) == (second < 0) and (unit_of(one) != unit_of(other) or first != second)


def _words(text: str, tokens: Sequence[Token]) -> str:
    return ", ".join(text[token.start : token.end] for token in tokens[:6])
