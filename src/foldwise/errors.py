"""The one exception that means "your input is at fault", told in one line without a traceback."""

import difflib
from collections.abc import Iterable

_LONGEST = 1000  # characters of a message


class UserError(Exception):
    """Bad input: the message names the file, row or key at fault and says what to do.

    The command line prints it as a single line and exits with code 2. Any other exception
    is a fault of the program and keeps its traceback. Whatever the input put into the message
    is kept from breaking the line and from filling the screen.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"
        super().__init__(line)


def require(condition: bool, message: str) -> None:
    """Raise `UserError(message)` unless `condition` holds."""
    if not condition:
        raise UserError(message)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the end of a message, "; did you mean …?", or nothing where no name is near.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What there is.
    cutoff : float
        How alike two names must be, from 0 (not at all) to 1 (the same).
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_line(error: Exception) -> str:
    """Return the message of a library's error, fit for the message of a `UserError`."""
    return " ".join(str(error).split())[:300]
