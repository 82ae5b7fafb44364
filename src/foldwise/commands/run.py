"""`foldwise run`: the pipeline, raw files in, submission and report out."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from foldwise.commands.options import (
    LEARNING_CURVE_ON,
    Config,
    Input,
    LearningCurve,
    Output,
    Rows,
    Settings,
)
from foldwise.errors import require
from foldwise.stages import ORDER


def run(
    competition: Config,
    input: Input = None,
    output: Output = None,
    models: Annotated[
        str | None, typer.Option(help="Models to fit, e.g. logreg,bert; the prior is always there.")
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A..B",
            help=f"One stage or a range of: {' '.join(ORDER)}. Given twice, both must hold it.",
        ),
    ] = None,
    settings: Settings = None,
    rows: Rows = 0,
    force: Annotated[bool, typer.Option(help="Run the stages even if nothing changed.")] = False,
    learning_curve: LearningCurve = False,
    time_budget: Annotated[
        str | None,
        typer.Option(
            metavar="8h",
            help="Time for the whole run, e.g. 8h or 1h30m; bert trains less if it must.",
        ),
    ] = None,
    override: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A TOML file over the competition's, as tune writes."),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Where the folds are fitted.")
    ] = "local",
    ray_address: Annotated[
        str, typer.Option(help="Of the Ray cluster; auto finds it, local starts one here.")
    ] = "auto",
) -> None:
    """Run the pipeline: raw files in, submission and report out. Finished work is kept."""
    from foldwise.config.competition import load_competition
    from foldwise.config.run import Run
    from foldwise.stages import pipeline

    chosen = pipeline.chosen_stages(stages or [])
    names = pipeline.chosen_models(models)
    require(engine in ("local", "ray"), f"--engine {engine}: it is local or ray")
    require(
        engine == "local" or time_budget is None,
        "--time-budget does not go with --engine ray: folds are timed where they are fitted; leave "
        "one of them out",
    )
    settings = [*(settings or []), *([LEARNING_CURVE_ON] if learning_curve else [])]
    loaded = load_competition(competition, settings, names, override or ())
    context = Run.of(
        loaded,
        input,
        output,
        force=force,
        rows=rows,
        time_budget=pipeline.seconds(time_budget),
        # run.sh starts a process for each stage; their budget is one.
        started=float(os.environ.get("FOLDWISE_STARTED") or time.time()),
        engine=engine,
        ray_address=ray_address,
    )
    pipeline.run_stages(context, chosen, sys.argv[1:])
