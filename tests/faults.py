"""A walk through what can go wrong with a run: do it, run again, compare with the undisturbed run.

Each fault happens to a copy of a small finished output folder, in a forked process of its own.
"""

import importlib
import importlib.metadata
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from forkedrun import Outcome, foldwise, leftovers, redone, same_results

from foldwise import hashing
from foldwise.files import lock

FILES = (
    ".stages/clean.json", "clean/train.parquet", "clean/test.parquet", "clean/audit.json",
    "folds.parquet", "features/features.json", "features/train/word.data.npy",
    "features/test/index.npz", "models/logreg/fold-0/weights.npz",
    "models/logreg/fold-0/oof.parquet", "models/logreg/fold-1/unit.json",
    "models/logreg/fold-1/test.parquet", "models/logreg/oof.parquet", "models/logreg/test.parquet",
    "models/logreg/metrics.json", "ensemble/oof.parquet", "ensemble/weights.json",
    "submission.csv", "leaderboard.csv", "report.html", "plots/log_loss.png",
)  # fmt: skip


def truncate(path: Path) -> None:
    """Cut a file in the middle, as a full disk or a power cut does."""
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle; size and time stay."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))
    os.utime(path, ns=times)


def forget(folder: Path, stage: str) -> None:
    """Take a stage for never run, and the fitted folds with the baselines."""
    (folder / "out" / ".stages" / f"{stage}.json").unlink()
    if stage == "baselines":
        shutil.rmtree(folder / "out" / "models")


def kill_at_write(number: int, after: bool = False):
    """Return what kills the process (SIGKILL) at its n-th rename, before or after it."""

    def arm() -> None:
        replace, count = os.replace, 0

        def counted(source, target):
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = counted

    return arm


def no_room(bytes_left: int):
    """Return what makes every file that grows past some bytes fail to be written."""

    def arm() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left))

    return arm


def other_version(package: str):
    """Return what makes an installed package look upgraded."""

    def arm() -> None:
        version = importlib.metadata.version
        importlib.metadata.version = lambda name: "99.0" if name == package else version(name)
        # A forked run has whatever its parent looked up already.
        hashing._version.cache_clear()
        hashing.code_hash.cache_clear()

    return arm


def skew(folder: Path, seconds: float) -> None:
    """Move the times of every file, as a wrong clock does."""
    moment = time.time() + seconds
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes
    ----------
    name : str
        What it is, for the table.
    happen : callable
        Folder -> outcome of the disturbed process, or None if none was running.
    again : tuple of str
        Options of the run that follows.
    refused : str
        Part of the one line with which the next run refuses; "" if it must finish.
    kept : tuple of str
        Files under `out` that the next run must not write again.
    """

    name: str
    happen: Callable[[Path], Outcome | None]
    again: tuple[str, ...] = ()
    refused: str = ""
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What came of a fault: how the disturbed run ended, what the next one said and did again."""

    ended: str
    then: str
    again: str
    problems: list[str]


def walk(fault: Fault, reference: Path, folder: Path) -> Finding:
    """Let a fault happen to a copy of the finished run, run again, and look for losses."""
    shutil.copytree(reference, folder)
    disturbed = fault.happen(folder)
    problems = []
    if disturbed and disturbed.code not in (-signal.SIGKILL, 2, 130):
        problems.append(f"the disturbed run ended with {disturbed.code}: {disturbed.err}")
    if disturbed and disturbed.code == 2 and len(disturbed.err.splitlines()) != 1:
        problems.append(f"more than one line: {disturbed.err}")
    before = {name: (folder / "out" / name).stat().st_ino for name in fault.kept}
    following = foldwise(folder, *fault.again)
    if fault.refused:
        if following.code != 2 or fault.refused not in following.err:
            problems.append(f"not refused: {following.code} {following.err}")
        following_run = foldwise(folder)  # the whole pipeline mends what one stage refuses
    else:
        following_run = following
    if following_run.code:
        problems.append(f"the next run ended with {following_run.code}: {following_run.err}")
    elif not same_results(folder, reference):
        problems.append("its results are not those of the undisturbed run")
    problems += [f"{path} is left over" for path in leftovers(folder)]
    for name, inode in before.items():
        if (folder / "out" / name).stat().st_ino != inode:
            problems.append(f"{name} was finished, and written again")
    ended = disturbed.said if disturbed else "no run"
    return Finding(ended, following.said, redone(following_run), problems)


def _killed(stage: str, write: int, after: bool) -> Callable[[Path], Outcome]:
    def happen(folder: Path) -> Outcome:
        forget(folder, stage)
        return foldwise(folder, "--stages", stage, before=kill_at_write(write, after))

    return happen


