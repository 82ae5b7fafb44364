"""Submit, wait for the score, and keep the book.

Reads  kaggle/pushed.json or a submission file, manifest.json, ensemble/weights.json
Writes submissions.csv: date, commit, manifest, out-of-fold and leaderboard scores
"""

import csv
import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from foldwise.config.competition import Competition
from foldwise.config.manifest import Manifest
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.errors import UserError, require
from foldwise.files import PACKAGE, read_json, write_csv
from foldwise.hashing import file_hash
from foldwise.kaggle.client import kaggle, wait_until
from foldwise.terminal import say

COLUMNS = ("date", "commit", "manifest", "oof_log_loss", "public_score", "private_score", "message")
_POLL_SECONDS = 15.0


def submit(
    output: Path, file: Path | None, message: str, seconds: float, every: float = _POLL_SECONDS
) -> None:
    """Submit the pushed notebook's output, or a file, and write down the score.

    Parameters
    ----------
    output : Path
        Folder of the run.
    file : Path or None
        A submission file for competitions that take one; None for the pushed notebook.
    message : str
        Shown beside the score; the date is added, so that the answer can be told from others.
    seconds : float
        How long to wait, for the notebook and for the score.
    every : float
        Seconds between two looks.

    Raises
    ------
    UserError
        Nothing to submit, a notebook that failed, a quota that is used up, a submission that
        Kaggle rejects.
    """
    manifest = Manifest.of(output)
    name = Competition.restore(manifest.config).kaggle.competition
    require(bool(name), f"{output}: set kaggle.competition to the competition's name on Kaggle")
    what = f"submission to {name}"
    now = datetime.now(UTC)
    tagged = f"{message} [{now:%Y-%m-%d %H:%M:%S}]"
    arguments = ["competitions", "submit", "-c", name, "-m", tagged]
    if file is None:
        pushed = read_json(output / "kaggle" / "pushed.json") or {}
        require(
            pushed.get("notebook") == "submit",
            f"{output}: no pushed notebook; run kaggle push first, or give --file",
        )
        _wait_for_notebook(pushed["kernel"], seconds, every)
        version = str(pushed["version"])
        arguments += ["-f", "submission.csv", "-k", pushed["kernel"], "-v", version]
    else:
        require(file.is_file(), f"{file}: no such file")
        arguments += ["-f", str(file)]
    _send(arguments, name, tagged, what)
    say(f"submit       {name}: {tagged}")
    scores = _wait_for_score(name, tagged, what, seconds, every)
    _append(output, now, tagged, scores)
    say(
        f"submit       public score {scores['publicScore'] or 'none'}, out of fold "
        f"{_oof(output):.4f}; in {output / 'submissions.csv'}"
    )


def _wait_for_notebook(kernel: str, seconds: float, every: float) -> None:
    what = f"notebook {kernel}"

    def ended() -> str | None:
        said = kaggle("kernels", "status", kernel, what=what).lower()
        failed = any(word in said for word in ("error", "cancel"))
        require(not failed, f"{what}: it failed on Kaggle: {' '.join(said.split())[:300]}")
        return said if "complete" in said else None

    found = wait_until(ended, what, seconds, every)
    require(found is not None, f"{what}: still running; submit again later")


def _send(arguments: list[str], name: str, tagged: str, what: str) -> None:
    """Submit once: after an unclear answer look first whether it arrived."""
    try:
        kaggle(*arguments, what=what, competition=name, retry=False)
    except UserError as error:
        if "out of order" not in str(error):
            raise
        if _find(name, tagged, what) is None:
            kaggle(*arguments, what=what, competition=name, retry=False)


def _find(name: str, tagged: str, what: str) -> dict[str, str] | None:
    said = kaggle("competitions", "submissions", "-c", name, "--csv", what=what, competition=name)
    lines = said.splitlines()
    header = next((i for i, line in enumerate(lines) if line.startswith("ref,")), None)
    if header is None:
        return None
    rows = csv.DictReader(io.StringIO("\n".join(lines[header:])))
    return next((row for row in rows if row["description"] == tagged), None)


def _wait_for_score(
    name: str, tagged: str, what: str, seconds: float, every: float
) -> dict[str, str]:
    found: dict[str, str] = {}

    def scored() -> str | None:
        row = _find(name, tagged, what)
        status = (row or {}).get("status", "").upper()
        require("ERROR" not in status, f"{what}: Kaggle rejects it; see its page for the reason")
        found.update(row or {})
        return status if "COMPLETE" in status else None

    done = wait_until(scored, what, seconds, every)
    require(done is not None, f"{what}: no score yet; see Kaggle, submissions.csv is unchanged")
    return found


def _append(output: Path, now: datetime, tagged: str, scores: dict[str, str]) -> None:
    path = output / "submissions.csv"
    row = {
        "date": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "manifest": file_hash(output / "manifest.json"),
        "oof_log_loss": _oof(output),
        "public_score": scores["publicScore"],
        "private_score": scores["privateScore"],
        "message": tagged,
    }
    table = pd.DataFrame([row], columns=list(COLUMNS))
    if path.exists():
        table = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False), table.astype(str)])
    write_csv(path, table)


def _oof(output: Path) -> float:
    return BlendRecord.read(output / "ensemble" / "weights.json").overall.log_loss


def _commit() -> str:
    """Return the commit of the code, empty where it is no git checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"], capture_output=True, text=True
        )
    except OSError:
        return ""
    return done.stdout.strip()
