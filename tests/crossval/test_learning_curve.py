"""Three ways to fit without a fold, one meaning: the unit, the learning curve and the tuner."""

import numpy as np
import pandas as pd
import planted
import pytest
from forkedrun import write_data

from foldwise.config.run import Unit
from foldwise.crossval import learning_curve
from foldwise.crossval.unit import fit_and_predict, run_unit
from foldwise.data.cleaned import class_names, read_labels
from foldwise.features import rows
from foldwise.models.model import model_class
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.stages.stage import execute
from foldwise.tuning.trial import Tuner

CLASSES = ["EAP", "HPL", "MWS"]


@pytest.fixture
def prepared(make_run, tmp_path):
    write_data(tmp_path / "data")

    def make(*settings):
        run = make_run(
            "spooky", "data.classes=[]", "folds.n=2", "jobs=1", "features.char_ngrams=[]",
            "logreg.C=[0.1]", "lightgbm.max_rounds=9", *settings, input=tmp_path / "data",
        )  # fmt: skip
        for stage in ("clean", "folds", "features"):
            execute(stage, run)
        return run

    return make


@pytest.mark.parametrize(
    "setting", ["seed=1", "weights.classes=balanced", "weights.oversample=true"]
)
@pytest.mark.parametrize("model", ["logreg", "lightgbm"])
def test_the_whole_share_and_a_trial_of_the_defaults_give_the_bits_of_the_unit(
    prepared, model, setting
):
    run, unit = prepared(setting), Unit(model, 1)
    run_unit(run, unit)
    stored = pd.read_parquet(run.fold(*unit) / "oof.parquet")[CLASSES].to_numpy()
    n, places, probabilities = learning_curve._fit_on_share(run, unit, 1.0)
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    np.testing.assert_array_equal(places, np.flatnonzero(folds == 1))
    assert n == (folds != 1).sum()
    np.testing.assert_array_equal(probabilities, stored)
    np.testing.assert_array_equal(Tuner.load(run, model, {}).predict({}, 1, None), stored)


@pytest.mark.parametrize("uses_validation", [False, True])
@pytest.mark.parametrize("watched", [False, True])
def test_a_fit_sees_the_held_out_rows_only_for_a_watched_curve(
    prepared, monkeypatch, uses_validation, watched
):
    run, unit, seen = prepared("weights.oversample=true"), Unit("logreg", 0), {}
    kind = model_class("logreg")
    fit, predict = kind.fit, kind.predict

    def spy_fit(cls, train, task, validation=None):
        seen.update(train=train, weights=task.class_weights, validation=validation)
        return fit(train, task)

    def spy_predict(self, found):
        seen["labels"] = found.labels
        return predict(self, found)

    monkeypatch.setattr(kind, "fit", classmethod(spy_fit))
    monkeypatch.setattr(kind, "predict", spy_predict)
    monkeypatch.setattr(kind, "uses_validation", uses_validation)
    data = rows.load(run, "train", class_names(run), features=True)
    train, held_out = data.take(np.arange(30)), data.take(np.arange(30, 45))
    fit_and_predict(run, unit, train, held_out, 1, watched=watched)
    assert set(seen["train"].ids) == set(train.ids)
    assert (seen["validation"] is held_out) == (watched and uses_validation)
    assert seen["labels"] is None


def test_labels_and_texts_of_the_held_out_rows_reach_no_weight_and_no_parameter(prepared):
    run = prepared("weights.classes=balanced")
    data = rows.load(run, "train", class_names(run), features=True)
    train, held_out = data.take(np.arange(30)), data.take(np.arange(30, 45))
    for model in ("prior", "logreg", "svm", "lightgbm"):
        unit = Unit(model, 0)
        one = fit_and_predict(run, unit, train, held_out, 1, watched=False)
        few = held_out.take(np.array([3, 3, 7]))
        other = fit_and_predict(run, unit, train, few, 1, watched=False)
        np.testing.assert_array_equal(one.fitted.factors, other.fitted.factors)
        np.testing.assert_allclose(
            one.fitted.predict(held_out), other.fitted.predict(held_out), rtol=0, atol=0
        )


@pytest.fixture
def grouped(tmp_path):
    planted.write_giveaway(tmp_path / "in", groups=48, size=3)
    return planted.prepared(tmp_path, planted.GIVEAWAY, ("logreg.C=[1.0]", "jobs=1"), ("logreg",))


def test_a_share_is_of_whole_groups_outside_the_fold_and_part_of_a_larger_one(grouped, monkeypatch):
    seen, original = [], learning_curve.fit_and_predict

    def spy(run, unit, train, held_out, threads):
        seen.append((set(train.ids), set(train.groups)))
        return original(run, unit, train, held_out, threads)

    monkeypatch.setattr(learning_curve, "fit_and_predict", spy)
    folds = pd.read_parquet(grouped.folds).set_index("id")
    outside = folds[folds["fold"] != 1]
    for share in (0.25, 0.5, 1.0):
        learning_curve._fit_on_share(grouped, Unit("logreg", 1), share)
        ids, groups = seen[-1]
        assert len(groups) == round(share * outside["group"].nunique())
        assert ids == set(outside.index[outside["group"].isin(groups)])
    assert seen[0][0] < seen[1][0] < seen[2][0]


def test_the_last_doubling_gains_what_the_half_loses_on_the_whole(grouped):
    labels = read_labels(grouped, class_names(grouped))
    bootstrap = GroupBootstrap(pd.read_parquet(grouped.folds)["group"].to_numpy(), draws=100)
    full = np.full(len(labels), 0.25)
    found = learning_curve.learning_curve(grouped, labels, {"logreg": full}, bootstrap)
    losses = {point.share: point.log_loss for point in found.points}
    assert losses[1.0] == 0.25
    assert found.last_doubling["logreg"].gain == pytest.approx(losses[0.5] - 0.25)
