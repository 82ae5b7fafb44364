"""The three ways to predict: one fold, all folds of a model, the ensemble."""

import shutil

import numpy as np
import pandas as pd
import planted
import pytest
from fabricate import bare_blend
from stages.test_transformer import CLASSES, prepared  # noqa: F401
from typer.testing import CliRunner

from foldwise.__main__ import app
from foldwise.crossval.stored import stamp
from foldwise.data.formats import check_out, write_table
from foldwise.ensemble import predictor as predicting
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.files import read_json, write_json
from foldwise.models.bert import Bert
from foldwise.stages.stage import execute


@pytest.fixture
def finished(prepared):  # noqa: F811
    run = prepared(
        *('models=["bert"]', "bert.precision=fp32", "bert.learning_rate=1e-2"),
        "bert.head_learning_rate=1e-1",
    )
    execute("transformer", run)
    bare_blend(CLASSES, {"bert": 1.0}).write(run.ensemble / "weights.json")
    return run


def test_all_three_agree_with_what_the_run_gave_the_test_rows(finished, tmp_path, monkeypatch):
    # More rows than a chunk holds.
    monkeypatch.setattr(predicting, "_CHUNK", 5)
    file = finished.input / "test.csv"
    folds = []
    for k in (0, 1):
        stored = pd.read_parquet(finished.fold("bert", k) / "test.parquet")[CLASSES]
        found = Predictor.load(finished.output, "bert", fold=k).predict_file(file)
        np.testing.assert_allclose(found[CLASSES], stored, atol=1e-5)
        # The fold's folder is all that it takes, wherever it lies.
        moved = tmp_path / f"moved-{k}"
        shutil.copytree(finished.fold("bert", k), moved)
        pd.testing.assert_frame_equal(Predictor.load(moved).predict_file(file), found)
        folds.append(found[CLASSES].to_numpy())
    assert np.abs(folds[0] - folds[1]).max() > 1e-3
    for model in ("bert", "ensemble"):
        mean = Predictor.load(finished.output, model).predict_file(file)
        np.testing.assert_allclose(mean[CLASSES], np.mean(folds, axis=0), atol=1e-9)
        assert list(mean["label"]) == [CLASSES[i] for i in mean[CLASSES].to_numpy().argmax(axis=1)]


def test_a_fold_left_over_from_an_earlier_run_predicts_nothing(finished):
    whole = Predictor.load(finished.output, "bert").units
    shutil.copytree(finished.fold("bert", 1), finished.fold("bert", 2))
    assert Predictor.load(finished.output, "bert").units == whole
    with pytest.raises(UserError, match="no fold 2; there are 0, 1"):
        Predictor.load(finished.output, "bert", fold=2)


def test_the_command_line_says_what_predicted(finished, tmp_path):
    out = tmp_path / "predictions.csv"
    common = ["predict", str(finished.output), "--file", str(finished.input / "test.csv")]
    for options, said in (
        ([], "the ensemble of bert (2 folds)"),
        (["--model", "bert"], "bert (2 folds)"),
        (["--model", "bert", "--fold", "1"], "bert (1 fold)"),
    ):
        result = CliRunner().invoke(app, [*common, "--out", str(out), *options])
        assert result.exit_code == 0 and f"class and probabilities by {said}" in result.output
    assert list(pd.read_csv(out).columns) == ["id", "label", "probability", *CLASSES]
    folder = str(finished.fold("bert", 0))
    shown = CliRunner().invoke(app, ["predict", folder, "--text", "old raven"])
    assert shown.exit_code == 0 and shown.output.split()[0] in CLASSES


def test_a_fold_that_is_not_there_is_named(finished):
    with pytest.raises(UserError, match="no fold 7; there are 0, 1"):
        Predictor.load(finished.output, "bert", fold=7)
    with pytest.raises(UserError, match="this is one fold already"):
        Predictor.load(finished.fold("bert", 0), fold=0)


def test_a_model_of_another_version_is_refused_in_one_line(finished):
    path = finished.fold("bert", 0) / "packing.json"
    packing = read_json(path)
    write_json(path, {k: v for k, v in packing.items() if k != "pooling"} | {"depth": 3})
    with pytest.raises(UserError, match=r"another version of foldwise .*\(depth, pooling differs"):
        Bert.load(path.parent)
    write_json(path, packing)


def test_a_model_with_a_class_more_than_it_says_is_refused(finished):
    path = finished.fold("bert", 0) / "packing.json"
    packing = read_json(path)
    pair = packing["pair"] | {"classes": packing["pair"]["classes"][:2]}
    write_json(path, packing | {"pair": pair})
    stamp(finished.fold("bert", 0))
    with pytest.raises(UserError, match="names the classes"):
        Predictor.load(finished.fold("bert", 0)).predict_texts(["old raven"])


@pytest.mark.parametrize(
    ("suffix", "read"),
    [
        (".csv", pd.read_csv),
        (".tsv", lambda path: pd.read_csv(path, sep="\t")),
        (".jsonl", lambda path: pd.read_json(path, lines=True)),
        (".parquet", pd.read_parquet),
    ],
)
def test_predictions_are_written_as_the_file_is_named(tmp_path, suffix, read):
    table = pd.DataFrame(
        {"id": ["a", "b"], "label": ["x", "y"], "x": [1 / 3, 0.0], "y": [2 / 3, 1]}
    )
    path = tmp_path / f"out{suffix}"
    check_out(path)
    write_table(table, path)
    pd.testing.assert_frame_equal(read(path), table, check_dtype=False, rtol=1e-12)
    with pytest.raises(UserError, match="unknown file type; use one of .csv"):
        check_out(tmp_path / "out.xlsx")


@pytest.fixture
def weighted(tmp_path):
    """Make a run of two weighted models on texts that need cleaning."""
    planted.write_posteriors(tmp_path / "in", n=600)
    for name in ("train", "test"):
        path = tmp_path / "in" / f"{name}.csv"
        path.write_text(path.read_text().replace("alpha", "&#97;lpha"))
    settings = ('weights.classes="balanced"', 'ensemble.methods=["linear"]', "jobs=1")
    run = planted.prepared(tmp_path, planted.POSTERIORS, settings, ("prior", "logreg", "svm"))
    for stage in ("baselines", "ensemble"):
        execute(stage, run)
    return run


def test_a_raw_file_in_another_order_gets_what_the_run_gave_each_row(weighted, tmp_path):
    # A column that is not known, and rows without a text, change nothing for the others.
    table = pd.read_csv(weighted.input / "test.csv").sample(frac=1, random_state=1)
    table.insert(0, "label", "rare")
    extra = pd.DataFrame({"id": ["new"], "text": [None], "label": ["rare"]})
    pd.concat([extra, table]).to_csv(tmp_path / "file.csv", index=False)
    for model, folder in (("logreg", weighted.model("logreg")), ("ensemble", weighted.ensemble)):
        stored = pd.read_parquet(folder / "test.parquet").set_index("id")
        found = Predictor.load(weighted.output, model).predict_file(tmp_path / "file.csv")
        names = list(stored.columns)
        assert list(found["id"]) == ["new", *table["id"]]
        np.testing.assert_allclose(found[names][1:], stored.loc[table["id"], names], atol=1e-6)
        np.testing.assert_allclose(found["probability"], found[names].max(axis=1))
        assert list(found["label"]) == list(found[names].idxmax(axis=1))
        assert np.ptp(found["rare"]) > 0.1
