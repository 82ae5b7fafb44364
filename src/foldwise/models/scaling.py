"""A small scaling of scores, convex: a calibration, or a log-linear pool of several models."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special


@dataclass(frozen=True)
class Scaling:
    """softmax(sum_j weight_j * features_j + bias): a calibration or a log-linear pool.

    Attributes
    ----------
    weights : ndarray of float64, shape (J,)
    bias : ndarray of float64, shape (C,)
    """

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (n, C), from features of shape (J, n, C)."""
        return special.softmax(np.tensordot(self.weights, features, axes=1) + self.bias, axis=1)


def fit_scaling(
    labels: np.ndarray,
    features: np.ndarray,
    bias: np.ndarray,
    sample_weight: np.ndarray | None = None,
    bias_penalty: float = 1.0,
    weight_penalty: float = 0.0,
    tied: np.ndarray | None = None,
) -> Scaling:
    """Fit non-negative weights of score arrays and class biases by maximum likelihood.

    With one array of decision values it is Platt scaling for many classes; with log-probabilities
    of several models it is a log-linear opinion pool with temperature (the sum of the weights)
    and bias.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Class indexes.
    features : ndarray of float64, shape (J, n, C)
        Scores; higher speaks for the class.
    bias : ndarray of bool, shape (C,)
        Classes that get a bias.
    sample_weight : ndarray of float64, shape (n,), optional
        Weight of each row.
    bias_penalty : float
        Weight of |bias|^2 / 2 against the summed loss; it settles the free constant of the
        softmax and holds the bias of a rare class.
    weight_penalty : float
        Weight of |weights - 1/J|^2 / 2 against the summed loss: how far few rows may lead away
        from equal weights.
    tied : ndarray of int, shape (C,), optional
        Classes with the same number share one bias.
    """
    n_scores, n, n_classes = features.shape
    # One column for each bias that is fitted, marking the classes that have it.
    share = np.eye(n_classes)[:, bias] if tied is None else np.eye(tied.max() + 1)[tied]
    share = share[:, (share * bias[:, None]).any(axis=0)]
    weight = np.ones(n) if sample_weight is None else sample_weight
    rows = np.arange(n)
    # Decision values of a weak and of a strong penalty differ by orders of magnitude.
    size = np.sqrt(np.square(features).mean(axis=(1, 2)))
    size = np.where(size > 0, size, 1)
    features = features / size[:, None, None]

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        full = share @ vector[n_scores:]
        scores = np.tensordot(vector[:n_scores], features, axes=1) + full
        log_p = special.log_softmax(scores, axis=1)
        residual = np.exp(log_p)
        residual[rows, labels] -= 1
        residual *= weight[:, None]
        # The scores were divided by their size, so their weights are multiples of it.
        astray = vector[:n_scores] / size - 1 / n_scores
        of_weights = np.einsum("jnc,nc->j", features, residual) + weight_penalty * astray / size
        of_bias = (residual.sum(axis=0) + bias_penalty * full) @ share
        gradient = np.concatenate([of_weights, of_bias])
        loss = -(weight * log_p[rows, labels]).sum()
        loss += (bias_penalty * (full @ full) + weight_penalty * (astray @ astray)) / 2
        return loss / n, gradient / n

    start = np.concatenate([np.full(n_scores, 1 / n_scores), np.zeros(share.shape[1])])
    bounds = [(0, None)] * n_scores + [(None, None)] * share.shape[1]
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
    )
    return Scaling(found.x[:n_scores] / size, share @ found.x[n_scores:])
