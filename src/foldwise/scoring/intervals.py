"""The interval of every score of the leaderboard.

A score is a function of sums over rows. To first order it is a mean of what each row moves it by,
its influence; so one statistic gives the interval of them all, and of every difference of two.
"""

import numpy as np

from foldwise.config.record import Record
from foldwise.scoring import metrics
from foldwise.scoring.bootstrap import GroupBootstrap

_BOUNDED = [name for name in metrics.SCORES if name != "log_loss"]  # between 0 and 1


class F1Difference(Record):
    """By how much the macro-F1 of the first of two models is higher, with its interval."""

    f1_difference: float
    f1_low: float
    f1_high: float


class Gain(Record):
    """By how much a mean log loss is lower, with its interval."""

    gain: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, bootstrap: GroupBootstrap) -> "Gain":
        """Measure what each row gains, shape (n,)."""
        low, high = bootstrap.interval_of_mean(values)
        return cls(gain=values.mean(), low=low, high=high)


def score_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    moved: dict[str, np.ndarray],
    bootstrap: GroupBootstrap,
) -> dict[str, list[float]]:
    """Return low and high of each of `metrics.SCORES`.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n, C)
    moved : dict of str to ndarray
        Their `influences`.
    bootstrap : GroupBootstrap
        Over the groups of the same rows.
    """
    found = metrics.scores(labels, probabilities)
    estimates = {name: bootstrap.estimate(found[name] + moved[name]) for name in metrics.SCORES}
    ends = {name: estimate.interval() for name, estimate in estimates.items()}
    drawn = drawn_calibration_errors(labels, probabilities, bootstrap)
    ends["ece"] = bootstrap.interval_of_biased(estimates["ece"], drawn)
    for name in _BOUNDED:
        ends[name] = max(0.0, ends[name][0]), min(1.0, ends[name][1])
    return {name: list(of_score) for name, of_score in ends.items()}


def f1_differences(
    pairs: list[tuple[str, str]],
    f1: dict[str, float],
    moved: dict[str, dict[str, np.ndarray]],
    bootstrap: GroupBootstrap,
) -> list[F1Difference]:
    """Return by how much the macro-F1 of the first of each two models is higher, with its interval.

    Parameters
    ----------
    pairs : list of tuple of str
        Models to compare, the better one first.
    f1 : dict of str to float
        Macro-F1 by model.
    moved : dict of str to dict
        `influences` by model.
    bootstrap : GroupBootstrap
        Over the groups of the same rows.
    """
    found = []
    for better, other in pairs:
        gap = float(f1[better] - f1[other])
        moves = moved[better]["f1_macro"] - moved[other]["f1_macro"]
        low, high = bootstrap.estimate(gap + moves).interval()
        found.append(F1Difference(f1_difference=gap, f1_low=low, f1_high=high))
    return found


def influences(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Return by how much each row moves each of `metrics.SCORES`, shape (n,), with mean zero.

    The score plus the mean of these over any draw of the rows is, to first order, the score of the
    draw.
    """
    n, n_classes = probabilities.shape
    guess = probabilities.argmax(axis=1)
    right = guess == labels
    loss = metrics.row_log_loss(labels, probabilities)
    called, true = (np.bincount(codes, minlength=n_classes) for codes in (guess, labels))
    hit = np.bincount(labels[right], minlength=n_classes)
    # A row counts in the ratio of the class it is of, and in that of the class it is taken for.
    precision = n / n_classes * (right - _share(hit, called)[guess]) * _inverse(called)[guess]
    recall = n / n_classes * (right - _share(hit, true)[labels]) * _inverse(true)[labels]
    both = called + true
    f1, weight = _share(2 * hit, both), n / n_classes * _inverse(both)
    moves = weight[guess] * (right - f1[guess]) + weight[labels] * (right - f1[labels])
    place = metrics.confidence_bin(probabilities)
    gap = right - probabilities.max(axis=1)
    gap = gap * np.sign(np.bincount(place, gap, metrics.ECE_BINS))[place]
    return {
        "log_loss": loss - loss.mean(),
        "accuracy": right - right.mean(),
        "precision_macro": precision,
        "recall_macro": recall,
        "f1_macro": moves,
        "ece": gap - gap.mean(),
    }


def drawn_calibration_errors(
    labels: np.ndarray, probabilities: np.ndarray, bootstrap: GroupBootstrap
) -> np.ndarray:
    """Return the expected calibration error in every draw of groups, shape (draws,)."""
    n, confidence = len(labels), probabilities.max(axis=1)
    gap = np.zeros((n, 1 + metrics.ECE_BINS))
    gap[:, -1] = 1
    right = probabilities.argmax(axis=1) == labels
    gap[np.arange(n), metrics.confidence_bin(probabilities)] = right - confidence
    totals = bootstrap.totals(gap)
    return np.abs(totals[:, :-1]).sum(axis=1) / totals[:, -1]


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, and 0 where there is no whole, as scikit-learn's zero_division=0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _inverse(whole: np.ndarray) -> np.ndarray:
    return _share(np.ones(len(whole)), whole)
