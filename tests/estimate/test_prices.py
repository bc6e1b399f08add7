import pytest

from bakeoff.errors import BadStudy
from bakeoff.estimate.prices import Estimate, merged, resolve


def test_default_machine_is_priced_and_dated():
    prices = resolve()
    assert (prices.machine.name, prices.machine.usd_per_hour, prices.machine.vcpus) == ("c7i.large", 0.08925, 2)
    for entry in (*prices.machines.values(), *prices.models.values()):
        assert entry.as_of and entry.source and entry.name


def test_a_study_overrides_any_price():
    prices = resolve({"machine": {"usd_per_hour": 0.05}, "models": {"mine": {"usd_per_million_in": 1, "usd_per_million_out": 2}}})
    assert prices.machine.usd_per_hour == 0.05 and prices.machine.memory_gib is None
    assert prices.model("mine").usd_per_item(1000, 500) == pytest.approx(0.002)
    assert resolve({"machine": "g6.xlarge"}).machine.gpu == "NVIDIA L4"
    assert resolve({"machine_for": {"llm": "g6.xlarge"}}).machine_for["llm"].usd_per_hour == 0.8048


def test_dated_and_prefixed_model_names_are_found():
    prices = resolve()
    assert prices.model("openai/gpt-4o-mini-2024-07-18") == prices.models["gpt-4o-mini"]
    assert prices.model("claude-3-haiku-20240307") == prices.models["claude-3-haiku"]
    assert prices.model("gpt-4o-minimal") is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"machin": "c7i.large"}, "machine"),
        ({"machine": "c7i.larg"}, "c7i.large"),
        ({"machine": {"usd_per_hr": 1}}, "usd_per_hour"),
        ({"machine": {"vcpus": 1}}, "usd_per_hour"),
        ({"machine": {"usd_per_hour": "cheap"}}, "number"),
        ({"machine": {"usd_per_hour": -1}}, "number"),
        ({"machine": 7}, "mapping"),
        ({"models": {"m": {"usd_per_million_in": 1}}}, "usd_per_million_out"),
        ({"models": "free"}, "mapping"),
        ({"peak_factor": 0.5}, "peak"),
        ({"utilisation": 1.5}, "utilisation"),
        ({"review_usd_per_item": float("nan")}, "number"),
        ({"labelling_usd_per_item": True}, "number"),
    ],
)
def test_wrong_prices_are_answered_with_the_fix(given, says):
    with pytest.raises(BadStudy) as caught:
        resolve(given)
    assert says in str(caught.value) and caught.value.fix


def test_stored_prices_read_back_to_the_same_prices():
    prices = resolve(
        {"machine_for": {"llm": "g6.xlarge"}, "machine": {"usd_per_hour": 2, "name": "ours"}, "review_usd_per_item": 0.1}
    )
    stored = prices.to_json((prices.machines["m7i.large"],), (prices.models["gpt-4o"],))
    assert resolve(stored) == prices and resolve(stored).to_json() == prices.to_json()


def test_changes_replace_a_machine_and_join_tables():
    stored = {
        "machine": {"usd_per_hour": 1, "memory_gib": 4},
        "models": {"a": {"usd_per_million_in": 1, "usd_per_million_out": 1}},
    }
    joined = merged(
        stored, {"machine": {"usd_per_hour": 2}, "models": {"b": {"usd_per_million_in": 1, "usd_per_million_out": 1}}}
    )
    assert joined["machine"] == {"usd_per_hour": 2} and set(joined["models"]) == {"a", "b"}


def test_an_estimate_is_the_sum_of_its_parts():
    assert Estimate({"a": 0.1, "b": 0.2}, "USD").total == pytest.approx(0.3)
