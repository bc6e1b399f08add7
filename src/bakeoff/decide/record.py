"""The verdict document: one record from which the table, the report, the memo and `--json` are all made.

`bakeoff run --json` prints it and `verdict.json` keeps it; ``docs/reference/verdict.schema.json`` is
generated from these classes. Fields are only ever added: programs may rely on what is here.
Every figure a person is shown stands in this document.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bakeoff.decide.change_record import ChangeLedger
from bakeoff.decide.parts import Part as _Part
from bakeoff.decide.parts import Range as Range

SCHEMA_VERSION = 1


class Verdict(_Part):
    """The answer. `sentence` is two sentences: which one, and whether the difference is real."""

    sentence: str
    choice: str | None
    kind: Literal["clear", "good_enough", "undecided", "none_within_limits", "nothing_ran"]
    sure: float | None = Field(
        default=None, description="Share of sampled weights and measurements in which the choice wins, 0 to 1."
    )
    would_change: list[str] = Field(default_factory=list, description="What would change the answer, one sentence each.")


class Percentiles(_Part):
    """Single-stream service time in seconds. A percentile without enough samples is null, never a guess."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    n: int = 0
    low: dict[str, float] = Field(default_factory=dict, description="Lower ends of the percentiles' 95% intervals, by name.")
    high: dict[str, float] = Field(default_factory=dict, description="Upper ends, by name.")
    samples: list[float] = Field(default_factory=list, description="At most 400 of the measured times, in order of size.")


class Context(_Part):
    """Where a figure was measured."""

    threads: int
    load_average: float | None
    device: str
    versions: dict[str, str] = Field(default_factory=dict)


class ApproachResult(_Part):
    """Everything measured about one approach."""

    name: str
    use: str
    summary: str = ""
    status: Literal["done", "failed", "not_run"] = "done"
    failure: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings as run, defaults included.")
    chosen: dict[str, Any] = Field(default_factory=dict, description="What was chosen on validation, and what the search cost.")
    seeds: list[int] = Field(default_factory=list)
    metrics: dict[str, Range] = Field(default_factory=dict)
    per_seed: dict[str, list[float]] = Field(
        default_factory=dict, description="Each metric at each seed, in the order of `seeds`."
    )
    calibration: dict[str, Any] = Field(default_factory=dict, description="Reliability bins and the perfect-model floor of ECE.")
    items: int = 0
    answered: int = 0
    errors: int = 0
    abstained: int = 0
    abstentions_scored: bool = Field(
        default=False, description="The primary metric scores abstentions too: declining can be right."
    )
    error_kinds: dict[str, int] = Field(default_factory=dict)
    latency_seconds: Percentiles = Percentiles()
    throughput_per_second: Range | None = None
    cold_start_seconds: float | None = None
    peak_bytes: int | None = None
    model_bytes: int | None = None
    remote: bool = Field(default=False, description="Answers are bought from a server elsewhere.")
    fit_peak_bytes: int | None = None
    fit_seconds: float | None = None
    tokens_in: float | None = Field(default=None, description="Mean per item.")
    tokens_out: float | None = None
    usd_per_1000: Range | None = None
    usd_per_day: Range | None = None
    replicas: int | None = None
    paid_usd: float = Field(default=0.0, description="Money paid to endpoints during this run.")
    flops_per_item: float | None = Field(
        default=None, description="Floating-point operations of one answer, mean over test items."
    )
    flops_per_token: float | None = None
    flops_basis: str = Field(default="", description="How the operations were counted.")
    flops_leaves_out: list[str] = Field(default_factory=list)
    limits: dict[str, float] = Field(default_factory=dict, description="Limit -> probability that it is met, 0 to 1.")
    within_limits: bool = True
    on_front: bool = Field(
        default=False, description="No other approach is at least as good in everything and better in something."
    )
    win_share: float | None = None
    context: Context | None = None


class McNemar(_Part):
    """Exact McNemar test on one shared seed: items only a got right, only b got right, two-sided p."""

    only_a: int
    only_b: int
    p: float


