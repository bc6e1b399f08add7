"""How a document is cut into chunks: three numbers, the same for all documents of a corpus and kept with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bakeoff.errors import BadData, nearest

if TYPE_CHECKING:
    from bakeoff.tasks.documents.store import Store

KEY = "chunks"
"""The setting of a store that holds them, as JSON. A corpus without it was cut with the defaults."""


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """Sizes in word pieces, as `sentences.word_pieces` estimates them; 210 are about 160 English words.

    Parameters
    ----------
    tokens : int, 32 to 4096, default=210
        A chunk of running text is at most this long. With its context it stays under the 256 that MiniLM reads; what is longer is found
        by all its words, and by the meaning of its beginning only.
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
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise BadData(
                    f"`{name}` of the chunk settings is {value!r}; it must be a whole number, {low} to {high}.",
                    fix=f"correct `{name}`",
                )

    @classmethod
    def of(cls, given: Mapping[str, int], base: ChunkSettings | None = None) -> ChunkSettings:
        """The settings with some of them given, and the others as in `base`; without a base the defaults, made smaller where they must be.

        Raises
        ------
        BadData
            For a name that is none, and values out of range.
        """
        names = ("tokens", "overlap", "least")
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise BadData(f"Chunks have no setting {unknown!r}.", fix=nearest(unknown, names))
        if base is not None:
            return cls(**{**asdict(base), **given})
        tokens = given.get("tokens", cls().tokens)
        fitting = cls(tokens, min(cls().overlap, tokens // 2), min(cls().least, tokens))
        return cls(**{**asdict(fitting), **given})

    def as_text(self) -> str:
        """As a store keeps them."""
        return json.dumps(asdict(self), sort_keys=True)


def settings_of(store: Store) -> ChunkSettings:
    """How the documents of a corpus are cut. Raises BadData where what is kept cannot be read."""
    kept = store.settings().get(KEY)
    if kept is None:
        return ChunkSettings()
    try:
        return ChunkSettings.of(json.loads(kept))
    except (ValueError, TypeError, BadData) as error:
        raise BadData(f"The chunk settings of the corpus cannot be read: {kept[:80]}.", fix="index the folder anew") from error


def agree(store: Store, given: Mapping[str, int], *, fix: str = "leave them out, or index into a new corpus") -> ChunkSettings:
    """The settings of a corpus, kept from its beginning: `given` decides where it holds no document yet, and must agree where it does.

    Parameters
    ----------
    store : Store
    given : mapping of name to int
        Any of `ChunkSettings`' parameters; those left out are the corpus' own.
    fix : str
        What to do about other settings.

    Raises
    ------
    BadData
        If the corpus holds documents that were cut otherwise. All documents of a corpus are cut alike: their scores are compared.
    """
    own = settings_of(store)
    if not given:
        return own
    if store.documents():
        wanted = ChunkSettings.of(given, own)
        if wanted != own:
            differ = ", ".join(
                f"{name} {getattr(own, name)}, not {value}" for name, value in given.items() if getattr(own, name) != value
            )
            raise BadData(f"The documents of this corpus were cut into chunks with {differ}.", fix=fix)
        return own
    wanted = ChunkSettings.of(given)
    store.set_settings({KEY: wanted.as_text()})
    return wanted
