"""Linear models on TF-IDF: logistic regression and a support vector machine.

Both know a pair: swapping A and B swaps their prediction exactly.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from scipy import special
from sklearn.metrics import log_loss

from foldwise.config.sections import LinearConfig
from foldwise.data.splits import inner_split
from foldwise.features.blocks import Blocks
from foldwise.features.rows import Rows
from foldwise.features.tfidf import Design
from foldwise.files import read_json, write_json
from foldwise.models.linear_fit import LinearProblem, LinearWeights, Tying
from foldwise.models.model import Info, Task
from foldwise.models.nb_ratio import log_count_ratio
from foldwise.models.scaling import Scaling, fit_scaling
from foldwise.models.warm_start import warm_start

_INNER_FOLDS = 5
_PATH_TOLERANCE = 1e-5  # enough to rank the values of C


class LogisticRegression:
    """Multinomial logistic regression; C is chosen on a split of the training fold."""

    uses_validation = False

    def __init__(self, design: Design, weights: LinearWeights, tying: Tying, info: Info) -> None:
        self.design, self.weights, self.tying, self.info = design, weights, tying, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose C along a warm-started path, then fit all training rows with it."""
        config = task.competition.logreg
        losses, C, near = {}, config.C[0], None
        if len(config.C) > 1:
            parts = inner_split(train.labels, train.groups, _INNER_FOLDS, task.seed)
            splits = [
                _InnerSplit(train, *part, task, config, "softmax")
                for part in parts[: config.n_splits(len(train), len(parts))]
            ]
            losses = search_C(
                config.C, lambda C: float(np.mean([split.softmax_loss(C) for split in splits]))
            )
            C = refine_C(losses)
            near = splits[0].solution(min(losses, key=losses.get))
            del splits  # their matrices are as large as those to come
        tying = Tying(task.pair.signs)
        design = Design.fit(train.features, task.competition)
        problem = _problem(design.transform(train.features), train.labels, task, config, "softmax")
        weights = problem.fit(C, start=near and warm_start(*near, design))
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
            odd=w.odd, even=w.even, bias=w.bias, signs=t.signs,
        )  # fmt: skip
        write_json(folder / "model.json", self.info)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "weights.npz") as a:
            weights = LinearWeights(a["odd"], a["even"], a["bias"])
            tying = Tying(a["signs"])
        return cls(Design.load(folder), weights, tying, read_json(folder / "model.json"))


class LinearSvm:
    """Linear support vector machine, its probabilities calibrated on inner folds.

    Single texts: one-vs-rest decision values, one scale and a bias for each class. Pairs: one
    machine without intercept on A minus B says which answer is better, another on the even
    block says whether the answers differ at all; four numbers calibrate the two.
    """

    uses_validation = False

    def __init__(
        self,
        design: Design,
        weights: LinearWeights,
        tying: Tying,
        scaling: Scaling,
        info: Info,
    ) -> None:
        self.design, self.weights, self.tying = design, weights, tying
        self.scaling, self.info = scaling, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose C, calibrate on the decision values of inner folds, fit all training rows."""
        config = task.competition.svm
        labels, weight, tying = (
            train.labels,
            task.class_weights[train.labels],
            Tying(task.pair.signs),
        )
        scores = np.zeros((3, len(train), len(task.classes)))
        parts = inner_split(labels, train.groups, config.calibration_folds, task.seed)
        splits: list[_InnerSplit] = []
        losses, C = {}, config.C[0]
        if len(config.C) > 1:
            splits = [
                _InnerSplit(train, *part, task, config, "squared_hinge")
                for part in parts[: config.n_splits(len(train), len(parts))]
            ]
            losses = search_C(
                config.C, lambda C: float(np.mean([split.calibrated_loss(C) for split in splits]))
            )
            C = refine_C(losses)
        # The folds that had no say about C serve the calibration alone.
        for fit, held_out in parts:
            if splits:
                split = splits.pop(0)
            else:
                split = _InnerSplit(train, fit, held_out, task, config, "squared_hinge")
            if C not in split.calibration_scores:
                split.calibrated_loss(C)
            scores[:, held_out] = split.calibration_scores[C]
            near = split.solution(C)
            del split  # its matrices are as large as those to come
        scaling = fit_scaling(labels, scores, tying.free, weight)
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        problem = _problem(blocks, labels, task, config, "squared_hinge")
        weights = problem.fit(C, start=warm_start(*near, design))
        path = {str(key): loss for key, loss in losses.items()}
        info = {"device": "cpu", "C": C, "C_path": path}
        info["calibration"] = scaling.weights.tolist()
        return cls(design, weights, tying, scaling, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return calibrated class probabilities, shape (n, C)."""
        blocks = self.design.transform(rows.features)
        return self.scaling.predict(_calibration_scores(self.weights, blocks, self.tying))

    def save(self, folder: Path) -> None:
        """Write design, weights and calibration."""
        self.design.save(folder)
        w, t, s = self.weights, self.tying, self.scaling
        np.savez(
            folder / "weights.npz",
            odd=w.odd, even=w.even, bias=w.bias, signs=t.signs,
            scale=s.weights, scale_bias=s.bias,
        )  # fmt: skip
        write_json(folder / "model.json", self.info)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "weights.npz") as a:
            weights = LinearWeights(a["odd"], a["even"], a["bias"])
            tying = Tying(a["signs"])
            scaling = Scaling(a["scale"], a["scale_bias"])
        design = Design.load(folder)
        return cls(design, weights, tying, scaling, read_json(folder / "model.json"))


