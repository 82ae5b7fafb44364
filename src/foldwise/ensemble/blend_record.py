"""`ensemble/weights.json`: the blend that is used, and those that were tried."""

from foldwise.config.record import Number, Record
from foldwise.scoring.scores import Scores


class TriedBlend(Record):
    """A way to blend, with its score by weights that never saw the fold, and by those that did."""

    method: str
    title: str
    nested_log_loss: float
    fitted_log_loss: float
    weights: dict[str, float]  # by model


class BlendRecord(Record):
    """The whole of `weights.json`."""

    method: str
    title: str
    classes: list[str]
    methods: list[TriedBlend]
    weights: dict[str, float]  # by model; for stacking the mean over classes
    class_weights: dict[str, list[float]] | None  # of stacking, by model
    bias: dict[str, float]  # by class
    temperature: float
    dropped: list[str]  # models without weight
    chosen_without: list[str]  # the method chosen without each fold
    overall: Scores  # nested, the choice of the method included
    train_seconds: Number
    predict_seconds: Number
    peak_memory_mb: Number
