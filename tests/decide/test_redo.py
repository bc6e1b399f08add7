"""The whole decision, from a document and back."""

import re

import pytest
from candidates import around, document, pair, result

from bakeoff.decide.record import Document
from bakeoff.decide.redo import redecide
from bakeoff.decide.sentences import duration, money, size, volume
from bakeoff.errors import BakeoffError

FLOOR = result("majority", 0.62, p90=1e-5, rate=1e5, mb=60, half=0.01)
TFIDF = result("tfidf-linear", 0.822, p90=0.0006, rate=3000, mb=220)
TUNED = result("finetuned-encoder", 0.886, p90=0.018, rate=80, mb=900, fit_seconds=2400.0)
LORA = result("lora-encoder", 0.880, p90=0.019, rate=78, mb=950)
LLM = result("prompted-llm", 0.865, p90=0.9, rate=1.3, mb=1600, settings={"shots": 0})
PAID = result("endpoint", 0.90, p90=0.6, remote=True, settings={"model": "gpt-4o-mini"}, tokens_in=120.0, tokens_out=3.0)
PAIRS = (
    pair("tfidf-linear", "finetuned-encoder", -0.064, 0.02, "inferior"),
    pair("lora-encoder", "finetuned-encoder", -0.006, 0.012, "equivalent"),
    pair("finetuned-encoder", "endpoint", -0.014, 0.02, "undecided", 870),
)
ALL = (FLOOR, TFIDF, TUNED, LORA, LLM, PAID)


def by_name(found: Document, name: str):
    return next(one for one in found.approaches if one.name == name)


def two_sentences(text: str) -> bool:
    return text.count(". ") == 1 and text.endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"limits": ["p95 latency <= 15ms"]}, {"limits": ["accuracy at least 80%"]}, {"limits": ["model size <= 1 MB"]},
        {"weights": {"latency": 0.7}}, {"weights": {"cost": 1, "quality": 2}}, {"volume": 2_000_000.0}, {"volume": 10.0},
        {"prices": {"machine": {"usd_per_hour": 2}, "review_usd_per_item": 0.2, "labelling_usd_per_item": 0.1}},
        {"prices": {"models": {"gpt-4o-mini": {"usd_per_million_in": 15, "usd_per_million_out": 60}}}, "horizon_days": 30},
        {"values": {"quality": {"worst": 0.8, "best": 0.9}, "latency": {"worst": 2, "best": 0.1, "scale": "log"}}},
    ],
)  # fmt: skip
def test_deciding_again_changes_nothing_and_survives_json(changes):
    once = redecide(document(*ALL, pairs=PAIRS), **changes)
    assert redecide(once) == once
    assert redecide(Document.model_validate_json(once.model_dump_json())) == once
    assert two_sentences(once.verdict.sentence), once.verdict.sentence


def test_order_of_approaches_and_pairs_changes_only_the_order():
    one, two = (redecide(document(*some, pairs=pairs)) for some, pairs in ((ALL, PAIRS), (ALL[::-1], PAIRS[::-1])))
    assert one.verdict == two.verdict and one.sensitivity == two.sensitivity and one.break_evens == two.break_evens


def test_an_unsettled_difference_is_said_with_what_would_settle_it():
    found = redecide(document(*ALL, pairs=PAIRS))
    assert (found.verdict.choice, found.verdict.kind) == ("finetuned-encoder", "undecided")
    assert (
        "88.6% (86.6% to 90.6%)" in found.verdict.sentence
        and "870" in found.verdict.sentence
        and "$2.14 a day" in found.verdict.sentence
    )
    assert (
        found.verdict.sure == found.sensitivity.win_shares["finetuned-encoder"] == by_name(found, "finetuned-encoder").win_share
    )
    assert by_name(found, "majority").win_share == 0.0


