"""Whether a statement follows from one sentence by edits that cannot change what it says.

The statement must be the sentence itself, token by token, but for these edits and no others:

- another spelling of the same number, date or contraction (`verify_facts`);
- a leading connective dropped ("However, ", "In addition, ");
- a parenthesis dropped that only names, refers or repeats: a defined term in quotes, an acronym, "see Note 4", a figure just written in words;
- a cause, or where a figure came from, dropped from the end (", primarily due to ...", ", up from ..."), where it holds nothing that restricts;
- the time of a plain sentence moved between its front and its end ("In 2022, sales rose 5%." and "Sales rose 5% in 2022.").

Nothing may be added, and no other word may be left out: what looks like a detail is often a condition, a hedge or a limit of scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bakeoff.tasks.documents.reply.evidence import SentenceUnit
from bakeoff.tasks.documents.reply.verify_facts import Token, is_year, tokens_of, unit_of, word_set


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(each.split()) for each in text.split(";"))


CONNECTIVES = _phrases(
    """accordingly; additionally; also; as a result; at the same time; by contrast; consequently; conversely; finally; first; further; furthermore;
    hence; however; in addition; in contrast; in particular; in summary; indeed; likewise; meanwhile; moreover; nevertheless; nonetheless; notably;
    on the other hand; overall; second; secondly; similarly; specifically; that said; therefore; third; thirdly; thus; to that end"""
)
"""Words before the first comma that relate a sentence to the one before. Those that set a condition ("otherwise", "alternatively") are not here."""

_TAILS = _phrases(
    """due to; primarily due to; mainly due to; largely due to; driven by; primarily driven by; mainly driven by; largely driven by; reflecting;
    primarily reflecting; mainly reflecting; primarily as a result of; as a result of; up from; down from"""
)
"""What opens a cause at the end of a sentence. Comparisons ("compared with") and offsets are not here: what comes before may only hold with them."""

_RESTRICTS = word_set(
    """not no never none neither nor without except excepting excluding exclusive unless until only solely if whether
    provided subject but however although though notwithstanding other less before after when where while assuming pro
    forma estimated expected hypothetical would could may might respectively each adjusted contingent conditioned which
    that who"""
)
"""Words that may limit what is said before them: an ending that holds one is never dropped."""

_DECIDES = word_set(
    """agree agrees agreed plan plans expect expects expected forecast guidance budget target targets option options right
    rights obligation obligations commitment commitments agreement agreements due payable maturing expiring effective
    scheduled available outstanding proposal estimate estimates estimated promise contract contracts notes bonds lease
    leases warrants intention"""
)
"""Words whose own time may be meant by a time at the end of the sentence: "notes due in 2030"."""

_BREAKS = word_set(
    """that which who whom whose if because when where while although though since unless whereas whether and or but nor so
    than as before after until said says say told thinks thought knew found felt saw wrote made took gave sold bought went came began became kept left led met put ran sent set
    stood believes claims states denies confirms shows requires wants it they he she we you i
    will would shall should can could may might must ought need to not never no neither without
    except only"""
)
"""A sentence with one of these may have a second clause, or one that the time would newly belong to."""

_VERBS = word_set(
    """was were is are increased decreased rose fell grew declined improved totaled totalled amounted had reported recorded
    generated earned paid repurchased acquired opened closed received spent incurred recognized recognised resigned
    retired employed operated won lost"""
)
_PLAIN_ING = word_set("""operating marketing manufacturing pricing financing investing holding engineering building shipping""")
_PLAIN_ED = word_set("consolidated united diluted combined limited")
_TIME_PREPOSITIONS = word_set("in during on for at as")
_TIME_WORDS = word_set(
    """the of year years fiscal quarter quarters month months ended ending first second third fourth end beginning half
    calendar full early late mid"""
)
_LONGEST_TIME = 9

_INTRODUCES = word_set("the each a an collectively together hereinafter or this and ,")
"""What may stand before the name in a parenthesis that gives one: (collectively, the "Holders")."""

_ENUMERATES = re.compile(r"[a-zA-Z]|[ivxlc]{1,6}|[IVXLC]{1,6}")
_BULLETS = frozenset("•●▪◦‣·*")

_EXCEPTIONS = word_set(
    "exception exceptions limit limits limitation limitations condition conditions restriction restrictions exclusion exclusions"
)

_TURNS = word_set("not no never except excluding only unless if net")


def follows(statement: Sequence[Token], unit: SentenceUnit) -> bool:
    """Whether the statement follows from the sentence by the edits above, with every token that it uses inside a quote.

    Parameters
    ----------
    statement : sequence of Token
        Of one sentence, as `tokens_of` reads it.
    unit : SentenceUnit
    """
    asked = _without_end(list(statement))
    evidence = tokens_of(unit.text)
    shown = [all(unit.quoted[token.start : token.end]) for token in evidence]
    if evidence and evidence[-1].key == "." and evidence[-1].kind == "sign":
        evidence, shown = evidence[:-1], shown[:-1]
    if not asked or not evidence or unit.fragment:
        return False
    if unit.lead:
        return _matches(asked, evidence, shown, {0}, *_list_skips(evidence, unit.lead))
    mark = [(0, 1)] if evidence[0].kind == "sign" and evidence[0].key in _BULLETS else []
    return any(_matches(asked, tokens, visible, start, mark) for tokens, visible, start in _orders(evidence, shown))


def same(statement: Token, evidence: Token, opens: bool) -> bool:
    """Whether two tokens mean the same. `opens`: one of them begins a sentence, where the first letter's case says nothing."""
    if statement.kind != evidence.kind:
        return False
    if statement.key == evidence.key:
        return True
    if statement.kind == "number":
        # "$" claims less than "USD".
        return unit_of(statement) == "$" and unit_of(evidence) == "USD" and statement.key[:-1] == evidence.key[:-3]
    return opens and statement.kind == "word" and _folded(statement.key) == _folded(evidence.key)


