"""The scores of one set of predictions, and of a training on its way, as records hold them."""

from typing import Annotated

from pydantic import BeforeValidator

from foldwise.config.record import Number, Record, known

# A point of a curve: epoch, step, split, loss, and what else the model measures there.
Point = dict[str, Annotated[float | int | str | None, BeforeValidator(known)]]


class Scores(Record):
    """What `metrics.scores` returns."""

    log_loss: Number
    accuracy: Number
    precision_macro: Number
    recall_macro: Number
    f1_macro: Number
    ece: Number
