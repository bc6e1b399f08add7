"""Text that knows where it stands: cut, joined, and made into chunks without losing a character's place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bakeoff.tasks.documents.records import Page, Piece, Span
from bakeoff.tasks.documents.reply.sentences import word_pieces


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text and its pieces.

    Parameters
    ----------
    text : str
    pieces : tuple of Piece
        In order, not overlapping.
    path : tuple of str
        The headings it stands under, outermost first.
    opens : bool
        It begins a block: what was before it ended a paragraph.
    heading : bool
        It is a heading.
    before : str
        The character right before it on its page, '' at the page's start.
    """

    text: str
    pieces: tuple[Piece, ...]
    path: tuple[str, ...] = ()
    opens: bool = True
    heading: bool = False
    before: str = ""

    @property
    def tokens(self) -> int:
        """About how many word pieces it has."""
        return word_pieces(self.text)


def part_of(page: Page, span: Span, path: tuple[str, ...] = (), opens: bool = True, heading: bool = False) -> Part:
    """The characters of a span of a page, without the white space around them."""
    text = page.text[span.start : span.end]
    start = span.start + len(text) - len(text.lstrip())
    text = text.strip()
    before = page.text[start - 1] if start > 0 else ""
    return Part(text, (Piece(0, len(text), page.number, start),) if text else (), path, opens, heading, before)


def joined(parts: Sequence[Part], between: str = "") -> Part:
    """One part out of several: by `between`, or by what is between them on the page, or a space, or a line break before a block.

    Parts that follow each other on their page with one character in between stay one piece, that character included.
    """
    text = ""
    pieces: list[Piece] = []
    for part in parts:
        if not part.text:
            continue
        if text:
            last, first = pieces[-1] if pieces else None, part.pieces[0] if part.pieces else None
            adjoins = (
                last is not None
                and first is not None
                and part.before != ""
                and last.start + last.length == len(text)
                and first.start == 0
                and first.page == last.page
                and first.at == last.at + last.length + 1
            )
            join = between or (part.before if adjoins else "\n" if part.opens else " ")
            text += join
            if adjoins and join == part.before and last is not None and first is not None:
                pieces[-1] = Piece(last.start, last.length + 1 + first.length, last.page, last.at)
                pieces += _moved(part.pieces[1:], len(text))
                text += part.text
                continue
        pieces += _moved(part.pieces, len(text))
        text += part.text
    first_part = parts[0] if parts else Part("", ())
    return Part(text, tuple(pieces), first_part.path, first_part.opens, first_part.heading, first_part.before)


def cut(part: Part, tokens: int) -> Iterator[Part]:
    """A part in stretches of at most about `tokens` word pieces, at white space or a separator where there is one."""
    if word_pieces(part.text) <= tokens:
        yield part
        return
    start = 0
    while start < len(part.text):
        end = _longest(part.text, start, tokens)
        piece = sliced(part, start, end)
        if piece.text:
            yield piece
        start = end


def sliced(part: Part, start: int, end: int) -> Part:
    """Characters `start` to `end` of a part, without the white space around them."""
    while start < end and part.text[start].isspace():
        start += 1
    while start < end and part.text[end - 1].isspace():
        end -= 1
    pieces = []
    for each in part.pieces:
        low, high = max(start, each.start), min(end, each.start + each.length)
        if low < high:
            pieces.append(Piece(low - start, high - low, each.page, each.at + low - each.start))
    before = part.before if start == 0 else part.text[start - 1]
    return Part(part.text[start:end], tuple(pieces), part.path, part.opens and start == 0, part.heading, before)


def balanced(parts: Sequence[Part], tokens: int, overlap: int) -> Iterator[list[Part]]:
    """Parts in groups of at most about `tokens` and about equal size; a group begins with the end of the one before, up to `overlap`."""
    sizes = [part.tokens for part in parts]
    total = sum(sizes)
    if total <= tokens:
        if parts:
            yield list(parts)
        return
    # Each group after the first also carries the overlap.
    groups = -(-(total - overlap) // max(tokens - overlap, 1))
    target = min(tokens, -(-(total + (groups - 1) * overlap) // groups))
    group: list[int] = []
    fresh = 0
    size = 0
    for index, own in enumerate(sizes):
        if (fresh and size + own > tokens) or (fresh and size + own / 2 > target):
            yield [parts[each] for each in group]
            group, size = _tail(group, sizes, overlap, tokens - own)
            fresh = 0
        group.append(index)
        size += own
        fresh += 1
    if fresh:
        yield [parts[each] for each in group]


def _tail(group: Sequence[int], sizes: Sequence[int], overlap: int, room: int) -> tuple[list[int], int]:
    kept: list[int] = []
    size = 0
    for index in reversed(group):
        if size + sizes[index] > min(overlap, room):
            break
        kept.insert(0, index)
        size += sizes[index]
    return kept, size


def _longest(text: str, start: int, tokens: int) -> int:
    """Where a stretch of at most about `tokens` that begins at `start` ends."""
    # A word piece is rarely longer than 24 characters, so this window holds enough of them, and the search stays short.
    low, high = start + 1, min(len(text), start + 24 * tokens)
    while low < high:
        middle = (low + high + 1) // 2
        if word_pieces(text[start:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    if low == len(text):
        return low
    for end in range(low, max(start, low - (low - start) // 2), -1):
        if text[end].isspace() or text[end - 1].isspace():
            return end
    return low


def _moved(pieces: Iterable[Piece], by: int) -> list[Piece]:
    return [Piece(each.start + by, each.length, each.page, each.at) for each in pieces]
