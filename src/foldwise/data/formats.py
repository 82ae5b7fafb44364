"""The file formats: parquet, jsonl and delimited text, read cell by cell as written, and written.

A file's ending says what it is.
"""

import codecs
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from foldwise.data.celltext import is_writable, objects
from foldwise.errors import UserError, one_line, require
from foldwise.files import atomic

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")  # with their other names:
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_MOST_COLUMNS = 10_000  # of a jsonl file: keys that differ from line to line are no table


def read_file(
    path: Path, encoding: str = "", names: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table as the ending of the file's name says.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str
        Of a text file; found out if empty.
    names : sequence of str
        Column names of a delimited file that has no header, else empty.

    Returns
    -------
    table : DataFrame of object
        Delimited text: every cell as the text that stands there, nothing taken for missing or
        for a number; a column without a name is named by its place, an int. jsonl and parquet:
        values as stored.
    notes : list of str
        What was assumed or repaired.

    Raises
    ------
    UserError
        One line with the file, and the line of the row at fault.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return read_parquet(path), []
    if suffix in _JSON_LINES:
        text, notes = decode(path, encoding)
        return read_jsonl(path, text), notes
    _check_suffix(suffix, str(path))
    text, notes = decode(path, encoding)
    if "\x00" in text:
        notes.append(f"{path.name}: {text.count(chr(0))} null bytes removed")
        text = text.replace("\x00", "")
    table, blank = read_delimited(path, text, SEPARATORS[suffix], list(names))
    return table, notes + blank


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
            raise UserError(f"{path}: data.encoding = {encoding!r}: {one_line(error)}") from None
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return raw.decode("utf-16"), []
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: starts like utf-16, but: {one_line(error)}") from None
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        note = f"{path.name}: not utf-8 (line {line}): read as latin-1; set data.encoding if wrong"
        return raw.decode("latin-1"), [note]


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table of a parquet file, values as stored, without the index of pandas."""
    try:
        # As Python values and not through pandas, which makes floats of integers that have a
        # gap (ids above 2^53 would change) and hides a column that was an index.
        table = pq.ParquetFile(path).read()
        values = [objects(column.to_pylist()) for column in table.columns]
    except Exception as error:  # pyarrow raises several kinds for a file that is no parquet
        raise UserError(f"{path}: not a readable parquet file: {one_line(error)}") from None
    _check_names(path, table.column_names, "the file")
    columns = dict(zip(table.column_names, values, strict=True))
    kept = {k: v for k, v in columns.items() if not k.startswith("__index_level_")}
    return pd.DataFrame(kept, dtype=object)


def read_jsonl(path: Path, text: str) -> pd.DataFrame:
    """Return the table of one JSON object a line; a key that a line lacks is None there."""
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON: {one_line(error)}") from None
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
    values = {key: objects([record.get(key) for record in records]) for key in columns}
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
    values = {key: objects(list(cells)) for key, cells in zip(keys, columns, strict=True)}
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


def check_out(path: Path) -> None:
    """Raise a `UserError` unless predictions can be written under that name."""
    known = path.suffix.lower() in SUFFIXES
    require(known, f"--out {path}: unknown file type; use one of {', '.join(SUFFIXES)}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as the ending of the file's name says, atomically.

    Raises
    ------
    UserError
        No format has that ending; the disk does not take the file.
    """
    suffix = path.suffix.lower()
    if suffix not in (".parquet", *_JSON_LINES):
        _check_suffix(suffix, path.name)
    with atomic(path) as partial:
        if suffix == ".parquet":
            table.to_parquet(partial, index=False)
        elif suffix in _JSON_LINES:
            table.to_json(
                partial, orient="records", lines=True, force_ascii=False, double_precision=15
            )
        else:
            table.to_csv(partial, index=False, sep=SEPARATORS[suffix], lineterminator="\n")


def _check_suffix(suffix: str, name: str) -> None:
    """Raise a `UserError` unless a file with that ending is delimited text."""
    packed = suffix in (".gz", ".zip")
    require(
        suffix in SEPARATORS,
        f"{name}: {'is compressed: unpack it first' if packed else 'unknown file type'}; "
        f"use one of {', '.join(SUFFIXES)}",
    )
