"""Options that take several values after one flag: `--oof a b c`, which click does not know."""

from typing import Any, ClassVar

from typer.core import TyperCommand


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
