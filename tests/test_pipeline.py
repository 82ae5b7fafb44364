"""The whole pipeline through the command line, on a small simulated arena with every model."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from foldwise.simulation import simulate
from foldwise.stages import ORDER

pytestmark = pytest.mark.slow

CLASSES = ["winner_model_a", "winner_model_b", "winner_tie"]
FAST = (
    "folds.n=2",
    "bert.epochs=1",
    "bert.max_length=48",
    "lightgbm.max_rounds=30",
    "logreg.C=[0.003, 0.03]",
    "svm.C=[0.003, 0.03]",
    "report.bootstrap=200",
)


def foldwise(*arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "foldwise", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )


def run(folder, output, *more, models="logreg,svm,lightgbm,bert"):
    sets = [part for setting in FAST for part in ("--set", setting)]
    options = ("--input", folder, "--output", output, "--models", models)
    return foldwise("run", "sample", *options, *sets, *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    simulate(folder / "in", train_rows=150, test_rows=30, seed=3)
    done = run(folder / "in", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_it_ends_with_a_leaderboard_and_the_paths(finished):
    folder, done = finished
    closing = done.stdout.split("\n\n", 1)[1]
    assert "Bayes floor" in closing
    assert str(folder / "out" / "submission.csv") in closing
    assert str(folder / "out" / "report.html") in closing


def test_out_of_fold_predictions_hold_every_row_once_and_sum_to_one(finished):
    folder, _ = finished
    folds = pd.read_parquet(folder / "out" / "folds.parquet")
    assert folds["fold"].dtype == np.int8
    for model in ("prior", "logreg", "svm", "lightgbm", "bert"):
        oof = pd.read_parquet(folder / "out" / "models" / model / "oof.parquet")
        assert list(oof.columns) == ["id", "fold", *CLASSES]
        assert list(oof["id"]) == list(folds["id"])
        np.testing.assert_allclose(oof[CLASSES].sum(axis=1), 1, atol=1e-6)
        test = pd.read_parquet(folder / "out" / "models" / model / "test.parquet")
        assert list(test.columns) == ["id", *CLASSES]
    ensemble = pd.read_parquet(folder / "out" / "ensemble" / "oof.parquet")
    assert list(ensemble["id"]) == list(folds["id"])


def test_the_submission_passes_its_own_check(finished):
    folder, _ = finished
    paths = folder / "out" / "submission.csv", folder / "in" / "sample_submission.csv"
    done = foldwise("check-submission", paths[0], "--sample", paths[1])
    assert done.returncode == 0
    assert "valid: 30 rows" in done.stdout
    bad = folder / "bad.csv"
    bad.write_text(paths[0].read_text().replace("\n", ",\n", 1))
    done = foldwise("check-submission", bad, "--sample", paths[1])
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_second_run_skips_every_stage(finished):
    folder, first = finished
    again = run(folder / "in", folder / "out")
    assert again.stdout.count("unchanged, skipped") == len(ORDER)
    assert again.stdout.split("\n\n", 1)[1] == first.stdout.split("\n\n", 1)[1]


def test_a_change_reaches_only_the_models_it_concerns(finished):
    folder, _ = finished
    changed = folder / "out" / "models" / "logreg" / "fold-0" / "unit.json"
    kept = folder / "out" / "models" / "bert" / "fold-0" / "unit.json"
    before = changed.stat().st_mtime_ns, kept.stat().st_mtime_ns
    done = run(folder / "in", folder / "out", "--set", "logreg.C=[0.01]")
    assert done.returncode == 0, done.stderr
    assert "transformer  unchanged" in done.stdout
    assert changed.stat().st_mtime_ns > before[0]
    assert kept.stat().st_mtime_ns == before[1]


def test_a_killed_fold_is_the_only_one_fitted_again(finished):
    folder, _ = finished
    models = folder / "out" / "models" / "svm"
    (models / "fold-1" / "unit.json").unlink()
    kept = (models / "fold-0" / "unit.json").stat().st_mtime_ns
    done = run(folder / "in", folder / "out")
    assert done.returncode == 0, done.stderr
    assert (models / "fold-1" / "unit.json").exists()
    assert (models / "fold-0" / "unit.json").stat().st_mtime_ns == kept


def test_the_same_seed_gives_the_same_bits(finished, tmp_path):
    folder, _ = finished
    done = run(folder / "in", folder / "out", "--stages", "clean..ensemble")
    assert done.returncode == 0, done.stderr
    again = run(folder / "in", tmp_path / "again", "--stages", "clean..ensemble")
    assert again.returncode == 0, again.stderr
    for model in ("prior", "logreg", "svm", "lightgbm", "bert"):
        for name in ("oof.parquet", "test.parquet"):
            first, other = (
                pd.read_parquet(out / "models" / model / name)
                for out in (folder / "out", tmp_path / "again")
            )
            pd.testing.assert_frame_equal(first, other, check_exact=True)


def test_predict_gives_what_the_pipeline_gave_the_test_rows(finished, tmp_path):
    folder, _ = finished
    for model, tolerance in (("logreg", 1e-9), ("lightgbm", 1e-9), ("bert", 1e-5)):
        out = tmp_path / f"{model}.csv"
        done = foldwise(
            "predict", folder / "out", "--file", folder / "in" / "test.csv", "--out", out,
            "--model", model,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        ours = pd.read_csv(out, dtype={"id": str})
        theirs = pd.read_parquet(folder / "out" / "models" / model / "test.parquet")
        assert list(ours["id"]) == list(theirs["id"])
        np.testing.assert_allclose(ours[CLASSES], theirs[CLASSES], atol=tolerance)


def test_the_manifest_says_what_is_needed_to_repeat_the_run(finished):
    folder, _ = finished
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    for key in ("data", "folds", "config", "code_hash", "packages", "hardware", "seeds"):
        assert manifest[key], key
    assert manifest["packages"]["scikit-learn"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "areana"), "did you mean 'arena'"),
        (("run", "arena", "--input", "/nowhere"), "no train data"),
        (("run", "sample", "--set", "fold.n=3"), "'folds.n'"),
        (("run", "sample", "--models", "bertt"), "no model 'bertt'"),
        (("run", "sample", "--stages", "clena"), "no stage 'clena'"),
        (("run", "sample", "--stages", "report..clean"), "comes after"),
        (("predict", "/nowhere", "--text", "x"), "no models there"),
        (("check-submission", "/nowhere.csv", "--sample", "/none.csv"), "no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(tmp_path, arguments, message):
    if arguments[0] == "run":
        arguments = (*arguments, "--output", tmp_path / "out")
    done = foldwise(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").glob("[!.]*"))


def test_a_later_stage_alone_says_which_one_is_missing(tmp_path):
    simulate(tmp_path / "in", 20, 5, 0)
    done = run(tmp_path / "in", tmp_path / "out", "--stages", "ensemble")
    assert done.returncode == 2
    assert "needs 'clean'" in done.stderr


def test_a_ten_line_competition_of_ones_own_works_the_first_time(tmp_path):
    toml = tmp_path / "mine.toml"
    toml.write_text('metric = "f1_macro"\n[data]\ntext = ["body"]\ntarget = "kind"\n')
    (tmp_path / "data").mkdir()
    rows = [{"body": f"{'buy' if i % 3 else 'hello'} number {i}", "kind": i % 3 > 0}
            for i in range(90)]  # fmt: skip
    pd.DataFrame(rows).to_json(tmp_path / "data" / "train.jsonl", orient="records", lines=True)
    pd.DataFrame(rows[:7]).drop(columns="kind").to_csv(tmp_path / "data" / "test.csv", index=False)
    done = foldwise(
        "run", toml, "--input", tmp_path / "data", "--output", tmp_path / "out",
        "--models", "logreg", "--set", "folds.n=3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    submission = pd.read_csv(tmp_path / "out" / "submission.csv", dtype=str)
    assert list(submission.columns) == ["id", "kind"]
    assert submission["kind"].tolist() == [
        "false",
        "true",
        "true",
        "false",
        "true",
        "true",
        "false",
    ]


def test_the_learning_curve_is_fitted_on_parts_and_kept(finished, tmp_path):
    folder, _ = finished
    out = shutil.copytree(folder / "out", tmp_path / "out")
    command = ("report", out, "--input", folder / "in", "--learning-curve")
    done = foldwise(*command)
    assert done.returncode == 0, done.stderr
    facts = json.loads((out / "report.json").read_text())["learning_curve"]
    models = ("logreg", "svm", "lightgbm")
    full = {row["model"]: row for row in facts["points"] if row["share"] == 1}
    half = {row["model"]: row for row in facts["points"] if row["share"] == 0.5}
    assert set(full) == set(half) == set(facts["last_doubling"]) == set(models)
    for model in models:
        assert 0.3 < half[model]["rows"] / full[model]["rows"] < 0.7
        metrics = json.loads((out / "models" / model / "metrics.json").read_text())
        assert full[model]["log_loss"] == pytest.approx(metrics["overall"]["log_loss"])
    # An eighth of a hundred rows holds too few of each class, and is left out.
    assert min(row["share"] for row in facts["points"]) > 0.125
    kept = (out / "learning_curve.json").stat().st_mtime_ns
    assert foldwise(*command, "--set", "report.price_per_hour=2.5").returncode == 0
    assert (out / "learning_curve.json").stat().st_mtime_ns == kept
    assert json.loads((out / "report.json").read_text())["costs"][1]["money"] > 0


def test_two_runs_are_set_side_by_side(finished, tmp_path):
    folder, _ = finished
    other = shutil.copytree(folder / "out", tmp_path / "out")
    done = run(folder / "in", other, "--set", "logreg.C=[0.0003]", "--stages", "clean..ensemble")
    assert done.returncode == 0, done.stderr
    done = foldwise("compare", folder / "out", other)
    assert done.returncode == 0, done.stderr
    assert "logreg.C" in done.stdout
    assert "the same predictions" in done.stdout
