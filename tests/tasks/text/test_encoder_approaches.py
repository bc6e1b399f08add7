"""The two trained encoders, with the real checkpoint."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.text import encoder_training
from bakeoff.tasks.text.finetuned_encoder import FinetunedEncoder
from bakeoff.tasks.text.lora_encoder import LoraEncoder
from bakeoff.testing import RULES, Bench, sentences

pytestmark = pytest.mark.model

QUICK = {"epochs": 1, "fewest_steps": 4, "batch_size": 8}
MAKERS = {"finetuned": partial(FinetunedEncoder, **QUICK), "lora": partial(LoraEncoder, **QUICK)}


@pytest.fixture(scope="module", params=MAKERS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench.for_text(MAKERS[request.param], tolerance=1e-3)


@pytest.mark.parametrize("rule", RULES)
def test_it_keeps_the_contract(real_assets: Path, bench: Bench, rule: str) -> None:
    bench.check(rule)


@pytest.mark.parametrize("make", [FinetunedEncoder, LoraEncoder])
def test_it_learns_three_classes_and_keeps_its_best_epoch(real_assets: Path, make: type) -> None:
    classes = ("bad", "good", "plain")
    train, valid, test = (sentences(n, classes=classes, start=start) for n, start in ((180, 0), (45, 180), (45, 225)))
    told: list[float] = []
    fitted = make(epochs=4, fewest_steps=40).fit(train, valid, seed=1, progress=lambda fraction, note: told.append(fraction))
    right = [answer.value == item.target for item, answer in zip(test, fitted.answer(test), strict=True)]
    assert sum(right) / len(right) > 0.9
    losses = [point["valid_loss"] for point in fitted.chosen_["curve"]]
    assert fitted.chosen_["valid_loss"] == min(losses) and fitted.chosen_["best_epoch"] == losses.index(min(losses)) + 1
    assert told == sorted(told) and told[-1] <= 1


def test_training_stops_once_validation_does_not_improve(real_assets: Path) -> None:
    train = sentences(48)
    wrong = [Item(item.id, item.input, train[0].target if item.target != train[0].target else train[1].target) for item in sentences(24, start=48)]
    fitted = FinetunedEncoder(epochs=30, patience=1, learning_rate=3e-4).fit(train, wrong, seed=0, progress=quiet)
    assert fitted.chosen_["epochs_run"] < 10


def test_lora_trains_a_few_percent_of_the_weights(real_assets: Path) -> None:
    few = LoraEncoder(**QUICK).fit(sentences(24), sentences(8, start=24), seed=0, progress=quiet).chosen_["trained_parameters"]
    all_of_them = FinetunedEncoder(**QUICK).fit(sentences(24), sentences(8, start=24), seed=0, progress=quiet).chosen_["trained_parameters"]
    assert few < 0.05 * all_of_them


def test_without_validation_items_it_trains_all_epochs(real_assets: Path) -> None:
    fitted = FinetunedEncoder(**QUICK).fit(sentences(24), [], seed=0, progress=quiet)
    assert fitted.chosen_["valid_loss"] is None and fitted.chosen_["epochs_run"] >= 1


def test_one_class_is_refused(real_assets: Path) -> None:
    with pytest.raises(BadData):
        FinetunedEncoder(**QUICK).fit([Item("1", "a", "x"), Item("2", "b", "x")], [], seed=0, progress=quiet)


def test_a_megabyte_of_text_costs_what_its_first_tokens_cost(real_assets: Path) -> None:
    tokenizer, _ = encoder_training.load_encoder(real_assets / "minilm")
    ids = encoder_training.encode(tokenizer, ["word " * 250_000, "word"], 128)
    assert [len(row) for row in ids] == [128, 3]
