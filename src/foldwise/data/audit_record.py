"""`clean/audit.json`: the classes, and what was found in and done to the raw rows."""

from foldwise.config.record import Record


class Intake(Record):
    """What came of reading one raw file."""

    rows_read: int
    dropped: dict[str, int]  # rows by reason
    filled: dict[str, int]  # empty texts by column
    notes: list[str]
    warnings: list[str]
    rows_kept: int


class TableAudit(Intake):
    """One canonical table; what takes the texts to find out is not there without them."""

    exact_duplicates: int | None = None
    same_but_for_case_and_punctuation: int | None = None
    near_duplicates: int | None = None
    groups: int
    largest_group: int
    empty_texts: dict[str, int] | None = None
    lengths: dict[str, dict[str, dict[str, float]]]  # by column, unit and quantile
    conflicting_labels: int | None = None
    class_balance: dict[str, int] | None = None  # training rows of each class


class RawFile(Record):
    """A file of the competition."""

    name: str
    bytes: int
    hash: str


class Audit(Record):
    """The whole of `audit.json`."""

    classes: list[str]  # in the order of the probability columns
    train: TableAudit
    test: TableAudit | None = None
    prompts_shared_by_train_and_test: int | None = None  # test rows
    files: dict[str, RawFile] | None = None
    foreign: dict[str, str] | None = None  # file of each model, where they were made elsewhere

    @property
    def tables(self) -> dict[str, TableAudit]:
        """The tables that are there, by split."""
        both = {"train": self.train, "test": self.test}
        return {split: table for split, table in both.items() if table is not None}
