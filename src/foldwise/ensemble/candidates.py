"""Several blends of the same models, each judged nested, and the one that is used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldwise.ensemble.blend_record import BlendRecord, TriedBlend
from foldwise.ensemble.pools import TITLES, Blend, Pool
from foldwise.scoring.metrics import scores
from foldwise.scoring.scores import Scores


@dataclass(frozen=True)
class Candidate:
    """A blend with its judgement.

    Attributes
    ----------
    blend : Blend
    nested : ndarray of float64, shape (n, C)
        Out-of-fold predictions by weights that never saw the fold.
    scores : dict of str to float
        Of `nested`, as `metrics.scores` returns them.
    pool : Pool
        Fitted on all rows, for the test rows and for new texts.
    fitted_log_loss : float
        Of that pool on the rows it was fitted on: too good by what it overfits.
    """

    blend: Blend
    nested: np.ndarray
    scores: dict[str, float]
    pool: Pool
    fitted_log_loss: float

    @property
    def title(self) -> str:
        """The method in words."""
        return TITLES[self.blend.method]

    @property
    def nested_log_loss(self) -> float:
        """What candidates are compared by."""
        return self.scores["log_loss"]


def judge(
    labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, blends: Iterable[Blend]
) -> list[Candidate]:
    """Judge every blend nested, and fit it on all rows.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Class indexes.
    probabilities : ndarray of float64, shape (M, n, C)
        Out-of-fold probabilities of each model.
    folds : ndarray of int, shape (n,)
    blends : iterable of Blend
    """
    found = []
    for blend in blends:
        nested = blend.nested(labels, probabilities, folds)
        pool = blend.fit(labels, probabilities)
        fitted = scores(labels, pool.predict(probabilities))["log_loss"]
        found.append(Candidate(blend, nested, scores(labels, nested), pool, fitted))
    return found


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the lowest nested loss; within a tie the one named first."""
    losses = {candidate.blend.method: candidate.nested_log_loss for candidate in candidates}
    method = better(losses, list(losses))
    return next(candidate for candidate in candidates if candidate.blend.method == method)


def better(losses: dict[str, float], order: Sequence[str], tie: float = 1e-4) -> str:
    """Return the method with the lowest loss; within `tie` the one named first in `order`."""
    lowest = min(losses.values())
    return next(method for method in order if losses[method] <= lowest + tie)


def weights_record(
    candidates: Sequence[Candidate],
    best: Candidate,
    members: list[str],
    classes: list[str],
    cost: dict[str, float],
) -> BlendRecord:
    """Return what `ensemble/weights.json` holds.

    Parameters
    ----------
    candidates : sequence of Candidate
        Every one that was judged.
    best : Candidate
        The one that is used.
    members, classes : list of str
        Names of the models and of the classes, in the order of the probabilities.
    cost : dict of str to float
        `train_seconds`, `predict_seconds` and `peak_memory_mb`.
    """
    method, pool = best.blend.method, best.pool
    weights = _by_member(members, pool.importance())
    return BlendRecord(
        method=method,
        title=best.title,
        classes=classes,
        methods=[
            TriedBlend(
                method=candidate.blend.method,
                title=candidate.title,
                nested_log_loss=candidate.nested_log_loss,
                fitted_log_loss=candidate.fitted_log_loss,
                weights=_by_member(members, candidate.pool.importance()),
            )
            for candidate in candidates
        ],
        weights=weights,
        class_weights=_by_member(members, pool.weights) if method == "stacking" else None,
        bias=dict(zip(classes, pool.bias.tolist(), strict=True)),
        temperature=1 / max(pool.weights.sum(), 1e-12) if method == "log_linear" else 1.0,
        dropped=[model for model, weight in weights.items() if weight == 0],
        overall=Scores(**best.scores),
        **cost,
    )


def _by_member(members: list[str], values: np.ndarray) -> dict[str, Any]:
    return dict(zip(members, values.tolist(), strict=True))
