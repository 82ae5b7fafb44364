"""Other test rows: every model predicts them, none is fitted; the transformers' stage too."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from forkedrun import write_data

from foldwise.config.roster import KINDS
from foldwise.config.run import Unit
from foldwise.crossval import unit as crossval_unit
from foldwise.crossval.stored import is_fitted, is_stored
from foldwise.models.model import model_class
from foldwise.stages.stage import execute

STAGES = ("clean", "folds", "features", "baselines", "transformer")
CLASSES = ["EAP", "HPL", "MWS"]
CHEAP = 'models=["prior", "logreg"]'


@pytest.fixture
def make(make_run, tmp_path, tiny_encoder):
    """Make a run of 45 rows; every call reads the same input folder."""
    write_data(tmp_path / "data")

    def make(*settings, name="output", **options):
        return make_run(
            "spooky", "data.classes=[]", "folds.n=2", "jobs=1", "features.char_ngrams=[]",
            "lightgbm.max_rounds=20", f"embedding.model={tiny_encoder}", "bert.precision=fp32",
            f"bert.model={tiny_encoder}", "bert.epochs=1", "bert.max_length=16", *settings,
            input=tmp_path / "data", output=tmp_path / name, **options,
        )  # fmt: skip

    return make


@pytest.fixture
def fits(monkeypatch):
    """Names of the models that are fitted, one for each fit."""
    found = []

    def spy(name):
        kind = model_class(name)
        original = kind.fit

        def fit(cls, *arguments):
            found.append(name)
            return original(*arguments)

        monkeypatch.setattr(kind, "fit", classmethod(fit))

    for name in KINDS:
        spy(name)
    return found


def go(run):
    return [stage for stage in STAGES if execute(stage, run)]


def other_test_file(run):
    texts = ["the raven of 3", "a horror never seen before", "creature and 44"] * 3
    table = pd.DataFrame({"id": [f"new{i}" for i in range(9)], "text": texts})
    table.to_csv(run.input / "test.csv", index=False)


def folders(run):
    for model in run.competition.models:
        yield model, run.model(model)
        for fold in range(2):
            yield model, run.fold(model, fold)


def test_other_test_rows_are_predicted_as_a_fresh_run_would_and_nothing_is_fitted(make, fits):
    every = f"models={list(KINDS)}".replace("'", '"')
    run = make(every)
    go(run)
    assert sorted(fits) == sorted([*KINDS] * 2)
    kept = {
        path: path.read_bytes()
        for _, folder in folders(run)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("test.parquet", "unit.json")
    }
    other_test_file(run)
    fits.clear()
    assert go(run) == ["clean", "features", "baselines", "transformer"]
    assert fits == []
    for path, content in kept.items():
        assert path.name == "metrics.json" or path.read_bytes() == content, path
    fresh = make(every, name="fresh")
    go(fresh)
    assert len(fits) == 2 * len(KINDS)
    for (model, ours), (_, theirs) in zip(folders(run), folders(fresh), strict=True):
        found, expected = (pd.read_parquet(path / "test.parquet") for path in (ours, theirs))
        assert list(found["id"]) == list(expected["id"]) == [f"new{i}" for i in range(9)]
        # A fitted network has computed in another order than the one that was read again.
        close = 1e-5 if KINDS[model].is_transformer else 0
        np.testing.assert_allclose(found[CLASSES], expected[CLASSES], rtol=0, atol=close)
    assert go(run) == []


def test_without_a_test_file_the_predictions_of_its_rows_go_and_nothing_is_fitted(make, fits):
    run = make(CHEAP)
    go(run)
    before = (run.input / "test.csv").read_bytes()
    first = pd.read_parquet(run.model("logreg") / "test.parquet")
    (run.input / "test.csv").unlink()
    fits.clear()
    go(run)
    assert fits == [] and not list(run.output.glob("models/**/test.parquet"))
    assert all(is_stored(run, Unit(model, 0)) for model in ("prior", "logreg"))
    (run.input / "test.csv").write_bytes(before)
    go(run)
    assert fits == []
    pd.testing.assert_frame_equal(pd.read_parquet(run.model("logreg") / "test.parquet"), first)


def test_another_name_of_the_test_file_fits_nothing(make, fits):
    go(make(CHEAP))
    run = make(CHEAP, "data.test=other.csv")
    (run.input / "test.csv").rename(run.input / "other.csv")
    fits.clear()
    go(run)
    assert fits == []


def test_force_fits_again(make, fits):
    run = make(CHEAP)
    go(run)
    fits.clear()
    go(replace(run, force=True))
    assert sorted(fits) == ["logreg", "logreg", "prior", "prior"]


def test_a_unit_that_is_killed_while_it_predicts_again_stays_what_it_was(make, fits, monkeypatch):
    run, unit = make(CHEAP), Unit("logreg", 0)
    go(run)
    before = {p.name: p.read_bytes() for p in run.fold(*unit).iterdir()}
    other_test_file(run)
    monkeypatch.setattr(crossval_unit, "_store", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        go(run)
    assert {p.name: p.read_bytes() for p in run.fold(*unit).iterdir()} == before
    assert is_fitted(run, unit) and not is_stored(run, unit)
    monkeypatch.undo()
    go(run)
    assert is_stored(run, unit)
