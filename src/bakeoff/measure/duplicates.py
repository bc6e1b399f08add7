"""Which texts say the same twice? Exact and near duplicates, so that no test item is learned by heart.

*Exact*: equal after Unicode NFKC, case folding and joining white space. *Near*: equal once punctuation is dropped as well,
or a Jaccard similarity of character 5-gram sets at or above a threshold (Broder 1997). Short texts have few 5-grams, so
one changed letter takes them below any sensible threshold: "not good" and "very good" never match, and "great phone."
and "great phone!" match because only punctuation differs.

The search is exact, not sampled: two sets with Jaccard similarity t must share one of their rarest
``size - ceil(t * size) + 1`` members, so only those are compared (prefix filtering, Bayardo et al. 2007). There is no
randomness and no seed. Two stated exceptions bound the work: texts of more than 8,192 different 5-grams are compared on a
fixed sixteenth of them (standard error of the similarity below 0.02), and where more than 2,000 texts share a
rarest 5-gram, only those next to each other in size order are compared.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

SHINGLE = 5
THRESHOLD = 0.8
LONG, SAMPLED_ONE_IN = 8192, 16
FULL_LIST = 2000
PAIRS_AT_ONCE = 20_000


def normalise(text: str) -> str:
    """The text under Unicode NFKC, case folding, and runs of white space joined: exact duplicates become equal."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact_groups(texts: Sequence[str]) -> list[list[int]]:
    """Indices of texts that are equal after `normalise`: groups of two or more, in order of first index."""
    return _groups_of_equal(normalise(text) for text in texts)


def duplicate_groups(texts: Sequence[str], threshold: float = THRESHOLD) -> list[list[int]]:
    """Groups of exact and near duplicates, to be kept on one side of a split.

    Groups are closed: if a is near b and b is near c, all three are one group, even where a and c are less similar.

    Parameters
    ----------
    texts : sequence of str
    threshold : float in [0.5, 1], default=0.8
        Least Jaccard similarity of character 5-grams. Below 0.5 the search would no longer be cheap.

    Returns
    -------
    list of list of int
        Groups of two or more indices, each ascending, in order of first index. A text in no group has no duplicate.

    Raises
    ------
    BakeoffError
        If `threshold` is out of its range.
    """
    members, pairs, _ = _near(texts, threshold)
    parent = list(range(len(members)))
    for first, second in pairs.tolist():
        _join(parent, first, second)
    grouped: dict[int, list[int]] = defaultdict(list)
    for representative, same in enumerate(members):
        grouped[_root(parent, representative)] += same
    return sorted(sorted(group) for group in grouped.values() if len(group) > 1)


def duplicates_across(texts: Sequence[str], others: Sequence[str], threshold: float = THRESHOLD) -> dict[int, tuple[int, float]]:
    """For each index of `texts` that has an exact or near duplicate in `others`: the nearest one, and how near.

    Direct similarity only, never through a third text. Similarity 1.0 means equal but for case, space and punctuation.

    Raises
    ------
    BakeoffError
        If `threshold` is not in [0.5, 1].
    """
    members, pairs, similarity = _near([*texts, *others], threshold)
    n, best = len(texts), dict[int, tuple[int, float]]()
    loops = [(group, group, 1.0) for group in members]
    links = [(members[a], members[b], s) for (a, b), s in zip(pairs.tolist(), similarity.tolist(), strict=True)]
    for left, right, near in [*loops, *links, *((b, a, s) for a, b, s in links)]:
        other = next((index for index in right if index >= n), None)
        if other is None:
            continue
        for index in left:
            if index < n and near > best.get(index, (0, 0.0))[1]:
                best[index] = (other - n, near)
    return dict(sorted(best.items()))


def _near(texts: Sequence[str], threshold: float) -> tuple[list[list[int]], NDArray[np.int64], NDArray[np.float64]]:
    """Members of each representative (equal but for punctuation), near pairs of representatives, and their similarity."""
    if not 0.5 <= threshold <= 1:
        raise BakeoffError(f"A duplicate threshold must be between 0.5 and 1, not {threshold}.", fix="use the default, 0.8")
    bare = [_bare(text) for text in texts]
    members_of: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(bare):
        members_of[text].append(index)
    shingles = [_shingles(text) for text in members_of]
    sizes = np.array([len(found) for found in shingles], dtype=np.int64)
    # Similar sets have sizes within the threshold of each other, so the two ranges overlap by just that much.
    short = np.flatnonzero(sizes <= LONG / threshold)
    long = np.flatnonzero(sizes > LONG)
    parts = [_similar_pairs([shingles[i] for i in short], threshold, short)]
    if len(long):
        parts.append(_similar_pairs([shingles[i][shingles[i] % SAMPLED_ONE_IN == 0] for i in long], threshold, long))
    return list(members_of.values()), np.concatenate([p for p, _ in parts]), np.concatenate([s for _, s in parts])


