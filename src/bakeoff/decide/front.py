"""The Pareto front: approaches that no other one beats in something without losing in anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """True if `a` is at least as good as `b` everywhere and better somewhere; larger is better. Equal points do not dominate."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def front(points: Mapping[str, Sequence[float]]) -> frozenset[str]:
    """Names of the points that no other point dominates.

    Parameters
    ----------
    points : Mapping of name to sequence of float, all of one length
        Larger is better. Write -inf where something was not measured. Points that are equal stand or fall together.
    """
    return frozenset(
        name for name, point in points.items() if not any(dominates(other, point) for key, other in points.items() if key != name)
    )
