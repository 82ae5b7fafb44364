"""`foldwise report`: a finished run again, or predictions that were made elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foldwise.commands.options import LEARNING_CURVE_ON, LearningCurve
from foldwise.errors import require


def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="A finished output folder.")
    ] = None,
    oof: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Out-of-fold probabilities made elsewhere: .npy, .csv, .tsv or .parquet, or "
            "name=FILE; several after one flag.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Their labels: a column or one-hot; id, group, fold if known."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to report on --oof. [default: output/foreign]")
    ] = None,
    input: Annotated[
        Path | None, typer.Option(help="Raw files of a simulated run. [default: input/<name>]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. report.bootstrap."),
    ] = None,
    learning_curve: LearningCurve = False,
) -> None:
    """Report on a finished run again, or on predictions that were made elsewhere."""
    from foldwise.ensemble.external import ExternalFiles
    from foldwise.stages import rerun
    from foldwise.stages.pipeline import closing

    require(bool(folder) != bool(oof), "report: give either an output folder or --oof FILE...")
    require(bool(oof) == bool(labels), "report: --oof and --labels go together")
    if oof:
        require(not learning_curve, "report: --learning-curve needs a run, not --oof files")
        require(not input, "report: --input goes with an output folder, not with --oof")
        target = output or Path("output") / "foreign"
        files, stages = ExternalFiles(tuple(oof), labels), ("ensemble", "report")
        context = rerun.on_files(files, stages, target, settings or [], sys.argv[1:])
    else:
        require(not output, "report: the report is written into the folder itself; drop --output")
        extra = [LEARNING_CURVE_ON] if learning_curve else []
        context = rerun.on_run(folder, input, [*(settings or []), *extra])
    closing(context)
