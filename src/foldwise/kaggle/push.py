"""Upload a bundle: the data sets, and when Kaggle has unpacked them, the notebook.

Reads  kaggle/
Writes kaggle/pushed.json: the notebook and its version
"""

import re
from pathlib import Path

from foldwise.errors import UserError, require
from foldwise.files import read_json, write_json, write_text
from foldwise.hashing import file_hash
from foldwise.kaggle.bundle import USER
from foldwise.kaggle.client import kaggle, user, wait_until
from foldwise.kaggle.machine import ACCELERATOR
from foldwise.terminal import say

_READY_SECONDS = 1800.0
_POLL_SECONDS = 5.0


def push(output: Path, notebook: str = "submit") -> None:
    """Upload everything.

    Parameters
    ----------
    output : Path
        Folder of a run that was bundled.
    notebook : {"submit", "train"}
        Which notebook to push.

    Raises
    ------
    UserError
        No bundle, or Kaggle refuses; what was uploaded stays and the next push goes on.
    """
    folder = output / "kaggle"
    require(folder.is_dir(), f"{output}: no bundle; python -m foldwise kaggle bundle {output}")
    fill_in_user(folder)
    for part in ("code", "weights") if notebook == "submit" else ("code",):
        _push_data(folder / part, str(file_hash(output / "manifest.json")))
    metadata = read_json(folder / notebook / "kernel-metadata.json")
    said = kaggle(
        "kernels", "push", "-p", str(folder / notebook), "--accelerator", ACCELERATOR,
        what=f"push of {metadata['id']}", retry=False,
    )  # fmt: skip
    # A source that Kaggle does not take is only mentioned; the notebook would fail without it.
    refused = re.search(r"not valid (\w+) sources.*?: (.*)", said)
    if refused:
        raise UserError(
            f"push of {metadata['id']}: Kaggle does not know the {refused[1]} {refused[2]}; "
            "check the names in kernel-metadata.json"
        )
    version = re.search(r"version (\d+) successfully pushed", said)
    require(bool(version), f"push of {metadata['id']}: no version in the answer: {said.strip()}")
    write_json(
        folder / "pushed.json",
        {"kernel": metadata["id"], "version": int(version[1]), "notebook": notebook},
    )
    say(f"push         {metadata['id']}, version {version[1]}; it runs on Kaggle now")


def fill_in_user(folder: Path) -> None:
    """Put the token's owner into the metadata files where nobody's name stands yet."""
    paths = sorted(folder.glob("*/*-metadata.json"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    waiting = {path: text for path, text in texts.items() if USER in text}
    if waiting:
        name = user()
        for path, text in waiting.items():
            write_text(path, text.replace(USER, name))


def _push_data(folder: Path, message: str) -> None:
    ref = read_json(folder / "dataset-metadata.json")["id"]
    what = f"upload of {ref}"
    if _status(ref) is None:
        kaggle("datasets", "create", "-p", str(folder), "--dir-mode", "zip", what=what)
    else:
        kaggle(
            "datasets", "version", "-p", str(folder), "--dir-mode", "zip", "-m", message, what=what
        )

    def ready() -> str | None:
        status = _status(ref)
        require(status != "error", f"{what}: Kaggle could not unpack it; look at it there")
        return status if status == "ready" else None

    found = wait_until(ready, what, _READY_SECONDS, _POLL_SECONDS)
    require(found is not None, f"{what}: not ready after {_READY_SECONDS / 60:.0f} min; push again")
    say(f"push         {ref} is there")


def _status(ref: str) -> str | None:
    """Return the status of a data set, None where there is none of that name."""
    try:
        said = kaggle("datasets", "status", ref, what=f"status of {ref}")
    except UserError as error:
        # Kaggle answers 403 for another's private data set and for one that nobody has made.
        if re.search(r"\((403|404)\)", str(error)):
            return None
        raise
    return said.strip().split()[-1].lower() if said.strip() else None
