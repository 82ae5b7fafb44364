"""The command line: `python -m foldwise COMMAND`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from foldwise import __version__, config, pipeline
from foldwise.arguments import SeveralValues
from foldwise.errors import UserError, require
from foldwise.kaggle.cli import app as kaggle
from foldwise.stage import Run
from foldwise.stages import ORDER
from foldwise.terminal import say

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An honest, reproducible competition pipeline for text classification.",
)
app.add_typer(kaggle, name="kaggle")

# Options of more than one command.
_Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A shipped competition's name or a .toml file.")
]
_Input = Annotated[
    Path | None, typer.Option(help="Folder of the raw files. [default: input/<name>]")
]
_Output = Annotated[
    Path | None, typer.Option(help="Folder of the results. [default: output/<name>]")
]
_Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n=3."),
]
_Rows = Annotated[
    int, typer.Option(min=0, help="Use about N training rows, for a quick look. [0: all]")
]
_LearningCurve = Annotated[
    bool, typer.Option("--learning-curve", help="Fit the cheap models on parts of the data too.")
]


_LEARNING_CURVE_ON = ("report.learning_curve=true",)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"foldwise {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    competition: _Config,
    input: _Input = None,
    output: _Output = None,
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
    settings: _Settings = None,
    rows: _Rows = 0,
    force: Annotated[bool, typer.Option(help="Run the stages even if nothing changed.")] = False,
    learning_curve: _LearningCurve = False,
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
    chosen = pipeline.chosen_stages(stages or [])
    names = pipeline.chosen_models(models)
    require(engine in ("local", "ray"), f"--engine {engine}: it is local or ray")
    require(
        engine == "local" or time_budget is None,
        "--time-budget does not go with --engine ray: folds are timed where they are fitted; leave "
        "one of them out",
    )
    settings = [*(settings or []), *(_LEARNING_CURVE_ON if learning_curve else [])]
    loaded = config.load(competition, settings, names, override or ())
    context = Run(
        competition=loaded,
        input=input or Path("input") / loaded.name,
        output=output or Path("output") / loaded.name,
        force=force,
        rows=rows,
        time_budget=pipeline.seconds(time_budget),
        # run.sh starts a process for each stage; their budget is one.
        started=float(os.environ.get("FOLDWISE_STARTED") or time.time()),
        engine=engine,
        ray_address=ray_address,
    )
    pipeline.run_stages(context, chosen, sys.argv[1:])


@app.command()
def simulate(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("input/sample"),
    train_rows: Annotated[int | None, typer.Option(min=1, help="[default: 1500]")] = None,
    test_rows: Annotated[int | None, typer.Option(min=0, help="[default: 500]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="[default: 42]")] = None,
) -> None:
    """Write a simulated arena (not human votes) in the schema of the headline competition."""
    default = config.load("sample").simulate
    pipeline.write_simulation(
        output,
        default.train_rows if train_rows is None else train_rows,
        default.test_rows if test_rows is None else test_rows,
        default.seed if seed is None else seed,
    )


@app.command()
def tune(
    competition: _Config,
    model: Annotated[str, typer.Option(help="The model to tune, e.g. lightgbm.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in the end.")] = 50,
    nested: Annotated[
        bool, typer.Option(help="Also say how optimistic the score is; folds + 1 times the work.")
    ] = False,
    space: Annotated[
        Path | None, typer.Option(help="A TOML file with search spaces. [default: the shipped one]")
    ] = None,
    input: _Input = None,
    output: _Output = None,
    settings: _Settings = None,
    rows: _Rows = 0,
) -> None:
    """Tune a model on the frozen folds; start it several times and the workers share the trials."""
    from foldwise import searchspace, tuning
    from foldwise.tuner import Tuner

    spans = searchspace.read(model, space)
    loaded = config.load(competition, settings or (), [model])
    context = Run(
        competition=loaded,
        input=input or Path("input") / loaded.name,
        output=output or Path("output") / loaded.name,
        rows=rows,
    )
    pipeline.require_earlier("baselines", context)
    report = tuning.tune(Tuner.load(context, model, spans), trials, nested)
    for line in tuning.describe(report, context.output / "tune" / f"{model}.toml"):
        say(line)


@app.command("check-submission")
def check_submission(
    file: Annotated[Path, typer.Argument(help="The submission to check.")],
    sample: Annotated[Path, typer.Option(help="The competition's sample submission.")],
    max_mb: Annotated[float, typer.Option(min=0, help="Largest file that is accepted, MB.")] = 100,
    id: Annotated[
        str, typer.Option(help="The id column. [default: the first without a repeated value]")
    ] = "",
) -> None:
    """Check a submission file against the sample; name the row at fault, exit with code 2.

    Columns, row count, ids (missing, unknown, twice), order, range, sums, no gaps, size.
    """
    from foldwise.submission import check, check_size, read

    submission, followed = read(file), read(sample)
    check_size(file, max_mb)
    require(not id or id in followed, f"{sample}: no column {id!r} (set by --id)")
    check(submission, followed, str(file), id)
    say(f"{file}: valid: {len(submission):,} rows, columns {', '.join(submission.columns)}")


@app.command()
def predict(
    output: Annotated[
        Path,
        typer.Argument(help="A finished output folder, or a stored fold: …/models/bert/fold-0."),
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(help="A text to classify; one for each text column, in their order."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the text columns.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write a file's predictions: .csv, .tsv, .jsonl or .parquet."),
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name, or the ensemble.")] = "ensemble",
    fold: Annotated[
        int | None, typer.Option(min=0, help="Only this fold's model. [default: all, averaged]")
    ] = None,
) -> None:
    """Classify new texts with the saved models: class and probabilities."""
    from foldwise import predict as predicting

    require(bool(text) != bool(file), "predict: give either --text or --file")
    require(bool(file) == bool(out), "predict: --file and --out go together")
    if out:
        predicting.check_out(out)
    predictor = predicting.Predictor.load(output, model, fold)
    if text:
        say(predicting.show(predictor.predict_texts(text), predictor.classes))
    else:
        table = predictor.predict_file(file)
        predicting.write(table, out)
        say(f"{out}: {len(table):,} rows, class and probabilities by {predictor.described}")


@app.command(cls=SeveralValues)
def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="A finished output folder.")
    ] = None,
    oof: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Out-of-fold probabilities made elsewhere: .npy, .csv or .parquet, or name=FILE; "
            "several after one flag.",
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
    learning_curve: _LearningCurve = False,
) -> None:
    """Report on a finished run again, or on predictions that were made elsewhere."""
    from foldwise import reporting

    require(bool(folder) != bool(oof), "report: give either an output folder or --oof FILE...")
    require(bool(oof) == bool(labels), "report: --oof and --labels go together")
    if oof:
        require(not learning_curve, "report: --learning-curve needs a run, not --oof files")
        require(not input, "report: --input goes with an output folder, not with --oof")
        target = output or Path("output") / "foreign"
        context = reporting.on_files(oof, labels, target, settings or [], sys.argv[1:])
    else:
        require(not output, "report: the report is written into the folder itself; drop --output")
        extra = _LEARNING_CURVE_ON if learning_curve else []
        context = reporting.on_run(folder, input, [*(settings or []), *extra])
    pipeline.closing(context)


@app.command(cls=SeveralValues)
def ensemble(
    oof: Annotated[
        list[str],
        typer.Option(
            metavar="FILE...",
            help="Out-of-fold probabilities: .npy, .csv or .parquet, or name=FILE; several after "
            "one flag.",
        ),
    ],
    labels: Annotated[
        Path, typer.Option(help="Their labels: a column or one-hot; id, group, fold if known.")
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE...", help="Test probabilities of the same models, in the order of --oof."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("output/blend"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n."),
    ] = None,
) -> None:
    """Blend predictions that were made elsewhere, every candidate judged nested."""
    from foldwise import leaderboard, reporting

    context = reporting.blend_files(oof, labels, test or [], output, settings or [], sys.argv[1:])
    say("\n" + leaderboard.blends(context))
    say(f"\n{'ensemble':<12} {context.ensemble}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Output folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Output folder of another run.")],
    output: Annotated[
        Path | None, typer.Option(help="Also write compare.md and compare.json into this folder.")
    ] = None,
) -> None:
    """Set two runs on the same rows and folds side by side, and say what the change bought."""
    from foldwise import sidebyside

    facts = sidebyside.compare(first, second)
    say(sidebyside.render(facts))
    if output:
        sidebyside.write(facts, output)
        say(f"\n{'compare':<12} {output / 'compare.md'}")


def main() -> None:
    """Run the command line; bad input is one line and exit code 2, a fault keeps its traceback."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: finished folds are kept; run again to go on", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
