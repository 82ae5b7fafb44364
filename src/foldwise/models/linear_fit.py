"""A sparse linear model, convex, in which classes may share weights.

scikit-learn's linear models cannot tie the weights of two classes, which is what makes a model
of A against B symmetric by construction with a third of the parameters and without doubling the
rows; nor can they start from the solution for another C. The tests hold the untied case to
scikit-learn's own solutions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from foldwise.features.blocks import Block, Blocks
from foldwise.models.lbfgs import minimise


@dataclass(frozen=True)
class Tying:
    """How class scores are made from the blocks of a row.

    Attributes
    ----------
    signs : ndarray of float64, shape (C,)
        Factor on the odd score: +1 for A, -1 for B, 0 for the rest; all 0 without a pair.
    """

    signs: np.ndarray

    @cached_property
    def free(self) -> np.ndarray:
        """Classes with weights of their own on the even block (and a bias), bool, shape (C,)."""
        return self.signs == 0

    def logits(self, odd: np.ndarray, even: np.ndarray) -> np.ndarray:
        """Return class scores, float64, shape (n, C), from odd (n,) and even (n, C_free) scores."""
        scores = odd[:, None] * self.signs
        scores[:, self.free] += even
        return scores


@dataclass(frozen=True)
class LinearWeights:
    """A fitted linear model.

    Attributes
    ----------
    odd : ndarray of float32, shape (d_odd,)
    even : ndarray of float32, shape (d_even, C_free)
    bias : ndarray of float64, shape (C_free,)
    """

    odd: np.ndarray
    even: np.ndarray
    bias: np.ndarray

    @classmethod
    def zeros(cls, blocks: Blocks, tying: Tying) -> "LinearWeights":
        """Return the weights that say nothing."""
        n_odd = 0 if blocks.odd is None else blocks.odd.shape[1]
        shape = (blocks.even.shape[1], int(tying.free.sum()))
        return cls(np.zeros(n_odd, np.float32), np.zeros(shape, np.float32), np.zeros(shape[1]))

    def scores(self, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """Return the odd scores, shape (n,), and the even ones, shape (n, C_free), float64."""
        n = blocks.even.shape[0]
        odd = np.zeros(n) if blocks.odd is None else (blocks.odd @ self.odd).astype(np.float64)
        return odd, (blocks.even @ self.even).astype(np.float64) + self.bias


class LinearProblem:
    """A linear model with L2 penalty on some rows, to be fitted at one or several C.

    `fit` minimises sum(weight * loss) + |W / scale|^2 / (2 C); biases are free. With a scale of
    1 that is scikit-learn's objective.

    Parameters
    ----------
    blocks : Blocks
        Rows.
    labels : ndarray of int64, shape (n,)
        Class indexes.
    sample_weight : ndarray of float64, shape (n,)
        Weight of each row.
    tying : Tying
        Which classes share weights.
    loss : str
        "softmax" is a multinomial logistic regression. "squared_hinge" is a support vector
        machine for each free class against the rest and, on the odd block, one for A against B.
    max_iter : int
        Most L-BFGS iterations of one fit.
    even_scale : ndarray of float64, shape (d_even, C_free), optional
        Factor on the scale of each even weight, on top of that of the block.
    """

    def __init__(
        self,
        blocks: Blocks,
        labels: np.ndarray,
        sample_weight: np.ndarray,
        tying: Tying,
        loss: str = "softmax",
        max_iter: int = 200,
        even_scale: np.ndarray | None = None,
    ) -> None:
        self.blocks, self.tying, self.max_iter = blocks, tying, max_iter
        self.rows = (labels, sample_weight, tying)
        self.loss = {"softmax": _softmax_loss, "squared_hinge": _squared_hinge_loss}[loss]
        self.even_sums = blocks.even.adjoint()
        self.odd_sums = None if blocks.odd is None else blocks.odd.adjoint()
        n_free = int(tying.free.sum())
        self.curvature = _curvature(blocks, sample_weight, n_free)
        self.stiffness = _stiffness(blocks, n_free, even_scale)

    def fit(
        self, C: float, start: LinearWeights | None = None, tolerance: float = 1e-6
    ) -> LinearWeights:
        """Fit with penalty 1 / C.

        Parameters
        ----------
        C : float
            Inverse of the strength of the penalty.
        start : LinearWeights, optional
            Where to begin: the solution for another C.
        tolerance : float
            Relative gain of an iteration below which the fit ends.
        """
        start = start or LinearWeights.zeros(self.blocks, self.tying)
        shape = start.even.shape
        cuts = np.cumsum([len(start.odd), shape[0] * shape[1]])
        # In float32: twice as fast, and the matrices are float32 anyway.
        penalty = (self.stiffness / C).astype(np.float32)
        steps = (1 / np.sqrt(self.curvature + penalty)).astype(np.float32)

        def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
            vector = vector * steps
            odd, even, bias = np.split(vector, cuts)
            weights = LinearWeights(odd, even.reshape(shape), bias)
            value, of_odd, of_even = self.loss(*weights.scores(self.blocks), *self.rows)
            gradient = [self.even_sums(of_even), of_even.sum(axis=0, dtype=np.float32)]
            if self.odd_sums is not None:
                gradient.insert(0, self.odd_sums(of_odd))
            pulled = penalty * vector
            flat = np.concatenate([part.ravel() for part in gradient]) + pulled
            return float(value + pulled @ vector / 2), flat * steps

        vector = np.concatenate([start.odd, start.even.ravel(), start.bias]).astype(np.float32)
        found = minimise(objective, vector / steps, self.max_iter, tolerance)
        odd, even, bias = np.split(found * steps, cuts)
        return LinearWeights(odd, even.reshape(shape), bias.astype(np.float64))


def _softmax_loss(
    odd: np.ndarray, even: np.ndarray, labels: np.ndarray, weight: np.ndarray, tying: Tying
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the summed loss and its derivatives by the odd and the even scores."""
    rows = np.arange(len(labels))
    log_p = special.log_softmax(tying.logits(odd, even), axis=1)
    residual = np.exp(log_p)
    residual[rows, labels] -= 1
    residual *= weight[:, None]
    value = -(weight * log_p[rows, labels]).sum()
    return value, residual @ tying.signs, residual[:, tying.free]


