"""The folds of a model, joined into its out-of-fold and test predictions and its metrics.

Reads  clean/train.parquet, folds.parquet, models/<model>/fold-<k>/
Writes models/<model>/oof.parquet, test.parquet, metrics.json, history.csv
"""

from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from foldwise.config.run import Run, Unit
from foldwise.crossval import engine
from foldwise.crossval.records import FoldRecord, ModelRecord, PlanRecord
from foldwise.crossval.stored import is_stored
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import class_names, read_labels, table_path
from foldwise.files import remove, write_csv, write_parquet
from foldwise.scoring.metrics import check_probabilities, scores
from foldwise.scoring.scores import Scores


def assemble(run: Run, model: str) -> None:
    """Join the folds of a model into its out-of-fold and test predictions and its metrics."""
    classes = class_names(run)
    order = pd.read_parquet(run.folds, columns=["id", "fold"])
    folders = _fitted_folds(run, model)
    parts = [pd.read_parquet(folder / "oof.parquet") for folder in folders]
    oof = order.merge(pd.concat(parts), on="id", how="left", validate="one_to_one")
    labels = read_labels(run, classes)
    notes = _fill_dropped(oof, _dropped(run, model), labels, classes)
    probabilities = oof[classes].to_numpy()
    check_probabilities(probabilities, f"{model}, out of fold")
    folds = [FoldRecord.read(folder / "metrics.json") for folder in folders]
    write_parquet(run.model(model) / "oof.parquet", oof)
    tests = [folder / "test.parquet" for folder in folders]
    if tests[0].exists():
        test = pd.read_parquet(tests[0])
        stacked = np.stack([pd.read_parquet(path)[classes].to_numpy() for path in tests])
        test[classes] = stacked.mean(axis=0)
        write_parquet(run.model(model) / "test.parquet", test)
    else:
        remove(run.model(model) / "test.parquet")
    write_history(run.model(model) / "history.csv", folds)
    ModelRecord(
        model=model,
        classes=classes,
        overall=Scores(**scores(labels, probabilities)),
        train_seconds=sum(fold.train_seconds for fold in folds),
        predict_seconds=sum(fold.predict_seconds for fold in folds),
        predict_rows=len(oof),
        peak_memory_mb=max(fold.peak_memory_mb for fold in folds),
        device=folds[0].device,
        notes=notes + sorted({note for fold in folds for note in fold.notes}),
        folds=folds,
    ).write(run.model(model) / "metrics.json")


def outputs(run: Run, models: Sequence[str]) -> list[Path]:
    """Files and folders that `fit_models` writes."""
    paths = []
    for model in models:
        paths += [run.model(model) / "oof.parquet", run.model(model) / "metrics.json"]
        if table_path(run, "test").exists():
            paths.append(run.model(model) / "test.parquet")
        paths += _fitted_folds(run, model)
    return paths


def _dropped(run: Run, model: str) -> list[int]:
    """Folds that a time budget left out."""
    plan = PlanRecord.read_if_usable(run.model(model) / "plan.json")
    return plan.dropped if plan else []


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


def history_table(folds: list[FoldRecord]) -> pd.DataFrame:
    """Return a row for each point of each fold's curves.

    Parameters
    ----------
    folds : list of FoldRecord

    Returns
    -------
    DataFrame
        `fold`, `seed` (0 for the first), then what the points hold: `epoch`, `step`, `split`,
        `loss` and so on; empty where a model has no curve.
    """
    points = []
    for fold in folds:
        for seed, curve in enumerate(fold.curves):
            points += [{"fold": fold.fold, "seed": seed, **point} for point in curve]
    return pd.DataFrame(points)


def write_history(path: Path, folds: list[FoldRecord]) -> None:
    """Write the table as csv, atomically; no file where there is no curve."""
    curves = history_table(folds)
    if not len(curves):
        remove(path)
        return
    write_csv(path, curves)


def fit_models(run: Run, models: Sequence[str], jobs: int) -> None:
    """Run every (model, fold) unit that is not stored as it should be, then assemble each model."""
    folds = range(run.competition.folds.n)
    grid = [Unit(model, fold) for fold in folds for model in models]
    units = [unit for unit in grid if not is_stored(run, unit)]
    cores = joblib.cpu_count()
    # Threads follow from the whole grid: what a killed run left over is fitted just the same.
    workers = max(1, min(jobs or cores, len(grid)))
    threads = max(1, cores // workers)
    engine.run_units(run_unit, run, units, min(workers, len(units)), threads)
    for model in models:
        assemble(run, model)
