"""`foldwise check-submission`: a submission file against the sample."""

from pathlib import Path
from typing import Annotated

import typer

from foldwise.errors import require
from foldwise.terminal import say


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
    from foldwise.data.submission import check, check_size, read_submission

    submission, followed = read_submission(file), read_submission(sample)
    check_size(file, max_mb)
    require(not id or id in followed, f"{sample}: no column {id!r} (set by --id)")
    check(submission, followed, str(file), id)
    say(f"{file}: valid: {len(submission):,} rows, columns {', '.join(submission.columns)}")
