"""The folds of a model, joined into its out-of-fold and test predictions and its metrics.

Reads  clean/train.parquet, folds.parquet, models/<model>/fold-<k>/
Writes models/<model>/oof.parquet, test.parquet, metrics.json, history.csv
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise import history, rows
from foldwise.files import read_json, remove, write_json, write_parquet
from foldwise.metrics import check_probabilities, scores
from foldwise.rows import class_names
from foldwise.stage import Run


def assemble(run: Run, model: str) -> None:
    """Join the folds of a model into its out-of-fold and test predictions and its metrics."""
    classes = class_names(run)
    order = pd.read_parquet(run.folds, columns=["id", "fold"])
    folders = _fitted_folds(run, model)
    parts = [pd.read_parquet(folder / "oof.parquet") for folder in folders]
    oof = order.merge(pd.concat(parts), on="id", how="left", validate="one_to_one")
    labels = rows.read_labels(run, classes)
    notes = _fill_dropped(oof, _dropped(run, model), labels, classes)
    probabilities = oof[classes].to_numpy()
    check_probabilities(probabilities, f"{model}, out of fold")
    folds = [read_json(folder / "metrics.json") for folder in folders]
    write_parquet(run.model(model) / "oof.parquet", oof)
    tests = [folder / "test.parquet" for folder in folders]
    if tests[0].exists():
        test = pd.read_parquet(tests[0])
        stacked = np.stack([pd.read_parquet(path)[classes].to_numpy() for path in tests])
        test[classes] = stacked.mean(axis=0)
        write_parquet(run.model(model) / "test.parquet", test)
    else:
        remove(run.model(model) / "test.parquet")
    metrics = {
        "model": model,
        "classes": classes,
        "overall": scores(labels, probabilities),
        "train_seconds": sum(f["train_seconds"] for f in folds),
        "predict_seconds": sum(f["predict_seconds"] for f in folds),
        "predict_rows": len(oof),
        "peak_memory_mb": max(f["peak_memory_mb"] for f in folds),
        "device": folds[0].get("device", "cpu"),
        "notes": notes + sorted({note for f in folds for note in f.get("notes", [])}),
        "folds": folds,
    }
    history.write(run.model(model) / "history.csv", folds)
    write_json(run.model(model) / "metrics.json", metrics)


def outputs(run: Run, models: Sequence[str]) -> list[Path]:
    """Files and folders that `crossval.fit_models` writes."""
    paths = []
    for model in models:
        paths += [run.model(model) / "oof.parquet", run.model(model) / "metrics.json"]
        if rows.table_path(run, "test").exists():
            paths.append(run.model(model) / "test.parquet")
        paths += _fitted_folds(run, model)
    return paths


def _dropped(run: Run, model: str) -> list[int]:
    """Folds that a time budget left out."""
    plan = read_json(run.model(model) / "plan.json")
    return plan["dropped"] if plan else []


def _fitted_folds(run: Run, model: str) -> list[Path]:
    left = _dropped(run, model)
    return [run.fold(model, k) for k in range(run.competition.folds.n) if k not in left]


def _fill_dropped(
    oof: pd.DataFrame, left: list[int], labels: np.ndarray, classes: list[str]
) -> list[str]:
    """Give rows of folds that were not fitted the class shares of the others, and say so."""
    missing = oof["fold"].isin(left).to_numpy()
    if not missing.any():
        return []
    known = labels[~missing]
    # Every model that was fitted has seen these rows: none of them may predict them.
    oof.loc[missing, classes] = np.bincount(known, minlength=len(classes)) / len(known)
    fitted = scores(known, oof.loc[~missing, classes].to_numpy())["log_loss"]
    shown = ", ".join(map(str, left))
    return [
        f"time budget: fold {shown} was not fitted; its {missing.sum():,} rows hold the class "
        f"shares of the others, so the score is pessimistic (log loss {fitted:.4f} without them)"
    ]
