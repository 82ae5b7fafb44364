"""Ways in which a score comes out too good: twins across folds, the split, numbers, the shift.

Quick models here only measure the data; nothing of them enters any prediction. Their features
are hashed words (no vocabulary, no document frequencies), so that a held-out row adds nothing
to the model that scores it.
"""

import numpy as np
import pandas as pd
from scipy import sparse, stats
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score

from foldwise.data.cleaning import normalise_column
from foldwise.data.neartwins import twin_families
from foldwise.data.splits import draw_folds
from foldwise.scoring.clustered import Groups
from foldwise.scoring.leaks import Shift, SplitGap, TellingNumber, Twins
from foldwise.scoring.metrics import row_log_loss

ROWS = 10_000  # most rows that a quick model sees
FEWEST = 50  # rows below which a test file cannot be told from anything
_CHARACTERS = 2000  # read from the head of each text
_HASHED = 2**15  # columns for each text column
_EXAMPLES = 3
_SHUFFLES = 3  # random splits whose scores are averaged


def twins(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    folds: np.ndarray,
    text: list[str],
    answers: tuple[str, ...] = (),
) -> list[Twins]:
    """Count rows whose text also stands in another fold, or in the other file.

    Parameters
    ----------
    train, test : DataFrame
        Canonical tables.
    folds : ndarray of int, shape (n,)
        Fold of each training row.
    text : list of str
        The text columns.
    answers : tuple of str
        The text columns whose order does not make another row: A and B of a pair.

    Returns
    -------
    list of Twins
        One for each text column and, if there are several, one for the whole row: rows with an
        exact twin (but for case and punctuation) or a near one (banded MinHash) in another fold,
        test rows with one in train, and ids of examples.
    """
    tables = [train] if test is None else [train, test]
    rows = sum(map(len, tables))
    keys = normalise_column([v for column in text for table in tables for v in table[column]])
    blank = np.array([not key.strip() for key in keys])
    found = []
    for codes in twin_families(keys):
        # Empty texts are alike, but give nothing away: each is alone.
        codes = np.where(blank, codes.max() + 1 + np.arange(len(codes)), codes)
        of = dict(zip(text, codes.reshape(len(text), rows), strict=True))
        if len(text) > 1:
            both = np.sort([of[column] for column in answers], axis=0) if answers else []
            others = [of[column] for column in text if column not in answers]
            whole = pd.MultiIndex.from_arrays([*others, *both])
            of["whole row"] = pd.factorize(whole)[0]
        found.append(of)
    exact, near = found
    ids = train["id"].to_numpy()
    return [_across(name, exact[name], near[name], folds, ids, len(train)) for name in exact]


def split_gap(
    texts: list[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    n_classes: int,
    seed: int,
) -> SplitGap | None:
    """Score one quick model on random and on the grouped folds of the same rows.

    Parameters
    ----------
    texts : list of ndarray of str, shape (n,)
        The text columns.
    labels, groups, folds : ndarray, shape (n,)
    n_classes : int
    seed : int

    Returns
    -------
    SplitGap or None
        Log loss and accuracy on both kinds of folds, and the log loss that random folds hide
        with its interval over groups; None where every row is a group of its own.
    """
    codes = pd.factorize(groups)[0]
    if codes.max() + 1 == len(codes):
        return None
    generator = np.random.default_rng(seed)
    features = _hashed(texts)
    losses, right = {}, {}
    for name, splits in (
        ("random", [_shuffled(folds, labels, generator) for _ in range(_SHUFFLES)]),
        ("grouped", [folds]),
    ):
        found = [_out_of_fold(features, labels, split, n_classes, seed) for split in splits]
        losses[name] = np.mean([row_log_loss(labels, p) for p in found], axis=0)
        right[name] = np.mean([p.argmax(axis=1) == labels for p in found], axis=0)
    hidden = losses["grouped"] - losses["random"]
    low, high = Groups(groups).estimate(hidden).interval()
    return SplitGap(
        rows=len(labels),
        groups=int(codes.max()) + 1,
        random_log_loss=losses["random"].mean(),
        random_accuracy=right["random"].mean(),
        grouped_log_loss=losses["grouped"].mean(),
        grouped_accuracy=right["grouped"].mean(),
        gap=hidden.mean(),
        low=low,
        high=high,
    )


def shift(
    texts: list[np.ndarray], groups: np.ndarray, is_test: np.ndarray, seed: int
) -> Shift | None:
    """Try to tell test rows from training rows (adversarial validation).

    Parameters
    ----------
    texts : list of ndarray of str, shape (n,)
        The text columns, of both files.
    groups : ndarray, shape (n,)
        Rows of one group, in either file, are scored together.
    is_test : ndarray of bool, shape (n,)
    seed : int

    Returns
    -------
    Shift or None
        The area under the ROC curve, 0.5 where the files cannot be told apart, with its interval
        (Hanley and McNeil, 1982); None with too few rows.
    """
    n_test, n_train = int(is_test.sum()), int((~is_test).sum())
    if min(n_test, n_train) < FEWEST:
        return None
    folds = draw_folds(is_test.astype(int), pd.factorize(groups)[0], 3, seed)
    guess = _out_of_fold(_hashed(texts), is_test.astype(int), folds, 2, seed)[:, 1]
    auc = float(roc_auc_score(is_test, guess))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_test - 1) * (q1 - auc**2) + (n_train - 1) * (q2 - auc**2)
    reach = stats.norm.ppf(0.975) * np.sqrt(max(spread, 0) / (n_test * n_train))
    low, high = max(0.0, auc - reach), min(1.0, auc + reach)
    return Shift(auc=auc, low=low, high=high, train=n_train, test=n_test)


