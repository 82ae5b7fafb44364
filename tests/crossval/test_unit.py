"""One unit: of a kind that only the roster knows, and with a seed of its own."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
from forkedrun import write_data

from foldwise.config.roster import KINDS, ModelKind
from foldwise.config.run import Unit
from foldwise.crossval.assembly import fit_models
from foldwise.crossval.stored import FittedUnit, is_stored
from foldwise.crossval.unit import run_unit
from foldwise.features.rows import Rows
from foldwise.files import read_json, write_json
from foldwise.models.prior import Prior
from foldwise.stages.stage import execute

CLASSES = ["EAP", "HPL", "MWS"]


class LastTaught:
    """Prefers the class of the last training row."""

    uses_validation = False

    def __init__(self, label, n_classes):
        self.label, self.n_classes = label, n_classes
        self.info = {"device": "cpu"}

    @classmethod
    def fit(cls, train, task, validation=None):
        assert train.features is not None and validation is None
        return cls(int(train.labels[-1]), len(task.classes))

    def predict(self, rows):
        assert rows.labels is None
        shares = np.full((len(rows), self.n_classes), 0.5 / (self.n_classes - 1))
        shares[:, self.label] = 0.5
        return shares

    def save(self, folder):
        write_json(folder / "toy.json", [self.label, self.n_classes])

    @classmethod
    def load(cls, folder):
        return cls(*read_json(folder / "toy.json"))


def test_a_kind_needs_no_more_than_its_row_and_its_class(make_run, tmp_path, monkeypatch):
    module = ModuleType("toys")
    module.LastTaught = LastTaught
    monkeypatch.setitem(sys.modules, "toys", module)
    row = ModelKind("toy", "toys:LastTaught", look=7, uses_features=True, has_settings=False)
    monkeypatch.setitem(KINDS, "toy", row)
    write_data(tmp_path / "data")
    settings = ("data.classes=[]", "folds.n=2", "jobs=1", "features.char_ngrams=[]")
    run = make_run("spooky", *settings, input=tmp_path / "data")
    for stage in ("clean", "folds", "features"):
        execute(stage, run)
    run = replace(run, competition=run.competition.model_copy(update={"models": ("toy",)}))
    fit_models(run, ["toy"], 1)
    assert all(is_stored(run, Unit("toy", fold)) for fold in range(2))
    oof = pd.read_parquet(run.model("toy") / "oof.parquet")
    assert len(oof) == 45 and np.allclose(oof[CLASSES].sum(axis=1), 1)
    assert read_json(run.model("toy") / "metrics.json")["overall"]["log_loss"] > 0
    unit = FittedUnit.load("toy", run.fold("toy", 0), CLASSES)
    ids = np.array(["x"], object)
    again = unit.predict(Rows(ids, {"text": ids}, ids))
    np.testing.assert_array_equal(np.sort(again), [[0.25, 0.25, 0.5]])


def test_every_fold_draws_from_a_seed_of_its_own(make_run, tmp_path, monkeypatch):
    seeds, fit = [], Prior.fit.__func__

    def spy(cls, train, task, validation=None):
        seeds.append(task.seed)
        return fit(cls, train, task, validation)

    monkeypatch.setattr(Prior, "fit", classmethod(spy))
    write_data(tmp_path / "data")
    run = make_run("spooky", "data.classes=[]", "folds.n=3", "seed=7", input=tmp_path / "data")
    for stage in ("clean", "folds"):
        execute(stage, run)
    for fold in range(3):
        run_unit(run, Unit("prior", fold))
    # As `manifest.json` says it.
    assert seeds == [7, 1007, 2007]
