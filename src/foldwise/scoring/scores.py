"""The scores of one set of predictions, as a record holds them."""

from foldwise.config.record import Number, Record


class Scores(Record):
    """What `metrics.scores` returns."""

    log_loss: Number
    accuracy: Number
    precision_macro: Number
    recall_macro: Number
    f1_macro: Number
    ece: Number
