"""A test file as large as the hidden one, made from the training rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import Competition
from foldwise.data.celltext import as_text, text_column
from foldwise.data.formats import write_table
from foldwise.data.raw import locate, read_table, require_columns
from foldwise.errors import require

_EMPTY = 0.01  # share of the cells left empty
_LONG = 0.002  # share of the cells blown up
_LONG_CHARS = 100_000


def hidden_test(
    competition: Competition, folder: Path, n_rows: int, columns: list[str], target: Path
) -> Path:
    """Write a hidden-size test file and its sample submission.

    The training rows are drawn in random order, and again where they do not suffice; their
    ids are new. Some cells are empty and some very long, at least one of each.

    Parameters
    ----------
    competition : Competition
        The configuration.
    folder : Path
        The competition's raw files.
    n_rows : int
        Rows of the test file.
    columns : list of str
        The submission's columns, the id first.
    target : Path
        Folder to write to.

    Returns
    -------
    Path
        The test file.
    """
    train = locate(competition, folder)["train"]
    table, _ = read_table(train, competition)
    config = competition.data
    require_columns(table, list(config.text), train, "data.text")
    generator = np.random.default_rng(competition.seed)
    draws = -(-n_rows // len(table))
    order = np.concatenate([generator.permutation(len(table)) for _ in range(draws)])[:n_rows]
    test = table[list(config.text)].iloc[order].reset_index(drop=True)
    for name in config.text:
        _disturb(test, name, text_column(table[name])[1], generator)
    known = set(table[config.id].map(as_text)) if config.id in table else set()
    ids = _new_ids(known, n_rows, generator)
    test.insert(0, config.id, ids)
    target.mkdir(parents=True, exist_ok=True)
    path = target / (config.test or f"test{train.suffix}")
    require(not config.columns, f"{path.name}: a test file without a header cannot be rehearsed")
    write_table(test, path)
    sample = pd.DataFrame({columns[0]: ids} | dict.fromkeys(columns[1:], 0))
    write_table(sample, target / "sample_submission.csv")
    return path


def _disturb(test: pd.DataFrame, name: str, turns: bool, generator: np.random.Generator) -> None:
    n = len(test)
    cells = generator.permutation(n)
    n_empty, n_long = (max(1, round(n * share)) for share in (_EMPTY, _LONG))
    values = np.array(test[name], dtype=object)
    values[cells[:n_empty]] = "[null]" if turns else ""
    for row in cells[n_empty : n_empty + n_long]:
        text = as_text(values[row]) or "long"
        long = (text * (_LONG_CHARS // max(1, len(text)) + 1))[:_LONG_CHARS]
        values[row] = json.dumps([long]) if turns else long
    test[name] = values


def _new_ids(known: set[str | None], n: int, generator: np.random.Generator) -> list[str]:
    """Return ids that no training row has: numbers, as most competitions have them."""
    drawn = generator.choice(10**10, size=2 * n + len(known), replace=False)
    return [text for text in map(str, drawn) if text not in known][:n]
