"""Out-of-fold predictions that were made elsewhere, in the layout of an output folder.

Writes clean/, folds.parquet and models/<name>/ as the pipeline's own stages do, so that the
       ensemble and report stages run on them; a model's name is its file's
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import COMPETITIONS, Competition, load_competition
from foldwise.config.roster import PRIOR
from foldwise.config.run import Run
from foldwise.crossval.records import FoldRecord, ModelRecord
from foldwise.data.audit_record import Audit, TableAudit
from foldwise.data.splits import draw_folds
from foldwise.ensemble.external import ExternalPredictions
from foldwise.ensemble.oof_files import check_rows, read_array, read_rows
from foldwise.errors import require
from foldwise.files import remove, write_parquet
from foldwise.meter import Meter
from foldwise.scoring.metrics import scores
from foldwise.scoring.scores import Scores

_NO_GROUPS = (
    "The labels file has no column 'group': every row counts as independent of the others. If rows "
    "share a text or a user, the intervals here are too narrow."
)
_NO_FOLDS = (
    "No file says which fold each row was in: whether these predictions are out of fold cannot be "
    "checked here. The folds shown were drawn for the ensemble's nested score."
)


def write_run(predictions: ExternalPredictions, output: Path, competition: Competition) -> Run:
    """Write the canonical layout, and return the run that the stages take.

    Parameters
    ----------
    predictions : ExternalPredictions
    output : Path
        Folder to write; one that holds a run of the pipeline is refused.
    competition : Competition
        Seed, number of folds to draw where no file names them, and options of the stages.
    """
    choose_another = "choose another --output"
    audit = Audit.read_if_there(output / "clean" / "audit.json", choose_another)
    require(
        audit is None or audit.foreign is not None,
        f"{output}: holds a run of the pipeline, which this would overwrite; {choose_another}",
    )
    groups = predictions.ids if predictions.groups is None else predictions.groups
    folds = predictions.folds
    if folds is None:
        # Rows of a single group are drawn singly: nothing better can be done.
        codes = pd.factorize(groups if len(np.unique(groups)) > 1 else predictions.ids)[0]
        folds = draw_folds(predictions.labels, codes, competition.folds.n, competition.seed)
    n_folds = int(folds.max()) + 1
    competition = competition.model_copy(
        update={
            "name": competition.name if competition.name != "default" else "foreign",
            "title": competition.title or "Predictions made elsewhere",
            "models": (PRIOR, *predictions.probabilities),
            "folds": competition.folds.model_copy(update={"n": n_folds}),
        }
    )
    run = Run(competition, input=output, output=output)
    table = pd.DataFrame({"id": predictions.ids, "group": groups})
    train = table.assign(label=np.array(predictions.classes, dtype=object)[predictions.labels])
    write_parquet(run.clean / "train.parquet", train[["id", "label", "group"]])
    write_parquet(run.folds, table.assign(fold=folds.astype(np.int8)))
    files = {name: str(path) for name, path in predictions.sources.items()}
    audit = Audit(classes=predictions.classes, train=_audit(predictions, groups), foreign=files)
    audit.write(run.clean / "audit.json")
    with Meter() as meter:
        prior = _prior(predictions.labels, folds, len(predictions.classes))
    cost = {"train_seconds": meter.seconds, "predict_seconds": 0.0, "device": "cpu"}
    _store(run, predictions, PRIOR, prior, folds, cost | {"peak_memory_mb": meter.peak_memory_mb})
    unknown = dict.fromkeys(("train_seconds", "predict_seconds", "peak_memory_mb"))
    for name, values in predictions.probabilities.items():
        _store(run, predictions, name, values, folds, unknown | {"device": "elsewhere"})
    return run


def write_test(run: Run, predictions: ExternalPredictions, tests: Sequence[Path]) -> None:
    """Store predictions of test rows beside the out-of-fold ones, or clear those of an earlier run.

    Parameters
    ----------
    run : Run
        What `write_run` returned.
    predictions : ExternalPredictions
        The models.
    tests : sequence of Path
        One file a model, in the order of `--oof`; empty if there are none.

    Raises
    ------
    UserError
        A file is missing, or its rows or columns are not those of the others.
    """
    paths = [run.clean / "test.parquet"]
    paths += [run.model(name) / "test.parquet" for name in predictions.probabilities]
    for path in paths:
        remove(path)
    if not tests:
        return
    names = list(predictions.probabilities)
    require(
        len(tests) == len(names),
        f"--test: {len(tests)} files for {len(names)} of --oof; give one a model, in their order",
    )
    rows = read_rows(tests[0])
    tables = {}
    for name, path in zip(names, tests, strict=True):
        values = read_array(path, rows).in_order(predictions.classes, path)
        require(
            values.shape[1] == len(predictions.classes),
            f"{path}: {values.shape[1]} columns for {len(predictions.classes)} classes",
        )
        table = pd.DataFrame(check_rows(values, path), columns=predictions.classes)
        table.insert(0, "id", rows.ids)
        tables[name] = table
    write_parquet(run.clean / "test.parquet", pd.DataFrame({"id": rows.ids}))
    for name, table in tables.items():
        write_parquet(run.model(name) / "test.parquet", table)


def default_competition(settings: Sequence[str] = ()) -> Competition:
    """Return the default configuration with `--set` overrides, for predictions without texts."""
    return load_competition(COMPETITIONS / "default.toml", settings)


def _audit(predictions: ExternalPredictions, groups: np.ndarray) -> TableAudit:
    """Return what the clean stage would say of these rows."""
    n, sizes = len(predictions.ids), np.bincount(pd.factorize(groups)[0])
    counts = np.bincount(predictions.labels, minlength=len(predictions.classes)).tolist()
    warnings = []
    if predictions.groups is None:
        warnings.append(_NO_GROUPS)
    if predictions.folds is None:
        warnings.append(_NO_FOLDS)
    else:
        warnings += _fold_faults(predictions)
    return TableAudit(
        rows_read=n,
        dropped={},
        filled={},
        notes=[],
        warnings=warnings,
        rows_kept=n,
        groups=len(sizes),
        largest_group=int(sizes.max()),
        lengths={},
        class_balance=dict(zip(predictions.classes, counts, strict=True)),
    )


def _fold_faults(predictions: ExternalPredictions) -> list[str]:
    """Return what the column `fold` contradicts: predictions that cannot be out of fold."""
    found, folds = [], predictions.folds
    if predictions.groups is not None:
        sides = pd.Series(folds).groupby(predictions.groups).nunique()
        split = int((sides > 1).sum())
        if split:
            found.append(
                f"{split:,} of {len(sides):,} groups have rows in several folds: each model had "
                "seen rows of the groups it scores."
            )
    labels, n_classes = predictions.labels, len(predictions.classes)
    whole = np.bincount(labels, minlength=n_classes) / len(labels)
    for name, values in predictions.probabilities.items():
        if np.ptp(values, axis=0).max() < 1e-6 and np.abs(values[0] - whole).max() < 1e-6:
            found.append(
                f"{name} holds the class frequencies of all rows, those of the fold that it scores "
                "included."
            )
    return found


def _prior(labels: np.ndarray, folds: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the class frequencies of the other folds for each row, shape (n, C)."""
    table = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        counts = np.bincount(labels[folds != fold], minlength=n_classes) + 1
        table[folds == fold] = counts / counts.sum()
    return table


def _store(
    run: Run,
    predictions: ExternalPredictions,
    name: str,
    values: np.ndarray,
    folds: np.ndarray,
    cost: dict[str, float | str | None],
) -> None:
    oof = pd.DataFrame(values, columns=predictions.classes)
    oof.insert(0, "id", predictions.ids)
    oof.insert(1, "fold", folds.astype(np.int8))
    write_parquet(run.model(name) / "oof.parquet", oof)
    labels = predictions.labels
    parts = []
    for k in np.unique(folds):
        inside = folds == k
        of_fold = scores(labels[inside], values[inside])
        parts.append(FoldRecord(fold=int(k), rows=int(inside.sum()), **of_fold))
    ModelRecord(
        model=name,
        classes=predictions.classes,
        overall=Scores(**scores(labels, values)),
        **cost,
        predict_rows=len(labels),
        notes=[],
        folds=parts,
    ).write(run.model(name) / "metrics.json")
