"""The one exception that means "your input is at fault", told in one line without a traceback."""


class UserError(Exception):
    """Bad input: the message names the file, row or key at fault and says what to do.

    The command line prints it as a single line and exits with code 2. Any other exception
    is a fault of the program and keeps its traceback.
    """


def require(condition: bool, message: str) -> None:
    """Raise `UserError(message)` unless `condition` holds."""
    if not condition:
        raise UserError(message)
