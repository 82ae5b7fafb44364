import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.clustered import Groups
from foldwise.scoring.intervals import f1_differences, pseudo_values, score_intervals
from foldwise.scoring.metrics import SCORES, row_log_loss, scores
from foldwise.scoring.significance import clustered_mcnemar, differences, holm, mcnemar

GROUPS, SIZE = 80, 8
CODES = np.repeat(np.arange(GROUPS), SIZE)


def intervals(labels, p, bootstrap):
    return score_intervals(labels, p, pseudo_values(labels, p), bootstrap)


def two_models(generator, groups=GROUPS):
    """Labels and two models' probabilities; rows of a group share how far each model is off."""
    truth = np.repeat(5 * generator.normal(size=(groups, 1)), SIZE, axis=0)
    shared = np.repeat(generator.normal(size=(groups, 2)), SIZE, axis=0)
    labels = (generator.random(len(truth)) < 1 / (1 + np.exp(-truth[:, 0]))).astype(int)
    models = []
    for k, spread in enumerate((1.5, 3.0)):
        p = 1 / (1 + np.exp(-(truth[:, 0] + spread * shared[:, k])))
        models.append(np.column_stack([1 - p, p]))
    return labels, *models


def known_difference():
    """Expected difference in log loss: the mean over so many groups that its error is small."""
    labels, good, bad = two_models(np.random.default_rng(99), groups=200_000)
    return (row_log_loss(labels, bad) - row_log_loss(labels, good)).mean()


def test_intervals_of_a_difference_cover_it_over_groups_and_not_over_rows():
    true, draws = known_difference(), 300
    covered = {"groups": 0, "rows": 0}
    for i in range(draws):
        labels, good, bad = two_models(np.random.default_rng(i))
        losses = {"good": row_log_loss(labels, good), "bad": row_log_loss(labels, bad)}
        right = {"good": good.argmax(1) == labels, "bad": bad.argmax(1) == labels}
        for name, codes in (("groups", CODES), ("rows", np.arange(len(CODES)))):
            (pair,) = differences(losses, right, Groups(codes))
            sign = 1 if pair.better == "good" else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            covered[name] += low <= true <= high
    assert 0.93 <= covered["groups"] / draws <= 0.97
    assert covered["rows"] / draws < 0.85


def test_a_test_over_groups_keeps_its_level_and_one_over_rows_does_not():
    generator, draws, groups = np.random.default_rng(0), 400, Groups(CODES)
    alarms = {"clustered": 0, "exact": 0, "mean": 0}
    for _ in range(draws):
        lean = np.repeat(generator.random(GROUPS), SIZE)
        right = lean > generator.random(len(lean))
        others = 1 - lean > generator.random(len(lean))
        right, others = right & (lean > 0.5), others & (lean < 0.5)
        alarms["clustered"] += clustered_mcnemar(right, others, groups) < 0.05
        alarms["mean"] += groups.estimate(right.astype(float) - others).p < 0.05
        alarms["exact"] += mcnemar(right, others) < 0.05
    assert alarms["clustered"] / draws < 0.09
    assert alarms["mean"] / draws < 0.09
    assert alarms["exact"] / draws > 0.2


def test_without_groups_the_tests_are_the_textbook_ones():
    generator = np.random.default_rng(1)
    right, others = (generator.random(300) < share for share in (0.6, 0.5))
    b, c = (right & ~others).sum(), (others & ~right).sum()
    rows = Groups(np.arange(300))
    chi2 = stats.chi2.sf((b - c) ** 2 / (b + c), 1)
    assert clustered_mcnemar(right, others, rows) == pytest.approx(chi2, rel=0.1)
    values = generator.normal(size=300)
    both = np.concatenate([values, 0.2 - values])  # no skewness, so nothing to straighten
    found = Groups(np.arange(600)).estimate(both).p
    assert found == pytest.approx(stats.ttest_1samp(both, 0).pvalue)
    assert mcnemar(right, right) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    p = np.array(p_values)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert corrected.max() <= 1
    assert corrected.min() == pytest.approx(min(1, p.min() * len(p)))
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_holm_gives_the_published_example():
    # Holm's steps on four p values at once: 4 x 0.005, 3 x 0.01, 2 x 0.03, and the last kept up.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_every_score_lies_in_its_interval_and_the_resampled_scores_are_scikit_learns():
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 3, 240)
    p = generator.dirichlet(np.ones(3), 240) * 0.6 + 0.4 * np.eye(3)[labels]
    codes = np.repeat(np.arange(60), 4)
    found = intervals(labels, p, GroupBootstrap(codes, 300))
    for name, value in scores(labels, p).items():
        low, high = found[name]
        assert low <= value <= high
    assert set(found) == set(SCORES)


def test_a_paired_f1_difference_is_steadier_than_the_scores_are():
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, 600)
    noise = generator.dirichlet(np.ones(3), 600)
    # The same errors but on a tenth of the rows, where one of the two knows the truth.
    better = np.where((np.arange(600) % 10 == 0)[:, None], np.eye(3)[labels], noise)
    bootstrap = GroupBootstrap(np.arange(600) // 2, 400)
    p = {"better": better, "other": noise}
    f1 = {name: scores(labels, q)["f1_macro"] for name, q in p.items()}
    moved = {name: pseudo_values(labels, q) for name, q in p.items()}
    (found,) = f1_differences([("better", "other")], f1, moved, bootstrap)
    assert found.f1_difference == pytest.approx(
        scores(labels, better)["f1_macro"] - scores(labels, noise)["f1_macro"]
    )
    assert 0 < found.f1_low < found.f1_difference < found.f1_high
    low, high = intervals(labels, better, bootstrap)["f1_macro"]
    assert found.f1_high - found.f1_low < high - low
    (same,) = f1_differences([("other", "other")], f1, moved, bootstrap)
    assert list(same.plain().values()) == [0, 0, 0]


def test_readings_say_no_more_than_the_numbers():
    generator = np.random.default_rng(4)
    easy = generator.random(400)
    losses = {"a": easy, "b": easy + 0.3 + 0.1 * generator.normal(size=400)}
    losses["c"] = losses["a"] + 0.5 * generator.normal(size=400)
    right = {name: generator.random(400) < 0.5 for name in losses}
    groups = Groups(np.arange(400))
    said = {(d.better, d.other): d for d in differences(losses, right, groups)}
    assert said["a", "b"].reading.startswith("a is better")
    between = said.get(("a", "c")) or said["c", "a"]
    assert (between.low > 0) == (between.reading != "no clear difference")
