"""Is one model better than another on these rows? Paired differences, tests, and what they say."""

from itertools import combinations

import numpy as np
from scipy import stats

from foldwise.config.record import High, Low, Record
from foldwise.scoring.clustered import Groups


class Difference(Record):
    """Two models on the same rows, the better one first."""

    better: str
    other: str
    difference: float  # log loss of the other less that of the better
    low: Low
    high: High
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


def clustered_mcnemar(right: np.ndarray, others: np.ndarray, groups: Groups) -> float:
    """Return the p value of "both are right equally often" with rows in groups.

    The difference of the two, row by row, is tested as every other mean. As no test by the signs of
    groups can, it says nothing below 2 ** (1 - g), where g groups are not balanced.

    Parameters
    ----------
    right, others : ndarray of bool, shape (n,)
        Which rows each of two models gets right.
    groups : Groups
        Of the same rows.
    """
    gap = right.astype(float) - others
    unbalanced = np.count_nonzero(np.bincount(groups.codes, gap))
    return max(groups.estimate(gap).p, 2.0 ** (1 - unbalanced)) if unbalanced else 1.0


def differences(
    losses: dict[str, np.ndarray], right: dict[str, np.ndarray], groups: Groups
) -> list[Difference]:
    """Compare every two models on the same rows, the better one first.

    Parameters
    ----------
    losses : dict of str to ndarray of float, shape (n,)
        Log loss of each row, by model.
    right : dict of str to ndarray of bool, shape (n,)
        Which rows each model gets right.
    groups : Groups
        Of these rows.
    """
    names = sorted(losses, key=lambda name: losses[name].mean())
    pairs = list(combinations(names, 2))
    gaps = [groups.estimate(losses[other] - losses[better]) for better, other in pairs]
    accuracy_p = np.array([clustered_mcnemar(right[a], right[b], groups) for a, b in pairs])
    corrected, accuracy_corrected = holm(np.array([gap.p for gap in gaps])), holm(accuracy_p)
    found = []
    for k, (better, other) in enumerate(pairs):
        low, high = gaps[k].interval()
        pair = Difference(
            better=better,
            other=other,
            difference=gaps[k].value,
            low=low,
            high=high,
            p=gaps[k].p,
            accuracy_difference=right[better].mean() - right[other].mean(),
            mcnemar_p=accuracy_p[k],
            mcnemar_exact_p=mcnemar(right[better], right[other]),
            p_holm=corrected[k],
            mcnemar_p_holm=accuracy_corrected[k],
            reading="",
        )
        found.append(pair.replace(reading=reading(pair, 1 - groups.confidence)))
    return found


def is_clear(pair: Difference, level: float) -> bool:
    """Whether the first of two models is better, by the interval and corrected for their number."""
    return pair.low > 0 and pair.p_holm < level


def reading(pair: Difference, level: float) -> str:
    """Return what a comparison says, in plain words.

    Parameters
    ----------
    pair : Difference
    level : float
        Share of false alarms accepted, such as 0.05.
    """
    better, other = pair.better, pair.other
    if is_clear(pair, level):
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
