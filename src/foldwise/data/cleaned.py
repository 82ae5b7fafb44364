"""The canonical tables that the clean stage wrote, read again."""

from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data.audit_record import Audit


def table_path(run: Run, split: str) -> Path:
    """Path of the canonical table of a split."""
    return run.clean / f"{split}.parquet"


def class_names(run: Run) -> list[str]:
    """Class names in the order of the probability columns, as the clean stage found them."""
    return Audit.read(run.clean / "audit.json").classes


def read_labels(run: Run, classes: list[str]) -> np.ndarray:
    """Return the class index of every training row, int64, shape (n,)."""
    table = pd.read_parquet(table_path(run, "train"), columns=["label"])
    return class_indexes(table["label"], classes)


def class_indexes(labels: pd.Series | np.ndarray, classes: list[str]) -> np.ndarray:
    """Return the place of each label in `classes`, int64, shape (n,)."""
    return np.asarray(pd.Categorical(labels, categories=classes).codes, dtype=np.int64)
