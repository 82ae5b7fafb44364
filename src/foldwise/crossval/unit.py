"""One (model, fold) unit: fit, predict, store. The same call on one core or on a cluster.

Reads  clean/*.parquet, folds.parquet and, for the models that use them, features/.
Writes models/<model>/fold-<k>/, whole or not at all; `assembly` then joins the folds of a model.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from foldwise.config.roster import KINDS
from foldwise.config.run import Run, Unit
from foldwise.crossval import class_weights, stored
from foldwise.crossval.records import FoldRecord
from foldwise.crossval.stored import FittedUnit
from foldwise.data.cleaned import class_names, table_path
from foldwise.data.pairs import Pair
from foldwise.errors import UserError
from foldwise.features import rows
from foldwise.features.rows import Rows
from foldwise.files import atomic, remove
from foldwise.meter import Meter
from foldwise.models.model import Task, model_class
from foldwise.scoring.metrics import check_probabilities, scores

if TYPE_CHECKING:
    # A type alone, so that no fold but a transformer's depends on the code of fine-tuning.
    from foldwise.finetune.allowance import Allowance


def run_unit(run: Run, unit: Unit, threads: int = 1, allowance: "Allowance | None" = None) -> None:
    """Fit one model without one fold, predict that fold and the test rows, store everything.

    Where the model is stored and only the test rows are others, it predicts those; nothing is
    fitted.

    Parameters
    ----------
    run : Run
        The competition and its folders.
    unit : Unit
        The model, and the fold that is left out.
    threads : int
        CPU threads this unit may use.
    allowance : Allowance, optional
        The time that is left, if it is limited.
    """
    with resources(run, unit.model, threads):
        if not follows() and stored.is_fitted(run, unit):
            _predict_again(run, unit)
        else:
            _fit_anew(run, unit, threads, allowance)


@dataclass(frozen=True)
class FoldFit:
    """A model fitted without a fold, and what it says about that fold.

    Attributes
    ----------
    fitted : FittedUnit
        The model.
    probabilities : ndarray of float64, shape (n, C), or None
        Of the rows of the fold; None in a process that only helps another one to train.
    fit_meter, predict_meter : Meter
        What fitting and predicting the fold cost.
    """

    fitted: FittedUnit
    probabilities: np.ndarray | None
    fit_meter: Meter
    predict_meter: Meter


def fit_and_predict(
    run: Run,
    unit: Unit,
    train: Rows,
    held_out: Rows,
    threads: int,
    *,
    watched: bool = True,
    scratch: Path | None = None,
    allowance: "Allowance | None" = None,
) -> FoldFit:
    """Weight, oversample and fit the training rows, then predict the rows that are left out.

    The one place where rows that are judged meet a model. Weights, draws and the correction of
    the prior come from `train`; of `held_out` a fit sees nothing, unless the model draws a curve
    over it or stops early by it (`uses_validation`), and then only if it is `watched`.

    Parameters
    ----------
    run, unit, threads, allowance
        As in `run_unit`.
    train : Rows
        Labelled rows outside the fold.
    held_out : Rows
        The rows of the fold. Their labels are hidden from the prediction.
    watched : bool
        Whether a model with a curve may see the fold while it is fitted.
    scratch : Path, optional
        Folder of the checkpoints; the unit's own by default. Who calls removes it.

    Returns
    -------
    FoldFit
    """
    classes, kind = class_names(run), model_class(unit.model)
    task, factors = make_task(run, unit, train.labels, classes, threads)
    task = replace(task, scratch=scratch or task.scratch, allowance=allowance)
    if run.competition.weights.oversample and KINDS[unit.model].is_weighted:
        chosen = class_weights.oversample(train.labels, task.seed, task.pair.tied_classes)
        before, train = train.labels, train.take(chosen)
        task = replace(task, repeats=_ratio(train.labels, before, len(classes)))
    with Meter() as fit_meter:
        model = kind.fit(train, task, held_out if watched and kind.uses_validation else None)
    fitted = FittedUnit(unit.model, model, factors)
    if follows():
        return FoldFit(fitted, None, fit_meter, Meter())
    with Meter() as predict_meter:
        probabilities = fitted.predict(held_out)
    return FoldFit(fitted, probabilities, fit_meter, predict_meter)


def _fit_anew(run: Run, unit: Unit, threads: int, allowance: "Allowance | None") -> None:
    keys, classes = stored.unit_keys(run, unit), class_names(run)
    train, held_out = _sides(run, unit, classes)
    found = fit_and_predict(run, unit, train, held_out, threads, allowance=allowance)
    del train
    if follows():
        return
    fitted, oof = found.fitted, found.probabilities
    test = _predict_test(run, fitted, classes)
    check_probabilities(oof, f"{unit.model}, fold {unit.fold}")
    record = FoldRecord(
        fold=unit.fold,
        rows=len(held_out),
        **scores(held_out.labels, oof),
        train_seconds=found.fit_meter.seconds,
        predict_seconds=found.predict_meter.seconds,
        peak_memory_mb=max(found.fit_meter.peak_memory_mb, found.predict_meter.peak_memory_mb),
        **fitted.model.info,
    )
    with atomic(run.fold(*unit)) as partial:
        partial.mkdir(parents=True)
        fitted.model.save(partial)
        _store(partial / "oof.parquet", held_out.ids, oof, classes)
        if test is not None:
            _store(partial / "test.parquet", *test, classes)
        record.write(partial / "metrics.json")
        stored.write_record(partial, run, unit, classes, fitted.factors, keys)
    remove(scratch_folder(run, unit))


def _predict_again(run: Run, unit: Unit) -> None:
    """Replace a stored unit by one with the same model and predictions of the present test rows.

    They are those of a fresh fit as far as the saved model is the fitted one: the same bits for
    the prior, the linear models and the trees, up to rounding of float32 for the transformers.
    """
    keys, classes, folder = stored.unit_keys(run, unit), class_names(run), run.fold(*unit)
    test = _predict_test(run, FittedUnit.load(unit.model, folder, classes), classes)
    with atomic(folder) as partial:
        stored.copy_fit(folder, partial)
        if test is not None:
            _store(partial / "test.parquet", *test, classes)
        stored.stamp(partial, keys.predict)


def _sides(run: Run, unit: Unit, classes: list[str]) -> tuple[Rows, Rows]:
    """Return the rows outside a fold and those inside."""
    folds = pd.read_parquet(run.folds)
    data = rows.load(run, "train", classes, features=KINDS[unit.model].uses_features)
    if list(folds["id"]) != list(data.ids):
        raise UserError(f"{run.folds}: its ids are not those of clean/train.parquet; use --force")
    inside = folds["fold"].to_numpy() == unit.fold
    return data.take(np.flatnonzero(~inside)), data.take(np.flatnonzero(inside))


def follows() -> bool:
    """Whether this process only helps another one to train, which stores the result."""
    # A launcher's variable; the heavy libraries are not loaded to find out.
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False
    # By name: the transformers import it, and no other model is trained by several processes.
    return importlib.import_module("foldwise.finetune.distributed").rank() > 0


@contextlib.contextmanager
def resources(run: Run, model: str, threads: int) -> Iterator[None]:
    """Hold a unit to its threads, and give it a GPU for itself if it wants one."""
    with contextlib.ExitStack() as stack:
        if KINDS[model].is_transformer and not follows():
            # By name: the transformers import it, and no other model knows of a GPU.
            device = importlib.import_module("foldwise.backbone.device")
            stack.enter_context(device.claimed_gpu(run.output))
        stack.enter_context(threadpool_limits(threads))
        yield


def scratch_folder(run: Run, unit: Unit) -> Path:
    """Return where a unit's checkpoints lie until it is stored."""
    return run.model(unit.model) / f".fold-{unit.fold}.checkpoint"


