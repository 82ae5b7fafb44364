"""A small run of the pipeline in a forked process, which can be disturbed, and its results."""

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from foldwise.stages import ORDER

SETTINGS = (
    "data.classes=[]", "folds.n=2", "jobs=1", "logreg.C=[0.01, 0.1]", "report.bootstrap=100",
)  # fmt: skip
RESULTS = (
    "folds.parquet", "models/prior/oof.parquet", "models/logreg/oof.parquet",
    "models/logreg/test.parquet", "ensemble/oof.parquet", "ensemble/test.parquet",
)  # fmt: skip
_CODES = {0: "finished", 2: "refused in one line"}


@dataclass(frozen=True)
class Outcome:
    """How one process ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Its last line on standard error, or how it ended."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines and self.code else _CODES.get(self.code, f"ended {self.code}")


def write_data(folder: Path) -> None:
    """Write a small competition: 45 training and 6 test rows of 3 classes."""
    folder.mkdir(parents=True)
    words = {"EAP": "raven chamber", "HPL": "cosmic horror", "MWS": "creature glacier"}
    names = list(words)
    rows = [
        {"id": f"r{i}", "text": f"the {words[names[i % 3]].split()[i % 2]} of {i % 7} and {i}",
         "author": names[i % 3]}
        for i in range(51)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table[:45].to_csv(folder / "train.csv", index=False)
    table[45:].drop(columns="author").to_csv(folder / "test.csv", index=False)


def foldwise(folder: Path, *more: str, before=lambda: None) -> Outcome:
    """Run the pipeline on `folder` in a forked process, after `before()` was called in it."""
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    places = ["--input", str(folder / "in"), "--output", str(folder / "out")]
    arguments = ["foldwise", "run", "spooky", *places, "--models", "logreg", *sets, *more]
    out, err = folder / "out.txt", folder / "err.txt"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for path, stream in ((out, 1), (err, 2)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
            sys.argv = arguments
            before()
            from foldwise.__main__ import main
            from foldwise.hashing import code_hash

            # The fork inherits what its parent has hashed; a process of its own would not.
            code_hash.cache_clear()

            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Outcome(status, out.read_text(), err.read_text())


def load_everything() -> None:
    """Import in the parent what every forked run needs, so that each takes a second and no more."""
    modules = ("models.linear", "models.prior", "report.plots")
    for name in (*(f"stages.{stage}" for stage in ORDER), *modules):
        importlib.import_module(f"foldwise.{name}")


def make_reference(folder: Path) -> Path:
    """Make the undisturbed run."""
    load_everything()
    write_data(folder / "in")
    outcome = foldwise(folder)
    assert outcome.code == 0, outcome.err
    return folder


def same_results(folder: Path, reference: Path) -> bool:
    """Whether all predictions and the submission are those of the undisturbed run, bit for bit."""
    frames = all(
        pd.read_parquet(folder / "out" / name).equals(pd.read_parquet(reference / "out" / name))
        for name in RESULTS
    )
    paths = (folder / "out" / "submission.csv", reference / "out" / "submission.csv")
    return frames and paths[0].read_bytes() == paths[1].read_bytes()


def leftovers(folder: Path) -> list[str]:
    """Partial files that lie about."""
    return [str(p) for p in (folder / "out").rglob(".*") if p.suffix in (".partial", ".old")]


def redone(outcome: Outcome) -> str:
    """The stages that worked again, for the table."""
    lines = outcome.out.splitlines()
    names = [line.split()[0] for line in lines if line[:12].strip() in ORDER]
    names = [n for n in names if f"{n:<12} unchanged" not in outcome.out]
    return ", ".join(names) or "nothing"
