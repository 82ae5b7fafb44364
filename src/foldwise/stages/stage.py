"""A stage of the pipeline: what it reads and writes, and whether it must run again.

A stage is skipped when its configuration, its code, the packages it imports and the content
of every file it read and wrote are unchanged. The record of a finished stage lies in
`output/<competition>/.stages/<stage>.json` and is enough to decide that without importing the
stage, so a run in which nothing changed starts no heavy library.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldwise.config.roster import KINDS
from foldwise.config.run import Run, config_hash
from foldwise.errors import UserError, require
from foldwise.files import read_json, write_json
from foldwise.hashing import code_hash, content_hash, file_hash
from foldwise.meter import Meter
from foldwise.stages import ORDER
from foldwise.terminal import say


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    Attributes
    ----------
    name : str
        Also the module under `foldwise.stages`.
    sections : tuple of str
        Parts of the configuration that the stage depends on.
    reads : callable
        Run -> files it reads; a missing file is recorded as missing.
    writes : callable
        Run -> files or folders it writes, relative to nothing; checked after the work.
    work : callable
        Run -> one line that says what was done.
    modules : callable
        Run -> modules whose code it uses without importing them, such as the chosen models.
    """

    name: str
    sections: tuple[str, ...]
    reads: Callable[[Run], list[Path]]
    writes: Callable[[Run], list[Path]]
    work: Callable[[Run], str]
    modules: Callable[[Run], list[str]] = lambda run: []


def execute(name: str, run: Run) -> bool:
    """Run the stage unless it is fresh, print its line, and return whether it ran."""
    record_path = run.output / ".stages" / f"{name}.json"
    record = read_json(record_path)
    if not run.force and record and _is_fresh(name, record, run):
        say(f"{name:<12} unchanged, skipped · {record['summary']}")
        return False
    stage: Stage = importlib.import_module(f"foldwise.stages.{name}").STAGE
    with Meter() as meter:
        # Hashed before the work: a file that changes meanwhile makes the stage stale, not fresh.
        inputs = check_inputs(name, stage.reads(run), run)
        record_path.unlink(missing_ok=True)
        summary = stage.work(run)
    outputs = {}
    for path in stage.writes(run):
        if not path.exists():
            raise RuntimeError(f"stage {name} did not write {path}")
        outputs |= {_relative(p, run): file_hash(p) for p in _files(path)}
    record = {
        "stage": name,
        "summary": summary,
        "sections": list(stage.sections),
        "config": _stage_hash(run, stage.sections),
        "parts": _part_hashes(run, stage.sections),
        "modules": stage.modules(run),
        "code": _stage_code(name, stage.modules(run)),
        "inputs": inputs,
        "outputs": outputs,
        "seconds": round(meter.seconds, 3),
        "peak_memory_mb": round(meter.peak_memory_mb, 1),
    }
    write_json(record_path, record)
    say(f"{name:<12} {summary} · {meter.seconds:.1f} s, {meter.peak_memory_mb:,.0f} MB")
    return True


def _is_fresh(name: str, record: dict[str, Any], run: Run) -> bool:
    try:
        same = record["config"] == _stage_hash(run, tuple(record["sections"]))
        same = same and record["code"] == _stage_code(name, record["modules"])
        same = same and isinstance(record["summary"], str)
        files = {**record["inputs"], **record["outputs"]}
        return same and all(file_hash(_absolute(p, run)) == h for p, h in files.items())
    except (KeyError, TypeError, AttributeError, OSError):
        return False


def check_inputs(name: str, paths: list[Path], run: Run) -> dict[str, str | None]:
    """Hash what a stage reads, and check that the stages that wrote it are whole and up to date.

    Parameters
    ----------
    name : str
        The stage that is to run.
    paths : list of Path
        What it reads.
    run : Run
        The competition.

    Returns
    -------
    dict of str to str or None
        Content hash by file.

    Raises
    ------
    UserError
        A file of an earlier stage was changed or is gone, or the stage ran with another
        configuration, code or packages.
    """
    inputs = {_relative(path, run): file_hash(path) for path in paths}
    for path in sorted((run.output / ".stages").glob("*.json")):
        record = read_json(path) or {}
        if path.stem == name or not set(record.get("outputs", {})) & set(inputs):
            continue
        again = f"run with --stages {path.stem}..{name}"
        for label, digest in record["outputs"].items():
            now = inputs[label] if label in inputs else file_hash(_absolute(label, run))
            if now != digest:
                what = "is gone" if now is None else f"is not what stage {path.stem!r} wrote"
                raise UserError(f"{_absolute(label, run)}: {what}; {again}")
        # Which models were chosen decides what an earlier stage wrote, not what is in it.
        parts = _part_hashes(run, record["sections"])
        changed = [p for p, h in parts.items() if record["parts"].get(p) != h and p != "models"]
        if changed:
            raise UserError(
                f"{run.output}: stage {path.stem!r} ran with another {changed[0]!r}; {again}"
            )
        if record["code"] != _stage_code(path.stem, record["modules"]):
            raise UserError(
                f"{run.output}: stage {path.stem!r} ran with other code or package versions; "
                f"{again}"
            )
    return inputs


def _part_hashes(run: Run, sections: Iterable[str]) -> dict[str, str]:
    parts = run.competition.section(*sections)
    return {name: content_hash(part) for name, part in parts.items()} | {"--rows": str(run.rows)}


def _stage_code(name: str, modules: Iterable[str]) -> str:
    return content_hash([code_hash(module) for module in (f"foldwise.stages.{name}", *modules)])


def _relative(path: Path, run: Run) -> str:
    for label, folder in (("input", run.input), ("output", run.output)):
        if path.is_relative_to(folder):
            return f"{label}:{path.relative_to(folder)}"
    return f"file:{path.resolve()}"


def _absolute(label: str, run: Run) -> Path:
    kind, _, rest = label.partition(":")
    return {"input": run.input, "output": run.output}.get(kind, Path()) / rest


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _stage_hash(run: Run, sections: tuple[str, ...]) -> str:
    # Only tuned encoders are cut to a time budget; without one they are completed.
    limited = run.time_budget and any(KINDS[s].is_tuned for s in sections if s in KINDS)
    return content_hash(config_hash(run, sections), run.time_budget if limited else 0)


def require_earlier(name: str, run: Run) -> None:
    """Raise a `UserError` unless every stage before `name` has finished."""
    earlier = ORDER[: ORDER.index(name)]
    for stage in earlier:
        require(
            (run.output / ".stages" / f"{stage}.json").exists(),
            f"{run.output}: stage {name!r} needs {stage!r}, which has not finished there; "
            f"run with --stages {stage}..{name}",
        )
