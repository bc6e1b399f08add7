import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.estimate.break_even import TIE, break_evens
from bakeoff.estimate.cost import DailyCost, bought, on_machine, smallest_that_fits
from bakeoff.estimate.prices import Machine, resolve

PRICES = resolve({"review_usd_per_item": 0.5, "labelling_usd_per_item": 0.1})
BOX = Machine("box", usd_per_hour=0.1)


def served(rate: float, name: str = "served", spread: float = 0.0, **more) -> DailyCost:
    return on_machine(
        name, Interval(rate, rate * (1 - spread), rate * (1 + spread), 50), BOX, resolve(), horizon_days=365, **more
    )


def paid(usd: float, name: str = "paid", spread: float = 0.0) -> DailyCost:
    return bought(name, Interval(usd, usd * (1 - spread), usd * (1 + spread), 500), resolve(), horizon_days=365)


def test_daily_cost_by_hand():
    cost = on_machine(
        "x", Interval(10, 8, 12, 50), BOX, PRICES, horizon_days=100, fit_seconds=3600, labelled_items=200, review_share=0.01
    )
    # 10/s x 0.7 / 4 = 1.75/s at the mean = 151,200 a day from one machine at $2.40
    assert cost.capacity() == pytest.approx(151_200)
    assert (cost.replicas(151_200), cost.replicas(151_201), cost.replicas(0.001)) == (1, 2, 1)
    parts = cost.parts(200_000).parts
    assert parts["machines"] == pytest.approx(4.8) and parts["review"] == pytest.approx(200_000 * 0.005)
    assert parts["training"] == pytest.approx(0.1 / 100) and parts["labelling"] == pytest.approx(20 / 100)
    assert cost.usd_per_day(200_000).mid == pytest.approx(cost.parts(200_000).total)
    assert cost.usd_per_1000().mid == pytest.approx(0.1 / 3600 / 10 * 1000)
    # at 8/s one machine holds 120,960 a day, at 12/s 181,440: two either way at 200,000, but not at 130,000
    assert [round(x, 3) for x in cost.usd_per_day(130_000)[:3]] == [
        round(130_000 * 0.005 + f + 0.201, 3) for f in (2.4, 2.4, 4.8)
    ]


def test_a_rate_that_was_held_within_a_limit_is_used_whole():
    held = on_machine("x", Interval(7, 7, 9, 400), BOX, PRICES, horizon_days=365, utilisation=1.0)
    # 7/s / 4 = 1.75/s at the mean: as 10/s at 70%
    assert held.capacity() == pytest.approx(151_200) and (held.replicas(151_200), held.replicas(151_201)) == (1, 2)
    # The rate that was kept is the least that a machine holds: the cost is never more, and at 9/s it is one machine still.
    assert held.usd_per_day(160_000).mid == held.usd_per_day(160_000).high > held.usd_per_day(160_000).low
    assert held.usd_per_1000().mid == pytest.approx(0.1 / 3600 / 7 * 1000)
    crossing = break_evens(held, paid(2.4 / 100_000), up_to=150_000).crossings[0].volume
    assert crossing.mid == pytest.approx(100_000, rel=0.02) and crossing.low <= crossing.mid <= crossing.high


def test_bought_answers_need_no_machine():
    cost = bought("x", Interval(0.001, 0.0008, 0.0012, 500), PRICES, horizon_days=365, review_share=0.1)
    assert cost.replicas(1e9) == 0 and cost.usd_per_1000() == pytest.approx((1.0, 0.8, 1.2, 500))
    assert cost.usd_per_day(1000).mid == pytest.approx(1000 * (0.001 + 0.05))


def test_what_is_left_out_is_said():
    cost = on_machine("x", Interval(10, 8, 12, 50), BOX, resolve(), horizon_days=365, labelled_items=5, review_share=0.1)
    left = " ".join(cost.leaves_out)
    for words in ("training, which was not timed", "labelling 5 items", "people for the 10.0%", "larger or smaller than box"):
        assert words in left


@pytest.mark.parametrize("rate", [Interval(0, 0, 0, 1), Interval(1, 0, 2, 1), Interval(math.nan, 1, 1, 1)])
def test_no_throughput_no_price(rate):
    with pytest.raises(BakeoffError, match="throughput"):
        on_machine("x", rate, BOX, PRICES, horizon_days=365)


def test_smallest_machine_that_fits():
    machines = list(resolve().machines.values())
    assert smallest_that_fits(machines, 5e9, gpu=False).name == "m7i.large"
    assert smallest_that_fits(machines, 5e9, gpu=True).name == "g4dn.xlarge"
    assert smallest_that_fits(machines, 1e15, gpu=False) is None


