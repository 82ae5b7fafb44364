"""One (model, fold) unit: fit, predict, store. The same call on one core or on a cluster.

Reads  clean/*.parquet, folds.parquet and, for the models that use them, features/.
Writes models/<model>/fold-<k>/, whole or not at all; `assemble` joins the folds of a model into
       models/<model>/oof.parquet, test.parquet and metrics.json.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from foldwise import balance, engine, history, rows
from foldwise.errors import UserError
from foldwise.files import atomic, read_json, remove, write_json, write_parquet
from foldwise.hashing import code_hash, content_hash, file_hash
from foldwise.meter import Meter
from foldwise.metrics import scores
from foldwise.models import MODELS, TRANSFORMERS, Task, model_class
from foldwise.stage import Run, config_hash

FEWEST_OF_A_CLASS = 5  # training rows below which inner splits of a small share break down
SHARED_SECTIONS = ("name", "seed", "metric", "data", "pair", "clean", "weights")


def class_names(run: Run) -> list[str]:
    """Class names in the order of the probability columns, as the clean stage found them."""
    return read_json(run.clean / "audit.json")["classes"]


def fit_models(run: Run, models: Sequence[str], jobs: int) -> None:
    """Fit every (model, fold) unit that is not stored yet, then assemble each model."""
    folds = range(run.competition.folds.n)
    units = [(m, k) for k in folds for m in models if not is_stored(run, m, k)]
    cores = os.cpu_count() or 1
    # Threads follow from the whole grid: what a killed run left over is fitted just the same.
    workers = max(1, min(jobs or cores, len(folds) * len(models)))
    threads = max(1, cores // workers)
    engine.run_units(run_unit, run, units, min(workers, len(units)), threads)
    for model in models:
        assemble(run, model)


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
    allowance : foldwise.timebudget.Allowance, optional
        The time that is left, if it is limited.

    Returns
    -------
    dict
        Scores, seconds, peak memory and notes of the fold, as stored in its `metrics.json`.
    """
    key = unit_key(run, model, fold)
    classes, kind = class_names(run), model_class(model)
    folds = pd.read_parquet(run.folds)
    data = rows.load(run, "train", classes, features=kind.uses_features)
    if list(folds["id"]) != list(data.ids):
        raise UserError(f"{run.folds}: its ids are not those of clean/train.parquet; use --force")
    left_out = folds["fold"].to_numpy() == fold
    train, validation = (data.take(np.flatnonzero(side)) for side in (~left_out, left_out))
    truth = validation.labels
    task, factors = make_task(run, model, fold, train.labels, classes, threads)
    task = replace(task, allowance=allowance)
    if run.competition.weights.oversample:
        train = train.take(balance.oversample(train.labels, task.seed))
    with _place(run, model), threadpool_limits(threads):
        with Meter() as fit_meter:
            fitted = kind.fit(train, task, validation if kind.uses_validation else None)
        del train, data
        if follows():
            return fitted.info
        with Meter() as predict_meter:
            oof = balance.correct(fitted.predict(validation.without_labels()), factors)
        test = _predict_test(run, fitted, factors, classes)
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


def assemble(run: Run, model: str) -> None:
    """Join the folds of a model into its out-of-fold and test predictions and its metrics."""
    classes = class_names(run)
    order = pd.read_parquet(run.folds, columns=["id", "fold"])
    left = dropped(run, model)
    folders = [run.fold(model, k) for k in range(run.competition.folds.n) if k not in left]
    parts = [pd.read_parquet(folder / "oof.parquet") for folder in folders]
    oof = order.merge(pd.concat(parts), on="id", how="left", validate="one_to_one")
    table = pd.read_parquet(rows.table_path(run, "train"), columns=["label"])
    labels = np.asarray(pd.Categorical(table["label"], categories=classes).codes)
    notes = _fill_dropped(oof, left, labels, classes)
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
    """Files and folders that `fit_models` writes."""
    paths = []
    for model in models:
        paths += [run.model(model) / "oof.parquet", run.model(model) / "metrics.json"]
        if rows.table_path(run, "test").exists():
            paths.append(run.model(model) / "test.parquet")
        left = dropped(run, model)
        paths += [run.fold(model, k) for k in range(run.competition.folds.n) if k not in left]
    return paths


def dropped(run: Run, model: str) -> list[int]:
    """Folds that a time budget left out."""
    plan = read_json(run.model(model) / "plan.json")
    return plan["dropped"] if plan else []


def follows() -> bool:
    """Whether this process only helps another one to train, which stores the result."""
    # A launcher's variable; the heavy libraries are not loaded to find out.
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False
    from foldwise import distributed

    return distributed.rank() > 0


