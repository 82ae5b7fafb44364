"""Where the (model, fold) units run: on the cores of this machine or on a Ray cluster.

A unit that dies with its worker (killed, out of memory, node lost) is tried again; a unit that
fails by its own fault fails once, with its traceback, while the others finish.
"""

import contextlib
import importlib
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib.externals.loky import as_completed, get_reusable_executor

from foldwise.config.run import Run, Unit
from foldwise.errors import UserError
from foldwise.terminal import note, track

Work = Callable[..., Any]
Outcome = tuple[Unit, Exception | None]
_LOOK_SECONDS = 1.0
# A worker that grew is replaced by a fresh one; nothing is lost, and what died is told apart below.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs")


def run_units(work: Work, run: Run, units: Sequence[Unit], workers: int, threads: int) -> None:
    """Run every unit, wherever `run.engine` says.

    Parameters
    ----------
    work : callable
        `work(run, unit, threads)`: fits one unit and stores it.
    run : Run
        The competition, its folders and the engine.
    units : sequence of Unit
        What is to be done.
    workers : int
        Processes side by side on this machine; a cluster has its own number.
    threads : int
        CPU threads of a unit on this machine.

    Raises
    ------
    Exception
        The first failure, after all other units have finished.
    """
    if not units:
        return
    if run.engine == "ray":
        # Imported by name: no result depends on the cluster's code or on the version of Ray.
        outcomes = importlib.import_module("foldwise.crossval.cluster").outcomes(run, units)
    elif workers == 1:
        outcomes = _here(work, run, units, threads)
    else:
        outcomes = _side_by_side(work, run, units, workers, threads)
    failures = []
    for unit, error in track(outcomes, "fitting folds", total=len(units)):
        if error is not None:
            failures.append((unit, error))
    _report(failures, len(units))


def _report(failures: list[tuple[Unit, Exception]], total: int) -> None:
    """Raise the first failure, a fault of the program before bad input; show the others."""
    if not failures:
        return
    failures = sorted(failures, key=lambda failure: isinstance(failure[1], UserError))
    unit, first = failures[0]
    for other, error in failures[1:]:
        if not isinstance(error, UserError):
            print(f"{other.model}, fold {other.fold}, failed:", file=sys.stderr)
            traceback.print_exception(error)
    if not isinstance(first, UserError):
        first.add_note(
            f"{unit.model}, fold {unit.fold}, failed; {total - len(failures)} of {total} units "
            "finished and are kept: run again to go on"
        )
    raise first


def _here(work: Work, run: Run, units: Sequence[Unit], threads: int) -> Iterator[Outcome]:
    for unit in units:
        yield unit, _failure(lambda unit=unit: work(run, unit, threads))


def _side_by_side(
    work: Work, run: Run, units: Sequence[Unit], workers: int, threads: int
) -> Iterator[Outcome]:
    """Run units in processes; when one dies the pool is broken and what is unfinished goes on.

    Which unit killed its worker is not known, so those left are tried side by side once more,
    then one at a time: only a unit that dies alone is given up.
    """
    waiting = list(units)
    try:
        for attempt in range(2):
            left = []
            with _pool(workers, threads) as pool:
                futures = {}
                for unit in waiting:
                    try:
                        futures[pool.submit(work, run, unit, threads)] = unit
                    except BrokenProcessPool:
                        left.append(unit)
                for future in as_completed(futures):
                    error = _failure(future.result)
                    if isinstance(error, BrokenProcessPool):
                        left.append(futures[future])
                    else:
                        yield futures[future], error
            waiting = left
            if not waiting:
                return
            how = "side by side again" if attempt == 0 else "one at a time"
            note(f"a worker died (killed, or out of memory): {len(waiting)} units go on {how}")
        for unit in waiting:
            with _pool(1, threads) as pool:
                error = _failure(pool.submit(work, run, unit, threads).result)
            if isinstance(error, BrokenProcessPool):
                error = UserError(
                    f"{unit.model}, fold {unit.fold}: its worker died, alone too; it may need more "
                    "memory than there is: lower jobs or features.max_chars, or free memory"
                )
            yield unit, error
    finally:
        # Also on Ctrl-C: nothing goes on in the background.
        with contextlib.suppress(BrokenProcessPool):
            get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)


@contextlib.contextmanager
def _pool(workers: int, threads: int) -> Iterator[Any]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    yield get_reusable_executor(
        max_workers=workers,
        timeout=300,
        env=dict.fromkeys(names, str(threads)),
        initializer=_die_with_parent,
        initargs=(os.getpid(),),
    )


def _die_with_parent(parent: int) -> None:
    """End this worker soon after the run was killed: the next run must not find it writing."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _failure(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:  # whatever a unit raises is reported when the others are done
        return error
    return None