def _folded(word: str) -> str:
    return word[:1].lower() + word[1:]


def _without_end(tokens: list[Token]) -> list[Token]:
    return tokens[:-1] if tokens and tokens[-1].kind == "sign" and tokens[-1].key == "." else tokens


def _list_skips(tokens: Sequence[Token], lead: int) -> tuple[list[tuple[int, int]], set[int]]:
    """Of an item with what introduces it: the colon between them, the item's mark and what joins it to the next item; and where the item begins."""
    skips: list[tuple[int, int]] = []
    item = next((index for index, token in enumerate(tokens) if token.start >= lead), len(tokens))
    if item and tokens[item - 1].key in (":", "—"):
        skips.append((item - 1, item))
    body = item
    keys = [token.key for token in tokens[item : item + 3]]
    if keys and tokens[item].kind == "sign" and keys[0] not in ("(", '"', "[", "$"):
        body = item + 1
    elif len(keys) == 3 and keys[0] == "(" and keys[2] == ")":
        body = item + 3
    elif len(keys) > 1 and keys[1] in (".", ")") and (tokens[item].kind == "number" or _ENUMERATES.fullmatch(keys[0])):
        body = item + 2
    if body > item:
        skips.append((item, body))
    end = len(tokens)
    if end > body and tokens[end - 1].key in ("and", "or"):
        end -= 1
    if end > body and tokens[end - 1].key in (";", ","):
        skips.append((end - 1, len(tokens)))
    return skips, {item, body}


def _orders(tokens: list[Token], shown: list[bool]) -> Iterator[tuple[list[Token], list[bool], set[int]]]:
    """The sentence as it is, then with its time moved; each with the places where a sentence may begin."""
    yield tokens, shown, {0}
    front = _time_at_front(tokens)
    if front and _is_plain(tokens[front + 1 :]):
        body, time = tokens[front + 1 :], tokens[:front]
        yield body + time, shown[front + 1 :] + shown[:front], {0, len(body)}
    tail = _time_at_end(tokens)
    if tail and _is_plain(tokens[:tail]) and _ends_closed(tokens[:tail]):
        body, time = tokens[:tail], tokens[tail:]
        comma = Token("sign", ",", 0, 0)
        for between in ([comma], []):
            yield [*time, *between, *body], shown[tail:] + [True] * len(between) + shown[:tail], {0, len(time) + len(between)}


def _time_at_front(tokens: Sequence[Token]) -> int:
    """How many tokens of a time stand before the first comma ("In fiscal 2022,"); 0 where none does."""
    for index, token in enumerate(tokens[: _LONGEST_TIME + 1]):
        if token.kind == "sign":
            return index if token.key == "," and _is_time(tokens[:index]) else 0
    return 0


def _time_at_end(tokens: Sequence[Token]) -> int:
    """Where the time at the end of a sentence begins ("... in fiscal 2022"); 0 where there is none."""
    for size in range(min(_LONGEST_TIME, len(tokens) - 2), 1, -1):
        if _is_time(tokens[-size:]):
            return len(tokens) - size
    return 0


def _is_time(tokens: Sequence[Token]) -> bool:
    if not tokens or tokens[0].kind != "word" or tokens[0].key.lower() not in _TIME_PREPOSITIONS:
        return False
    rest = list(tokens[1:])
    if tokens[0].key.lower() == "as":
        if not rest or rest[0].key != "of":
            return False
        rest = rest[1:]
    dated = [token for token in rest if token.kind == "date" or is_year(token)]
    others = [token for token in rest if token not in dated]
    return len(dated) == 1 and all(token.kind == "word" and token.key in _TIME_WORDS for token in others)


def _is_plain(tokens: Sequence[Token]) -> bool:
    """One clause with one known verb, no other time, and no word that the time could belong to instead."""
    verbs = 0
    for index, token in enumerate(tokens):
        if token.kind == "date" or is_year(token) or (token.kind == "sign" and token.key in ";:—"):
            return False
        if token.kind != "word":
            continue
        word = token.key.lower()
        if word == "to" and index + 1 < len(tokens) and tokens[index + 1].kind == "number":
            continue
        if word in _BREAKS or word in _DECIDES:
            return False
        if word in _VERBS:
            verbs += 1
        elif (word.endswith("ed") and word not in _PLAIN_ED and not _is_passive(tokens, index)) or (
            word.endswith("ing") and word not in _PLAIN_ING
        ):
            return False
    return verbs == 1


