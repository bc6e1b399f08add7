"""Which documents are copies, and which found passages say the same.

Both compare sets of shingles: runs of five words, after Unicode NFKC and case folding, punctuation apart (Broder 1997, "On the resemblance and
containment of documents"). Passages are compared exactly, because few are found. Documents are compared by MinHash: 128 values, each the least of all
shingles under another hash; two documents agree in a share of them that estimates the Jaccard similarity of their sets. Hashes are
fixed, so the same texts always give the same values.

Passages are only taken for the same where nothing that decides what they say is different: see `collapse`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.contract import Interval
from bakeoff.errors import BadData
from bakeoff.measure.duplicates import normalise
from bakeoff.tasks.documents.records import EVERYTHING, FURNITURE, DocumentFacts, Page, Passage, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bakeoff.tasks.documents.store import Store

SHINGLE = 5
THRESHOLD = 0.8
VALUES, BANDS = 128, 32
"""Two documents are compared if they agree in all four values of any of 32 bands: of pairs with similarity 0.8, all but one in ten million."""

META = "copies"
"""Where `DocumentFacts.meta` holds a document's signature, so that its pages need not be read again."""

SHORTEST = 12
"""Passages of fewer words ("Not applicable.", a table row) mean what they stand under, so that must be the same too."""

DECISIVE = frozenset(
    [
        "not",
        "no",
        "nor",
        "neither",
        "never",
        "none",
        "nothing",
        "without",
        "cannot",
        "unless",
        "except",
        "only",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "will",
        "would",
        "can",
        "could",
        "and",
        "or",
        "if",
        "all",
        "any",
        "each",
        "less",
        "more",
        "least",
        "most",
        "above",
        "below",
        "over",
        "under",
        "before",
        "after",
        "until",
        "increase",
        "increased",
        "increases",
        "decrease",
        "decreased",
        "decreases",
        "thousand",
        "million",
        "billion",
        "trillion",
        "hundred",
        "percent",
        "per",
    ]
)
"""Words that, put for another, turn a statement round. Passages in which these, or any number, differ are not the same."""

_TOKEN = re.compile(r"\d+(?:[.,:/-]?\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[%$€£¥<>=±+]|-(?=\d)")
_MOST_ROOTS = 64
_COPY = "copy"


class Copy(NamedTuple):
    """A passage that was left out because a better one says the same. `similarity` is Jaccard's, in [0, 1]."""

    document: str
    page: int
    ordinal: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Copies:
    """Documents that say the same, by name. `exact`: word for word; else `similarity` is the least that joins them, as estimated."""

    documents: tuple[str, ...]
    exact: bool
    similarity: Interval


@dataclass
class _Kept:
    """A passage by its place. Its shingles are made when they are first needed: most passages share their decisive words with no other."""

    at: int
    words: list[str]

    @cached_property
    def shingles(self) -> frozenset[tuple[str, ...]]:
        return frozenset(zip(*(self.words[at:] for at in range(SHINGLE)), strict=False))


def collapse(passages: Sequence[Passage], threshold: float = THRESHOLD) -> tuple[Passage, ...]:
    """Of passages that say the same, the first; the order stays.

    Two passages are the same if their kinds are, their shingles have at least this Jaccard similarity, and they have the same numbers and the same
    `DECISIVE` words, equally often. Short ones, table rows and figures must be equal, and stand under the same. Only the passages given
    are looked at, so what the asker may not read can leave no trace.

    Parameters
    ----------
    passages : sequence of Passage
        Best first.
    threshold : float in [0.5, 1], default=0.8

    Returns
    -------
    tuple of Passage
        A passage that others were left out for names them in its `scores`; `copies_of` reads them.
    """
    if not 0.5 <= threshold <= 1:
        raise BadData(f"A duplicate threshold must be between 0.5 and 1, not {threshold}.", fix="use the default, 0.8")
    kept: list[Passage] = []
    copies: dict[int, list[Copy]] = defaultdict(list)
    alike: dict[tuple[str, ...], list[_Kept]] = defaultdict(list)
    for passage in passages:
        decisive, words = _sameness(passage)
        mine, group = _Kept(len(kept), words), alike[decisive]
        best = max(((_jaccard(mine.shingles, other.shingles), -other.at) for other in group), default=(0.0, 0))
        if best[0] >= threshold:
            copies[-best[1]].append(Copy(passage.document, passage.page, passage.chunk.ordinal, best[0]))
            continue
        group.append(mine)
        kept.append(passage)
    return tuple(_naming(passage, copies[at]) if at in copies else passage for at, passage in enumerate(kept))


