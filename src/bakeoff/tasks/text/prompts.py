"""Ways of asking a language model for a label, and how an item's text gets into them safely.

A prompt is the instruction, then examples, then the item, so that all items of one format share their beginning and
the model reads it once. The item is data: it is put on one line (so it cannot write a line of its own such as
``Sentiment: positive``), cut to a number of tokens, and tokenised without control tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bakeoff.contract import Item
from bakeoff.errors import BakeoffError, nearest
from bakeoff.models.llm import LocalLM, Message

CHARACTERS_PER_TOKEN = 16
"""More characters than this per token are cut before tokenising, so that a 1 MB text costs no more than a long one."""

SENTIMENT = frozenset(["positive", "negative", "neutral", "mixed", "good", "bad", "pos", "neg"])


@dataclass(frozen=True)
class Layout:
    """One way of laying out a prompt. ``{instruction}``, ``{text_noun}``, ``{answer_noun}``, ``{labels}`` are filled in.

    A completion (`chat` False) is text that the label continues. A chat gives the instruction as the system's turn
    and each example as a turn of its own, or all in the user's turn where `system` is ''.
    """

    chat: bool
    head: str
    before: str
    after: str
    join: str = "\n\n"


LAYOUTS: Mapping[str, Layout] = {
    "completion": Layout(False, "{instruction}\n\n", "{text_noun}:", "\n{answer_noun}:"),
    "bare": Layout(False, "", "{text_noun}:", "\n{answer_noun}:"),
    "options": Layout(False, "{instruction}\n\n", "{text_noun}:", "\n{answer_noun} ({labels}):"),
    "chat": Layout(True, "{instruction} Answer with one of: {labels}.", "{text_noun}:", ""),
    "chat-question": Layout(True, "", "{text_noun}:", "\n\n{instruction} Answer with one of: {labels}."),
}
"""`completion` first: small models continue text better than they follow instructions."""


@dataclass(frozen=True)
class Format:
    """A layout with its words filled in: what is chosen on validation.

    `wording` is the text that stands for each label. `shots` examples come before the item.
    """

    layout: str
    instruction: str
    text_noun: str
    answer_noun: str
    wording: Mapping[str, str]
    shots: int = 0

    @property
    def title(self) -> str:
        """A short name for tables, e.g. ``completion, Review/Sentiment, 0 shots``."""
        words = [word for label, word in self.wording.items() if word != label]
        says = f", {' / '.join(self.wording.values())}" if words else ""
        return f"{self.layout}, {self.text_noun}/{self.answer_noun}, {self.shots} shots{says}"

    def as_json(self) -> dict[str, Any]:
        """The format as plain data; `from_json` reads it back."""
        return {**asdict(self), "wording": dict(self.wording)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Format:
        """The format that `as_json` wrote."""
        return cls(**given)


@dataclass(frozen=True)
class Ask:
    """A prompt ready to run: its tokens, and whether some of the item's text was cut off."""

    tokens: list[int]
    cut: bool


