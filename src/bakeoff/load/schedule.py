"""When does each request leave? Decided before the first one does, and not changed by anything the server does.

A client that waits for the last answer before it sends the next one asks a slow server less often, and so measures its
stalls once instead of once for each request that would have come meanwhile ("coordinated omission", Tene 2013, "How not
to measure latency"). Here times are absolute: request i is due at start + offset[i], and its time counts from then.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

MOST_REQUESTS = 10_000_000


def arrivals(
    kind: Literal["poisson", "constant"],
    rate: float,
    seconds: float | None,
    seed: int,
    *,
    requests: int | None = None,
    worker: int = 0,
    workers: int = 1,
) -> NDArray[np.float64]:
    """Offsets from the start, in seconds, at which this worker's requests are due, in order.

    The schedule depends on `kind`, `rate` and `seed` only: `seconds` and `requests` cut it off, and worker k of N takes its
    requests k, k + N, k + 2N, ... So N workers together send exactly the requests that one would have sent.

    Parameters
    ----------
    kind : {'poisson', 'constant'}
        'poisson': independent exponential gaps of mean ``1 / rate``, the first one included, so that counts in intervals
        are Poisson distributed. 'constant': request i at ``i / rate``.
    rate : float
        Requests per second of all workers together, above 0.
    seconds : float or None
        Only offsets below this.
    seed : int
        For 'poisson'.
    requests : int or None, default=None
        At most this many, of all workers together.
    worker, workers : int, default=0, 1

    Returns
    -------
    array of shape (n,)

    Raises
    ------
    BakeoffError
        If a parameter is out of range, there is neither `seconds` nor `requests`, or there would be more than 10 million.
    """
    if kind not in ("poisson", "constant"):
        raise BakeoffError(f"No open-loop arrival process is called {kind!r}.", fix="use poisson or constant")
    if not (np.isfinite(rate) and rate > 0):
        raise BakeoffError(f"The rate must be above 0 requests per second, not {rate}.", fix="give a positive rate")
    if seconds is None and requests is None:
        raise BakeoffError("A schedule needs an end.", fix="give `seconds`, `requests` or both")
    if (seconds is not None and not (np.isfinite(seconds) and seconds > 0)) or (requests is not None and requests < 1):
        raise BakeoffError(
            f"A schedule of {seconds} seconds and {requests} requests is empty.", fix="give a length and a number above 0"
        )
    if workers < 1 or not 0 <= worker < workers:
        raise BakeoffError(f"There is no worker {worker} of {workers}.", fix="count workers from 0")
    about = min(rate * seconds if seconds is not None else np.inf, requests if requests is not None else np.inf)
    if about > MOST_REQUESTS:
        raise BakeoffError(
            f"The schedule would hold about {about:,.0f} requests; at most {MOST_REQUESTS:,} are possible.",
            fix="shorten the step or lower the rate",
        )
    whole = _constant(rate, seconds, requests) if kind == "constant" else _poisson(rate, seconds, requests, seed)
    return whole[worker::workers]


def _constant(rate: float, seconds: float | None, requests: int | None) -> NDArray[np.float64]:
    count = requests if requests is not None else int(np.ceil(rate * (seconds or 0.0))) + 1
    offsets = np.arange(count, dtype=np.float64) / rate
    # The margin keeps 3 x (1 / 10) from being a request at the very end, or not, by rounding.
    return offsets if seconds is None else offsets[offsets < seconds * (1 - 1e-12)]


def _poisson(rate: float, seconds: float | None, requests: int | None, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    # Drawn in pieces of one size, so that a longer schedule begins as a shorter one does.
    piece, pieces, drawn, last = 1024, [], 0, 0.0
    while (requests is None or drawn < requests) and (seconds is None or last < seconds):
        offsets = last + np.cumsum(rng.exponential(1.0, piece)) / rate
        pieces.append(offsets)
        drawn, last = drawn + piece, float(offsets[-1])
    whole = np.concatenate(pieces)[:requests]
    return whole if seconds is None else whole[whole < seconds]


def representative_seed(
    kind: Literal["poisson", "constant"], rate: float, requests: int, first: int, within: float = 0.02
) -> int:
    """The first seed from `first` on whose schedule of `requests` really has the rate asked for, to within a share of `within`.

    A hundred Poisson arrivals at 25 a second take 4 seconds give or take 0.4: a lucky seed asks a tenth less than it says, and a
    search for the highest rate would believe it. Only the total length is chosen; bursts within it stay as they fall.
    """
    seed = first
    while kind == "poisson":
        last = float(_poisson(rate, None, requests, seed)[-1])
        if abs(requests / last / rate - 1) <= within:
            break
        seed += 1
    return seed
