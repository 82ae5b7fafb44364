"""Predictions made elsewhere that look as if their models had seen the rows they score.

Nothing in a file says how it was made, but a fit leaves traces on its own rows: it gains several
times what its neighbours gain, and its penalty holds it back there, so that sharpening makes it
better still (on rows it has not seen it is rather too sure); and it tells rows apart that carry
one text and two labels, which nobody can who has not seen the labels.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from foldwise.scoring.metrics import row_log_loss

_TIMES = 3.0  # what the others gain over the class frequencies
_SURE = 5.0  # standard errors of the lead
_FEWEST = 100  # rows
_SHARP = 0.97  # temperature below which predictions want to be sharpened
_TWINS = 20  # rows of conflicting twins from which they say something
_LARGEST = 10  # rows of one text; more are a model of few values


@dataclass(frozen=True)
class Suspicion:
    """A file that looks in-sample.

    Attributes
    ----------
    model : str
    why : str
        What gives it away, in words.
    """

    model: str
    why: str

    @property
    def sentence(self) -> str:
        """The warning."""
        return (
            f"In-sample predictions suspected: {self.model} {self.why}. Its score, and that of any "
            "blend with it, says nothing about new rows until it is shown to be out of fold."
        )


def suspicions(
    labels: np.ndarray, probabilities: dict[str, np.ndarray], folds: np.ndarray
) -> list[Suspicion]:
    """Return the files that look in-sample, with what gives them away.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : dict of str to ndarray of float64, shape (n, C)
        Of models made elsewhere.
    folds : ndarray of int, shape (n,)
        A file may be in-sample in some of them only.
    """
    if len(probabilities) < 2:
        return []
    losses = {name: row_log_loss(labels, p) for name, p in probabilities.items()}
    shares = np.bincount(labels, minlength=next(iter(probabilities.values())).shape[1])
    prior = row_log_loss(labels, np.tile(shares / shares.sum(), (len(labels), 1)))
    found = []
    for name, values in probabilities.items():
        others = {other: p for other, p in probabilities.items() if other != name}
        why = _lead(name, losses, prior, labels, values, np.ones(len(labels), bool))
        if why is None:
            for fold in np.unique(folds):
                of_fold = _lead(name, losses, prior, labels, values, folds == fold)
                if of_fold:
                    why = f"in fold {int(fold) + 1} {of_fold}"
                    break
        twins = _conflicting_twins(labels, losses[name], others)
        reasons = [reason for reason in (why, twins) if reason]
        if reasons:
            found.append(Suspicion(name, "; it ".join(reasons)))
    return found


def temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature of the lowest log loss; below 1 the predictions are sharpened.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : ndarray of float64, shape (n, C)
    """
    logits = np.log(np.clip(probabilities, 1e-12, None))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return float(row_log_loss(labels, scaled / scaled.sum(axis=1, keepdims=True)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def _lead(
    name: str,
    losses: dict[str, np.ndarray],
    prior: np.ndarray,
    labels: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
) -> str | None:
    """Say that a file leads by several times what the others gain, and wants to be sharper."""
    if rows.sum() < _FEWEST:
        return None
    gain = float((prior - losses[name])[rows].mean())
    of_others = {
        other: float((prior - loss)[rows].mean()) for other, loss in losses.items() if other != name
    }
    best = max(of_others, key=lambda other: of_others[other])
    lead = (losses[best] - losses[name])[rows]
    error = lead.std() / np.sqrt(len(lead))
    usual = max(float(np.median(list(of_others.values()))), 0.0)
    # Where the others learnt nothing, a lead over them says nothing either.
    learnt = (prior - losses[best])[rows]
    if (
        usual < 2 * learnt.std() / np.sqrt(len(learnt))
        or gain < _TIMES * usual
        or lead.mean() < _SURE * error
    ):
        return None
    if lead.mean() < (_TIMES - 1) * of_others[best]:
        return None
    scale = temperature(labels[rows], values[rows])
    if scale > _SHARP:
        return None
    return (
        f"gains {gain:.4f} over the class frequencies where the others gain {usual:.4f}, and is "
        f"better still when sharpened (temperature {scale:.2f})"
    )


def _conflicting_twins(
    labels: np.ndarray, loss: np.ndarray, others: dict[str, np.ndarray]
) -> str | None:
    """Say that a file is surer on rows of one text and several labels than anybody can be.

    Rows of one text are those that every other file gives the same probabilities.
    """
    keys = np.round(np.hstack(list(others.values())), 7)
    codes = pd.factorize(pd.MultiIndex.from_arrays(list(keys.T)))[0]
    counts = np.zeros((codes.max() + 1, int(labels.max()) + 1))
    np.add.at(counts, (codes, labels), 1)
    size = counts.sum(axis=1)
    if (size > _LARGEST).any():
        return None
    torn = ((counts > 0).sum(axis=1) > 1)[codes]
    if torn.sum() < _TWINS:
        return None
    # One answer for all rows of a text can at best be the shares of its labels.
    least = -np.log((counts / size[:, None])[codes[torn], labels[torn]])
    margin = least - loss[torn]
    if margin.mean() < _SURE * margin.std() / np.sqrt(len(margin)):
        return None
    return (
        f"has a log loss of {loss[torn].mean():.4f} on {int(torn.sum()):,} rows whose texts carry "
        f"several labels, where one answer for each text allows {least.mean():.4f}"
    )
