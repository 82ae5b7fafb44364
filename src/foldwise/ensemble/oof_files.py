"""Probability and label files of other people: .npy, .csv, .tsv, .parquet; checked, in order.

Every fault is a `UserError` of one line with the file and the row or column.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.roster import ENSEMBLE, PRIOR
from foldwise.data.cleaned import class_indexes
from foldwise.data.targets import RESERVED, sorted_names
from foldwise.ensemble.oof_columns import (
    check_one_hot,
    fold_column,
    id_column,
    labels_as_text,
    load_npy,
    numbers_of,
    read_external_table,
    row_ids,
)
from foldwise.errors import UserError, require

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = (PRIOR, ENSEMBLE)  # what the pipeline itself writes
_LABEL = ("label", "target", "y", "class")
_SUM_TOLERANCE = 1e-3  # float16 files and files rounded to four digits stay within it


@dataclass(frozen=True)
class Labels:
    """What a labels file holds.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
        Row numbers from 0 where the file has no ids.
    values : ndarray of object, shape (n,)
        The label of each row as text.
    named : tuple of str
        The one-hot columns in their order; empty for a single column of labels.
    groups, folds : ndarray, shape (n,), or None
    has_ids : bool
    """

    ids: np.ndarray
    values: np.ndarray
    named: tuple[str, ...]
    groups: np.ndarray | None
    folds: np.ndarray | None
    has_ids: bool

    def encode(
        self, columns: list[tuple[str, ...] | int], path: Path
    ) -> tuple[np.ndarray, list[str]]:
        """Return class indexes and class names, given the columns of the probability files.

        Labels 0 to C - 1 count the columns; others are names, in the order of the columns that
        bear them, else sorted.

        Parameters
        ----------
        columns : list of tuple of str, or int
            As in `Array.columns`, of every file.
        path : Path
            The labels file, for the messages.

        Returns
        -------
        codes : ndarray of int64, shape (n,)
        classes : list of str
        """
        widths = {c if isinstance(c, int) else len(c) for c in columns}
        require(len(widths) == 1, f"--oof: the files hold {_listed(widths)} classes: not the same")
        width = widths.pop()
        found = sorted_names(set(self.values))
        names = next((c for c in columns if not isinstance(c, int)), None)
        if self.named:
            classes = list(self.named)
        elif names and set(found) <= set(names):
            classes = list(names)
        elif set(found) <= {str(k) for k in range(width)}:
            classes = list(names) if names else [str(k) for k in range(width)]
            codes = self.values.astype(np.int64)
            _check_classes(codes, classes, path)
            return codes, classes
        else:
            classes = found
        require(
            len(classes) == width,
            f"{path}: {len(classes)} classes ({_listed(classes)}), but the probability files have "
            f"{width} columns",
        )
        codes = class_indexes(self.values, classes)
        _check_classes(codes, classes, path)
        return codes, classes


@dataclass(frozen=True)
class Array:
    """What a probability file holds, in the row order of the labels.

    Attributes
    ----------
    values : ndarray of float64, shape (n, C)
    columns : tuple of str or int
        Names of the columns, or how many there are where they have none.
    folds : ndarray, shape (n,), or None
    """

    values: np.ndarray
    columns: tuple[str, ...] | int
    folds: np.ndarray | None

    def in_order(self, classes: list[str], path: Path) -> np.ndarray:
        """Return the columns in the order of the classes, shape (n, C)."""
        if isinstance(self.columns, int):
            return self.values
        require(
            set(self.columns) == set(classes),
            f"{path}: columns {_listed(self.columns)} are not the classes {_listed(classes)}",
        )
        return self.values[:, [self.columns.index(name) for name in classes]]


def split_name(item: str) -> tuple[str, Path]:
    """Return the model's name and path of `path` or `name=path`.

    A file called `oof` lies in a folder with the model's name, as this pipeline writes it.
    """
    head, equals, tail = item.partition("=")
    if equals and _NAME.fullmatch(head) and not Path(item).exists():
        name, path = head, Path(tail)
    else:
        path = Path(item)
        name = path.resolve().parent.name if path.stem == "oof" else path.stem
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "model"
    require(
        name not in _TAKEN,
        f"--oof {item}: the name {name!r} is taken; give another: another-name={path}",
    )
    return name, path


def read_label_file(path: Path) -> Labels:
    """Read labels from .npy (one value a row, or one-hot) or a table."""
    if path.suffix.lower() == ".npy":
        array = load_npy(path)
        require(array.ndim in (1, 2), f"{path}: {array.ndim} dimensions; labels have 1, one-hot 2")
        if array.ndim == 2:
            check_one_hot(array, path)
            array = array.argmax(axis=1)
        values = labels_as_text(array, path)
        return Labels(_numbered(len(array)), values, (), None, None, has_ids=False)
    table = read_external_table(path)
    ids = row_ids(table, path)
    groups = _groups(table, path)
    folds = fold_column(table, path)
    rest = [c for c in table if c not in ("group", "fold") and c != id_column(table)]
    column = next((c for c in _LABEL if c in rest), rest[0] if len(rest) == 1 else None)
    if column is not None:
        values, named = labels_as_text(table[column].to_numpy(dtype=object), path), ()
    else:
        require(
            len(rest) > 1,
            f"{path}: no label column; name one of its columns 'label', or give one-hot columns",
        )
        plain = table[rest].map(lambda v: {"true": 1, "false": 0}.get(str(v).strip().lower(), v))
        numbers = plain.apply(pd.to_numeric, errors="coerce").to_numpy()
        require(
            np.isin(numbers, (0, 1)).all(),
            f"{path}: columns {_listed(rest)}: neither one called 'label' nor one-hot (0 and 1)",
        )
        check_one_hot(numbers, path)
        values, named = np.array(rest, dtype=object)[numbers.argmax(axis=1)], tuple(rest)
    known = _numbered(len(table)) if ids is None else ids
    return Labels(known, values, named, groups, folds, has_ids=ids is not None)


def read_rows(path: Path) -> Labels:
    """Return the rows of a probability file without labels: its ids, or numbers from 0."""
    if path.suffix.lower() == ".npy":
        n, ids = len(load_npy(path)), None
    else:
        table = read_external_table(path)
        n, ids = len(table), row_ids(table, path)
    known = _numbered(n) if ids is None else ids
    return Labels(known, known, (), None, None, has_ids=ids is not None)


def read_array(path: Path, truth: Labels) -> Array:
    """Read a probability file and bring its rows into the order of the labels."""
    n = len(truth.ids)
    if path.suffix.lower() == ".npy":
        values, folds = load_npy(path), None
        require(values.ndim in (1, 2), f"{path}: {values.ndim} dimensions; give rows x classes")
        _check_count(path, len(values), n)
        return Array(*_both_classes(numbers_of(values, path), None), folds)
    table = read_external_table(path)
    ids, folds = row_ids(table, path), fold_column(table, path)
    meta = {id_column(table), "fold", "group", "label"}
    rest = [c for c in table if c not in meta]
    require(bool(rest), f"{path}: no column of probabilities")
    values = numbers_of(table[rest].to_numpy(dtype=object), path)
    if ids is None or not truth.has_ids:
        _check_count(path, len(values), n)
    else:
        order = _match(ids, truth.ids, path)
        values, folds = values[order], None if folds is None else folds[order]
    return Array(*_both_classes(values, tuple(rest)), folds)


def check_rows(values: np.ndarray, path: Path) -> np.ndarray:
    """Return probabilities, shape (n, C), whose rows sum to 1, or name the first row of others.

    Rows may be off by a thousandth, as rounding leaves them; they are divided by their sum.

    Raises
    ------
    UserError
        A value that is missing, not finite or outside 0 to 1; a row with another sum.
    """
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise UserError(f"{path}: row {row + 1} holds a value that is missing or not finite")
    outside = (values < 0).any(axis=1) | (values > 1 + _SUM_TOLERANCE).any(axis=1)
    sums = values.sum(axis=1)
    wrong = outside | (np.abs(sums - 1) > _SUM_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        shown = ", ".join(f"{v:.4g}" for v in values[row, :6])
        what = "a value outside 0 to 1" if outside[row] else f"a sum of {sums[row]:.4f}"
        raise UserError(f"{path}: row {row + 1} ({shown}) has {what}: give probabilities")
    return values / sums[:, None]


def _both_classes(
    values: np.ndarray, columns: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...] | int]:
    """Complete the probability of the second of two classes by that of the first."""
    values = values[:, None] if values.ndim == 1 else values
    if values.shape[1] == 1:
        return np.column_stack([1 - values[:, 0], values[:, 0]]), 2
    return values, columns or values.shape[1]


def _groups(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    if "group" not in table:
        return None
    missing = table["group"].isna().to_numpy()
    require(not missing.any(), f"{path}: row {np.argmax(missing) + 1} has no group")
    return table["group"].to_numpy(dtype=object)


def _match(ids: np.ndarray, wanted: np.ndarray, path: Path) -> np.ndarray:
    places = pd.Series(np.arange(len(ids)), index=ids)
    again = places.index.duplicated()
    require(not again.any(), f"{path}: id {places.index[np.argmax(again)]!r} stands there twice")
    order = places.reindex(wanted).to_numpy()
    absent = np.isnan(order)
    if absent.any():
        raise UserError(
            f"{path}: {int(absent.sum())} of the {len(wanted)} labelled ids are missing, "
            f"the first is {wanted[np.argmax(absent)]!r}"
        )
    extra = len(ids) - len(wanted)
    if extra:
        stranger = ids[~np.isin(ids, wanted)][0]
        raise UserError(f"{path}: {extra} rows have no label, the first is id {stranger!r}")
    return order.astype(np.int64)


def _check_classes(codes: np.ndarray, classes: list[str], path: Path) -> None:
    require(len(classes) > 1, f"{path}: only one class: there is nothing to score")
    counts = np.bincount(codes, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        require(count > 0, f"{path}: no row has the class {name!r}")
        require(name not in RESERVED, f"{path}: class {name!r} has the name of an output column")


def _check_count(path: Path, rows: int, wanted: int) -> None:
    require(
        rows == wanted,
        f"{path}: {rows:,} rows, but the labels file has {wanted:,}; without ids they must agree",
    )


def _numbered(n: int) -> np.ndarray:
    return np.array([str(i) for i in range(n)], dtype=object)


def _listed(names: object) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:6]) + (", …" if len(shown) > 6 else "")
