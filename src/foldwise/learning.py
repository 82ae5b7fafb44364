"""The learning curve over training size: what the last doubling of the data bought.

Reads  what a (model, fold) unit reads, and models/<model>/oof.parquet for the full size
Writes learning_curve.json, kept while nothing it depends on changes
"""

import os
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from foldwise.bootstrap import GroupBootstrap
from foldwise.crossval import fit_on_share, unit_key
from foldwise.files import read_json, write_json
from foldwise.hashing import content_hash
from foldwise.metrics import row_log_loss
from foldwise.stage import Run
from foldwise.terminal import track

SHARES = (0.125, 0.25, 0.5)
CHEAP = ("logreg", "svm", "lightgbm", "embedding")  # a transformer would cost as much again


def learning_curve(
    run: Run, labels: np.ndarray, losses: dict[str, np.ndarray], bootstrap: GroupBootstrap
) -> dict[str, Any]:
    """Return log loss against training rows for the models that are quick to fit.

    Parameters
    ----------
    run : Run
    labels : ndarray of int64, shape (n,)
    losses : dict of str to ndarray of float, shape (n,)
        Log loss of each row at full size, by model.
    bootstrap : GroupBootstrap

    Returns
    -------
    dict
        `points` (model, share, rows, log_loss, low, high) and, by model, `last_doubling`: how
        much the second half of the data lowered the log loss, with its paired interval.
    """
    models = [name for name in run.competition.models if name in CHEAP]
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    keys = [unit_key(run, name, int(k)) for name in models for k in np.unique(folds)]
    key = content_hash(SHARES, bootstrap.draws, bootstrap.confidence, keys)
    path = run.output / "learning_curve.json"
    stored = read_json(path)
    if stored and stored["key"] == key:
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
            point = {"model": name, "share": share, "rows": round(n)}
            points.append(point | {"log_loss": float(loss.mean()), "low": low, "high": high})
        if fitted[name, 0.5] is not None:
            gain = fitted[name, 0.5][1] - losses[name]
            low, high = bootstrap.interval_of_mean(gain)
            doubling[name] = {"gain": float(gain.mean()), "low": low, "high": high}
    found = {"key": key, "points": points, "last_doubling": doubling}
    write_json(path, found)
    return found


def _fit_all(
    run: Run, models: list[str], labels: np.ndarray, folds: np.ndarray
) -> dict[tuple[str, float], tuple[float, np.ndarray] | None]:
    """Return, by model and share, the mean number of training rows and the loss of each row.

    None where a share is too small for one of the folds.
    """
    units = [(m, share, int(k)) for m in models for share in SHARES for k in np.unique(folds)]
    cores = os.cpu_count() or 1
    workers = max(1, min(run.competition.jobs or cores, len(units)))
    work = Parallel(n_jobs=workers, return_as="generator")(
        delayed(fit_on_share)(run, m, k, share, max(1, cores // workers)) for m, share, k in units
    )
    made = track(work, "fitting on parts of the data", total=len(units))
    done = dict(zip(units, made, strict=True))
    found: dict[tuple[str, float], tuple[float, np.ndarray] | None] = {}
    for name in models:
        for share in SHARES:
            parts = [part for (m, s, _), part in done.items() if (m, s) == (name, share)]
            found[name, share] = None
            if all(part is not None for part in parts):
                loss = np.empty(len(labels))
                for _, rows, probabilities in parts:
                    loss[rows] = row_log_loss(labels[rows], probabilities)
                found[name, share] = float(np.mean([n for n, *_ in parts])), loss
    return found
