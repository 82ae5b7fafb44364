"""One (model, fold) unit: fit, predict, store. The same call on one core or on a cluster.

Reads  clean/*.parquet, folds.parquet and, for the models that use them, features/.
Writes models/<model>/fold-<k>/, whole or not at all; `assembly` then joins the folds of a model.
"""

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from foldwise.backbone.device import claimed_gpu
from foldwise.config.roster import KINDS
from foldwise.config.run import Run
from foldwise.crossval import class_weights
from foldwise.crossval.stored import folder_hashes, unit_key
from foldwise.data.cleaned import class_names, table_path
from foldwise.errors import UserError
from foldwise.features import rows
from foldwise.files import atomic, remove, write_json
from foldwise.finetune import distributed
from foldwise.meter import Meter
from foldwise.models.model import Task, model_class
from foldwise.scoring.metrics import check_probabilities, scores


def run_unit(
    run: Run, model: str, fold: int, threads: int = 1, allowance: Any = None
) -> dict[str, Any]:
    """Fit one model without one fold, predict that fold and the test rows, store everything.

    Parameters
    ----------
    run : Run
        The competition and its folders.
    model : str
        Name of the model.
    fold : int
        The fold that is left out.
    threads : int
        CPU threads this unit may use.
    allowance : foldwise.finetune.budget.Allowance, optional
        The time that is left, if it is limited.

    Returns
    -------
    dict
        Scores, seconds, peak memory and notes of the fold, as stored in its `metrics.json`.
    """
    key = unit_key(run, model, fold)
    classes, kind = class_names(run), model_class(model)
    folds = pd.read_parquet(run.folds)
    data = rows.load(run, "train", classes, features=KINDS[model].uses_features)
    if list(folds["id"]) != list(data.ids):
        raise UserError(f"{run.folds}: its ids are not those of clean/train.parquet; use --force")
    left_out = folds["fold"].to_numpy() == fold
    train, validation = (data.take(np.flatnonzero(side)) for side in (~left_out, left_out))
    truth = validation.labels
    task, factors = make_task(run, model, fold, train.labels, classes, threads)
    task = replace(task, allowance=allowance)
    if run.competition.weights.oversample:
        train = train.take(class_weights.oversample(train.labels, task.seed))
    with _place(run, model), threadpool_limits(threads):
        with Meter() as fit_meter:
            fitted = kind.fit(train, task, validation if kind.uses_validation else None)
        del train, data
        if follows():
            return fitted.info
        with Meter() as predict_meter:
            oof = class_weights.correct(fitted.predict(validation.without_labels()), factors)
        test = _predict_test(run, model, fitted, factors, classes)
    check_probabilities(oof, f"{model}, fold {fold}")
    metrics = {
        "fold": fold,
        "rows": int(left_out.sum()),
        **scores(truth, oof),
        "train_seconds": fit_meter.seconds,
        "predict_seconds": predict_meter.seconds,
        "peak_memory_mb": max(fit_meter.peak_memory_mb, predict_meter.peak_memory_mb),
        **fitted.info,
    }
    folder = run.fold(model, fold)
    with atomic(folder) as partial:
        partial.mkdir(parents=True)
        fitted.save(partial)
        _store(partial / "oof.parquet", validation.ids, oof, classes)
        if test is not None:
            _store(partial / "test.parquet", *test, classes)
        write_json(partial / "metrics.json", metrics)
        record = _unit_record(run, model, classes, factors, key)
        write_json(partial / "unit.json", record | {"files": folder_hashes(partial)})
    remove(task.scratch)
    return metrics


def follows() -> bool:
    """Whether this process only helps another one to train, which stores the result."""
    # A launcher's variable; the heavy libraries are not loaded to find out.
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False

    return distributed.rank() > 0


def _place(run: Run, model: str) -> Any:
    """Return the context in which a unit has a GPU for itself, if it wants one."""
    if not KINDS[model].is_transformer or follows():
        return contextlib.nullcontext()

    return claimed_gpu(run.output)


def make_task(
    run: Run, model: str, fold: int, labels: np.ndarray, classes: list[str], threads: int
) -> tuple[Task, np.ndarray]:
    """Return what a model is told and the factors that give its probabilities the prior back.

    Parameters
    ----------
    run, model, fold, threads
        As in `run_unit`.
    labels : ndarray of int64, shape (n,)
        Class indexes of the training rows, before any are repeated.
    classes : list of str
        Class names.

    Returns
    -------
    task : Task
    factors : ndarray of float64, shape (C,)

    Raises
    ------
    UserError
        The rows would be weighted twice.
    """
    config = run.competition.weights
    weights = class_weights.class_weights(labels, classes, config)
    factors = class_weights.prior_correction(labels, weights, run.competition)
    if config.oversample and config.classes == "balanced":
        raise UserError("weights.oversample and weights.classes = 'balanced' do the same; set one")
    task = Task(
        competition=run.competition,
        classes=classes,
        class_weights=weights,
        seed=run.competition.seed + 1000 * fold,
        fold=fold,
        scratch=run.model(model) / f".fold-{fold}.checkpoint",
        threads=threads,
        cache=run.output / "cache",
    )
    return task, factors


def _predict_test(
    run: Run, model: str, fitted: Any, factors: np.ndarray, classes: list[str]
) -> tuple[np.ndarray, np.ndarray] | None:
    if not table_path(run, "test").exists():
        return None
    test = rows.load(run, "test", classes, features=KINDS[model].uses_features)
    return test.ids, class_weights.correct(fitted.predict(test), factors)


def _store(path: Path, ids: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> None:
    table = pd.DataFrame(probabilities, columns=classes)
    table.insert(0, "id", ids)
    table.to_parquet(path, index=False)


def _unit_record(
    run: Run, model: str, classes: list[str], factors: np.ndarray, key: str
) -> dict[str, Any]:
    return {
        "model": model,
        "classes": classes,
        "prior_correction": factors.tolist(),
        "config": run.competition.model_dump(mode="json"),
        "key": key,
    }