class Pair(_Part):
    """a - b on the same items, in the primary metric's unit."""

    a: str
    b: str
    metric: str
    difference: Range
    p: float = Field(description="Two-sided, Holm-adjusted over all pairs of the study.")
    p_raw: float
    mcnemar: McNemar | None = None
    verdict: Literal["superior", "inferior", "non-inferior", "equivalent", "undecided"]
    n_to_settle: int | None = Field(
        default=None, description="Further test items that would settle an undecided pair with 80% power."
    )
    needs_seeds: bool = Field(
        default=False, description="No number of items would settle it: the spread between seeds is too large."
    )
    a_good_enough: bool = Field(default=False, description="a is not worse than b by the margin or more (Holm-adjusted).")
    b_good_enough: bool = Field(default=False, description="b is not worse than a by the margin or more (Holm-adjusted).")
    a_beats_b: float | None = Field(default=None, description="Share of seeds (ties half) at which a is ahead.")
    says: str = ""


class LoadStep(_Part):
    """Requests sent to a server by one schedule, and what became of them.

    Times of failed requests count as longer than any other: a percentile that falls on one is null.
    """

    scenario: Literal["single_stream", "server", "offline"]
    arrivals: Literal["poisson", "constant", "closed"]
    seed: int = 0
    rate_per_second: float | None = Field(default=None, description="Rate asked for; null where the next waits for the last.")
    achieved_per_second: float | None = Field(default=None, description="Rate at which requests were really sent.")
    completed_per_second: float | None = None
    seconds: float
    requests: int
    completed: int
    errors: int
    error_kinds: dict[str, int] = Field(default_factory=dict)
    total_seconds: Percentiles = Field(default=Percentiles(), description="From the intended start to the end of the answer.")
    first_token_seconds: Percentiles = Field(default=Percentiles(), description="From the intended start to the first token.")
    service_seconds: Percentiles = Field(
        default=Percentiles(), description="From the moment of sending to the end of the answer."
    )
    seconds_per_output_token: Percentiles = Field(
        default=Percentiles(), description="(total - first token) / (tokens - 1), per request."
    )
    between_tokens_seconds: Percentiles = Percentiles()
    over_time: list[tuple[float, float | None]] = Field(
        default_factory=list,
        description="At most 400 requests in the order of their intended start: that moment in seconds since the step began, and "
        "total seconds from it, null where it failed. Of more requests, the slowest of each of 400 runs of consecutive ones.",
    )
    dispatch_delay_p99_seconds: float | None = Field(default=None, description="How late the client itself was.")
    tokens_in: int | None = None
    tokens_out: int | None = None
    valid: bool = True
    invalid_because: list[str] = Field(default_factory=list)
    outcome: Literal["kept", "broken", "undecided", "not_judged"] = Field(
        default="not_judged", description="Whether the limit held, with 95% confidence."
    )


class ServingResult(_Part):
    """One approach behind an HTTP endpoint on the machine of the run."""

    approach: str
    status: Literal["done", "failed", "not_run"] = "done"
    failure: str | None = None
    protocol: str = ""
    limit: str = Field(default="", description="On the total time from the intended start, e.g. 'p95 latency <= 500 ms'.")
    start_seconds: float | None = Field(default=None, description="From starting the process to its first healthy answer.")
    first_request_seconds: float | None = Field(default=None, description="The first request of all, apart from the others.")
    single: LoadStep | None = None
    offline: LoadStep | None = None
    steps: list[LoadStep] = Field(default_factory=list, description="The rates tried, in the order in which they were tried.")
    highest_rate: Range | None = Field(
        default=None, description="Highest rate that kept the limit; `high` is the lowest that broke it, `n` its requests."
    )
    peak_bytes: int | None = Field(default=None, description="Peak memory of the server's process under load.")
    joules_per_item: Range | None = None
    energy_says: str = ""
    context: Context | None = None


