"""`tune/<model>.json`: the best settings that were found, and what they are worth."""

from pydantic import JsonValue

from foldwise.config.record import Record


class TuneRecord(Record):
    """A search; what a nested one finds out is there where it was asked for."""

    model: str
    metric: str
    trials: int
    default: float  # the metric with the settings that are there
    tuned: float  # with the best ones, on the folds that they were chosen on
    tuned_is_optimistic: str
    values: dict[str, JsonValue]  # the best settings
    improves: bool
    nested: float | None = None  # the metric where they are chosen without the fold
    optimism: float | None = None
    difference: float | None = None  # log loss nested less that of the defaults
    difference_low: float | None = None
    difference_high: float | None = None
