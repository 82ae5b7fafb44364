"""The command line: `python -m foldwise COMMAND`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foldwise import __version__, config
from foldwise.errors import UserError, require
from foldwise.stage import Run, execute, lock
from foldwise.stages import ORDER
from foldwise.terminal import say

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An honest, reproducible competition pipeline for text classification.",
)


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
    competition: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A shipped competition's name or a .toml file.")
    ],
    input: Annotated[
        Path | None, typer.Option(help="Folder of the raw files. [default: input/<name>]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the results. [default: output/<name>]")
    ] = None,
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
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n=3."),
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, help="Use about N training rows, for a quick look. [0: all]")
    ] = 0,
    force: Annotated[bool, typer.Option(help="Run the stages even if nothing changed.")] = False,
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
    chosen = _stages(stages or [])
    names = _models(models)
    require(engine in ("local", "ray"), f"--engine {engine}: it is local or ray")
    settings_ = config.load(competition, settings or (), names, override or ())
    context = Run(
        competition=settings_,
        input=input or Path("input") / settings_.name,
        output=output or Path("output") / settings_.name,
        force=force,
        rows=rows,
        engine=engine,
        ray_address=ray_address,
    )
    if "clean" in chosen:
        _ensure_sample(context)
    from foldwise.manifest import write_manifest

    with lock(context.output):
        for name in chosen:
            _require_earlier(name, context)
            if name == "report":
                write_manifest(context, sys.argv[1:])  # the report shows it
            execute(name, context)
        write_manifest(context, sys.argv[1:])
    if "report" in chosen:
        _closing(context)


@app.command()
def simulate(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("input/sample"),
    train_rows: Annotated[int | None, typer.Option(min=1, help="[default: 1500]")] = None,
    test_rows: Annotated[int | None, typer.Option(min=0, help="[default: 500]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="[default: 42]")] = None,
) -> None:
    """Write a simulated arena (not human votes) in the schema of the headline competition."""
    default = config.load("sample").simulate
    _simulate(
        output,
        default.train_rows if train_rows is None else train_rows,
        default.test_rows if test_rows is None else test_rows,
        default.seed if seed is None else seed,
    )


@app.command()
def tune(
    competition: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A shipped competition's name or a .toml file.")
    ],
    model: Annotated[str, typer.Option(help="The model to tune, e.g. lightgbm.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in the end.")] = 50,
    nested: Annotated[
        bool, typer.Option(help="Also say how optimistic the score is; folds + 1 times the work.")
    ] = False,
    space: Annotated[
        Path | None, typer.Option(help="A TOML file with search spaces. [default: the shipped one]")
    ] = None,
    input: Annotated[
        Path | None, typer.Option(help="Folder of the raw files. [default: input/<name>]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the results. [default: output/<name>]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n=3."),
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, help="Use about N training rows, for a quick look. [0: all]")
    ] = 0,
) -> None:
    """Tune a model on the frozen folds; start it several times and the workers share the trials."""
    from foldwise import searchspace, tuning

    spans = searchspace.read(model, space)
    competition_ = config.load(competition, settings or (), [model])
    context = Run(
        competition=competition_,
        input=input or Path("input") / competition_.name,
        output=output or Path("output") / competition_.name,
        rows=rows,
    )
    _require_earlier("baselines", context)
    tuner = tuning.Tuner.load(context, model, spans)
    report = tuning.tune(tuner, trials, nested)
    for line in tuning.describe(report, context.output / "tune" / f"{model}.toml"):
        say(line)


@app.command("check-submission")
def check_submission(
    file: Annotated[Path, typer.Argument(help="The submission to check.")],
    sample: Annotated[Path, typer.Option(help="The competition's sample submission.")],
) -> None:
    """Check a submission file against the sample; name the row at fault, exit with code 2."""
    from foldwise.submission import check, read

    submission = read(file)
    check(submission, read(sample), str(file))
    say(f"{file}: valid: {len(submission):,} rows, columns {', '.join(submission.columns)}")


@app.command()
def predict(
    output: Annotated[Path, typer.Argument(help="A finished output folder, e.g. output/prompts.")],
    text: Annotated[
        list[str] | None,
        typer.Option(help="A text to classify; one for each text column, in their order."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the text columns.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write a file's predictions.")] = None,
    model: Annotated[str, typer.Option(help="A model's name, or the ensemble.")] = "ensemble",
) -> None:
    """Classify new texts with the saved models: class and probabilities."""
    from foldwise import predict as predicting

    require(bool(text) != bool(file), "predict: give either --text or --file")
    require(bool(file) == bool(out), "predict: --file and --out go together")
    predictor = predicting.Predictor.load(output, model)
    if text:
        say(predicting.show(predictor.predict_texts(text), predictor.classes))
    else:
        table = predictor.predict_file(file)
        predicting.write(table, out)
        say(f"{out}: {len(table):,} rows, class and probabilities by {model}")


def _stages(spans: list[str]) -> list[str]:
    chosen = list(ORDER)
    for span in spans:
        first, dots, last = span.partition("..")
        last = last if dots else first
        first, last = first or ORDER[0], last or ORDER[-1]
        for name in (first, last):
            require(name in ORDER, f"--stages {span}: no stage {name!r}; there are {list(ORDER)}")
        low, high = ORDER.index(first), ORDER.index(last)
        require(low <= high, f"--stages {span}: {first} comes after {last}")
        chosen = [name for name in chosen if low <= ORDER.index(name) <= high]
    return chosen


def _models(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        require(
            name in config.MODEL_NAMES,
            f"--models: no model {name!r}; there are {', '.join(config.MODEL_NAMES)}",
        )
    require(bool(names), "--models: name at least one model")
    # The floor stands in every table.
    return names if "prior" in names else ["prior", *names]


def _require_earlier(name: str, context: Run) -> None:
    earlier = ORDER[: ORDER.index(name)]
    for stage in earlier:
        require(
            (context.output / ".stages" / f"{stage}.json").exists(),
            f"{context.output}: stage {name!r} needs {stage!r}, which has not finished there; "
            f"run with --stages {stage}..{name}",
        )


def _ensure_sample(context: Run) -> None:
    wanted = context.competition.simulate
    if wanted.train_rows and not (context.input / "train.csv").exists():
        _simulate(context.input, wanted.train_rows, wanted.test_rows, wanted.seed)


def _simulate(folder: Path, train_rows: int, test_rows: int, seed: int) -> None:
    from foldwise.simulation import simulate as write

    facts = write(folder, train_rows=train_rows, test_rows=test_rows, seed=seed)
    say(
        f"{'simulate':<12} {train_rows:,} train and {test_rows:,} test rows of a simulated arena "
        f"(not human votes) in {folder}; Bayes log loss {facts['bayes_log_loss']:.4f}"
    )


def _closing(context: Run) -> None:
    from foldwise.leaderboard import render

    say()
    say(render(context.output))
    say()
    for name in ("submission.csv", "report.html"):
        if (context.output / name).exists():
            say(f"{name.partition('.')[0]:<12} {context.output / name}")


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