class Prompter:
    """Makes prompts of one format for one model.

    Parameters
    ----------
    lm : LocalLM
        Whose tokens and chat template are used.
    format : Format
        How to ask.
    examples : sequence of (str, str)
        (text, label) pairs; as many as fit of the format's `shots` are used, and `examples` says which.
    item_tokens : int
        Most tokens of an item's text that are read. Made smaller if the context is too small for it.

    Raises
    ------
    BakeoffError
        If not even the instruction and a few words of an item fit in the context.
    """

    def __init__(self, lm: LocalLM, format: Format, examples: Sequence[tuple[str, str]], *, item_tokens: int) -> None:
        self._lm, self.format = lm, format
        self._layout = layout_named(format.layout)
        self._words = {
            "instruction": format.instruction,
            "text_noun": format.text_noun,
            "answer_noun": format.answer_noun,
            "labels": ", ".join(format.wording.values()),
        }
        self.examples = tuple(examples[: format.shots])
        self.continuations = _continuations(self, lm)
        self._room = lm.context_length - max(len(tokens) for tokens in self.continuations.values())
        while self.examples and len(self._tokens("")) + item_tokens > self._room:
            self.examples = self.examples[:-1]
        self.item_tokens = min(item_tokens, self._room - len(self._tokens("")))
        if self.item_tokens < 8:
            raise BakeoffError(
                f"The instruction leaves room for {max(self.item_tokens, 0)} tokens of text in a context of {lm.context_length:,}.",
                fix="shorten `instruction`, or set a larger `context`",
            )

    def ask(self, text: str) -> Ask:
        """The prompt for one text, at most the context long."""
        line, cut = one_line(text, self.item_tokens * CHARACTERS_PER_TOKEN)
        own, keep = self._lm.tokenize(" " + line), self.item_tokens
        while True:
            if len(own) > keep:
                line, cut = one_line(self._lm.detokenize(own[:keep]).replace("\ufffd", ""), len(line))[0], True
            tokens = self._tokens(line)
            if len(tokens) <= self._room or keep <= 0:
                return Ask(tokens, cut)
            # Text that was cut can become more tokens than were kept: take those off too.
            keep = max(0, min(keep, len(own)) - max(1, len(tokens) - self._room))

    def end(self) -> list[int]:
        """The token that ends an answer in this format: end of turn in a chat, a new line in a completion."""
        if not self._layout.chat:
            return self._lm.tokenize("\n")
        full = self._lm.chat_tokens([Message("user", "a"), Message("assistant", "b")])
        return [next((token for token in reversed(full) if self._lm.ends(token)), full[-1])]

    def written(self, label: str) -> str:
        """The text that answers with `label`, as it follows the prompt."""
        return self.format.wording[label] if self._layout.chat else " " + self.format.wording[label]

    def tail(self) -> str:
        """The text right before an answer ('' in a chat, where the template's own tokens stand there)."""
        return "" if self._layout.chat else self._fill(self._layout.after)

    def shape(self) -> tuple[tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
        """The tokens of an empty prompt and of each label's answer: two formats that ask alike have the same."""
        return tuple(self._tokens("")), tuple(sorted((label, tuple(t)) for label, t in self.continuations.items()))

    def _tokens(self, line: str) -> list[int]:
        if not self._layout.chat:
            shown = [self._body(text) + self.written(label) + self._layout.join for text, label in self.examples]
            return self._lm.tokenize(self._fill(self._layout.head) + "".join(shown) + self._body(line))
        head = self._fill(self._layout.head)
        turns = [Message("system", head)] if head else []
        for text, label in self.examples:
            turns += [Message("user", self._body(text)), Message("assistant", self.written(label))]
        return self._lm.chat_tokens([*turns, Message("user", self._body(line))])

    def _body(self, line: str) -> str:
        return self._fill(self._layout.before) + (" " + line if line else "") + self._fill(self._layout.after)

    def _fill(self, template: str) -> str:
        # Not str.format: an instruction may contain braces.
        for name, word in self._words.items():
            template = template.replace("{" + name + "}", word)
        return template


def one_line(text: str, most: int) -> tuple[str, bool]:
    """`text` on one line, of at most `most` characters, without control characters; and whether anything was cut off."""
    cut = len(text) > most
    return " ".join("".join(c if c.isprintable() else " " for c in text[:most]).split()), cut


def layout_named(name: str) -> Layout:
    """The layout called `name`. A wrong name is answered with the right ones (BakeoffError)."""
    if name not in LAYOUTS:
        raise BakeoffError(f"No prompt format is called {name!r}.", fix=nearest(name, LAYOUTS))
    return LAYOUTS[name]


def nouns_for(labels: Sequence[str]) -> tuple[str, str]:
    """What to call the text and the answer where the study does not say: labels of a sentiment ask for a review's sentiment."""
    if all(label.casefold() in SENTIMENT for label in labels):
        return "Review", "Sentiment"
    return "Text", "Category"


def instruction_for(labels: Sequence[str], text_noun: str) -> str:
    """A question that names the labels, for studies that give none."""
    noun = text_noun.lower()
    if len(labels) == 2:
        return f"Is this {noun} {labels[0]} or {labels[1]}?"
    return f"Which of these fits this {noun} best: {', '.join(labels[:-1])} or {labels[-1]}?"


def choose_examples(
    train: Sequence[Item], labels: Sequence[str], count: int, *, seed: int, longest: int = 160
) -> list[tuple[str, str]]:
    """(text, label) pairs from `train`, as many of each label as possible, in a seeded order.

    Texts of at most `longest` characters come first: the prompt is paid for with every answer.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    pools: dict[str, list[str]] = {}
    for label in labels:
        texts = list(
            dict.fromkeys(line for item in train if item.target == label if (line := one_line(str(item.input), longest * 8)[0]))
        )
        order = [texts[i] for i in rng.permutation(len(texts))]
        pools[label] = [t for t in order if len(t) <= longest] + sorted((t for t in order if len(t) > longest), key=len)
    chosen: list[tuple[str, str]] = []
    for turn in range(count):
        # A new order of labels in every round, so that the last label is not always the same one.
        for index in rng.permutation(len(labels)):
            label = labels[index]
            if len(chosen) < count and turn < len(pools[label]):
                chosen.append((pools[label][turn], label))
    return chosen


def _continuations(prompter: Prompter, lm: LocalLM) -> dict[str, list[int]]:
    """Tokens of each label's text as they follow the prompt.

    Where one label's tokens begin another's ("not" and "not good"), each gets the end of an answer as a last
    token: otherwise the shorter label would be counted in the longer one's probability.
    """
    tail = prompter.tail()
    before = lm.tokenize(tail)
    found: dict[str, list[int]] = {}
    for label in prompter.format.wording:
        joint = lm.tokenize(tail + prompter.written(label))
        joined = joint[: len(before)] == before and len(joint) > len(before)
        found[label] = joint[len(before) :] if joined else lm.tokenize(prompter.written(label))
    if not all(found.values()) or len({tuple(tokens) for tokens in found.values()}) < len(found):
        raise BakeoffError("Two labels have the same wording, or one has none.", fix="give each label its own text in `wording`")
    begins = any(a != b and found[b][: len(found[a])] == found[a] for a in found for b in found)
    return {label: tokens + prompter.end() for label, tokens in found.items()} if begins else found
