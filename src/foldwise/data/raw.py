"""Raw files to tables of text, exactly as written, or one clear line about what is wrong."""

from pathlib import Path

import pandas as pd

from foldwise.config.competition import Competition
from foldwise.data.celltext import as_text
from foldwise.data.formats import SUFFIXES, read_file
from foldwise.errors import UserError, nearest, require


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
    table, notes = read_file(path, competition.data.encoding, competition.data.columns)
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
            raise UserError(
                f"{path}: no column {column!r} (set by {key}); the file has {there}"
                + nearest(column, there)
            )


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
