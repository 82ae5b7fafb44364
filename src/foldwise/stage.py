"""What a stage reads and writes: freshness by content hash, atomic writes, time and memory.

A stage is skipped when its configuration, its code, the packages it imports and the content
of every file it read and wrote are unchanged. The record of a finished stage lies in
`output/<competition>/.stages/<stage>.json` and is enough to decide that without importing the
stage, so a run in which nothing changed starts no heavy library.
"""

import ast
import contextlib
import errno
import fcntl
import hashlib
import importlib
import importlib.metadata
import json
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from foldwise.config import Competition
from foldwise.errors import UserError
from foldwise.terminal import say

PACKAGE = Path(__file__).parent
_DISTRIBUTION = {"sklearn": "scikit-learn"}
_DISK_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One competition with its folders; every stage gets this and nothing else."""

    competition: Competition
    input: Path
    output: Path
    force: bool = False
    rows: int = 0
    time_budget: float = 0.0  # seconds of the whole run; 0 = no limit
    started: float = 0.0  # seconds since the epoch
    engine: str = "local"
    ray_address: str = "auto"

    @property
    def clean(self) -> Path:
        """Folder of the canonical tables."""
        return self.output / "clean"

    @property
    def features(self) -> Path:
        """Folder of the term counts and dense features."""
        return self.output / "features"

    @property
    def folds(self) -> Path:
        """The fold of every training row."""
        return self.output / "folds.parquet"

    @property
    def ensemble(self) -> Path:
        """Folder of the blend."""
        return self.output / "ensemble"

    def model(self, name: str) -> Path:
        """Folder of one model."""
        return self.output / "models" / name

    def fold(self, name: str, fold: int) -> Path:
        """Folder of one model fitted without one fold."""
        return self.model(name) / f"fold-{fold}"


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


# --- hashes -------------------------------------------------------------------------------


def file_hash(path: Path) -> str | None:
    """Return the content hash of a file, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def content_hash(*parts: Any) -> str:
    """Hash plain data (whatever JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def config_hash(run: Run, sections: tuple[str, ...]) -> str:
    """Hash the parts of the configuration that a stage or a unit depends on."""
    return content_hash(run.competition.section(*sections), run.rows)


def _stage_hash(run: Run, sections: tuple[str, ...]) -> str:
    # Only the transformers are cut to a time budget; without one they are completed.
    limited = run.time_budget and "bert" in sections
    return content_hash(config_hash(run, sections), run.time_budget if limited else 0)


@lru_cache
def code_hash(module: str) -> str:
    """Hash a module, all of foldwise that it imports, and the versions of other packages."""
    sources, packages, waiting = {}, set(), [module]
    while waiting:
        name = waiting.pop()
        path = _module_path(name)
        if path is None or name in sources:
            continue
        source = path.read_text(encoding="utf-8")
        sources[name] = source
        for imported in _imports(source):
            if imported.split(".")[0] == "foldwise":
                waiting.append(imported)
            else:
                packages.add(imported.split(".")[0])
    versions = {}
    for package in sorted(packages - set(sys.stdlib_module_names)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = _DISTRIBUTION.get(package, package)
            versions[package] = importlib.metadata.version(distribution)
    return content_hash(sources, versions)


def _module_path(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- files --------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` only on success.

    Works for a file or a folder; a folder that exists is replaced. Nothing is forced to the
    disk: what a power cut leaves half written no longer has the hash that was recorded.

    Raises
    ------
    UserError
        The disk is full, over quota or read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
        yield temporary
        if temporary.is_dir() and path.exists():
            # A folder cannot be renamed onto another; deleting it first would take long.
            remove(old)
            os.replace(path, old)
        os.replace(temporary, path)
    except Exception as error:
        reason = _unwritable(error, path.parent)
        if reason is None:
            raise
        raise UserError(
            f"{path}: cannot be written: {reason}; what is finished is kept, run again to go on"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            remove(temporary)
            remove(old)


def _unwritable(error: Exception, folder: Path) -> str | None:
    """Say why the disk does not take a file, or None if something else is wrong."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return os.strerror(error.errno)
    if isinstance(error, OSError) and str(error).endswith(" written"):  # numpy's, without a number
        return "the disk took only a part of it"
    # Some libraries report a full disk as an error of their own.
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < 2**20:
            return os.strerror(errno.ENOSPC)
    return None


def clear_leftovers(folder: Path) -> None:
    """Delete the partial files of killed runs; only for who holds the lock of `folder`."""
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.\d+\.(partial|old)", path.name):
            remove(path)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as utf-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_parquet(path: Path, table: Any) -> None:
    """Write a pandas DataFrame as parquet without its index, atomically."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, or say that another run holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # held open for as long as the lock
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another run is writing there; wait for it or choose another --output"
            ) from None
        clear_leftovers(folder)
        yield


# --- cost ---------------------------------------------------------------------------------


@dataclass
class Meter:
    """Wall-clock seconds and peak resident memory of a block of code.

    Where the kernel lets a process reset its own high-water mark (Linux), the peak is that of
    the block; elsewhere it is the peak of the whole process so far.
    """

    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    _start: float = field(default=0.0, repr=False)

    def __enter__(self) -> "Meter":
        """Reset the high-water mark and start the clock."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Read the clock and the mark."""
        self.seconds = time.perf_counter() - self._start
        self.peak_memory_mb = _peak_memory_mb()


def _peak_memory_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024**2 if sys.platform == "darwin" else 1024)
