"""How a document is cut into chunks: three numbers. All documents of one corpus should be cut alike."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.errors import BadData


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """Sizes in word pieces, as `sentences.word_pieces` estimates them; 210 are about 160 English words.

    Parameters
    ----------
    tokens : int, 32 to 4096, default=210
        A chunk of running text is at most this long. With its context it stays under the 256 that MiniLM reads.
    overlap : int, at least 0 and at most half of `tokens`, default=40
        Whole sentences of up to this length are repeated at the start of the next chunk of the same run of text.
    least : int, at least 0 and at most `tokens`, default=60
        A heading begins a new chunk only when the one before it holds this much; very small sections stay together.

    Raises
    ------
    BadData
        If one is out of its range.
    """

    tokens: int = 210
    overlap: int = 40
    least: int = 60

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("tokens", self.tokens, 32, 4096),
            ("overlap", self.overlap, 0, self.tokens // 2),
            ("least", self.least, 0, self.tokens),
        ):
            if not low <= value <= high:
                raise BadData(f"`{name}` of the chunk settings is {value}; it must be {low} to {high}.", fix=f"correct `{name}`")