def make_task(
    run: Run, unit: Unit, labels: np.ndarray, classes: list[str], threads: int
) -> tuple[Task, np.ndarray]:
    """Return what a model is told and the factors that give its probabilities the prior back.

    Parameters
    ----------
    run, unit, threads
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
    config, tied = run.competition.weights, Pair.of(run.competition, classes).tied_classes
    if config.oversample and config.classes == "balanced":
        raise UserError("weights.oversample and weights.classes = 'balanced' do the same; set one")
    weights = factors = np.ones(len(classes))
    if KINDS[unit.model].is_weighted:
        weights = class_weights.class_weights(labels, classes, config, tied)
        factors = class_weights.prior_correction(labels, weights, run.competition, tied)
    task = Task(
        competition=run.competition,
        classes=classes,
        class_weights=weights,
        seed=run.competition.seed + 1000 * unit.fold,
        fold=unit.fold,
        scratch=scratch_folder(run, unit),
        threads=threads,
        cache=run.output / "cache",
    )
    return task, factors


def _ratio(labels: np.ndarray, before: np.ndarray, n_classes: int) -> np.ndarray:
    """Return how often a row of each class is there for once before, float64, shape (C,)."""
    now, then = (np.bincount(part, minlength=n_classes) for part in (labels, before))
    return now / np.maximum(then, 1)


def _predict_test(
    run: Run, fitted: FittedUnit, classes: list[str]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return ids and probabilities of the test rows, if there are any."""
    if not table_path(run, "test").exists():
        return None
    test = rows.load(run, "test", classes, features=KINDS[fitted.name].uses_features)
    return test.ids, fitted.predict(test)


def _store(path: Path, ids: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> None:
    table = pd.DataFrame(probabilities, columns=classes)
    table.insert(0, "id", ids)
    table.to_parquet(path, index=False)
