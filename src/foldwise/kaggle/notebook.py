"""What the notebook on Kaggle calls: improve `submission.csv` for as long as the time lasts.

Reads  the bundle and the test file, both found by what is in them
Writes submission.csv, whole at any moment; foldwise-run.json, what happened
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from foldwise import data
from foldwise.errors import require
from foldwise.kaggle.contents import RECORD, Bundle, below
from foldwise.kaggle.partial import Predictions
from foldwise.kaggle.worker import Job, write_job
from foldwise.stage import PACKAGE, atomic, read_json, write_json
from foldwise.submission import build
from foldwise.terminal import say, warn

_RESERVE = 0.05  # share of the time limit that is never planned for
_WRITE_SECONDS = 20.0  # a submission of 25,000 rows takes a fraction of a second
_POLL_SECONDS = 0.25
_DEATHS = 5  # of one worker, each over another fold, before its rows are given up


def improve(root: Path, working: Path, test: Path, started: float, limit: float) -> dict[str, Any]:
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

    Returns
    -------
    dict
        As written to `foldwise-run.json`: rows, seconds, folds finished, dropped and left out.
    """
    bundle = find_bundle(root)
    ids = test_ids(test, bundle)
    predictions = Predictions(list(bundle.models), len(ids), bundle.prior)
    write_submission(working, ids, predictions, bundle)
    gpus = gpu_count() if not all(m["needs_terms"] for m in bundle.models.values()) else 0
    say(
        f"{len(ids):,} rows of {test}; {', '.join(bundle.models)} of {bundle.folder}; "
        + (f"{gpus} GPUs" if gpus else "no GPU: everything runs on the CPU")
    )
    deadline = started + limit * (1 - _RESERVE)
    with tempfile.TemporaryDirectory(prefix="foldwise-") as scratch:
        workers = [
            _Process(Path(scratch), bundle, test, shard, max(1, gpus), deadline, gpus > 0)
            for shard in range(max(1, gpus))
        ]
        try:
            _gather(workers, predictions, working, ids, bundle, deadline)
        finally:
            for worker in workers:
                worker.stop()
        record = _summary(workers, predictions, bundle, time.time() - started)
    write_json(working / "foldwise-run.json", record)
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
    table, notes = data.read_table(test, bundle.competition)
    for line in notes:
        warn(line)
    extra = [str(name) for name in table.columns if name not in (config.id, *config.text)]
    if extra:
        warn(f"{test.name}: columns {', '.join(extra)} are not used")
    if config.id not in table:
        return [str(i) for i in range(len(table))]
    return [data.as_text(value) or "" for value in table[config.id]]


def write_submission(
    working: Path, ids: list[str], predictions: Predictions, bundle: Bundle
) -> None:
    """Write `submission.csv` from what is there so far, atomically."""
    numbers = [str(i) for i in range(len(ids))]
    table = pd.DataFrame(predictions.blend(bundle.pool), columns=bundle.classes)
    table.insert(0, "id", numbers)
    sample = pd.DataFrame(dict.fromkeys(bundle.columns, "0"), index=range(len(ids)))
    sample[bundle.columns[0]] = numbers
    submission, _ = build(table, bundle.classes, bundle.competition, sample)
    submission[bundle.columns[0]] = ids
    with atomic(working / "submission.csv") as partial:
        submission.to_csv(partial, index=False, lineterminator="\n")


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


