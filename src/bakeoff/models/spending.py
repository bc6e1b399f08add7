"""What tokens cost, and a purse that is asked before money is spent.

Money is counted in whole billionths of a USD ("nano"), so that adding a million small costs loses nothing.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError, CostCeiling
from bakeoff.models.answer_cache import AnswerCache


@dataclass(frozen=True)
class Prices:
    """USD per million tokens read (`usd_in`) and written (`usd_out`), each at least 0."""

    usd_in: float
    usd_out: float

    def __post_init__(self) -> None:
        for name, value in (("usd_per_million_in", self.usd_in), ("usd_per_million_out", self.usd_out)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
                raise BakeoffError(
                    f"{name} is {value!r}; a price is a number of USD per million tokens, at least 0.", fix=f"correct `{name}`"
                )

    def nano(self, tokens_in: int, tokens_out: int) -> int:
        """Cost in billionths of a USD, rounded up."""
        return math.ceil(round((tokens_in * self.usd_in + tokens_out * self.usd_out) * 1000, 6))

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """Cost in USD."""
        return (tokens_in * self.usd_in + tokens_out * self.usd_out) / 1e6


def prompt_tokens_at_most(body: Mapping[str, Json]) -> int:
    """An upper bound on the tokens that a chat request's prompt becomes.

    A byte-level or byte-fallback tokenizer never makes more tokens than there are UTF-8 bytes. Chat templates add
    their own: 16 for each message and 128 for the whole are allowed for them.
    """
    counted = {name: body[name] for name in ("messages", "response_format", "tools") if name in body}
    size = len(json.dumps(counted, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return size + 16 * len(body.get("messages", ())) + 128


class Purse:
    """Sets the worst case of every request aside before it is sent, and refuses it where a ceiling could be passed.

    Parameters
    ----------
    cache : AnswerCache
        Keeps the account on disk, shared with other processes that use the same `account`.
    account : str
        Whose money: everything spent under one name counts together.
    ceiling_usd : float or None
        What must never be passed; None sets no ceiling.
    """

    def __init__(self, cache: AnswerCache, account: str, ceiling_usd: float | None) -> None:
        if ceiling_usd is not None and not 0 <= ceiling_usd < 1e9:
            raise BakeoffError(f"ceiling_usd is {ceiling_usd!r}; it must be at least 0 USD.", fix="leave it out for no ceiling")
        self._cache, self._account = cache, account
        self._ceiling = None if ceiling_usd is None else math.floor(round(ceiling_usd * 1e9, 3))
        self._changed = threading.Condition()
        self._in_flight = 0

    def reserve(self, key: str, nano: int, stop: threading.Event) -> int | None:
        """Set `nano` aside; return the payment to settle, or None when `stop` was set.

        While requests of this process are in flight, waits for them: their worst cases are mostly given back.

        Raises
        ------
        CostCeiling
            When the ceiling could be passed even so.
        """
        with self._changed:
            while not stop.is_set():
                payment = self._cache.reserve(self._account, key, nano, self._ceiling)
                if payment is not None:
                    self._in_flight += 1
                    return payment
                if not self._in_flight:
                    ceiling = (self._ceiling or 0) / 1e9
                    spent = self._cache.spent_usd(self._account)
                    raise CostCeiling(
                        f"{spent:.6f} USD of {ceiling:g} are spent, and the next request could cost {nano / 1e9:.6f}",
                        fix="raise `ceiling_usd`",
                    )
                self._changed.wait(0.1)
        return None

    def settle(self, payment: int, nano: int, *, state: str) -> None:
        """Replace the reservation by what was spent. `state`: ``paid``, ``unpaid`` (nothing) or ``unknown`` (the worst case)."""
        try:
            self._cache.settle(payment, nano, state=state)
        finally:
            self.landed()

    def landed(self) -> None:
        """A request's payment was settled (by `AnswerCache.put` or `settle`): others may look again."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()
