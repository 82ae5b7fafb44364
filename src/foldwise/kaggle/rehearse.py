"""Run the bundled notebook as Kaggle would, on a test file of the hidden one's size.

Reads  kaggle/ (the bundle), the competition's raw training file
Writes kaggle-rehearsal/: the hidden test, working/ as Kaggle would have it, log.txt,
       rehearsal.json
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.data.celltext import as_text
from foldwise.data.raw import read_table
from foldwise.data.submission import check, read_submission
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError, require
from foldwise.files import remove, write_json
from foldwise.kaggle import sandbox
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.hidden import hidden_test
from foldwise.kaggle.machine import HIDDEN_ROWS, LIMIT_SECONDS, MEMORY_GB
from foldwise.kaggle.notebook import NotebookRun
from foldwise.kaggle.weights import HALF_TOLERANCE
from foldwise.terminal import say

_DATA_SETS = ("code", "weights")
_SOURCES = Path("input", "datasets", "somebody")  # as Kaggle mounts an owner's data sets
_COMPARED = 64
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is well, and what was found."""

    passed: bool
    what: str
    found: str


def rehearse(
    output: Path,
    input: Path | None = None,
    rows: int = HIDDEN_ROWS,
    limit: float = LIMIT_SECONDS,
    memory_gb: float = MEMORY_GB,
) -> bool:
    """Rehearse, print what was found, and say whether all is well.

    Parameters
    ----------
    output : Path
        Folder of a run that was bundled.
    input : Path, optional
        The competition's raw files; `input/<name>` by default.
    rows : int
        Rows of the hidden test; time is scaled to `HIDDEN_ROWS` where there are fewer.
    limit : float
        Seconds that the notebook may take.
    memory_gb : float
        Memory of the machine it will run on.
    """
    output = output.resolve()
    kaggle = output / "kaggle"
    require(
        kaggle.is_dir(), f"{output}: no bundle there; python -m foldwise kaggle bundle {output}"
    )
    bundle = Bundle.read(kaggle / "weights")
    competition = bundle.competition
    root = output / "kaggle-rehearsal"
    test = _lay_out(root, kaggle, bundle, input or Path("input") / competition.name, rows)
    before = _listing(root / "input")
    measured = sandbox.run_notebook(
        root / "submit" / "foldwise-submit.ipynb",
        root,
        {"FOLDWISE_KAGGLE_LIMIT": str(limit)},
        root / "log.txt",
        limit,
    )
    say((root / "log.txt").read_text(errors="replace").rstrip())
    run = NotebookRun.read_if_there(root / "working" / "foldwise-run.json")
    checks = [
        _ended(measured, limit),
        _valid(root, test),
        _complete(run),
        _own_code(run, root),
        _time(measured, rows, limit),
        _memory(measured, memory_gb * 1024),
        Check(_listing(root / "input") == before, "/kaggle/input untouched", "nothing written"),
        _same(output, bundle, test, root, run),
    ]
    _print(checks, measured, rows)
    passed = all(item.passed for item in checks)
    record = {"passed": passed, "rows": rows, "limit": limit, "measured": asdict(measured)}
    record |= {"checks": [asdict(item) for item in checks], "run": run.plain() if run else {}}
    write_json(root / "rehearsal.json", record)
    for name in _DATA_SETS:
        remove(root / _SOURCES / name)  # copies, as large as the bundle
    return passed


def _lay_out(root: Path, kaggle: Path, bundle: Bundle, source: Path, rows: int) -> Path:
    """Copy everything to where Kaggle would have it, and make the hidden test file."""
    remove(root)
    for name in _DATA_SETS:
        shutil.copytree(kaggle / name, root / _SOURCES / name)
    shutil.copytree(kaggle / "submit", root / "submit")
    (root / "working").mkdir()
    name = bundle.competition.kaggle.competition or bundle.competition.name
    folder = root / "input" / "competitions" / name
    return hidden_test(bundle.competition, source, rows, bundle.columns, folder)


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]


