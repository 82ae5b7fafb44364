"""Linear models on TF-IDF: logistic regression and a support vector machine.

Both know a pair: swapping A and B swaps their prediction exactly.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.metrics import log_loss

from foldwise.linearfit import LinearWeights, Scaling, Tying, fit_linear, fit_scaling
from foldwise.models import Task
from foldwise.rows import Rows
from foldwise.splits import inner_split
from foldwise.stage import read_json, write_json
from foldwise.tfidf import Blocks, Design

_INNER_FOLDS = 5
_PATH_TOLERANCE = 1e-5  # enough to rank the values of C
_PAST_THE_VALLEY = 1.01
_PATIENCE = 3


class LogisticRegression:
    """Multinomial logistic regression; C is chosen on a split of the training fold."""

    uses_features = True
    uses_validation = False

    def __init__(
        self, design: Design, weights: LinearWeights, tying: Tying, info: dict[str, Any]
    ) -> None:
        self.design, self.weights, self.tying, self.info = design, weights, tying, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose C along a warm-started path, then fit all training rows with it."""
        config = task.competition.logreg
        tying = Tying.of(task.classes, task.competition.pair.swap)
        grid = sorted(config.C)
        losses: dict[float, float] = {}
        start = None
        sample_weight = task.class_weights[train.labels]
        if len(grid) > 1:
            fit, held_out = inner_split(train.labels, train.groups, _INNER_FOLDS, task.seed)[0]
            # Terms, IDF and scales come from the inner rows too, as they will for unseen rows.
            inner = Design.fit(train.features.take(fit), task.competition)
            inside = inner.transform(train.features.take(fit))
            outside = inner.transform(train.features.take(held_out))
            for C in grid:
                start = fit_linear(
                    inside, train.labels[fit], sample_weight[fit], tying, C,
                    start=start, max_iter=config.max_iter, tolerance=_PATH_TOLERANCE,
                )  # fmt: skip
                probabilities = special.softmax(tying.logits(*start.scores(outside)), axis=1)
                losses[C] = _weighted_loss(
                    train.labels[held_out], probabilities, sample_weight[held_out]
                )
                if _past_the_valley(losses):
                    break
        C = min(losses, key=losses.get) if losses else grid[0]
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        weights = fit_linear(
            blocks, train.labels, sample_weight, tying, C, max_iter=config.max_iter
        )
        info = {"device": "cpu", "C": C, "C_path": {str(k): v for k, v in losses.items()}}
        info["terms"] = sum(len(field.hashes) for field in design.fields)
        return cls(design, weights, tying, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, shape (n, C)."""
        scores = self.weights.scores(self.design.transform(rows.features))
        return special.softmax(self.tying.logits(*scores), axis=1)

    def save(self, folder: Path) -> None:
        """Write design and weights."""
        self.design.save(folder)
        w, t = self.weights, self.tying
        np.savez(
            folder / "weights.npz",
            odd=w.odd, even=w.even, bias=w.bias, signs=t.signs, free=t.free,
        )  # fmt: skip
        write_json(folder / "model.json", self.info)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "weights.npz") as a:
            weights = LinearWeights(a["odd"], a["even"], a["bias"])
            tying = Tying(a["signs"], a["free"])
        return cls(Design.load(folder), weights, tying, read_json(folder / "model.json"))


class LinearSvm:
    """Linear support vector machine, its probabilities calibrated on inner folds.

    Single texts: one-vs-rest decision values, one scale and a bias for each class. Pairs: one
    machine without intercept on A minus B says which answer is better, another on the even
    block says whether the answers differ at all; four numbers calibrate the two.
    """

    uses_features = True
    uses_validation = False

    def __init__(
        self,
        design: Design,
        weights: LinearWeights,
        tying: Tying,
        scaling: Scaling,
        info: dict[str, Any],
    ) -> None:
        self.design, self.weights, self.tying = design, weights, tying
        self.scaling, self.info = scaling, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose C, calibrate on the decision values of inner folds, fit all training rows."""
        config = task.competition.svm
        tying = Tying.of(task.classes, task.competition.pair.swap)
        labels, weight = train.labels, task.class_weights[train.labels]
        evidence = np.zeros((3, len(train), len(task.classes)))
        losses: dict[float, float] = {}
        grid = sorted(config.C)
        options = {"loss": "squared_hinge", "max_iter": config.max_iter}
        for fit, held_out in inner_split(labels, train.groups, config.calibration_folds, task.seed):
            # Terms, IDF and scales come from the inner rows too, as they will for unseen rows.
            inner = Design.fit(train.features.take(fit), task.competition)
            inside = inner.transform(train.features.take(fit))
            outside = inner.transform(train.features.take(held_out))
            start = None
            best = np.inf
            for C in grid:
                start = fit_linear(
                    inside, labels[fit], weight[fit], tying, C,
                    start=start, tolerance=_PATH_TOLERANCE, **options,
                )  # fmt: skip
                found = _evidence(start, outside, tying)
                args = (found, labels[held_out], tying.free, weight[held_out])
                scaled = fit_scaling(*args).predict(found)
                losses[C] = _weighted_loss(labels[held_out], scaled, weight[held_out])
                if losses[C] < best:
                    best, evidence[:, held_out] = losses[C], found
                if _past_the_valley(losses):
                    break
            # C is settled on the first inner fold; the others only serve the calibration.
            grid = [min(losses, key=losses.get)]
        scaling = fit_scaling(evidence, labels, tying.free, weight)
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        weights = fit_linear(blocks, labels, weight, tying, grid[0], **options)
        path = {str(C): loss for C, loss in losses.items()}
        info = {"device": "cpu", "C": grid[0], "C_path": path}
        info["calibration"] = scaling.weights.tolist()
        return cls(design, weights, tying, scaling, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return calibrated class probabilities, shape (n, C)."""
        blocks = self.design.transform(rows.features)
        return self.scaling.predict(_evidence(self.weights, blocks, self.tying))

    def save(self, folder: Path) -> None:
        """Write design, weights and calibration."""
        self.design.save(folder)
        w, t, s = self.weights, self.tying, self.scaling
        np.savez(
            folder / "weights.npz",
            odd=w.odd, even=w.even, bias=w.bias, signs=t.signs, free=t.free,
            scale=s.weights, scale_bias=s.bias,
        )  # fmt: skip
        write_json(folder / "model.json", self.info)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "weights.npz") as a:
            weights = LinearWeights(a["odd"], a["even"], a["bias"])
            tying = Tying(a["signs"], a["free"])
            scaling = Scaling(a["scale"], a["scale_bias"])
        design = Design.load(folder)
        return cls(design, weights, tying, scaling, read_json(folder / "model.json"))


def _evidence(weights: LinearWeights, blocks: Blocks, tying: Tying) -> np.ndarray:
    """Return the score arrays that the calibration weighs, shape (3, n, C)."""
    odd, even = weights.scores(blocks)
    nothing = np.zeros_like(even)
    return np.stack(
        [
            tying.logits(np.zeros_like(odd), even),
            tying.logits(odd, nothing),
            # A clear winner speaks against a tie, whichever of the two it is.
            np.abs(odd)[:, None] * (~tying.free),
        ]
    )


def _past_the_valley(losses: dict[float, float]) -> bool:
    """Say whether the last values of C were all clearly worse than the best one."""
    limit = _PAST_THE_VALLEY * min(losses.values())
    last = list(losses.values())[-_PATIENCE:]
    return len(last) == _PATIENCE and all(loss > limit for loss in last)


def _weighted_loss(
    labels: np.ndarray, probabilities: np.ndarray, sample_weight: np.ndarray
) -> float:
    classes = range(probabilities.shape[1])
    return float(log_loss(labels, probabilities, sample_weight=sample_weight, labels=classes))
