"""Cells of a raw table as text: what stands there, nothing taken for missing or for a number."""

import json
from typing import Any

import numpy as np
import pandas as pd


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
        return objects(texts), False
    parsed: list[tuple[str | None, ...] | None] = []
    for text in texts:
        turns = _parse_turns(text) if text and text.strip() else None
        if text and text.strip() and turns is None:
            return objects(texts), False
        parsed.append(turns)
    return objects(parsed), True


def is_writable(text: str) -> bool:
    """Return whether a text can be stored: a lone half of a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def objects(values: list[Any]) -> np.ndarray:
    """Return a list as an array of object, shape (n,), also where its items have a length."""
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
