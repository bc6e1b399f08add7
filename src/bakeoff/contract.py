"""The nouns. Every paradigm obeys one contract: it learns from items, then it answers items.

Nothing here computes, reads or writes. What an item and an answer are for each kind of task
(texts, pictures, PDF questions, wireframes, episodes, multiple choice, rows) is written down in
``docs/decisions/0002-contract.md``; a change here is a change there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

Json: TypeAlias = Any
"""A value that ``json.dumps`` takes: None, bool, int, float, str, and lists and dicts of them."""

Progress: TypeAlias = Callable[[float, str], None]
"""``progress(fraction, note)``: how much of this stage is done, in [0, 1], and what is happening."""


def quiet(fraction: float, note: str = "") -> None:
    """A Progress that says nothing."""


class Interval(NamedTuple):
    """A 95% interval in the metric's own unit, with the number of independent things behind it.

    ``low <= mid <= high``; `n` counts items, or clusters where items share a source.
    """

    mid: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mid:.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n})"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to answer.

    Parameters
    ----------
    id : str
        Unique in the study. Everything is aligned by id, never by order.
    input : Json
        What an approach may look at. Small and serialisable: a text, a row, a question, an episode
        seed. Big bytes (a picture, a PDF) are named by a path relative to the data, not held.
    target : Json, default=None
        What is right. Withheld (None) whenever an approach answers.
    group : str or None, default=None
        Items of one group (author, document, template) are never split apart and are resampled together.
    meta : Mapping, default={}
        Facts for checks and views (raters, source row). Withheld whenever an approach answers.
    """

    id: str
    input: Json
    target: Json = None
    group: str | None = None
    meta: Mapping[str, Json] = field(default_factory=dict)

    def asked(self) -> Item:
        """The item as an approach sees it when it must answer: no target, no meta."""
        return replace(self, target=None, meta={})


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer stands in a document: page counted from 1, boxes as (x0, y0, x1, y1) in points from the top left."""

    document: str
    page: int
    quote: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an approach said about one item, and what it cost to say it.

    An answer ends as exactly one of three: a value, an abstention, or an error. An error is an
    outcome of its own: never dropped, never scored as a wrong answer, always counted and shown.

    Parameters
    ----------
    value : Json, default=None
        The answer itself: a label, statements, a return.
    probabilities : Mapping of label to float in [0, 1], or None
        Sums to 1 where given. None where the approach has none (never made up).
    seconds : float or None
        Service time of this answer alone. None where it was answered in a batch.
    first_token_seconds : float or None
        Time to first token, where the approach streams.
    tokens_in, tokens_out : int or None
        Tokens read and written, as the model or the endpoint's `usage` counts them.
    usd : float or None
        Money paid for this answer to somebody else (an endpoint). Hardware is priced by the bench.
    citations : tuple of Citation
        Where the answer's statements stand, for tasks whose answers are cited.
    abstained : bool
        The approach declined to answer.
    error : str or None
        Why there is no answer.
    details : Mapping
        Further facts for views (raw text, retries, episode length, hidden return).
    """

    value: Json = None
    probabilities: Mapping[str, float] | None = None
    seconds: float | None = None
    first_token_seconds: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    usd: float | None = None
    citations: tuple[Citation, ...] = ()
    abstained: bool = False
    error: str | None = None
    details: Mapping[str, Json] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """True when there is a value to score: neither an abstention nor an error."""
        return self.error is None and not self.abstained


@runtime_checkable
class Approach(Protocol):
    """Anything that can learn from items and then answer new ones. Inheriting is never required.

    The constructor only stores its settings, as keyword arguments of the same names. What is learned
    ends in ``_``. Optional abilities are the small protocols below.
    """

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Approach:
        """Learn from `train`, choose on `valid`, return self. The same seed gives the same result."""
        ...

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Yield one Answer per item, in order, as soon as it is ready. Never raises for one bad item."""
        ...


@runtime_checkable
class Saves(Protocol):
    """Can be kept: safetensors, ONNX or JSON only. A loaded approach answers as the saved one did."""

    def save(self, folder: Path) -> None:
        """Write everything `answer` needs into an empty `folder`."""
        ...

    def restore(self, folder: Path) -> Approach:
        """Read what `save` wrote, into an approach made with the same settings; return self."""
        ...


@runtime_checkable
class Streams(Protocol):
    """Can give its answer piece by piece."""

    def stream(self, item: Item) -> Iterator[str | Answer]:
        """Yield the pieces of the answer's text as they come, and last the whole Answer. Never raises for a bad item.

        The Answer is the one that ``answer([item])`` would give; its ``details['raw']`` is the text that the pieces make.
        """
        ...


@runtime_checkable
class Generates(Protocol):
    """Rests on a language model that can also be asked directly, whatever the approach makes of it."""

    def language_model(self) -> tuple[str, Any]:
        """The model's name and the loaded `bakeoff.models.llm.LocalLM`. Not for use by two threads at once."""
        ...