def test_good_enough_and_clear_sentences():
    good = redecide(document(FLOOR, TUNED, result("lora-encoder", 0.880, p90=0.5, mb=5000), pairs=PAIRS))
    assert (good.verdict.choice, good.verdict.kind) == ("finetuned-encoder", "good_enough")
    assert "not better by more than the 2 points" in good.verdict.sentence
    clear = redecide(document(FLOOR, TUNED, TFIDF, pairs=PAIRS))
    assert (
        clear.verdict.kind == "clear"
        and "The difference is real" in clear.verdict.sentence
        and "6.4 points (4.4 to 8.4)" in clear.verdict.sentence
    )


def test_a_hint_that_is_followed_gives_what_it_says():
    """Every "X would be chosen" for a weight, a limit or a volume is tried."""
    base = redecide(document(*ALL, pairs=PAIRS), weights={"latency": 0.5})
    tried = 0
    for hint in [*base.verdict.would_change, *base.sensitivity.changes]:
        if found := re.match(r"If (\w+) counted for (\d+)% or (?:more|less) .*?, (\S+) would be chosen", hint):
            shares = {"quality": 0.5, "cost": 0.2, "latency": 0.5, "memory": 0.1}
            rest = {k: w for k, w in base.sensitivity.weights.items() if k != found[1] and k in shares}
            t = int(found[2]) / 100
            weights = {k: w / sum(rest.values()) * (1 - t) for k, w in rest.items()} | {found[1]: t}
            assert redecide(base, weights=weights).verdict.choice == found[3], hint
            tried += 1
        elif found := re.search(r"limit `(.*?)`\), (\S+) would be chosen", hint):
            assert redecide(base, limits=[found[1]]).verdict.choice == found[2], hint
            tried += 1
    for hint in redecide(document(*ALL, pairs=PAIRS)).verdict.would_change:
        if found := re.match(r"At about ([\d,]+) items a day or (fewer|more), (\S+) would", hint):
            there = float(found[1].replace(",", "")) * (0.9 if found[2] == "fewer" else 1.1)
            assert redecide(document(*ALL, pairs=PAIRS), volume=there).verdict.choice == found[3], hint
            tried += 1
    assert tried >= 4


def test_limits_are_judged_and_written_in_normal_form():
    found = redecide(document(*ALL, pairs=PAIRS), limits=["p95 latency<=20ms", "model size <= 1 GB"])
    assert found.study.limits == ["p95 latency <= 20 ms", "model size <= 1 GB"]
    tuned = by_name(found, "finetuned-encoder")
    assert 0.5 < tuned.limits["p95 latency <= 20 ms"] < 0.7
    # The size of the model was not measured: no probability is made up, and the limit is not met.
    assert "model size <= 1 GB" not in tuned.limits and not tuned.within_limits
    assert (
        found.verdict.kind == "none_within_limits" and found.verdict.choice is None and "not measured" in found.verdict.sentence
    )
    with pytest.raises(BakeoffError, match="which is not measured"):
        redecide(found, limits=["acuracy >= 80%"])


def test_costs_by_hand():
    found = redecide(document(*ALL, pairs=PAIRS), volume=100_000, prices={"machine": {"usd_per_hour": 1.0}})
    llm, paid = by_name(found, "prompted-llm"), by_name(found, "endpoint")
    # 1.3/s x 0.7 / 4 = 19,656 a day from one machine
    assert llm.replicas == 6 and llm.usd_per_day.mid == pytest.approx(6 * 24, rel=1e-3)
    assert llm.usd_per_1000.mid == pytest.approx(1000 / 1.3 / 3600)
    assert paid.replicas is None and paid.usd_per_1000.mid == pytest.approx((120 * 0.15 + 3 * 0.6) / 1000)
    assert paid.usd_per_day.mid == pytest.approx(100 * paid.usd_per_1000.mid)
    assert found.study.prices["models"]["gpt-4o-mini"]["as_of"] and found.study.prices["machine"]["usd_per_hour"] == 1.0


