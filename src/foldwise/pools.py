"""Blends of several models' probabilities: the linear and the log-linear opinion pool.

Every score that is reported is nested: the weights that blend fold k are fitted on the rows of
the other folds alone. See Genest and Zidek, "Combining probability distributions" (1986).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from foldwise.linearfit import fit_scaling

_FLOOR = 1e-12
_NEGLIGIBLE = 1e-4  # a model whose absence costs less log loss than this gets weight zero
# Equal weights are hard to beat with few rows. They are the prior, as strong as this many rows;
# benchmarks/README.md has what it buys.
_PRIOR_ROWS = 100


@dataclass(frozen=True)
class Pool:
    """A fitted blend.

    Attributes
    ----------
    method : str
        "linear" or "log_linear".
    weights : ndarray of float64, shape (M,)
        Weight of each model, never negative. A linear pool's sum to 1; a log-linear pool's sum
        is the inverse of its temperature.
    bias : ndarray of float64, shape (C,)
        Added to the log-probabilities; zero for a linear pool.
    """

    method: str
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Blend probabilities of shape (M, n, C) into shape (n, C)."""
        if self.method == "linear":
            blend = np.tensordot(self.weights, probabilities, axes=1)
        else:
            logits = np.tensordot(self.weights, _log(probabilities), axes=1) + self.bias
            blend = np.exp(logits - logits.max(axis=1, keepdims=True))
        return blend / blend.sum(axis=1, keepdims=True)


def fit(method: str, probabilities: np.ndarray, labels: np.ndarray, bias: bool = True) -> Pool:
    """Fit the weights of a pool, and drop the models that add nothing.

    Starting with all models, the one that is missed least is left out for as long as that costs
    next to nothing: what it would have added is not worth running it at inference.

    Parameters
    ----------
    method : str
        "linear" or "log_linear".
    probabilities : ndarray of float64, shape (M, n, C)
        Out-of-fold probabilities of each model.
    labels : ndarray of int64, shape (n,)
        Class indexes.
    bias : bool
        Whether a log-linear pool gets a bias for each class.
    """
    members = np.arange(len(probabilities))
    pool, loss = _fit(method, probabilities, labels, bias)
    while len(members) > 1:
        smaller = [np.delete(members, i) for i in range(len(members))]
        refits = [_fit(method, probabilities[kept], labels, bias) for kept in smaller]
        least = int(np.argmin([refit_loss for _, refit_loss in refits]))
        if refits[least][1] > loss + _NEGLIGIBLE:
            break
        members = smaller[least]
        pool, loss = refits[least]
    weights = np.zeros(len(probabilities))
    weights[members] = pool.weights
    return Pool(method, weights, pool.bias)


def nested(
    method: str,
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    bias: bool = True,
) -> np.ndarray:
    """Return out-of-fold predictions of a pool whose weights never saw the fold they blend.

    Parameters
    ----------
    method, probabilities, labels, bias
        As in `fit`.
    folds : ndarray of int, shape (n,)
        Fold of each row.

    Returns
    -------
    ndarray of float64, shape (n, C)
    """
    blend = np.zeros(probabilities.shape[1:])
    for fold in np.unique(folds):
        inside = folds == fold
        pool = fit(method, probabilities[:, ~inside], labels[~inside], bias)
        blend[inside] = pool.predict(probabilities[:, inside])
    return blend


def better(losses: dict[str, float], order: Sequence[str], tie: float = 1e-4) -> str:
    """Return the method with the lowest loss; within `tie` the one named first in `order`."""
    lowest = min(losses.values())
    return next(method for method in order if losses[method] <= lowest + tie)


def _fit(
    method: str, probabilities: np.ndarray, labels: np.ndarray, bias: bool
) -> tuple[Pool, float]:
    n_models, n, n_classes = probabilities.shape
    rows = np.arange(n)
    if method == "log_linear":
        scaling = fit_scaling(
            _log(probabilities),
            labels,
            np.full(n_classes, bias),
            bias_penalty=_PRIOR_ROWS,
            weight_penalty=_PRIOR_ROWS,
        )
        pool = Pool(method, scaling.weights, scaling.bias)
        return pool, -_log(pool.predict(probabilities)[rows, labels]).mean()
    # The loss of a linear pool depends on the probabilities of the true classes alone.
    of_truth = np.maximum(probabilities[:, rows, labels], _FLOOR)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        blend = np.maximum(weights @ of_truth, _FLOOR)
        astray = weights - 1 / n_models
        penalty = _PRIOR_ROWS / n * (astray @ astray) / 2
        gradient = _PRIOR_ROWS / n * astray - (of_truth / blend).mean(axis=1)
        return penalty - np.log(blend).mean(), gradient

    found = optimize.minimize(
        objective,
        np.full(n_models, 1 / n_models),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n_models,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-10},
    )
    weights = np.clip(found.x, 0, 1)
    pool = Pool(method, weights / weights.sum(), np.zeros(n_classes))
    return pool, -_log(pool.predict(probabilities)[rows, labels]).mean()


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, _FLOOR, 1))
