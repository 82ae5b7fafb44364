import numpy as np
import pandas as pd
import pytest
from ensemble.test_external import N, files, read  # noqa: F401
from fabricate import bare_audit

from foldwise.data.audit_record import Audit
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


@pytest.fixture
def grouped(files):  # noqa: F811
    """Predictions of groups of four rows; the classes of a fold are not those of another."""
    folder, _, p, ids = files
    labels = np.sort(np.arange(N) % 3)
    np.save(folder / "b.npy", p[::-1])
    table = pd.DataFrame({"id": ids, "label": labels, "group": [f"g{i // 4}" for i in range(N)]})

    def make(**columns):
        table.assign(**columns).to_csv(folder / "y.csv", index=False)
        oof = [str(folder / "a.npy"), str(folder / "b.npy")]
        found = read(oof, folder / "y.csv")
        run = external_run.write_run(found, folder / "out", external_run.default_competition())
        return run, found

    return make


def test_class_shares_are_counted_without_the_fold_that_they_score(grouped):
    run, found = grouped(fold=np.arange(N) // 20)
    prior = pd.read_parquet(run.model("prior") / "oof.parquet")
    assert list(prior["fold"]) == list(np.arange(N) // 20)
    for fold in range(3):
        counts = np.bincount(found.labels[np.arange(N) // 20 != fold], minlength=3) + 1
        mine = prior.loc[prior["fold"] == fold, found.classes]
        np.testing.assert_allclose(mine, np.tile(counts / counts.sum(), (20, 1)))


def test_folds_that_no_file_names_are_drawn_by_group(grouped):
    run, _ = grouped()
    folds = pd.read_parquet(run.folds)
    assert folds.groupby("group")["fold"].nunique().max() == 1
    assert folds["fold"].nunique() > 1


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fold": np.arange(N) // 20}, []),
        ({}, ["No file says which fold"]),
        ({"group": None}, ["no column 'group'", "No file says which fold"]),
    ],
)
def test_what_the_files_do_not_say_is_warned_of(files, columns, words):  # noqa: F811
    folder, labels, _, ids = files
    known = {"group": [f"g{i // 4}" for i in range(N)]} | columns
    known = {name: values for name, values in known.items() if values is not None}
    table = pd.DataFrame({"id": ids, "label": labels} | known)
    table.to_csv(folder / "y.csv", index=False)
    found = read([str(folder / "a.npy")], folder / "y.csv")
    run = external_run.write_run(found, folder / "out", external_run.default_competition())
    said = Audit.read(run.clean / "audit.json").train.warnings
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


def test_test_rows_made_elsewhere_keep_their_columns_and_their_models(files):  # noqa: F811
    folder, labels, p, ids = files
    names = np.array(["ant", "bee", "cat"])
    pd.DataFrame({"id": ids, "label": names[labels]}).to_csv(folder / "y.csv", index=False)
    for name in ("a", "b"):
        table = pd.DataFrame(p, columns=names).assign(id=ids)
        table.to_csv(folder / f"{name}.csv", index=False)
    tests = []
    for name in ("a", "b"):
        q = np.random.default_rng(len(tests)).dirichlet(np.ones(3), 5)
        table = pd.DataFrame(q, columns=names)[["cat", "ant", "bee"]]
        tests.append(table.assign(id=[f"t{i}" for i in range(5)]))
        tests[-1].to_csv(folder / f"test-{name}.csv", index=False)
    found = read([str(folder / "a.csv"), str(folder / "b.csv")], folder / "y.csv")
    run = external_run.write_run(found, folder / "out", external_run.default_competition())
    external_run.write_test(run, found, [folder / "test-a.csv", folder / "test-b.csv"])
    for name, table in zip(("a", "b"), tests, strict=True):
        stored = pd.read_parquet(run.model(name) / "test.parquet")
        assert list(stored["id"]) == [f"t{i}" for i in range(5)]
        np.testing.assert_allclose(stored[names], table[names])
