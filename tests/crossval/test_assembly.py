"""The folds of a model, joined: every row once, by its id, from the fold that left it out."""

import numpy as np
import pandas as pd
import planted
import pytest

from foldwise.config.run import Unit
from foldwise.crossval.assembly import assemble
from foldwise.crossval.records import ModelRecord, PlannedFold, PlanRecord
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import read_labels
from foldwise.ensemble.predictor import Predictor
from foldwise.files import remove, write_parquet
from foldwise.scoring.metrics import row_log_loss, scores

CLASSES = ["heads", "tails"]


@pytest.fixture
def run(tmp_path):
    """Fit logreg and the prior on three folds of unequal shares; nothing is joined yet."""
    planted.write_giveaway(tmp_path / "in", groups=18)
    settings = ("folds.stratify=false", "logreg.C=[1.0]", "seed=5")
    run = planted.prepared(tmp_path, planted.GIVEAWAY, settings, ("prior", "logreg"))
    for model in run.competition.models:
        for fold in range(3):
            run_unit(run, Unit(model, fold))
    return run


def parts(run, model, name, folds=range(3)):
    return [pd.read_parquet(run.fold(model, k) / f"{name}.parquet") for k in folds]


def test_the_rows_of_the_folds_are_joined_by_their_ids(run):
    assemble(run, "logreg")
    oof = pd.read_parquet(run.model("logreg") / "oof.parquet")
    folds = pd.read_parquet(run.folds)
    assert list(oof["id"]) == list(folds["id"]) and list(oof["fold"]) == list(folds["fold"])
    for fold, part in enumerate(parts(run, "logreg", "oof")):
        mine = oof[oof["fold"] == fold].set_index("id")
        np.testing.assert_array_equal(mine.loc[part["id"], CLASSES], part[CLASSES])


def test_the_score_is_of_all_rows_and_their_own_labels(run):
    assemble(run, "logreg")
    oof = pd.read_parquet(run.model("logreg") / "oof.parquet")[CLASSES].to_numpy()
    record = ModelRecord.read(run.model("logreg") / "metrics.json")
    found = scores(read_labels(run, CLASSES), oof)
    assert record.overall.log_loss == pytest.approx(found["log_loss"])
    losses, sizes = zip(*((fold.log_loss, fold.rows) for fold in record.folds), strict=True)
    assert record.overall.log_loss == pytest.approx(np.average(losses, weights=sizes))
    assert record.train_seconds == pytest.approx(sum(f.train_seconds for f in record.folds))


def test_a_test_row_gets_the_mean_of_all_folds(run):
    assemble(run, "logreg")
    tests = parts(run, "logreg", "test")
    assert np.abs(tests[0][CLASSES] - tests[1][CLASSES]).to_numpy().max() > 0.01
    mean = np.mean([part[CLASSES].to_numpy() for part in tests], axis=0)
    found = pd.read_parquet(run.model("logreg") / "test.parquet")
    np.testing.assert_allclose(found[CLASSES], mean)
    assert list(found["id"]) == list(tests[0]["id"])


@pytest.fixture
def dropped(run):
    """Leave fold 1 out, as a time budget does; the fold of an earlier run still lies there."""
    kept = PlannedFold(seeds=1, folds=2, epochs=1, max_length=8)
    plan = PlanRecord(key="", folds={0: kept, 2: kept}, dropped=[1])
    plan.write(run.model("logreg") / "plan.json")
    assemble(run, "logreg")
    return run


def test_rows_of_a_fold_that_was_not_fitted_get_the_class_shares_of_the_others(dropped):
    oof = pd.read_parquet(dropped.model("logreg") / "oof.parquet")
    labels = read_labels(dropped, CLASSES)
    missing = (oof["fold"] == 1).to_numpy()
    shares = np.bincount(labels[~missing]) / (~missing).sum()
    # Else counting all rows would pass.
    assert np.abs(shares - np.bincount(labels) / len(labels)).max() > 0.01
    np.testing.assert_allclose(oof.loc[missing, CLASSES], np.tile(shares, (missing.sum(), 1)))


def test_a_fold_that_was_not_fitted_predicts_no_test_row(dropped):
    tests = parts(dropped, "logreg", "test", (0, 2))
    mean = np.mean([part[CLASSES].to_numpy() for part in tests], axis=0)
    found = pd.read_parquet(dropped.model("logreg") / "test.parquet")
    np.testing.assert_allclose(found[CLASSES], mean)
    used = Predictor.load(dropped.output, "logreg").units["logreg"]
    assert [path.name for path in used] == ["fold-0", "fold-2"]


def test_it_says_which_fold_was_not_fitted_and_what_the_others_score(dropped):
    record = ModelRecord.read(dropped.model("logreg") / "metrics.json")
    oof = pd.read_parquet(dropped.model("logreg") / "oof.parquet")
    there = (oof["fold"] != 1).to_numpy()
    labels = read_labels(dropped, CLASSES)
    without = row_log_loss(labels[there], oof.loc[there, CLASSES].to_numpy()).mean()
    (note,) = record.notes
    assert "fold 1 was not fitted" in note and f"log loss {without:.4f} without them" in note


def test_a_row_without_a_prediction_is_not_scored(run):
    part = run.fold("logreg", 0) / "oof.parquet"
    write_parquet(part, pd.read_parquet(part)[1:])
    with pytest.raises(FloatingPointError, match="logreg, out of fold: a probability is missing"):
        assemble(run, "logreg")


def test_without_test_rows_an_earlier_runs_predictions_go(run):
    assemble(run, "logreg")
    for fold in range(3):
        remove(run.fold("logreg", fold) / "test.parquet")
    assemble(run, "logreg")
    assert not (run.model("logreg") / "test.parquet").exists()
