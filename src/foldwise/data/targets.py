"""The target: one column of labels or one-hot columns, to one class name a row."""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import Competition
from foldwise.data.celltext import as_text, is_writable, objects
from foldwise.data.raw import require_columns
from foldwise.errors import UserError, nearest, require

_TOLERATED = 0.5  # more rows without a label than this share is no accident
# Column names of the files under output/ and of what `predict` writes.
RESERVED = ("id", "fold", "group", "label", "probability")


def parse_target(
    table: pd.DataFrame, competition: Competition, path: Path
) -> tuple[np.ndarray, list[str]]:
    """Return the label of every row, object, shape (n,), None where it has none, and notes.

    Parameters
    ----------
    table : DataFrame
        The raw training file.
    competition : Competition
        Which columns hold the target, and which classes there are.
    path : Path
        The file, for the messages.

    Raises
    ------
    UserError
        Missing columns, two-hot rows, labels that `data.classes` does not know, one class only.
    """
    data = competition.data
    if data.one_hot:
        labels = _one_hot(table, list(data.target), path)
    else:
        require_columns(table, [data.target], path, "data.target")
        labels = [_stripped(value) for value in table[data.target]]
        for row, label in enumerate(labels):
            if label is not None and not is_writable(label):
                _bad_row(table, row, path, f"label {label!r} is not valid Unicode")
    missing = sum(label is None for label in labels)
    require(
        missing <= _TOLERATED * len(labels),
        f"{path}: {missing} of {len(labels)} rows have no label in {data.target!r}",
    )
    _check_known(labels, list(data.classes), path)
    notes = [f"{path.name}: {missing} rows without a label dropped"] if missing else []
    return objects(labels), notes


def order_classes(competition: Competition, labels: np.ndarray) -> list[str]:
    """Return the classes of some labels, shape (n,), in order.

    That is as configured, as the one-hot columns, or sorted.

    Raises
    ------
    UserError
        A configured class without a training row; fewer than two classes; a reserved name.
    """
    data, found = competition.data, Counter(labels)
    names = list(data.classes) or (list(data.target) if data.one_hot else sorted_names(found))
    for name in names:
        require(name in found, f"class {name!r} (data.classes or data.target) has no training row")
        require(
            name not in RESERVED,
            f"class {name!r} has the name of a column of the output files; rename the label",
        )
    require(len(names) > 1, f"only one class, {names[0]!r}: there is nothing to learn")
    return names


def _one_hot(table: pd.DataFrame, columns: list[str], path: Path) -> list[str | None]:
    require_columns(table, columns, path, "data.target")
    values = np.zeros((len(table), len(columns)))
    for j, column in enumerate(columns):
        texts = [_stripped(value) or "0" for value in table[column]]
        plain = pd.Series([text.lower() for text in texts])
        numbers = pd.to_numeric(plain.replace({"true": "1", "false": "0"}), "coerce")
        if numbers.isna().any():
            row = int(np.argmax(numbers.isna()))
            _bad_row(table, row, path, f"{column} is {texts[row]!r}: one-hot columns hold 0 or 1")
        values[:, j] = numbers
    odd = ~np.isin(values, (0, 1)).all(axis=1) | (values.sum(axis=1) > 1)
    if odd.any():
        row = int(np.argmax(odd))
        shown = ", ".join(f"{c} = {v:g}" for c, v in zip(columns, values[row], strict=True))
        _bad_row(table, row, path, f"{shown}: exactly one of them must be 1")
    return [columns[row.argmax()] if row.any() else None for row in values]


def _check_known(labels: list[str | None], classes: list[str], path: Path) -> None:
    if not classes:
        return
    for row, label in enumerate(labels):
        if label is not None and label not in classes:
            raise UserError(
                f"{path}: row {row + 1}: label {label!r} is not one of data.classes "
                f"{classes[:8]}" + nearest(label, classes)
            )


def _bad_row(table: pd.DataFrame, row: int, path: Path, what: str) -> None:
    known = f", id {as_text(table['id'].iloc[row])}" if "id" in table else ""
    raise UserError(f"{path}: row {row + 1}{known}: {what}")


def _stripped(value: object) -> str | None:
    text = as_text(value)
    return text.strip() or None if text is not None else None


def sorted_names(names: Iterable[str]) -> list[str]:
    """Return class names sorted: as numbers where all of them are, else as text."""
    names = list(names)
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    if any(map(math.isnan, numbers.values())):  # "nan" is neither before nor after a number
        return sorted(names)
    return sorted(names, key=lambda name: (numbers[name], name))
