"""Read the raw files into one canonical table each, clean the texts, audit what was found.

Reads  the competition's train file and, if there are any, its test and sample files
Writes clean/train.parquet, clean/test.parquet, clean/audit.json
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data import submission, targets
from foldwise.data.audit import audit_table
from foldwise.data.celltext import as_text, is_writable, text_column
from foldwise.data.cleaned import class_indexes, table_path
from foldwise.data.cleaning import TURN, clean_column, normalise_column
from foldwise.data.raw import candidates, locate, read_table, require_columns
from foldwise.data.splits import draw_folds
from foldwise.errors import UserError, require
from foldwise.files import remove, write_json, write_parquet
from foldwise.hashing import file_hash
from foldwise.stages.stage import Stage
from foldwise.terminal import note, warn


def clean(run: Run) -> str:
    """Write the canonical tables and their audit."""
    competition = run.competition
    found = locate(competition, run.input)
    train, report = canonical(found["train"], run, labelled=True)
    classes = targets.order_classes(competition, train["label"].to_numpy())
    if run.rows and run.rows < len(train):
        train = _sample(train, classes, run.rows, competition.seed)
        report["notes"].append(f"--rows {run.rows}: a stratified sample of {len(train)} rows")
        absent = [name for name in classes if name not in set(train["label"])]
        require(
            not absent,
            f"--rows {run.rows}: {len(absent)} of {len(classes)} classes have no row in the "
            f"sample, {absent[:1]} among them; take more rows",
        )
    text = list(competition.data.text)
    audit = {"classes": classes, "train": report | audit_table(train, text)}
    audit["train"]["rows_kept"] = len(train)
    test = None
    if found["test"]:
        test, test_report = canonical(found["test"], run, labelled=False)
        audit["test"] = test_report | audit_table(test, text)
        _check_sample(run, found["sample_submission"], test, classes)
        shared = int(test["group"].isin(set(train["group"])).sum())
        audit["prompts_shared_by_train_and_test"] = shared
    audit["files"] = {
        part: {"name": path.name, "bytes": path.stat().st_size, "hash": file_hash(path)}
        for part, path in found.items()
        if path
    }
    for split in ("train", "test"):
        for problem in audit.get(split, {}).get("warnings", []):
            warn(problem)
        for fact in audit.get(split, {}).get("notes", []):
            note(fact)
    write_parquet(table_path(run, "train"), train)
    if test is None:
        remove(table_path(run, "test"))
    else:
        write_parquet(table_path(run, "test"), test)
    write_json(run.clean / "audit.json", audit)
    return _summary(audit, 0 if test is None else len(test))


def canonical(path: Path, run: Run, labelled: bool) -> tuple[pd.DataFrame, dict[str, Any]]:
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
    report : dict
        What was read, dropped, filled and noted.
    """
    config = run.competition.data
    raw, problems = read_table(path, run.competition)
    notes: list[str] = []
    require_columns(raw, list(config.text), path, "data.text")
    report: dict[str, Any] = {"rows_read": len(raw), "dropped": {}, "filled": {}}
    report |= {"notes": notes, "warnings": problems}
    table = pd.DataFrame({"id": _ids(raw, config.id, path, notes)}, dtype=object)
    missing = np.zeros(len(raw), dtype=bool)
    for column in config.text:
        values, _ = text_column(raw[column])
        absent = np.array([value is None or value == "" for value in values], dtype=bool)
        values[absent] = ""
        table[column] = clean_column(values, run.competition.clean)
        missing |= absent
        if absent.any() and (config.missing_text == "fill" or not labelled):
            report["filled"][column] = int(absent.sum())
    keep = np.ones(len(raw), dtype=bool)
    if labelled:
        labels, unlabelled = targets.parse_target(raw, run.competition, path)
        problems += unlabelled
        keep = np.array([label is not None for label in labels])  # pandas makes None a NaN
        table["label"] = labels
        report["dropped"] |= {"no label": int((~keep).sum())}
        if config.missing_text == "drop":
            report["dropped"] |= {"missing text": int((keep & missing).sum())}
            keep &= ~missing
    else:
        _check_id(raw, run, path)
        extra = [str(c) for c in raw.columns if c not in (config.id, *config.text)]
        if extra:
            notes.append(f"{path.name}: columns {', '.join(extra)} are not used")
    repeated = _repeated(table, path, labelled)
    report["dropped"] |= {"same row twice": int((keep & repeated).sum())}
    table = table[keep & ~repeated].reset_index(drop=True)
    require(len(table) > 0, f"{path}: no rows are left after cleaning")
    table["group"] = _groups(table, config.group_columns)
    report["dropped"] = {reason: n for reason, n in report["dropped"].items() if n}
    report["rows_kept"] = len(table)
    order = ["id", *config.text, *(["label"] if labelled else []), "group"]
    return table[order], report


def _check_sample(run: Run, path: Path | None, test: pd.DataFrame, classes: list[str]) -> None:
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


def _sample(table: pd.DataFrame, classes: list[str], wanted: int, seed: int) -> pd.DataFrame:
    """Take about `wanted` rows: whole groups, classes in their shares."""
    parts = max(2, round(len(table) / wanted))
    labels = class_indexes(table["label"], classes)
    groups = pd.factorize(table["group"])[0]
    fold = draw_folds(labels, groups, parts, seed)
    # One part is the table over a whole number; whole parts in turn fill up to the rows wanted.
    sizes = np.cumsum(np.bincount(fold, minlength=parts))
    last = int(np.argmin(np.abs(sizes - wanted)))
    return table[fold <= last].reset_index(drop=True)


def _summary(audit: dict[str, Any], n_test: int) -> str:
    train = audit["train"]
    parts = [f"{train['rows_kept']:,} train and {n_test:,} test rows"]
    parts.append(f"{len(audit['classes'])} classes, {train['groups']:,} groups")
    for key, words in (
        ("exact_duplicates", "exact duplicates"),
        ("conflicting_labels", "texts with conflicting labels"),
    ):
        if train[key]:
            parts.append(f"{train[key]:,} {words}")
    return "; ".join(parts)


def _reads(run: Run) -> list[Path]:
    return [path for paths in candidates(run.competition, run.input).values() for path in paths]


def _writes(run: Run) -> list[Path]:
    split = ["train", "test"] if table_path(run, "test").exists() else ["train"]
    return [*(table_path(run, name) for name in split), run.clean / "audit.json"]


STAGE = Stage(
    name="clean",
    sections=("data", "pair", "clean", "seed"),
    reads=_reads,
    writes=_writes,
    work=clean,
)
