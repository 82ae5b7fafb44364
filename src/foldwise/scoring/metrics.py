"""Scores of probabilities."""

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from sklearn.metrics import precision_recall_fscore_support as precision_recall_f1

SCORES = (
    "log_loss", "accuracy", "precision_macro", "recall_macro", "f1_macro", "ece"
)  # fmt: skip


ECE_BINS = 15


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the scores of a set of predictions.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indexes.
    probabilities : ndarray of float, shape (n, C)
        Rows sum to 1.

    Returns
    -------
    dict of str to float
        log_loss in nats, accuracy, macro precision, recall and F1 (0 where a class is never
        predicted), and ece, the expected calibration error.
    """
    classes = range(probabilities.shape[1])
    guess = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_f1(
        labels, guess, labels=classes, average="macro", zero_division=0
    )
    return {
        "log_loss": float(log_loss(labels, probabilities, labels=classes)),
        "accuracy": float(accuracy_score(labels, guess)),
        "precision_macro": float(precision),
        "recall_macro": float(recall),
        "f1_macro": float(f1),
        "ece": calibration_error(labels, probabilities),
    }


def check_probabilities(probabilities: np.ndarray, what: str) -> None:
    """Raise unless probabilities, shape (n, C), are finite, in [0, 1], and rows sum to 1.

    Raises
    ------
    FloatingPointError
        With `what` they are.
    """
    if not np.isfinite(probabilities).all():
        raise FloatingPointError(f"{what}: a probability is missing or not finite")
    off = np.abs(probabilities.sum(axis=1) - 1).max(initial=0)
    if probabilities.min(initial=0) < 0 or off > 1e-6:
        raise FloatingPointError(f"{what}: probabilities do not sum to 1 (off by {off:.2g})")


def row_log_loss(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return -log p(true class) of each row, clipped as scikit-learn does, shape (n,)."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(of_truth, np.finfo(probabilities.dtype).eps))


def reliability(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = ECE_BINS
) -> dict[str, np.ndarray]:
    """Return confidence and accuracy of the predicted class in bins of equal width.

    Returns
    -------
    dict of str to ndarray, shape (bins,)
        "count", "confidence" and "accuracy"; the last two are NaN in an empty bin.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = confidence_bin(probabilities, bins)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(place, confidence, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    return {"count": count, "confidence": mean_confidence, "accuracy": accuracy}


def confidence_bin(probabilities: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Return the bin of equal width that each row's highest probability lies in, shape (n,)."""
    place = np.ceil(probabilities.max(axis=1) * bins).astype(int) - 1
    return np.clip(place, 0, bins - 1)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the expected calibration error of the predicted class, 15 bins (Guo et al., 2017)."""
    bins = reliability(labels, probabilities)
    gap = np.nan_to_num(np.abs(bins["accuracy"] - bins["confidence"]))
    return float((bins["count"] * gap).sum() / len(labels))


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return counts, shape (C, C): rows are the true class, columns the predicted one."""
    classes = range(probabilities.shape[1])
    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=classes)
