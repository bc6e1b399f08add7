"""Checks on what is measured beside the test: load tests, edge cases, small changes, and the same question again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bakeoff.contract import Finding, Interval
from bakeoff.errors import BadData
from bakeoff.measure.checks import ERROR_SHARE_THAT_MATTERS, coded, finding, listed
from bakeoff.measure.intervals import proportion

FLIPS_THAT_MATTER = 0.10
SAME_THAT_IS_ENOUGH = 0.99


@coded("BK014")
def load_valid(approach: str, steps: int, invalid: Sequence[str]) -> Finding:
    """BK014: were the load steps limited by the server alone? `invalid` holds one reason per step that was not.

    An invalid step counts for nothing: with some of them it is a tip, with none left a problem.
    """
    if not steps:
        return finding("BK014", "not_applicable", f"{approach} was not put under load.")
    if len(invalid) > steps:
        raise BadData(f"{len(invalid)} of {steps} steps cannot be invalid.", fix="count the steps again")
    if not invalid:
        return finding("BK014", "passed", f"All {steps} load steps of {approach} are valid.", steps=steps)
    says = f"{len(invalid)} of {steps} load steps of {approach} are not valid and count for nothing: {listed(list(dict.fromkeys(invalid)))}."
    return finding("BK014", "problem" if len(invalid) == steps else "tip", says, steps=steps, invalid=list(invalid)[:50])


@coded("BK015")
def load_errors(approach: str, requests: int, kinds: Mapping[str, int], limit: str = "") -> Finding:
    """BK015: did more than 1% of the requests within the rates that kept the limit fail? Fewer, but some, is a tip.

    Parameters
    ----------
    requests : int
        Sent at rates that kept the limit, and one at a time.
    kinds : mapping of str to int
        Failed ones by kind.
    """
    if not requests:
        return finding("BK015", "not_applicable", f"{approach} was sent no request at a rate that it kept up with.")
    failed = sum(kinds.values())
    if not 0 <= failed <= requests:
        raise BadData(f"{failed} of {requests} requests cannot have failed.", fix="count the requests again")
    if not failed:
        return finding("BK015", "passed", f"None of {requests:,} requests to {approach} failed.", errors=0, requests=requests)
    within = f" at rates that kept `{limit}`" if limit else ""
    shown = listed([f"{kind} ({count})" for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))])
    says = f"{failed:,} of {requests:,} requests to {approach}{within} failed ({failed / requests:.1%}): {shown}."
    return finding(
        "BK015", "problem" if failed > ERROR_SHARE_THAT_MATTERS * requests else "tip", says, errors=failed, requests=requests
    )


@coded("BK016")
def edge_cases(approach: str, right: int, judged: int, level: float, than: str) -> Finding:
    """BK016: on the written edge cases, is the approach better than what needs no text?

    Parameters
    ----------
    right, judged : int
        Right answers, and inputs that have one.
    level : float in [0, 1]
        Accuracy on the same inputs of `than`: the floor approach, or guessing.
    """
    if not judged:
        return finding("BK016", "not_applicable", f"{approach} was asked no edge case with a right answer.")
    share = proportion(right, judged, method="clopper-pearson")
    if not 0 <= level <= 1:
        raise BadData(f"An accuracy of {level} cannot be.", fix="give a share from 0 to 1")
    says = f"{approach} gets {right} of {judged} edge cases right ({share.mid:.1%}, {share.low:.1%} to {share.high:.1%}); {than} gets {level:.1%}"
    facts = {"right": right, "judged": judged, "level": level}
    if share.low > level:
        return finding("BK016", "passed", says + ".", **facts)
    if share.high < level:
        return finding("BK016", "problem", says + ": it is misled by them.", **facts)
    return finding("BK016", "tip", says + ": not shown to be better.", **facts)


@coded("BK017")
def flips(approach: str, share: Interval | None) -> Finding:
    """BK017: do at most 10% of the changes that should make no difference turn the answer? Judged by the interval.

    A problem where more than 10% is shown, a tip where it may be.
    """
    if share is None:
        return finding("BK017", "not_applicable", f"{approach} was asked no changed inputs.")
    says = f"{share.mid:.1%} ({share.low:.1%} to {share.high:.1%}) of the changes that should make no difference turn the answer of {approach}"
    facts = {"share": share.mid, "low": share.low, "high": share.high}
    if share.low > FLIPS_THAT_MATTER:
        return finding("BK017", "problem", says + ".", **facts)
    if share.high > FLIPS_THAT_MATTER:
        return finding("BK017", "tip", f"{says}: more than {FLIPS_THAT_MATTER:.0%} is not ruled out.", **facts)
    return finding("BK017", "passed", says + ".", **facts)


@coded("BK018")
def asked_again(approach: str, alone: Interval | None, concurrent: Interval | None) -> Finding:
    """BK018: does the same input get the same answer every time? The shares are of items whose repeats all agree.

    Under 99% of items is a problem; any disagreement is a tip.
    """
    asked = {"one at a time": alone, "with others at the same time": concurrent}
    found = {how: share for how, share in asked.items() if share is not None}
    if not found:
        return finding("BK018", "not_applicable", f"{approach} was not asked the same thing again.")
    least = min(share.mid for share in found.values())
    shown = " and ".join(f"{share.mid:.1%} of {share.n} items {how}" for how, share in found.items())
    says = f"{approach} gives the same answer every time to {shown}"
    if least == 1.0:
        return finding("BK018", "passed", says + ".", least=least)
    return finding("BK018", "problem" if least < SAME_THAT_IS_ENOUGH else "tip", says + ".", least=least)
