import numpy as np
import pytest

from foldwise.config.competition import load_competition
from foldwise.crossval.class_weights import class_weights, correct, oversample, prior_correction
from foldwise.errors import UserError

LABELS = np.array([0] * 80 + [1] * 15 + [2] * 5)
CLASSES = ["a", "b", "c"]


def weights_of(*settings):
    return load_competition("spooky", settings)


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    ours = class_weights(LABELS, CLASSES, weights_of("weights.classes=balanced").weights)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(ours, theirs)


def test_given_weights_have_mean_one_over_the_rows():
    ours = class_weights(LABELS, CLASSES, weights_of("weights.classes=[1, 2, 4]").weights)
    assert ours[LABELS].mean() == pytest.approx(1)
    np.testing.assert_allclose(ours / ours[0], [1, 2, 4])


def test_a_wrong_number_of_weights_is_refused():
    with pytest.raises(UserError, match="2 weights for 3 classes"):
        class_weights(LABELS, CLASSES, weights_of("weights.classes=[1, 2]").weights)


def test_oversampling_levels_the_classes_and_keeps_every_row():
    rows = oversample(LABELS, seed=1)
    assert list(np.bincount(LABELS[rows])) == [80, 80, 80]
    assert set(rows) == set(range(100))


def test_the_two_answers_of_a_pair_weigh_the_same():
    tied = np.array([0, 0, 1])
    ours = class_weights(LABELS, CLASSES, weights_of("weights.classes=balanced").weights, tied)
    assert ours[0] == ours[1] and ours[LABELS].mean() == pytest.approx(1)
    # 95 rows of A or B, and 5 ties: each of the three classes gets a third of the weight.
    assert ours[LABELS[:95]].sum() == pytest.approx(2 * ours[LABELS[95:]].sum())


def test_rows_of_both_answers_are_repeated_alike():
    tied = np.array([0, 0, 1])
    labels = np.repeat([0, 1, 2], [30, 6, 60])
    times = np.bincount(oversample(labels, 1, tied), minlength=96)
    assert times[:36].sum() == 120 and times[36:].sum() == 60
    assert set(times[:36]) == {3, 4} and set(times[36:]) == {1}
    # 95 rows are no whole number for each of the two: one of them is repeated.
    assert list(np.bincount(tied[LABELS[oversample(LABELS, 1, tied)]])) == [96, 48]


@pytest.mark.parametrize("setting", ["weights.classes=balanced", "weights.oversample=true"])
def test_correction_gives_the_weighted_prior_back_as_the_training_prior(setting):
    competition = weights_of(setting)
    weights = class_weights(LABELS, CLASSES, competition.weights)
    factors = prior_correction(LABELS, weights, competition)
    # A model that knows nothing answers with equal shares after balancing.
    restored = correct(np.full((1, 3), 1 / 3), factors)
    np.testing.assert_allclose(restored[0], [0.8, 0.15, 0.05])


def test_correction_is_for_log_loss_only_and_can_be_turned_off():
    for extra in ("metric=f1_macro", "weights.correct_prior=false"):
        competition = weights_of("weights.classes=balanced", extra)
        weights = class_weights(LABELS, CLASSES, competition.weights)
        np.testing.assert_array_equal(prior_correction(LABELS, weights, competition), 1)
