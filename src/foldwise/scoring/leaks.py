"""`leaks.json`: what would make a score too good, measured. `leakcheck` measures it."""

from pydantic import Field

from foldwise.config.record import High, Low, Record


class Twins(Record):
    """Rows whose text also stands in another fold, or in the other file."""

    text: str  # the column, or the whole row
    exact_across_folds: int
    exact_test_in_train: int
    near_across_folds: int  # without the exact ones
    near_test_in_train: int
    examples: list[list[str]]  # two ids each


class SplitGap(Record):
    """One quick model on random and on grouped folds of the same rows."""

    rows: int
    groups: int
    random_log_loss: float
    random_accuracy: float
    grouped_log_loss: float
    grouped_accuracy: float
    gap: float  # log loss that random folds hide
    low: Low
    high: High


class Shift(Record):
    """How well a quick model tells test rows from training rows."""

    auc: float
    low: float
    high: float
    train: int  # rows
    test: int


class TellingWord(Record):
    """The one word that tells a class best."""

    label: str = Field(alias="class")
    word: str
    text: str  # the column
    in_class: float  # share of rows that hold it
    elsewhere: float
    j: float  # Youden's: the one share less the other


class TellingNumber(Record):
    """A number that goes with a row, and the class that it tells best."""

    number: str
    label: str = Field(alias="class")
    auc: float  # of the number or of its opposite: at least 0.5


class Leaks(Record):
    """The whole of `leaks.json`."""

    twins: list[Twins]  # the last one of the whole row
    split: SplitGap | None  # None: every row is a group of its own
    words: list[TellingWord]
    numbers: list[TellingNumber]
    shift: Shift | None  # None: too few rows
    test_rows: int