def _squared_hinge_loss(
    odd: np.ndarray, even: np.ndarray, labels: np.ndarray, weight: np.ndarray, tying: Tying
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the summed loss and its derivatives by the odd and the even scores."""
    sides = np.where(labels[:, None] == np.flatnonzero(tying.free), 1.0, -1.0)
    short = np.maximum(1 - sides * even, 0)
    side = tying.signs[labels]  # a tie has side 0: it does not say which answer is better
    short_odd = np.maximum(1 - side * odd, 0) * np.abs(side)
    value = (weight * (np.square(short).sum(axis=1) + np.square(short_odd))).sum()
    return value, -2 * weight * side * short_odd, -2 * weight[:, None] * sides * short


def _stiffness(blocks: Blocks, n_free: int, even_scale: np.ndarray | None) -> np.ndarray:
    """Return the penalty on the square of each weight at C = 1: 1 / scale^2, 0 for a bias."""
    scale = np.repeat(blocks.even.penalty_scale(), n_free)
    if even_scale is not None:
        scale = scale * even_scale.ravel()
    if blocks.odd is not None:
        scale = np.concatenate([blocks.odd.penalty_scale(), scale])
    return np.concatenate([1 / np.square(scale), np.zeros(n_free)])


def _curvature(blocks: Blocks, sample_weight: np.ndarray, n_free: int) -> np.ndarray:
    """Return a bound of the diagonal of the loss's Hessian at the prior: p (1 - p) <= 1/4.

    Dense features have a variance of 1, rare terms one of 1e-4; L-BFGS started on the raw
    weights needs several times as many iterations as on weights scaled by this.
    """

    def of(block: Block) -> np.ndarray:
        return block.squares(sample_weight) / 4

    odd = [] if blocks.odd is None else [of(blocks.odd)]
    even = np.repeat(of(blocks.even), n_free)
    return np.concatenate([*odd, even, np.full(n_free, sample_weight.sum() / 4)])
