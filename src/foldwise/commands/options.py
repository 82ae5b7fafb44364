"""What several commands share: option types, and options that take several values after one flag.

click knows no `--oof a b c`; `SeveralValues` does.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand

Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A shipped competition's name or a .toml file.")
]
Input = Annotated[
    Path | None, typer.Option(help="Folder of the raw files. [default: input/<name>]")
]
Output = Annotated[
    Path | None, typer.Option(help="Folder of the results. [default: output/<name>]")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n=3."),
]
Rows = Annotated[
    int, typer.Option(min=0, help="Use about N training rows, for a quick look. [0: all]")
]
LearningCurve = Annotated[
    bool, typer.Option("--learning-curve", help="Fit the cheap models on parts of the data too.")
]
LEARNING_CURVE_ON = "report.learning_curve=true"


def repeat_flag(arguments: list[str], flags: tuple[str, ...]) -> list[str]:
    """Write every flag of `flags` before each of its values.

    >>> repeat_flag(["--oof", "a", "b", "--labels", "y"], ("--oof",))
    ['--oof', 'a', '--oof', 'b', '--labels', 'y']

    Values end at the next option. What follows `--` is left alone.
    """
    written: list[str] = []
    flag = None  # the flag that the next bare values belong to
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*written, *arguments[place:]]
        if argument in flags:
            flag, waiting = argument, True
            written.append(argument)
        elif argument.startswith("-") and argument != "-":
            flag = None
            written.append(argument)
        elif flag is None:
            written.append(argument)
        else:
            written += [argument] if waiting else [flag, argument]
            waiting = False
    return written


class SeveralValues(TyperCommand):
    """A command whose options in `several` take one value or more after each flag."""

    several: ClassVar[tuple[str, ...]] = ("--oof", "--test")

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Parse the arguments with each flag repeated before each of its values."""
        return super().make_context(
            info_name, repeat_flag(list(args), self.several), parent, **extra
        )
