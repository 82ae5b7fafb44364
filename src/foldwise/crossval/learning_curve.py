"""The learning curve over training size: what the last doubling of the data bought.

Reads  what a (model, fold) unit reads, and models/<model>/oof.parquet for the full size
Writes learning_curve.json, kept while nothing it depends on changes
"""

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from foldwise.config.record import High, Low, Record
from foldwise.config.roster import KINDS
from foldwise.config.run import Run, Unit
from foldwise.crossval.stored import fit_key
from foldwise.crossval.unit import fit_and_predict, resources, scratch_folder
from foldwise.data.cleaned import class_names
from foldwise.features import rows
from foldwise.files import remove
from foldwise.hashing import code_hash, content_hash
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.intervals import Gain
from foldwise.scoring.metrics import row_log_loss
from foldwise.terminal import track

SHARES = (0.125, 0.25, 0.5)


_FEWEST_OF_A_CLASS = 5  # training rows below which inner splits of a small share break down


class CurvePoint(Record):
    """A model fitted on a share of the training rows of every fold."""

    model: str
    share: float
    rows: int
    log_loss: float
    low: Low
    high: High


class LearningCurve(Record):
    """Log loss against training rows."""

    key: str  # hash of all that it depends on
    points: list[CurvePoint]
    last_doubling: dict[str, Gain]  # what the second half of the rows bought, by model


def learning_curve(
    run: Run, labels: np.ndarray, losses: dict[str, np.ndarray], bootstrap: GroupBootstrap
) -> LearningCurve:
    """Return log loss against training rows for the models that are quick to fit.

    Parameters
    ----------
    run : Run
    labels : ndarray of int64, shape (n,)
    losses : dict of str to ndarray of float, shape (n,)
        Log loss of each row at full size, by model.
    bootstrap : GroupBootstrap
    """
    models = [name for name in run.competition.models if KINDS[name].cheap]
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    keys = [fit_key(run, Unit(name, int(k))) for name in models for k in np.unique(folds)]
    code = code_hash("foldwise.crossval.learning_curve")
    key = content_hash(SHARES, bootstrap.draws, bootstrap.confidence, keys, code)
    path = run.output / "learning_curve.json"
    stored = LearningCurve.read_if_usable(path)
    if stored and stored.key == key:
        return stored
    fitted = _fit_all(run, models, labels, folds)
    points, doubling = [], {}
    for name in models:
        full = (len(labels) * (1 - 1 / (int(folds.max()) + 1)), losses[name])
        for share in (*SHARES, 1.0):
            made = full if share == 1 else fitted[name, share]
            if made is None:
                continue
            n, loss = made
            low, high = bootstrap.interval_of_mean(loss)
            points.append(
                CurvePoint(
                    model=name, share=share, rows=round(n), log_loss=loss.mean(), low=low, high=high
                )
            )
        if fitted[name, 0.5] is not None:
            doubling[name] = Gain.of(fitted[name, 0.5][1] - losses[name], bootstrap)
    found = LearningCurve(key=key, points=points, last_doubling=doubling)
    found.write(path)
    return found


def _fit_all(
    run: Run, models: list[str], labels: np.ndarray, folds: np.ndarray
) -> dict[tuple[str, float], tuple[float, np.ndarray] | None]:
    """Return, by model and share, the mean number of training rows and the loss of each row.

    None where a share is too small for one of the folds.
    """
    units = [(Unit(m, int(k)), share) for m in models for share in SHARES for k in np.unique(folds)]
    cores = cpu_count()
    workers = max(1, min(run.competition.jobs or cores, len(units)))
    work = Parallel(n_jobs=workers, return_as="generator")(
        delayed(_fit_on_share)(run, unit, share, max(1, cores // workers)) for unit, share in units
    )
    made = track(work, "fitting on parts of the data", total=len(units))
    done = dict(zip(units, made, strict=True))
    found: dict[tuple[str, float], tuple[float, np.ndarray] | None] = {}
    for name in models:
        for share in SHARES:
            parts = [part for (u, s), part in done.items() if (u.model, s) == (name, share)]
            found[name, share] = None
            if all(part is not None for part in parts):
                loss = np.empty(len(labels))
                for _, places, probabilities in parts:
                    loss[places] = row_log_loss(labels[places], probabilities)
                found[name, share] = float(np.mean([n for n, *_ in parts])), loss
    return found


def _fit_on_share(
    run: Run, unit: Unit, share: float, threads: int = 1
) -> tuple[int, np.ndarray, np.ndarray] | None:
    """Fit one model on a share of the training rows of a fold, whole groups drawn at random.

    Nothing is stored. A smaller share of the same fold is a part of a larger one.

    Parameters
    ----------
    run, unit, threads
        As in `crossval.unit.run_unit`.
    share : float
        Of the groups, above 0 and at most 1.

    Returns
    -------
    tuple or None
        Rows fitted on, positions of the fold's rows, and their probabilities, shape (n, C); None
        where the share holds too few rows of a class to fit on.
    """
    classes = class_names(run)
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    data = rows.load(run, "train", classes, features=KINDS[unit.model].uses_features)
    inside = np.flatnonzero(folds != unit.fold)
    codes, groups = pd.factorize(data.groups[inside])
    rank = np.random.default_rng(run.competition.seed + unit.fold).permutation(len(groups))
    train = data.take(inside[rank[codes] < round(share * len(groups))])
    if np.bincount(train.labels, minlength=len(classes)).min() < _FEWEST_OF_A_CLASS:
        return None
    left_out = np.flatnonzero(folds == unit.fold)
    with resources(run, unit.model, threads):
        found = fit_and_predict(run, unit, train, data.take(left_out), threads)
    remove(scratch_folder(run, unit))
    return len(train), left_out, found.probabilities
