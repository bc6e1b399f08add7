"""prompted-llm: piece by piece, its model, and the same question in other formats."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))
from fake_lm import FakeRuntime

from bakeoff.contract import Answer, Generates, Item, Streams, Varies, quiet
from bakeoff.errors import BakeoffError
from bakeoff.models.llm_cache import CachedLM
from bakeoff.tasks.text import prompted_llm
from bakeoff.tasks.text.prompt_variants import CHANGES, other_formats
from bakeoff.tasks.text.prompted_llm import PromptedLLM
from bakeoff.tasks.text.prompts import LAYOUTS, Format

WORDING = {"negative": "negative", "positive": "positive"}
USED = Format("completion", "Is this review negative or positive?", "Review", "Sentiment", WORDING, 0)


class Opinion(FakeRuntime):
    """Thinks that a text with ``good`` in it is positive, and likes 'p' by `bias` whatever it reads."""

    def __init__(self, *, bias: float = 0.0, **given):
        super().__init__(context=2048, **given)
        self.bias = bias

    def logits(self, text):
        row = np.zeros(self.n_vocab, dtype=np.float32)
        if text[-1] in (ord(" "), ord("\n")):
            shown = b"".join(self.bytes_of(t) for t in text).decode("utf-8", "replace")
            last = shown.replace("SENTIMENT", "").splitlines()[-2:]
            for letter in ("p", "P") if "good" in "".join(last) else ("n", "N"):
                row[ord(letter)] += 6.0
            row[ord("p")] += self.bias
            row[ord("P")] += self.bias
        return row


def items(count: int, prefix: str) -> list[Item]:
    return [
        Item(f"{prefix}{i}", f"a {'good' if i % 2 else 'poor'} thing, number {i}", "positive" if i % 2 else "negative")
        for i in range(count)
    ]


def fitted(runtime: FakeRuntime, *, valid: int = 16, **given) -> PromptedLLM:
    approach = PromptedLLM(**{"context": runtime.context_length, "item_tokens": 64, "formats": "completion", **given})
    approach._lm = CachedLM(runtime)
    return approach.fit(items(20, "t"), items(valid, "v"), seed=0, progress=quiet)


def written(said: str, **given) -> PromptedLLM:
    return fitted(FakeRuntime(context=2048, script={"Sentiment:": said.encode()}), mode="text", **given)


def test_it_keeps_the_three_contracts():
    approach = fitted(Opinion())
    assert isinstance(approach, Streams) and isinstance(approach, Generates) and isinstance(approach, Varies)
    name, lm = approach.language_model()
    assert name == "smollm2-135m-instruct" and lm is approach._lm


@pytest.mark.parametrize("said", [" positive, I think", " neg", " Positive.\nReview: more", "", " naïve 🦄 positive"])
def test_a_stream_ends_as_the_answer_does(said):
    approach = written(said, max_tokens=40)
    item = Item("a", "some text")
    (whole,) = approach.answer([item])
    *pieces, last = approach.stream(item)
    assert all(isinstance(piece, str) and piece for piece in pieces) and isinstance(last, Answer)
    assert "".join(pieces) == last.details["raw"] == whole.details["raw"] == said.split("\n")[0]
    assert (last.value, last.abstained, last.tokens_in, last.tokens_out) == (
        whole.value,
        whole.abstained,
        whole.tokens_in,
        whole.tokens_out,
    )


def test_pieces_come_one_by_one_and_a_slow_reader_is_not_counted_as_slow_answering():
    approach = written(" positive indeed", max_tokens=40)
    stream = approach.stream(Item("a", "text"))
    lm = approach._lm
    assert next(stream) == " "
    after_one = lm.tokens_decoded
    assert next(stream) == "p" and lm.tokens_decoded == after_one + 1
    began = time.perf_counter()
    time.sleep(0.3)
    *_, last = stream
    assert last.seconds < time.perf_counter() - began and last.first_token_seconds <= last.seconds


def test_a_stream_that_is_closed_stops_the_model_and_leaves_it_usable():
    approach = written(" positive indeed", max_tokens=40)
    stream = approach.stream(Item("a", "text"))
    next(stream)
    before = approach._lm.tokens_decoded
    stream.close()
    assert approach._lm.tokens_decoded == before
    assert next(iter(approach.answer([Item("a", "text")]))).details["raw"] == " positive indeed"


def test_a_very_long_text_is_cut_alike_in_the_pieces_and_the_answer(monkeypatch):
    monkeypatch.setattr(prompted_llm, "LONGEST_RAW", 10)
    *pieces, last = written(" positive and so on and on", max_tokens=60).stream(Item("a", "text"))
    assert "".join(pieces) == last.details["raw"] == " positive "


def test_scores_have_no_pieces():
    approach = fitted(Opinion())
    item = Item("a", "a good thing")
    (streamed,) = approach.stream(item)
    (whole,) = approach.answer([item])
    assert streamed.value == whole.value == "positive" and streamed.probabilities == whole.probabilities
    assert "raw" not in streamed.details


@pytest.mark.parametrize("mode", ["score", "text"])
def test_an_item_that_cannot_be_asked_ends_a_stream_as_an_error(mode):
    class Breaks(FakeRuntime):
        def forward(self, tokens, position, wanted):
            if self.broken:
                raise BakeoffError("The model could not read this.", fix="none")
            return super().forward(tokens, position, wanted)

    Breaks.broken = False
    approach = fitted(Breaks(context=2048), mode=mode)
    Breaks.broken = True
    (answer,) = approach.stream(Item("a", "text"))
    assert answer.error == "The model could not read this."


# -- other formats ------------------------------------------------------------------------------------------------


def test_the_one_in_use_comes_first_and_is_the_approach_itself():
    approach = fitted(Opinion())
    found = approach.variants(10)
    assert next(iter(found)) == "completion (in use)" and next(iter(found.values())) is approach
    assert len(found) == 10 and len(approach.variants(3)) == 3 and list(approach.variants(1)) == ["completion (in use)"]
    assert list(found)[:5] == [
        "completion (in use)",
        "completion, bias without labels",
        "bare",
        "options",
        "chat",
    ]
    with pytest.raises(BakeoffError, match="at least 1"):
        approach.variants(0)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("shots", [0, 3])
def test_there_are_enough_variants_of_every_format_and_no_two_ask_alike(layout, shots):
    approach = fitted(Opinion(), formats=layout, shots=shots, calibrate=False)
    found = approach.variants(10)
    assert len(found) == 10
    asked = {}
    for name, one in found.items():
        prompter = one._ready()[1]
        asked[tuple(prompter.ask("some text").tokens), str(sorted(prompter.continuations.items()))] = name
        assert len(one.examples_) == shots
    assert len(asked) == 10
    assert any("examples reversed" in name for name in approach.variants(20)) == (shots > 0)


def test_variants_are_the_same_every_time_and_change_nothing():
    approach = fitted(Opinion(bias=4.0))
    before = [a.probabilities for a in approach.answer(items(6, "x"))]
    first, again = approach.variants(10), approach.variants(10)
    assert list(first) == list(again)
    for name in first:
        assert first[name].calibration_ == again[name].calibration_ and first[name].chosen_ == again[name].chosen_
        one, two = (list(some[name].answer(items(4, "x"))) for some in (first, again))
        assert [a.probabilities for a in one] == [a.probabilities for a in two]
    assert [a.probabilities for a in approach.answer(items(6, "x"))] == before
    assert all(one._lm is approach._lm for one in first.values())


def test_no_other_format_looks_at_labels_and_all_are_calibrated_alike():
    approach = fitted(Opinion(bias=9.0))
    assert approach.calibrated_on_ == "16 validation items"
    others = list(approach.variants(10).values())[1:]
    assert {one.calibrated_on_ for one in others} == {"texts that mean nothing"}
    for one in others:
        answers = list(one.answer(items(8, "x")))
        assert all(a.error is None and sum(a.probabilities.values()) == pytest.approx(1) for a in answers)
    # The model prefers 'positive' by 9 nats; a bias from texts that mean nothing takes that away without a label.
    used_format = others[0]
    assert used_format.format_ == approach.format_
    assert used_format.calibration_.bias[0] - used_format.calibration_.bias[1] == pytest.approx(9 - 6, abs=0.5)


@pytest.mark.parametrize(("given", "valid"), [({"calibrate": False}, 16), ({}, 0), ({"mode": "text"}, 16)])
def test_the_format_in_use_stands_once_where_no_label_was_used(given, valid):
    runtime = Opinion() if "mode" not in given else FakeRuntime(context=2048)
    found = fitted(runtime, valid=valid, **given).variants(20)
    assert not [name for name in found if "bias without labels" in name]
    assert len({one.calibrated_on_ for one in found.values()}) == 1


def test_a_restored_approach_varies_as_the_saved_one(tmp_path):
    approach = fitted(Opinion(bias=2.0), shots=2)
    approach.save(tmp_path)
    again = PromptedLLM(context=2048, item_tokens=64, formats="completion", shots=2)
    again._lm = CachedLM(Opinion(bias=2.0))
    again.restore(tmp_path)
    found = again.variants(8)
    assert list(found) == list(approach.variants(8))
    assert [one.calibration_ for one in found.values()] == [one.calibration_ for one in approach.variants(8).values()]


def test_formats_that_do_not_fit_are_left_out():
    runtime = Opinion()
    runtime.context_length = 150
    approach = fitted(runtime, formats="bare", instruction="Is it? " * 30, context=150, item_tokens=40)
    found = approach.variants(20)
    assert len(found) >= 2 and not [name for name in found if name.startswith(("completion", "chat"))]
    assert all(a.error is None for one in found.values() for a in one.answer(items(2, "x")))


def test_one_change_at_a_time():
    made = {name: format for name, format, _ in other_formats(USED, [])}
    assert len(made) == len(LAYOUTS) * (1 + len(CHANGES))
    assert made["completion, labels capitalised"].wording == {"negative": "Negative", "positive": "Positive"}
    assert made["completion, nouns in capitals"].text_noun == "REVIEW"
    assert made["chat, other nouns"].answer_noun == "Label" and made["chat, other nouns"].layout == "chat"
    assert made["bare"].instruction == USED.instruction
    back = made["completion, labels listed in reverse"]
    assert back.instruction == "Is this review positive or negative?" and list(back.wording) == ["positive", "negative"]
    assert made["completion, longer instruction"].instruction.endswith(USED.instruction)


def test_labels_are_listed_in_reverse_only_where_all_are_listed():
    tricky = Format("options", "Is it not good or good?", "Text", "Category", {"a": "good", "b": "not good"})
    back = CHANGES["labels listed in reverse"](tricky)
    assert back.instruction == "Is it good or not good?" and list(back.wording.items()) == [("b", "not good"), ("a", "good")]
    once = Format("options", "Is a good review of goods?", "Text", "Category", {"a": "good", "b": "bad"})
    assert CHANGES["labels listed in reverse"](once).instruction == once.instruction
    signs = Format("options", "Is it + or -?", "Text", "Category", {"a": "+", "b": "-"})
    assert CHANGES["labels listed in reverse"](signs).instruction == "Is it - or +?"


def test_capitals_go_the_other_way_where_labels_have_them():
    loud = Format("options", "?", "Text", "Category", {"a": "Spam", "b": "Ham"})
    assert CHANGES["labels capitalised"](loud).wording == {"a": "spam", "b": "ham"}


def test_examples_change_their_order_and_stay_the_same():
    examples = [("one", "a"), ("two", "b"), ("three", "a"), ("four", "b")]
    orders = {name: list(shown) for name, _, shown in other_formats(USED, examples) if name.startswith("completion, examples")}
    assert orders["completion, examples reversed"] == examples[::-1]
    assert orders["completion, examples rotated"] == [*examples[2:], *examples[:2]]


@pytest.mark.model
@pytest.mark.usefixtures("real_assets")
def test_a_real_model_in_other_formats_and_piece_by_piece():
    train = items(12, "t")
    approach = PromptedLLM(formats="completion", context=512, search_items=12).fit(train, train, seed=0, progress=quiet)
    found = approach.variants(8)
    assert len(found) == 8
    for one in found.values():
        assert all(a.answered for a in one.answer(train[:2]))
    again = [[a.probabilities for a in one.answer(train[:2])] for one in found.values()]
    assert again == [[a.probabilities for a in one.answer(train[:2])] for one in found.values()]
    writes = PromptedLLM(mode="text", formats="chat", context=512, max_tokens=8).fit(train, [], seed=0, progress=quiet)
    *pieces, last = writes.stream(train[0])
    (whole,) = writes.answer(train[:1])
    assert "".join(pieces) == last.details["raw"] == whole.details["raw"] and last.value == whole.value
