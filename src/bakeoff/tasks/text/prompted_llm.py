"""A local language model that is asked for the label. Nothing is trained: the prompt is chosen on validation.

Each label's text is scored by its log-probability after the prompt, which gives probabilities for any number of
labels and cannot fail to parse. ``mode: text`` lets the model write instead, and abstains where no label can be read.

It can be asked piece by piece (`stream`), gives out its model (`language_model`) and asks the same in other formats
(`variants`); see ``docs/explanation/consistency.md``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from bakeoff.contract import Answer, Flops, Item, Progress, Requires
from bakeoff.errors import BadData, BakeoffError, RunError
from bakeoff.tasks.text import score_calibration as calibration
from bakeoff.tasks.text.label_reading import read_label
from bakeoff.tasks.text.prompt_variants import other_formats
from bakeoff.tasks.text.prompts import Format, Prompter, choose_examples, instruction_for, layout_named, nouns_for

if TYPE_CHECKING:
    import numpy as np

    from bakeoff.models.llm import LocalLM

DEFAULT_LAYOUTS = ("completion", "bare", "options", "chat")
FEWEST_TO_FIT = 8
"""With fewer validation items than this, biases come from texts that mean nothing instead of from labels."""

MEANINGLESS = ("N/A", "", "[MASK]")
NOTHING, NO_LABELS = "nothing", "texts that mean nothing"
"""What `calibrated_on_` says where no labelled item was used."""

LONGEST_RAW = 2_000


@dataclass
class PromptedLLM:
    """A prompted local language model: labels scored by log-probability, zero- or few-shot.

    Parameters
    ----------
    model : str
        A catalogue name, `hub:org/name`, or the path of a GGUF file.
    shots : int or 'choose'
        Examples in the prompt; 'choose' tries 0 and 4 on validation.
    mode : {'score', 'text'}
        Score every label's text, or let the model write and read the label from it.
    formats : 'choose' or sequence of str
        Layouts to choose from (`bakeoff.tasks.text.prompts.LAYOUTS`); one name alone is taken without a search.
    instruction : str
        The question; '' asks which label fits.
    text_noun, answer_noun : str
        What the prompt calls the text and the answer; '' is 'Review' and 'Sentiment' for labels of a
        sentiment, else 'Text' and 'Category'.
    wording : mapping of label to str, or sequence of them
        Text that stands for each label; several are chosen from. Empty: the labels themselves.
    calibrate : bool
        Fit a scale and a bias per label on the validation scores.
    length_normalised : bool
        Score by mean instead of summed log-probability: for labels of very different lengths.
    search_items : int
        Validation items on which the last two formats are compared; the first round uses a third of them.
    item_tokens : int
        Tokens read of each text.
    context : int
        Tokens that prompt and answer may have together.
    max_tokens : int
        Most tokens written in mode 'text'.
    """

    model: str = "smollm2-135m-instruct"
    shots: int | str = 0
    mode: str = "score"
    formats: str | Sequence[str] = "choose"
    instruction: str = ""
    text_noun: str = ""
    answer_noun: str = ""
    wording: Mapping[str, str] | Sequence[Mapping[str, str]] = field(default_factory=dict)
    calibrate: bool = True
    length_normalised: bool = False
    search_items: int = 60
    item_tokens: int = 256
    context: int = 2048
    max_tokens: int = 12

    asset_kind: ClassVar[str] = "gguf"
    requires: ClassVar[Requires] = Requires(("cyllama",), extra="llm")

    def assets(self) -> Sequence[str]:
        """The language model."""
        return [self.model]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> PromptedLLM:
        """Choose format and examples, and fit the calibration, on at most `search_items` validation items.

        The first round scores every format on a third of the items; the better half, at least two, go on to all of
        them. The lowest cross-fitted log loss stays (mode 'text': the most right answers).
        """
        import numpy as np

        self._check()
        self.labels_ = sorted({str(item.target) for item in train})
        if len(self.labels_) < 2:
            raise BadData(
                "prompted-llm needs at least two classes in the training items.", fix="give more items, or items of another class"
            )
        lm, started = self._open(), time.perf_counter()
        run_before = lm.tokens_decoded
        candidates = self._candidates()
        pool = choose_examples(train, self.labels_, max(c.shots for c in candidates), seed=seed)
        prompters = [Prompter(lm, c, pool, item_tokens=self.item_tokens) for c in candidates]
        usable = [item for item in valid if item.target in self.labels_]
        order = np.random.default_rng(seed).permutation(len(usable))
        chosen = _in_turn([usable[i] for i in order], self.labels_)[: self.search_items]
        targets = np.array([self.labels_.index(item.target) for item in chosen], dtype=int)
        rows: list[list[list[float]]] = [[] for _ in candidates]
        losses = [float("inf")] * len(candidates)
        alive = list(range(len(candidates)))
        rounds = [len(chosen)] if len(alive) == 1 else [max(len(chosen) // 3, min(len(chosen), 12)), len(chosen)]
        work = rounds[0] * len(alive) + (rounds[-1] - rounds[0]) * max(2, len(alive) // 2) or 1
        done = 0
        for number, upto in enumerate(rounds):
            if number:
                alive = sorted(alive, key=lambda i: losses[i])[: max(2, len(alive) // 2)]
            for index in alive:
                for item in chosen[len(rows[index]) : upto]:
                    rows[index].append(self._row(lm, prompters[index], item))
                    done += 1
                    progress(min(done / work, 1.0), candidates[index].title)
                losses[index] = self._loss(rows[index], targets[:upto])
        best = min(alive, key=lambda i: losses[i])
        self.format_, self.examples_ = candidates[best], list(prompters[best].examples)
        self._prompter, self.calibration_ = prompters[best], calibration.untouched(len(self.labels_))
        self.calibrated_on_ = NOTHING
        if self.mode == "score" and self.calibrate:
            if len(chosen) >= FEWEST_TO_FIT and len(set(targets.tolist())) > 1:
                self.calibration_, self.calibrated_on_ = (
                    calibration.fit(np.array(rows[best]), targets),
                    f"{len(chosen)} validation items",
                )
            else:
                self.calibration_, self.calibrated_on_ = self._contextual(lm, self._prompter), NO_LABELS
        self.chosen_: dict[str, Any] = {
            "format": self.format_.title,
            "prompt": lm.detokenize(self._prompter.ask("...").tokens),
            "examples": len(self.examples_),
            "calibrated_on": self.calibrated_on_,
            "scale": self.calibration_.scale,
            "bias": dict(zip(self.labels_, self.calibration_.bias, strict=True)),
            "tried": [
                {"format": c.title, "items": len(r), "error_rate" if self.mode == "text" else "log_loss": loss if r else None}
                for c, r, loss in zip(candidates, rows, losses, strict=True)
            ],
            "search_seconds": time.perf_counter() - started,
            "search_tokens": lm.tokens_decoded - run_before,
        }
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """One answer per item as soon as it is ready; an item that cannot be asked ends as an error."""
        lm, prompter = self._ready()
        for item in items:
            started = time.perf_counter()
            try:
                if self.mode == "score":
                    yield self._scored(lm, prompter, str(item.input), started)
                else:
                    yield self._write(lm, prompter, str(item.input), started)
            except BakeoffError as error:
                yield Answer(error=error.what, seconds=time.perf_counter() - started)

    def stream(self, item: Item) -> Iterator[str | Answer]:
        """Mode 'text': the pieces of the text as the model writes them, then the Answer that ``answer([item])`` gives.

        Mode 'score' writes no text: nothing comes but the Answer, which has no ``details['raw']`` either.
        The Answer's seconds leave out the time for which the reader kept this generator waiting. Closing it stops the model.
        """
        lm, prompter = self._ready()
        if self.mode == "score":
            yield from self.answer([item])
            return
        started = time.perf_counter()
        try:
            yield from self._writing(lm, prompter, str(item.input), started)
        except BakeoffError as error:
            yield Answer(error=error.what, seconds=time.perf_counter() - started)

    def language_model(self) -> tuple[str, LocalLM]:
        """The model's name and the loaded model, which answers share: not for use by two threads at once."""
        return self.model, self._open()

    def variants(self, most: int) -> Mapping[str, PromptedLLM]:
        """At most `most` approaches that ask the same in other formats, by a short name; the one in use, as it is, first.

        They share the loaded model. Nothing is searched and no label is looked at: where `calibrate` is on, each other
        format gets its bias from texts that mean nothing (contextual calibration), all of them alike. If the one in use was
        calibrated on labels, a second entry asks in its own format with that label-free bias, so that the formats can be
        compared without the advantage of labels. A format that does not fit in the context is left out.

        Raises
        ------
        BakeoffError
            If `most` is below 1.
        """
        if most < 1:
            raise BakeoffError(f"most is {most}; it must be at least 1.", fix="ask for at least one format")
        lm, used = self._ready()
        found: dict[str, PromptedLLM] = {f"{self.format_.layout} (in use)": self}
        prompts = set() if self.calibrated_on_ not in (NOTHING, NO_LABELS) else {used.shape()}
        for name, format, examples in other_formats(self.format_, self.examples_):
            if len(found) >= most:
                break
            try:
                prompter = Prompter(lm, format, examples, item_tokens=self.item_tokens)
            except BakeoffError:
                continue
            if prompter.shape() in prompts or len(prompter.examples) != len(used.examples):
                continue
            prompts.add(prompter.shape())
            found[name] = self._in_format(lm, prompter)
        return found

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations per answer, over the tokens really run; see `bakeoff.tasks.text.flops.of_language_model`."""
        from bakeoff.models.llm import weights_file
        from bakeoff.tasks.text.flops import of_language_model

        lm, prompter = self._ready()

        def ask(lm: LocalLM, text: str) -> object:
            return self._scores(lm, prompter, text) if self.mode == "score" else self._write(lm, prompter, text, 0.0)

        texts = [str(item.input) for item in items]
        return of_language_model(lm, weights_file(self.model), ask, texts, writes=self.mode == "text")

    def save(self, folder: Path) -> None:
        """Write ``prompt.json``: format, examples, labels and calibration. The model is named by its setting, not copied."""
        kept = {
            "model": self.model,
            "labels": self.labels_,
            "format": self.format_.as_json(),
            "examples": self.examples_,
            "scale": self.calibration_.scale,
            "bias": self.calibration_.bias,
            "chosen": self.chosen_,
        }
        (folder / "prompt.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")

    def restore(self, folder: Path) -> PromptedLLM:
        """Read what `save` wrote. RunError if the prompt was chosen for another model, or is not as `save` writes it."""
        self._check()
        file = folder / "prompt.json"
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            model, self.labels_, self.chosen_ = kept["model"], [str(label) for label in kept["labels"]], kept["chosen"]
            self.format_ = Format.from_json(kept["format"])
            self.examples_ = [(str(text), str(label)) for text, label in kept["examples"]]
            self.calibration_ = calibration.Calibration(float(kept["scale"]), tuple(float(b) for b in kept["bias"]))
            self.calibrated_on_ = str(self.chosen_["calibrated_on"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{file} is not a chosen prompt: {error!r}.", fix="run the study again") from error
        if model != self.model:
            raise RunError(f"The prompt in {folder} was chosen for {model!r}, not {self.model!r}.", fix=f"set model to {model}")
        return self

    def _check(self) -> None:
        if self.mode not in ("score", "text"):
            raise BakeoffError(f"mode is {self.mode!r}; it must be 'score' or 'text'.", fix="set mode to score")
        if self.shots != "choose" and not (isinstance(self.shots, int) and 0 <= self.shots <= 64):
            raise BakeoffError(f"shots is {self.shots!r}; it must be 'choose' or a number from 0 to 64.", fix="set shots to 0")
        for name, least in (("search_items", 0), ("item_tokens", 8), ("max_tokens", 1)):
            if getattr(self, name) < least:
                raise BakeoffError(f"{name} is {getattr(self, name)}; it must be at least {least}.", fix=f"leave {name} out")

    def _open(self) -> LocalLM:
        if not hasattr(self, "_lm"):
            from bakeoff.models.llm import open_lm

            self._lm = open_lm(self.model, context=self.context)
        return self._lm

    def _candidates(self) -> list[Format]:
        text_noun, answer_noun = nouns_for(self.labels_)
        text_noun, answer_noun = self.text_noun or text_noun, self.answer_noun or answer_noun
        layouts = (
            DEFAULT_LAYOUTS if self.formats == "choose" else [self.formats] if isinstance(self.formats, str) else self.formats
        )
        wordings = [self.wording] if isinstance(self.wording, Mapping) else list(self.wording)
        for layout in layouts:
            layout_named(layout)
        for wording in wordings:
            unknown = sorted(set(wording) - set(self.labels_))
            if unknown:
                raise BakeoffError(f"`wording` names {unknown[0]!r}, which is no label.", fix=f"use: {', '.join(self.labels_)}")
        made = []
        for layout in layouts:
            for wording in wordings or [{}]:
                full = {label: str(wording.get(label, label)) for label in self.labels_}
                instruction = self.instruction.strip() or instruction_for(list(full.values()), text_noun)
                for shots in (0, 4) if self.shots == "choose" else (int(self.shots),):
                    made.append(Format(layout, instruction, text_noun, answer_noun, full, shots))
        if not made:
            raise BakeoffError("`formats` is empty.", fix="leave it out, or name at least one format")
        return made

    def _scores(self, lm: LocalLM, prompter: Prompter, text: str) -> tuple[list[float], int, bool]:
        """Log-probability of each label, the prompt's tokens, and whether the text was cut."""
        asked = prompter.ask(text)
        found = lm.logprobs(asked.tokens, [prompter.continuations[label] for label in self.labels_])
        return [sum(row) / (len(row) if self.length_normalised else 1) for row in found], len(asked.tokens), asked.cut

    def _row(self, lm: LocalLM, prompter: Prompter, item: Item) -> list[float]:
        """One validation item under one format: scores of the labels, or in mode 'text' 1 at the label it wrote."""
        if self.mode == "score":
            return self._scores(lm, prompter, str(item.input))[0]
        said = self._write(lm, prompter, str(item.input), time.perf_counter())
        return [float(said.value == label) for label in self.labels_]

    def _loss(self, rows: Sequence[Sequence[float]], targets: np.ndarray) -> float:
        import numpy as np

        if not rows:
            return 0.0
        scores = np.array(rows)
        if self.mode == "text":
            return float(1 - scores[np.arange(len(targets)), targets].mean())
        if self.calibrate and len(rows) >= FEWEST_TO_FIT and len(set(targets.tolist())) > 1:
            return calibration.log_loss(calibration.crossfitted(scores, targets), targets)
        return calibration.log_loss(calibration.untouched(scores.shape[1]).probabilities(scores), targets)

    def _scored(self, lm: LocalLM, prompter: Prompter, text: str, started: float) -> Answer:
        import numpy as np

        scores, tokens_in, cut = self._scores(lm, prompter, text)
        chances = self.calibration_.probabilities(np.array([scores]))[0]
        return Answer(
            value=self.labels_[int(chances.argmax())],
            probabilities=dict(zip(self.labels_, (float(p) for p in chances), strict=True)),
            seconds=time.perf_counter() - started,
            tokens_in=tokens_in,
            tokens_out=0,
            details=self._note(cut, prompter),
        )

    def _write(self, lm: LocalLM, prompter: Prompter, text: str, started: float) -> Answer:
        *_, answer = self._writing(lm, prompter, text, started)
        return cast(Answer, answer)

    def _writing(self, lm: LocalLM, prompter: Prompter, text: str, started: float) -> Iterator[str | Answer]:
        """The pieces of the text, of at most `LONGEST_RAW` characters together, then the Answer."""
        asked, said, first, n_out, waited = prompter.ask(text), "", None, 0, 0.0
        most = min(self.max_tokens, lm.context_length - len(asked.tokens))
        for piece in lm.generate(asked.tokens, max_tokens=most, temperature=0.0, stop=("\n",)):
            first = first if first is not None else time.perf_counter() - started
            shown, n_out = piece.text[: max(0, LONGEST_RAW - len(said))], piece.tokens_out
            said += piece.text
            if shown:
                given = time.perf_counter()
                yield shown
                waited += time.perf_counter() - given
        label = read_label(said, {word: label for label, word in prompter.format.wording.items()})
        yield Answer(
            value=label,
            abstained=label is None,
            seconds=time.perf_counter() - started - waited,
            first_token_seconds=first,
            tokens_in=len(asked.tokens),
            tokens_out=n_out,
            details={"raw": said[:LONGEST_RAW], **self._note(asked.cut, prompter)},
        )

    def _ready(self) -> tuple[LocalLM, Prompter]:
        """The loaded model, and what makes its prompts in the chosen format."""
        lm = self._open()
        if not hasattr(self, "_prompter"):
            self._prompter = Prompter(lm, self.format_, self.examples_, item_tokens=self.item_tokens)
        return lm, self._prompter

    def _contextual(self, lm: LocalLM, prompter: Prompter) -> calibration.Calibration:
        import numpy as np

        return calibration.contextual(np.array([self._scores(lm, prompter, text)[0] for text in MEANINGLESS]))

    def _in_format(self, lm: LocalLM, prompter: Prompter) -> PromptedLLM:
        """This approach with another prompt: the same settings, labels and model, and a bias without labels."""
        made = replace(self)
        made._lm, made._prompter, made.labels_ = lm, prompter, list(self.labels_)
        made.format_, made.examples_ = prompter.format, list(prompter.examples)
        made.calibration_, made.calibrated_on_ = calibration.untouched(len(self.labels_)), NOTHING
        if self.mode == "score" and self.calibrate:
            made.calibration_, made.calibrated_on_ = made._contextual(lm, prompter), NO_LABELS
        made.chosen_ = {
            "format": prompter.format.title,
            "prompt": lm.detokenize(prompter.ask("...").tokens),
            "examples": len(prompter.examples),
            "calibrated_on": made.calibrated_on_,
            "scale": made.calibration_.scale,
            "bias": dict(zip(made.labels_, made.calibration_.bias, strict=True)),
        }
        return made

    def _note(self, cut: bool, prompter: Prompter) -> dict[str, Any]:
        return {"cut": f"only the first {prompter.item_tokens:,} tokens of the text were read"} if cut else {}


def _in_turn(items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
    """The items so ordered that any first part of them has its share of every label."""
    pools = {label: [item for item in items if item.target == label] for label in labels}
    placed = [
        ((rank + 0.5) / len(pool), number, item) for number, pool in enumerate(pools.values()) for rank, item in enumerate(pool)
    ]
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]
