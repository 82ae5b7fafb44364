"""A step of a trial: fitted without the fold that judges it, and judged so that less is better."""

import numpy as np
import planted
import pytest

from foldwise.models.model import model_class
from foldwise.tuning.trial import Tuner


@pytest.fixture
def make(tmp_path):
    planted.write_giveaway(tmp_path / "in", groups=18)

    def make(*settings):
        run = planted.prepared(tmp_path, planted.GIVEAWAY, settings, ("logreg",))
        return Tuner.load(run, "logreg", {})

    return make


@pytest.fixture
def seen(monkeypatch):
    """Ids of the rows of each fit, and what it may stop early by."""
    found, kind = [], model_class("logreg")
    fit = kind.fit

    def spy(cls, train, task, validation=None):
        found.append((set(train.ids), validation))
        return fit(train, task)

    monkeypatch.setattr(kind, "fit", classmethod(spy))
    # As a transformer, which would draw a curve over the fold and may stop by it.
    monkeypatch.setattr(kind, "uses_validation", True)
    return found


def test_the_fold_that_judges_a_trial_does_not_stop_it_early(make, seen):
    make().predict({"C": 1.0}, 0, None)
    assert [validation for _, validation in seen] == [None]


def test_a_nested_trial_is_fitted_without_the_outer_fold_too(make, seen):
    tuner = make()
    ids, fold = tuner.data.ids, tuner.fold
    tuner.predict({"C": 1.0}, 0, 1)
    tuner.predict({"C": 1.0}, 0, None)
    assert [rows for rows, _ in seen] == [set(ids[fold == 2]), set(ids[fold != 0])]


def test_a_trial_is_fitted_with_its_own_settings(make):
    tuner = make()
    loose, tight = (tuner.predict({"C": C}, 0, None) for C in (100.0, 1e-4))
    assert np.ptp(loose) > 0.5 > 0.1 > np.ptp(tight)


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "f1_macro"])
def test_the_better_of_two_predictions_has_the_lower_score(make, metric):
    tuner = make(f"metric={metric}")
    labels = tuner.data.labels[tuner.fold == 2]
    right = np.where(np.eye(2)[labels] > 0, 0.8, 0.2)
    half = np.where((np.arange(len(labels)) % 2 == 0)[:, None], right, 1 - right)
    assert tuner.score(right, 2) < tuner.score(half, 2) < tuner.score(1 - right, 2)


def test_a_fold_counts_by_its_rows(make):
    tuner = make("folds.n=5")
    sizes = np.bincount(tuner.fold)
    large, small = sizes.argmax(), sizes.argmin()
    found = tuner.mean({large: 1.0, small: 0.0})
    assert found == pytest.approx(sizes[large] / (sizes[large] + sizes[small]))
    assert found > 0.5
