"""Raw files to tables of text, exactly as written, or one clear line about what is wrong."""

import csv
import difflib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config import Competition
from foldwise.errors import UserError, require

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def candidates(competition: Competition, folder: Path) -> dict[str, list[Path]]:
    """Return the files that each part of a competition may be read from.

    Returns
    -------
    dict of str to list of Path
        For "train", "test" and "sample_submission": the configured file, or the usual names.
    """
    data = competition.data
    named = {"train": data.train, "test": data.test, "sample_submission": data.sample_submission}
    usual = {
        "train": [f"train{suffix}" for suffix in SUFFIXES],
        "test": [f"test{suffix}" for suffix in SUFFIXES],
        "sample_submission": ["sample_submission.csv"],
    }
    return {
        part: [folder / name for name in ([named[part]] if named[part] else usual[part])]
        for part in usual
    }


def locate(competition: Competition, folder: Path) -> dict[str, Path | None]:
    """Return the file of each part; None for a test or sample file that nobody asked for.

    Raises
    ------
    UserError
        Missing or ambiguous files, with what to put where and how to fetch it.
    """
    found: dict[str, Path | None] = {}
    for part, paths in candidates(competition, folder).items():
        there = [path for path in paths if path.is_file()]
        require(
            len(there) < 2,
            f"{folder}: both {' and '.join(p.name for p in there)} are there; "
            f"set data.{part} to the one to use",
        )
        configured = bool(getattr(competition.data, part))
        if not there and (part == "train" or configured):
            names = paths[0].name if configured else "train.csv (or .tsv, .jsonl, .parquet)"
            extra = "" if configured else ", test.csv and sample_submission.csv"
            fetch = competition.data.download
            raise UserError(
                f"{folder}: no {part} data: put {names}{extra} there"
                + (f"; to get it: {fetch}" if fetch else ", or give --input DIR")
            )
        found[part] = there[0] if there else None
    return found


def read_table(path: Path, competition: Competition) -> tuple[pd.DataFrame, list[str]]:
    """Read a csv, tsv, jsonl or parquet file.

    Parameters
    ----------
    path : Path
        The file; its ending says what it is.
    competition : Competition
        Encoding, and column names of a file without a header.

    Returns
    -------
    table : DataFrame of object
        Text files: every cell as the text that stands there, nothing taken for missing or for
        a number. jsonl and parquet: values as stored.
    notes : list of str
        What was assumed or repaired.
    """
    require(path.stat().st_size > 0, f"{path}: the file is empty")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        table, notes = _read_parquet(path), []
    elif suffix in (".jsonl", ".ndjson"):
        text, notes = _decode(path, competition.data.encoding)
        table = _read_jsonl(path, text)
    elif suffix in (".csv", ".tsv", ".txt"):
        text, notes = _decode(path, competition.data.encoding)
        if "\x00" in text:
            notes.append(f"{path.name}: {text.count(chr(0))} null bytes removed")
            text = text.replace("\x00", "")
        names = list(competition.data.columns)
        table = _read_delimited(path, text, "," if suffix == ".csv" else "\t", names)
    else:
        raise UserError(f"{path}: unknown file type; use one of {', '.join(SUFFIXES)}")
    require(len(table) > 0, f"{path}: no rows below the header")
    table, stray = _drop_stray(table)
    if stray:
        notes.append(f"{path.name}: {stray}")
    return table.astype(object), notes


def require_columns(table: pd.DataFrame, columns: list[str], path: Path, key: str) -> None:
    """Raise a `UserError` that names the missing column, those there and the nearest."""
    for column in columns:
        if column not in table:
            there = [str(name) for name in table.columns]
            near = difflib.get_close_matches(column, there, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"{path}: no column {column!r} (set by {key}); the file has {there}{hint}"
            )


