"""Several blends of the same models, each judged nested, the one that is used, and its worth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from foldwise.ensemble.blend_record import BlendRecord, TriedBlend
from foldwise.ensemble.pools import TITLES, Blend, Pool
from foldwise.scoring.metrics import row_log_loss, scores
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


@dataclass(frozen=True)
class Judgement:
    """What the blend is worth, its method chosen without the fold that is scored.

    Attributes
    ----------
    nested : ndarray of float64, shape (n, C)
        Out-of-fold predictions.
    scores : dict of str to float
        Theirs, as `metrics.scores` returns them.
    chosen : list of str
        The method of each fold, in the order of their numbers.
    """

    nested: np.ndarray
    scores: dict[str, float]
    chosen: list[str]


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


def choose_nested(
    labels: np.ndarray,
    probabilities: np.ndarray,
    folds: np.ndarray,
    candidates: Sequence[Candidate],
) -> Judgement:
    """Return what the blend says of each row if the rows of its fold had no say in the choice.

    The best of several nested scores flatters itself by the luck of being picked. Here the method
    for a fold is picked on the other folds alone, each of them blended by weights that saw neither
    it nor the fold that is left out.

    Parameters
    ----------
    labels, probabilities, folds
        As in `judge`.
    candidates : sequence of Candidate
        What `judge` made of them.

    Returns
    -------
    Judgement
    """
    names = [candidate.blend.method for candidate in candidates]
    nested, chosen = np.zeros_like(candidates[0].nested), []
    losses = _inner_losses(labels, probabilities, folds, [c.blend for c in candidates])
    for k, fold in enumerate(np.unique(folds)):
        method = better(dict(zip(names, losses[:, k].tolist(), strict=True)), names)
        inside = folds == fold
        nested[inside] = candidates[names.index(method)].nested[inside]
        chosen.append(method)
    return Judgement(nested, scores(labels, nested), chosen)


def _inner_losses(
    labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, blends: Sequence[Blend]
) -> np.ndarray:
    """Return the nested log loss of each blend on all folds but one, shape (blends, folds)."""
    numbers = np.unique(folds)
    losses = np.zeros((len(blends), len(numbers)))
    if len(blends) == 1:
        return losses
    if len(numbers) == 2:
        # Only one fold is left to choose on: each half of it is judged by the other half.
        for k, fold in enumerate(numbers):
            rest = np.flatnonzero(folds != fold)
            halves = np.arange(len(rest)) % 2
            for i, blend in enumerate(blends):
                nested = blend.nested(labels[rest], probabilities[:, rest], halves)
                losses[i, k] = row_log_loss(labels[rest], nested).mean()
        return losses
    # A pool without two folds serves twice: each of the two is judged where the other is left out.
    for a, b in combinations(range(len(numbers)), 2):
        left_out = np.isin(folds, numbers[[a, b]])
        for i, blend in enumerate(blends):
            # With all models: which of them add next to nothing decides about no method.
            pool = blend.fit_all(labels[~left_out], probabilities[:, ~left_out])
            for judged, outer in ((a, b), (b, a)):
                inside = folds == numbers[judged]
                loss = row_log_loss(labels[inside], pool.predict(probabilities[:, inside])).sum()
                losses[i, outer] += loss / (folds != numbers[outer]).sum()
    return losses


def better(losses: dict[str, float], order: Sequence[str], tie: float = 1e-4) -> str:
    """Return the method with the lowest loss; within `tie` the one named first in `order`."""
    lowest = min(losses.values())
    return next(method for method in order if losses[method] <= lowest + tie)


def weights_record(
    candidates: Sequence[Candidate],
    best: Candidate,
    judged: Judgement,
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
    judged : Judgement
        What `choose_nested` returned.
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
        chosen_without=judged.chosen,
        overall=Scores(**judged.scores),
        **cost,
    )


def _by_member(members: list[str], values: np.ndarray) -> dict[str, Any]:
    return dict(zip(members, values.tolist(), strict=True))
