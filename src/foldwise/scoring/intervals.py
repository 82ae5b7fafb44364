"""The interval of every score of the leaderboard, from one bootstrap over groups."""

import numpy as np

from foldwise.config.record import Record
from foldwise.scoring import metrics
from foldwise.scoring.bootstrap import GroupBootstrap


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
    drawn: dict[str, np.ndarray],
    bootstrap: GroupBootstrap,
) -> dict[str, list[float]]:
    """Return low and high of each of `metrics.SCORES`.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n, C)
    drawn : dict of str to ndarray
        Their `drawn_scores`.
    bootstrap : GroupBootstrap
        Over the groups of the same rows.
    """
    found = {name: list(bootstrap.interval(values)) for name, values in drawn.items()}
    ece = metrics.calibration_error(labels, probabilities)
    found["ece"] = list(bootstrap.interval_of_biased(drawn["ece"], ece))
    return found


def f1_differences(
    pairs: list[tuple[str, str]],
    f1: dict[str, float],
    drawn: dict[str, dict[str, np.ndarray]],
    bootstrap: GroupBootstrap,
) -> list[F1Difference]:
    """Return by how much the macro-F1 of the first of each two models is higher, with its interval.

    Parameters
    ----------
    pairs : list of tuple of str
        Models to compare, the better one first.
    f1 : dict of str to float
        Macro-F1 by model.
    drawn : dict of str to dict
        `drawn_scores` by model.
    bootstrap : GroupBootstrap
        What they were drawn with.
    """
    found = []
    for better, other in pairs:
        low, high = bootstrap.interval(drawn[better]["f1_macro"] - drawn[other]["f1_macro"])
        gap = float(f1[better] - f1[other])
        found.append(F1Difference(f1_difference=gap, f1_low=low, f1_high=high))
    return found


def drawn_scores(
    labels: np.ndarray, probabilities: np.ndarray, bootstrap: GroupBootstrap
) -> dict[str, np.ndarray]:
    """Return each of `metrics.SCORES` in every draw, shape (draws,).

    Every score is a function of sums over rows, so a draw of groups costs one sum a group,
    not a new pass over the rows.
    """
    n, n_classes = probabilities.shape
    rows, guess = np.arange(n), probabilities.argmax(axis=1)
    right = guess == labels
    hit, called, true = (np.zeros((n, n_classes)) for _ in range(3))
    hit[rows[right], labels[right]] = 1
    called[rows, guess] = 1
    true[rows, labels] = 1
    gap = np.zeros((n, metrics.ECE_BINS))
    gap[rows, metrics.confidence_bin(probabilities)] = right - probabilities.max(axis=1)
    loss = metrics.row_log_loss(labels, probabilities)
    columns = np.column_stack([np.ones(n), loss, hit, called, true, gap])
    ends = np.cumsum([1, 1, n_classes, n_classes, n_classes])
    size, loss, hit, called, true, gap = np.split(bootstrap.totals(columns), ends, axis=1)
    size = size[:, 0]
    return {
        "log_loss": loss[:, 0] / size,
        "accuracy": hit.sum(axis=1) / size,
        "precision_macro": _share(hit, called).mean(axis=1),
        "recall_macro": _share(hit, true).mean(axis=1),
        "f1_macro": _share(2 * hit, called + true).mean(axis=1),
        "ece": np.abs(gap).sum(axis=1) / size,
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, and 0 where there is no whole, as scikit-learn's zero_division=0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
