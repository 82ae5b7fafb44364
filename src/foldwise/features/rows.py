"""Rows as a model sees them: ids, cleaned texts, groups, features and, in training, labels."""

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from foldwise.config.record import Record
from foldwise.config.run import Run
from foldwise.data.cleaned import class_indexes, table_path

if TYPE_CHECKING:
    from foldwise.features.table import FeatureTable

# Loaded by name: how terms are counted is no part of a model that counts none. The key of a fold
# hashes it for the models that use features (`foldwise.crossval.stored`).
TABLE_MODULE = "foldwise.features.table"


class FeatureRecord(Record):
    """What was counted for an output folder: `features/features.json`."""

    terms: dict[str, int]  # distinct ones, by kind
    texts: int  # distinct training texts
    rows: int
    notes: list[str]
    content: dict[str, str]  # hash of each array file


@dataclass(frozen=True)
class Rows:
    """Some rows of a competition.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
        Row ids, exactly as in the raw file.
    texts : dict of str to ndarray of object, shape (n,)
        Cleaned text of each text column; turns are joined by `foldwise.data.cleaning.TURN`.
    groups : ndarray of str, shape (n,)
        Rows of one group never stand on both sides of a split.
    labels : ndarray of int64, shape (n,), or None
        Class index; None for rows that are to be predicted.
    features : FeatureTable or None
        Term counts and dense features, for the models that use them.
    """

    ids: np.ndarray
    texts: dict[str, np.ndarray]
    groups: np.ndarray
    labels: np.ndarray | None = None
    features: "FeatureTable | None" = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: np.ndarray) -> "Rows":
        """Return the rows at the integer positions `index`, in that order."""
        return Rows(
            ids=self.ids[index],
            texts={name: values[index] for name, values in self.texts.items()},
            groups=self.groups[index],
            labels=None if self.labels is None else self.labels[index],
            features=None if self.features is None else self.features.take(index),
        )

    def without_labels(self) -> "Rows":
        """Return the same rows with nothing that tells their class."""
        return replace(self, labels=None)


def from_table(table: pd.DataFrame, text: tuple[str, ...], classes: list[str]) -> Rows:
    """Make `Rows` from a canonical table (`id`, text columns, `group` and maybe `label`)."""
    labels = class_indexes(table["label"], classes) if "label" in table else None
    return Rows(
        ids=table["id"].to_numpy(dtype=object),
        texts={name: table[name].to_numpy(dtype=object) for name in text},
        groups=table["group"].to_numpy(dtype=object),
        labels=labels,
    )


def load(run: Run, split: str, classes: list[str], features: bool = False) -> Rows:
    """Read the canonical rows of `split` ("train" or "test") and, if asked, their features."""
    table = pd.read_parquet(table_path(run, split))
    rows = from_table(table, run.competition.data.text, classes)
    if features:
        table_class = importlib.import_module(TABLE_MODULE).FeatureTable
        rows = replace(rows, features=table_class.load(run.features / split))
    return rows
