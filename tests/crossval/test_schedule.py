"""Several folds side by side, and as much as a time budget allows."""

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from stages.test_transformer import CLASSES, prepared  # noqa: F401

from foldwise.backbone.device import slot
from foldwise.config.run import Unit
from foldwise.crossval import schedule
from foldwise.crossval.stored import is_stored
from foldwise.crossval.unit import run_unit
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.finetune.budget import BudgetPlan, DoesNotFit, FoldCost
from foldwise.models.seeds import SeedAverage
from foldwise.stages.stage import execute


@pytest.fixture
def make(prepared):  # noqa: F811
    return lambda *settings, **options: prepared(
        *('models=["bert"]', "bert.precision=fp32", "bert.learning_rate=1e-2"),
        *("bert.head_learning_rate=1e-1", *settings),
        **options,
    )


def test_two_workers_fit_what_one_does(make, tmp_path):
    one = make(output=tmp_path / "one")
    execute("transformer", one)
    two = make("bert.workers=2", output=tmp_path / "two")
    execute("transformer", two)
    first, second = (pd.read_parquet(r.model("bert") / "oof.parquet") for r in (one, two))
    np.testing.assert_allclose(first[CLASSES], second[CLASSES], atol=1e-4)
    assert np.ptp(first[CLASSES].to_numpy(), axis=0).max() > 1e-2
    # How many workers there are is no reason to fit again.
    assert is_stored(make(output=tmp_path / "two"), Unit("bert", 0))


