"""What the notebook on Kaggle calls: improve `submission.csv` for as long as the time lasts.

Reads  the bundle and the test file, both found by what is in them
Writes submission.csv, whole at any moment; foldwise-run.json, what happened
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd

from foldwise.config.record import Record
from foldwise.data.celltext import as_text
from foldwise.data.raw import read_table
from foldwise.data.submission import build
from foldwise.errors import require
from foldwise.files import PACKAGE, write_csv
from foldwise.kaggle.contents import RECORD, Bundle, below
from foldwise.kaggle.partial import Predictions
from foldwise.kaggle.process import Process
from foldwise.terminal import say, warn

_RESERVE = 0.05  # share of the time limit that is never planned for
_WRITE_SECONDS = 20.0  # a submission of 25,000 rows takes a fraction of a second
_POLL_SECONDS = 0.25


class FoldsDone(Record):
    """How much of a model the rows got."""

    mean_folds: float  # a row
    of: int


class NotebookRun(Record):
    """What happened in the notebook: `foldwise-run.json`."""

    rows: int
    rows_with_prior_only: int
    seconds: float
    workers: int
    models: dict[str, FoldsDone]
    dropped: list[str]  # by the time guard
    left_out: dict[str, str]  # why, by unit
    code: str  # folder of the package that ran


def improve(root: Path, working: Path, test: Path, started: float, limit: float) -> NotebookRun:
    """Predict the test file with the bundled models and write the submission as it gets better.

    Parameters
    ----------
    root : Path
        Folder with the inputs, `/kaggle/input` on Kaggle.
    working : Path
        Folder for `submission.csv`.
    test : Path
        The test file.
    started : float
        When the notebook began, in seconds since the epoch.
    limit : float
        Seconds that it may take in all.
    """
    bundle = find_bundle(root)
    ids = test_ids(test, bundle)
    predictions = Predictions(list(bundle.models), len(ids), bundle.prior)
    write_submission(working, ids, predictions, bundle)
    gpus = gpu_count() if not all(m.needs_terms for m in bundle.models.values()) else 0
    say(
        f"{len(ids):,} rows of {test}; {', '.join(bundle.models)} of {bundle.folder}; "
        + (f"{gpus} GPUs" if gpus else "no GPU: everything runs on the CPU")
    )
    deadline = started + limit * (1 - _RESERVE)
    with tempfile.TemporaryDirectory(prefix="foldwise-") as scratch:
        workers = [
            Process(Path(scratch), bundle, test, shard, max(1, gpus), deadline, gpus > 0)
            for shard in range(max(1, gpus))
        ]
        try:
            _gather(workers, predictions, working, ids, bundle, deadline)
        finally:
            for worker in workers:
                worker.stop()
        record = _summary(workers, predictions, bundle, time.time() - started)
    record.write(working / "foldwise-run.json")
    _say_summary(record)
    return record


def find_bundle(root: Path) -> Bundle:
    """Find the weights under `root` by their `bundle.json`, whatever their folder is called."""
    found = [path.parent for path in below(root, RECORD)]
    require(bool(found), f"{root}: no {RECORD} below it; add the weights data set to the notebook")
    if len(found) > 1:
        warn(f"{len(found)} bundles below {root}; {found[0]} is used")
    return Bundle.read(found[0])


def test_ids(test: Path, bundle: Bundle) -> list[str]:
    """Return the ids of the test file as text, in its order."""
    config = bundle.competition.data
    table, notes = read_table(test, bundle.competition)
    for line in notes:
        warn(line)
    extra = [str(name) for name in table.columns if name not in (config.id, *config.text)]
    if extra:
        warn(f"{test.name}: columns {', '.join(extra)} are not used")
    if config.id not in table:
        return [str(i) for i in range(len(table))]
    return [as_text(value) or "" for value in table[config.id]]


def write_submission(
    working: Path, ids: list[str], predictions: Predictions, bundle: Bundle
) -> None:
    """Write `submission.csv` from what is there so far, atomically."""
    numbers = [str(i) for i in range(len(ids))]
    table = pd.DataFrame(predictions.blend(bundle.pool), columns=bundle.classes)
    table.insert(0, "id", numbers)
    sample = pd.DataFrame({bundle.columns[0]: numbers})
    for name, value in bundle.prior_row.items():
        sample[name] = str(value)
    submission, _ = build(table, bundle.classes, bundle.competition, sample)
    submission[bundle.columns[0]] = ids
    write_csv(working / "submission.csv", submission)


def gpu_count() -> int:
    """Return how many NVIDIA GPUs this process may use, without starting CUDA in it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except OSError:
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _gather(
    workers: list[Process],
    predictions: Predictions,
    working: Path,
    ids: list[str],
    bundle: Bundle,
    deadline: float,
) -> None:
    written, fresh, running = time.monotonic(), False, True
    while running:
        ended = [worker.finished(deadline) for worker in workers]  # each may start again
        running = not all(ended)
        late = time.time() > deadline
        for worker in workers:
            worker.show_log()
            for model, rows, probabilities in worker.news():
                predictions.add(model, rows, probabilities)
                fresh = True
        if fresh and (not running or late or time.monotonic() - written > _WRITE_SECONDS):
            write_submission(working, ids, predictions, bundle)
            written, fresh = time.monotonic(), False
        if late:
            if running:
                say("time guard: the time is up; the submission stays as it is")
            return
        time.sleep(_POLL_SECONDS)


def _summary(
    workers: list[Process], predictions: Predictions, bundle: Bundle, seconds: float
) -> NotebookRun:
    records = [worker.record() for worker in workers]
    dropped = {name for record in records for name in record.dropped}
    folds = {}
    for i, model in enumerate(predictions.models):
        total = len(bundle.models[model].folds)
        mean = float(predictions.folds[i].mean())
        folds[model] = FoldsDone(mean_folds=mean, of=total)
        if mean < total and any(worker.stopped for worker in workers):
            dropped.add(f"what was left of {model}")
    return NotebookRun(
        rows=predictions.folds.shape[1],
        rows_with_prior_only=int((predictions.folds.sum(axis=0) == 0).sum()),
        seconds=round(seconds, 1),
        workers=len(workers),
        models=folds,
        dropped=sorted(dropped),
        left_out={k: v for record in records for k, v in record.left_out.items()},
        code=str(PACKAGE),
    )


def _say_summary(record: NotebookRun) -> None:
    say(
        f"submission.csv: {record.rows:,} rows in {record.seconds:,.0f} s, "
        f"{record.rows_with_prior_only:,} with the prior alone"
    )
    for model, folds in record.models.items():
        say(f"  {model}: {folds.mean_folds:.2f} of {folds.of} folds a row on average")
    if record.dropped:
        say(f"  dropped by the time guard: {', '.join(record.dropped)}")
    for unit, reason in record.left_out.items():
        say(f"  left out, the weights of the others scaled: {unit}: {reason}")