class _InnerSplit:
    """A split of training rows, fitted at one C after another, each from the last solution.

    Terms, IDF and scales come from the inner rows too, as they will for unseen rows.
    """

    def __init__(
        self,
        train: Rows,
        fit: np.ndarray,
        held_out: np.ndarray,
        task: Task,
        config: LinearConfig,
        loss: str,
    ) -> None:
        inside = train.features.take(fit)
        self.design = design = Design.fit(inside, task.competition)
        blocks = design.transform(inside)
        self.problem = _problem(blocks, train.labels[fit], task, config, loss)
        self.outside = design.transform(train.features.take(held_out))
        self.tying = self.problem.tying
        self.labels = train.labels[held_out]
        self.weight = task.class_weights[self.labels]
        self.last: LinearWeights | None = None
        self.found: dict[float, LinearWeights] = {}
        self.calibration_scores: dict[float, np.ndarray] = {}

    def softmax_loss(self, C: float) -> float:
        """Fit with penalty 1 / C and return the log loss of the rows held out."""
        self._fit(C)
        scores = self.last.scores(self.outside)
        return self._loss(special.softmax(self.tying.logits(*scores), axis=1))

    def calibrated_loss(self, C: float) -> float:
        """Fit, calibrate on the rows held out, keep their scores and return their log loss."""
        self._fit(C)
        found = self.calibration_scores[C] = _calibration_scores(
            self.last, self.outside, self.tying
        )
        scaling = fit_scaling(self.labels, found, self.tying.free, self.weight)
        return self._loss(scaling.predict(found))

    def solution(self, C: float) -> tuple[LinearWeights, Design]:
        """Return the weights fitted at C and the design whose columns they weigh."""
        return self.found[C], self.design

    def _fit(self, C: float) -> None:
        self.last = self.problem.fit(C, start=self.last, tolerance=_PATH_TOLERANCE)
        self.found[C] = self.last

    def _loss(self, probabilities: np.ndarray) -> float:
        classes = range(probabilities.shape[1])
        return float(
            log_loss(self.labels, probabilities, sample_weight=self.weight, labels=classes)
        )


def search_C(grid: Sequence[float], loss: Callable[[float], float]) -> dict[float, float]:
    """Walk from the middle of a grid towards the lower loss until it rises.

    Parameters
    ----------
    grid : sequence of float
        Values to choose from.
    loss : callable
        Value -> loss, which has one valley.

    Returns
    -------
    dict of float to float
        The losses of the values that were visited.
    """
    values = sorted(grid)
    middle = len(values) // 2
    losses: dict[float, float] = {}
    for path in (values[middle:], values[:middle][::-1]):
        for value in path:
            losses[value] = loss(value)
            if losses[value] > min(losses.values()):
                break
        if min(losses, key=losses.get) != values[middle]:
            break
    return losses


def refine_C(losses: dict[float, float]) -> float:
    """Return where the parabola through the lowest loss and its neighbours is lowest.

    Parameters
    ----------
    losses : dict of float to float
        Loss by value; the parabola is over the logarithm of the value.

    Returns
    -------
    float
        With three significant digits; the best value itself where it has only one neighbour.
    """
    values = sorted(losses)
    best = values.index(min(losses, key=losses.get))
    if not 0 < best < len(values) - 1:
        return values[best]
    near = values[best - 1 : best + 2]
    x = np.log(near)
    bend, slope, _ = np.polyfit(x - x[1], [losses[value] for value in near], 2)
    # Three losses of which the middle one is lowest bend upwards, or are all the same.
    step = -slope / (2 * bend) if bend > 0 else 0.0
    return float(f"{near[1] * np.exp(step):.3g}")


def _problem(
    blocks: Blocks, labels: np.ndarray, task: Task, config: LinearConfig, loss: str
) -> LinearProblem:
    scale = None
    if config.nb_ratio != "off" and blocks.odd is None:
        scale = log_count_ratio(blocks.even, labels, len(task.classes))
    weight = task.class_weights[labels]
    return LinearProblem(
        blocks, labels, weight, Tying(task.pair.signs), loss, config.max_iter, scale
    )


def _calibration_scores(weights: LinearWeights, blocks: Blocks, tying: Tying) -> np.ndarray:
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