def test_one_crossing_by_hand_and_its_interval():
    found = break_evens(served(1000), paid(0.0001, spread=0.2), up_to=100_000)
    (crossing,) = found.crossings
    assert crossing.volume.mid == pytest.approx(2.4 / 0.0001) and (crossing.below, crossing.above) == ("paid", "served")
    assert crossing.volume.low == pytest.approx(2.4 / 0.00012, rel=0.06) and crossing.volume.high == pytest.approx(
        2.4 / 0.00008, rel=0.06
    )
    assert found.cheaper == "paid"


def test_a_line_crosses_every_step_of_a_staircase():
    # Paid answers for what one machine holds (15,120) cost 1.25 machines, so they are cheaper again after each of the first steps;
    # after the fourth step (60,480) five machines cost as much as the answers, and from there on less.
    found = break_evens(served(1.0), paid(3.0 / 15_120), up_to=10 * 15_120)
    assert [round(c.volume.mid) for c in found.crossings] == [12096, 15120, 24192, 30240, 36288, 45360, 48384]
    assert [c.above for c in found.crossings] == ["served", "paid", "served", "paid", "served", "paid", "served"]


def test_no_crossing_names_the_cheaper_one():
    found = break_evens(served(1.0), paid(1e-7), up_to=1e6)
    assert not found.crossings and found.cheaper == "paid"
    same = break_evens(served(5.0, "a"), served(5.0, "b"), up_to=1e6)
    assert not same.crossings and same.cheaper == ""


def test_equal_machines_part_where_the_slower_needs_a_second():
    (first, *_) = break_evens(served(1.0, "slow"), served(10.0, "fast"), up_to=1e6).crossings
    assert (first.below, first.above) == ("", "fast") and first.volume.mid == pytest.approx(15_120)


COSTS = st.one_of(
    st.floats(0.05, 1000).map(lambda rate: served(round(rate, 3), spread=0.1)),
    st.floats(1e-7, 1e-2).map(lambda usd: paid(usd, spread=0.1)),
)


@given(COSTS, st.floats(1e-7, 1e-2))
def test_every_crossing_is_one_and_none_is_missed(a, usd):
    b = paid(usd, "b")
    found = break_evens(a, b, up_to=1e6, most=10_000, draws=5)
    for crossing in found.crossings:
        assert crossing.volume.low <= crossing.volume.mid <= crossing.volume.high
        assert crossing.below != crossing.above
    # Replay: recompute both costs on a grid; whoever is cheaper by more than a tie is the one that was said.
    edges = [0.0, *(c.volume.mid for c in found.crossings), found.up_to]
    said = [found.cheaper, *(c.above for c in found.crossings)]
    for volume in np.geomspace(1.0, found.up_to * 0.999, 60):
        x, y = a.usd_per_day(volume).mid, b.usd_per_day(volume).mid
        if abs(x - y) <= 1.5 * TIE * max(x, y) or min(abs(volume / e - 1) for e in edges if e) < 1e-6:
            continue
        cheaper = a.name if x < y else b.name
        here = said[int(np.searchsorted(edges, volume)) - 1]
        assert cheaper == here


@given(st.floats(0.5, 1000), st.floats(1e-6, 1e-3))
def test_half_and_twice_a_single_break_even_are_on_the_predicted_sides(rate, usd):
    a, b = served(rate), paid(usd)
    found = break_evens(a, b, up_to=1e6, draws=3)
    if len(found.crossings) != 1 or found.crossings[0].below == "":
        return
    crossing = found.crossings[0]
    costs = {cost.name: cost for cost in (a, b)}
    for volume, cheaper in ((crossing.volume.mid / 2, crossing.below), (crossing.volume.mid * 2, crossing.above)):
        if volume <= found.up_to:
            other = ({"served", "paid"} - {cheaper}).pop()
            assert costs[cheaper].usd_per_day(volume).mid <= costs[other].usd_per_day(volume).mid


def test_order_and_seed_change_nothing():
    a, b = served(3.0, spread=0.3), paid(0.0004, spread=0.2)
    one, two = break_evens(a, b, up_to=1e5), break_evens(b, a, up_to=1e5)
    assert one.crossings == two.crossings and one.cheaper == two.cheaper
    assert break_evens(a, b, up_to=1e5) == one


@given(st.floats(0.05, 1000), st.floats(1, 1e7), st.floats(1.0, 10.0))
def test_daily_cost_never_falls_with_volume(rate, volume, times):
    cost = served(rate)
    assert cost.usd_per_day(volume * times).mid >= cost.usd_per_day(volume).mid
