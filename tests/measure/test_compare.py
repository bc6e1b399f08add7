"""Comparisons against published examples, an independent derivation of the score test, and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from bakeoff.errors import BakeoffError
from bakeoff.measure.compare import a_beats_b, compare, compare_whole, family, holm, nadeau_bengio
from bakeoff.measure.paired_proportions import mcnemar, tango_interval, tango_z


def table(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([1.0, 1.0, 0.0, 0.0], [both, only_a, only_b, neither])
    b = np.repeat([1.0, 0.0, 1.0, 0.0], [both, only_a, only_b, neither])
    return a, b


def seeded(seed: int, gap: float = 0.0, *, seeds: int = 3, n: int = 200, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    a, b = (((hard + noise * rng.normal(size=(seeds, n))) < 1 + shift).astype(float) for shift in (gap, 0.0))
    return a, b


def ends(comparison) -> tuple[float, float, float]:
    return tuple(comparison.difference[:3])


# ------------------------------------------------------------------ tests of two proportions


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (5, 0), (9, 1), (10, 10), (59, 6), (150, 86)])
def test_mcnemar_is_the_binomial_test(only_a, only_b):
    want = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == (only_a, only_b, pytest.approx(want))
    assert mcnemar(only_b, only_a).p == pytest.approx(want)


def test_mid_p_counts_half_of_what_was_seen():
    # Fagerland, Lydersen & Laake (2013), airway hyper-responsiveness, 1 against 7: exact 0.070, mid-p 0.039.
    assert mcnemar(1, 7).p == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(1, 7, mid_p=True).p == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize("counts", [(-1, 2), (1.5, 2)])
def test_mcnemar_refuses_what_is_no_count(counts):
    with pytest.raises(BakeoffError):
        mcnemar(*counts)


def test_score_test_of_agrestis_approval_ratings():
    # Agresti, Categorical Data Analysis, table 10.1: 794, 150, 86, 570; z squared = 17.36, difference 0.04 (0.02 to 0.06).
    assert tango_z(150, 86, 1600, 0.0) ** 2 == pytest.approx(17.36, abs=0.005)
    found = compare(*table(794, 150, 86, 570), margin=0.02)
    assert ends(found) == pytest.approx((0.04, 0.021, 0.059), abs=5e-4)
    assert found.discordance == mcnemar(150, 86)
    assert found.verdict == "superior"


@pytest.mark.parametrize(
    ("a", "b", "n", "delta"), [(9, 3, 100, -0.03), (0, 4, 60, 0.05), (2, 0, 40, -0.1), (20, 11, 200, 0.02), (0, 0, 50, 0.02)]
)
def test_score_statistic_uses_the_constrained_maximum_likelihood(a, b, n, delta):
    """Maximise the likelihood under p_a - p_b = delta by brute force and form the statistic from that."""

    def unlikely(q):  # q = P(only b)
        cells = np.array([q + delta, q, 1 - 2 * q - delta])
        counts = np.array([a, b, n - a - b])
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip(counts, cells, strict=True) if k)

    low, high = max(0.0, -delta), (1 - delta) / 2
    best = optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    want = (a - b - n * delta) / math.sqrt(n * (2 * best + delta - delta**2))
    assert tango_z(a, b, n, delta) == pytest.approx(want, abs=2e-4)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_score_interval_is_the_inverted_test(only_a, only_b, rest):
    n = only_a + only_b + rest
    if n == 0:
        return
    low, high = tango_interval(only_a, only_b, n, 1.96)
    assert -1 <= low <= (only_a - only_b) / n <= high <= 1
    if low > -1 + 1e-6:
        assert tango_z(only_a, only_b, n, low) == pytest.approx(1.96, abs=1e-5)
    mirrored = tango_interval(only_b, only_a, n, 1.96)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((float(low), float(high)))


# ------------------------------------------------------------------ one comparison


def test_several_seeds_by_hand():
    a = np.array([[0.9, 0.4, 0.8, 0.6], [0.7, 0.5, 0.9, 0.2]])
    b = np.array([[0.8, 0.1, 0.9, 0.5], [0.3, 0.4, 0.5, 0.3]])
    d = a - b
    rest = d - d.mean(0) - d.mean(1, keepdims=True) + d.mean()
    item, seed, interaction = 2 * d.mean(0).var(ddof=1), 4 * d.mean(1).var(ddof=1), (rest**2).sum() / 3
    excess = max(seed - interaction, 0)
    error = math.sqrt((item + excess) / 8)
    df = (item + excess) ** 2 / (item**2 / 3 + excess * (excess + interaction))
    half = stats.t.ppf(0.975, df) * error
    found = compare(a, b, margin=0.1)
    assert ends(found) == pytest.approx((d.mean(), d.mean() - half, d.mean() + half))
    careful = (item + excess) ** 2 / (item**2 / 3 + max(seed, 0.75 * interaction) ** 2)
    assert found.p_raw == pytest.approx(2 * stats.t.sf(d.mean() / error, careful))
    assert found.p_non_inferior == pytest.approx(stats.t.sf((d.mean() + 0.1) / error, careful))
    assert found.discordance is None


def test_one_seed_of_other_scores_is_the_paired_t_test():
    a, b = np.random.default_rng(1).random((2, 40))
    found, want = compare(a, b, margin=0.05), stats.ttest_rel(a, b)
    assert found.p_raw == pytest.approx(want.pvalue)
    assert ends(found)[1:] == pytest.approx(tuple(want.confidence_interval()))


def test_identical_answers_have_no_difference_and_no_nan():
    a, _ = seeded(2)
    for x in (a, a[:1], np.random.default_rng(0).random((2, 50))):
        found = compare(x, x, margin=0.02)
        assert ends(found) == (0, 0, 0)
        assert (found.p_raw, found.p, found.a_beats_b) == (1, 1, 0.5)


def test_being_the_same_is_claimed_only_after_enough_items():
    """The rule of three: with a margin of 2 points, 183 equal items in a row are one chance in 40."""
    assert compare(np.ones(182), np.ones(182), margin=0.02).verdict == "undecided"
    assert compare(np.ones(182), np.ones(182), margin=0.02).n_to_settle == 1
    assert compare(np.ones(183), np.ones(183), margin=0.02).verdict == "equivalent"
    assert compare(np.ones(183), np.ones(183), margin=0.0).n_to_settle is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_difference_that_never_varies(seeds):
    found = compare(np.full((seeds, 12), 0.75), np.full((seeds, 12), 0.5), margin=0.1)
    assert ends(found) == pytest.approx((0.25, 0.25, 0.25))
    assert found.p_raw == pytest.approx(2 * 0.5**12)
    assert found.verdict == "superior"
    assert compare(np.full((seeds, 3), 0.75), np.full((seeds, 3), 0.5), margin=0.1).verdict == "undecided"


def test_always_right_against_always_wrong():
    found = compare(np.ones(30), np.zeros(30), margin=0.02)
    assert found.verdict == "superior"
    assert -1 <= found.difference.low < found.difference.mid == found.difference.high == 1
    assert compare(np.ones(30), np.zeros(30), margin=1.0).a_good_enough


@pytest.mark.parametrize("clusters", [None, np.arange(200) // 4])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_swapping_sides_mirrors_everything(clusters, seeds, gap):
    a, b = seeded(3, gap, seeds=seeds)
    one, two = (compare(x, y, clusters=clusters, margin=0.02) for x, y in ((a, b), (b, a)))
    assert (-two.difference.mid, -two.difference.high, -two.difference.low) == pytest.approx(ends(one))
    assert two.p_raw == pytest.approx(one.p_raw)
    assert (two.p_non_inferior, two.p_non_inferior_reverse) == pytest.approx((one.p_non_inferior_reverse, one.p_non_inferior))
    assert (two.a_good_enough, two.b_good_enough) == (one.b_good_enough, one.a_good_enough)
    assert one.a_beats_b + two.a_beats_b == 1
    mirror = {"superior": "inferior", "inferior": "superior", "equivalent": "equivalent"}
    if one.verdict in mirror:
        assert two.verdict == mirror[one.verdict]
    turned = one.swapped()
    assert ends(turned) == pytest.approx(ends(two))
    assert (turned.verdict, turned.n_to_settle, turned.discordance) == (two.verdict, two.n_to_settle, two.discordance)


@pytest.mark.parametrize("clusters", [None, np.arange(200) // 4])
def test_order_of_items_and_seeds_is_no_information(clusters):
    a, b = seeded(4, 0.1)
    order = np.random.default_rng(0).permutation(200)
    moved = compare(a[::-1, order], b[::-1, order], clusters=None if clusters is None else clusters[order], margin=0.02)
    still = compare(a, b, clusters=clusters, margin=0.02)
    assert ends(moved) == pytest.approx(ends(still))
    assert (moved.p_raw, moved.verdict, moved.n_to_settle) == (pytest.approx(still.p_raw), still.verdict, still.n_to_settle)


def test_only_items_answered_by_both_count():
    a, b = seeded(5, seeds=1)
    extra_a, extra_b = np.hstack([a, [[1.0, np.nan]]]), np.hstack([b, [[np.nan, 0.0]]])
    assert ends(compare(extra_a, extra_b, margin=0.02)) == ends(compare(a, b, margin=0.02))
    assert compare(extra_a, extra_b, margin=0.02).difference.n == 200


def test_a_seed_without_shared_answers_is_left_out():
    a, b = seeded(6)
    a[1] = np.nan
    assert ends(compare(a, b, margin=0.02)) == pytest.approx(ends(compare(a[[0, 2]], b[[0, 2]], margin=0.02)))


def test_one_row_is_fixed_and_extra_rows_have_no_partner():
    a, b = seeded(7)
    fixed = compare(a, b[:1], margin=0.02)
    assert fixed.difference.mid == pytest.approx(a.mean() - b[0].mean())
    assert fixed.spread.seeds == 3
    assert ends(compare(a, b[:2], margin=0.02)) == ends(compare(a[:2], b[:2], margin=0.02))


def test_copied_items_in_clusters_are_not_evidence():
    a, b = (x[:, :60] for x in seeded(8, 0.3))
    copies = [np.repeat(x, 5, axis=1) for x in (a, b)]
    clustered = compare(*copies, clusters=np.repeat(np.arange(60), 5), margin=0.02)
    plain = compare(a, b, margin=0.02)
    assert ends(clustered) == pytest.approx(ends(plain))
    assert clustered.p_raw == pytest.approx(plain.p_raw)
    assert clustered.difference.n == 60


@pytest.mark.parametrize("gap", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_test_is_never_bolder_than_its_interval(gap, seeds):
    for seed in range(12):
        found = compare(*seeded(seed, gap, seeds=seeds, n=80), margin=0.03)
        if found.p_raw < 0.05:
            assert not found.difference.low <= 0 <= found.difference.high
        if found.p_non_inferior <= 0.025:
            assert found.difference.low >= -0.03
        if seeds == 1:
            assert (found.p_raw < 0.05) == (not found.difference.low <= 0 <= found.difference.high)


def test_losses_turn_the_words_but_not_the_difference():
    rng = np.random.default_rng(9)
    b = rng.random((3, 200))
    a = b + 0.2 + 0.05 * rng.random((3, 200))
    worse = compare(a, b, margin=0.05, higher_is_better=False)
    assert worse.difference.mid > 0
    assert (worse.verdict, worse.a_beats_b, worse.a_good_enough, worse.b_good_enough) == ("inferior", 0, False, True)
    assert compare(a, b, margin=0.05).verdict == "superior"
    right, wrong = table(50, 10, 2, 8)
    assert compare(right, wrong, margin=0.0, higher_is_better=False).discordance[:2] == (2, 10)


# ------------------------------------------------------------------ verdicts


@pytest.mark.parametrize(
    ("counts", "margin", "word", "enough"),
    [
        ((700, 80, 20, 200), 0.02, "superior", (True, False)),
        ((700, 20, 80, 200), 0.02, "inferior", (False, True)),
        ((8700, 60, 60, 1180), 0.02, "equivalent", (True, True)),
        ((700, 32, 20, 248), 0.02, "non-inferior", (True, False)),
        ((700, 40, 42, 218), 0.01, "undecided", (False, False)),
        ((70000, 900, 600, 28500), 0.02, "superior", (True, True)),
        ((70000, 600, 900, 28500), 0.02, "inferior", (True, True)),
    ],
)
def test_each_verdict(counts, margin, word, enough):
    found = compare(*table(*counts), margin=margin)
    assert (found.verdict, (found.a_good_enough, found.b_good_enough)) == (word, enough)
    assert (found.n_to_settle is not None) == (word == "undecided")


def test_holm_of_a_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    with pytest.raises(BakeoffError):
        holm([0.1, math.nan])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_order(p):
    adjusted = holm(p)
    assert all(raw <= new <= min(1, raw * len(p)) + 1e-12 for raw, new in zip(p, adjusted, strict=True))
    assert all(adjusted[i] <= adjusted[j] for i in range(len(p)) for j in range(len(p)) if p[i] <= p[j])


def test_many_pairs_make_a_verdict_harder():
    close = compare(*table(150, 18, 6, 26), margin=0.0)
    assert close.verdict == "superior"
    others = [compare(*table(150, 9, 10, 31), margin=0.0) for _ in range(5)]
    found = family([close, *others])
    assert found[0].verdict == "undecided"
    assert found[0].p == pytest.approx(6 * close.p_raw)
    assert found[0].difference == close.difference
    assert found[0].n_to_settle > 0
    assert family([]) == []


def test_order_of_pairs_is_no_information():
    pairs = [compare(*seeded(seed, 0.1 * seed), margin=0.02) for seed in range(5)]
    there, back = family(pairs), family(pairs[::-1])[::-1]
    assert [(one.p, one.verdict, one.n_to_settle) for one in there] == [(one.p, one.verdict, one.n_to_settle) for one in back]


def test_a_seed_lottery_asks_for_seeds_not_items():
    rng = np.random.default_rng(10)
    b = np.repeat((rng.random((1, 2000)) < 0.8).astype(float), 3, axis=0)
    a = b.copy()
    for row, flips in enumerate((100, 0, 40)):
        a[row, np.flatnonzero(a[row] == 0)[:flips]] = 1
    found = compare(a, b, margin=0.0)
    assert (found.verdict, found.n_to_settle, found.needs_seeds) == ("undecided", None, True)


# ------------------------------------------------------------------ whole metrics, seeds, splits


def test_whole_metric_agrees_with_the_mean_it_is():
    a, b = seeded(11, 0.2, n=150)
    whole = compare_whole(lambda at: a[:, at].mean(1), lambda at: b[:, at].mean(1), 150, margin=0.02, resamples=4000)
    mean = compare(a, b, margin=0.02)
    assert ends(whole) == pytest.approx(ends(mean), abs=0.004)
    assert whole.p_raw == pytest.approx(mean.p_raw, abs=0.02)
    assert (whole.a_beats_b, whole.difference.n) == (mean.a_beats_b, 150)


def test_whole_metric_with_itself():
    found = compare_whole(lambda at: 0.5, lambda at: 0.5, 50, margin=0.1, resamples=60)
    assert (ends(found), found.p_raw, found.verdict) == ((0, 0, 0), 1, "equivalent")


def test_share_of_seeds_at_which_a_is_ahead():
    assert a_beats_b([0.9, 0.8, 0.7], [0.8, 0.8, 0.8]) == pytest.approx(0.5)
    assert a_beats_b([0.9, 0.8], [0.1, 0.2]) == 1
    assert a_beats_b([0.9, 0.8], [0.1, 0.2], higher_is_better=False) == 0
    assert a_beats_b([0.9, 0.7, 0.6], [0.8]) == pytest.approx(1 / 3)
    with pytest.raises(BakeoffError):
        a_beats_b([], [0.1])


def test_nadeau_bengio_by_hand():
    d = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    error = math.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    found, p = nadeau_bengio(d, 1 / 4)
    assert tuple(found) == pytest.approx((d.mean(), d.mean() - 2.776445 * error, d.mean() + 2.776445 * error, 5), abs=1e-6)
    assert p == pytest.approx(2 * stats.t.sf(d.mean() / error, 4))
    assert p > stats.ttest_1samp(d, 0).pvalue
    assert nadeau_bengio([0.0, 0.0], 0.1)[1] == 1
    for wrong in ([0.1], [0.1, math.nan]):
        with pytest.raises(BakeoffError):
            nadeau_bengio(wrong, 0.25)


@pytest.mark.parametrize(
    ("a", "b", "more"),
    [
        (np.ones(5), np.ones(6), {}),
        (np.ones(1), np.ones(1), {}),
        (np.array([1.0, np.nan]), np.array([np.nan, 1.0]), {}),
        (np.ones(4), np.zeros(4), {"clusters": ["x"] * 4}),
        (np.ones(4), np.zeros(4), {"margin": -0.1}),
        (np.ones(4), np.zeros(4), {"margin": math.nan}),
        (np.ones(4), np.zeros(4), {"alpha": 1.5}),
    ],
)
def test_what_cannot_be_compared_says_what_to_do(a, b, more):
    with pytest.raises(BakeoffError) as caught:
        compare(a, b, **{"margin": 0.02, **more})
    assert caught.value.fix