def single_numbers(
    numbers: dict[str, np.ndarray], labels: np.ndarray, classes: list[str]
) -> list[TellingNumber]:
    """Return, for each number that goes with a row, the class that it tells best, and how well.

    Parameters
    ----------
    numbers : dict of str to ndarray of float, shape (n,)
        Such as the row's place in the file.
    labels : ndarray of int64, shape (n,)
    classes : list of str
    """
    found = []
    for name, values in numbers.items():
        aucs = [roc_auc_score(labels == k, values) for k in range(len(classes))]
        k = int(np.argmax(np.abs(np.array(aucs) - 0.5)))
        auc = float(max(aucs[k], 1 - aucs[k]))
        found.append(TellingNumber(number=name, label=classes[k], auc=auc))
    return found


def _across(
    name: str, exact: np.ndarray, near: np.ndarray, folds: np.ndarray, ids: np.ndarray, n: int
) -> Twins:
    across = {}
    test_in_train = {}
    for kind, codes in (("exact", exact), ("near", near)):
        here = pd.Series(codes[:n])
        across[kind] = (pd.Series(folds).groupby(here).transform("nunique") > 1).to_numpy()
        test_in_train[kind] = int(np.isin(codes[n:], codes[:n]).sum())
    examples = []
    for row in np.flatnonzero(across["near"]):
        others = np.flatnonzero((near[:n] == near[row]) & (folds != folds[row]))
        if row < others[0]:
            examples.append([str(ids[row]), str(ids[others[0]])])
        if len(examples) == _EXAMPLES:
            break
    return Twins(
        text=name,
        exact_across_folds=int(across["exact"].sum()),
        exact_test_in_train=test_in_train["exact"],
        # Near twins that are not exact ones.
        near_across_folds=int(across["near"].sum()) - int(across["exact"].sum()),
        near_test_in_train=test_in_train["near"] - test_in_train["exact"],
        examples=examples,
    )


def _shuffled(folds: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Deal the rows of each class out again: every fold keeps its number of each class."""
    found = folds.copy()
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        found[rows] = generator.permutation(folds[rows])
    return found


def _hashed(texts: list[np.ndarray]) -> sparse.csr_matrix:
    hasher = HashingVectorizer(n_features=_HASHED, alternate_sign=False, dtype=np.float32)
    blocks = [hasher.transform([value[:_CHARACTERS] for value in column]) for column in texts]
    return sparse.hstack(blocks, format="csr")


def _out_of_fold(
    features: sparse.csr_matrix, labels: np.ndarray, folds: np.ndarray, n_classes: int, seed: int
) -> np.ndarray:
    """Return probabilities of a quick logistic regression, shape (n, C)."""
    found = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        inside = folds == fold
        model = SGDClassifier(
            loss="log_loss", alpha=1e-3, max_iter=8, tol=None, average=True, random_state=seed
        )
        model.fit(features[~inside], labels[~inside])
        # A class without a training row keeps a probability of zero.
        found[np.ix_(inside, model.classes_)] = model.predict_proba(features[inside])
    return found