@runtime_checkable
class Varies(Protocol):
    """Can be asked in other ways that should make no difference: other prompt formats, other orders of options."""

    def variants(self, most: int) -> Mapping[str, Approach]:
        """At most `most` fitted approaches by a short name, the one in use first; nothing is chosen or trained for them."""
        ...


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of answering (a multiply-add is two).

    Parameters
    ----------
    per_item : float
        Mean over the items counted.
    per_token : float or None
        Where an approach reads tokens: operations per token that is really run through the model.
    basis : str
        How it was found, in a few words: counted by an instrument, or by which formula.
    leaves_out : tuple of str
        What is not in the figure.
    """

    per_item: float
    per_token: float | None = None
    basis: str = ""
    leaves_out: tuple[str, ...] = ()


@runtime_checkable
class CountsFlops(Protocol):
    """Knows how much arithmetic its answers take."""

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations of answering these items one at a time, once fitted."""
        ...


@runtime_checkable
class UsesAssets(Protocol):
    """Needs weights or data from the catalogue."""

    def assets(self) -> Sequence[str]:
        """Names of the assets that these settings need, so that they can be fetched ahead of time."""
        ...


@dataclass(frozen=True)
class Requires:
    """Optional packages that an approach class needs (its class attribute ``requires``).

    `modules` are top-level module names, looked for without importing; `extra` installs them.
    """

    modules: tuple[str, ...] = ()
    extra: str = ""


@runtime_checkable
class ReadsMaterial(Protocol):
    """Answers from something that lies beside the items: a corpus of documents, the pictures that the items name."""

    def read_from(self, material: Path) -> None:
        """Remember where `Dataset.material` lies. Called once: before `fit`, and again where a saved approach is restored.

        A restored approach may be asked without it (behind an endpoint): what it needs of it to answer inputs that are whole in
        themselves is in what it saved.
        """
        ...


@runtime_checkable
class KeepsCheckpoints(Protocol):
    """Trains long enough that an interruption should not begin it anew."""

    def checkpoint_in(self, folder: Path) -> None:
        """Remember a folder, empty or as an interrupted `fit` of the same items, settings and seed left it. Called before `fit`.

        `fit` goes on from what it finds there. Where it can, it ends with the same weights as if it had never been interrupted; an
        approach that cannot (an environment does not go on in the middle of an episode) says so. The bench removes the folder
        once the trial is kept.
        """
        ...


@runtime_checkable
class Explains(Protocol):
    """Can show why it answered as it did."""

    def explain(self, items: Sequence[Item], answers: Sequence[Answer]) -> Mapping[str, Json]:
        """Facts for the report about these test items, asked once, after they were answered; targets are there.

        Pictures are ``data:`` addresses of a few kilobytes. Keys are fixed by the task's docs. Nothing is learned from it.
        """
        ...


@dataclass(frozen=True)
class Dataset:
    """Items, and what was learned about the file while reading them.

    `notes` are sentences for people: what was guessed, what was dropped and why. `facts` are figures
    for the report (rater ceiling, class counts). `suggested_test` names the items of a published test
    split, where the source has one. `material` is the folder of what the items are asked about, where they are not
    whole in themselves (a corpus, prepared by `Task.load` and not changed afterwards); '' where there is none.
    """

    items: tuple[Item, ...]
    name: str
    licence: str = "unstated"
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    suggested_test: frozenset[str] = frozenset()
    suggested_valid: frozenset[str] = frozenset()
    material: str = ""


@dataclass(frozen=True)
class Splits:
    """Ids of the items of each split. `test` is the same for every seed; train and valid vary with it."""

    test: tuple[str, ...]
    train: Mapping[int, tuple[str, ...]]
    valid: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True)
class Metric:
    """One measure of quality.

    Exactly one of two kinds. A *mean* metric gives each item a score (`per_item`), and the metric is
    their mean over answered items: intervals and paired tests follow from the scores. A *whole* metric
    (macro F1) is a function of all items and answers (`whole`) and is bootstrapped over items.

    `per_item` returns None where an answer cannot be scored by this metric (no probabilities). With `abstentions` an
    abstention is scored too: declining can be right. Without it, it must be None.
    """

    name: str
    title: str
    higher_is_better: bool
    per_item: Callable[[Item, Answer], float | None] | None = None
    whole: Callable[[Sequence[Item], Sequence[Answer]], float] | None = None
    low: float = 0.0
    high: float = 1.0
    percent: bool = False
    abstentions: bool = False


