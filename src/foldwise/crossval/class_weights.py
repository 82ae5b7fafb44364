"""Classes of unequal size: weights, oversampling, and the way back to the training prior."""

import numpy as np

from foldwise.config.competition import Competition
from foldwise.config.sections import WeightsConfig
from foldwise.errors import UserError


def class_weights(
    labels: np.ndarray,
    classes: list[str],
    config: WeightsConfig,
    tied: np.ndarray | None = None,
) -> np.ndarray:
    """Return the weight of a row of each class, scaled to mean 1 over the rows.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Class indexes of the training fold; no other row has a say.
    classes : list of str
        Class names.
    config : WeightsConfig
        `classes` is "none", "balanced" (n / (C * count), as scikit-learn) or one number a class.
    tied : ndarray of int64, shape (C,), optional
        Of a pair, `Pair.tied_classes`: the classes of A and B count, and weigh, the same.

    Returns
    -------
    ndarray of float64, shape (C,)
    """
    counts = _counts(labels, len(classes), tied)
    if config.classes == "none":
        return np.ones(len(classes))
    if config.classes == "balanced":
        weights = len(labels) / (len(classes) * np.maximum(counts, 1))
    else:
        if len(config.classes) != len(classes):
            raise UserError(
                f"weights.classes gives {len(config.classes)} weights for {len(classes)} classes "
                f"({', '.join(classes[:5])}{', …' if len(classes) > 5 else ''})"
            )
        weights = np.asarray(config.classes, dtype=float)
    return weights * len(labels) / (weights * counts).sum()


def oversample(labels: np.ndarray, seed: int, tied: np.ndarray | None = None) -> np.ndarray:
    """Return row positions in which every class occurs as often as the largest one.

    Every row occurs at least once; the rows that are repeated are drawn at random. Of a pair the
    rows of A and of B are drawn as one class of twice the size: a row that says A says B once the
    answers trade places, so neither of the two is the rarer one.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Class indexes.
    seed : int
        Seed of the draw.
    tied : ndarray of int64, shape (C,), optional
        As in `class_weights`.

    Returns
    -------
    ndarray of int64, shape (m,)
        Ascending.
    """
    generator = np.random.default_rng(seed)
    tied = np.arange(labels.max() + 1) if tied is None else tied
    pooled, classes = tied[labels], np.bincount(tied)
    counts = np.bincount(pooled, minlength=len(classes))
    most = int(np.ceil((counts / classes).max()))
    parts = []
    for pool in np.flatnonzero(counts):
        rows = np.flatnonzero(pooled == pool)
        missing = most * classes[pool] - len(rows)
        whole = np.repeat(rows, missing // len(rows))
        parts += [rows, whole, generator.choice(rows, missing % len(rows), replace=False)]
    return np.sort(np.concatenate(parts))


def prior_correction(
    labels: np.ndarray,
    weights: np.ndarray,
    competition: Competition,
    tied: np.ndarray | None = None,
) -> np.ndarray:
    """Return the factor on each class's probability that undoes weighted training.

    A model fitted on weighted (or oversampled) rows estimates p(class | x) under the weighted
    class shares. Multiplying by training share / weighted share and renormalising restores the
    training prior (Saerens, Latinne and Decaestecker, 2002). It is applied where the metric is
    log loss and `weights.correct_prior` is on; otherwise the factors are 1. Of a pair the classes
    of A and B have one factor, or a swap of the texts would not swap the prediction.

    Returns
    -------
    ndarray of float64, shape (C,)
    """
    config = competition.weights
    changed = config.classes != "none" or config.oversample
    if not (changed and config.correct_prior and competition.metric == "log_loss"):
        return np.ones(len(weights))
    share = _counts(labels, len(weights), tied) / len(labels)
    seen = (share > 0).astype(float) if config.oversample else share
    weighted = seen * weights / (seen * weights).sum()
    return np.where(share > 0, share / np.maximum(weighted, 1e-300), 1.0)


def _counts(labels: np.ndarray, n_classes: int, tied: np.ndarray | None) -> np.ndarray:
    """Return the rows of each class, float64, shape (C,); tied classes share theirs evenly."""
    counts = np.bincount(labels, minlength=n_classes).astype(float)
    if tied is None:
        return counts
    return (np.bincount(tied, counts) / np.bincount(tied))[tied]


def correct(probabilities: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply probabilities, shape (n, C), by factors, shape (C,), and renormalise the rows."""
    corrected = probabilities * factors
    return corrected / corrected.sum(axis=1, keepdims=True)
