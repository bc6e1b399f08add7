from __future__ import annotations

from itertools import pairwise

import pytest

from bakeoff.contract import Trial
from bakeoff.errors import BakeoffError
from bakeoff.run.plan import make, needed_assets, plan, share
from bakeoff.study import ApproachSpec, parse_study

STUDY = """
study: s
task: text
data: {source: "asset:product-reviews"}
approaches: [majority, {use: tfidf-linear, name: words, seeds: 1}]
seeds: 2
learning_curve: {approaches: [majority], fractions: [0.5, 0.25]}
"""


def test_seeds_come_first_so_that_every_approach_is_seen_once_early() -> None:
    assert plan(parse_study(STUDY)) == (
        Trial("majority", 0), Trial("words", 0), Trial("majority", 1), Trial("majority", 0, 0.5), Trial("majority", 0, 0.25),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tfidf-linear", "tfidf-liner", "tfidf-linear"),
        ("seeds: 1}", "settings: {strength: 3}}", "strengths"),
        ("approaches: [majority], f", "approaches: [majorities], f", "majority"),
        ("task: text", "task: txt", "text"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_runs(old: str, new: str, says: str) -> None:
    with pytest.raises(BakeoffError) as caught:
        from bakeoff import registry

        study = parse_study(STUDY.replace(old, new))
        registry.task(study.task)
        plan(study)
    assert says in caught.value.fix


def test_an_approach_without_settings_says_so() -> None:
    with pytest.raises(BakeoffError) as caught:
        make("text", ApproachSpec(use="majority", name="m", settings={"x": 1}))
    assert caught.value.fix


def test_a_study_names_the_assets_it_needs() -> None:
    text = STUDY.replace("[majority, {use", "[majority, embedding-linear, {use")
    assert needed_assets(parse_study(text)) == {"product-reviews": "data", "minilm-int8": "onnx"}


def test_shares_of_the_training_items_are_nested_and_keep_every_class() -> None:
    ids = [f"i{n}" for n in range(80)]
    targets = {name: "rare" if index % 20 == 0 else "common" for index, name in enumerate(ids)}
    shares = [set(share(ids, targets, fraction)) for fraction in (0.125, 0.25, 0.5, 1.0)]
    for small, large in pairwise(shares):
        assert small < large
    assert all({targets[name] for name in chosen} == {"rare", "common"} for chosen in shares)
    assert len(shares[1]) == 20


@pytest.mark.parametrize(
    ("use", "settings"),
    [
        ("tfidf-linear", {"longest": "many"}),
        ("tfidf-linear", {"words": [1, 2, 3]}),
        ("prompted-llm", {"search_items": "all"}),
        ("endpoint", {"ceiling_usd": [5]}),
    ],
)
def test_a_setting_of_another_kind_is_refused_before_anything_runs(use: str, settings: dict[str, object]) -> None:
    with pytest.raises(BakeoffError) as caught:
        make("text", ApproachSpec(use=use, name="it", settings=settings))
    assert repr(next(iter(settings))) in caught.value.what and f"bakeoff show {use}" in caught.value.fix


def test_settings_become_the_type_that_the_class_says() -> None:
    made = make("text", ApproachSpec(use="tfidf-linear", name="it", settings={"words": [1, 3], "strengths": [1, "2"]}))
    assert made.words == (1, 3) and list(made.strengths) == [1.0, 2.0]
    assert make("text", ApproachSpec(use="lora-encoder", name="it", settings={"layers": "all-linear"})).layers == "all-linear"
    assert make("text", ApproachSpec(use="prompted-llm", name="it", settings={"shots": "choose"})).shots == "choose"
