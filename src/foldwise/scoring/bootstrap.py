"""The bootstrap over groups: rows of a group are not independent, so they are drawn together.

It says what no formula says: how far the furthest of many statistics strays. A single mean has its
interval from `clustered.Groups`.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse, stats

from foldwise.scoring.clustered import Estimate, Groups

_CHUNK = 4_000_000  # counts drawn at once
_KEEP = 150_000_000  # counts kept between calls, one byte each


class GroupBootstrap(Groups):
    """Groups with draws that every statistic of a report shares.

    Parameters
    ----------
    groups : ndarray, shape (n,)
        The group of each row.
    draws : int
        Bootstrap draws.
    confidence : float
        Coverage of the intervals.
    seed : int
        Seed of the draws: they depend on it and on the number of groups alone.
    """

    def __init__(
        self, groups: np.ndarray, draws: int = 1000, confidence: float = 0.95, seed: int = 0
    ) -> None:
        super().__init__(groups, confidence)
        self.draws, self.seed = draws, seed
        rows = np.arange(len(self.codes))
        self._membership = sparse.csr_matrix((np.ones(len(rows)), (self.codes, rows)))
        self._kept: list[np.ndarray] | None = None

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Return the column sums of `values`, shape (n, K), over the rows of each draw.

        Returns
        -------
        ndarray of float64, shape (draws, K)
        """
        sums = self._membership @ values
        return np.concatenate([counts.astype(np.float64) @ sums for counts in self._counts()])

    def interval_of_mean(self, values: np.ndarray) -> tuple[float, float]:
        """Return the interval of the mean of `values`, shape (n,)."""
        return self.estimate(values).interval()

    def simultaneous(self, estimates: list[Estimate], influences: np.ndarray) -> np.ndarray:
        """Return intervals of several statistics that hold all at once (max-t bootstrap).

        What is the largest of many looks large by luck; of these intervals all hold in so many
        of a hundred reports, so also that of whichever was picked out (Romano and Wolf, 2005).

        Parameters
        ----------
        estimates : list of Estimate, length K
            Each statistic for itself.
        influences : ndarray of float, shape (n, K)
            By how much each row moves them; columns have mean zero.

        Returns
        -------
        ndarray of float, shape (2, K)
            Low ends and high ends.
        """
        drawn = self.totals(influences)
        spread = drawn.std(axis=0)
        # What rounding leaves of a statistic that does not vary strays nowhere.
        varies = np.array([estimate.error > 0 for estimate in estimates]) & (spread > 0)
        furthest = np.abs(drawn[:, varies] / spread[varies]).max(axis=1, initial=0)
        normal = stats.norm.ppf((1 + self.confidence) / 2)
        wider = max(1.0, float(np.quantile(furthest, self.confidence) / normal))
        return np.array([estimate.interval(wider) for estimate in estimates]).T

    def _counts(self) -> Iterator[np.ndarray] | list[np.ndarray]:
        if self._kept is None and self.draws * self.n_groups <= _KEEP:
            self._kept = list(self._draw())
        return self._draw() if self._kept is None else self._kept

    def _draw(self) -> Iterator[np.ndarray]:
        """Yield how often each group is drawn, shape (some draws, G)."""
        generator, g = np.random.default_rng(self.seed), self.n_groups
        step = max(1, _CHUNK // g)
        for start in range(0, self.draws, step):
            size = min(step, self.draws - start)
            drawn = generator.integers(0, g, (size, g)) + g * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * g).reshape(size, g)
            # No group is drawn 255 times but by a miracle.
            yield np.minimum(counts, 255).astype(np.uint8)


def paired_difference(
    values: np.ndarray, others: np.ndarray, groups: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of `values - others` on the same rows, all of shape (n,), and its interval.

    Rows of one group are not independent: an interval that takes them so is too narrow.

    Parameters
    ----------
    values, others : ndarray of float, shape (n,)
        A value for each row, such as its log loss under each of two models.
    groups : ndarray, shape (n,)
        The group of each row.
    confidence : float
        Coverage of the interval.
    """
    estimate = Groups(groups, confidence).estimate(values - others)
    return (estimate.value, *estimate.interval())
