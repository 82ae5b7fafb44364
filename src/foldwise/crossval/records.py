"""`unit.json` and `metrics.json`: what is known of a stored fold, and of a model over all folds."""

from dataclasses import dataclass

from pydantic import ConfigDict, JsonValue

from foldwise.config.record import Format, Number, Record
from foldwise.scoring.scores import Point, Scores


@dataclass(frozen=True)
class Keys:
    """Hashes of what a stored unit depends on.

    Attributes
    ----------
    fit : str
        Of everything that decides the fitted model and its prediction of the left-out fold.
    predict : str
        Of that and of the test rows.
    """

    fit: str
    predict: str


class UnitRecord(Record):
    """A stored fold: `unit.json`, beside the files that it vouches for."""

    format: Format
    model: str
    classes: list[str]
    prior_correction: list[float]  # factors that give the training prior back, by class
    config: dict[str, JsonValue]  # `Competition.restore` reads it
    fit_key: str
    predict_key: str
    files: dict[str, str | None]  # content hash of each other file

    @property
    def keys(self) -> Keys:
        """What the unit was stored under."""
        return Keys(self.fit_key, self.predict_key)


class _Place(Record):
    fold: int
    rows: int


class FoldRecord(Scores, _Place):
    """A model without one fold: its scores there, its cost, and what it says of its own fit.

    Models differ in what they say: a chosen C, rounds, tokens. Those keys stand beside the rest.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    train_seconds: Number = None
    predict_seconds: Number = None
    peak_memory_mb: Number = None
    device: str = "cpu"
    notes: list[str] = []
    history: list[Point] = []
    histories: list[list[Point]] | None = None  # by seed, where several were trained

    @property
    def curves(self) -> list[list[Point]]:
        """The curve of each seed."""
        return self.histories or [self.history]


class ModelRecord(Record):
    """A model over all folds: `models/<model>/metrics.json`."""

    model: str
    classes: list[str]
    overall: Scores
    train_seconds: Number  # None where it was fitted elsewhere
    predict_seconds: Number
    predict_rows: int
    peak_memory_mb: Number
    device: str
    notes: list[str]
    folds: list[FoldRecord]


class PlannedFold(Record):
    """What a fold was trained with where a time budget allowed less than was asked for."""

    seeds: int
    folds: int
    epochs: int
    max_length: int


class PlanRecord(Record):
    """What a time budget made of a model: `plan.json`; only where it cut something."""

    key: str  # hash of the configuration that it was cut from
    folds: dict[int, PlannedFold]
    dropped: list[int]  # folds that were not fitted