def _full(stage: str) -> Callable[[Path], Outcome]:
    def happen(folder: Path) -> Outcome:
        forget(folder, stage)
        return foldwise(folder, "--stages", stage, before=no_room(700))

    return happen


def _damaged(name: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: damage(folder / "out" / name)


def _damaged_before(name: str, stage: str) -> Callable[[Path], None]:
    def happen(folder: Path) -> None:
        flip_a_bit(folder / "out" / name)
        (folder / "out" / ".stages" / f"{stage}.json").unlink()

    return happen


def _exchange_folds(folder: Path) -> None:
    zero, one = (folder / "out" / "models" / "logreg" / f"fold-{k}" for k in (0, 1))
    zero.rename(folder / "kept")
    one.rename(zero)
    (folder / "kept").rename(one)


def _locked(folder: Path) -> Outcome:
    with lock(folder / "out"):
        return foldwise(folder)


def _interrupted(folder: Path) -> Outcome:
    forget(folder, "baselines")

    def arm() -> None:
        replace = os.replace

        def interrupted(source, target):
            replace(source, target)
            if Path(target).name == "fold-0":
                raise KeyboardInterrupt

        os.replace = interrupted

    return foldwise(folder, "--stages", "baselines", before=arm)


def _half_a_parquet(folder: Path) -> Outcome:
    """A raw file whose copying is not done yet, then it is."""
    raw = folder / "in" / "train.csv"
    table = pd.read_csv(raw)
    kept = raw.read_bytes()
    raw.unlink()
    table.to_parquet(raw.with_suffix(".parquet"))
    truncate(raw.with_suffix(".parquet"))
    outcome = foldwise(folder)
    raw.with_suffix(".parquet").unlink()
    raw.write_bytes(kept)
    return outcome


def _with(**options) -> Callable[[Path], None]:
    """Another finished run in between, so that what lies there is of another kind."""

    def happen(folder: Path) -> None:
        outcome = foldwise(folder, *options.get("more", ()), before=options.get("before", int))
        assert outcome.code == 0, outcome.err

    return happen


WRITES = {
    "clean": 4, "folds": 2, "features": 4, "baselines": 19, "ensemble": 4, "submission": 3,
    "report": 8,
}  # fmt: skip
KILLS = [
    Fault(f"kill -9 in {stage}, {'before' if n % 2 else 'after'} write {n}",
          _killed(stage, n, after=n % 2 == 0))
    for stage, writes in WRITES.items()
    for n in range(1, writes + 1)
]  # fmt: skip
FULL_DISK = [
    Fault(f"full disk in {stage}", _full(stage))
    for stage in ("clean", "folds", "features", "baselines", "ensemble", "report")
]
DAMAGE = [
    Fault(f"{name} {what}", _damaged(name, damage))
    for name in FILES
    for what, damage in (
        ("cut in half", truncate), ("with one bit flipped", flip_a_bit), ("deleted", Path.unlink),
    )
]  # fmt: skip
ALONE = [
    Fault(f"{name} damaged, then {stage} alone", _damaged_before(name, stage),
          ("--stages", stage), "--stages")
    for name, stage in (
        ("clean/train.parquet", "folds"),
        ("folds.parquet", "baselines"),
        ("features/train/word.data.npy", "baselines"),
        ("models/logreg/oof.parquet", "ensemble"),
        ("ensemble/test.parquet", "submission"),
    )
]  # fmt: skip
FOLD = "models/logreg/fold-0/unit.json"
OTHERS = [
    Fault("the folders of two folds exchanged", _exchange_folds),
    Fault("a second run on the same output", _locked, kept=(FOLD, "submission.csv")),
    Fault("Ctrl-C after the first fold", _interrupted, kept=("models/prior/fold-0/unit.json",)),
    Fault("a raw parquet file that is half there", _half_a_parquet, kept=(FOLD,)),
    Fault("every file dated tomorrow", lambda f: skew(f, 86_400), kept=(FOLD, "submission.csv")),
    Fault("every file dated 1980", lambda f: skew(f, 3e8 - time.time()), kept=(FOLD,)),
    Fault("a run with another seed in between", _with(more=("--set", "seed=7"))),
    Fault("a run with another C in between", _with(more=("--set", "logreg.C=[1.0]"))),
    Fault("a run with fewer rows in between", _with(more=("--rows", "30"))),
    Fault("a run with three folds in between", _with(more=("--set", "folds.n=3"))),
    Fault("a run with another scipy in between", _with(before=other_version("scipy"))),
    Fault("another configuration, then a late stage alone", lambda f: forget(f, "report"),
          ("--stages", "report", "--set", "clean.urls=drop"), "ran with another 'clean'"),
]  # fmt: skip
ALL = [*KILLS, *FULL_DISK, *DAMAGE, *ALONE, *OTHERS]
