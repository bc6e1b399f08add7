from __future__ import annotations

import pytest

from bakeoff import registry
from bakeoff.contract import Approach
from bakeoff.errors import BakeoffError, MissingExtra, needs


def test_every_built_in_loads_and_obeys_the_protocol_without_its_model() -> None:
    for name, entry in registry.entries("bakeoff.approaches").items():
        found = entry.load()
        assert callable(getattr(found, "fit", None)) and callable(getattr(found, "answer", None)), name


def test_a_made_approach_is_an_approach() -> None:
    assert isinstance(registry.approach("text", "majority")(), Approach)


@pytest.mark.parametrize(
    ("wrong", "right"), [("majorty", "majority"), ("tfidf", "tfidf-linear"), ("Lora-Encoder", "lora-encoder")]
)
def test_a_wrong_name_is_answered_with_near_ones(wrong: str, right: str) -> None:
    with pytest.raises(BakeoffError) as caught:
        registry.approach("text", wrong)
    assert repr(right) in caught.value.fix


def test_a_name_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(BakeoffError) as caught:
        registry.approach("text", "zzzzzzzz")
    assert "majority" in caught.value.fix and "endpoint" in caught.value.fix


def test_a_wrong_task_is_answered() -> None:
    with pytest.raises(BakeoffError) as caught:
        registry.task("texts")
    assert "'text'" in caught.value.fix


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtra) as caught:
        needs("no_such_module_here", extra="llm", why="A local model")
    assert "no_such_module_here" in caught.value.what
    assert "pip install 'bakeoff[llm]'" in caught.value.fix
