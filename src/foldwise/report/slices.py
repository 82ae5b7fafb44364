"""Where a model is better and worse: kinds of rows that the text and the label tell apart."""

import re
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config.record import Number, Record
from foldwise.config.sections import PairConfig
from foldwise.data.cleaning import TURN
from foldwise.features.prompt_kind import kind, script
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.clustered import effective_groups

_FEWEST = 30  # rows below which a slice is shown without an interval and never named the worst
_FEWEST_GROUPS = 3  # effective ones; one group alone shows no spread
_LABEL = "label"


class Slice(Record):
    """One kind of rows in one respect, scored under every model."""

    respect: str
    slice: str
    rows: int
    share: float
    log_loss: dict[str, Number]  # by model
    accuracy: dict[str, Number]
    gap: Number  # of the focus model, to its log loss on all rows
    low: Number  # None for a handful of rows
    high: Number
    low_of_all: Number  # of an interval that holds for all slices at once
    high_of_all: Number


def slice_columns(
    texts: dict[str, np.ndarray], labels: np.ndarray, classes: list[str], pair: PairConfig
) -> dict[str, np.ndarray]:
    """Return the kind of each row in several respects.

    Parameters
    ----------
    texts : dict of str to ndarray of str, shape (n,)
        By text column; empty where the texts are not known.
    labels : ndarray of int64, shape (n,)
    classes : list of str
    pair : PairConfig
        Which columns are answers A and B.

    Returns
    -------
    dict of str to ndarray of str, shape (n,)
        By name of the respect; one that does not divide the rows is left out.
    """
    found = {_LABEL: np.array(classes, dtype=object)[labels]}
    if texts:
        whole = sum(_lengths(column) for column in texts.values())
        found["length of all texts"] = _quarters(whole)
        lead = texts[pair.context] if pair.context else next(iter(texts.values()))
        found["turns"] = _turns(lead)
        found["kind of prompt" if pair.context else "kind of text"] = _mapped(lead, kind)
        found["script"] = _mapped(lead, script)
        if pair.enabled:
            first, second = texts[pair.first], texts[pair.second]
            found["longer answer"] = _longer(_lengths(first), _lengths(second))
            found["empty answers"] = _empty(first, second)
        else:
            empty = _lengths(lead) == 0
            found["empty text"] = np.where(empty, "empty", "not empty").astype(object)
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def slice_table(
    columns: dict[str, np.ndarray],
    losses: dict[str, np.ndarray],
    right: dict[str, np.ndarray],
    focus: str,
    bootstrap: GroupBootstrap,
) -> list[Slice]:
    """Score every model on every slice.

    Parameters
    ----------
    columns : dict of str to ndarray of str, shape (n,)
        As `slice_columns` returns them.
    losses, right : dict of str to ndarray, shape (n,)
        Log loss of each row and whether it is right, by model.
    focus : str
        The model whose difference to its mean over all rows gets an interval.
    bootstrap : GroupBootstrap

    Returns
    -------
    list of Slice
        Those of one respect together.
    """
    slices = [
        (name, value, values == value)
        for name, values in columns.items()
        for value in _order(values)
    ]
    if not slices:
        return []
    inside = np.column_stack([mask for *_, mask in slices])
    loss, rows = losses[focus], inside.sum(axis=0)
    mean = (loss @ inside) / rows - loss.mean()
    enough = np.array([_is_enough(mask, bootstrap) for mask in inside.T])
    # By how much each row moves the slice's mean, less by how much it moves that of all rows.
    moves = inside * (loss[:, None] - mean - loss.mean()) * (len(loss) / rows)
    moves -= (loss - loss.mean())[:, None]
    estimates = {
        k: bootstrap.estimate(mean[k] + moves[:, k], inside[:, k]) for k in np.flatnonzero(enough)
    }
    of_all = np.full((2, len(slices)), None, dtype=object)
    if enough.any():
        of_all[:, enough] = bootstrap.simultaneous(list(estimates.values()), moves[:, enough])
    found = []
    for k, (name, value, mask) in enumerate(slices):
        n = int(mask.sum())
        low, high = estimates[k].interval() if enough[k] else (None, None)
        found.append(
            Slice(
                respect=name,
                slice=str(value),
                rows=n,
                share=n / len(mask),
                log_loss={model: values[mask].mean() for model, values in losses.items()},
                accuracy={model: values[mask].mean() for model, values in right.items()},
                gap=mean[k],
                low=low,
                high=high,
                low_of_all=of_all[0, k],
                high_of_all=of_all[1, k],
            )
        )
    return found


def worst(table: list[Slice]) -> Slice | None:
    """Return the slice that is worse than the whole by the most that is beyond doubt.

    Slices by label are left out: which label a row has is not known when it is predicted. None
    where none is worse once it is considered that the worst of many was picked.
    """
    clear = [s for s in table if s.respect != _LABEL and (s.low_of_all or 0) > 0]
    return max(clear, key=lambda s: s.low_of_all, default=None)


def _is_enough(mask: np.ndarray, bootstrap: GroupBootstrap) -> bool:
    """Whether a slice has the rows, and the groups, for an interval."""
    sizes = np.bincount(bootstrap.codes, mask)
    return mask.sum() >= _FEWEST and effective_groups(sizes) >= _FEWEST_GROUPS


def _mapped(texts: np.ndarray, function: Any) -> np.ndarray:
    # Prompts repeat: each distinct one is looked at once.
    codes, distinct = pd.factorize(texts)
    return np.array([function(text) for text in distinct], dtype=object)[codes]


def _lengths(texts: np.ndarray) -> np.ndarray:
    return np.array([len(text) for text in texts])


def _quarters(lengths: np.ndarray) -> np.ndarray:
    edges = np.unique(np.percentile(lengths, [25, 50, 75]).astype(int))
    names = [f"up to {edges[0]:,} characters"]
    names += [f"{low + 1:,} to {high:,}" for low, high in zip(edges, edges[1:], strict=False)]
    names.append(f"over {edges[-1]:,}")
    return np.array(names, dtype=object)[np.searchsorted(edges, lengths)]


def _turns(texts: np.ndarray) -> np.ndarray:
    counts = np.array([text.count(TURN) + 1 for text in texts])
    names = np.array(["1 turn", "2 turns", "3 or 4 turns", "5 turns or more"], dtype=object)
    return names[np.searchsorted([1, 2, 4], counts)]


def _longer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    names = np.array(["A longer by half or more", "about the same", "B longer by half or more"])
    place = np.where(first >= 1.5 * second, 0, np.where(second >= 1.5 * first, 2, 1))
    place[(first == 0) & (second == 0)] = 1
    return names.astype(object)[place]


def _empty(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    empty = [np.array([not text.strip(TURN + " \n") for text in side]) for side in (first, second)]
    return np.array(["none", "one", "both"], dtype=object)[empty[0].astype(int) + empty[1]]


def _order(values: np.ndarray) -> list[str]:
    """Return the distinct values: quantities from small to large, others by how many rows."""
    distinct, counts = np.unique(values.astype(str), return_counts=True)
    if any(name.startswith(("up to", "1 turn")) for name in distinct):
        return sorted(distinct.tolist(), key=_size)
    return distinct[np.argsort(-counts, kind="stable")].tolist()


def _size(name: str) -> tuple[int, int]:
    """Return the place of a quantity: "up to 9" before "10 to 20", and "over 20" after it."""
    place = 0 if name.startswith("up to") else 2 if name.startswith("over") else 1
    return place, int(re.search(r"\d[\d,]*", name).group().replace(",", ""))
