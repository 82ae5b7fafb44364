"""The commands `report` and `compare`, as a user types them."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

COLUMNS = ["a", "b", "c"]


def foldwise(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "foldwise", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    table = pd.DataFrame({"id": [f"r{i}" for i in range(300)], "label": labels})
    table.assign(group=np.arange(300) // 3).to_csv(folder / "y.csv", index=False)
    logits = 1.5 * np.eye(3)[labels] + generator.normal(size=(300, 3))
    for name, noise in (("net-seed1", 0.5), ("net-seed2", 0.5), ("trees", 1.5)):
        p = np.exp(logits + noise * generator.normal(size=logits.shape))
        np.save(folder / f"{name}.npy", p / p.sum(axis=1, keepdims=True))
    return folder, labels


@pytest.fixture(scope="module")
def reported(files):
    folder, _ = files
    oof = [folder / f"{name}.npy" for name in ("net-seed1", "net-seed2", "trees")]
    settings = ("--set", "report.bootstrap=200")
    done = foldwise(
        "report", "--oof", *oof, "--labels", folder / "y.csv", "--output", folder / "out", *settings
    )
    assert done.returncode == 0, done.stderr
    return folder / "out", done


def test_files_made_elsewhere_give_a_whole_report(reported, files):
    output, done = reported
    facts = json.loads((output / "report.json").read_text())
    assert "taken on trust" in done.stdout
    assert str(output / "report.html") in done.stdout
    row = next(r for r in facts["leaderboard"] if r["model"] == "trees")
    p = np.load(files[0] / "trees.npy")
    assert row["log_loss"] == pytest.approx(log_loss(files[1], p))
    assert row["accuracy"] == pytest.approx(accuracy_score(files[1], p.argmax(axis=1)))
    assert row["train_seconds"] is None
    assert facts["n_groups"] == 100
    assert any("cannot be checked" in w for w in facts["warnings"])
    assert (output / "report.html").stat().st_size < 5 * 1024**2


def test_models_that_differ_by_their_seed_give_the_seed_noise(reported):
    facts = json.loads((reported[0] / "report.json").read_text())
    noise = facts["seed_noise"]["net"]
    assert len(noise["log_loss"]) == 2
    assert noise["sd"] == pytest.approx(np.std(noise["log_loss"], ddof=1))
    pair = next(
        d for d in facts["differences"] if {d["better"], d["other"]} == {"net-seed1", "net-seed2"}
    )
    assert "within seed noise" in pair["reading"]


def test_a_report_can_be_written_again_from_its_folder(reported):
    output, _ = reported
    before = json.loads((output / "report.json").read_text())
    done = foldwise("report", output, "--set", "report.confidence=0.9")
    assert done.returncode == 0, done.stderr
    after = json.loads((output / "report.json").read_text())
    assert after["confidence"] == 0.9
    narrow, wide = (f["intervals"]["trees"]["log_loss"] for f in (after, before))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert "--oof" in after["manifest"]["command"]
    done = foldwise("report", output, "--set", "folds.n=2")
    assert done.returncode == 2
    assert "the run is finished" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report",), "give either an output folder or --oof"),
        (("report", "--oof", "a.npy"), "--labels go together"),
        (("report", "absent"), "no such folder"),
        (("report", "--oof", "absent.npy", "--labels", "y.csv"), "absent.npy: no such file"),
        (("report", "--oof", "bad.npy", "--labels", "y.csv"), "bad.npy: 5 rows"),
        (("compare", "absent", "absent"), "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(files, tmp_path, arguments, words):
    np.save(tmp_path / "bad.npy", np.full((5, 3), 1 / 3))
    (tmp_path / "y.csv").write_bytes((files[0] / "y.csv").read_bytes())
    done = foldwise(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.npy", "y.csv"]


def cpu_of_report(folder, labels, output):
    """Report on the files of a folder; return the CPU seconds that it took."""
    before = os.times()
    files = sorted(folder.glob("*.npy"))
    done = foldwise("report", "--oof", *files, "--labels", folder / labels, "--output", output)
    assert done.returncode == 0, done.stderr
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


@pytest.mark.slow
def test_the_real_files_are_reported_in_time_linear_in_rows_and_two_gigabytes(real_data, tmp_path):
    folder, part = real_data / "arena-oof", tmp_path / "part"
    part.mkdir()
    for path in folder.glob("*.npy"):
        np.save(part / path.name, np.load(path)[::8])
    labels = "DERIVED_id_label_57477.csv"
    pd.read_csv(folder / labels)[::8].to_csv(part / labels, index=False)
    # CPU seconds, and their ratio: neither other programs nor a slow machine make a difference.
    assert cpu_of_report(folder, labels, tmp_path / "out") < 10 * cpu_of_report(
        part, labels, tmp_path / "of_part"
    )
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    stages = json.loads((tmp_path / "out" / "manifest.json").read_text())["stages"]
    report = json.loads((tmp_path / "out" / ".stages" / "report.json").read_text())
    assert max(stages["ensemble"]["peak_memory_mb"], report["peak_memory_mb"]) < 2000
    losses = {row["model"]: row["log_loss"] for row in facts["leaderboard"]}
    assert losses["emb_best_oof"] == pytest.approx(1.0667, abs=1e-4)
    assert losses["oof_predictions_ensemble"] == pytest.approx(1.0541, abs=1e-4)


@pytest.mark.parametrize("folds", [False, True])
def test_files_whose_rows_are_all_of_one_group_are_reported_without_intervals(
    files, tmp_path, folds
):
    folder, labels = files
    table = pd.read_csv(folder / "y.csv").assign(group="same")
    if folds:
        table["fold"] = np.arange(300) % 3
    table.to_csv(tmp_path / "y.csv", index=False)
    done = foldwise(
        "report", "--oof", folder / "net-seed1.npy", folder / "trees.npy",
        "--labels", tmp_path / "y.csv", "--output", tmp_path / "out",
        "--set", "report.bootstrap=100",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "report.json").read_text()
    facts = json.loads(text)
    assert "Infinity" not in text and "NaN" not in text
    for pair in facts["differences"]:
        assert pair["low"] is pair["high"] is pair["f1_low"] is None
        assert pair["p"] == pair["mcnemar_p"] == 1 and pair["reading"] == "no clear difference"
    assert any("All rows are of one group" in line for line in facts["warnings"])
    assert any("unknown with a single group" in line for line in facts["verdict"])
    page = (tmp_path / "out" / "report.md").read_text()
    assert " inf" not in page and "nan" not in page and "nan" not in done.stdout


def test_ensemble_blends_files_made_elsewhere_and_their_test_rows(files, tmp_path):
    folder, labels = files
    oof = [folder / "net-seed1.npy", folder / "trees.npy"]
    tests = []
    for path in oof:
        table = pd.DataFrame(np.load(path)[:7], columns=["0", "1", "2"])
        table.insert(0, "id", [f"t{i}" for i in range(7)])
        tests.append(tmp_path / f"{path.stem}.csv")
        table.to_csv(tests[-1], index=False)
    out = tmp_path / "blend"
    done = foldwise(
        "ensemble", "--oof", *oof, "--labels", folder / "y.csv", "--test", *tests, "--output", out
    )
    assert done.returncode == 0, done.stderr
    assert "judged nested" in done.stdout
    assert "used" in done.stdout
    blend = pd.read_parquet(out / "ensemble" / "oof.parquet")
    record = json.loads((out / "ensemble" / "weights.json").read_text())
    nested = log_loss(labels, blend[["0", "1", "2"]])
    assert nested == pytest.approx(record["overall"]["log_loss"])
    assert nested < min(log_loss(labels, np.load(path)) for path in oof) + 0.01
    test = pd.read_parquet(out / "ensemble" / "test.parquet")
    assert list(test["id"]) == [f"t{i}" for i in range(7)]
    np.testing.assert_allclose(test[["0", "1", "2"]].sum(axis=1), 1)


@pytest.mark.parametrize(
    ("tests", "message"),
    [(["net-seed1.npy"], "give one a model"), (["net-seed1.npy", "y.csv"], "y.csv")],
)
def test_test_files_that_do_not_fit_are_refused(files, tmp_path, tests, message):
    folder, _ = files
    oof = [folder / "net-seed1.npy", folder / "trees.npy"]
    tests = [folder / name for name in tests]
    done = foldwise(
        "ensemble", "--oof", *oof, "--labels", folder / "y.csv", "--test", *tests,
        "--output", tmp_path / "blend",
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
