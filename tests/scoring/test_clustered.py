import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foldwise.scoring.calibration import calibration_interval
from foldwise.scoring.clustered import Groups
from foldwise.scoring.intervals import pseudo_values
from foldwise.scoring.metrics import SCORES, scores
from foldwise.scoring.significance import differences

SETS = 1000
# 93 to 97 %, and three standard errors of so many data sets.
LOWEST = 0.93 - 3 * np.sqrt(0.93 * 0.07 / SETS)
HIGHEST = 0.97 + 3 * np.sqrt(0.97 * 0.03 / SETS)


def group_sizes(kind, groups):
    if kind == "lognormal":
        drawn = np.random.default_rng(groups).lognormal(-0.5, 1, groups)
        return np.ceil(8 * drawn).astype(int)
    sizes = np.full(groups, 8)
    if kind == "third":
        sizes[0] = 4 * (groups - 1)
    return sizes


def skewed(codes, generator, shared=0.3):
    """Rows with mean zero, skewed as losses are; a share of their variance is their group's."""
    of_group = generator.gamma(4, 0.5, codes.max() + 1)[codes] - 2
    own = generator.exponential(size=len(codes)) - 1  # skewness 2
    return np.sqrt(shared) * of_group + np.sqrt(1 - shared) * own


def plain_t(values, codes):
    """Whether zero lies in the interval with as many degrees of freedom as groups, less one."""
    sizes, g = np.bincount(codes), codes.max() + 1
    residual = np.bincount(codes, values) - values.mean() * sizes
    error = np.sqrt(g / (g - 1) * np.square(residual).sum()) / len(values)
    return abs(values.mean()) < stats.t.ppf(0.975, g - 1) * error


@pytest.mark.parametrize("kind", ["equal", "lognormal", "third"])
@pytest.mark.parametrize("n", [20, 60, 300])
def test_intervals_hold_the_truth_whatever_the_sizes_of_groups(kind, n):
    # Measured: 94.0 to 96.4 % of the losses' intervals.
    codes, generator = np.repeat(np.arange(n), group_sizes(kind, n)), np.random.default_rng(1)
    groups, held = Groups(codes), {"loss": 0, "difference": 0, "plain": 0}
    for _ in range(SETS):
        loss, other = skewed(codes, generator), skewed(codes, generator)
        low, high = groups.estimate(loss).interval()
        held["loss"] += low <= 0 <= high
        low, high = groups.estimate(loss - other).interval()
        held["difference"] += low <= 0 <= high
        held["plain"] += plain_t(loss - other, codes)
    for name in ("loss", "difference"):
        assert LOWEST <= held[name] / SETS <= HIGHEST
    if kind == "third":
        assert held["plain"] < held["difference"]


def test_misses_are_on_both_sides_where_losses_are_skewed():
    codes, generator = np.repeat(np.arange(20), 8), np.random.default_rng(2)
    groups, ends = Groups(codes), []
    for _ in range(1000):
        ends.append(groups.estimate(skewed(codes, generator, 0.5)).interval())
    low, high = np.array(ends).T
    assert 0.008 < (low > 0).mean() < 0.042
    assert 0.008 < (high < 0).mean() < 0.042


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(-1, 1), st.sampled_from([0.9, 0.95]))
def test_an_interval_is_without_zero_just_where_p_is_below_the_level(seed, n, lift, confidence):
    generator = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n), generator.integers(1, 9, n))
    estimate = Groups(codes, confidence).estimate(skewed(codes, generator) + lift)
    low, high = estimate.interval()
    assert low <= estimate.value <= high
    level = 1 - confidence
    if abs(estimate.p - level) > 1e-9:
        assert (low > 0 or high < 0) == (estimate.p < level)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_the_other_sign_mirrors_the_interval_and_keeps_p(seed):
    generator = np.random.default_rng(seed)
    codes = np.repeat(np.arange(15), generator.integers(1, 9, 15))
    groups, values = Groups(codes), skewed(codes, generator) + 0.2
    first, mirrored = groups.estimate(values), groups.estimate(-values)
    assert mirrored.p == pytest.approx(first.p)
    low, high = first.interval()
    assert mirrored.interval() == pytest.approx((-high, -low))


def test_equal_groups_of_a_symmetric_mean_have_the_t_interval():
    values = np.random.default_rng(3).normal(size=150)
    values = np.concatenate([values, -values])
    low, high = Groups(np.arange(300)).estimate(values).interval()
    assert high == pytest.approx(stats.t.ppf(0.975, 299) * stats.sem(values))
    assert low == pytest.approx(-high)


