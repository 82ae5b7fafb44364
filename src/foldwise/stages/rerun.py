"""Report and blend without the pipeline: a finished run, or predictions from elsewhere."""

from collections.abc import Sequence
from pathlib import Path

from foldwise.config.run import Run, finished
from foldwise.ensemble import external
from foldwise.errors import require
from foldwise.files import lock, read_json
from foldwise.stages.manifest import write_manifest
from foldwise.stages.stage import execute


def on_run(output: Path, input: Path | None, settings: Sequence[str]) -> Run:
    """Check a finished run for leaks and write its report anew.

    Parameters
    ----------
    output : Path
        Its output folder; the manifest there holds its configuration.
    input : Path, optional
        Its raw files, which only a simulated competition's report reads.
    settings : sequence of str
        Overrides of `[report]`, `title` and `metric`; the manifest goes on describing the run.
    """
    for setting in settings:
        key = setting.partition("=")[0].strip()
        require(
            key.partition(".")[0] in ("report", "title", "metric"),
            f"--set {setting}: the run is finished; only report.*, title and metric may differ",
        )
    run = finished(output, input, settings)
    with lock(run.output):
        if "foreign" not in read_json(run.clean / "audit.json"):
            execute("leaks", run)
        execute("report", run)
    return run


def on_files(
    oof: Sequence[str],
    labels: Path,
    output: Path,
    settings: Sequence[str],
    command: Sequence[str],
) -> Run:
    """Bring predictions from elsewhere into `output`, blend them, and write their report.

    Parameters
    ----------
    oof, labels
        As in `external.read`.
    output : Path
    settings : sequence of str
        `section.key=value` overrides.
    command : sequence of str
        Recorded in the manifest.
    """
    return _stages_on_files(("ensemble", "report"), oof, labels, (), output, settings, command)


def blend_files(
    oof: Sequence[str],
    labels: Path,
    tests: Sequence[Path],
    output: Path,
    settings: Sequence[str],
    command: Sequence[str],
) -> Run:
    """Bring predictions from elsewhere into `output` and blend them, without a report.

    Parameters
    ----------
    oof, labels
        As in `external.read`.
    tests : sequence of Path
        As in `external.write_test`.
    output, settings, command
        As in `on_files`.
    """
    return _stages_on_files(("ensemble",), oof, labels, tests, output, settings, command)


def _stages_on_files(
    stages: Sequence[str],
    oof: Sequence[str],
    labels: Path,
    tests: Sequence[Path],
    output: Path,
    settings: Sequence[str],
    command: Sequence[str],
) -> Run:
    competition = external.base_competition(settings)
    found = external.read(oof, labels)
    with lock(output):
        run = external.write(found, output, competition)
        external.write_test(run, found, tests)
        for name in stages:
            write_manifest(run, list(command))  # the report shows it
            execute(name, run)
    return run
