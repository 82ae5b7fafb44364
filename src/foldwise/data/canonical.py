"""One raw file in the columns that everything else reads: ids, clean texts, labels, groups."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data import submission, targets
from foldwise.data.audit_record import Intake
from foldwise.data.celltext import as_text, is_writable, text_column
from foldwise.data.cleaned import class_indexes
from foldwise.data.cleaning import TURN, clean_column, normalise_column
from foldwise.data.raw import locate, read_table, require_columns
from foldwise.data.splits import draw_folds
from foldwise.errors import UserError, require


def canonical(path: Path, run: Run, labelled: bool) -> tuple[pd.DataFrame, Intake]:
    """Read one file into the columns `id`, texts, `label` (if labelled) and `group`.

    Parameters
    ----------
    path : Path
        A raw file.
    run : Run
        The competition.
    labelled : bool
        Whether it is the training file.

    Returns
    -------
    table : DataFrame of str
    intake : Intake
        What was read, dropped, filled and noted.
    """
    config = run.competition.data
    raw, problems = read_table(path, run.competition)
    notes: list[str] = []
    dropped: dict[str, int] = {}
    filled: dict[str, int] = {}
    require_columns(raw, list(config.text), path, "data.text")
    table = pd.DataFrame({"id": _ids(raw, config.id, path, notes)}, dtype=object)
    missing = np.zeros(len(raw), dtype=bool)
    for column in config.text:
        values, _ = text_column(raw[column])
        absent = np.array([value is None or value == "" for value in values], dtype=bool)
        values[absent] = ""
        table[column] = clean_column(values, run.competition.clean)
        missing |= absent
        if absent.any() and (config.missing_text == "fill" or not labelled):
            filled[column] = int(absent.sum())
    keep = np.ones(len(raw), dtype=bool)
    if labelled:
        labels, unlabelled = targets.parse_target(raw, run.competition, path)
        problems += unlabelled
        keep = np.array([label is not None for label in labels])  # pandas makes None a NaN
        table["label"] = labels
        dropped["no label"] = int((~keep).sum())
        if config.missing_text == "drop":
            dropped["missing text"] = int((keep & missing).sum())
            keep &= ~missing
    else:
        _check_id(raw, run, path)
        extra = [str(c) for c in raw.columns if c not in (config.id, *config.text)]
        if extra:
            notes.append(f"{path.name}: columns {', '.join(extra)} are not used")
    repeated = _repeated(table, path, labelled)
    dropped["same row twice"] = int((keep & repeated).sum())
    table = table[keep & ~repeated].reset_index(drop=True)
    require(len(table) > 0, f"{path}: no rows are left after cleaning")
    table["group"] = _groups(table, config.group_columns)
    intake = Intake(
        rows_read=len(raw),
        dropped={reason: n for reason, n in dropped.items() if n},
        filled=filled,
        notes=notes,
        warnings=problems,
        rows_kept=len(table),
    )
    order = ["id", *config.text, *(["label"] if labelled else []), "group"]
    return table[order], intake


def sample(table: pd.DataFrame, classes: list[str], wanted: int, seed: int) -> pd.DataFrame:
    """Take about `wanted` rows: whole groups, classes in their shares.

    Parameters
    ----------
    table : DataFrame
        The canonical training table.
    classes : list of str
    wanted : int
        Fewer than there are.
    seed : int

    Raises
    ------
    UserError
        A class has no row in the sample.
    """
    parts = max(2, round(len(table) / wanted))
    labels = class_indexes(table["label"], classes)
    groups = pd.factorize(table["group"])[0]
    fold = draw_folds(labels, groups, parts, seed)
    # One part is the table over a whole number; whole parts in turn fill up to the rows wanted.
    sizes = np.cumsum(np.bincount(fold, minlength=parts))
    last = int(np.argmin(np.abs(sizes - wanted)))
    taken = table[fold <= last].reset_index(drop=True)
    absent = [name for name in classes if name not in set(taken["label"])]
    require(
        not absent,
        f"--rows {wanted}: {len(absent)} of {len(classes)} classes have no row in the "
        f"sample, {absent[:1]} among them; take more rows",
    )
    return taken


def check_sample(run: Run, path: Path | None, test: pd.DataFrame, classes: list[str]) -> None:
    """Raise, before anything is fitted, if the sample submission cannot be followed."""
    if path is not None:
        equal = pd.DataFrame(1 / len(classes), index=test.index, columns=classes)
        equal.insert(0, "id", test["id"])
        submission.build(equal, classes, run.competition, submission.read_submission(path))


def _check_id(raw: pd.DataFrame, run: Run, path: Path) -> None:
    """Raise if a test file has the ids of the sample submission under another name."""
    config = run.competition.data
    sample = locate(run.competition, run.input)["sample_submission"]
    if config.id in raw or sample is None:
        return
    known = submission.find_id(submission.read_submission(sample))
    require(
        known not in raw or known in (*config.text, config.target),
        f"{path}: no column {config.id!r} (set by data.id), but {known!r}, the id column of "
        f"{sample.name}, is there: set data.id = {known!r}",
    )


def _ids(raw: pd.DataFrame, column: str, path: Path, notes: list[str]) -> list[str]:
    if column not in raw:
        notes.append(f"{path.name}: no column {column!r}: rows are numbered from 0")
        return [str(i) for i in range(len(raw))]
    ids = [as_text(value) for value in raw[column]]
    for row, value in enumerate(ids):
        require(bool(value), f"{path}: row {row + 1} has no id in column {column!r}")
        require(is_writable(value), f"{path}: row {row + 1}: id {value!r} is not valid Unicode")
    return ids


def _repeated(table: pd.DataFrame, path: Path, labelled: bool) -> np.ndarray:
    """Mark copies of a row; two different rows under one id are an error."""
    again = table["id"].duplicated(keep="first").to_numpy()
    if not again.any():
        return again
    same = table.duplicated(keep="first").to_numpy()
    wrong = again if not labelled else again & ~same
    if wrong.any():
        row = int(np.argmax(wrong))
        value = table["id"].iloc[row]
        first = int(np.argmax((table["id"] == value).to_numpy()))
        raise UserError(f"{path}: rows {first + 1} and {row + 1} have the same id {value!r}")
    return same


def _groups(table: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Return a short hash of the normalised group text; an empty text is a group of its own."""
    groups = []
    keys = (normalise_column(table[column]) for column in columns)
    for row, parts in enumerate(zip(*keys, strict=True)):
        key = TURN.join(parts)
        key = key if key.strip(TURN + " ") else f"\x00{table['id'].iloc[row]}"
        groups.append(hashlib.blake2b(key.encode("utf-8"), digest_size=8).hexdigest())
    return groups
