"""`foldwise simulate`: the raw files of a simulated arena."""

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("input/sample"),
    train_rows: Annotated[int | None, typer.Option(min=1, help="[default: 1500]")] = None,
    test_rows: Annotated[int | None, typer.Option(min=0, help="[default: 500]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="[default: 42]")] = None,
) -> None:
    """Write a simulated arena (not human votes) in the schema of the headline competition."""
    from foldwise.config.competition import load_competition
    from foldwise.stages.pipeline import write_simulation

    default = load_competition("sample").simulate
    write_simulation(
        output,
        default.train_rows if train_rows is None else train_rows,
        default.test_rows if test_rows is None else test_rows,
        default.seed if seed is None else seed,
    )
