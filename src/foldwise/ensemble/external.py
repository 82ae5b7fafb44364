"""Out-of-fold predictions that were made elsewhere, brought into the layout of an output folder.

Reads  probability files (.npy, .csv, .parquet) and a labels file, each checked row by row
Writes clean/, folds.parquet and models/<name>/ as the pipeline's own stages do, so that the
       ensemble and report stages run on them; a model's name is its file's
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config.competition import COMPETITIONS, Competition, load_competition
from foldwise.config.run import Run
from foldwise.data.splits import draw_folds
from foldwise.ensemble.oof_files import (
    Labels,
    check_rows,
    read_array,
    read_labels,
    read_rows,
    split_name,
)
from foldwise.errors import UserError, require
from foldwise.files import read_json, remove, write_json, write_parquet
from foldwise.meter import Meter
from foldwise.scoring.metrics import scores

_NO_GROUPS = (
    "The labels file has no column 'group': every row counts as independent of the others. If rows "
    "share a text or a user, the intervals here are too narrow."
)
_NO_FOLDS = (
    "No file says which fold each row was in: whether these predictions are out of fold cannot be "
    "checked here. The folds shown were drawn for the ensemble's nested score."
)


@dataclass(frozen=True)
class Foreign:
    """Predictions of several models on the same rows, in the order of the labels file.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
    labels : ndarray of int64, shape (n,)
        Class indexes.
    classes : list of str
        In the order of the probability columns.
    groups : ndarray of str, shape (n,), or None
        None where the labels file does not say.
    folds : ndarray of int8, shape (n,), or None
        None where no file says.
    probabilities : dict of str to ndarray of float64, shape (n, C)
        By model name; rows sum to 1.
    sources : dict of str to Path
        The file of each model.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: list[str]
    groups: np.ndarray | None
    folds: np.ndarray | None
    probabilities: dict[str, np.ndarray]
    sources: dict[str, Path]


def read(oof: Sequence[str], labels: Path) -> Foreign:
    """Read and check probability files against their labels.

    Parameters
    ----------
    oof : sequence of str
        Paths, or `name=path`. A .npy file is in the row order of the labels file; a .csv or
        .parquet file with a column `id` is matched by it. One column (or a vector) is the
        probability of the second of two classes.
    labels : Path
        .csv, .parquet or .npy: one column of labels, or one-hot columns; a table may also hold
        `id`, `group` and `fold`.

    Raises
    ------
    UserError
        One line that names the file and the row or column at fault.
    """
    require(bool(oof), "--oof: name at least one file of probabilities")
    sources: dict[str, Path] = {}
    for item in oof:
        name, path = split_name(item)
        require(
            name not in sources,
            f"--oof: {path} and {sources.get(name)} are both called {name!r}; write name=path",
        )
        sources[name] = path
    truth = read_labels(labels)
    arrays = {name: read_array(path, truth) for name, path in sources.items()}
    codes, classes = truth.encode([array.columns for array in arrays.values()], labels)
    probabilities = {}
    for name, array in arrays.items():
        values = array.in_order(classes, truth.named, sources[name])
        probabilities[name] = check_rows(values, sources[name])
    folds = _folds(truth, {n: a.folds for n, a in arrays.items()}, sources, labels)
    return Foreign(truth.ids, codes, classes, truth.groups, folds, probabilities, sources)


def write(foreign: Foreign, output: Path, competition: Competition) -> Run:
    """Write the canonical layout, and return the run that the stages take.

    Parameters
    ----------
    foreign : Foreign
    output : Path
        Folder to write; one that holds a run of the pipeline is refused.
    competition : Competition
        Seed, number of folds to draw where no file names them, and options of the stages.
    """
    audit = read_json(output / "clean" / "audit.json")
    require(
        audit is None or "foreign" in audit,
        f"{output}: holds a run of the pipeline, which this would overwrite; "
        "choose another --output",
    )
    groups = foreign.ids if foreign.groups is None else foreign.groups
    folds = foreign.folds
    if folds is None:
        codes = pd.factorize(groups)[0]
        folds = draw_folds(foreign.labels, codes, competition.folds.n, competition.seed)
    n_folds = int(folds.max()) + 1
    competition = competition.model_copy(
        update={
            "name": competition.name if competition.name != "default" else "foreign",
            "title": competition.title or "Predictions made elsewhere",
            "models": ("prior", *foreign.probabilities),
            "folds": competition.folds.model_copy(update={"n": n_folds}),
        }
    )
    run = Run(competition, input=output, output=output)
    table = pd.DataFrame({"id": foreign.ids, "group": groups})
    train = table.assign(label=np.array(foreign.classes, dtype=object)[foreign.labels])
    write_parquet(run.clean / "train.parquet", train[["id", "label", "group"]])
    write_parquet(run.folds, table.assign(fold=folds.astype(np.int8)))
    files = {name: str(path) for name, path in foreign.sources.items()}
    record = {"classes": foreign.classes, "train": _audit(foreign, groups), "foreign": files}
    write_json(run.clean / "audit.json", record)
    with Meter() as meter:
        prior = _prior(foreign.labels, folds, len(foreign.classes))
    cost = {"train_seconds": meter.seconds, "predict_seconds": 0.0, "device": "cpu"}
    _store(run, foreign, "prior", prior, folds, cost | {"peak_memory_mb": meter.peak_memory_mb})
    unknown = dict.fromkeys(("train_seconds", "predict_seconds", "peak_memory_mb"))
    for name, values in foreign.probabilities.items():
        _store(run, foreign, name, values, folds, unknown | {"device": "elsewhere"})
    return run


