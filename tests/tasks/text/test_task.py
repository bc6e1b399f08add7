"""The task as the bench uses it: load, split, metrics, checks, views, one-line texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff import registry
from bakeoff.contract import Answer, Dataset, Item
from bakeoff.study import read_study
from bakeoff.tasks.text.task import TextTask

WORDS = [
    "able",
    "baker",
    "candle",
    "dozen",
    "ember",
    "fable",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "marble",
    "needle",
    "orchid",
    "pepper",
]


def dataset(n: int = 120, classes: int = 3) -> Dataset:
    items = [
        Item(id=str(i), input=f"{WORDS[i % 16]} {i} {WORDS[i * 7 % 15]} {i * 7919}", target=f"c{i % classes}") for i in range(n)
    ]
    return Dataset(items=tuple(items), name="made")


def test_the_registry_makes_it_and_the_shipped_study_is_valid() -> None:
    task = registry.task("text")
    assert isinstance(task, TextTask) and task.name == "text"
    study = read_study(Path(registry.__file__).parent / "studies/sentiment.yaml")
    assert study.task == "text" and len(study.approaches) >= 6
    for spec in study.approaches:
        registry.approach("text", spec.use)(**spec.settings)


def test_load_split_and_metrics_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{item.input},{item.target}\n" for item in dataset().items))
    task, data = TextTask(), {"source": "a.csv", "test": 0.5, "valid": 0.2}
    said: list[float] = []
    found = task.load(data, base=tmp_path, progress=lambda fraction, note: said.append(fraction))
    splits = task.split(found, data, seeds=[0, 1])
    assert [len(splits.test), len(splits.valid[0]), len(splits.train[1])] == [60, 12, 48]
    assert next(iter(task.metrics(found))) == "accuracy"
    assert said == sorted(said) and said[-1] == 1.0


def outcomes(data: Dataset, **settings: object) -> dict[str, str]:
    task = TextTask()
    splits = task.split(data, {"source": "x", **settings}, seeds=[0])
    findings = task.check(data, splits)
    assert all(finding.outcome != "could_not_run" for finding in findings), findings
    return {finding.code: finding.outcome for finding in findings}


def test_clean_data_passes_every_check() -> None:
    assert set(outcomes(dataset()).values()) == {"passed"}


def test_leaks_of_published_splits_are_found() -> None:
    made = dataset()
    copies = [Item(id=f"t{i}", input=made.items[i].input.upper(), target=made.items[i].target) for i in range(15)]
    fresh = [Item(id=f"f{i}", input=f"{i} quite another text {i * 104729}", target=f"c{i % 3}") for i in range(36)]
    leaky = Dataset(items=(*made.items, *copies, *fresh), name="leaky", suggested_test=frozenset(x.id for x in [*copies, *fresh]))
    assert outcomes(leaky)["BK001"] == "problem"


def test_conflicts_imbalance_and_rare_classes_are_found() -> None:
    made = dataset(classes=2)
    twice = Item(id="again", input=made.items[0].input, target="c1")
    assert outcomes(Dataset(items=(*made.items, twice), name="x"))["BK008"] == "tip"
    rare = [Item(id=item.id, input=item.input, target="rare" if i < 5 else "common") for i, item in enumerate(made.items)]
    found = outcomes(Dataset(items=tuple(rare), name="x"))
    assert (found["BK004"], found["BK007"]) == ("tip", "tip")


def test_confusion_adds_up_with_nonsense_and_missing_answers() -> None:
    items = [Item(id=str(i), input="x", target="ab"[i % 2]) for i in range(8)]
    answers = [
        Answer(value="a"),
        Answer(value="a"),
        Answer(error="timeout"),
        Answer(value="b"),
        Answer(abstained=True),
        Answer(value="neither"),
        Answer(value=["a"]),
        Answer(value="b"),
    ]
    found = TextTask().views(items, {"one": answers, "two": [Answer(value=item.target) for item in items]})["confusion"]
    assert found["one"] == {"labels": ["a", "b"], "counts": [[1, 0], [1, 2]], "other": [1, 1], "unanswered": [2, 0]}
    assert found["two"]["counts"] == [[4, 0], [0, 4]]
    with pytest.raises(ValueError, match="shorter"):
        TextTask().views(items, {"one": answers[:3]})


@pytest.mark.parametrize(
    "text, line",
    [
        ("two\nlines\t and  spaces ", "two lines and spaces"),
        ("<b>bold</b> =1+1", "<b>bold</b> =1+1"),
        ("\x1b[31mred\x00 \u202edrow\u2028next", "[31mred drow next"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("y " * 2_000_000, ("y " * 150)[:299].rstrip() + "…"),
    ],
)
def test_a_text_is_shown_on_one_line(text: str, line: str) -> None:
    assert TextTask().show(Item(id="1", input=text)) == line