def check_probabilities(probabilities: np.ndarray, what: str) -> None:
    """Raise unless every probability is finite, in [0, 1], and every row sums to 1."""
    if not np.isfinite(probabilities).all():
        raise FloatingPointError(f"{what}: a probability is missing or not finite")
    off = np.abs(probabilities.sum(axis=1) - 1).max(initial=0)
    if probabilities.min(initial=0) < 0 or off > 1e-6:
        raise FloatingPointError(f"{what}: probabilities do not sum to 1 (off by {off:.2g})")


def unit_key(run: Run, model: str, fold: int) -> str:
    """Hash everything a unit's result depends on."""
    inputs = [run.folds, rows.table_path(run, "train"), rows.table_path(run, "test")]
    sections = [*SHARED_SECTIONS]
    if model in run.competition.section_names():
        sections.append(model)
    if model_class(model).uses_features:
        inputs.append(run.features / "features.json")
        sections.append("features")
    code = [code_hash("foldwise.crossval"), code_hash(MODELS[model].partition(":")[0])]
    hashes = [file_hash(path) for path in inputs]
    # How folds share the machine does not change them.
    bert = run.competition.bert.model_copy(update={"workers": 0, "over_budget": "drop"})
    run = replace(run, competition=run.competition.model_copy(update={"bert": bert}))
    return content_hash(fold, config_hash(run, tuple(sections)), code, hashes)


def is_stored(run: Run, model: str, fold: int) -> bool:
    """Whether a unit's result is there, whole, and still what it would be."""
    record = read_json(run.fold(model, fold) / "unit.json")
    if run.force or not isinstance(record, dict):
        return False
    if record.get("key") != unit_key(run, model, fold):
        return False
    return record.get("files") == folder_hashes(run.fold(model, fold))


def _place(run: Run, model: str) -> Any:
    """Return the context in which a unit has a GPU for itself, if it wants one."""
    if model not in TRANSFORMERS or follows():
        return contextlib.nullcontext()
    from foldwise.device import claimed_gpu

    return claimed_gpu(run.output)


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


def folder_hashes(folder: Path) -> dict[str, str | None]:
    """Hash every file of a stored unit but `unit.json`, which holds the hashes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_hash(path) for name, path in names.items() if name != "unit.json"}


def stamp(folder: Path) -> None:
    """Make a copy of a stored unit whose files were changed on purpose whole again."""
    record = read_json(folder / "unit.json")
    write_json(folder / "unit.json", record | {"files": folder_hashes(folder)})


def modules(models: Sequence[str]) -> list[str]:
    """Return the modules behind some models: nothing that names them imports them."""
    return sorted({MODELS[model].partition(":")[0] for model in models})


def make_task(
    run: Run, model: str, fold: int, labels: np.ndarray, classes: list[str], threads: int
) -> tuple[Task, np.ndarray]:
    """Return what a model is told and the factors that give its probabilities the prior back."""
    config = run.competition.weights
    weights = balance.class_weights(labels, classes, config)
    factors = balance.prior_correction(labels, weights, run.competition)
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
    run: Run, fitted: Any, factors: np.ndarray, classes: list[str]
) -> tuple[np.ndarray, np.ndarray] | None:
    if not rows.table_path(run, "test").exists():
        return None
    test = rows.load(run, "test", classes, features=fitted.uses_features)
    return test.ids, balance.correct(fitted.predict(test), factors)


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


def fit_on_share(
    run: Run, model: str, fold: int, share: float, threads: int = 1
) -> tuple[int, np.ndarray, np.ndarray] | None:
    """Fit one model on a share of the training rows of a fold, whole groups drawn at random.

    Nothing is stored. A smaller share of the same fold is a part of a larger one.

    Parameters
    ----------
    run, model, fold, threads
        As in `run_unit`.
    share : float
        Of the groups, above 0 and at most 1.

    Returns
    -------
    tuple or None
        Rows fitted on, positions of the fold's rows, and their probabilities, shape (n, C); None
        where the share holds too few rows of a class to fit on.
    """
    classes, kind = class_names(run), model_class(model)
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    data = rows.load(run, "train", classes, features=kind.uses_features)
    inside = np.flatnonzero(folds != fold)
    codes, groups = pd.factorize(data.groups[inside])
    rank = np.random.default_rng(run.competition.seed + fold).permutation(len(groups))
    train = data.take(inside[rank[codes] < round(share * len(groups))])
    if np.bincount(train.labels, minlength=len(classes)).min() < FEWEST_OF_A_CLASS:
        return None
    left_out = np.flatnonzero(folds == fold)
    validation = data.take(left_out)
    task, factors = make_task(run, model, fold, train.labels, classes, threads)
    if run.competition.weights.oversample:
        train = train.take(balance.oversample(train.labels, task.seed))
    with threadpool_limits(threads):
        fitted = kind.fit(train, task, validation if kind.uses_validation else None)
        found = balance.correct(fitted.predict(validation.without_labels()), factors)
    remove(task.scratch)
    return len(train), left_out, found
