"""Predict a share of the test rows with bundled models, in a process and on a GPU of its own.

Reads  the job file, the bundle, the test file
Writes results/<number>.npz, one for each fold of a model and chunk of rows; results/current.json,
       the fold at work; results/done.json, what was dropped and left out

Usage: python -m foldwise.kaggle.worker JOB.json
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from foldwise.config.competition import Competition
from foldwise.config.record import Record
from foldwise.config.run import Unit
from foldwise.crossval.stored import FittedUnit
from foldwise.data.raw import read_table, require_columns
from foldwise.ensemble.predictor import known_terms, raw_rows, raw_texts
from foldwise.errors import one_line
from foldwise.features.featurise import featurise
from foldwise.features.rows import Rows
from foldwise.files import atomic, read_json, write_json
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.timeguard import COUNTING, Allotment, Ledger, allot
from foldwise.terminal import say

_FIRST = 128  # rows of the first chunk, from which times are projected
_CHUNK = 1024  # rows of every other; more save next to nothing, fewer keep the memory low


@dataclass(frozen=True)
class WorkerJob:
    """What one worker is to do.

    Attributes
    ----------
    bundle, test, results : str
        Folder of the bundle, the test file, folder to write to.
    shard, shards : int
        The worker takes every `shards`-th row from `shard` on.
    deadline : float
        When to stop, in seconds since the epoch.
    cores : int
        CPU cores for it.
    without : list of str
        Folds ("model/fold") that must not be tried again.
    """

    bundle: str
    test: str
    results: str
    shard: int
    shards: int
    deadline: float
    cores: int
    without: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Share:
    """The rows of one worker.

    Attributes
    ----------
    texts : dict of str to ndarray of object, shape (n,)
        The raw texts by column.
    positions : ndarray of int64, shape (n,)
        Where the rows stand in the test file.
    chunks : list of ndarray of int64
        Row numbers within the share, in random order.
    """

    texts: dict[str, np.ndarray]
    positions: np.ndarray
    chunks: list[np.ndarray]

    @classmethod
    def read(cls, job: WorkerJob, competition: Competition) -> "Share":
        """Read every `shards`-th row of the test file."""
        test = Path(job.test)
        table, _ = read_table(test, competition)
        require_columns(table, list(competition.data.text), test, "the bundle's text columns")
        mine = np.arange(job.shard, len(table), job.shards)
        texts = {name: values[mine] for name, values in raw_texts(table, competition).items()}
        # In random order the first rows say how long the others will take.
        order = np.random.default_rng(competition.seed).permutation(len(mine))
        cuts = range(_FIRST, len(order), _CHUNK)
        chunks = [chunk for chunk in np.split(order, list(cuts)) if len(chunk)]
        return cls(texts, mine, chunks)


class WorkerRecord(Record):
    """What a worker did, by unit: `results/done.json`."""

    left_out: dict[str, str]  # why
    finished: list[str] = []
    dropped: list[str]  # by the time guard


class Worker:
    """Works through models, folds and chunks of rows for as long as the time lasts.

    Parameters
    ----------
    job : WorkerJob
        What to do.
    """

    def __init__(self, job: WorkerJob) -> None:
        self.job, self.bundle = job, Bundle.read(Path(job.bundle))
        self.parent = os.getppid()
        self.share = Share.read(job, self.bundle.competition)
        self.ledger = Ledger(self.bundle.models, [len(chunk) for chunk in self.share.chunks])
        self.stored = 0  # files of results
        self.held: tuple[Unit, FittedUnit] | None = None
        self.counters: dict[Unit, FittedUnit] = {}  # the folds that use term counts
        for unit in self.bundle.units():
            if str(unit) in job.without:
                self.ledger.leave_out(unit, "the process died over it")
                continue
            self.ledger.enter(unit)
            if self.bundle.models[unit.model].needs_terms:
                self._guarded(unit, lambda unit=unit: self._hold_counter(unit))
        self.terms = known_terms(list(self.counters.values()))

    def run(self) -> None:
        """Probe each model on the first chunk, then work down what the time is given to."""
        if counting := self.ledger.counting():
            self._count_chunk(0, counting)
        for unit in self.ledger.probes():
            self._predict_chunk(unit, averaging=True)
        dropped: tuple[str, ...] = ()
        while (plan := self._allot(dropped)).kept:
            dropped = plan.dropped
            first = plan.kept[0]
            if first.counts_terms:
                units = [work.unit for work in plan.kept if work.counts_terms]
                self._count_chunk(self.ledger.done[first.unit], units)
            else:
                self._predict_chunk(first.unit, plan.averaging)
        WorkerRecord(
            left_out={str(unit): why for unit, why in self.ledger.left_out.items()},
            finished=[str(unit) for unit in self.ledger.finished()],
            dropped=list(plan.dropped),
        ).write(Path(self.job.results) / "done.json")

    def _allot(self, before: tuple[str, ...]) -> Allotment:
        """Return what the time is given to, and say so if that drops other than `before`."""
        if os.getppid() != self.parent:
            raise SystemExit("the notebook is gone")
        work, counting = self.ledger.left()
        left = self.job.deadline - time.time()
        plan = allot(work, counting, left)
        if plan.dropped != before:
            projected = sum(item.seconds for item in work) + counting
            what = "nothing dropped"
            if plan.dropped:
                what = f"dropped from here on: {', '.join(plan.dropped)}"
            say(f"time guard: {left:,.0f} s left, {projected:,.0f} s projected; {what}")
        return plan

    def _count_chunk(self, number: int, units: list[Unit]) -> None:
        """Count the terms of a chunk once, and predict it with all folds that use them."""
        chunk = self.share.chunks[number]
        self._at_work(COUNTING)
        start = time.perf_counter()
        try:
            rows = self._cleaned(chunk)
            table, _ = featurise(rows.texts, self.bundle.competition, self.job.cores, self.terms)
        except Exception as error:  # whatever it is, the other models go on
            for unit in self.ledger.counting():
                self._leave_out(unit, error)
            return
        self.ledger.note(COUNTING, time.perf_counter() - start, len(chunk))
        rows = replace(rows, features=table)
        for unit in units:
            if self.ledger.done.get(unit) == number:
                self._predict(unit, lambda unit=unit: self.counters[unit].predict(rows))

    def _predict_chunk(self, unit: Unit, averaging: bool) -> None:
        """Predict the next chunk with one fold of a model that reads the texts themselves."""
        chunk = self.share.chunks[self.ledger.done[unit]]

        def work() -> np.ndarray:
            model = self._load(unit)
            reading = getattr(model.model, "reading", None)
            if reading is not None and reading.averaging and not averaging:
                model.model.reading = replace(reading, averaging=False)
            return model.predict(self._cleaned(chunk))

        self._predict(unit, work)

    def _predict(self, unit: Unit, work: Callable[[], np.ndarray]) -> None:
        """Store what `work` says of a fold's next chunk, and note the time it took."""
        chunk = self.share.chunks[self.ledger.done[unit]]
        start = time.perf_counter()
        if self._guarded(unit, lambda: self._store(unit, chunk, work())):
            self.ledger.finish_chunk(unit, time.perf_counter() - start)

    def _guarded(self, unit: Unit, work: Callable[[], None]) -> bool:
        """Do the work of one fold; if it fails, leave the fold out and say so."""
        self._at_work(str(unit))
        try:
            work()
        except Exception as error:  # whatever it is, the other models go on
            self._leave_out(unit, error)
            return False
        return True

    def _leave_out(self, unit: Unit, error: Exception) -> None:
        reason = one_line(error) or type(error).__name__
        self.ledger.leave_out(unit, reason)
        self.counters.pop(unit, None)
        say(f"warning: {unit} is left out: {reason}")

    def _hold_counter(self, unit: Unit) -> None:
        self.counters[unit] = self._read(unit)

    def _load(self, unit: Unit) -> FittedUnit:
        """Return a fold, reading it unless it is the one that was used last."""
        if self.held is None or self.held[0] != unit:
            self.held = None  # frees the memory before the next one comes
            self.held = (unit, self._read(unit))
        return self.held[1]

    def _read(self, unit: Unit) -> FittedUnit:
        self.bundle.verify(unit)
        return FittedUnit.load(unit.model, self.bundle.fold(unit), self.bundle.classes)

    def _cleaned(self, chunk: np.ndarray) -> Rows:
        texts = {name: values[chunk] for name, values in self.share.texts.items()}
        return raw_rows(texts, self.bundle.competition)

    def _store(self, unit: Unit, chunk: np.ndarray, probabilities: np.ndarray) -> None:
        path = Path(self.job.results) / f"{self.stored:06d}.npz"
        rows = self.share.positions[chunk]
        with atomic(path) as partial, open(partial, "wb") as file:
            np.savez(file, unit=str(unit), rows=rows, probabilities=probabilities)
        self.stored += 1

    def _at_work(self, work: str) -> None:
        write_json(Path(self.job.results) / "current.json", work)


def write_job(path: Path, job: WorkerJob) -> None:
    """Write the job file."""
    write_json(path, asdict(job))


if __name__ == "__main__":
    Worker(WorkerJob(**read_json(Path(sys.argv[1])))).run()