@dataclass(frozen=True)
class ProbeSet:
    """Inputs that are no part of the test, made to show where approaches break.

    Each item's `target` is its right answer, or None where there is none. Its `meta` holds ``kind`` (a key of `kinds`),
    and, where it was made from another input, ``base`` (the id of that item in this set) and ``keeps``: whether the answer
    to the base must stay the same. Base items have ``kind`` too ('base').
    """

    name: str
    source: Literal["written", "generated"]
    items: tuple[Item, ...]
    kinds: Mapping[str, str]
    notes: tuple[str, ...] = ()


@runtime_checkable
class Probes(Protocol):
    """An ability of a task: it can make hard inputs."""

    def probes(
        self,
        test: Sequence[Item],
        *,
        sets: Sequence[str],
        generated: int,
        kinds: Sequence[str],
        base: Path,
        material: Path | None = None,
    ) -> Sequence[ProbeSet]:
        """Sets by name or path (relative to `base`), then one set of `generated` changed test items per kind.

        `kinds` are those to generate; empty for all. `material` is `Dataset.material`, where there is one. Deterministic: the same test items give the same probes.

        Raises
        ------
        BadStudy
            For a set or kind that does not exist, or a set whose labels are not the study's.
        """
        ...


Outcome: TypeAlias = Literal["passed", "problem", "tip", "not_applicable", "could_not_run"]


@dataclass(frozen=True)
class Finding:
    """What one check said. "Could not run" is an outcome of its own and is never shown as passed."""

    code: str
    title: str
    outcome: Outcome
    says: str
    details: Mapping[str, Json] = field(default_factory=dict)


class Task(Protocol):
    """What is particular to one kind of question. Owns no timing, no statistics and no files."""

    name: str

    def load(self, data: Mapping[str, Json], *, base: Path, progress: Progress) -> Dataset:
        """Read the items that the study's `data` section names; paths are relative to `base`.

        Raises BadData with the fix for anything that cannot be read.
        """
        ...

    def split(self, dataset: Dataset, data: Mapping[str, Json], *, seeds: Sequence[int]) -> Splits:
        """Choose the test items once, and train and valid for each seed. Same seeds, same split."""
        ...

    def metrics(self, dataset: Dataset) -> Mapping[str, Metric]:
        """The metrics that count, the primary one first."""
        ...

    def check(self, dataset: Dataset, splits: Splits) -> Sequence[Finding]:
        """Checks on the data before anything is trained."""
        ...

    def views(self, items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> Mapping[str, Json]:
        """Task-specific facts for the report, e.g. confusion matrices. Keys are fixed by the task's docs."""
        ...

    def show(self, item: Item) -> str:
        """The item as one line of plain text, for lists of mistakes."""
        ...


@runtime_checkable
class ShowsAnswers(Protocol):
    """An ability of a task whose answers and targets are no plain values: it says them in one line for lists of mistakes."""

    def show_answer(self, answer: Answer) -> str:
        """What was answered, as plain text; asked only where there is a value."""
        ...

    def show_target(self, item: Item) -> str:
        """What is right, as plain text."""
        ...


@runtime_checkable
class ShowsPictures(Protocol):
    """An ability of a task whose items can be looked at."""

    def pictures(self, items: Sequence[Item], material: Path) -> Mapping[str, str]:
        """A small picture of each item, by id, as a ``data:`` address of at most 4,000 characters. Missing where there is none."""
        ...


@runtime_checkable
class DoubtsLabels(Protocol):
    """An ability of a task: it can name items whose label is probably wrong."""

    def label_doubts(self, items: Sequence[Item], material: Path) -> Mapping[str, Json]:
        """``of`` (how many were looked at) and ``candidates``, the surest first; empty where nothing can be said."""
        ...


@runtime_checkable
class ViewsSeeds(Protocol):
    """An ability of a task whose answers mean something only over all seeds together: an agent is one draw of its training."""

    def seed_views(
        self,
        dataset: Dataset,
        items: Sequence[Item],
        answers: Mapping[str, Mapping[int, Sequence[Answer]]],
        training: Mapping[str, Mapping[int, Sequence[Mapping[str, Json]]]],
    ) -> Mapping[str, Json]:
        """Facts for the report: `answers` by approach and seed, in the order of `items`; `training` is each trial's `curve_`."""
        ...


@runtime_checkable
class TimesOthers(Protocol):
    """An ability of a task whose items are many requests each: latency is measured on single requests instead."""

    def timed(self, items: Sequence[Item]) -> Sequence[Item]:
        """Items that stand for single requests, which every approach of the task can answer. Deterministic."""
        ...


@dataclass(frozen=True)
class Trial:
    """One approach, one seed, one share of the training items: one process, one folder.

    `fraction` is the share of training items used, in (0, 1]; below 1 it is a point of the learning curve.
    """

    approach: str
    seed: int
    fraction: float = 1.0

    @property
    def folder(self) -> str:
        """Path inside the run's ``trials`` folder."""
        return f"{self.approach}/{self.seed}" + ("" if self.fraction == 1.0 else f"-{self.fraction:.4g}")
