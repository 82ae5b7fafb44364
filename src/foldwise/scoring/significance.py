"""Is one model better than another on these rows? Paired differences, tests, and what they say."""

from itertools import combinations

import numpy as np
from scipy import stats

from foldwise.config.record import Record
from foldwise.scoring.bootstrap import GroupBootstrap


class Difference(Record):
    """Two models on the same rows, the better one first."""

    better: str
    other: str
    difference: float  # log loss of the other less that of the better
    low: float
    high: float
    p: float
    accuracy_difference: float
    mcnemar_p: float  # groups respected
    mcnemar_exact_p: float  # rows taken as independent
    p_holm: float  # corrected for the number of comparisons
    mcnemar_p_holm: float
    reading: str


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p values corrected for the number of comparisons (Holm, 1979), shape (k,).

    Holds whatever the comparisons have to do with each other.
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return corrected


def mcnemar(right: np.ndarray, others: np.ndarray) -> float:
    """Return the p value of McNemar's exact test on accuracy, rows taken as independent.

    Parameters
    ----------
    right, others : ndarray of bool, shape (n,)
        Which rows each of two models gets right.
    """
    only, only_other = int((right & ~others).sum()), int((others & ~right).sum())
    if only + only_other == 0:
        return 1.0
    return float(stats.binomtest(only, only + only_other, 0.5).pvalue)


def clustered_mcnemar(right: np.ndarray, others: np.ndarray, codes: np.ndarray) -> float:
    """Return the p value of McNemar's test with rows in groups (Yang, Sun and Hardin, 2010).

    Where every row is a group of its own it is McNemar's chi-squared test without correction.

    Parameters
    ----------
    right, others : ndarray of bool, shape (n,)
    codes : ndarray of int, shape (n,)
        Group of each row.
    """
    balance = np.bincount(codes, right.astype(float) - others)
    spread = np.square(balance).sum()
    if spread == 0:
        return 1.0
    return float(stats.chi2.sf(balance.sum() ** 2 / spread, df=1))


def mean_test(values: np.ndarray, codes: np.ndarray) -> float:
    """Return the p value of "the mean is zero" with rows in groups (cluster-robust t test).

    Parameters
    ----------
    values : ndarray of float, shape (n,)
    codes : ndarray of int, shape (n,)
        Group of each row.
    """
    sizes, n_groups = np.bincount(codes), int(codes.max()) + 1
    if n_groups < 2:
        return 1.0
    residual = np.bincount(codes, values) - values.mean() * sizes
    error = np.sqrt(n_groups / (n_groups - 1) * np.square(residual).sum()) / len(values)
    if error == 0:
        return 1.0 if values.mean() == 0 else 0.0
    return float(2 * stats.t.sf(abs(values.mean()) / error, df=n_groups - 1))


def differences(
    losses: dict[str, np.ndarray], right: dict[str, np.ndarray], bootstrap: GroupBootstrap
) -> list[Difference]:
    """Compare every two models on the same rows, the better one first.

    Parameters
    ----------
    losses : dict of str to ndarray of float, shape (n,)
        Log loss of each row, by model.
    right : dict of str to ndarray of bool, shape (n,)
        Which rows each model gets right.
    bootstrap : GroupBootstrap
        Over the groups of these rows.
    """
    names = sorted(losses, key=lambda name: losses[name].mean())
    pairs = list(combinations(names, 2))
    drawn = bootstrap.means(np.column_stack([losses[name] for name in names]))
    column = {name: drawn[:, k] for k, name in enumerate(names)}
    gaps = [losses[other] - losses[better] for better, other in pairs]
    p = np.array([mean_test(gap, bootstrap.codes) for gap in gaps])
    accuracy_p = np.array(
        [clustered_mcnemar(right[a], right[b], bootstrap.codes) for a, b in pairs]
    )
    corrected, accuracy_corrected = holm(p), holm(accuracy_p)
    found = []
    for k, (better, other) in enumerate(pairs):
        low, high = bootstrap.interval(column[other] - column[better])
        pair = Difference(
            better=better,
            other=other,
            difference=gaps[k].mean(),
            low=low,
            high=high,
            p=p[k],
            accuracy_difference=right[better].mean() - right[other].mean(),
            mcnemar_p=accuracy_p[k],
            mcnemar_exact_p=mcnemar(right[better], right[other]),
            p_holm=corrected[k],
            mcnemar_p_holm=accuracy_corrected[k],
            reading="",
        )
        found.append(pair.replace(reading=reading(pair, 1 - bootstrap.confidence)))
    return found


def reading(pair: Difference, level: float) -> str:
    """Return what a comparison says, in plain words.

    Parameters
    ----------
    pair : Difference
    level : float
        Share of false alarms accepted, such as 0.05.
    """
    better, other = pair.better, pair.other
    if pair.low > 0 and pair.p_holm < level:
        said = f"{better} is better"
    elif pair.low > 0:
        return f"{better} may be better: not beyond doubt with so many comparisons"
    else:
        return "no clear difference"
    if pair.mcnemar_p_holm >= level:
        return f"{said}, though not in accuracy"
    if pair.accuracy_difference < 0:
        return f"{said}, but {other} is right more often"
    return said
