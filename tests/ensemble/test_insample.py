"""Predictions of models that had seen the rows are suspected, honest ones are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from foldwise.ensemble import external_run
from foldwise.ensemble.external import ExternalFiles
from foldwise.ensemble.insample import suspicions, temperature
from foldwise.files import read_json
from foldwise.stages.stage import execute

N, CLASSES = 900, 3


@pytest.fixture(scope="module")
def planted():
    """Labels, folds, three honest files and one of a model that was fitted on all rows."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, N)
    signal = 0.45 * np.eye(CLASSES)[labels] + generator.normal(size=(N, CLASSES))
    noise = generator.normal(size=(N, 200))
    features = np.hstack([signal, noise])
    folds = np.arange(N) % 3
    honest = {}
    for name, width, c in (("small", 13, 0.01), ("middle", 23, 0.01), ("large", 43, 0.003)):
        model = LogisticRegression(C=c, max_iter=500)
        split = [(folds != k, folds == k) for k in range(3)]
        split = [tuple(map(np.flatnonzero, pair)) for pair in split]
        honest[name] = cross_val_predict(
            model, features[:, :width], labels, cv=split, method="predict_proba"
        )
    seen = LogisticRegression(C=0.03, max_iter=500).fit(features, labels).predict_proba(features)
    return labels, folds, honest, seen


def test_a_file_that_saw_its_rows_is_suspected_and_the_honest_ones_are_not(planted):
    labels, folds, honest, seen = planted
    (found,) = suspicions(labels, honest | {"seen": seen}, folds)
    assert found.model == "seen"
    assert "sharpened" in found.sentence
    assert suspicions(labels, honest, folds) == []
    assert suspicions(labels, {"seen": seen}, folds) == []  # nothing to compare it with
    assert temperature(labels, seen) < 0.9


def test_a_file_that_saw_the_rows_of_one_fold_is_suspected_there(planted):
    labels, folds, honest, seen = planted
    mixed = np.where((folds == 1)[:, None], seen, honest["small"])
    (found,) = suspicions(labels, honest | {"mixed": mixed}, folds)
    assert "in fold 2" in found.sentence


def test_a_file_that_tells_twins_with_conflicting_labels_apart_is_suspected():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 600)
    labels[1:100:2] = 1 - labels[:100:2]  # the first fifty texts stand there twice
    right = generator.uniform(0.35, 0.65, 600)
    right[1:100:2] = right[:100:2]
    fair = np.column_stack([right, 1 - right])
    knows = 0.7 * np.eye(2)[labels] + 0.3 * fair
    (found,) = suspicions(labels, {"fair": fair, "knows": knows}, np.arange(600) % 3)
    assert found.model == "knows"
    assert "100 rows whose texts carry several labels" in found.sentence
    assert suspicions(labels, {"fair": fair, "again": fair}, np.arange(600) % 3) == []


def reported(folder, labels, files, **columns):
    """Report on files with the labels, and return `report.json` and `report.md`."""
    folder.mkdir()
    ids = [f"r{i}" for i in range(len(labels))]
    pd.DataFrame({"id": ids, "label": labels} | columns).to_csv(folder / "y.csv", index=False)
    for name, values in files.items():
        np.save(folder / f"{name}.npy", values)
    oof = tuple(str(folder / f"{name}.npy") for name in files)
    settings = ("report.bootstrap=100",)
    run = external_run.write_run(
        ExternalFiles(oof, folder / "y.csv").read(),
        folder / "out",
        external_run.default_competition(settings),
    )
    for stage in ("ensemble", "report"):
        execute(stage, run)
    text = (run.output / "report.md").read_text(encoding="utf-8")
    return read_json(run.output / "report.json"), text


def test_the_report_opens_with_the_suspicion_and_trusts_the_others(planted, tmp_path):
    labels, folds, honest, seen = planted
    facts, text = reported(tmp_path / "bad", labels, honest | {"seen": seen}, fold=folds)
    first, second = facts["verdict"][:2]
    assert first.startswith("In-sample predictions suspected: seen gains")
    assert facts["warnings"][0] == first
    assert text.index("In-sample predictions suspected") < text.index("The best single model")
    assert "seen" not in second and second.endswith("as given.")
    facts, text = reported(tmp_path / "good", labels, honest, fold=folds)
    assert "suspected" not in text
    assert facts["verdict"][0].endswith("as given.")


def test_what_the_fold_column_contradicts_is_said(planted, tmp_path):
    labels, folds, honest, _ = planted
    shares = np.tile(np.bincount(labels) / N, (N, 1))
    groups = np.arange(N) // 2
    facts, _ = reported(
        tmp_path / "bad", labels, honest | {"frequencies": shares}, fold=folds, group=groups
    )
    said = " ".join(facts["warnings"])
    assert "450 of 450 groups have rows in several folds" in said
    assert "frequencies holds the class frequencies of all rows" in said
    facts, _ = reported(tmp_path / "good", labels, honest, fold=folds, group=np.arange(N))
    said = " ".join(facts["warnings"])
    assert "several folds" not in said and "frequencies of all rows" not in said


def test_real_files_made_elsewhere_are_not_suspected(real_data):
    folder = real_data / "arena-oof"
    labels = pd.read_csv(folder / "DERIVED_id_label_57477.csv")["label"].to_numpy()
    files = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    assert len(files) == 4
    folds = np.arange(len(labels)) % 5
    assert suspicions(labels, files, folds) == []