class KindResult(_Part):
    """One kind of hard input, for one approach. Intervals are exact (Clopper-Pearson); over bases where inputs share them."""

    kind: str
    n: int
    judged: int = Field(description="Inputs of this kind that have a right answer.")
    right: int
    unanswered: int = Field(default=0, description="Abstentions and errors among `n`.")
    accuracy: Range | None = None
    pairs: int = Field(
        default=0, description="Inputs made from another one whose answer must stay the same, where both were answered."
    )
    flips: int = 0
    flip_rate: Range | None = None


class Flip(_Part):
    """A changed input that got another answer than the one it came from, although it should not."""

    approach: str
    id: str
    kind: str
    base: str = Field(description="The input it came from.")
    shown: str
    expected: str | None = None
    before: str
    after: str


class EdgeSet(_Part):
    """Hard inputs: a written set, or changed copies of test items."""

    name: str
    source: Literal["written", "generated"]
    items: int
    judged: int
    kinds: dict[str, str] = Field(default_factory=dict, description="Kind -> what it is, in a few words.")
    results: dict[str, list[KindResult]] = Field(default_factory=dict, description="Approach -> its result for every kind.")
    overall: dict[str, KindResult] = Field(default_factory=dict, description="Approach -> all kinds together.")
    flips: list[Flip] = Field(default_factory=list)
    flips_of: int = Field(default=0, description="How many flips there are; `flips` holds at most 60 of them.")
    wrong_by_all: list[str] = Field(default_factory=list, description="Inputs that every approach got wrong.")
    notes: list[str] = Field(default_factory=list)


class Agreement(_Part):
    """The same inputs, asked again and again. An item agrees when all its repeats are the same (Atil et al. 2024, TAR@N)."""

    items: int
    repeats: int
    concurrency: int = 1
    raw: Range | None = Field(default=None, description="Share of items whose replies are the same to the last character.")
    parsed: Range | None = Field(default=None, description="Share of items whose answers are the same.")
    errors: int = 0


class Formats(_Part):
    """The same items in other prompt formats (Sclar et al. 2024)."""

    items: int
    metric: dict[str, Range] = Field(default_factory=dict, description="Format -> accuracy on these items; the one in use first.")
    lowest: float | None = None
    median: float | None = None
    highest: float | None = None
    agreement: Range | None = Field(default=None, description="Share of items that every format answers the same.")


class ConsistencyResult(_Part):
    """How far an approach agrees with itself."""

    approach: str
    alone: Agreement | None = None
    concurrent: Agreement | None = None
    formats: Formats | None = None
    kept_under_changes: Range | None = Field(
        default=None, description="Share of changed test items (typos, case, spacing ...) whose answer stays the same."
    )
    says: str = ""


class BreakEven(_Part):
    """A daily volume at which two approaches cost the same. `volume_per_day` is null when there is none."""

    a: str
    b: str
    volume_per_day: Range | None
    says: str


class HostedReference(_Part):
    """What the same work would cost at a hosted model's list price. Its quality was not measured here."""

    model: str
    as_of: str
    source: str
    tokens_in: float
    tokens_out: float
    tokens_from: str = Field(description="Where the token counts come from.")
    usd_per_million_in: float | None = None
    usd_per_million_out: float | None = None
    usd_per_1000: float
    usd_per_day: float
    break_evens: list[BreakEven] = Field(default_factory=list)


class MatrixCell(_Part):
    """One criterion for one approach: the measured level in the criterion's unit, and what it is worth from 0 to 1."""

    level: float | None = None
    value: float | None = None


class MatrixRow(_Part):
    """One criterion of the decision matrix."""

    criterion: str
    title: str
    unit: str
    weight: float
    worst: float | None = None
    best: float | None = None
    cells: dict[str, MatrixCell] = Field(default_factory=dict)


class Matrix(_Part):
    """The decision matrix: criteria by approaches, with weights that sum to 1 and the weighted sum of each approach."""

    rows: list[MatrixRow] = Field(default_factory=list)
    totals: dict[str, float] = Field(default_factory=dict)
    says: str = ""


class Check(_Part):
    """One check. `could_not_run` is never shown as passed."""

    code: str
    title: str
    outcome: Literal["passed", "problem", "tip", "not_applicable", "could_not_run"]
    says: str


