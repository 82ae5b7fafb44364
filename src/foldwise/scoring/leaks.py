"""`leaks.json`: what would make a score too good, measured. `leakcheck` measures it."""

from pydantic import Field

from foldwise.config.record import High, Low, Record

# Share of what can be gained that one column alone explains. Honest columns of real data stay
# below 0.12, and terms that stand in one class only below 0.08 (benchmarks/README.md).
_SUSPECTED = 0.15
_SUSPECTED_PURE = 0.1
_PURE = 0.9  # share of a column's rows in one class, were all classes equally large


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


class Giveaway(Record):
    """What tells a class that nothing else in the texts tells."""

    what: str  # "the word 'x'", "the last character '!'", or the name of a number
    text: str  # the column; empty for a number
    label: str = Field(alias="class")  # the class it speaks for
    rows: int  # that hold it
    in_class: float  # share of the class's rows that hold it
    elsewhere: float
    alone: float  # log loss that it gains over the class frequencies if nothing else is known
    share: float  # of all that can be gained, what goes without it
    sure: bool  # that gain is clearly above zero

    @property
    def suspected(self) -> bool:
        """Whether an honest column would hardly explain so much alone; a bin is often pure."""
        pure = self.text and self.in_class >= _PURE * (self.in_class + self.elsewhere)
        return self.sure and self.share >= (_SUSPECTED_PURE if pure else _SUSPECTED)


class TellingNumber(Record):
    """A number that goes with a row, and the class that it tells best."""

    number: str
    label: str = Field(alias="class")
    auc: float  # of the number or of its opposite: at least 0.5


class Leaks(Record):
    """The whole of `leaks.json`."""

    twins: list[Twins]  # the last one of the whole row
    split: SplitGap | None  # None: every row is a group of its own
    giveaways: list[Giveaway]  # the largest share first
    numbers: list[TellingNumber]
    shift: Shift | None  # None: too few rows
    test_rows: int