def as_text(value: Any) -> str | None:
    """Return a cell as text, None where nothing is there; 3.0 from a numeric column is "3"."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, list | tuple | np.ndarray | dict):
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        return json.dumps(plain, ensure_ascii=False)
    return str(value)


def text_column(values: pd.Series) -> tuple[np.ndarray, bool]:
    """Return a column's texts and whether its cells are lists of turns.

    A column holds turns if every cell that is not empty is a JSON list of strings and nulls
    (in parquet and jsonl also a list as such). One cell alone never decides.

    Returns
    -------
    values : ndarray of object, shape (n,)
        str, or tuple of str and None for turns, or None for a missing cell.
    turns : bool
    """
    texts = [as_text(value) for value in values]
    filled = [text for text in texts if text and text.strip()]
    if not filled or not all(text.lstrip()[:1] == "[" for text in filled[:1000]):
        return _objects(texts), False
    parsed: list[tuple[str | None, ...] | None] = []
    for text in texts:
        turns = _parse_turns(text) if text and text.strip() else None
        if text and text.strip() and turns is None:
            return _objects(texts), False
        parsed.append(turns)
    return _objects(parsed), True


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _parse_turns(text: str) -> tuple[str | None, ...] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    if not all(turn is None or isinstance(turn, str) for turn in value):
        return None
    return tuple(value)


def _decode(path: Path, encoding: str) -> tuple[str, list[str]]:
    raw = path.read_bytes()
    if encoding:
        try:
            return raw.decode(encoding), []
        except (UnicodeDecodeError, LookupError) as error:
            raise UserError(f"{path}: data.encoding = {encoding!r}: {error}") from None
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        note = f"{path.name}: not utf-8 (line {line}): read as latin-1; set data.encoding if wrong"
        return raw.decode("latin-1"), [note]


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow raises several kinds for a file that is no parquet
        raise UserError(f"{path}: not a readable parquet file: {_one_line(error)}") from None


def _read_jsonl(path: Path, text: str) -> pd.DataFrame:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON: {_one_line(error)}") from None
        require(isinstance(record, dict), f"{path}: line {number} is not a JSON object")
        records.append(record)
    require(bool(records), f"{path}: no rows")
    columns = list(dict.fromkeys(key for record in records for key in record))
    values = {key: _objects([record.get(key) for record in records]) for key in columns}
    return pd.DataFrame(values, dtype=object)


def _read_delimited(path: Path, text: str, separator: str, names: list[str]) -> pd.DataFrame:
    # Quotes in a headerless tsv are text: such files come from tools that never quote.
    literal = separator == "\t" and bool(names)
    try:
        with warnings.catch_warnings():
            # Rows that are all longer than the header lose a column with only a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                header=None if names else 0,
                index_col=False,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
                quoting=csv.QUOTE_NONE if literal else csv.QUOTE_MINIMAL,
            )
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file has no columns") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise UserError(f"{path}: {_where(text, separator, error)}") from None
    if names:
        require(
            len(names) == table.shape[1],
            f"{path}: data.columns names {len(names)} columns, the file has {table.shape[1]}",
        )
        table.columns = names
    return table


def _where(text: str, separator: str, error: Exception) -> str:
    """Say at which line a csv breaks; pandas counts records, a reader counts lines."""
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        width = len(next(reader))
        start = 2
        for row in reader:
            if len(row) > width:
                return (
                    f"malformed row at line {start}: {len(row)} fields where the header has "
                    f"{width}; quote fields that hold {separator!r} or a quote"
                )
            start = reader.line_num + 1
    except csv.Error as problem:
        return f"malformed row at line {start}: {problem}; double the quotes inside a quoted field"
    return f"not a readable table: {_one_line(error)}"


def _drop_stray(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    stray = [name for name in table.columns if str(name).startswith("Unnamed:")]
    if not stray:
        return table, ""
    filled = table[stray].map(lambda value: bool(as_text(value))).any(axis=1).sum()
    note = f"{len(stray)} columns without a name dropped"
    if filled:
        note += f"; {filled} rows had text there (a separator inside unquoted text?)"
    return table.drop(columns=stray), note


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
