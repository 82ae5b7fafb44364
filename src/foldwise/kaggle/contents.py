"""The weights data set: what `bundle.json` beside the fitted folds says about them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from foldwise.config.competition import Competition
from foldwise.config.record import Format, Record
from foldwise.config.run import Unit
from foldwise.ensemble.pools import Pool
from foldwise.errors import UserError, require

RECORD = "bundle.json"


class Member(Record):
    """A model of the blend, as it is bundled."""

    weight: float | list[float]  # of stacking one for each class
    folds: list[str]  # names of folders
    needs_terms: bool  # uses term counts
    averages: bool  # reads a pair in both orders
    half: bool | None = None  # its encoder is stored as float16
    half_changes: float | None = None  # largest change of a probability by that
    half_rows: int | None = None  # rows that it was measured on


class BundleRecord(Record):
    """The whole of `bundle.json`."""

    format: Format
    foldwise: str
    competition: dict[str, JsonValue]  # `Competition.restore` reads it
    classes: list[str]
    method: str
    bias: list[float]
    models: dict[str, Member]
    prior: list[float]
    columns: list[str]
    prior_row: dict[str, JsonValue]
    manifest: str | None
    log_loss: float  # of the blend, nested
    sha256: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """Fitted folds of the members of a blend, and how they are blended.

    Attributes
    ----------
    folder : Path
        Where `bundle.json` lies.
    classes : list of str
        Class names in the order of the probabilities.
    competition : Competition
        How texts are read and cleaned, and how a submission looks.
    pool : Pool
        The blend; its weights are in the order of `models`.
    prior : ndarray of float64, shape (C,)
        Class shares of the training rows.
    columns : list of str
        The submission's columns, the id first.
    prior_row : dict of str to object
        What the class shares give each column but the id.
    models : dict of str to Member
    digests : dict of str to str
        sha256 of each file, by path relative to `folder`.
    """

    folder: Path
    classes: list[str]
    competition: Competition
    pool: Pool
    prior: np.ndarray
    columns: list[str]
    prior_row: dict[str, JsonValue]
    models: dict[str, Member]
    digests: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """Read `bundle.json`.

        Raises
        ------
        UserError
            It is missing or broken, or of another version.
        """
        record = BundleRecord.read(folder / RECORD, "bundle again")
        weights = np.array([member.weight for member in record.models.values()])
        return cls(
            folder=folder,
            classes=record.classes,
            competition=Competition.restore(record.competition),
            pool=Pool(record.method, weights, np.array(record.bias)),
            prior=np.array(record.prior),
            columns=record.columns,
            prior_row=record.prior_row,
            models=record.models,
            digests=record.sha256,
        )

    def units(self) -> list[Unit]:
        """Return all fitted folds, model after model."""
        return [
            Unit.parse(f"{name}/{fold}")
            for name, member in self.models.items()
            for fold in member.folds
        ]

    def fold(self, unit: Unit) -> Path:
        """Folder of one fitted fold."""
        return self.folder / "models" / str(unit)

    def verify(self, unit: Unit) -> None:
        """Refuse a fold one of whose files is missing or not as it was bundled."""
        prefixes = (f"models/{unit}/", f"models/{unit.model}/encoder/")
        for name, digest in self.digests.items():
            if not name.startswith(prefixes):
                continue
            path = self.folder / name
            require(path.is_file(), f"{path}: missing")
            if sha256(path) != digest:
                raise UserError(f"{path}: not as it was bundled (another sha256)")


def below(folder: Path, name: str) -> list[Path]:
    """Return the files of a name under a folder, in order, also where a folder is a link."""
    found, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # mounted twice, or a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        if name in files:
            found.append(Path(here, name))
    return sorted(found)


def sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
