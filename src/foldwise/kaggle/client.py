"""The official `kaggle` command line, and its refusals in words that say what to do."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from foldwise.errors import UserError
from foldwise.terminal import note

INSTALL = "pip install kaggle six"  # version 2.2 imports six without asking for it
TOKEN = (
    "make a token on Kaggle (Settings, API) and put it into ~/.kaggle/access_token, "
    "or an older kaggle.json into ~/.kaggle/; or set KAGGLE_API_TOKEN"
)
_TRIES = 4
_FIRST_WAIT = 2.0  # seconds, doubled at each try
_SERVER_ERROR = re.compile(
    r"\b(?:429|50[0234]) (?:Client|Server) Error|Too Many Requests|Internal Server Error|"
    r"Bad Gateway|Service Unavailable|Gateway Time-?out",
    re.I,
)
# Printed with exit code 0.
_SILENT = re.compile(r"(?:creation|push) error: |Could not submit to competition")
_CONNECTION = re.compile(
    r"Connection(?:Error| aborted| reset| refused| broken)|IncompleteRead|Max retries exceeded|"
    r"timed out|RemoteDisconnected|Temporary failure in name resolution|NameResolutionError"
)
_QUOTA = re.compile(r"quota|limit.{0,40}(?:reached|exceeded)|maximum number of .*submissions", re.I)
_UNAUTHENTICATED = re.compile(r"Authentication required|\b401\b|Unauthorized|Could not find kaggle")


def kaggle(*arguments: str, what: str, competition: str = "", retry: bool = True) -> str:
    """Run `kaggle ARGUMENTS` and return what it printed.

    Parameters
    ----------
    *arguments : str
        As on the command line.
    what : str
        What is being done, for messages.
    competition : str
        Its name on Kaggle, for the refusal that concerns its rules.
    retry : bool
        Whether a server error or a lost connection is tried again; not for what must not be
        done twice.

    Raises
    ------
    UserError
        The program is missing, or Kaggle refuses; one line that says what to do.
    """
    program = executable()
    for attempt in range(_TRIES):
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        said = f"{done.stdout}\n{done.stderr}"
        if not done.returncode and not _SILENT.search(said):
            return done.stdout
        lost = _SERVER_ERROR.search(said) or _CONNECTION.search(said)
        if not lost or not retry or attempt == _TRIES - 1:
            raise UserError(refusal(what, said, competition))
        wait = _FIRST_WAIT * 2**attempt
        note(f"{what}: {_last_line(said)}; once more in {wait:.0f} s")
        time.sleep(wait)
    raise AssertionError("not reached")


def executable() -> str:
    """Return the path of the `kaggle` program: on the PATH, or beside this Python."""
    own = Path(sys.executable).parent / "kaggle"
    found = shutil.which("kaggle") or (str(own) if own.is_file() else None)
    if not found:
        raise UserError(f"the kaggle package is not installed: {INSTALL}; then {TOKEN}")
    return found


def refusal(what: str, said: str, competition: str = "") -> str:
    """Return one line for what the program printed when it failed."""
    last = _last_line(said)
    if "No module named" in said:
        return f"{what}: the kaggle package is broken ({last}): {INSTALL}"
    if _UNAUTHENTICATED.search(said):
        return f"{what}: Kaggle does not know you: {TOKEN}"
    if _QUOTA.search(said):
        return f"{what}: a quota is used up ({last}); submissions come back daily, GPU hours weekly"
    if re.search(r"\b403\b|Forbidden|accept.{0,40}rules", said):
        if competition:
            return (
                f"{what}: Kaggle refuses (403): open the Rules page of {competition} in a browser, "
                "accept the rules (Join Competition), and try again"
            )
        return f"{what}: Kaggle refuses (403): the token's owner may not do that ({last})"
    if re.search(r"\b404\b|Not Found", said, re.I):
        return f"{what}: Kaggle has no such thing (404); check the name {competition!r} ({last})"
    if _SERVER_ERROR.search(said) or _CONNECTION.search(said):
        return f"{what}: Kaggle cannot be reached or is out of order ({last}); try again later"
    return f"{what}: {last}"


def user() -> str:
    """Return the name of the token's owner."""
    said = kaggle("config", "view", what="your name on Kaggle")
    found = re.search(r"username: (\S+)", said)
    if not found or found.group(1) == "None":
        raise UserError(f"Kaggle does not know you: {TOKEN}")
    return found.group(1)


def wait_until(
    look: Callable[[], str | None], what: str, seconds: float, every: float
) -> str | None:
    """Look now and then until there is an answer; None when the time is up."""
    start = last = time.monotonic()
    while (found := look()) is None:
        now = time.monotonic()
        if now - start > seconds:
            return None
        if now - last > 60:
            note(f"{what}: waiting for {(now - start) / 60:.0f} min")
            last = now
        time.sleep(every)
    return found


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The program's own progress bars and warnings come before what matters.
    return re.sub(r"https?://\S+", "", lines[-1]).strip()[:300] if lines else "no message"
