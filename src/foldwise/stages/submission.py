"""Write the submission file and check it against the sample submission.

Reads  ensemble/test.parquet, the competition's sample submission (if it has one)
Writes submission.csv, exactly the sample's columns, ids and order
"""

from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from foldwise.config.run import Run
from foldwise.data.cleaned import class_names
from foldwise.data.raw import candidates, locate
from foldwise.data.submission import build, check, read_submission
from foldwise.files import atomic, remove
from foldwise.scoring.metrics import check_probabilities
from foldwise.stages.stage import Stage
from foldwise.terminal import warn


def submission(run: Run) -> str:
    """Write `submission.csv`, or say that there are no test rows."""
    path = run.output / "submission.csv"
    source = run.ensemble / "test.parquet"
    if not source.exists():
        remove(path)
        return "no test file, so no submission"
    classes = class_names(run)
    test = pd.read_parquet(source)
    check_probabilities(test[classes].to_numpy(), "test predictions")
    sample_path = _sample(run)
    sample = read_submission(sample_path) if sample_path else None
    table, notes = build(test, classes, run.competition, sample)
    for note in notes:
        warn(note)
    with atomic(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
        written = read_submission(partial)
        follow = sample if sample is not None else written
        labels = _labels(table, classes)
        check(written, follow, str(path), run.competition.data.id, labels)
    against = f"as {sample_path.name}" if sample_path else "no sample submission to follow"
    return f"submission.csv, {len(table):,} rows, columns {', '.join(table.columns)}; {against}"


def _labels(table: pd.DataFrame, classes: list[str]) -> list[str]:
    """Return what a column of labels may hold; nothing where it holds probabilities."""
    if any(is_numeric_dtype(table[name]) for name in table):
        return []
    return [*classes, *map(str.capitalize, classes)]


def _sample(run: Run) -> Path | None:
    return locate(run.competition, run.input)["sample_submission"]


def _reads(run: Run) -> list[Path]:
    paths = candidates(run.competition, run.input)["sample_submission"]
    return [run.ensemble / "test.parquet", *paths]


def _writes(run: Run) -> list[Path]:
    has_test = (run.ensemble / "test.parquet").exists()
    return [run.output / "submission.csv"] if has_test else []


STAGE = Stage(
    name="submission",
    sections=("submission", "metric", "data"),
    reads=_reads,
    writes=_writes,
    work=submission,
)