class CurvePoint(_Part):
    """The primary metric after training on `n_train` items."""

    n_train: int
    metric: Range
    fit_seconds: float | None = None


class Curve(_Part):
    """A learning curve."""

    approach: str
    points: list[CurvePoint]


class Mistake(_Part):
    """One item on which approaches disagree or all fail."""

    id: str
    shown: str
    target: str
    answers: dict[str, str] = Field(description="Approach -> what it said ('(error)', '(abstained)' where it did not).")
    wrong: list[str]


class Mistakes(_Part):
    """Which items each approach got wrong, on the first shared seed."""

    by_all: int = 0
    by_none: int = 0
    only: dict[str, int] = Field(default_factory=dict, description="Items that only this approach got wrong.")
    only_right: dict[str, int] = Field(default_factory=dict, description="Items that only this approach got right.")
    examples: list[Mistake] = Field(default_factory=list)
    shown_of: int = Field(default=0, description="How many disagreements there are; `examples` holds at most 60 of them.")


class DataSummary(_Part):
    """What the study was run on."""

    name: str
    licence: str
    items: int
    train: int
    valid: int
    test: int
    test_groups: int | None = Field(
        default=None, description="Groups that the test items come in; null where each stands for itself."
    )
    notes: list[str] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)
    hashes: dict[str, str] = Field(default_factory=dict)


class Sensitivity(_Part):
    """How the choice depends on the weights (SMAA)."""

    weights: dict[str, float] = Field(default_factory=dict, description="Central weights by criterion, summing to 1.")
    win_shares: dict[str, float] = Field(default_factory=dict)
    next_best: str | None = None
    changes: list[str] = Field(
        default_factory=list, description="Nearest weights at which the winner changes, one sentence each."
    )


class Reproduce(_Part):
    """What it takes to run this again."""

    command: str
    bakeoff: str
    python: str
    platform: str
    device: str
    threads: int
    load_average: float | None
    seeds: list[int]
    versions: dict[str, str]
    study_yaml: str
    started: str
    wall_seconds: float


class StudySummary(_Part):
    """The question."""

    name: str
    question: str
    task: str
    metric: str
    metric_title: str
    higher_is_better: bool
    percent: bool
    margin: float
    limits: list[str]
    volume_per_day: float
    horizon_days: float
    prices: dict[str, Any] = Field(description="The price table used, with its date and sources.")
    anchors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict, description="Weights as the study states them.")
    hosted: list[str] = Field(default_factory=list, description="Hosted models whose list price is set beside the approaches.")


class Document(_Part):
    """The verdict document."""

    schema_version: int = SCHEMA_VERSION
    run: str
    report: str
    memo: str
    study: StudySummary
    data: DataSummary
    verdict: Verdict
    approaches: list[ApproachResult]
    pairs: list[Pair]
    checks: list[Check]
    curves: list[Curve] = Field(default_factory=list)
    curves_say: list[str] = Field(default_factory=list)
    break_evens: list[BreakEven] = Field(default_factory=list)
    serving: list[ServingResult] = Field(default_factory=list)
    edge_sets: list[EdgeSet] = Field(default_factory=list)
    consistency: list[ConsistencyResult] = Field(default_factory=list)
    hosted: list[HostedReference] = Field(default_factory=list)
    matrix: Matrix = Matrix()
    sensitivity: Sensitivity = Sensitivity()
    change_ledger: ChangeLedger | None = Field(
        default=None, description="What each change to one approach was worth; null where the study tries none."
    )
    changed: list[ApproachResult] = Field(
        default_factory=list, description="What was measured of the changes that are no candidates; not among `approaches`."
    )
    differs: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Setting -> approach -> value, where they differ."
    )
    mistakes: Mistakes = Mistakes()
    views: dict[str, Any] = Field(default_factory=dict, description="The task's own views, e.g. `confusion`.")
    not_tested: list[str] = Field(default_factory=list)
    reproduce: Reproduce
