"""Weights and data by name: fetched once, checked byte for byte, offline afterwards.

    fetch('minilm')                          the cached folder of an asset
    resolve('hub:org/name', kind='weights')  a setting: a catalogue name, a hub repository, or a path

The catalogue is ``catalogue.toml``; ``docs/decisions/0004-assets.md`` says why it works as it does.
"""

from __future__ import annotations

from bakeoff.assets.catalogue import Archive, Asset, File, Piece, catalogue
from bakeoff.assets.fetch import Status, check, fetch, file, pull, status
from bakeoff.assets.resolve import resolve
from bakeoff.assets.store import where

__all__ = [
    "Archive",
    "Asset",
    "File",
    "Piece",
    "Status",
    "catalogue",
    "check",
    "fetch",
    "file",
    "pull",
    "resolve",
    "status",
    "where",
]
