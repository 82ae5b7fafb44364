"""Report and blend without the pipeline: a finished run, or predictions from elsewhere."""

from collections.abc import Sequence
from pathlib import Path

from foldwise.config.run import Run, finished
from foldwise.data.audit_record import Audit
from foldwise.ensemble import external_run
from foldwise.ensemble.external import ExternalFiles
from foldwise.errors import require
from foldwise.files import lock
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
        if not Audit.read(run.clean / "audit.json").foreign:
            execute("leaks", run)
        execute("report", run)
    return run


def on_files(
    files: ExternalFiles,
    stages: Sequence[str],
    output: Path,
    settings: Sequence[str],
    command: Sequence[str],
) -> Run:
    """Bring predictions from elsewhere into `output`, and run stages on them.

    Parameters
    ----------
    files : ExternalFiles
    stages : sequence of str
        Of "ensemble" and "report", in this order.
    output : Path
    settings : sequence of str
        `section.key=value` overrides.
    command : sequence of str
        Recorded in the manifest.
    """
    competition = external_run.default_competition(settings)
    predictions = files.read()
    with lock(output):
        run = external_run.write_run(predictions, output, competition)
        external_run.write_test(run, predictions, files.test)
        for name in stages:
            write_manifest(run, list(command))  # the report shows it
            execute(name, run)
    return run
