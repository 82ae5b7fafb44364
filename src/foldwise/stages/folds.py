"""Draw the folds, once, and keep them.

Reads  clean/train.parquet
Writes folds.parquet

Groups (rows with the same normalised group text) stay whole; classes are spread evenly. The
draw is checked, and every model of the competition uses it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data.cleaned import table_path
from foldwise.data.splits import draw_folds
from foldwise.errors import UserError
from foldwise.files import write_parquet
from foldwise.stages.stage import Stage
from foldwise.terminal import warn


def folds(run: Run) -> str:
    """Draw, check and store the folds."""
    table = pd.read_parquet(table_path(run, "train"), columns=["id", "group", "label"])
    n = run.competition.folds.n
    labels, classes = pd.factorize(table["label"], sort=True)
    groups = pd.factorize(table["group"])[0]
    _check_possible(labels, groups, list(classes), n)
    stratify = labels if run.competition.folds.stratify else np.zeros_like(labels)
    fold = draw_folds(stratify, groups, n, run.competition.seed)
    sizes = np.bincount(fold, minlength=n)
    _check_drawn(fold, labels, groups, list(classes), n)
    if sizes.max() > 1.2 * sizes.min():
        warn(
            f"folds: the largest has {sizes.max()} rows, the smallest {sizes.min()}: "
            "some groups are large; fewer folds would be more even"
        )
    table["fold"] = fold.astype(np.int8)
    write_parquet(run.folds, table[["id", "group", "fold"]])
    return (
        f"{n} folds of {sizes.min():,} to {sizes.max():,} rows, "
        f"{groups.max() + 1:,} groups, none on two sides"
    )


def _check_possible(labels: np.ndarray, groups: np.ndarray, classes: list[str], n: int) -> None:
    n_groups = groups.max() + 1
    if n_groups < n:
        raise UserError(
            f"folds.n = {n} but there are only {n_groups} groups in {len(labels)} training rows; "
            f"set folds.n to at most {n_groups}, or another data.group"
        )
    pairs = pd.DataFrame({"label": labels, "group": groups}).drop_duplicates()
    holders = pairs["label"].value_counts().sort_index()
    rare = int(holders.idxmin())
    if holders[rare] < n:
        count = int((labels == rare).sum())
        fewer = f"set folds.n to at most {holders[rare]}, or " if holders[rare] > 1 else ""
        raise UserError(
            f"folds.n = {n} but class {classes[rare]!r} has {count} rows in {holders[rare]} "
            f"groups: every fold needs one; {fewer}merge or drop the class, or take more rows if "
            "--rows cut it short"
        )


def _check_drawn(
    fold: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: list[str], n: int
) -> None:
    per_group = pd.Series(fold).groupby(groups).nunique()
    if per_group.max() > 1:
        raise RuntimeError("a group stands in two folds")
    table = np.zeros((n, len(classes)), dtype=int)
    np.add.at(table, (fold, labels), 1)
    if (table == 0).any():
        k, label = np.argwhere(table == 0)[0]
        raise UserError(
            f"fold {k} has no row of class {classes[label]!r}: its rows sit in too few groups; "
            f"set folds.n lower than {n}"
        )


def _reads(run: Run) -> list[Path]:
    return [table_path(run, "train")]


STAGE = Stage(
    name="folds",
    sections=("folds", "seed"),
    reads=_reads,
    writes=lambda run: [run.folds],
    work=folds,
)
