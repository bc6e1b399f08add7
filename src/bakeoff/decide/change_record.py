"""The part of the verdict document that says what each change to one approach was worth."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bakeoff.decide.parts import Part, Range


class ChangedSetting(Part):
    """One setting, in the base and after the change."""

    setting: str
    before: Any = None
    after: Any = None


class Spread(Part):
    """How much the paired differences vary: mean squares over `units` items (or groups) and `seeds`; see `measure.crossed`."""

    item: float
    seed: float
    interaction: float
    units: int
    seeds: int
    item_df: float | None = None


class Foretold(Part):
    """What the study could be expected to see, worked out before anything was trained."""

    detectable: float | None = Field(
        default=None, description="A true difference of this size is found with 80% probability; null where none that can be is."
    )
    half_found: float | None = Field(default=None, description="Probability that one of half that size is found.")
    more_seeds: int | None = Field(default=None, description="So many seeds instead ...")
    detectable_then: float | None = Field(default=None, description="... would find this.")
    items: int
    groups: int | None = None
    seeds: int
    changes: int = Field(description="Changes in the family that Holm's correction is made for.")
    discordance: float | None = Field(default=None, description="Assumed share of items that exactly one of two gets right.")
    basis: Literal["typical", "earlier run", "unknown"] = "typical"
    earlier: str | None = Field(default=None, description="The run whose changes said how much differences vary.")
    says: str = ""


class ChangeEntry(Part):
    """One change: what was changed, what its author expected, what it was worth and what it cost."""

    name: str
    approach: str
    settings: list[ChangedSetting]
    expect: str = ""
    status: Literal["done", "failed", "not_run"] = "done"
    failure: str | None = None
    effect: Range | None = Field(
        default=None, description="The change minus the base by the primary metric, paired by item and by seed."
    )
    p: float | None = Field(default=None, description="Two-sided, Holm-adjusted over the changes of the study.")
    p_raw: float | None = None
    verdict: Literal["better", "worse", "inside the noise", "not measured"] = "not measured"
    within_margin: bool = Field(
        default=False, description="Shown to be smaller than the margin either way: more than `inside the noise` says."
    )
    detectable: float | None = Field(
        default=None, description="With the spread that was seen, a true difference of this size is found with 80% probability."
    )
    beats_base: float | None = Field(default=None, description="Share of shared seeds, ties half, at which the change is ahead.")
    seeds: list[int] = Field(default_factory=list, description="Seeds at which both were answered.")
    per_seed: list[float] = Field(default_factory=list, description="The difference at each of `seeds`.")
    spread: Spread | None = None
    fit_ratio: Range | None = Field(
        default=None,
        description="Training time, change over base: the middle one of the shared seeds, the lowest and the highest of them.",
    )
    p50_ratio: Range | None = Field(default=None, description="Median time of one item, change over base, with a 95% interval.")
    size_ratio: float | None = Field(default=None, description="Bytes of the saved model, change over base.")
    says: str = ""


class ChangeLedger(Part):
    """All changes to one approach."""

    base: str
    compete: bool = Field(description="Whether the changes are candidates for the choice.")
    foretold: Foretold | None = None
    entries: list[ChangeEntry] = Field(default_factory=list)
