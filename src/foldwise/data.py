"""Raw files to tables of text, exactly as written, or one clear line about what is wrong."""

import codecs
import csv
import difflib
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from foldwise.config import Competition
from foldwise.errors import UserError, require

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_MOST_COLUMNS = 10_000  # of a jsonl file: keys that differ from line to line are no table


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
    require(not folder.is_file(), f"{folder}: is a file; --input takes the folder it lies in")
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
            packed = [found for path in paths for found in _packed(path)]
            require(not packed, f"{folder}: {', '.join(packed)} is compressed: unpack it there")
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
        text, notes = decode(path, competition.data.encoding)
        table = _read_jsonl(path, text)
    elif suffix in (".csv", ".tsv", ".txt"):
        text, notes = decode(path, competition.data.encoding)
        if "\x00" in text:
            notes.append(f"{path.name}: {text.count(chr(0))} null bytes removed")
            text = text.replace("\x00", "")
        names = list(competition.data.columns)
        table, blank = read_delimited(path, text, "," if suffix == ".csv" else "\t", names)
        notes += blank
    else:
        packed = suffix in (".gz", ".zip")
        raise UserError(
            f"{path}: {'is compressed: unpack it first' if packed else 'unknown file type'}; "
            f"use one of {', '.join(SUFFIXES)}"
        )
    require(len(table) > 0, f"{path}: no rows below the header")
    table, stray = _drop_stray(table)
    if stray:
        notes.append(f"{path.name}: {stray}")
    return table.astype(object), notes


def _packed(path: Path) -> list[str]:
    return [path.name + end for end in (".gz", ".zip") if Path(f"{path}{end}").is_file()]


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
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple | np.ndarray | dict):
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        return json.dumps(plain, ensure_ascii=False, default=str)
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


def decode(path: Path, encoding: str) -> tuple[str, list[str]]:
    """Return a file's text and what was assumed: utf-8, or utf-16 with its mark, or latin-1."""
    raw = path.read_bytes()
    require(
        not raw.startswith((b"\x1f\x8b", b"PK\x03\x04")),
        f"{path}: is compressed (gzip or zip), whatever its name says: unpack it first",
    )
    if encoding:
        try:
            return raw.decode(encoding), []
        except (ValueError, LookupError) as error:
            raise UserError(f"{path}: data.encoding = {encoding!r}: {_one_line(error)}") from None
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return raw.decode("utf-16"), []
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: starts like utf-16, but: {_one_line(error)}") from None
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        note = f"{path.name}: not utf-8 (line {line}): read as latin-1; set data.encoding if wrong"
        return raw.decode("latin-1"), [note]


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        # As Python values and not through pandas, which makes floats of integers that have a
        # gap (ids above 2^53 would change) and hides a column that was an index.
        table = pq.ParquetFile(path).read()
        values = [_objects(column.to_pylist()) for column in table.columns]
    except Exception as error:  # pyarrow raises several kinds for a file that is no parquet
        raise UserError(f"{path}: not a readable parquet file: {_one_line(error)}") from None
    _check_names(path, table.column_names, "the file")
    columns = dict(zip(table.column_names, values, strict=True))
    kept = {k: v for k, v in columns.items() if not k.startswith("__index_level_")}
    return pd.DataFrame(kept, dtype=object)


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
    require(bool(columns), f"{path}: its objects have no keys")
    require(
        len(columns) <= _MOST_COLUMNS,
        f"{path}: {len(columns):,} different keys in {len(records):,} lines: the keys must be "
        "column names",
    )
    _check_names(path, columns, "the file")
    values = {key: _objects([record.get(key) for record in records]) for key in columns}
    return pd.DataFrame(values, dtype=object)


def read_delimited(
    path: Path, text: str, separator: str, names: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read the text of a csv or tsv: every cell as it stands there.

    Parameters
    ----------
    path : Path
        Where it comes from, for the messages.
    text : str
        The decoded file.
    separator : str
        What stands between two cells.
    names : list of str
        Column names of a file that has no header, else empty.

    Returns
    -------
    table : DataFrame of str
        A column without a name is named by its place, an int.
    notes : list of str

    Raises
    ------
    UserError
        The line of the first row that is broken, too long or too short.
    """
    # Quotes in a headerless tsv are text: such files come from tools that never quote.
    literal = separator == "\t" and bool(names)
    csv.field_size_limit(sys.maxsize)
    # newline="" leaves line ends inside quotes as they are; Python's reader and not that of
    # pandas, which fills up short rows and cuts long ones without a word.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if literal else csv.QUOTE_MINIMAL,
        strict=not literal,
    )
    rows: list[list[str]] = []
    header: list[str] = []
    blank, start = 0, 1
    try:
        for row in reader:
            if not row:
                blank += bool(header)
            elif not header:
                header = names or row
                _check_header(path, header, row, names)
                if names:
                    rows.append(row)
            else:
                if len(row) != len(header):
                    _check_width(path, row, header, separator, start)
                    row += [""] * (len(header) - len(row))
                rows.append(row)
            start = reader.line_num + 1
    except csv.Error as problem:
        raise UserError(
            f"{path}: malformed row at line {start}: {problem}; double the quotes inside a "
            "quoted field"
        ) from None
    require(bool(header), f"{path}: the file has no columns")
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    # Columns without a name are told apart by their place until they are dropped.
    keys = [name if name.strip() else j for j, name in enumerate(header)]
    values = {key: _objects(list(cells)) for key, cells in zip(keys, columns, strict=True)}
    # In a file of one column a blank line could be an empty cell: say that it was not read so.
    note = f"{path.name}: {blank} blank lines skipped"
    return pd.DataFrame(values, dtype=object), [note] if blank and len(header) == 1 else []


def _check_header(path: Path, header: list[str], row: list[str], names: list[str]) -> None:
    if names:
        require(
            len(names) == len(row),
            f"{path}: data.columns names {len(names)} columns, the file has {len(row)}",
        )
    _check_names(path, header, "data.columns" if names else "the header")


def _check_names(path: Path, names: list[str], where: str) -> None:
    """Raise if a column name occurs twice or cannot be written."""
    for name, count in Counter(name for name in names if name.strip()).items():
        require(count == 1, f"{path}: {where} names column {name!r} {count} times")
        require(is_writable(name), f"{path}: {where} names a column {name!r}: not valid Unicode")


def _check_width(path: Path, row: list[str], header: list[str], separator: str, line: int) -> None:
    """Raise unless all that a short row lacks are columns without a name."""
    if len(row) < len(header) and not any(name.strip() for name in header[len(row) :]):
        return
    raise UserError(
        f"{path}: malformed row at line {line}: {len(row)} fields where the header has "
        f"{len(header)}; quote fields that hold {separator!r}, a quote or a line break"
    )


def is_writable(text: str) -> bool:
    """Return whether a text can be stored: a lone half of a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _drop_stray(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    stray = [name for name in table.columns if not isinstance(name, str) or _is_unnamed(name)]
    if not stray:
        return table, ""
    filled = table[stray].map(lambda value: bool(as_text(value))).any(axis=1).sum()
    note = f"{len(stray)} columns without a name dropped"
    if filled:
        note += f"; {filled} rows had text there (a separator inside unquoted text?)"
    return table.drop(columns=stray), note


def _is_unnamed(name: str) -> bool:
    # What pandas calls the columns without a name, where it wrote the file.
    return not name.strip() or name.startswith("Unnamed:")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