def _bare(text: str) -> str:
    plain = normalise(text)
    kept = (
        " ".join("".join(" " if unicodedata.category(c)[0] == "P" else c for c in plain).split())
        if not plain.isalnum()
        else plain
    )
    return kept or plain


def _shingles(text: str) -> NDArray[np.uint64]:
    """Sorted distinct hashes of the text's character 5-grams; a text of fewer characters is one shingle, an empty one none."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if not len(codes):
        return codes
    windows = max(1, len(codes) - SHINGLE + 1)
    mixed = np.zeros(windows, dtype=np.uint64)
    for offset in range(min(SHINGLE, len(codes))):
        mixed = mixed * np.uint64(0x100000001B3) + codes[offset : offset + windows] + np.uint64(1)
    # The finaliser of SplitMix64: without it the low bits, which choose the sample, would follow the last character.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.unique(mixed ^ (mixed >> np.uint64(31)))


def _similar_pairs(
    sets: list[NDArray[np.uint64]], threshold: float, names: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (by `names`) of sets whose Jaccard similarity is at least `threshold`, and the similarity. Empty sets have none."""
    sizes = np.array([len(found) for found in sets], dtype=np.int64)
    nothing = np.empty((0, 2), dtype=np.int64), np.empty(0)
    if len(sets) < 2 or not sizes.any():
        return nothing
    from scipy.sparse import csr_array, triu

    owner = np.repeat(np.arange(len(sets)), sizes)
    _, token, frequency = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    full = csr_array((np.ones(len(token), dtype=np.int32), (owner, token)), shape=(len(sets), len(frequency)))

    order = np.lexsort((token, frequency[token], owner))
    rank = np.arange(len(token)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shared = order[(frequency[token[order]] > 1) & (rank < (sizes - _ceil(threshold * sizes) + 1)[owner])]
    if not len(shared):
        return nothing
    block = _blocks(token[shared], sizes[owner[shared]])
    prefix = csr_array((np.ones(len(shared), dtype=np.int32), (owner[shared], block)), shape=(len(sets), int(block.max()) + 1))

    found, similar = [nothing[0]], [nothing[1]]
    step = max(1, min(len(sets), 2_000))
    for start in range(0, len(sets), step):
        met = triu(prefix[start : start + step] @ prefix.T, k=start + 1).tocoo()
        first, second = met.coords[0] + start, met.coords[1]
        fits = np.minimum(sizes[first], sizes[second]) >= threshold * np.maximum(sizes[first], sizes[second]) - 1e-9
        first, second = first[fits], second[fits]
        for at in range(0, len(first), PAIRS_AT_ONCE):
            a, b = first[at : at + PAIRS_AT_ONCE], second[at : at + PAIRS_AT_ONCE]
            both = full[a].multiply(full[b]).sum(axis=1)
            jaccard = both / (sizes[a] + sizes[b] - both)
            near = jaccard >= threshold - 1e-9
            found.append(np.stack([names[a[near]], names[b[near]]], axis=1))
            similar.append(jaccard[near])
    return np.concatenate(found), np.concatenate(similar)


def _ceil(values: NDArray[Any]) -> NDArray[np.int64]:
    """Ceiling that forgives rounding, so that 0.8 * 5 is 4 and not 5."""
    return np.ceil(values - 1e-9).astype(np.int64)


def _blocks(token: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tokens numbered from 0, a token of more than 2,000 texts cut into as many as needed, neighbours in size together."""
    order = np.lexsort((size, token))
    _, start, count = np.unique(token[order], return_index=True, return_counts=True)
    place = np.arange(len(token)) - np.repeat(start, count)
    blocks = _ceil(count / FULL_LIST)
    numbered = np.empty(len(token), dtype=np.int64)
    numbered[order] = np.repeat(np.cumsum(blocks) - blocks, count) + place // FULL_LIST
    return numbered


def _groups_of_equal(keys: Iterable[Hashable]) -> list[list[int]]:
    grouped: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        grouped[key].append(index)
    return [group for group in grouped.values() if len(group) > 1]


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _join(parent: list[int], first: int, second: int) -> None:
    a, b = _root(parent, first), _root(parent, second)
    parent[max(a, b)] = min(a, b)