def test_a_bill_goes_before_the_table_and_the_studys_price_before_the_bill():
    billed = PAID.model_copy(update={"usd_per_1000": around(0.5, 0.1)})
    found = redecide(document(TUNED, billed))
    assert by_name(found, "endpoint").usd_per_1000 == around(0.5, 0.1)
    assert by_name(found, "endpoint").usd_per_day.high == pytest.approx(6.0)
    named = redecide(found, prices={"models": {"gpt-4o-mini": {"usd_per_million_in": 1, "usd_per_million_out": 0}}})
    assert by_name(named, "endpoint").usd_per_1000.mid == pytest.approx(0.12)


def test_a_model_that_does_not_fit_is_priced_on_a_larger_machine_and_it_is_said():
    found = redecide(document(TUNED, LLM.model_copy(update={"peak_bytes": int(6e9)})))
    assert by_name(found, "prompted-llm").usd_per_1000.mid == pytest.approx(0.1008 / 3600 / 1.3 * 1000)
    assert any("6.0 GB" in note and "m7i.large" in note for note in found.study.prices["notes"])
    unknown = redecide(document(TUNED, PAID.model_copy(update={"settings": {"model": "secret"}})))
    assert by_name(unknown, "endpoint").usd_per_day is None and any(
        "has no price" in note for note in unknown.study.prices["notes"]
    )


def test_refusing_the_hard_items_is_not_rewarded():
    shy = result("shy", 0.95, p90=0.018, rate=80, mb=900, answered=250, abstained=250)
    found = redecide(document(FLOOR, TUNED, shy))
    assert found.verdict.choice == "finetuned-encoder"
    alone = redecide(document(FLOOR, shy))
    assert "no answer to 50.0%" in alone.verdict.sentence


def test_only_the_floor_and_nothing_at_all():
    failed = result("tuned", 0.9).model_copy(update={"status": "failed", "failure": "out of memory", "metrics": {}})
    none = redecide(document(failed))
    assert none.verdict.kind == "nothing_ran" and "out of memory" in none.verdict.sentence and redecide(none) == none
    floor = redecide(document(FLOOR, failed))
    assert floor.verdict.choice is None and redecide(floor) == floor
    alone = redecide(document(TUNED))
    assert (
        alone.verdict.kind == "undecided" and alone.verdict.choice == "finetuned-encoder" and "no other" in alone.verdict.sentence
    )


def test_what_was_not_measured_loses_its_weight_aloud():
    bare = [one.model_copy(update={"peak_bytes": None}) for one in (TUNED, TFIDF)]
    found = redecide(document(*bare))
    assert "Memory was not measured, so its weight of 10% went to the others." in found.sensitivity.changes
    assert sum(found.sensitivity.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"volume": 0}, {"volume": float("inf")}, {"horizon_days": -1}, {"weights": {"speed": 1}}, {"values": {"cost": {"worst": 1}}}])  # fmt: skip
def test_wrong_changes_are_bakeoff_errors(wrong):
    with pytest.raises(BakeoffError):
        redecide(document(TUNED), **wrong)


def test_figures_as_people_say_them():
    assert [money(x) for x in (0, 0.00001, 0.01, 0.11, 0.002, 2.142, 1250.4, 99.999)] == [
        "nothing", "less than 0.01 US cents", "1 US cent", "11 US cents", "0.20 US cents", "$2.14", "$1,250", "$100.00",
    ]  # fmt: skip
    assert [duration(x) for x in (0.0004, 0.083, 2.1, 90, 720, 12600)] == [
        "0.40 ms",
        "83 ms",
        "2.1 s",
        "90 s",
        "12 min",
        "3.5 hours",
    ]
    assert [size(x) for x in (500, 9.1e7, 1.2e9)] == ["500 bytes", "91 MB", "1.2 GB"]
    assert [volume(x) for x in (10_000, 123_456, 1_234_567, 1e6)] == ["10,000", "120,000", "1.2 million", "1 million"]
