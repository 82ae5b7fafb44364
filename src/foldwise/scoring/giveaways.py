"""What gives a label away: the columns without which the rest of the texts could not tell it.

Every column that a model could read (words in both spellings, marks, how a text begins and ends,
bins of its numbers) is judged twice by the score statistic, which is linear in the data: against
the class frequencies, and against a quick model of the other columns. The best of both are then
left out of the quick model, with all that goes with them, and put back alone: what that gains out
of fold, as a share of all that is gained over the class frequencies, is theirs alone. An honest
word repeats what its neighbours say and has next to none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import normalize

from foldwise.scoring.clustered import Groups
from foldwise.scoring.leaks import Giveaway
from foldwise.scoring.metrics import row_log_loss

CHARACTERS = 12_000_000  # of the rows that are looked at
ROW_CLASSES = 300_000  # rows times classes
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_FEWEST = 5  # rows that hold a column
_MOST = 60_000  # columns of terms
_BINS = 8  # of a number
_PARTS = 3  # of the columns: each is judged by a model of the other two
_CANDIDATES = 3  # the best columns by each of the two statistics
_SAME = 0.3  # correlation from which a column says what the candidate says
_LEAST = 0.75  # of the prior's log loss: where less can be gained, shares are of this
_RIDGE = 0.5  # rows added to a cell, so that an empty one moves nothing
_STEPS = 15
_TRUST = (0.95, 0.8, 0.6, 0.4, 0.2, 0.0)  # in the quick model rather than the class frequencies


@dataclass(frozen=True)
class Columns:
    """Yes-or-no columns of rows.

    Attributes
    ----------
    values : csr_matrix of float32, shape (n, k)
        0 or 1.
    what : list of str, length k
        What a 1 says: "the word 'x'", "the end '!'", or the name of a number.
    text : list of str, length k
        The text column; empty for a number.
    unit : ndarray of int64, shape (k,)
        The bins of one number share theirs; they are judged together.
    """

    values: sparse.csr_matrix
    what: list[str]
    text: list[str]
    unit: np.ndarray


def columns(texts: dict[str, np.ndarray], numbers: dict[str, np.ndarray]) -> Columns:
    """Return everything that could give a label away.

    Parameters
    ----------
    texts : dict of str to ndarray of str, shape (n,)
        Whole texts by column.
    numbers : dict of str to ndarray of float, shape (n,)
    """
    blocks, what, text, units = [], [], [], []
    for name, values in texts.items():
        matrix, terms = _terms(values)
        blocks.append(matrix)
        units += range(len(what), len(what) + len(terms))
        what += terms
        text += [name] * len(terms)
    for name, values in numbers.items():
        cells = _cells(values)
        n_cells = int(cells.max()) + 1
        if n_cells > 1:
            ones = np.ones(len(cells), dtype=np.float32)
            place = (np.arange(len(cells)), cells)
            blocks.append(sparse.csr_matrix((ones, place), shape=(len(cells), n_cells)))
            units += [len(what)] * n_cells
            what += [name] * n_cells
            text += [""] * n_cells
    return Columns(sparse.hstack(blocks, format="csr"), what, text, np.array(units))


def giveaways(
    found: Columns,
    labels: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray,
    classes: list[str],
    seed: int,
) -> list[Giveaway]:
    """Return the columns that gain most alone, the largest share first.

    Parameters
    ----------
    found : Columns
    labels, folds, groups : ndarray, shape (n,)
    classes : list of str
    seed : int
    """
    folds = folds % 2  # halves: a quick model needs no more, and two fits cost less than five
    prior = _prior(labels, folds, len(classes))
    loss = row_log_loss(labels, prior)
    known = np.eye(len(classes))[labels]
    sizes = np.maximum(np.bincount(labels, minlength=len(classes)), 1)
    clusters = Groups(groups)
    said = []
    for column in _candidates(found, labels, folds, prior, known, seed):
        cells, rest = _leave_out(found, column)
        base = _quick(found.values[:, rest], labels, folds, prior, seed)
        with_it = _add(base, cells, labels, folds)
        without = row_log_loss(labels, _add(base, np.zeros_like(cells), labels, folds))
        least = row_log_loss(labels, with_it)
        gain = without - least
        reachable = max(float((loss - least).mean()), _LEAST * float(loss.mean()))
        low = clusters.estimate(gain).interval()[0]
        share = float(gain.mean()) / reachable
        alone = float((loss - row_log_loss(labels, _add(prior, cells, labels, folds))).mean())
        held = _telling_rows(cells, labels, len(classes), found.text[column] == "")
        inside = np.bincount(labels[held], minlength=len(classes))
        in_class = inside / sizes
        elsewhere = (held.sum() - inside) / np.maximum(len(labels) - sizes, 1)
        k = int(np.argmax(in_class - elsewhere))
        said.append(
            Giveaway(
                what=found.what[column],
                text=found.text[column],
                label=classes[k],
                rows=int(held.sum()),
                in_class=in_class[k],
                elsewhere=elsewhere[k],
                alone=alone,
                share=share,
                sure=bool(low > 0),
            )
        )
    return sorted(said, key=lambda giveaway: -giveaway.share)


def _terms(values: np.ndarray) -> tuple[sparse.csr_matrix, list[str]]:
    """Return which row holds which term, float32, and the terms in words."""
    known: dict[str, int] = {}
    place = known.setdefault
    indices, ends = [], [0]
    for value in values:
        indices += {place(term, len(known)) for term in _terms_of(value)}
        ends.append(len(indices))
    held = np.array(indices, dtype=np.int32)
    count = np.bincount(held, minlength=len(known))
    kept = np.flatnonzero((count >= _FEWEST) & (count <= len(values) - _FEWEST))
    if len(kept) > _MOST:
        kept = np.sort(kept[np.argsort(-count[kept], kind="stable")[:_MOST]])
    shape = (len(values), len(known))
    matrix = sparse.csr_matrix((np.ones(len(held), np.float32), held, ends), shape=shape)
    names = list(known)
    return matrix[:, kept], [names[i] for i in kept]


def _terms_of(text: str) -> Iterator[str]:
    words = set(_TOKEN.findall(text))
    for word in words:
        lower = word.lower()
        yield f"the word {lower!r}" if word[0].isalnum() or word[0] == "_" else f"the mark {word!r}"
        if lower != word:
            yield f"the spelling {word!r}"
    bare = text.strip()
    if bare:
        yield f"the first character {bare[0]!r}"
        yield f"the last character {bare[-1]!r}"
        yield f"a first letter that is {'a capital' if bare[0].isupper() else 'no capital'}"
    else:
        yield "an empty text"


def _cells(values: np.ndarray) -> np.ndarray:
    """Return the bin of each value: about equally many rows, equal values together."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left")


