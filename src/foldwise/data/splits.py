"""Splits that keep groups whole and classes even, in time linear in the rows.

scikit-learn's `StratifiedGroupKFold` scores every fold for every group in Python (a minute at
half a million groups) and has changed its draw between versions; folds that are frozen to disk
must not depend on that. Here only groups of several rows go through the greedy choice; single
rows, which are most, are dealt out by class.
"""

import numpy as np


def draw_folds(labels: np.ndarray, groups: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Assign every row to a fold.

    Parameters
    ----------
    labels : ndarray of int, shape (rows,)
        Class indexes, to be spread evenly.
    groups : ndarray of int, shape (rows,)
        Group indexes; a group is never cut.
    n : int
        Number of folds.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of int64, shape (rows,)
        Fold of each row, 0 to n - 1.
    """
    generator = np.random.default_rng(seed)
    n_classes = int(labels.max()) + 1
    sizes = np.bincount(groups)
    fold = np.full(len(labels), -1)
    filled = np.zeros((n, n_classes))
    _deal_large_groups(labels, groups, sizes, fold, filled, generator)
    _deal_single_rows(labels, sizes[groups] == 1, fold, filled, generator)
    return fold


def inner_split(
    labels: np.ndarray, groups: np.ndarray, n: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split the rows of a training fold again, as `(fit, held_out)` positions.

    With fewer groups than `n` the rows are split singly: nothing better can be done.

    Parameters
    ----------
    labels, groups : ndarray, shape (rows,)
        Class indexes, and what stays together.
    n : int
        Number of splits.
    seed : int
        Seed of the draw.
    """
    codes = np.unique(groups, return_inverse=True)[1]
    if codes.max() + 1 < n:
        codes = np.arange(len(labels))
    fold = draw_folds(labels, codes, n, seed)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n)]


def _deal_large_groups(
    labels: np.ndarray,
    groups: np.ndarray,
    sizes: np.ndarray,
    fold: np.ndarray,
    filled: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """Give groups of two rows or more, largest first, to the fold that needs them most."""
    n_classes = filled.shape[1]
    share = np.maximum(np.bincount(labels, minlength=n_classes), 1)
    rows = np.flatnonzero(sizes[groups] > 1)
    if len(rows) == 0:
        return
    rows = rows[np.argsort(groups[rows], kind="stable")]
    blocks = np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1)
    order = generator.permutation(len(blocks))
    order = order[np.argsort([-len(blocks[i]) for i in order], kind="stable")]
    for i in order:
        counts = np.bincount(labels[blocks[i]], minlength=n_classes)
        # Least overfull after the gift, class by class and in all.
        after = filled + counts
        cost = np.square(after / share).sum(axis=1) - np.square(filled / share).sum(axis=1)
        cost += np.square(after.sum(1) / len(labels)) - np.square(filled.sum(1) / len(labels))
        best = int(np.argmin(cost))
        fold[blocks[i]] = best
        filled[best] += counts


def _deal_single_rows(
    labels: np.ndarray,
    single: np.ndarray,
    fold: np.ndarray,
    filled: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """Deal the rows that are alone in their group so that each class ends up level."""
    n = len(filled)
    for label in range(filled.shape[1]):
        rows = generator.permutation(np.flatnonzero(single & (labels == label)))
        deal = _level(filled[:, label], filled.sum(axis=1), len(rows))
        fold[rows] = np.repeat(np.arange(n), deal)
        filled[:, label] += deal


def _level(have: np.ndarray, total: np.ndarray, gifts: int) -> np.ndarray:
    """Return how many of `gifts` each fold gets so that `have` becomes as level as it can."""
    order = np.lexsort((total, have))
    level = have[order]
    deal = np.zeros(len(have), dtype=int)
    for k in range(1, len(have) + 1):
        # Raise the k emptiest folds to the next one, or as far as the gifts go.
        step = level[k] - level[k - 1] if k < len(have) else np.inf
        raised = min(step * k, gifts)
        each, rest = divmod(int(raised), k)
        deal[order[:k]] += each
        deal[order[:k][:rest]] += 1
        gifts -= int(raised)
        if gifts <= 0:
            break
    return deal
