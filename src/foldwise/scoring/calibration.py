"""The interval of the expected calibration error, which noise can only raise.

The error sums |gap| over bins of confidence. Where a model is calibrated, every gap is noise and
so is their sum. The low end is therefore the smallest true error under which the measured one is
no surprise, judged by centred normal draws of the gaps with the covariance that the groups show.
Which bins are truly off is not known; those that stand out are taken for it, for the fewer they
are, the more noise adds. The high end is not lowered: the measured error is at least the sum of
gaps under their true signs, whose mean is the true error, so the reach of such a sum is enough.
"""

import numpy as np
from scipy import stats

from foldwise.scoring import metrics
from foldwise.scoring.clustered import Groups

_DRAWS = 1000
_HALVINGS = 20


def calibration_interval(
    labels: np.ndarray, probabilities: np.ndarray, groups: Groups
) -> tuple[float, float]:
    """Return low and high of `metrics.calibration_error`, both from 0 to 1.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n, C)
    groups : Groups
        Of the same rows.
    """
    n, place = len(labels), metrics.confidence_bin(probabilities)
    gap = (probabilities.argmax(axis=1) == labels) - probabilities.max(axis=1)
    of_bin = np.bincount(place, gap, metrics.ECE_BINS) / n
    error = np.abs(of_bin).sum()
    signed = groups.estimate(gap * np.sign(of_bin)[place])
    if not np.isfinite(signed.error):
        return 0.0, 1.0
    # Signs that chance has turned hide how far a large group moves all bins one way.
    one_way = groups.estimate(gap)
    reach = max(signed.critical * signed.error, one_way.critical * one_way.error)
    cells = groups.n_groups * metrics.ECE_BINS
    sums = np.bincount(groups.codes * metrics.ECE_BINS + place, gap, cells)
    covariance = groups.covariance(sums.reshape(groups.n_groups, -1), signed.correlation)
    wider = signed.critical / stats.norm.ppf((1 + groups.confidence) / 2)
    low = _least(of_bin, wider**2 * covariance, (1 + groups.confidence) / 2)
    return min(low, error), min(1.0, error + reach)


def _least(gaps: np.ndarray, covariance: np.ndarray, share: float) -> float:
    """Return the true error under which that share of draws lies below the measured one."""
    error, variance = np.abs(gaps).sum(), np.diag(covariance)
    if error == 0:
        return 0.0
    outstanding = np.maximum(0, np.abs(gaps) - variance / np.maximum(np.abs(gaps), 1e-12))
    shape = outstanding if outstanding.any() else np.abs(gaps)
    values, vectors = np.linalg.eigh(covariance)
    half = np.random.default_rng(0).standard_normal((_DRAWS // 2, len(gaps)))
    noise = np.concatenate([half, -half]) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    low, high = 0.0, error
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        drawn = np.abs(middle * shape / shape.sum() + noise).sum(axis=1)
        low, high = (middle, high) if np.quantile(drawn, share) < error else (low, middle)
    return low
