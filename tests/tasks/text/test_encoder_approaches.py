"""The two trained encoders, with the real checkpoint."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from bakeoff.contract import Item, quiet
from bakeoff.errors import AssetError, BadData, BakeoffError, RunError
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
    wrong = [
        Item(item.id, item.input, train[0].target if item.target != train[0].target else train[1].target)
        for item in sentences(24, start=48)
    ]
    fitted = FinetunedEncoder(epochs=30, patience=1, learning_rate=3e-4).fit(train, wrong, seed=0, progress=quiet)
    assert fitted.chosen_["epochs_run"] < 10


def test_lora_trains_a_few_percent_of_the_weights(real_assets: Path) -> None:
    few = LoraEncoder(**QUICK).fit(sentences(24), sentences(8, start=24), seed=0, progress=quiet).chosen_["trained_parameters"]
    all_of_them = (
        FinetunedEncoder(**QUICK).fit(sentences(24), sentences(8, start=24), seed=0, progress=quiet).chosen_["trained_parameters"]
    )
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


TWO = [Item(str(i), "good phone" if i % 2 else "bad phone", "yes" if i % 2 else "no") for i in range(24)]


def tiny(folder: Path, kind: str = "Bert") -> str:
    """A checkpoint of one layer with random weights."""
    import transformers

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "phone"]))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    if kind == "DistilBert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    config = getattr(transformers, f"{kind}Config")(vocab_size=8, max_position_embeddings=64, **sizes)
    encoder_training.quiet_transformers()
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("make", [FinetunedEncoder, LoraEncoder])
def test_trained_in_bfloat16_it_answers_as_the_restored_one_does(make: type, tmp_path: Path) -> None:
    settings = {"model": tiny(tmp_path / "tiny"), "precision": "bfloat16", **QUICK}
    fitted = make(**settings).fit(TWO, TWO[:8], seed=0, progress=quiet)
    (tmp_path / "kept").mkdir()
    fitted.save(tmp_path / "kept")
    restored = make(**settings).restore(tmp_path / "kept")
    for here, there in zip(fitted.answer(TWO[:4]), restored.answer(TWO[:4]), strict=True):
        assert here.probabilities == pytest.approx(there.probabilities, abs=1e-9)


def test_an_adapter_is_not_restored_over_another_encoder(tmp_path: Path) -> None:
    first, second = tiny(tmp_path / "first"), tiny(tmp_path / "second")
    (tmp_path / "kept").mkdir()
    LoraEncoder(model=first, **QUICK).fit(TWO, TWO[:8], seed=0, progress=quiet).save(tmp_path / "kept")
    with pytest.raises(RunError, match="was trained over the encoder"):
        LoraEncoder(model=second, **QUICK).restore(tmp_path / "kept")


def test_an_encoder_without_the_named_layers_is_told_what_to_set(tmp_path: Path) -> None:
    model = tiny(tmp_path / "tiny", "DistilBert")
    with pytest.raises(BakeoffError, match="cannot adapt") as caught:
        LoraEncoder(model=model, **QUICK).fit(TWO, TWO[:8], seed=0, progress=quiet)
    assert "all-linear" in caught.value.fix
    assert LoraEncoder(model=model, layers="all-linear", **QUICK).fit(TWO, TWO[:8], seed=0, progress=quiet).labels_ == [
        "no",
        "yes",
    ]


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="cannot be loaded as an encoder") as caught:
        FinetunedEncoder(model=str(tmp_path), **QUICK).fit(TWO, TWO[:8], seed=0, progress=quiet)
    assert "config.json" in caught.value.fix


def test_training_that_diverged_gives_no_answers(tmp_path: Path) -> None:
    wild = FinetunedEncoder(
        model=tiny(tmp_path / "tiny"), epochs=1, fewest_steps=1, batch_size=2, learning_rate=1e38, head_learning_rate=1e38
    )
    with pytest.raises(BakeoffError, match="diverged") as caught:
        wild.fit(TWO, TWO[:8], seed=0, progress=quiet)
    assert "learning_rate" in caught.value.fix
