"""The time that a fold is given, as a type that needs no heavy library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """The time that is left, as a fold is told.

    Attributes
    ----------
    until : float
        When everything must be done, in seconds since the epoch.
    rounds : int
        Folds that must still be done one after another, this one included.
    seeds : int
        Seeds of this fold that are still to be trained, this one included.
    all_seeds : int
        Seeds of a whole fold.
    rows : int
        Rows to predict beside those of the left-out fold, with each seed.
    """

    until: float
    rounds: int
    seeds: int
    all_seeds: int
    rows: int