def copies_of(passage: Passage) -> tuple[Copy, ...]:
    """The passages that `collapse` left out for this one, in the order they had."""
    found = []
    for key, similarity in passage.scores.items():
        if key.startswith(_COPY + ":"):
            _, page, ordinal, document = key.split(":", 3)
            found.append(Copy(document, int(page), int(ordinal), similarity))
    return tuple(found)


def signature(pages: Iterable[Page]) -> str:
    """What `duplicate_documents` compares, of a document's pages without headers and footers; to be kept as ``DocumentFacts.meta[META]``.

    About 750 characters: a hash of the words, and 128 MinHash values of 32 bits. '' for a document without words. Memory: 16 bytes a word.
    """
    import numpy as np

    digest = hashlib.sha256()
    least: NDArray = np.full(VALUES, np.iinfo(np.uint64).max, np.uint64)
    carried: list[int] = []
    total = 0
    for page in pages:
        words = _words(_body(page))
        total += len(words)
        for word in words:
            digest.update(word.encode("utf-8", "surrogatepass") + b"\0")
        hashed = carried + [_word_hash(word) for word in words]
        if len(hashed) >= SHINGLE:
            least = np.minimum(least, _least(_shingle_hashes(np.array(hashed, np.uint64))))
        carried = hashed[-(SHINGLE - 1) :]
    if not total:
        return ""
    if total < SHINGLE:
        least = _least(np.array([int.from_bytes(digest.digest()[:8], "little")], np.uint64))
    values = base64.b85encode((least >> np.uint64(32)).astype("<u4").tobytes()).decode()
    return f"1:{digest.hexdigest()}:{values}"


def duplicate_documents(store: Store, scope: Scope = EVERYTHING, threshold: float = THRESHOLD) -> tuple[Copies, ...]:
    """Groups of documents in scope that say the same, or nearly.

    Groups are closed: if a is near b and b is near c, all three are one group. Signatures come from `DocumentFacts.meta`; where one is missing, the
    document's pages are read.

    Parameters
    ----------
    store : Store
    scope : Scope
    threshold : float in [0.5, 1], default=0.8
        Least estimated similarity. Its standard error is 0.035 at 0.8.

    Returns
    -------
    tuple of Copies
        By the name of their first document. A document in no group has no copy.
    """
    import numpy as np

    if not 0.5 <= threshold <= 1:
        raise BadData(f"A duplicate threshold must be between 0.5 and 1, not {threshold}.", fix="use the default, 0.8")
    same: dict[str, list[str]] = defaultdict(list)
    values: dict[str, NDArray] = {}
    for facts in store.documents(scope):
        exact, found = _read(facts, store, scope)
        if exact:
            same[exact].append(facts.name)
            values[exact] = found
    keys = list(same)
    parent = list(range(len(keys)))
    weakest = [VALUES] * len(keys)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        mine = at
        for band, part in enumerate(values[key].reshape(BANDS, -1)):
            bucket = buckets[band, part.tobytes()]
            for other in bucket[:_MOST_ROOTS]:
                root = _root(parent, other)
                agree = int(np.count_nonzero(values[keys[other]] == values[key]))
                if root != _root(parent, mine) and agree >= threshold * VALUES:
                    first, second = sorted((root, _root(parent, mine)))
                    parent[second] = first
                    weakest[first] = min(weakest[first], weakest[second], agree)
            bucket.append(at)
    return tuple(_grouped(keys, same, parent, weakest))


