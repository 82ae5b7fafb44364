"""A worker of the notebook as a process of its own, so that its death costs one fold."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np

from foldwise.config.run import Unit
from foldwise.files import PACKAGE, read_json
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.timeguard import COUNTING
from foldwise.kaggle.worker import WorkerJob, WorkerRecord, write_job
from foldwise.terminal import say

_DEATHS = 5  # of one worker, each over another fold, before its rows are given up


class Process:
    """A worker process, started again without the fold over which it died.

    Parameters
    ----------
    scratch : Path
        Folder for its job, its results and its log.
    bundle : Bundle
        The fitted models.
    test : Path
        The test file.
    shard, shards : int
        Which part of the rows it predicts, of how many.
    deadline : float
        When it must be done, in seconds since the epoch.
    on_gpu : bool
        Whether it has a GPU to itself.
    """

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
        self.taken: set[tuple[Unit, int]] = set()  # (fold, first row) that are in already
        self.left_out: dict[Unit, str] = {}
        self.job = WorkerJob(
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
        without = [str(unit) for unit in self.left_out]
        self.job = replace(self.job, results=str(self.results), without=without)
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
                unit, rows = Unit.parse(str(found["unit"])), found["rows"]
                if (unit, int(rows[0])) in self.taken:
                    continue  # a worker that was started again did it twice
                self.taken.add((unit, int(rows[0])))
                yield unit.model, rows, found["probabilities"]

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
        self.deaths += 1
        unit = self._at_work()
        if unit is None or unit in self.left_out or self.deaths > _DEATHS or time.time() > deadline:
            say(f"warning: worker {self.job.shard} ended with code {code}, its rows stay as is")
            return True
        self.left_out[unit] = f"the worker ended with code {code} while it was at work"
        say(f"warning: worker {self.job.shard}: {unit} is left out: {self.left_out[unit]}")
        self._start()
        return False

    def _at_work(self) -> Unit | None:
        """Return the fold that the worker was at, if it was at one."""
        work = read_json(self.results / "current.json")
        return Unit.parse(work) if work and work != COUNTING else None

    def record(self) -> WorkerRecord:
        """Return what the worker says it has dropped and left out."""
        found = WorkerRecord.read_if_usable(self.results / "done.json")
        found = found or WorkerRecord(left_out={}, dropped=[])
        died = {str(unit): why for unit, why in self.left_out.items()}
        return found.replace(left_out=found.left_out | died)

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


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(PACKAGE.parent), *filter(None, [inherited])])
