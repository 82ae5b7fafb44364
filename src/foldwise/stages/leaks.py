"""Look for what would make every later score too good, before a model is fitted.

Reads  clean/train.parquet, clean/test.parquet, folds.parquet
Writes leaks.json: twins across folds and files, what random folds would hide, what gives the
       label away, and whether test rows can be told from training rows
"""

from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.config.sections import PairConfig
from foldwise.data.cleaned import class_indexes, class_names, table_path
from foldwise.features import structure
from foldwise.scoring import giveaways, leakcheck
from foldwise.scoring.leaks import Giveaway, Leaks, Shift
from foldwise.stages.stage import Stage


def leaks(run: Run) -> str:
    """Measure and store every check."""
    text, seed = list(run.competition.data.text), run.competition.seed
    classes = class_names(run)
    train = pd.read_parquet(table_path(run, "train"))
    test_path = table_path(run, "test")
    test = pd.read_parquet(test_path) if test_path.exists() else None
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()
    labels = class_indexes(train["label"], classes)
    pair, groups = run.competition.pair, train["group"].to_numpy()
    twins = leakcheck.twins(train, test, folds, text, pair.answers)
    kept = sample_groups(groups, leakcheck.ROWS, seed)
    few = {column: train[column].to_numpy()[kept] for column in text}
    split = leakcheck.split_gap(
        list(few.values()),
        labels[kept],
        groups[kept],
        folds[kept],
        len(classes),
        seed,
    )
    found = Leaks(
        twins=twins,
        split=split,
        giveaways=_giveaways(train, folds, labels, classes, run),
        numbers=leakcheck.single_numbers(_numbers(train, text), labels, classes),
        shift=None if test is None else _shift(train, test, text, seed),
        test_rows=0 if test is None else len(test),
    )
    found.write(run.output / "leaks.json")
    return _summary(found, len(train))


def sample_groups(groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return positions of whole groups, drawn at random, of about `most` rows in all."""
    if len(groups) <= most:
        return np.arange(len(groups))
    codes = pd.factorize(groups)[0]
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    drawn = order[np.cumsum(sizes[order]) <= most]
    return np.flatnonzero(np.isin(codes, drawn if len(drawn) else order[:1]))


def _giveaways(
    train: pd.DataFrame, folds: np.ndarray, labels: np.ndarray, classes: list[str], run: Run
) -> list[Giveaway]:
    """Look for giveaways in whole texts, on as many rows as that takes little time for."""
    seed, groups = run.competition.seed, train["group"].to_numpy()
    texts = {column: train[column].to_numpy() for column in run.competition.data.text}
    length = sum(sum(map(len, values)) for values in texts.values()) / len(train)
    most = min(
        leakcheck.ROWS,
        int(giveaways.CHARACTERS / max(length, 1)),
        giveaways.ROW_CLASSES // len(classes),
    )
    kept = sample_groups(groups, most, seed)
    few = {column: values[kept] for column, values in texts.items()}
    columns = giveaways.columns(few, _described(few, run.competition.pair))
    return giveaways.giveaways(columns, labels[kept], folds[kept], groups[kept], classes, seed)


def _described(texts: dict[str, np.ndarray], pair: PairConfig) -> dict[str, np.ndarray]:
    """Return what the models know of each text beside its words, float32, by name."""
    found = {}
    of = {column: structure.structure_matrix(list(values)) for column, values in texts.items()}
    if pair.enabled:
        of[f"{pair.first} less {pair.second}"] = of[pair.first] - of[pair.second]
    for column, matrix in of.items():
        for name, values in zip(structure.NAMES, matrix.T, strict=True):
            found[f"{name} of {column}"] = values
    return found


def _numbers(train: pd.DataFrame, text: list[str]) -> dict[str, np.ndarray]:
    numbers = {"place in the file": np.arange(len(train), dtype=float)}
    ids = pd.to_numeric(train["id"], errors="coerce").to_numpy(dtype=float)
    if np.isfinite(ids).all() and (ids != numbers["place in the file"]).any():
        numbers["id"] = ids
    for column in text:
        numbers[f"length of {column}"] = train[column].str.len().to_numpy(dtype=float)
    return numbers


def _shift(train: pd.DataFrame, test: pd.DataFrame, text: list[str], seed: int) -> Shift | None:
    parts = [
        part.iloc[sample_groups(part["group"].to_numpy(), leakcheck.ROWS, seed)]
        for part in (train, test)
    ]
    both = pd.concat(parts, ignore_index=True)
    is_test = np.repeat([False, True], [len(part) for part in parts])
    columns = [both[column].to_numpy() for column in text]
    return leakcheck.shift(columns, both["group"].to_numpy(), is_test, seed)


def _summary(found: Leaks, n: int) -> str:
    whole = found.twins[-1]
    n_twins = whole.exact_across_folds + whole.near_across_folds
    said = [f"{n_twins:,} of {n:,} rows have a twin in another fold"]
    if found.split and found.split.low > 0:
        said.append(f"random folds would hide {found.split.gap:.4f} of log loss")
    if found.shift:
        said.append(f"test against train: AUC {found.shift.auc:.3f}")
    return "; ".join(said)


def _reads(run: Run) -> list[Path]:
    return [run.folds, *(table_path(run, split) for split in ("train", "test"))]


STAGE = Stage(
    name="leaks",
    sections=("data", "pair", "seed"),
    reads=_reads,
    writes=lambda run: [run.output / "leaks.json"],
    work=leaks,
)
