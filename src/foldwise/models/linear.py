"""Linear models on TF-IDF: logistic regression and a support vector machine.

Both know a pair: swapping A and B swaps their prediction exactly.
"""

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC

from foldwise.models import Task
from foldwise.rows import Rows
from foldwise.softmax import Scaling, SoftmaxWeights, Tying, fit_scaling, fit_softmax
from foldwise.splits import inner_split
from foldwise.stage import read_json, write_json
from foldwise.tfidf import Blocks, Design

_INNER_FOLDS = 5


class LogisticRegression:
    """Multinomial logistic regression; C is chosen on a split of the training fold."""

    uses_features = True
    uses_validation = False

    def __init__(
        self, design: Design, weights: SoftmaxWeights, tying: Tying, info: dict[str, Any]
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
                args = (inside, train.labels[fit], sample_weight[fit], tying, C, start)
                start = fit_softmax(*args, max_iter=config.max_iter, tolerance=1e-5)
                probabilities = special.softmax(start.logits(outside, tying), axis=1)
                losses[C] = _weighted_loss(
                    train.labels[held_out], probabilities, sample_weight[held_out]
                )
                # The loss is nearly convex in log C: past the valley there is nothing to find.
                if len(losses) > 2 and losses[C] > 1.02 * min(losses.values()):
                    break
        C = min(losses, key=losses.get) if losses else grid[0]
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        weights = fit_softmax(
            blocks, train.labels, sample_weight, tying, C, max_iter=config.max_iter
        )
        info = {"device": "cpu", "C": C, "C_path": {str(k): v for k, v in losses.items()}}
        info["terms"] = sum(len(field.hashes) for field in design.fields)
        return cls(design, weights, tying, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, shape (n, C)."""
        blocks = self.design.transform(rows.features)
        return special.softmax(self.weights.logits(blocks, self.tying), axis=1)

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
            weights = SoftmaxWeights(a["odd"], a["even"], a["bias"])
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
        weights: SoftmaxWeights,
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
        labels = train.labels
        sample_weight = task.class_weights[labels]
        splits = inner_split(labels, train.groups, config.calibration_folds, task.seed)
        values = {C: np.zeros((3, len(train), len(task.classes))) for C in config.C}
        losses: dict[float, float] = {}
        chosen = list(config.C)
        notes: set[str] = set()
        for number, (fit, held_out) in enumerate(splits):
            inner = Design.fit(train.features.take(fit), task.competition)
            inside = inner.transform(train.features.take(fit))
            outside = inner.transform(train.features.take(held_out))
            for C in chosen:
                weights = _fit_svm(
                    inside, labels[fit], sample_weight[fit], tying, C, config.max_iter, task.seed,
                    notes,
                )  # fmt: skip
                values[C][:, held_out] = _scores(weights, outside, tying)
            if number == 0:
                # C is settled on the first inner fold; the others only serve the calibration.
                for C in chosen:
                    of_fold = values[C][:, held_out]
                    args = (of_fold, labels[held_out], tying.free, sample_weight[held_out])
                    losses[C] = _weighted_loss(
                        labels[held_out], fit_scaling(*args).predict(of_fold), args[3]
                    )
                chosen = [min(losses, key=losses.get)]
        C = chosen[0]
        scaling = fit_scaling(values[C], labels, tying.free, sample_weight)
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        weights = _fit_svm(
            blocks, labels, sample_weight, tying, C, config.max_iter, task.seed, notes
        )
        info = {"device": "cpu", "C": C, "C_path": {str(k): v for k, v in losses.items()}}
        info |= {"calibration": scaling.weights.tolist(), "notes": sorted(notes)}
        return cls(design, weights, tying, scaling, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return calibrated class probabilities, shape (n, C)."""
        blocks = self.design.transform(rows.features)
        return self.scaling.predict(_scores(self.weights, blocks, self.tying))

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
            weights = SoftmaxWeights(a["odd"], a["even"], a["bias"])
            tying = Tying(a["signs"], a["free"])
            scaling = Scaling(a["scale"], a["scale_bias"])
        design = Design.load(folder)
        return cls(design, weights, tying, scaling, read_json(folder / "model.json"))


def _fit_svm(
    blocks: Blocks,
    labels: np.ndarray,
    sample_weight: np.ndarray,
    tying: Tying,
    C: float,
    max_iter: int,
    seed: int,
    notes: set[str],
) -> SoftmaxWeights:
    """Fit the linear machines and return their weights in the shape of a softmax model."""
    empty = SoftmaxWeights.zeros(blocks, tying)
    even, bias, odd = empty.even.copy(), empty.bias.copy(), empty.odd.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        machine = {"C": C, "max_iter": max_iter, "random_state": seed, "dual": True}
        if blocks.odd is not None:
            signs = tying.signs[labels]
            rows = np.flatnonzero(signs)
            fitted = _converge(
                LinearSVC(fit_intercept=False, **machine),
                blocks.odd[rows], signs[rows] > 0, sample_weight[rows], notes,
            )  # fmt: skip
            odd = fitted.coef_[0].astype(np.float32)
            for j, label in enumerate(np.flatnonzero(tying.free)):
                fitted = _converge(
                    LinearSVC(**machine), blocks.even, labels == label, sample_weight, notes
                )
                even[:, j], bias[j] = fitted.coef_[0], fitted.intercept_[0]
        else:
            fitted = _converge(LinearSVC(**machine), blocks.even, labels, sample_weight, notes)
            # A class that no row of a small inner fold has keeps a score of -1: "not this one".
            bias[:] = -1.0
            both = (-1, 1) if len(fitted.classes_) == 2 else (1,) * len(fitted.classes_)
            for j, label in enumerate(fitted.classes_):
                row = 0 if len(fitted.classes_) == 2 else j
                even[:, label] = both[j] * fitted.coef_[row]
                bias[label] = both[j] * fitted.intercept_[row]
    return SoftmaxWeights(odd, even, bias)


def _converge(
    machine: LinearSVC, x: Any, y: np.ndarray, sample_weight: np.ndarray, notes: set[str]
) -> LinearSVC:
    try:
        return machine.fit(x, y, sample_weight=sample_weight)
    except ConvergenceWarning:
        notes.add(f"svm: C = {machine.C:g} did not converge in {machine.max_iter} iterations")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return machine.fit(x, y, sample_weight=sample_weight)


def _scores(weights: SoftmaxWeights, blocks: Blocks, tying: Tying) -> np.ndarray:
    """Return the score arrays that the calibration weighs, shape (3, n, C)."""
    n = blocks.even.shape[0]
    scores = np.zeros((3, n, len(tying.signs)))
    scores[0][:, tying.free] = blocks.even @ weights.even + weights.bias
    if blocks.odd is not None:
        better = blocks.odd @ weights.odd
        scores[1] = better[:, None] * tying.signs
        # A clear winner speaks against a tie, whichever of the two it is.
        scores[2] = np.abs(better)[:, None] * (~tying.free)
    return scores


def _weighted_loss(
    labels: np.ndarray, probabilities: np.ndarray, sample_weight: np.ndarray
) -> float:
    classes = range(probabilities.shape[1])
    return float(log_loss(labels, probabilities, sample_weight=sample_weight, labels=classes))
