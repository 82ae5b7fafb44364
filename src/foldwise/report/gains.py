"""What would lower the log loss, measured: recalibration, leaving a model out, more data."""

from typing import Any

import numpy as np

from foldwise.ensemble import pools
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.metrics import row_log_loss


def recalibration(
    labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, bootstrap: GroupBootstrap
) -> dict[str, Any]:
    """Return what a temperature and a bias for each class would gain, judged out of fold.

    The scaling of fold k is fitted on the other folds.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : ndarray of float, shape (n, C)
    folds : ndarray of int, shape (n,)
    bootstrap : GroupBootstrap
    """
    scaled = pools.nested("log_linear", probabilities[None], labels, folds)
    gain = row_log_loss(labels, probabilities) - row_log_loss(labels, scaled)
    return _gain(gain, bootstrap)


def leave_one_out(
    labels: np.ndarray,
    members: dict[str, np.ndarray],
    blend: np.ndarray,
    folds: np.ndarray,
    method: str,
    bias: bool,
    tied: np.ndarray,
    bootstrap: GroupBootstrap,
) -> dict[str, dict[str, Any]]:
    """Return, for each model, how much worse the nested blend is without it.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    members : dict of str to ndarray of float, shape (n, C)
        The models of the blend; those of weight zero may be left away.
    blend : ndarray of float, shape (n, C)
        The nested blend of all of them.
    folds : ndarray of int, shape (n,)
    method, bias, tied
        As in `pools.fit`.
    bootstrap : GroupBootstrap
    """
    loss = row_log_loss(labels, blend)
    found = {}
    for name in members:
        rest = np.stack([p for other, p in members.items() if other != name])
        without = pools.nested(method, rest, labels, folds, bias, tied)
        found[name] = _gain(row_log_loss(labels, without) - loss, bootstrap)
    return found


def _gain(values: np.ndarray, bootstrap: GroupBootstrap) -> dict[str, Any]:
    low, high = bootstrap.interval_of_mean(values)
    return {"gain": float(values.mean()), "low": low, "high": high}
