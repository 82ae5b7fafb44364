"""Arrays and tables that other people wrote: their ids, folds, labels and numbers, checked.

Every fault is a `UserError` of one line with the file and the row or column.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.data.celltext import as_text
from foldwise.data.formats import read_file
from foldwise.errors import UserError, one_line, require
from foldwise.terminal import warn

SUFFIXES = (".npy", ".csv", ".tsv", ".parquet")


def load_npy(path: Path) -> np.ndarray:
    """Return a plain .npy array that has rows; pickled objects are refused."""
    require(path.is_file(), f"{path}: no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: not a plain .npy array: {one_line(error)}") from None
    require(
        isinstance(array, np.ndarray) and array.ndim > 0 and len(array) > 0,
        f"{path}: holds no rows",
    )
    return array


def read_external_table(path: Path) -> pd.DataFrame:
    """Return a .csv or .tsv (every cell as text) or .parquet table that has rows."""
    require(path.is_file(), f"{path}: no such file")
    suffix = path.suffix.lower()
    require(suffix in SUFFIXES, f"{path}: unknown file type; use one of {', '.join(SUFFIXES)}")
    table, notes = read_file(path)
    for line in notes:
        warn(line)
    require(len(table) > 0, f"{path}: no rows below the header")
    for place, column in enumerate(table.columns, start=1):
        # Numbers of rows, or ids: who wrote them must say which.
        named = isinstance(column, str) and bool(column.strip())
        require(named, f"{path}: column {place} has no name: call it id, or leave it out")
    table.columns = [column.strip() for column in table.columns]
    require(table.columns.is_unique, f"{path}: two columns have the same name")
    return table


def id_column(table: pd.DataFrame) -> str | None:
    """Return the column of row ids: `id`, or the only one whose name ends like that."""
    if "id" in table:
        return "id"
    like = [c for c in table if re.fullmatch(r"(?:.*[_ ])?id", c, re.IGNORECASE)]
    return like[0] if len(like) == 1 else None


def row_ids(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    """Return the row ids as text, shape (n,), each once; None without such a column."""
    column = id_column(table)
    if column is None:
        return None
    ids = np.array([as_text(value) or "" for value in table[column]], dtype=object)
    again = pd.Index(ids).duplicated()
    require(not again.any(), f"{path}: id {ids[np.argmax(again)]!r} stands there twice")
    return ids


def fold_column(table: pd.DataFrame, path: Path) -> np.ndarray | None:
    """Return the column `fold`, int64, shape (n,), or None where there is none."""
    if "fold" not in table:
        return None
    numbers = pd.to_numeric(table["fold"], errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(numbers) | (numbers % 1 != 0)
    require(not bad.any(), f"{path}: row {np.argmax(bad) + 1}: fold is not a whole number")
    return numbers.astype(np.int64)


def numbers_of(values: np.ndarray, path: Path) -> np.ndarray:
    """Return values as float64 in their shape, or name the first cell that is no number."""
    try:
        return values.astype(np.float64)
    except (ValueError, TypeError):
        pass
    flat = values if values.ndim == 2 else values[:, None]
    for row, cells in enumerate(flat, start=1):
        for cell in cells:
            if pd.isna(pd.to_numeric(pd.Series([cell]), errors="coerce")).any():
                raise UserError(f"{path}: row {row}: {cell!r} is not a probability")
    raise UserError(f"{path}: holds values of type {values.dtype}, not numbers")


def labels_as_text(values: np.ndarray, path: Path) -> np.ndarray:
    """Return labels as text, object, shape (n,); 3.0 is "3", and none may be missing."""
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        missing = value is None or value != value or str(value).strip() == ""
        require(not missing, f"{path}: row {row + 1} has no label")
        whole = isinstance(value, float | np.floating) and float(value).is_integer()
        texts[row] = str(int(value)) if whole else str(value).strip()
    return texts


def check_one_hot(values: np.ndarray, path: Path) -> None:
    """Raise a `UserError` unless every row has a single 1 and zeros, shape (n, C)."""
    wrong = ~np.isin(values, (0, 1)).all(axis=1) | (values.sum(axis=1) != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        shown = ", ".join(f"{v:g}" for v in values[row, :6])
        raise UserError(f"{path}: row {row + 1} ({shown}): exactly one column must be 1, others 0")
