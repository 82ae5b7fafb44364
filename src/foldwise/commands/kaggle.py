"""`foldwise kaggle …`: to the leaderboard and back."""

from pathlib import Path
from typing import Annotated

import typer

from foldwise.kaggle.machine import HIDDEN_ROWS, LIMIT_SECONDS, MEMORY_GB

app = typer.Typer(no_args_is_help=True, help="To the Kaggle leaderboard and back.")

_Output = Annotated[Path, typer.Argument(help="Folder of a finished run, e.g. output/arena.")]

_Input = Annotated[
    Path | None, typer.Option(help="Folder of the raw files. [default: input/<name>]")
]


@app.command()
def download(
    competition: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A shipped competition's name or a .toml file.")
    ],
    input: _Input = None,
) -> None:
    """Download and unzip a competition's files, and check their columns."""
    from foldwise.config.competition import load_competition
    from foldwise.kaggle.download import download

    settings = load_competition(competition)
    download(settings, input or Path("input") / settings.name)


@app.command()
def bundle(
    output: _Output,
    user: Annotated[
        str | None, typer.Option(help="Your name on Kaggle; `push` finds it by itself.")
    ] = None,
) -> None:
    """Pack code, weights and notebooks for Kaggle into OUTPUT/kaggle."""
    from foldwise.kaggle import bundle as bundling

    bundling.bundle(output, user or bundling.USER)


@app.command()
def rehearse(
    output: _Output,
    input: _Input = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the hidden test.")] = HIDDEN_ROWS,
    limit: Annotated[
        float, typer.Option(min=1, help="Seconds the notebook may take.")
    ] = LIMIT_SECONDS,
    memory: Annotated[
        float, typer.Option(min=0.1, help="GB of the machine it runs on.")
    ] = MEMORY_GB,
) -> None:
    """Run the bundled notebook as Kaggle would; exit code 1 if it would fail there."""
    from foldwise.kaggle.rehearse import rehearse

    if not rehearse(output, input, rows, limit, memory):
        raise typer.Exit(1)


@app.command()
def push(
    output: _Output,
    train: Annotated[
        bool,
        typer.Option("--train", help="Push the notebook that fits, not the one that predicts."),
    ] = False,
) -> None:
    """Upload the bundle: two data sets, then the notebook."""
    from foldwise.kaggle.push import push

    push(output, "train" if train else "submit")


@app.command()
def submit(
    output: _Output,
    file: Annotated[
        Path | None,
        typer.Option(help="Submit this file instead of the pushed notebook's output."),
    ] = None,
    message: Annotated[str, typer.Option(help="Shown beside the score on Kaggle.")] = "foldwise",
    wait: Annotated[float, typer.Option(min=0, help="Hours to wait for the score.")] = 12.0,
) -> None:
    """Submit, wait for the score and append it to OUTPUT/submissions.csv."""
    from foldwise.kaggle.submit import submit

    submit(output, file, message, wait * 3600)