class _Process:
    """A worker process, started again without the fold over which it died."""

    def __init__(
        self,
        scratch: Path,
        bundle: Bundle,
        test: Path,
        shard: int,
        shards: int,
        deadline: float,
        on_gpu: bool,
    ) -> None:
        self.folder, self.on_gpu, self.deaths = scratch / str(shard), on_gpu, 0
        self.taken: set[tuple[str, int]] = set()  # (fold, first row) that are in already
        self.left_out: dict[str, str] = {}
        self.job = Job(
            bundle=str(bundle.folder),
            test=str(test),
            results="",
            shard=shard,
            shards=shards,
            deadline=deadline,
            cores=max(1, joblib.cpu_count() // shards),
        )
        self.seen = 0
        self._start()

    def _start(self) -> None:
        self.results = self.folder / f"results-{self.deaths}"
        self.results.mkdir(parents=True)
        self.read_files: set[Path] = set()
        self.job = replace(self.job, results=str(self.results), without=list(self.left_out))
        write_job(self.folder / "job.json", self.job)
        environment = os.environ | {"PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}
        if self.on_gpu:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            names = visible.split(",") if visible else [str(i) for i in range(self.job.shards)]
            environment["CUDA_VISIBLE_DEVICES"] = names[self.job.shard].strip()
        else:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        command = [sys.executable, "-m", "foldwise.kaggle.worker", str(self.folder / "job.json")]
        with open(self.folder / "log", "ab") as log:
            # A session of its own, so that it can be stopped together with its helpers.
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def news(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield (model, rows, probabilities) of what has been written since the last call."""
        for path in sorted(set(self.results.glob("[0-9]*.npz")) - self.read_files):
            self.read_files.add(path)
            with np.load(path) as found:
                unit, rows = str(found["unit"]), found["rows"]
                if (unit, int(rows[0])) in self.taken:
                    continue  # a worker that was started again did it twice
                self.taken.add((unit, int(rows[0])))
                yield unit.split("/")[0], rows, found["probabilities"]

    def show_log(self) -> None:
        """Print what the worker has said since the last call."""
        with contextlib.suppress(OSError), open(self.folder / "log", "rb") as log:
            log.seek(self.seen)
            whole, newline, _ = log.read().rpartition(b"\n")
            self.seen += len(whole + newline)
            for line in whole.decode(errors="replace").splitlines():
                say(f"[worker {self.job.shard}] {line}")

    def finished(self, deadline: float) -> bool:
        """Say whether the worker is done for good; one that died is started again."""
        code = self.process.poll()
        if code is None:
            return False
        if (self.results / "done.json").exists():
            return True
        unit = read_json(self.results / "current.json")
        self.deaths += 1
        known = isinstance(unit, str) and "/" in unit and unit not in self.left_out
        if not known or self.deaths > _DEATHS or time.time() > deadline:
            say(f"warning: worker {self.job.shard} ended with code {code}, its rows stay as is")
            return True
        self.left_out[unit] = f"the worker ended with code {code} while it was at work"
        say(f"warning: worker {self.job.shard}: {unit} is left out: {self.left_out[unit]}")
        self._start()
        return False

    def record(self) -> dict[str, Any]:
        """Return what the worker says it has dropped and left out."""
        found = read_json(self.results / "done.json") or {"left_out": {}, "dropped": []}
        return found | {"left_out": found["left_out"] | self.left_out}

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its work was done."""
        return not (self.results / "done.json").exists()

    def stop(self) -> None:
        """End the process and the helpers that it started."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()


def _gather(
    workers: list[_Process],
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
    workers: list[_Process], predictions: Predictions, bundle: Bundle, seconds: float
) -> dict[str, Any]:
    records = [worker.record() for worker in workers]
    dropped = {name for record in records for name in record["dropped"]}
    folds = {}
    for i, model in enumerate(predictions.models):
        total = len(bundle.models[model]["folds"])
        mean = float(predictions.folds[i].mean())
        folds[model] = {"mean_folds": mean, "of": total}
        if mean < total and any(worker.stopped for worker in workers):
            dropped.add(f"what was left of {model}")
    return {
        "rows": predictions.folds.shape[1],
        "rows_with_prior_only": int((predictions.folds.sum(axis=0) == 0).sum()),
        "seconds": round(seconds, 1),
        "workers": len(workers),
        "models": folds,
        "dropped": sorted(dropped),
        "left_out": {k: v for record in records for k, v in record["left_out"].items()},
        "code": str(PACKAGE),
    }


def _say_summary(record: dict[str, Any]) -> None:
    say(
        f"submission.csv: {record['rows']:,} rows in {record['seconds']:,.0f} s, "
        f"{record['rows_with_prior_only']:,} with the prior alone"
    )
    for model, folds in record["models"].items():
        say(f"  {model}: {folds['mean_folds']:.2f} of {folds['of']} folds a row on average")
    if record["dropped"]:
        say(f"  dropped by the time guard: {', '.join(record['dropped'])}")
    for unit, reason in record["left_out"].items():
        say(f"  left out, the weights of the others scaled: {unit}: {reason}")


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(PACKAGE.parent), *filter(None, [inherited])])
