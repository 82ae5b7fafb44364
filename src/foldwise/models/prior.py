"""The class frequencies of the training fold: the floor that every table starts with."""

from pathlib import Path
from typing import Self

import numpy as np

from foldwise.features.rows import Rows
from foldwise.files import read_json, write_json
from foldwise.models.model import Info, Task


class Prior:
    """Predict the class frequencies of the training rows for every row, whatever the weights."""

    uses_validation = False

    def __init__(self, shares: np.ndarray) -> None:
        self.shares = shares
        self.info: Info = {"device": "cpu"}

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Count the classes, one added to each so that none has probability zero."""
        counts = np.bincount(train.labels, minlength=len(task.classes))
        return cls((counts + 1) / (counts + 1).sum())

    def predict(self, rows: Rows) -> np.ndarray:
        """Return the same probabilities for every row, shape (n, C)."""
        return np.tile(self.shares, (len(rows), 1))

    def save(self, folder: Path) -> None:
        """Write the shares."""
        write_json(folder / "prior.json", self.shares.tolist())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the shares."""
        return cls(np.array(read_json(folder / "prior.json")))
