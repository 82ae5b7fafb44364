"""`foldwise compare`: two runs on the same rows and folds side by side."""

from pathlib import Path
from typing import Annotated

import typer

from foldwise.terminal import say


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Output folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Output folder of another run.")],
    output: Annotated[
        Path | None, typer.Option(help="Also write compare.md and compare.json into this folder.")
    ] = None,
) -> None:
    """Set two runs on the same rows and folds side by side, and say what the change bought."""
    from foldwise.report import compare as sides

    facts = sides.compare(first, second)
    say(sides.render_comparison(facts))
    if output:
        sides.write_comparison(facts, output)
        say(f"\n{'compare':<12} {output / 'compare.md'}")
