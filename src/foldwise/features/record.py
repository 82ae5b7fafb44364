"""`features/features.json`: what was counted."""

from foldwise.config.record import Record


class FeatureRecord(Record):
    """The term counts and dense features of an output folder."""

    terms: dict[str, int]  # distinct ones, by kind
    texts: int  # distinct training texts
    rows: int
    notes: list[str]
    content: dict[str, str]  # hash of each array file
