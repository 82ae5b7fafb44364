import json
import shutil

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.errors import UserError
from foldwise.report import compare
from foldwise.stages.manifest import write_manifest

CLASSES = ["EAP", "HPL", "MWS"]


def make(folder, *settings, n=600):
    """Fabricate a finished run whose folds and labels do not depend on the settings."""
    options = ('models=["prior", "logreg", "svm"]', "report.bootstrap=200", *settings)
    run = Run(load_competition("spooky", options), folder, folder)
    fabricate(run, CLASSES, n=n)
    write_manifest(run, ["run", "spooky"])
    return run


@pytest.fixture
def two(tmp_path):
    return make(tmp_path / "a"), make(tmp_path / "b", "logreg.C=[0.1]")


def improve(run, model, share):
    """Move a model's predictions towards the labels."""
    path = run.model(model) / "oof.parquet"
    oof = pd.read_parquet(path)
    truth = np.eye(3)[np.arange(len(oof)) % 3]
    oof[CLASSES] = (1 - share) * oof[CLASSES].to_numpy() + share * truth
    oof.to_parquet(path)


def test_a_real_gain_is_called_one_and_the_same_predictions_are_too(two):
    a, b = two
    improve(b, "logreg", 0.3)
    facts = compare.compare(a.output, b.output)
    found = {entry.model: entry for entry in facts.models}
    assert found["logreg"].reading == "B is better"
    assert found["logreg"].low > 0
    assert found["svm"].reading == "the same predictions"
    assert found["svm"].difference == 0
    back = compare.compare(b.output, a.output).models
    reverse = next(entry for entry in back if entry.model == "logreg")
    assert reverse.reading == "A is better"
    assert reverse.difference == pytest.approx(-found["logreg"].difference)


def test_it_says_what_changed_and_writes_tables(two, tmp_path):
    a, b = two
    facts = compare.compare(a.output, b.output)
    assert [change.key for change in facts.changed] == ["logreg.C"]
    assert "logreg.C" in compare.render_comparison(facts)
    compare.write_comparison(facts, tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "compare.json").read_text())
    text = (tmp_path / "out" / "compare.md").read_text()
    for entry in stored["models"]:
        assert f"{entry['a']['log_loss']:.4f}" in text
    assert all(line.count("|") == 13 for line in text.splitlines() if line.startswith("| logreg |"))


def shuffle_folds(run):
    folds = pd.read_parquet(run.folds)
    folds["fold"] = folds["fold"].to_numpy()[::-1]
    folds.to_parquet(run.folds)


def change_label(run):
    path = run.clean / "train.parquet"
    train = pd.read_parquet(path)
    train.loc[3, "label"] = "MWS" if train.loc[3, "label"] != "MWS" else "EAP"
    train.to_parquet(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(shuffle_folds, "its folds differ"), (change_label, "its labels differ.*r3")],
)
def test_runs_on_other_folds_or_labels_are_refused(two, spoil, words):
    a, b = two
    spoil(b)
    with pytest.raises(UserError, match=words):
        compare.compare(a.output, b.output)


def test_runs_on_other_rows_are_refused_and_so_is_what_is_no_run(two, tmp_path):
    a, _ = two
    fewer = make(tmp_path / "c", n=590)
    with pytest.raises(UserError, match="10 ids are in one of the two only"):
        compare.compare(a.output, fewer.output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no finished run"):
        compare.compare(a.output, tmp_path / "empty")
    with pytest.raises(UserError, match="no such folder"):
        compare.compare(a.output, tmp_path / "absent")
    shutil.rmtree(a.output)


def test_a_run_is_called_better_only_beyond_doubt_with_all_its_comparisons(two):
    a, b = two
    improve(b, "logreg", 0.3)
    (found,) = [m for m in compare.compare(a.output, b.output).models if m.model == "logreg"]
    for changes, said in (
        ({}, "B is better"),
        ({"p_holm": 0.2}, "no clear difference"),
        ({"low": -0.1}, "no clear difference"),
        ({"low": -0.2, "high": -0.1}, "A is better"),
        ({"low": -0.2, "high": -0.1, "p_holm": 0.2}, "no clear difference"),
    ):
        assert compare._reading(found.replace(**changes), 0.05) == said
