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

from foldwise.config.manifest import StageCost
from foldwise.config.record import FORMAT, Format, Record
from foldwise.config.roster import KINDS
from foldwise.config.run import Run, config_hash
from foldwise.errors import UserError, require
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


class StageRecord(Record):
    """A finished stage: what it depended on, read, wrote and cost."""

    format: Format
    stage: str
    summary: str
    sections: list[str]
    config: str
    parts: dict[str, str]  # hash of each section
    modules: list[str]
    code: str
    inputs: dict[str, str | None]  # content hash by file
    outputs: dict[str, str | None]
    seconds: float
    peak_memory_mb: float

    @property
    def cost(self) -> StageCost:
        """What the manifest says of the stage."""
        return StageCost(
            seconds=self.seconds,
            peak_memory_mb=self.peak_memory_mb,
            code=self.code,
            config=self.config,
        )


def record_path(run: Run, stage: str) -> Path:
    """Path of the record of a finished stage."""
    return run.output / ".stages" / f"{stage}.json"


def execute(name: str, run: Run) -> bool:
    """Run the stage unless it is fresh, print its line, and return whether it ran."""
    path = record_path(run, name)
    record = StageRecord.read_if_usable(path)
    if not run.force and record and _is_fresh(record, run):
        say(f"{name:<12} unchanged, skipped · {record.summary}")
        return False
    stage: Stage = importlib.import_module(f"foldwise.stages.{name}").STAGE
    with Meter() as meter:
        # Hashed before the work: a file that changes meanwhile makes the stage stale, not fresh.
        inputs = check_inputs(name, stage.reads(run), run)
        path.unlink(missing_ok=True)
        summary = stage.work(run)
    outputs = {}
    for written in stage.writes(run):
        if not written.exists():
            raise RuntimeError(f"stage {name} did not write {written}")
        outputs |= {_relative(p, run): file_hash(p) for p in _files(written)}
    StageRecord(
        format=FORMAT,
        stage=name,
        summary=summary,
        sections=list(stage.sections),
        config=_stage_hash(run, stage.sections),
        parts=_part_hashes(run, stage.sections),
        modules=stage.modules(run),
        code=_stage_code(name, stage.modules(run)),
        inputs=inputs,
        outputs=outputs,
        seconds=round(meter.seconds, 3),
        peak_memory_mb=round(meter.peak_memory_mb, 1),
    ).write(path)
    say(f"{name:<12} {summary} · {meter.seconds:.1f} s, {meter.peak_memory_mb:,.0f} MB")
    return True


def _is_fresh(record: StageRecord, run: Run) -> bool:
    try:
        same = record.config == _stage_hash(run, tuple(record.sections))
        same = same and record.code == _stage_code(record.stage, record.modules)
        files = record.inputs | record.outputs
        return same and all(file_hash(_absolute(p, run)) == h for p, h in files.items())
    except (KeyError, AttributeError, OSError):  # sections or modules that are no more
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
    for earlier in ORDER[: ORDER.index(name)]:
        again = _again(earlier, name)
        record = StageRecord.read_if_there(record_path(run, earlier), again)
        if record and set(record.outputs) & set(inputs):
            _check_earlier(record, inputs, run, again)
    return inputs


def _check_earlier(
    record: StageRecord, inputs: dict[str, str | None], run: Run, again: str
) -> None:
    for label, digest in record.outputs.items():
        now = inputs[label] if label in inputs else file_hash(_absolute(label, run))
        if now != digest:
            what = "is gone" if now is None else f"is not what stage {record.stage!r} wrote"
            raise UserError(f"{_absolute(label, run)}: {what}; {again}")
    # Which models were chosen decides what an earlier stage wrote, not what is in it.
    parts = _part_hashes(run, record.sections)
    changed = [p for p, h in parts.items() if record.parts.get(p) != h and p != "models"]
    if changed:
        raise UserError(
            f"{run.output}: stage {record.stage!r} ran with another {changed[0]!r}; {again}"
        )
    if record.code != _stage_code(record.stage, record.modules):
        raise UserError(
            f"{run.output}: stage {record.stage!r} ran with other code or package versions; {again}"
        )


def _again(earlier: str, name: str) -> str:
    return f"run with --stages {earlier}..{name}"


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
            record_path(run, stage).exists(),
            f"{run.output}: stage {name!r} needs {stage!r}, which has not finished there; "
            f"{_again(stage, name)}",
        )
