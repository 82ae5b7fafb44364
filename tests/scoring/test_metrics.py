import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from foldwise.scoring.bootstrap import GroupBootstrap, paired_difference
from foldwise.scoring.metrics import calibration_error, confusion, reliability, row_log_loss, scores


def predictions(seed, n=300, classes=3):
    generator = np.random.default_rng(seed)
    return generator.integers(0, classes, n), generator.dirichlet(np.ones(classes), n)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_scores_are_those_of_scikit_learn(seed, classes):
    labels, p = predictions(seed, 80, classes)
    ours, guess = scores(labels, p), p.argmax(axis=1)
    every = range(classes)
    assert ours["log_loss"] == pytest.approx(sk.log_loss(labels, p, labels=every))
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(labels, guess))
    f1 = sk.f1_score(labels, guess, labels=every, average="macro", zero_division=0)
    assert ours["f1_macro"] == pytest.approx(f1)
    assert row_log_loss(labels, p).mean() == pytest.approx(ours["log_loss"])


def test_a_class_that_is_absent_from_a_fold_does_not_break_the_scores():
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    assert np.isfinite(list(scores(np.array([0, 1]), p).values())).all()


def test_a_calibrated_model_has_no_calibration_error_and_a_boaster_has():
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(3), 50_000)
    labels = (generator.random((50_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    assert calibration_error(labels, p) < 0.02
    sure = np.full_like(p, 1e-6)
    sure[np.arange(len(p)), p.argmax(axis=1)] = 1 - 2e-6
    assert calibration_error(labels, sure) > 0.2


def test_reliability_counts_every_row_once():
    labels, p = predictions(1)
    assert reliability(labels, p)["count"].sum() == len(labels)


def test_confusion_has_true_classes_in_rows():
    p = np.eye(3)[[0, 1, 1]]
    assert confusion(np.array([0, 0, 2]), p).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_intervals_over_groups_cover_and_intervals_over_rows_do_not():
    generator = np.random.default_rng(0)
    covered = {"groups": 0, "rows": 0}
    draws = 200
    for _ in range(draws):
        groups = np.repeat(np.arange(60), 5)
        values = np.repeat(generator.normal(size=60), 5) + 0.3 * generator.normal(size=300)
        for name, codes in (("groups", groups), ("rows", np.arange(300))):
            low, high = GroupBootstrap(codes).interval_of_mean(values)
            covered[name] += low <= 0 <= high
    assert covered["groups"] / draws > 0.9
    assert covered["rows"] / draws < 0.75


def test_the_draws_depend_on_the_seed_alone():
    values = np.random.default_rng(0).normal(size=(100, 1))
    first, again, other = (GroupBootstrap(np.arange(100), seed=k).totals(values) for k in (3, 3, 4))
    assert (first == again).all() and (first != other).any()


def test_a_paired_difference_sees_what_two_intervals_hide():
    generator = np.random.default_rng(2)
    hard = generator.normal(size=500) * 3
    difference, low, high = paired_difference(hard + 0.1, hard, np.arange(500))
    assert difference == pytest.approx(0.1)
    assert 0.09 < low <= high < 0.11
