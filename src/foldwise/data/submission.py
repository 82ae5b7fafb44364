"""The submission file: how it is made from probabilities, and what makes one valid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import Competition
from foldwise.data.formats import decode, read_delimited
from foldwise.errors import UserError, require

_SUM_TOLERANCE = 1e-3  # files rounded to four decimals are fine; a forgotten softmax is not


def build(
    test: pd.DataFrame,
    classes: list[str],
    competition: Competition,
    sample: pd.DataFrame | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Make the submission from test probabilities.

    Parameters
    ----------
    test : DataFrame
        `id` and one column of probabilities a class.
    classes : list of str
        Class names in order.
    competition : Competition
        The configuration.
    sample : DataFrame of str, or None
        The sample submission, whose columns, ids and order are followed exactly.

    Returns
    -------
    submission : DataFrame
    notes : list of str
        What was assumed.
    """
    notes: list[str] = []
    if sample is None:
        id_column = competition.data.id
        kind, columns = _without_sample(competition, classes)
        ids = test["id"]
    else:
        id_column = find_id(sample, competition.data.id)
        columns = [column for column in sample.columns if column != id_column]
        kind = kind_of(competition, classes, sample[columns])
        ids = sample[id_column]
        test, note = _in_order(test, ids)
        notes += note
    probabilities = test[classes].to_numpy()
    submission = pd.DataFrame({id_column: ids.to_numpy()})
    if kind == "probabilities":
        submission[columns] = test[columns].to_numpy()
    elif kind == "label":
        written = classes if sample is None else _spelt(classes, sample[columns[0]])
        submission[columns[0]] = np.array(written, dtype=object)[probabilities.argmax(axis=1)]
    else:
        # A column with the name of a class holds the probability of that class.
        positive = classes.index(columns[0]) if columns[0] in classes else 1
        submission[columns[0]] = probabilities[:, positive]
    if sample is not None:
        submission = submission[list(sample.columns)]
    return submission, notes


def find_id(sample: pd.DataFrame, name: str = "") -> str:
    """Return the id column of a sample submission.

    The column `name` if it is there, else the first without a repeated value, else the first.
    """
    if name in sample:
        return name
    unique = [column for column in sample.columns if not sample[column].duplicated().any()]
    return (unique or list(sample.columns))[0]


def kind_of(competition: Competition, classes: list[str], values: pd.DataFrame) -> str:
    """Return what a submission holds: "probabilities", "label" or "positive".

    Parameters
    ----------
    competition : Competition
        Whose `submission.kind` is followed unless it is "auto".
    classes : list of str
        Class names in order.
    values : DataFrame of str
        The columns of the sample submission beside the id.

    Raises
    ------
    UserError
        The columns fit no kind, or not the one that is configured.
    """
    kind, columns = competition.submission.kind, list(values.columns)
    if kind == "auto":
        return _guess(competition, classes, values)
    if kind == "probabilities":
        require(
            set(columns) == set(classes),
            f"sample submission: its columns {columns} are not the classes {classes}; "
            "set data.classes to the column names",
        )
        return kind
    require(
        len(columns) == 1,
        f"submission.kind = {kind!r} needs one column beside the id, "
        f"the sample submission has {columns}",
    )
    require(
        kind == "label" or len(classes) == 2,
        f"submission.kind = 'positive' needs two classes, there are {len(classes)}",
    )
    return kind


def check(
    submission: pd.DataFrame,
    sample: pd.DataFrame,
    name: str,
    id_column: str = "",
    labels: Sequence[str] = (),
) -> None:
    """Raise a `UserError` that names the row at fault unless `submission` follows `sample`.

    Parameters
    ----------
    submission, sample : DataFrame of str
        As `read_submission` returns them.
    name : str
        The file, for the message.
    id_column : str
        The column of ids; found as in `find_id` if empty.
    labels : sequence of str
        What the one column beside the id may hold, where that is labels and is known.
    """
    _check_columns(list(submission.columns), list(sample.columns), name)
    id_column = find_id(sample, id_column)
    values = [column for column in sample.columns if column != id_column]
    submission, sample = submission[[id_column, *values]], sample[[id_column, *values]]
    _check_ids(submission[id_column], sample[id_column], name)
    as_labels = len(values) == 1 and (bool(labels) or not _numeric(sample[values]))
    for column in values:
        known = {*labels, *sample[column]}
        # A class may well be called "none"; a number cannot.
        gaps = {"nan"} if as_labels else {"nan", "null", "none", "inf"}
        for row, value in enumerate(submission[column]):
            plain = value.strip().lower()
            if plain == "" or (plain in gaps and not (as_labels and value in known)):
                _fail(name, row, submission, f"{column} is {value!r}: a value is needed")
            if as_labels and labels and value not in labels:
                _fail(name, row, submission, f"{column} is {value!r}: not one of the classes")
    if as_labels:
        return
    numbers = _numbers(submission, values, name)
    outside = (numbers < 0) | (numbers > 1)
    if len(values) > 1 and outside.any():
        row, column = np.argwhere(outside)[0]
        value = submission[values[column]].iloc[row]
        _fail(name, row, submission, f"{values[column]} is {value}: outside 0 to 1")
    sums = numbers.sum(axis=1)
    if len(values) > 1 and np.abs(sums - 1).max(initial=0) > _SUM_TOLERANCE:
        row = int(np.argmax(np.abs(sums - 1) > _SUM_TOLERANCE))
        _fail(name, row, submission, f"probabilities sum to {sums[row]:.6g}, not 1")


def check_size(path: Path, max_mb: float) -> None:
    """Raise a `UserError` if a submission is larger than what is accepted."""
    size = path.stat().st_size / 1e6
    require(
        size <= max_mb,
        f"{path}: {size:.1f} MB, more than {max_mb:g}; write fewer decimals, or zip it",
    )