def _prior(labels: np.ndarray, folds: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the class frequencies of the other folds, shape (n, C)."""
    found = np.empty((len(labels), n_classes))
    for fold in np.unique(folds):
        counts = np.bincount(labels[folds != fold], minlength=n_classes) + _RIDGE
        found[folds == fold] = counts / counts.sum()
    return found


def _score(values: sparse.csr_matrix, known: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Return about the log loss that each column would take from a guess, summed over rows."""
    slope = values.T @ (known - guess)
    curve = values.T @ (guess * (1 - guess))
    return (slope**2 / (curve + _RIDGE)).sum(axis=1) / 2


def _candidates(
    found: Columns,
    labels: np.ndarray,
    folds: np.ndarray,
    prior: np.ndarray,
    known: np.ndarray,
    seed: int,
) -> list[int]:
    """Return the columns to look at: the best against the prior, and against the others."""
    alone = _score(found.values, known, prior)
    beyond = np.zeros(len(alone))
    parts = np.random.default_rng(seed).integers(0, _PARTS, len(alone))[found.unit]
    for part in range(_PARTS):
        own = np.flatnonzero(parts == part)
        guess = _quick(found.values[:, parts != part], labels, folds, prior, seed)
        beyond[own] = _score(found.values[:, own], known, guess)
    chosen: dict[int, int] = {}
    for scores in (beyond, alone):
        of_unit = np.bincount(found.unit, scores, minlength=len(scores))
        for unit in np.argsort(-of_unit)[:_CANDIDATES]:
            chosen.setdefault(int(unit), int(unit))
    return list(chosen)


def _leave_out(found: Columns, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each row under a column's unit, and the columns that are not like it."""
    own = np.flatnonzero(found.unit == found.unit[column])
    cells = found.values[:, own] @ np.arange(1, len(own) + 1)
    size = np.asarray(found.values.sum(axis=0)).ravel()
    n = found.values.shape[0]
    like = np.zeros(len(size), dtype=bool)
    both = (found.values.T @ found.values[:, own]).toarray()
    spread = np.sqrt(size * (n - size))
    for j, k in enumerate(own):
        covariance = n * both[:, j] - size * size[k]
        like |= np.abs(covariance) >= _SAME * np.maximum(spread * spread[k], 1)
    like |= np.isin(found.unit, found.unit[like])
    return np.asarray(cells).ravel().astype(np.int64), np.flatnonzero(~like)


def _quick(
    values: sparse.csr_matrix, labels: np.ndarray, folds: np.ndarray, prior: np.ndarray, seed: int
) -> np.ndarray:
    """Return out-of-fold probabilities of a quick model, shape (n, C); the prior is mixed in."""
    if not values.shape[1]:
        return prior
    rows = normalize(values)
    found = np.zeros(prior.shape)
    for fold in np.unique(folds):
        inside = folds == fold
        model = SGDClassifier(
            loss="log_loss", alpha=1e-4, max_iter=4, tol=None, average=True, random_state=seed
        )
        model.fit(rows[~inside], labels[~inside])
        found[np.ix_(inside, model.classes_)] = model.predict_proba(rows[inside])
    # An over-sure quick model would make any column look useful.
    mixed = [weight * found + (1 - weight) * prior for weight in _TRUST]
    return min(mixed, key=lambda guess: row_log_loss(labels, guess).mean())


def _add(base: np.ndarray, cells: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the probabilities once each cell has weights of its own, fitted on the other folds."""
    known = np.eye(base.shape[1])[labels]
    n_cells = int(cells.max()) + 1
    member = sparse.csr_matrix((np.ones(len(cells)), (cells, np.arange(len(cells)))))
    found = np.empty_like(base)
    for fold in np.unique(folds):
        weights = np.zeros((n_cells, base.shape[1]))
        of_cells = member[:, folds != fold]
        other, wanted = base[folds != fold], known[folds != fold]
        own = cells[folds != fold]
        for _ in range(_STEPS):
            guess = _tilted(other, weights[own])
            slope = of_cells @ (wanted - guess) - _RIDGE * weights
            curve = of_cells @ (guess * (1 - guess)) + _RIDGE
            weights += np.clip(slope / curve, -1, 1)
        found[folds == fold] = _tilted(base[folds == fold], weights[cells[folds == fold]])
    return found


def _tilted(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    made = probabilities * np.exp(weights)
    return made / made.sum(axis=1, keepdims=True)


def _telling_rows(
    cells: np.ndarray, labels: np.ndarray, n_classes: int, is_number: bool
) -> np.ndarray:
    """Return which rows a giveaway speaks of: those that hold the term, or the purest bin."""
    if not is_number:
        return cells > 0
    counts = np.zeros((int(cells.max()) + 1, n_classes))
    np.add.at(counts, (cells, labels), 1)
    share = counts.max(axis=1) / np.maximum(counts.sum(axis=1), _FEWEST)
    return cells == int(np.argmax(share))
