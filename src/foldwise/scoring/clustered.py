"""A mean over rows that stand in groups: its error, interval and p value from one statistic.

Rows of a group are not independent, and groups differ in size. So the error is that of the sums of
groups (cluster-robust), each scaled up by what its own weight in the mean takes off its residual
(CR2 of Bell and McCaffrey, 2002), under the correlation within groups that the rows show (Imbens
and Kolesar, 2016). The statistic is straightened for skewness (Hall, 1992), because losses are
skewed and the misses of a plain t interval are one-sided. Its quantile is found on drawn normal
groups of just these sizes: where few large groups outweigh the others the t quantile of their one
or two degrees of freedom makes intervals that say nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

_CELLS = 1_000_000  # normal numbers drawn for the quantiles
_DRAWS = 1_000, 10_000  # at least and at most
_MOST_GROUPS = 6_000  # above this many the t quantile has to do: drawing takes too long
_ENOUGH = 200  # degrees of freedom from which the t quantile is as good
_CAUTION = 0.08  # 0: the quantile of normal groups, 1: that of t, which few large ones make huge
_CORRELATIONS = np.array([0, 0.01, 0.03, 0.1, 0.3, 1.0])  # quantiles are interpolated between them


@dataclass(frozen=True)
class Estimate:
    """An estimated mean.

    Attributes
    ----------
    value : float
    error : float
        Standard error; infinite where there is one group only.
    skewness : float
        Of the estimate.
    critical : float
        What the straightened statistic exceeds with probability 1 - confidence.
    degrees : float
        Of freedom, Satterthwaite's.
    correlation : float
        Of two rows of a group.
    confidence : float
    """

    value: float
    error: float
    skewness: float
    critical: float
    degrees: float
    correlation: float
    confidence: float

    def interval(self, wider: float = 1.0) -> tuple[float, float]:
        """Return low and high, for a critical value that is `wider` times as large."""
        if not np.isfinite(self.error):
            return -np.inf, np.inf
        reach = wider * self.critical
        high, low = (_crooked(end, self.skewness) for end in (-reach, reach))
        return float(self.value - self.error * low), float(self.value - self.error * high)

    @property
    def p(self) -> float:
        """The p value of "it is zero": below 1 - confidence where the interval leaves 0 out."""
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        if not np.isfinite(self.error):
            return 1.0
        statistic = abs(_straight(self.value / self.error, self.skewness))
        quantile = stats.t.ppf((1 + self.confidence) / 2, self.degrees)
        return float(2 * stats.t.sf(statistic * quantile / self.critical, self.degrees))


class Groups:
    """The groups of some rows, and what they make of a mean over these rows.

    Parameters
    ----------
    groups : ndarray, shape (n,)
        The group of each row.
    confidence : float
        Coverage of the intervals.
    """

    def __init__(self, groups: np.ndarray, confidence: float = 0.95) -> None:
        self.codes = np.unique(groups, return_inverse=True)[1]
        self.sizes = np.bincount(self.codes).astype(float)
        self.confidence = confidence

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.sizes)

    @property
    def effective(self) -> float:
        """How many groups of equal size would say as much: n squared over the sum of squares."""
        return effective_groups(self.sizes)

    def estimate(self, values: np.ndarray, inside: np.ndarray | None = None) -> Estimate:
        """Estimate the mean of values.

        Parameters
        ----------
        values : ndarray of float, shape (n,)
            A value for each row, such as its log loss, a difference of two, or its influence on a
            score plus the score.
        inside : ndarray of bool, shape (n,), optional
            The rows that the values are about, such as a slice; all by default.
        """
        mean = float(values.mean())
        sizes = self.sizes if inside is None else np.bincount(self.codes, inside, self.n_groups)
        if (sizes > 0).sum() < 2:
            return Estimate(mean, np.inf, 0.0, np.inf, 1.0, 0.0, self.confidence)
        centred = values - mean
        residual = np.bincount(self.codes, centred)
        correlation = self._correlation(centred, residual)
        model = _Model(sizes, correlation)
        error = np.sqrt((model.scale * residual**2).sum()) / len(values)
        # What rounding leaves of values that are all the same is no spread.
        if error <= 1e-12 * np.abs(values).max(initial=0):
            error = 0.0
        critical = self._critical(sizes, correlation, model.degrees)
        skewness = model.skewness(residual) if error > 0 else 0.0
        return Estimate(
            mean, float(error), skewness, critical, model.degrees, correlation, self.confidence
        )

    def covariance(self, sums: np.ndarray, correlation: float) -> np.ndarray:
        """Return the covariance of several means, shape (K, K), as `estimate` does.

        Parameters
        ----------
        sums : ndarray of float, shape (G, K)
            What each group adds to the sums over all rows.
        correlation : float
            Of two rows of a group.
        """
        n = len(self.codes)
        residual = sums - np.outer(self.sizes, sums.sum(axis=0) / n)
        scaled = residual * np.sqrt(_Model(self.sizes, correlation).scale)[:, None]
        return scaled.T @ scaled / n**2

    def _correlation(self, centred: np.ndarray, residual: np.ndarray) -> float:
        """Return the correlation of two rows of a group (analysis of variance), 0 to 1."""
        n, g = len(centred), self.n_groups
        if n == g:
            return 0.0
        between = (residual**2 / self.sizes).sum()
        within = max((centred**2).sum() - between, 0.0) / (n - g)
        typical = (n - (self.sizes**2).sum() / n) / (g - 1)
        shared = max((between / (g - 1) - within) / typical, 0.0)
        return shared / (shared + within) if shared > 0 else 0.0

    def _critical(self, sizes: np.ndarray, correlation: float, degrees: float) -> float:
        t = float(stats.t.ppf((1 + self.confidence) / 2, degrees))
        if degrees >= _ENOUGH or len(sizes) > _MOST_GROUPS:
            return t
        place = np.interp(correlation, _CORRELATIONS, np.arange(len(_CORRELATIONS)))
        below, share = int(place), place % 1
        key = sizes.tobytes(), self.confidence
        low = _quantile(*key, below)
        high = _quantile(*key, below + 1) if share else low
        drawn = (1 - share) * low + share * high
        return float(drawn * (t / drawn) ** _CAUTION)


@lru_cache(maxsize=1024)
def _quantile(sizes: bytes, confidence: float, place: int) -> float:
    """Return what normal groups of these sizes exceed, for one of `_CORRELATIONS`."""
    model = _Model(np.frombuffer(sizes), _CORRELATIONS[place])
    drawn = np.abs(model.statistics(*_normal(len(sizes) // 8)))
    return float(np.quantile(drawn, confidence))


@lru_cache(maxsize=2)
def _normal(n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return normal numbers, their squares and cubes, each of shape (draws, n_groups)."""
    shape = int(np.clip(_CELLS // n_groups, *_DRAWS)), n_groups
    drawn = np.random.default_rng(0).standard_normal(shape, np.float32)
    squares = drawn * drawn
    return drawn, squares, squares * drawn


def effective_groups(sizes: np.ndarray) -> float:
    """Return n squared over the sum of the squared sizes, shape (G,), of all groups."""
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


class _Model:
    """Group sums under a correlation within groups: what their residuals tell of the mean.

    `scale` is what a squared residual is to be multiplied with so that its mean is the variance of
    the group's sum; `degrees` are those of the sum of them all.
    """

    def __init__(self, sizes: np.ndarray, correlation: float) -> None:
        w = sizes * (1 - correlation + correlation * sizes)  # variances of the sums
        h, total = sizes / sizes.sum(), w.sum()
        left = w * (1 - h) ** 2 + h**2 * (total - w)  # variances of the residuals
        self.scale = d = np.divide(w, left, out=np.ones_like(w), where=left > 0)
        self._w, self._h, self._inside = w, h, sizes > 0
        # The variance is a quadratic form S'BS; B = diag(d) - dh 1' - 1 dh' + h'dh 11'.
        dh, dhh = d * h, (d * h * h).sum()
        trace = (d * w).sum() - 2 * (dh * w).sum() + dhh * total
        off = 2 * total * (w * dh**2).sum() + (dhh * total) ** 2
        off += 2 * (w * dh).sum() ** 2 - 4 * dhh * total * (w * dh).sum()
        square = off + (w**2 * (d**2 + 2 * d * (dhh - 2 * dh))).sum()
        self.degrees = float(max(1.0, trace**2 / square))
        # The skewness of few large groups is hearsay from the small ones: it counts for less.
        self._spread = (w**1.5).sum() / total**1.5
        self._spread *= np.sqrt(self.degrees / max(1, self._inside.sum() - 1))

    def skewness(self, residual: np.ndarray) -> float:
        """Return the skewness of the mean, that of all standardised group sums pooled."""
        some = self._inside
        alike = residual[some] * np.sqrt(self.scale[some] / self._w[some])
        third, second = (alike**3).mean(), (alike**2).mean()
        return float(third / second**1.5 * self._spread) if second > 0 else 0.0

    def statistics(self, z: np.ndarray, z2: np.ndarray, z3: np.ndarray) -> np.ndarray:
        """Return the straightened statistic of normal group sums, shape (draws,).

        A residual is sqrt(w) z - h S; its powers are sums of powers of z, so that products with
        three fixed matrices are all that a new correlation or slice costs.
        """
        d, w, h, some = self.scale, self._w, self._h, self._inside
        root = np.sqrt(w)
        k = np.divide(h, root, out=np.zeros_like(h), where=some)
        e = np.where(some, d, 0)
        f = e**1.5

        def along(matrix: np.ndarray, *weights: np.ndarray) -> np.ndarray:
            # All at once: reading the matrix is what takes time.
            return (matrix @ np.column_stack(weights).astype(np.float32)).T.astype(np.float64)

        total, z_squared, z_second, z_third = along(z, root, d * root * h, e * k, f * k**2)
        squared, second, z2_third = along(z2, d * w, e, f * k)
        (third,) = along(z3, f)
        squared += total**2 * (d * h**2).sum() - 2 * total * z_squared
        second += total**2 * (e * k**2).sum() - 2 * total * z_second
        third += 3 * total**2 * z_third - 3 * total * z2_third - total**3 * (f * k**3).sum()
        count = some.sum()
        # Of two groups a residual may be nothing but rounding.
        squared, second = (np.maximum(sum_, 1e-12) for sum_ in (squared, second / count))
        skewness = third / count / second**1.5 * self._spread
        return _straight(total / np.sqrt(squared), skewness)


def _straight(t: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Return a t statistic with its skewness taken out (Hall, 1992): rising in t."""
    return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6


def _crooked(x: float, skewness: float) -> float:
    """Return the t statistic that `_straight` turns into x."""
    if abs(skewness) < 1e-9:
        return x
    return 3 / skewness * (np.cbrt(1 + skewness * (x - skewness / 6)) - 1)
