import numpy as np
import pandas as pd
import pytest
from ensemble.test_external import N, files, read  # noqa: F401
from fabricate import bare_audit

from foldwise.ensemble import external_run
from foldwise.errors import UserError
from foldwise.stages.stage import execute


def test_the_ensemble_stage_runs_on_what_was_imported(files):  # noqa: F811
    folder, _, p, _ = files
    np.save(folder / "b.npy", np.full_like(p, 1 / 3) * 0.5 + p * 0.5)
    found = read([str(folder / "a.npy"), str(folder / "b.npy")], folder / "y.csv")
    run = external_run.write_run(found, folder / "out", external_run.default_competition())
    assert execute("ensemble", run)
    oof = pd.read_parquet(run.ensemble / "oof.parquet")
    assert list(oof["id"]) == [f"r{i}" for i in range(N)]
    prior = pd.read_parquet(run.model("prior") / "oof.parquet")
    np.testing.assert_allclose(prior[found.classes].sum(axis=1), 1)


def test_a_run_of_the_pipeline_is_never_overwritten(files):  # noqa: F811
    folder, *_ = files
    (folder / "out" / "clean").mkdir(parents=True)
    bare_audit(["a"], 1).write(folder / "out" / "clean" / "audit.json")
    found = read([str(folder / "a.npy")], folder / "y.csv")
    with pytest.raises(UserError, match="holds a run"):
        external_run.write_run(found, folder / "out", external_run.default_competition())


def test_class_shares_of_a_fold_are_counted_without_it():
    labels, folds = np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 1])
    found = external_run._prior(labels, folds, 2)
    np.testing.assert_allclose(found[:3, 0], (1 + 1) / (3 + 2))
    np.testing.assert_allclose(found[3:, 0], (3 + 1) / (3 + 2))
