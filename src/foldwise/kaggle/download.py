"""Fetch a competition's files into `input/<name>/`, whole or not at all."""

import shutil
import tempfile
import zipfile
from pathlib import Path

from foldwise.config.competition import Competition
from foldwise.data.raw import locate, read_table, require_columns
from foldwise.errors import UserError, require
from foldwise.kaggle.client import kaggle
from foldwise.terminal import note, say

_TRIES = 3


def download(competition: Competition, folder: Path) -> None:
    """Download, unzip and check.

    Parameters
    ----------
    competition : Competition
        `kaggle.competition` names it on Kaggle.
    folder : Path
        Where the files go; files of the same names are replaced, others stay.

    Raises
    ------
    UserError
        No token, rules not accepted, a broken archive, or columns that the configuration does
        not expect.
    """
    name = competition.kaggle.competition
    require(
        bool(name),
        f"{competition.name}: not a Kaggle competition; set kaggle.competition to its name there",
    )
    folder.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that a finished file is moved, never copied half.
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        archive = _fetch(name, Path(scratch))
        unpacked = Path(scratch) / "unpacked"
        files = _unzip(archive, unpacked)
        _check(competition, unpacked)
        for path in files:
            target = folder / path.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    size = sum((folder / path.relative_to(unpacked)).stat().st_size for path in files)
    say(f"download     {len(files)} files, {size / 1e6:.1f} MB, in {folder}; columns as expected")


def _fetch(name: str, scratch: Path) -> Path:
    """Download the archive; a connection cut half-way is resumed by the client or begun again."""
    what = f"download of {name}"
    for attempt in range(_TRIES):
        kaggle(
            "competitions", "download", "-c", name, "-p", str(scratch), what=what, competition=name
        )
        archives = sorted(scratch.glob("*.zip"))
        require(bool(archives), f"{what}: the kaggle program left no archive")
        try:
            with zipfile.ZipFile(archives[0]) as archive:
                broken = archive.testzip()
        except zipfile.BadZipFile:
            broken = archives[0].name
        if broken is None:
            return archives[0]
        note(f"{what}: the archive is broken ({broken}); try {attempt + 1} of {_TRIES}")
        for path in scratch.iterdir():
            path.unlink()
    raise UserError(f"{what}: the archive came broken {_TRIES} times; nothing was kept")


def _unzip(archive: Path, target: Path) -> list[Path]:
    """Unpack an archive and the archives in it."""
    target.mkdir()
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)  # leaves out what would lead outside
    for inner in sorted(target.rglob("*.zip")):
        if zipfile.is_zipfile(inner):
            with zipfile.ZipFile(inner) as opened:
                opened.extractall(inner.parent)
            inner.unlink()
    shutil.rmtree(target / "__MACOSX", ignore_errors=True)
    return sorted(path for path in target.rglob("*") if path.is_file())


def _check(competition: Competition, folder: Path) -> None:
    config = competition.data
    target = list(config.target) if config.one_hot else [config.target]
    wanted = {"train": [*config.text, *target], "test": list(config.text)}
    for part, path in locate(competition, folder).items():
        if path is None or part not in wanted:
            continue
        table, _ = read_table(path, competition)
        require_columns(table, wanted[part], path, f"the configuration of {competition.name}")