def write_test(run: Run, foreign: Foreign, tests: Sequence[Path]) -> None:
    """Store predictions of test rows beside the out-of-fold ones, or clear those of an earlier run.

    Parameters
    ----------
    run : Run
        What `write` returned.
    foreign : Foreign
        The models.
    tests : sequence of Path
        One file a model, in the order of `--oof`; empty if there are none.

    Raises
    ------
    UserError
        A file is missing, or its rows or columns are not those of the others.
    """
    paths = [run.clean / "test.parquet"]
    paths += [run.model(name) / "test.parquet" for name in foreign.probabilities]
    for path in paths:
        remove(path)
    if not tests:
        return
    names = list(foreign.probabilities)
    require(
        len(tests) == len(names),
        f"--test: {len(tests)} files for {len(names)} of --oof; give one a model, in their order",
    )
    rows = read_rows(tests[0])
    tables = {}
    for name, path in zip(names, tests, strict=True):
        values = read_array(path, rows).in_order(foreign.classes, (), path)
        require(
            values.shape[1] == len(foreign.classes),
            f"{path}: {values.shape[1]} columns for {len(foreign.classes)} classes",
        )
        table = pd.DataFrame(check_rows(values, path), columns=foreign.classes)
        table.insert(0, "id", rows.ids)
        tables[name] = table
    write_parquet(run.clean / "test.parquet", pd.DataFrame({"id": rows.ids}))
    for name, table in tables.items():
        write_parquet(run.model(name) / "test.parquet", table)


def base_competition(settings: Sequence[str] = ()) -> Competition:
    """Return the default configuration with `--set` overrides, for predictions without texts."""
    return load_competition(COMPETITIONS / "default.toml", settings)


def _folds(
    truth: Labels,
    of_files: dict[str, np.ndarray | None],
    sources: dict[str, Path],
    labels: Path,
) -> np.ndarray | None:
    """Return the fold of each row as 0 to n - 1, once all files that name it agree."""
    known = {str(labels): truth.folds} | {str(sources[n]): f for n, f in of_files.items()}
    known = {name: folds for name, folds in known.items() if folds is not None}
    if not known:
        return None
    (first, folds), *others = known.items()
    for name, other in others:
        differ = np.flatnonzero(folds != other)
        if len(differ):
            raise UserError(
                f"{name}: row {truth.ids[differ[0]]!r} is in fold {other[differ[0]]}, but in "
                f"{folds[differ[0]]} in {first}: these models were not validated on the same folds"
            )
    codes, values = pd.factorize(folds, sort=True)
    require(
        1 < len(values) <= 100,
        f"{first}: column 'fold' holds {len(values)} values; cross-validation has 2 to 100",
    )
    return codes.astype(np.int8)


def _audit(foreign: Foreign, groups: np.ndarray) -> dict[str, Any]:
    """Return what the clean stage would say of these rows."""
    n, sizes = len(foreign.ids), np.bincount(pd.factorize(groups)[0])
    counts = np.bincount(foreign.labels, minlength=len(foreign.classes)).tolist()
    warnings = []
    if foreign.groups is None:
        warnings.append(_NO_GROUPS)
    if foreign.folds is None:
        warnings.append(_NO_FOLDS)
    return {
        "rows_read": n,
        "rows_kept": n,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "dropped": {},
        "filled": {},
        "lengths": {},
        "class_balance": dict(zip(foreign.classes, counts, strict=True)),
        "notes": [],
        "warnings": warnings,
    }


def _prior(labels: np.ndarray, folds: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the class frequencies of the other folds for each row, shape (n, C)."""
    table = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        counts = np.bincount(labels[folds != fold], minlength=n_classes) + 1
        table[folds == fold] = counts / counts.sum()
    return table


def _store(
    run: Run,
    foreign: Foreign,
    name: str,
    values: np.ndarray,
    folds: np.ndarray,
    cost: dict[str, float | str | None],
) -> None:
    oof = pd.DataFrame(values, columns=foreign.classes)
    oof.insert(0, "id", foreign.ids)
    oof.insert(1, "fold", folds.astype(np.int8))
    write_parquet(run.model(name) / "oof.parquet", oof)
    labels = foreign.labels
    parts = [
        {"fold": int(k), "rows": int((folds == k).sum())}
        | scores(labels[folds == k], values[folds == k])
        for k in np.unique(folds)
    ]
    record = {"model": name, "classes": foreign.classes, "overall": scores(labels, values)}
    record |= {**cost, "predict_rows": len(labels), "notes": [], "folds": parts}
    write_json(run.model(name) / "metrics.json", record)
