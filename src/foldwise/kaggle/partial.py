"""Blend what is there so far: some models, some of their folds, for some of the rows."""

import numpy as np

from foldwise.ensemble.pools import Pool


class Predictions:
    """Sums of the probabilities of each model's folds, row by row.

    Parameters
    ----------
    models : list of str
        The members of the blend, in the order of the pool's weights.
    n_rows : int
        Rows of the test file.
    prior : ndarray of float64, shape (C,)
        What a row gets that no model has predicted.
    """

    def __init__(self, models: list[str], n_rows: int, prior: np.ndarray) -> None:
        self.models, self.prior = models, prior
        self.sums = np.zeros((len(models), n_rows, len(prior)))
        self.folds = np.zeros((len(models), n_rows), dtype=np.int64)

    def add(self, model: str, rows: np.ndarray, probabilities: np.ndarray) -> None:
        """Add what one fold of a model says of some rows.

        Parameters
        ----------
        model : str
            One of `models`.
        rows : ndarray of int64, shape (m,)
            Positions in the test file.
        probabilities : ndarray of float64, shape (m, C)

        Raises
        ------
        ValueError
            Probabilities that are not finite, negative, or do not sum to 1.
        """
        if not np.isfinite(probabilities).all() or probabilities.min(initial=0) < 0:
            raise ValueError(f"{model}: a probability is missing, negative or not finite")
        if np.abs(probabilities.sum(axis=1) - 1).max(initial=0) > 1e-6:
            raise ValueError(f"{model}: probabilities do not sum to 1")
        i = self.models.index(model)
        self.sums[i, rows] += probabilities
        self.folds[i, rows] += 1

    def blend(self, pool: Pool) -> np.ndarray:
        """Return class probabilities of all rows, shape (n, C).

        A row that some models have not predicted is blended from the others, their weights
        scaled so that the sum stays: it is 1 in a linear pool, and the inverse temperature in a
        log-linear one.
        """
        result = np.tile(self.prior, (self.folds.shape[1], 1))
        there = self.folds > 0
        patterns, which = np.unique(there, axis=1, return_inverse=True)
        for j in range(patterns.shape[1]):
            members = np.flatnonzero(patterns[:, j])
            importance = pool.importance()
            if not importance[members].sum() > 0:
                continue
            rows = np.flatnonzero(which.ravel() == j)
            scale = importance.sum() / importance[members].sum()
            part = Pool(pool.method, pool.weights[members] * scale, pool.bias)
            means = self.sums[np.ix_(members, rows)] / self.folds[np.ix_(members, rows)][..., None]
            result[rows] = part.predict(means)
        return result
