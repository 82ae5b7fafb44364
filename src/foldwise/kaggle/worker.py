"""Predict a share of the test rows with bundled models, in a process and on a GPU of its own.

Reads  the job file, the bundle, the test file
Writes results/<number>.npz, one for each fold of a model and chunk of rows; results/current.json,
       the fold at work; results/done.json, what was dropped and left out

Usage: python -m foldwise.kaggle.worker JOB.json
"""

import os
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.crossval.stored import FittedUnit
from foldwise.data.raw import read_table, require_columns
from foldwise.ensemble.predictor import known_terms, raw_rows, raw_texts
from foldwise.features.featurise import featurise
from foldwise.features.rows import Rows
from foldwise.files import atomic, read_json, write_json
from foldwise.kaggle import timeguard
from foldwise.kaggle.contents import Bundle
from foldwise.terminal import say

_FIRST = 128  # rows of the first chunk, from which times are projected
_CHUNK = 1024  # rows of every other; more save next to nothing, fewer keep the memory low
_COUNTING = "counting terms"


@dataclass(frozen=True)
class Job:
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


class Worker:
    """Works through models, folds and chunks of rows for as long as the time lasts.

    Parameters
    ----------
    job : Job
        What to do.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.bundle = job, Bundle.read(Path(job.bundle))
        self.parent = os.getppid()
        competition, test = self.bundle.competition, Path(job.test)
        table, _ = read_table(test, competition)
        require_columns(table, list(competition.data.text), test, "the bundle's text columns")
        mine = np.arange(job.shard, len(table), job.shards)
        self.rows = {name: texts[mine] for name, texts in raw_texts(table, competition).items()}
        del table
        # In random order the first rows say how long the others will take.
        order = np.random.default_rng(competition.seed).permutation(len(mine))
        cuts = range(_FIRST, len(order), _CHUNK)
        self.chunks = [chunk for chunk in np.split(order, list(cuts)) if len(chunk)]
        self.mine = mine
        self.left_out: dict[str, str] = {}
        self.done: dict[str, int] = {}  # chunks, by fold
        self.spent: dict[str, list[float]] = {}  # seconds and rows, by fold
        self.plan = timeguard.Plan((), True, (), 0.0)
        self.number = 0
        self.held: tuple[str, FittedUnit] | None = None
        self.counters: dict[str, FittedUnit] = {}
        self.terms: dict[str, np.ndarray] = {}
        for name, member in self.bundle.models.items():
            for fold in member["folds"]:
                unit = f"{name}/{fold}"
                if unit in job.without:
                    self.left_out[unit] = "the process died over it"
                    continue
                self.done[unit] = 0
                if member["needs_terms"]:
                    self._guarded(unit, lambda unit=unit: self._hold_counter(unit))
        self.terms = known_terms(list(self.counters.values()))

    def run(self) -> None:
        """Probe each model on the first chunk, then work down the plan."""
        if self._counting():
            self._count_chunk(0, list(self.counters))
        for unit in self._firsts():
            self._predict_chunk(unit, averaging=True)
        while self._replan():
            first = self.plan.jobs[0]
            if first.counts_terms:
                units = [f"{job.model}/{job.fold}" for job in self.plan.jobs if job.counts_terms]
                self._count_chunk(self.done[units[0]], units)
            else:
                self._predict_chunk(f"{first.model}/{first.fold}", self.plan.averaging)
        finished = [unit for unit, chunks in self.done.items() if chunks == len(self.chunks)]
        record = {"left_out": self.left_out, "finished": finished}
        record["dropped"] = list(self.plan.dropped)
        write_json(Path(self.job.results) / "done.json", record)

    # --- what next ------------------------------------------------------------------------

    def _replan(self) -> bool:
        if os.getppid() != self.parent:
            raise SystemExit("the notebook is gone")
        jobs = self._jobs()
        rows_left = max((self._rows_left(u) for u in self.counters if u in self.done), default=0)
        counting = self._rate(_COUNTING) * rows_left
        left = self.job.deadline - time.time()
        plan = timeguard.fit(jobs, counting, left)
        if jobs and not plan.jobs and left > 0:
            # Whole or not, rows that a model has seen are better off than with the prior.
            least = timeguard.fit(jobs, counting, 0.0).dropped[-1]
            last = next(job for job in jobs if job.model == least)
            plan = replace(plan, jobs=(last,), averaging=False)
        if plan.dropped != self.plan.dropped:
            projected = sum(job.seconds for job in jobs) + counting
            what = "nothing dropped"
            if plan.dropped:
                what = f"dropped from here on: {', '.join(plan.dropped)}"
            say(f"time guard: {left:,.0f} s left, {projected:,.0f} s projected; {what}")
        self.plan = plan
        return bool(plan.jobs)

    def _jobs(self) -> list[timeguard.Job]:
        jobs = []
        for unit in self.done:
            model, fold = unit.split("/")
            rows = self._rows_left(unit)
            if not rows:
                continue
            member = self.bundle.models[model]
            seconds = self._rate(unit) * rows
            job = timeguard.Job(
                model=model,
                fold=fold,
                seconds=seconds,
                second_order=seconds / 2 if member["averages"] else 0.0,
                counts_terms=member["needs_terms"],
                weight=float(np.mean(member["weight"])),
            )
            jobs.append(job)
        # What counts terms goes together; then the first folds of all models, cheapest first.
        return sorted(jobs, key=lambda job: (not job.counts_terms, job.fold, job.seconds))

    def _rows_left(self, unit: str) -> int:
        return sum(len(chunk) for chunk in self.chunks[self.done[unit] :])

    def _rate(self, unit: str) -> float:
        """Return seconds a row, of this fold or else of the model's other folds."""
        seconds, rows = self.spent.get(unit, (0.0, 0.0))
        if not rows:
            model = unit.split("/")[0]
            others = [v for key, v in self.spent.items() if key.split("/")[0] == model]
            seconds, rows = np.sum(others, axis=0) if others else (0.0, 0.0)
        return float(seconds / rows) if rows else 0.0

    def _counting(self) -> bool:
        return any(unit in self.done for unit in self.counters)

    def _firsts(self) -> list[str]:
        """Return the first fold of each model that needs no term counts."""
        firsts: dict[str, str] = {}
        for unit in self.done:
            model = unit.split("/")[0]
            if not self.bundle.models[model]["needs_terms"]:
                firsts.setdefault(model, unit)
        return list(firsts.values())

    # --- the work -------------------------------------------------------------------------

    def _count_chunk(self, number: int, units: list[str]) -> None:
        """Count the terms of a chunk once, and predict it with all folds that use them."""
        if not self._counting():
            return
        chunk = self.chunks[number]
        self._at_work(_COUNTING)
        start = time.perf_counter()
        try:
            rows = self._cleaned(chunk)
            table, _ = featurise(rows.texts, self.bundle.competition, self.job.cores, self.terms)
        except Exception as error:  # whatever it is, the other models go on
            for unit in list(self.counters):
                self._leave_out(unit, error)
            return
        self._note_time(_COUNTING, start, len(chunk))
        rows = replace(rows, features=table)
        for unit in units:
            if self.done.get(unit) != number:
                continue
            start = time.perf_counter()
            if self._guarded(unit, lambda unit=unit: self.counters[unit].predict(rows), chunk):
                self._note_time(unit, start, len(chunk))
                self.done[unit] += 1

    def _predict_chunk(self, unit: str, averaging: bool) -> None:
        """Predict the next chunk with one fold of a model that reads the texts themselves."""
        chunk = self.chunks[self.done[unit]]
        start = time.perf_counter()

        def work() -> np.ndarray:
            model = self._load(unit)
            reading = getattr(model.model, "reading", None)
            if reading is not None and reading.averaging and not averaging:
                model.model.reading = replace(reading, averaging=False)
            return model.predict(self._cleaned(chunk))

        if self._guarded(unit, work, chunk):
            self._note_time(unit, start, len(chunk))
            self.done[unit] += 1

    def _guarded(self, unit: str, work: Any, chunk: np.ndarray | None = None) -> bool:
        """Do the work of one fold; if it fails, leave the fold out and say so."""
        self._at_work(unit)
        try:
            found = work()
            if chunk is not None:
                self._store(unit, chunk, found)
        except Exception as error:  # whatever it is, the other models go on
            self._leave_out(unit, error)
            return False
        return True

    def _leave_out(self, unit: str, error: Exception) -> None:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        self.left_out[unit] = reason
        self.done.pop(unit, None)
        self.counters.pop(unit, None)
        say(f"warning: {unit} is left out: {reason}")

    def _hold_counter(self, unit: str) -> None:
        self.counters[unit] = self._read(unit)

    def _load(self, unit: str) -> FittedUnit:
        """Return a fold, reading it unless it is the one that was used last."""
        if self.held is None or self.held[0] != unit:
            self.held = None  # frees the memory before the next one comes
            self.held = (unit, self._read(unit))
        return self.held[1]

    def _read(self, unit: str) -> FittedUnit:
        model, fold = unit.split("/")
        self.bundle.verify(model, fold)
        return FittedUnit.load(model, self.bundle.fold(model, fold), self.bundle.classes)

    def _cleaned(self, chunk: np.ndarray) -> Rows:
        texts = {name: values[chunk] for name, values in self.rows.items()}
        return raw_rows(texts, self.bundle.competition)

    def _store(self, unit: str, chunk: np.ndarray, probabilities: np.ndarray) -> None:
        path = Path(self.job.results) / f"{self.number:06d}.npz"
        with atomic(path) as partial, open(partial, "wb") as file:
            np.savez(file, unit=unit, rows=self.mine[chunk], probabilities=probabilities)
        self.number += 1

    def _note_time(self, unit: str, start: float, rows: int) -> None:
        spent = self.spent.setdefault(unit, [0.0, 0.0])
        spent[0] += time.perf_counter() - start
        spent[1] += rows

    def _at_work(self, unit: str) -> None:
        write_json(Path(self.job.results) / "current.json", unit)


def write_job(path: Path, job: Job) -> None:
    """Write the job file."""
    write_json(path, asdict(job))


if __name__ == "__main__":
    Worker(Job(**read_json(Path(sys.argv[1])))).run()
