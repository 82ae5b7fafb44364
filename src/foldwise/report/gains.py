"""What would lower the log loss, measured: recalibration, leaving a model out, more data."""

import numpy as np

from foldwise.ensemble.pools import Blend
from foldwise.report.evidence import Evidence
from foldwise.scoring.intervals import Gain
from foldwise.scoring.metrics import row_log_loss


def recalibration(evidence: Evidence, model: str) -> Gain:
    """Return what a temperature and a bias for each class would gain, judged out of fold."""
    gain = evidence.losses[model] - recalibrated_losses(evidence, model)
    return Gain.of(gain, evidence.bootstrap)


def recalibrated_losses(evidence: Evidence, model: str) -> np.ndarray:
    """Return the log loss of each row, shape (n,), with a temperature and a bias for each class.

    The scaling of fold k is fitted on the other folds.
    """
    labels, probabilities = evidence.labels, evidence.probabilities[model]
    scaled = Blend("log_linear").nested(labels, probabilities[None], evidence.folds)
    return row_log_loss(labels, scaled)


def leave_one_out(evidence: Evidence, blend: Blend) -> dict[str, Gain]:
    """Return, for each model of the ensemble, how much worse the nested blend is without it.

    Models of weight zero are left away; of a blend of one there is nothing to say.

    Parameters
    ----------
    evidence : Evidence
    blend : Blend
        How the ensemble was blended.
    """
    weights = evidence.blend.weights
    members = {m: evidence.probabilities[m] for m, weight in weights.items() if weight}
    if len(members) < 2:
        return {}
    whole_losses = evidence.losses["ensemble"]
    if set(evidence.blend.chosen_without) != {blend.method}:
        # Against the same method throughout, where the ensemble's own score has chosen others too.
        whole = blend.nested(evidence.labels, np.stack(list(members.values())), evidence.folds)
        whole_losses = row_log_loss(evidence.labels, whole)
    found = {}
    for name in members:
        rest = np.stack([p for other, p in members.items() if other != name])
        without = blend.nested(evidence.labels, rest, evidence.folds)
        lost = row_log_loss(evidence.labels, without) - whole_losses
        found[name] = Gain.of(lost, evidence.bootstrap)
    return found
