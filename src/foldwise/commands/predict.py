"""`foldwise predict`: new texts through the saved models."""

from pathlib import Path
from typing import Annotated

import typer

from foldwise.errors import require
from foldwise.terminal import say


def predict(
    output: Annotated[
        Path,
        typer.Argument(help="A finished output folder, or a stored fold: …/models/bert/fold-0."),
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(help="A text to classify; one for each text column, in their order."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the text columns.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write a file's predictions: .csv, .tsv, .jsonl or .parquet."),
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name, or the ensemble.")] = "ensemble",
    fold: Annotated[
        int | None, typer.Option(min=0, help="Only this fold's model. [default: all, averaged]")
    ] = None,
) -> None:
    """Classify new texts with the saved models: class and probabilities."""
    from foldwise.data.formats import check_out, write_table
    from foldwise.ensemble.predictor import Predictor, show

    require(bool(text) != bool(file), "predict: give either --text or --file")
    require(bool(file) == bool(out), "predict: --file and --out go together")
    if out:
        check_out(out)
    predictor = Predictor.load(output, model, fold)
    if text:
        say(show(predictor.predict_texts(text), predictor.classes))
    else:
        table = predictor.predict_file(file)
        write_table(table, out)
        say(f"{out}: {len(table):,} rows, class and probabilities by {predictor.described}")
