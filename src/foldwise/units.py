"""Stored (model, fold) units: what a result depends on, and whether it is there and whole."""

from dataclasses import replace
from pathlib import Path

from foldwise import rows
from foldwise.files import read_json, write_json
from foldwise.hashing import code_hash, content_hash, file_hash
from foldwise.models import model_class, module_name
from foldwise.stage import Run, config_hash

SHARED_SECTIONS = ("name", "seed", "metric", "data", "pair", "clean", "weights")


def unit_key(run: Run, model: str, fold: int) -> str:
    """Hash everything a unit's result depends on."""
    inputs = [run.folds, rows.table_path(run, "train"), rows.table_path(run, "test")]
    sections = [*SHARED_SECTIONS]
    if model in run.competition.section_names():
        sections.append(model)
    if model_class(model).uses_features:
        inputs.append(run.features / "features.json")
        sections.append("features")
    code = [code_hash("foldwise.crossval"), code_hash(module_name(model))]
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
