"""The learning curves of a model's folds as one table."""

from pathlib import Path
from typing import Any

import pandas as pd

from foldwise.files import remove, write_csv


def table(folds: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each point of each fold's curves.

    Parameters
    ----------
    folds : list of dict
        `metrics.json` of each fold: `fold`, `history`, and `histories` where several seeds were
        trained.

    Returns
    -------
    DataFrame
        `fold`, `seed` (0 for the first), then what the points hold: `epoch`, `step`, `split`,
        `loss` and so on; empty where a model has no curve.
    """
    points = []
    for fold in folds:
        curves = fold.get("histories") or [fold.get("history", [])]
        for seed, curve in enumerate(curves):
            points += [{"fold": fold["fold"], "seed": seed, **point} for point in curve]
    return pd.DataFrame(points)


def write(path: Path, folds: list[dict[str, Any]]) -> None:
    """Write the table as csv, atomically; no file where there is no curve."""
    curves = table(folds)
    if not len(curves):
        remove(path)
        return
    write_csv(path, curves)
