"""The bootstrap over groups: rows of a group are not independent, so they are drawn together.

Intervals are percentile intervals, widened for few groups (Hesterberg, "What teachers should know
about the bootstrap", 2015, section 5.3): without that they are too narrow by a factor of
sqrt((G - 1) / G) and by taking normal for t quantiles.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse, stats

_CHUNK = 4_000_000  # counts drawn at once
_KEEP = 150_000_000  # counts kept between calls, one byte each


class GroupBootstrap:
    """Draws of groups that every statistic of a report shares, so that all of them are paired.

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
        self.codes = np.unique(groups, return_inverse=True)[1]
        self.n_groups = int(self.codes.max()) + 1
        self.draws, self.confidence, self.seed = draws, confidence, seed
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

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the column means of `values`, shape (n, K), over the rows of each draw.

        Returns
        -------
        ndarray of float64, shape (draws, K)
        """
        totals = self.totals(np.column_stack([np.ones(len(values)), values]))
        return totals[:, 1:] / totals[:, :1]

    def interval_of_mean(self, values: np.ndarray) -> tuple[float, float]:
        """Return the interval of the mean of `values`, shape (n,)."""
        return self.interval(self.means(values[:, None])[:, 0])

    def interval(self, drawn: np.ndarray) -> tuple[float, float]:
        """Return the interval of a statistic from its values in each draw, shape (draws,)."""
        low, high = np.nanpercentile(drawn, self._percents())
        return float(low), float(high)

    def interval_of_biased(self, drawn: np.ndarray, value: float) -> tuple[float, float]:
        """Return the interval of a statistic that noise can only raise, such as the ECE.

        Drawing again adds the same bias once more, so the draws are mirrored at the value (the
        basic bootstrap interval). It never ends below the value itself, nor starts below zero.
        """
        low, high = self.interval(drawn)
        return max(0.0, 2 * value - high), max(value, 2 * value - low)

    def simultaneous(self, drawn: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return intervals of several statistics that hold all at once (max-t bootstrap).

        What is the largest of many looks large by luck; of these intervals all hold in so many
        of a hundred reports, so also that of whichever was picked out (Romano and Wolf, 2005).

        Parameters
        ----------
        drawn : ndarray of float, shape (draws, K)
            The statistics in each draw; NaN where a draw has none.
        values : ndarray of float, shape (K,)
            The statistics themselves.

        Returns
        -------
        low, high : ndarray of float, shape (K,)
        """
        spread = np.nanstd(drawn, axis=0)
        safe = np.where(spread > 0, spread, np.inf)
        furthest = np.nanmax(np.abs(drawn - values) / safe, axis=1)
        reach = np.nanpercentile(furthest, 100 * self.confidence) * self._widening() * spread
        return values - reach, values + reach

    def _percents(self) -> list[float]:
        tail = (1 - self.confidence) / 2
        tail = float(stats.norm.cdf(self._widening() * stats.norm.ppf(tail)))
        return [100 * tail, 100 * (1 - tail)]

    def _widening(self) -> float:
        """Return by how much intervals are widened for few groups."""
        g, tail = self.n_groups, (1 - self.confidence) / 2
        if g < 2:
            return 1.0
        return float(np.sqrt(g / (g - 1)) * stats.t.ppf(tail, g - 1) / stats.norm.ppf(tail))

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


def group_bootstrap(
    values: np.ndarray,
    groups: np.ndarray,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a mean when whole groups are drawn again.

    Rows of one group are not independent: an interval that draws rows singly is too narrow.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        A value for each row, such as its log loss or a difference of two.
    groups : ndarray, shape (n,)
        The group of each row.
    draws : int
        Bootstrap draws.
    confidence : float
        Coverage of the interval.
    seed : int
        Seed of the draws.
    """
    return GroupBootstrap(groups, draws, confidence, seed).interval_of_mean(values)


def paired_difference(
    values: np.ndarray, others: np.ndarray, groups: np.ndarray, **options: Any
) -> tuple[float, float, float]:
    """Return the mean of `values - others` on the same rows, all of shape (n,), and its interval.

    Further options are those of `group_bootstrap`.
    """
    difference = values - others
    return (float(difference.mean()), *group_bootstrap(difference, groups, **options))