def read_submission(path: Path) -> pd.DataFrame:
    """Read a csv as text exactly as written, or say in one line why that fails."""
    require(path.is_file(), f"{path}: no such file")
    table, _ = read_delimited(path, decode(path, "")[0], ",", [])
    table.columns = [str(name) for name in table.columns]
    require(len(table.columns) >= 2, f"{path}: an id column and at least one more are needed")
    require(len(table) > 0, f"{path}: no rows below the header")
    return table


def _without_sample(competition: Competition, classes: list[str]) -> tuple[str, list[str]]:
    kind = competition.submission.kind
    if kind == "auto":
        kind = "probabilities" if competition.metric == "log_loss" else "label"
    target = competition.data.target
    name = target if isinstance(target, str) else "label"
    return kind, classes if kind == "probabilities" else [name]


def _guess(competition: Competition, classes: list[str], values: pd.DataFrame) -> str:
    """Tell from the columns of the sample, its values and the metric what is wanted."""
    columns = list(values.columns)
    if set(columns) == set(classes):
        return "probabilities"
    require(
        len(columns) == 1,
        f"sample submission: its columns {columns} are neither the classes {classes} nor one "
        "column; set data.classes to the column names, or submission.kind",
    )
    column, two = columns[0], len(classes) == 2
    if two and column in classes:
        return "positive"
    # Blank cells say nothing.
    written = sorted({value for value in values[column] if value.strip()})
    numbers = pd.to_numeric(pd.Series(written, dtype=object), errors="coerce").to_numpy(float)
    if np.isnan(numbers).any():
        return "label"
    between = set(classes).isdisjoint(written) and (numbers % 1 != 0).any()
    if two and (competition.metric == "log_loss" or between):
        return "positive"
    named = pd.to_numeric(pd.Series(classes, dtype=object), errors="coerce").isna().all()
    require(
        not (written and named),
        f"sample submission: {column!r} holds numbers, and the classes are {classes[:8]}; set "
        "submission.kind = 'label' to write their names all the same"
        + (", or 'positive' for the second one's probability" if two else ""),
    )
    return "label"


def _spelt(classes: list[str], values: pd.Series) -> list[str]:
    """Return the classes as the sample spells them: "True" where the data said true."""
    capital = [name.capitalize() for name in classes]
    if set(classes) == {"false", "true"} and set(values) <= set(capital):
        return capital
    return classes


def _in_order(test: pd.DataFrame, ids: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    if set(ids) == set(test["id"]) and not ids.duplicated().any():
        return test.set_index("id").loc[list(ids)].reset_index(), []
    numbered = list(test["id"]) == [str(i) for i in range(len(test))]
    if numbered and len(ids) == len(test):
        return test, ["the test file has no ids: rows follow the sample submission's order"]
    duplicated = ids[ids.duplicated()]
    require(duplicated.empty, f"sample submission: id {duplicated.iloc[:1].tolist()} occurs twice")
    missing = ids[~ids.isin(test["id"])].tolist()
    extra = test["id"][~test["id"].isin(ids)].tolist()
    raise UserError(
        f"sample submission and test file have different ids: {len(missing)} only in the sample "
        f"(first: {missing[:1]}), {len(extra)} only in the test file (first: {extra[:1]})"
    )


def _check_columns(columns: list[str], expected: list[str], name: str) -> None:
    if columns == expected:
        return
    missing = [column for column in expected if column not in columns]
    extra = [column for column in columns if column not in expected]
    parts = []
    if missing:
        parts.append(f"missing {missing}")
    if extra:
        parts.append(f"unexpected {extra}")
    if parts:
        raise UserError(f"{name}: columns: {'; '.join(parts)}; the sample has {expected}")
    raise UserError(f"{name}: columns are in the order {columns}; the sample has {expected}")


def _check_ids(ids: pd.Series, expected: pd.Series, name: str) -> None:
    repeated = ids[ids.duplicated()]
    if not repeated.empty:
        row = repeated.index[0]
        raise UserError(f"{name}: row {row + 1} (line {row + 2}): id {repeated.iloc[0]!r} again")
    known, given = set(expected), set(ids)
    extra = [(row, value) for row, value in enumerate(ids) if value not in known]
    if extra:
        row, value = extra[0]
        raise UserError(
            f"{name}: row {row + 1} (line {row + 2}): id {value!r} is not in the sample "
            f"({len(extra)} such rows)"
        )
    missing = [value for value in expected if value not in given]
    if missing:
        raise UserError(
            f"{name}: {len(missing)} ids of the sample are missing, the first is {missing[0]!r}"
        )
    different = ids.to_numpy() != expected.to_numpy()
    if different.any():
        row = int(np.argmax(different))
        raise UserError(
            f"{name}: row {row + 1} (line {row + 2}): id {ids.iloc[row]!r} where the sample has "
            f"{expected.iloc[row]!r}: keep the sample's order"
        )


def _numbers(table: pd.DataFrame, columns: list[str], name: str) -> np.ndarray:
    numbers = np.empty((len(table), len(columns)))
    for j, column in enumerate(columns):
        parsed = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
        bad = ~np.isfinite(parsed)
        if bad.any():
            row = int(np.argmax(bad))
            _fail(name, row, table, f"{column} is {table[column].iloc[row]!r}: not a number")
        numbers[:, j] = parsed
    return numbers


def _numeric(table: pd.DataFrame) -> bool:
    return bool(pd.to_numeric(table.iloc[:, 0], errors="coerce").notna().all())


def _fail(name: str, row: int, table: pd.DataFrame, what: str) -> None:
    raise UserError(f"{name}: row {row + 1} (line {row + 2}, id {table.iloc[row, 0]!r}): {what}")
