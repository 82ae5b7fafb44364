"""`foldwise ensemble`: a blend of predictions that were made elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foldwise.terminal import say


def ensemble(
    oof: Annotated[
        list[str],
        typer.Option(
            metavar="FILE...",
            help="Out-of-fold probabilities: .npy, .csv, .tsv or .parquet, or name=FILE; several "
            "after one flag.",
        ),
    ],
    labels: Annotated[
        Path, typer.Option(help="Their labels: a column or one-hot; id, group, fold if known.")
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE...", help="Test probabilities of the same models, in the order of --oof."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("output/blend"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. folds.n."),
    ] = None,
) -> None:
    """Blend predictions that were made elsewhere, every candidate judged nested."""
    from foldwise.ensemble.external import ExternalFiles
    from foldwise.report import leaderboard
    from foldwise.stages import rerun

    files = ExternalFiles(tuple(oof), labels, tuple(test or ()))
    context = rerun.on_files(files, ("ensemble",), output, settings or [], sys.argv[1:])
    say("\n" + leaderboard.blends(context))
    say(f"\n{'ensemble':<12} {context.ensemble}")
