"""The command line: `python -m foldwise COMMAND`."""

import sys
from typing import Annotated

import typer

from foldwise import __version__
from foldwise.commands import kaggle
from foldwise.commands.check_submission import check_submission
from foldwise.commands.compare import compare
from foldwise.commands.ensemble import ensemble
from foldwise.commands.options import SeveralValues
from foldwise.commands.predict import predict
from foldwise.commands.report import report
from foldwise.commands.run import run
from foldwise.commands.simulate import simulate
from foldwise.commands.tune import tune
from foldwise.errors import UserError
from foldwise.terminal import say

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An honest, reproducible competition pipeline for text classification.",
)
app.command()(run)
app.command()(simulate)
app.command()(tune)
app.command()(check_submission)
app.command()(predict)
app.command(cls=SeveralValues)(report)
app.command(cls=SeveralValues)(ensemble)
app.command()(compare)
app.add_typer(kaggle.app, name="kaggle")


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
