"""Stored (model, fold) units: what a result depends on, and whether it is there and whole."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config.roster import KINDS
from foldwise.config.run import Run, config_hash
from foldwise.crossval import class_weights
from foldwise.data.cleaned import table_path
from foldwise.errors import UserError, require
from foldwise.features.rows import Rows
from foldwise.files import read_json, write_json
from foldwise.hashing import code_hash, content_hash, file_hash
from foldwise.models.model import model_class

SHARED_SECTIONS = ("name", "seed", "metric", "data", "pair", "clean", "weights")


def unit_key(run: Run, model: str, fold: int) -> str:
    """Hash everything a unit's result depends on."""
    inputs = [run.folds, table_path(run, "train"), table_path(run, "test")]
    sections = [*SHARED_SECTIONS]
    if model in run.competition.section_names():
        sections.append(model)
    if KINDS[model].uses_features:
        inputs.append(run.features / "features.json")
        sections.append("features")
    code = [code_hash("foldwise.crossval.unit"), code_hash(KINDS[model].module)]
    hashes = [file_hash(path) for path in inputs]
    # How folds share the machine does not change them.
    bert = run.competition.bert.model_copy(update={"workers": 0, "over_budget": "drop"})
    run = replace(run, competition=run.competition.model_copy(update={"bert": bert}))
    return content_hash(fold, config_hash(run, tuple(sections)), code, hashes)


def is_stored(run: Run, model: str, fold: int) -> bool:
    """Whether a unit's result is there, whole, and still what it would be."""
    record = read_json(run.fold(model, fold) / "unit.json")
    if run.force or not isinstance(record, dict):
        return False
    if record.get("key") != unit_key(run, model, fold):
        return False
    return record.get("files") == folder_hashes(run.fold(model, fold))


def folder_hashes(folder: Path) -> dict[str, str | None]:
    """Hash every file of a stored unit but `unit.json`, which holds the hashes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_hash(path) for name, path in names.items() if name != "unit.json"}


def stamp(folder: Path) -> None:
    """Make a copy of a stored unit whose files were changed on purpose whole again."""
    record = read_json(folder / "unit.json")
    write_json(folder / "unit.json", record | {"files": folder_hashes(folder)})


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
        if record["classes"] != classes:
            raise UserError(f"{folder}: its classes are {record['classes']}, not {classes}")
        return cls(name, model_class(name).load(folder), np.array(record["prior_correction"]))

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, float64, shape (n, C)."""
        return class_weights.correct(self.model.predict(rows), self.factors)


def counted_folds(folder: Path) -> list[Path]:
    """Return the stored folds of a model that its scores are made of.

    A run with fewer folds, or one that a time budget cut short, leaves those of an earlier one.
    """
    stored = sorted(path for path in folder.glob("fold-*") if (path / "unit.json").exists())
    scored = read_json(folder / "metrics.json")
    if not scored:
        return stored
    counted = {f"fold-{fold['fold']}" for fold in scored["folds"]}
    return [path for path in stored if path.name in counted]


def read_record(folder: Path) -> dict[str, Any]:
    """Return what is known of a stored fold, whose files must be those that were stored."""
    record = read_json(folder / "unit.json")
    require(
        isinstance(record, dict) and record.get("files") == folder_hashes(folder),
        f"{folder}: its files are not those that the run stored; run again to fit the fold anew",
    )
    return record