def test_few_groups_and_unequal_ones_widen_the_interval():
    few = Groups(np.repeat(np.arange(5), 8))
    many = Groups(np.repeat(np.arange(300), 8))
    uneven = Groups(np.repeat(np.arange(300), group_sizes("third", 300)))
    critical = []
    for groups in (few, uneven, many):
        values = np.random.default_rng(4).normal(size=len(groups.codes))
        critical.append(groups.estimate(values).critical)
    assert critical[0] > 2.5
    assert critical[1] > critical[2] == pytest.approx(1.968, abs=0.01)
    assert many.effective == pytest.approx(300)
    assert uneven.effective == pytest.approx(9, abs=0.2)


def test_a_single_group_shows_nothing():
    estimate = Groups(np.zeros(30)).estimate(np.arange(30.0))
    assert estimate.p == 1
    assert estimate.interval() == (-np.inf, np.inf)


def test_what_does_not_vary_has_an_interval_of_no_width():
    estimate = Groups(np.arange(20) // 2).estimate(np.full(20, 0.1))
    assert estimate.interval() == pytest.approx((0.1, 0.1))
    assert estimate.p == 0


def test_rows_move_each_score_by_what_leaving_them_out_changes():
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, 2000)
    p = generator.dirichlet(np.ones(3), 2000) * 0.6 + 0.4 * np.eye(3)[labels]
    moved, whole = pseudo_values(labels, p), scores(labels, p)
    assert set(moved) == set(SCORES) - {"ece"}
    for out in (np.arange(3), np.flatnonzero(labels == 1)[:5]):
        rest = scores(np.delete(labels, out), np.delete(p, out, axis=0))
        for name, values in moved.items():
            assert values.mean() == pytest.approx(whole[name], abs=1e-12)
            first_order = (whole[name] - values[out]).sum() / (len(labels) - len(out))
            assert rest[name] - whole[name] == pytest.approx(first_order, rel=0.05, abs=2e-6)


def test_the_interval_of_the_calibration_error_allows_for_what_noise_adds():
    generator, codes = np.random.default_rng(6), np.repeat(np.arange(60), 5)
    zero, known = 0, 0
    groups = Groups(codes)
    for _ in range(100):
        p = generator.dirichlet(np.ones(3), 300)
        labels = (generator.random((300, 1)) > p.cumsum(axis=1)).sum(axis=1)
        low, high = calibration_interval(labels, p, groups)
        zero += low == 0  # calibrated: the truth is 0, the score about 0.08
        assert low <= scores(labels, p)["ece"] <= high
        # A model that is always 90 % sure and right in 60 % of rows is off by 0.3.
        sure = np.full((300, 2), [0.9, 0.1])
        right = (generator.random(300) > 0.6).astype(int)
        low, high = calibration_interval(right, sure, groups)
        known += low <= 0.3 <= high
    # Of 100, 97.5 and 95 or more; three standard errors allowed.
    assert zero >= 93
    assert known >= 89


def test_a_comparison_of_models_is_the_estimate_of_their_gap():
    codes, generator = np.repeat(np.arange(20), group_sizes("third", 20)), np.random.default_rng(7)
    losses = {name: skewed(codes, generator) + 2 for name in "ab"}
    groups = Groups(codes)
    (pair,) = differences(losses, {name: loss < 2 for name, loss in losses.items()}, groups)
    estimate = groups.estimate(losses[pair.other] - losses[pair.better])
    assert pair.difference == estimate.value >= 0
    assert (pair.low, pair.high, pair.p) == (*estimate.interval(), estimate.p)


def test_the_high_end_of_the_calibration_error_minds_a_group_with_a_third_of_the_rows():
    codes, generator = (
        np.repeat(np.arange(300), group_sizes("third", 300)),
        np.random.default_rng(8),
    )
    groups, held = Groups(codes), 0
    for _ in range(100):
        # Always 70 or 80 % sure, right in 60 % of rows on average, whole groups more or less often.
        sure = generator.choice([0.7, 0.8], len(codes))
        share = 0.6 + 0.2 * generator.uniform(-1, 1, 300)[codes]
        labels = (generator.random(len(codes)) > share).astype(int)
        low, high = calibration_interval(labels, np.column_stack([sure, 1 - sure]), groups)
        held += low <= 0.15 <= high
    assert held >= 95 - 3 * np.sqrt(100 * 0.95 * 0.05)


def test_a_single_group_leaves_the_calibration_error_open():
    p = np.random.default_rng(9).dirichlet(np.ones(3), 30)
    assert calibration_interval(np.arange(30) % 3, p, Groups(np.zeros(30))) == (0.0, 1.0)