def test_history_holds_every_point_of_every_fold(make):
    run = make("bert.seeds=2")
    execute("transformer", run)
    curves = pd.read_csv(run.model("bert") / "history.csv")
    folds = json.loads((run.model("bert") / "metrics.json").read_text())["folds"]
    assert len(curves) == sum(len(h) for fold in folds for h in fold["histories"]) > 0
    assert set(zip(curves["fold"], curves["seed"], strict=True)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    point = folds[1]["histories"][1][0]
    row = curves[(curves["fold"] == 1) & (curves["seed"] == 1)].iloc[0]
    assert row["split"] == point["split"] and row["loss"] == pytest.approx(point["loss"])


# --- the time budget: the clock is made up, the training is not ------------------------------


LENGTHS = (20, 200, 200)


@pytest.fixture
def slow(monkeypatch):
    """Let an epoch as configured cost `seconds`, as the first steps of a training find.

    No other time passes.
    """
    now = time.time()

    def make(seconds, run):
        original = run_unit
        tokens = sum(min(n, run.competition.bert.max_length) for n in LENGTHS)

        def timed(run, unit, threads, allowance):
            bert = run.competition.bert
            lengths = tuple(min(n, bert.max_length) for n in LENGTHS)
            cost = FoldCost(seconds * sum(lengths) / tokens, 0.0, lengths)
            needed = cost.fold(BudgetPlan(bert.seeds, 1, bert.epochs, bert.max_length))
            if allowance.rounds * needed > allowance.until - time.time():
                raise DoesNotFit(cost)
            return original(run, unit, threads, allowance)

        monkeypatch.setattr(schedule, "run_unit", timed)
        # The made-up seconds do not pass, so nothing is reserved either.
        monkeypatch.setattr(schedule, "_RESERVE", 0.0)
        monkeypatch.setattr(schedule.time, "time", lambda: now)
        return replace(run, started=now)

    return make


def plan_of(run):
    return json.loads((run.model("bert") / "plan.json").read_text())


def test_a_budget_that_is_long_enough_changes_nothing(make, slow):
    run = slow(100, make(time_budget=1000.0))
    execute("transformer", run)
    assert not (run.model("bert") / "plan.json").exists()
    assert is_stored(make(), Unit("bert", 1))


def test_seeds_go_first(make, slow, capsys):
    run = slow(100, make("bert.seeds=2", time_budget=250.0))
    execute("transformer", run)
    assert "time budget: less is trained: seeds 2 -> 1" in capsys.readouterr().err
    assert [p["seeds"] for p in plan_of(run)["folds"].values()] == [1, 1]
    assert plan_of(run)["dropped"] == []


def test_then_folds_whose_rows_get_the_class_shares(make, slow):
    run = slow(100, make("bert.seeds=2", "bert.epochs=2", time_budget=250.0))
    execute("transformer", run)
    assert plan_of(run)["dropped"] == [1]
    assert plan_of(run)["folds"]["0"] == {"seeds": 1, "folds": 1, "epochs": 2, "max_length": 32}
    oof = pd.read_parquet(run.model("bert") / "oof.parquet")
    train = pd.read_parquet(run.clean / "train.parquet")
    missing = oof["fold"] == 1
    shares = train["label"][~missing].value_counts(normalize=True)[CLASSES]
    np.testing.assert_allclose(oof.loc[missing, CLASSES], np.tile(shares, (missing.sum(), 1)))
    assert np.ptp(oof.loc[~missing, CLASSES].to_numpy(), axis=0).max() > 1e-4
    metrics = json.loads((run.model("bert") / "metrics.json").read_text())
    assert any("fold 1 was not fitted" in note for note in metrics["notes"])
    test = pd.read_parquet(run.model("bert") / "test.parquet")
    np.testing.assert_allclose(test[CLASSES].sum(axis=1), 1)
    assert len(Predictor.load(run.output, "bert").units["bert"]) == 1


def test_then_epochs_then_length(make, slow):
    run = slow(100, make("bert.epochs=2", "bert.max_length=128", time_budget=65.0))
    execute("transformer", run)
    found = plan_of(run)["folds"]["0"]
    assert (found["epochs"], found["max_length"]) == (1, 64) and plan_of(run)["dropped"] == [1]


def test_a_second_run_fits_only_what_the_first_left_out(make, slow, monkeypatch):
    run = slow(100, make(time_budget=150.0))
    execute("transformer", run)
    assert plan_of(run)["dropped"] == [1]
    before = (run.fold("bert", 0) / "unit.json").stat().st_mtime_ns
    assert not execute("transformer", run)
    execute("transformer", replace(run, time_budget=151.0, started=run.started - 300))
    assert plan_of(run)["dropped"] == [1]
    monkeypatch.undo()
    whole = make()
    assert execute("transformer", whole)
    assert not (whole.model("bert") / "plan.json").exists()
    assert (run.fold("bert", 0) / "unit.json").stat().st_mtime_ns == before
    assert all(is_stored(whole, Unit("bert", k)) for k in (0, 1))


def test_folds_that_were_cut_short_predict_other_test_rows_and_are_not_fitted_again(
    make, slow, monkeypatch
):
    run = slow(100, make("bert.seeds=2", time_budget=250.0))
    execute("transformer", run)
    plan, path = plan_of(run), run.input / "test.csv"
    network = (run.fold("bert", 0) / "model.safetensors").read_bytes()
    path.write_text(path.read_text().replace("71,", "new,"))
    execute("clean", run)
    monkeypatch.setattr(schedule, "run_unit", run_unit)
    monkeypatch.setattr(SeedAverage, "fit", None)
    assert execute("transformer", replace(run, started=time.time()))
    assert plan_of(run) == plan
    for folder in (run.model("bert"), run.fold("bert", 0), run.fold("bert", 1)):
        assert pd.read_parquet(folder / "test.parquet")["id"].iloc[-1] == "new"
    assert (run.fold("bert", 0) / "model.safetensors").read_bytes() == network
    assert not execute("transformer", run)


def test_stop_stops_and_names_the_time(make, slow):
    run = slow(100, make("bert.over_budget=stop", time_budget=150.0))
    with pytest.raises(UserError, match="the 2 folds to come need about 3 min"):
        execute("transformer", run)


def test_a_time_too_short_for_anything_is_refused(make, slow):
    run = slow(1000, make(time_budget=10.0))
    with pytest.raises(UserError, match="too short for one fold"):
        execute("transformer", run)
    assert not (run.model("bert") / "oof.parquet").exists()


def test_a_training_projects_its_own_end(make, capsys):
    run = make("bert.batch_size=2", "bert.epochs=100000", "bert.over_budget=stop")
    with pytest.raises(UserError, match="the 2 folds to come need about"):
        execute("transformer", replace(run, time_budget=60.0, started=time.time()))
    assert "s left, the folds still need about" in capsys.readouterr().err


def test_each_worker_holds_a_number_of_its_own(tmp_path):
    with slot(tmp_path, 2) as a, slot(tmp_path, 2) as b, slot(tmp_path, 2) as c:
        assert (a, b, c) == (0, 1, None)
    with slot(tmp_path, 2) as again:
        assert again == 0
