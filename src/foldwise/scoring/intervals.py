"""The interval of every score of the leaderboard.

A score is a function of sums over rows. To first order it is the mean of a pseudo-value for each
row; so one statistic gives the interval of them all, and of every difference of two.
The calibration error is no such mean: see `calibration`.
"""

import numpy as np

from foldwise.config.record import High, Low, Record
from foldwise.scoring import metrics
from foldwise.scoring.calibration import calibration_interval
from foldwise.scoring.clustered import Groups

_BOUNDED = [name for name in metrics.SCORES if name != "log_loss"]  # between 0 and 1


class F1Difference(Record):
    """By how much the macro-F1 of the first of two models is higher, with its interval."""

    f1_difference: float
    f1_low: Low
    f1_high: High


class Gain(Record):
    """By how much a mean log loss is lower, with its interval."""

    gain: float
    low: Low
    high: High

    @classmethod
    def of(cls, values: np.ndarray, groups: Groups) -> "Gain":
        """Measure what each row gains, shape (n,)."""
        low, high = groups.estimate(values).interval()
        return cls(gain=values.mean(), low=low, high=high)


def score_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    pseudo: dict[str, np.ndarray],
    groups: Groups,
) -> dict[str, list[float]]:
    """Return low and high of each of `metrics.SCORES`.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n, C)
    pseudo : dict of str to ndarray
        Their `pseudo_values`.
    groups : Groups
        Of the same rows.
    """
    ends = {name: groups.estimate(values).interval() for name, values in pseudo.items()}
    ends["ece"] = calibration_interval(labels, probabilities, groups)
    for name in _BOUNDED:
        ends[name] = max(0.0, ends[name][0]), min(1.0, ends[name][1])
    return {name: list(of_score) for name, of_score in ends.items()}


def f1_differences(
    pairs: list[tuple[str, str]],
    f1: dict[str, float],
    pseudo: dict[str, dict[str, np.ndarray]],
    groups: Groups,
) -> list[F1Difference]:
    """Return by how much the macro-F1 of the first of each two models is higher, with its interval.

    Parameters
    ----------
    pairs : list of tuple of str
        Models to compare, the better one first.
    f1 : dict of str to float
        Macro-F1 by model.
    pseudo : dict of str to dict
        `pseudo_values` by model.
    groups : Groups
        Of the same rows.
    """
    found = []
    for better, other in pairs:
        gap = float(f1[better] - f1[other])
        low, high = groups.estimate(
            pseudo[better]["f1_macro"] - pseudo[other]["f1_macro"]
        ).interval()
        found.append(F1Difference(f1_difference=gap, f1_low=low, f1_high=high))
    return found


def pseudo_values(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Return each score but the ECE plus its influence function at each row, shape (n,).

    Their mean is the score; over any draw of the rows it is, to first order, that of the draw.
    """
    n, n_classes = probabilities.shape
    guess = probabilities.argmax(axis=1)
    right = guess == labels
    loss = metrics.row_log_loss(labels, probabilities)
    called, true = (np.bincount(codes, minlength=n_classes) for codes in (guess, labels))
    hit = np.bincount(labels[right], minlength=n_classes)
    # A row counts in the ratio of the class it is of, and in that of the class it is taken for.
    precision, recall = _share(hit, called), _share(hit, true)
    f1, both = _share(2 * hit, called + true), n / n_classes * _inverse(called + true)
    called, true = (n / n_classes * _inverse(counts) for counts in (called, true))
    of_guess, of_label = (both[codes] * (right - f1[codes]) for codes in (guess, labels))
    return {
        "log_loss": loss,
        "accuracy": right.astype(float),
        "precision_macro": precision.mean() + called[guess] * (right - precision[guess]),
        "recall_macro": recall.mean() + true[labels] * (right - recall[labels]),
        "f1_macro": f1.mean() + of_guess + of_label,
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, and 0 where there is no whole, as scikit-learn's zero_division=0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _inverse(whole: np.ndarray) -> np.ndarray:
    return _share(np.ones(len(whole)), whole)
