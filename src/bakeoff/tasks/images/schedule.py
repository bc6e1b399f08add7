"""How the learning rate goes over a training: a factor of its peak, for every step."""

from __future__ import annotations

import math

from bakeoff.errors import BadStudy, nearest

SCHEDULES = ("one-cycle", "cosine", "constant")

RISE = 0.2
"""Share of the steps over which one-cycle climbs to its peak."""
WARM_UP = 0.05
"""Share of the steps over which cosine climbs to its peak."""
FLOOR = 0.01
"""Where one-cycle begins and both end, as a share of the peak: a last step of size 0 would be a step for nothing."""


def factor(name: str, step: int, steps: int) -> float:
    """The learning rate of one step as a share of its peak.

    ``one-cycle`` climbs in a straight line for the first fifth and falls in a straight line to the end (Smith and Topin 2017,
    arXiv 1708.07120; in two straight lines as David Page's ResNet-9 does). ``cosine`` climbs for a twentieth and falls along half a cosine
    (Loshchilov and Hutter 2017, arXiv 1608.03983). ``constant`` stays at 1.

    Parameters
    ----------
    name : str
        One of `SCHEDULES`.
    step : int
        Counted from 0.
    steps : int
        Of the whole training, at least 1.

    Returns
    -------
    float in (0, 1]

    Raises
    ------
    BadStudy
        For another name.
    """
    if name not in SCHEDULES:
        raise BadStudy(f"No schedule is called {name!r}.", fix=nearest(name, SCHEDULES))
    if name == "constant":
        return 1.0
    peak = max(1.0, (RISE if name == "one-cycle" else WARM_UP) * steps)
    if step < peak:
        return FLOOR + (1 - FLOOR) * step / peak if name == "one-cycle" else (step + 1) / (math.floor(peak) + 1)
    left = max(0.0, (steps - step) / max(1.0, steps - peak))
    return FLOOR + (1 - FLOOR) * (left if name == "one-cycle" else 0.5 * (1 - math.cos(math.pi * left)))
