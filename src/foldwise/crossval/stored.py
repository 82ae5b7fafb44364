"""Stored (model, fold) units: what a result depends on, and whether it is there and whole.

A unit has two keys. Another training row, setting or line of code changes the *fit key*: the
model is fitted again. Other test rows change the *predict key* alone: the stored model predicts
them, and nothing is fitted.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config.record import FORMAT
from foldwise.config.roster import KINDS
from foldwise.config.run import Run, Unit
from foldwise.crossval import class_weights
from foldwise.crossval.records import Keys, ModelRecord, UnitRecord
from foldwise.data.cleaned import table_path
from foldwise.errors import UserError, require
from foldwise.features.rows import TABLE_MODULE, FeatureRecord, Rows
from foldwise.hashing import code_hash, content_hash, file_hash
from foldwise.models.model import model_class

SHARED_SECTIONS = ("name", "seed", "metric", "data", "pair", "clean", "weights")
# How folds share the machine, and the names of raw files: what was read from them is hashed.
_WITHOUT_EFFECT = (
    "workers", "over_budget", "train", "test", "sample_submission", "download",
)  # fmt: skip


def unit_keys(run: Run, unit: Unit) -> Keys:
    """Hash everything a unit's results depend on."""
    fit = fit_key(run, unit)
    return Keys(fit, content_hash(fit, _read_by(run, unit.model, "test")))


def fit_key(run: Run, unit: Unit) -> str:
    """Hash what decides a fit: training rows and folds, configuration, code and packages."""
    sections = [*SHARED_SECTIONS]
    code = ["foldwise.crossval.unit", KINDS[unit.model].module]
    if unit.model in run.competition.section_names():
        sections.append(unit.model)
    if KINDS[unit.model].uses_features:
        sections.append("features")
        code.append(TABLE_MODULE)
    settings = run.competition.section(*sections)
    for section in {"data", unit.model} & settings.keys():
        for name in _WITHOUT_EFFECT:
            settings[section].pop(name, None)
    hashes = [file_hash(run.folds), *_read_by(run, unit.model, "train")]
    row = KINDS[unit.model].deciding
    return content_hash(unit, row, settings, run.rows, list(map(code_hash, code)), hashes)


def _read_by(run: Run, model: str, split: str) -> list[Any]:
    """Return hashes of what a model reads of the training or the test rows."""
    hashes: list[Any] = [file_hash(table_path(run, split))]
    if KINDS[model].uses_features:
        record = FeatureRecord.read_if_there(run.features / "features.json")
        content = record.content if record else {}
        hashes.append({k: v for k, v in content.items() if k.startswith(f"{split}/")})
    return hashes


def is_stored(run: Run, unit: Unit) -> bool:
    """Whether a unit's results are there, whole, and still what they would be."""
    record = _fitted_record(run, unit)
    return record is not None and record.predict_key == unit_keys(run, unit).predict


def is_fitted(run: Run, unit: Unit) -> bool:
    """Whether the model of a unit is there, whole, and still what a fit would give.

    Its predictions of the test rows may be those of other rows.
    """
    return _fitted_record(run, unit) is not None


def _fitted_record(run: Run, unit: Unit) -> UnitRecord | None:
    record = UnitRecord.read_if_usable(run.fold(*unit) / "unit.json")
    if run.force or record is None or record.fit_key != fit_key(run, unit):
        return None
    return record if record.files == folder_hashes(run.fold(*unit)) else None


def write_record(
    folder: Path, run: Run, unit: Unit, classes: list[str], factors: np.ndarray, keys: Keys
) -> None:
    """Write `unit.json` beside the other files of a unit, which are hashed in it."""
    UnitRecord(
        format=FORMAT,
        model=unit.model,
        classes=classes,
        prior_correction=factors.tolist(),
        config=run.competition.model_dump(mode="json"),
        fit_key=keys.fit,
        predict_key=keys.predict,
        files=folder_hashes(folder),
    ).write(folder / "unit.json")


def copy_fit(folder: Path, target: Path) -> None:
    """Make a copy of a stored unit without its predictions of the test rows.

    Files are linked where the disk can do that: none of them is ever written to again.
    """

    def link(source: str, copy: str) -> None:
        try:
            os.link(source, copy)
        except OSError:
            shutil.copy2(source, copy)

    shutil.copytree(
        folder, target, ignore=shutil.ignore_patterns("test.parquet"), copy_function=link
    )


def folder_hashes(folder: Path) -> dict[str, str | None]:
    """Hash every file of a stored unit but `unit.json`, which holds the hashes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_hash(path) for name, path in names.items() if name != "unit.json"}


def stamp(folder: Path, predict_key: str | None = None) -> None:
    """Make a copy of a stored unit whose files were changed on purpose whole again."""
    path = folder / "unit.json"
    record = UnitRecord.read(path)
    changes = {"predict_key": predict_key or record.predict_key, "files": folder_hashes(folder)}
    record.replace(**changes).write(path)


@dataclass(frozen=True)
class FittedUnit:
    """One stored fold of one model.

    Attributes
    ----------
    name : str
        The model.
    model : foldwise.models.model.Model
        The fitted model.
    factors : ndarray of float64, shape (C,)
        What gives probabilities of weighted training the training prior back.
    """

    name: str
    model: Any
    factors: np.ndarray

    @classmethod
    def load(cls, name: str, folder: Path, classes: list[str]) -> "FittedUnit":
        """Read a fold's folder, or refuse one whose classes are not `classes`."""
        record = read_record(folder)
        if record.classes != classes:
            raise UserError(f"{folder}: its classes are {record.classes}, not {classes}")
        return cls(name, model_class(name).load(folder), np.array(record.prior_correction))

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, float64, shape (n, C); labels of the rows stay unseen."""
        return class_weights.correct(self.model.predict(rows.without_labels()), self.factors)


def counted_folds(folder: Path) -> list[Path]:
    """Return the stored folds of a model that its scores are made of.

    A run with fewer folds, or one that a time budget cut short, leaves those of an earlier one.
    """
    stored = sorted(path for path in folder.glob("fold-*") if (path / "unit.json").exists())
    scored = ModelRecord.read_if_there(folder / "metrics.json")
    if scored is None:
        return stored
    counted = {f"fold-{fold.fold}" for fold in scored.folds}
    return [path for path in stored if path.name in counted]


def read_record(folder: Path) -> UnitRecord:
    """Return what is known of a stored fold, whose files must be those that were stored."""
    again = "run again to fit the fold anew"
    record = UnitRecord.read(folder / "unit.json", again)
    require(
        record.files == folder_hashes(folder),
        f"{folder}: its files are not those that the run stored; {again}",
    )
    return record
