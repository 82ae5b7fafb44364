"""Blend the models' out-of-fold predictions, judged nested.

Reads  folds.parquet, clean/train.parquet, models/<model>/oof.parquet and test.parquet
Writes ensemble/oof.parquet (nested: method and weights of fold k never saw fold k),
       ensemble/test.parquet (weights fitted on all rows), ensemble/weights.json
"""

from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.roster import members
from foldwise.config.run import Run
from foldwise.data.cleaned import class_names, read_labels, table_path
from foldwise.ensemble.candidates import choose, choose_nested, judge, weights_record
from foldwise.ensemble.pools import Blend, Pool
from foldwise.errors import UserError
from foldwise.files import remove, write_parquet
from foldwise.meter import Meter
from foldwise.scoring.metrics import check_probabilities
from foldwise.stages.stage import Stage


def ensemble(run: Run) -> str:
    """Judge every blend nested, keep the best, blend the test rows with weights from all rows."""
    members, classes = blend_members(run), class_names(run)
    folds = pd.read_parquet(run.folds)
    labels = read_labels(run, classes)
    probabilities = np.stack([_oof(run, model, folds, classes) for model in members])
    config = run.competition
    blends = [Blend.configured(method, classes, config) for method in config.ensemble.methods]
    with Meter() as fitting:
        fold = folds["fold"].to_numpy()
        candidates = judge(labels, probabilities, fold, blends)
        best = choose(candidates)
        judged = choose_nested(labels, probabilities, fold, candidates)
    _write_oof(run, folds, judged.nested, classes)
    with Meter() as predicting:
        _blend_test(run, members, best.pool, classes)
    record = weights_record(candidates, best, judged, members, classes, _cost(fitting, predicting))
    record.write(run.ensemble / "weights.json")
    shown = ", ".join(f"{model} {w:.2f}" for model, w in record.weights.items() if w)
    return f"{best.title}, nested log loss {judged.scores['log_loss']:.4f}; {shown}"


def blend_members(run: Run) -> list[str]:
    """Models that may enter the blend: all but the prior, which only adds a constant."""
    return members(run.competition.models)


def _oof(run: Run, model: str, folds: pd.DataFrame, classes: list[str]) -> np.ndarray:
    path = run.model(model) / "oof.parquet"
    table = pd.read_parquet(path)
    if list(table["id"]) != list(folds["id"]) or list(table["fold"]) != list(folds["fold"]):
        raise UserError(
            f"{path}: its rows or folds are not those of {run.folds}; fit {model} again"
        )
    return table[classes].to_numpy()


def _write_oof(run: Run, folds: pd.DataFrame, blend: np.ndarray, classes: list[str]) -> None:
    check_probabilities(blend, "ensemble, out of fold")
    oof = folds[["id", "fold"]].copy()
    oof[classes] = blend
    write_parquet(run.ensemble / "oof.parquet", oof)


def _blend_test(run: Run, members: list[str], pool: Pool, classes: list[str]) -> None:
    path = run.ensemble / "test.parquet"
    # A model of weight zero is not read: it is not needed at inference.
    needed = [(m, w) for m, w in zip(members, pool.weights, strict=True) if np.any(w)]
    sources = [run.model(model) / "test.parquet" for model, _ in needed]
    if not all(source.exists() for source in sources):
        remove(path)
        return
    tables = [pd.read_parquet(source) for source in sources]
    weights = np.array([weight for _, weight in needed])
    blend = Pool(pool.method, weights, pool.bias)
    test = tables[0][["id"]].copy()
    test[classes] = blend.predict(np.stack([table[classes].to_numpy() for table in tables]))
    check_probabilities(test[classes].to_numpy(), "ensemble, test rows")
    write_parquet(path, test)


def _cost(fitting: Meter, predicting: Meter) -> dict[str, float]:
    return {
        "train_seconds": fitting.seconds,
        "predict_seconds": predicting.seconds,
        "peak_memory_mb": max(fitting.peak_memory_mb, predicting.peak_memory_mb),
    }


def _reads(run: Run) -> list[Path]:
    paths = [run.folds, table_path(run, "train"), table_path(run, "test")]
    for model in blend_members(run):
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