def _is_passive(tokens: Sequence[Token], index: int) -> bool:
    """'were reserved': one verb, counted with its auxiliary."""
    return index > 0 and tokens[index - 1].kind == "word" and tokens[index - 1].key.lower() in ("was", "were", "is", "are")


def _ends_closed(tokens: Sequence[Token]) -> bool:
    """The sentence without its time ends in a figure or its verb: the time cannot belong to a noun before it."""
    last = tokens[-1] if tokens else None
    return last is not None and (
        last.kind == "number" or (last.kind == "word" and last.key.lower() in _VERBS - {"was", "were", "is", "are", "had"})
    )


def _matches(
    asked: Sequence[Token],
    tokens: Sequence[Token],
    shown: Sequence[bool],
    starts: set[int],
    extra: Sequence[tuple[int, int]] = (),
    more_starts: set[int] | frozenset[int] = frozenset(),
) -> bool:
    """Whether the statement is the sentence, some of its ranges that may be left out left out; by following all ways at once."""
    skips = sorted([*_droppable(tokens), *extra])
    begins = {*starts, *more_starts}
    for start, end in skips:
        if start in begins:
            begins.add(end)
    states = _closure({0}, skips)
    for place, token in enumerate(asked):
        following: set[int] = set()
        for state in states:
            if state < len(tokens) and shown[state] and same(token, tokens[state], place == 0 or state in begins):
                following.add(state + 1)
        if not following:
            return False
        states = _closure(following, skips)
    return len(tokens) in states


def _closure(states: set[int], skips: Sequence[tuple[int, int]]) -> set[int]:
    reached = set(states)
    for start, end in skips:
        if start in reached:
            reached.add(end)
    return reached


def _droppable(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Ranges that may be left out, in order of their start."""
    found: list[tuple[int, int]] = []
    keys = [token.key.lower() if token.kind == "word" else token.key for token in tokens]
    for words in CONNECTIVES:
        size = len(words)
        if tuple(keys[:size]) == words and size < len(tokens) - 1 and keys[size] == ",":
            found.append((0, size + 1))
    found += _parentheses(tokens, keys)
    found += [(start, len(tokens)) for start in range(3, len(tokens)) if keys[start] == "," and _is_tail(keys[start + 1 :])]
    return sorted(found)


def _is_tail(keys: Sequence[str]) -> bool:
    return (
        any(tuple(keys[: len(words)]) == words for words in _TAILS)
        and not _RESTRICTS.intersection(keys)
        and not {";", ":", "("} & set(keys)
    )


def _parentheses(tokens: Sequence[Token], keys: Sequence[str]) -> list[tuple[int, int]]:
    found = []
    at = 0
    while at < len(tokens):
        if keys[at] == "(" and tokens[at].kind == "sign":
            close = next((index for index in range(at + 1, min(at + 26, len(tokens))) if keys[index] in ("(", ")")), None)
            if close is not None and keys[close] == ")" and _says_nothing(tokens, keys, at, close):
                found.append((at, close + 1))
            at = close if close is not None and close > at else at + 1
            continue
        at += 1
    return found


def _says_nothing(tokens: Sequence[Token], keys: Sequence[str], opening: int, close: int) -> bool:
    """A parenthesis that names, refers or repeats."""
    inner, words = list(tokens[opening + 1 : close]), list(keys[opening + 1 : close])
    if not inner or opening == 0:
        return False
    if inner[0].kind == "word" and words[0] in ("see", "refer"):
        return not _RESTRICTS.intersection(words) and not _EXCEPTIONS.intersection(words)
    if (
        inner[0].kind == "word"
        and words[0] in ("note", "section", "exhibit", "appendix", "figure", "table", "item", "page")
        and len(inner) == 2
    ):
        return True
    if len(inner) == 1 and inner[0].kind == "number":
        # "thirty (30) days" repeats; "(5)" on its own may be a loss.
        return tokens[opening - 1].kind == "number" and tokens[opening - 1].key == inner[0].key
    if len(inner) == 1 and inner[0].kind == "word":
        name = inner[0].key
        return name.isupper() and name.isalpha() and 2 <= len(name) <= 8 and _is_acronym(name, tokens[:opening])
    quoted = [index for index, token in enumerate(inner) if token.kind == "sign" and token.key == '"']
    if len(quoted) >= 2 and quoted[-1] == len(inner) - 1:
        before, between = words[: quoted[0]], words[quoted[0] + 1 : quoted[-1]]
        return _INTRODUCES.issuperset(before) and not _TURNS.intersection(between) and len(between) <= 10
    return False


def _is_acronym(name: str, before: Sequence[Token]) -> bool:
    """Its letters are the initials of the words right before it, small words left out."""
    initials = [
        token.key[0].upper()
        for token in before
        if token.kind == "word" and token.key.lower() not in ("of", "and", "the", "for", "in", "on")
    ]
    return len(initials) >= len(name) and "".join(initials[-len(name) :]) == name