def _ended(measured: sandbox.Measured, limit: float) -> Check:
    if measured.code is None:
        return Check(False, "ends", f"stopped after the limit of {limit:,.0f} s")
    return Check(measured.code == 0, "ends", f"exit code {measured.code}")


def _valid(root: Path, test: Path) -> Check:
    path = root / "working" / "submission.csv"
    try:
        check(
            read_submission(path),
            read_submission(test.with_name("sample_submission.csv")),
            path.name,
        )
    except UserError as error:
        return Check(False, "valid submission", str(error))
    return Check(True, "valid submission", f"{path.stat().st_size / 1e6:.1f} MB")


def _complete(run: NotebookRun | None) -> Check:
    if not run:
        return Check(False, "every model and fold", "the models were never run; see log.txt")
    missing = [f"{unit} left out: {why}" for unit, why in run.left_out.items()]
    missing += [f"{name} dropped by the time guard" for name in run.dropped]
    alone = run.rows_with_prior_only
    missing += [f"{alone:,} rows have the class shares alone"] if alone else []
    found = "; ".join(missing) or "on every row"
    return Check(not missing, "every model and fold", found)


def _own_code(run: NotebookRun | None, root: Path) -> Check:
    code = run.code if run else "none of it"
    return Check(Path(code).is_relative_to(root / "input"), "runs the bundled code", code)


def _time(measured: sandbox.Measured, rows: int, limit: float) -> Check:
    scaled = measured.seconds * max(1.0, HIDDEN_ROWS / rows)
    found = f"{measured.seconds:,.0f} s for {rows:,} rows"
    if rows < HIDDEN_ROWS:
        found += f", at most {scaled:,.0f} s for {HIDDEN_ROWS:,}"
    return Check(scaled <= limit, "within the time limit", f"{found}; limit {limit:,.0f} s")


def _memory(measured: sandbox.Measured, memory_mb: float) -> Check:
    if not measured.peak_memory_mb:
        return Check(True, "within the memory", "not measured: this system does not say")
    found = f"peak {measured.peak_memory_mb:,.0f} MB of {memory_mb:,.0f} MB"
    return Check(measured.peak_memory_mb <= memory_mb, "within the memory", found)


def _same(output: Path, bundle: Bundle, test: Path, root: Path, run: NotebookRun | None) -> Check:
    """Compare the submission with what `predict` says of the same rows."""
    what = "predicts what `predict` does"
    if not run or run.left_out or run.dropped:
        return Check(True, what, "not compared: the notebook did not run all models")
    if set(bundle.columns[1:]) != set(bundle.classes):
        return Check(True, what, "not compared: the submission holds no probabilities")
    table, _ = read_table(test, bundle.competition)
    written = pd.read_csv(root / "working" / "submission.csv", dtype=str)
    texts = table[list(bundle.competition.data.text)].map(lambda value: len(as_text(value) or ""))
    by_length = texts.sum(axis=1).argsort().to_numpy()
    spread = np.linspace(0, len(table) - 1, _COMPARED - 8).astype(int)
    some = np.unique(np.concatenate([spread, by_length[:4], by_length[-4:]]))
    part = root / "compared.parquet"
    table.iloc[some].map(as_text).to_parquet(part, index=False)
    found = Predictor.load(output).predict_file(part)
    difference = np.abs(
        found[bundle.classes].to_numpy()
        - written.iloc[some][bundle.classes].to_numpy(dtype=np.float64)
    ).max()
    half = any(member.half for member in bundle.models.values())
    tolerance = HALF_TOLERANCE if half else _TOLERANCE
    return Check(
        bool(difference <= tolerance),
        what,
        f"largest difference {difference:.1e} on {len(some)} rows (allowed {tolerance:.0e})",
    )


def _print(checks: list[Check], measured: sandbox.Measured, rows: int) -> None:
    say()
    say(f"rehearsal    {rows:,} hidden rows; network kept off by {measured.network}")
    for item in checks:
        say(f"  {'pass' if item.passed else 'FAIL'}  {item.what}: {item.found}")
    passed = all(item.passed for item in checks)
    say("rehearsal    " + ("passed" if passed else "FAILED"))