def _grouped(keys: Sequence[str], same: dict[str, list[str]], parent: list[int], weakest: Sequence[int]) -> Iterator[Copies]:
    from bakeoff.measure.intervals import proportion

    members: dict[int, list[str]] = defaultdict(list)
    alone: dict[int, bool] = {}
    for at, key in enumerate(keys):
        root = _root(parent, at)
        members[root] += same[key]
        alone[root] = root not in alone
    for root, names in sorted(members.items(), key=lambda pair: min(pair[1])):
        if len(names) > 1:
            exact = alone[root]
            yield Copies(
                tuple(sorted(names)), exact, Interval(1.0, 1.0, 1.0, VALUES) if exact else proportion(weakest[root], VALUES)
            )


def _read(facts: DocumentFacts, store: Store, scope: Scope) -> tuple[str, NDArray]:
    """A document's hash ('' where it has no words) and its MinHash values."""
    import numpy as np

    kept = facts.meta.get(META)
    if kept is None:
        kept = signature(_pages(store, facts, scope))
    if not kept:
        return "", np.empty(0, np.uint32)
    try:
        version, exact, packed = kept.split(":", 2)
        values = np.frombuffer(base64.b85decode(packed), "<u4")
        if version != "1" or len(values) != VALUES:
            raise ValueError(version)
    except ValueError as error:
        raise BadData(f"{facts.name}: its signature cannot be read ({error}).", fix="index the document again") from error
    return exact, values


def _pages(store: Store, facts: DocumentFacts, scope: Scope) -> Iterator[Page]:
    for number in range(1, facts.pages + 1):
        try:
            yield store.page(facts.name, number, scope)
        except BadData:  # a page that could not be read, or is left out
            continue


def _body(page: Page) -> str:
    text, at, parts = page.text, 0, []
    for block in page.blocks:
        if block.kind in FURNITURE:
            parts.append(text[at : block.span.start])
            at = max(at, block.span.end)
    return "\n".join([*parts, text[at:]])


def _words(text: str) -> list[str]:
    return _TOKEN.findall(normalise(text))


def _sameness(passage: Passage) -> tuple[tuple[str, ...], list[str]]:
    """What must be equal in two passages that are the same, and the words whose shingles must be alike."""
    chunk = passage.chunk
    words = _words(chunk.text)
    if chunk.kind != "text" or len(words) < SHORTEST:
        return (chunk.kind, normalise(chunk.text), normalise(chunk.context)), []
    decisive = sorted(word for word in words if word in DECISIVE or not word[0].isalpha() or word.endswith(("n't", "n’t")))
    return ("text", *decisive), words


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """1 for two empty sets: all else about their texts was found equal."""
    both = len(one & other)
    return both / (len(one) + len(other) - both) if one or other else 1.0


def _naming(passage: Passage, copies: Sequence[Copy]) -> Passage:
    named = {f"{_COPY}:{copy.page}:{copy.ordinal}:{copy.document}": copy.similarity for copy in copies}
    return replace(passage, scores={**passage.scores, **named})


def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _shingle_hashes(words: NDArray) -> NDArray:
    import numpy as np

    windows = len(words) - SHINGLE + 1
    mixed = np.zeros(windows, np.uint64)
    for offset in range(SHINGLE):
        mixed = _mix(mixed + words[offset : offset + windows])
    return np.unique(mixed)


def _least(hashes: NDArray) -> NDArray:
    """The least of the hashes under each of `VALUES` further hashes."""
    import numpy as np

    seeds = _mix(np.arange(1, VALUES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.array([_mix(hashes ^ seed).min() for seed in seeds], np.uint64)


def _mix(values: NDArray) -> NDArray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input changes every bit of the output."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index
