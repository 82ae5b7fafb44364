"""Blend the models' out-of-fold predictions, judged nested.

Reads  folds.parquet, clean/train.parquet, models/<model>/oof.parquet and test.parquet
Writes ensemble/oof.parquet (nested: the weights of fold k never saw fold k),
       ensemble/test.parquet (weights fitted on all rows), ensemble/weights.json
"""

from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data.cleaned import class_names, read_labels, table_path
from foldwise.ensemble import pools
from foldwise.errors import UserError
from foldwise.files import remove, write_json, write_parquet
from foldwise.meter import Meter
from foldwise.scoring.metrics import check_probabilities, scores
from foldwise.stages.stage import Stage


def ensemble(run: Run) -> str:
    """Fit every pool nested, keep the best, blend the test rows with weights from all rows."""
    config, members, classes = run.competition.ensemble, chosen(run), class_names(run)
    folds = pd.read_parquet(run.folds)
    probabilities = np.stack([_oof(run, model, folds, classes) for model in members])
    labels = read_labels(run, classes)
    fold = folds["fold"].to_numpy()
    tied = pools.tied_classes(classes, run.competition)
    with Meter() as meter:
        blends = {
            method: pools.nested(method, probabilities, labels, fold, config.bias, tied)
            for method in config.methods
        }
        losses = {method: scores(labels, blends[method])["log_loss"] for method in blends}
        method = pools.better(losses, config.methods)
        fitted = {
            method: pools.fit(method, probabilities, labels, config.bias, tied)
            for method in config.methods
        }
    pool = fitted[method]
    check_probabilities(blends[method], "ensemble, out of fold")
    oof = folds[["id", "fold"]].copy()
    oof[classes] = blends[method]
    write_parquet(run.ensemble / "oof.parquet", oof)
    with Meter() as predict_meter:
        _blend_test(run, members, pool, classes)
    weights = dict(zip(members, pool.importance().tolist(), strict=True))
    dropped = [model for model, weight in weights.items() if weight == 0]
    tried = [
        {
            "method": name,
            "title": pools.TITLES[name],
            "nested_log_loss": losses[name],
            "fitted_log_loss": scores(labels, fitted[name].predict(probabilities))["log_loss"],
            "weights": dict(zip(members, fitted[name].importance().tolist(), strict=True)),
        }
        for name in config.methods
    ]
    record = {
        "method": method,
        "title": pools.TITLES[method],
        "classes": classes,
        "methods": tried,
        "weights": weights,
        "class_weights": dict(zip(members, pool.weights.tolist(), strict=True))
        if method == "stacking"
        else None,
        "bias": dict(zip(classes, pool.bias.tolist(), strict=True)),
        "temperature": 1 / max(pool.weights.sum(), 1e-12) if method == "log_linear" else 1.0,
        "dropped": dropped,
        "overall": scores(labels, blends[method]),
        "train_seconds": meter.seconds,
        "predict_seconds": predict_meter.seconds,
        "peak_memory_mb": max(meter.peak_memory_mb, predict_meter.peak_memory_mb),
    }
    write_json(run.ensemble / "weights.json", record)
    shown = ", ".join(f"{model} {weight:.2f}" for model, weight in weights.items() if weight)
    return f"{pools.TITLES[method]}, nested log loss {losses[method]:.4f}; {shown}"


def chosen(run: Run) -> list[str]:
    """Models that may enter the blend: all but the prior, which only adds a constant."""
    models = [model for model in run.competition.models if model != "prior"]
    return models or ["prior"]


def _oof(run: Run, model: str, folds: pd.DataFrame, classes: list[str]) -> np.ndarray:
    path = run.model(model) / "oof.parquet"
    table = pd.read_parquet(path)
    if list(table["id"]) != list(folds["id"]) or list(table["fold"]) != list(folds["fold"]):
        raise UserError(
            f"{path}: its rows or folds are not those of {run.folds}; fit {model} again"
        )
    return table[classes].to_numpy()


def _blend_test(run: Run, members: list[str], pool: pools.Pool, classes: list[str]) -> None:
    path = run.ensemble / "test.parquet"
    # A model of weight zero is not read: it is not needed at inference.
    needed = [(m, w) for m, w in zip(members, pool.weights, strict=True) if np.any(w)]
    sources = [run.model(model) / "test.parquet" for model, _ in needed]
    if not all(source.exists() for source in sources):
        remove(path)
        return
    tables = [pd.read_parquet(source) for source in sources]
    weights = np.array([weight for _, weight in needed])
    blend = pools.Pool(pool.method, weights, pool.bias)
    test = tables[0][["id"]].copy()
    test[classes] = blend.predict(np.stack([table[classes].to_numpy() for table in tables]))
    check_probabilities(test[classes].to_numpy(), "ensemble, test rows")
    write_parquet(path, test)


def _reads(run: Run) -> list[Path]:
    paths = [run.folds, table_path(run, "train"), table_path(run, "test")]
    for model in chosen(run):
        paths += [run.model(model) / "oof.parquet", run.model(model) / "test.parquet"]
    return paths


def _writes(run: Run) -> list[Path]:
    paths = [run.ensemble / "oof.parquet", run.ensemble / "weights.json"]
    if table_path(run, "test").exists():
        paths.append(run.ensemble / "test.parquet")
    return paths


STAGE = Stage(
    name="ensemble",
    sections=("ensemble", "models", "folds"),
    reads=_reads,
    writes=_writes,
    work=ensemble,
)
