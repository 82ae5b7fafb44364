"""A time budget for the folds of a transformer: project the end, and drop what will not fit.

After its first steps each training says what a fold will cost. If the folds that are left do not
fit into the time that is left, less is trained: first fewer seeds, then fewer folds, then fewer
epochs, then shorter sequences. The costs of one drop decide about the next, so no more goes than
must.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

SHORTEST = 64  # tokens below which a sequence is not cut any further


@dataclass(frozen=True)
class BudgetPlan:
    """What is still to be trained.

    Attributes
    ----------
    seeds, folds, epochs, max_length : int
    """

    seeds: int
    folds: int
    epochs: int
    max_length: int

    def smaller(self, least: int) -> Iterator["BudgetPlan"]:
        """Yield ever smaller plans of at least `least` folds, in the order of dropping."""
        plan = self
        while plan.seeds > 1:
            plan = replace(plan, seeds=plan.seeds - 1)
            yield plan
        while plan.folds > least:
            plan = replace(plan, folds=plan.folds - 1)
            yield plan
        while plan.epochs > 1:
            plan = replace(plan, epochs=plan.epochs - 1)
            yield plan
        while plan.max_length // 2 >= SHORTEST:
            plan = replace(plan, max_length=plan.max_length // 2)
            yield plan


@dataclass(frozen=True)
class FoldCost:
    """What one fold costs, measured.

    Attributes
    ----------
    epoch : float
        Seconds of an epoch.
    prediction : float
        Seconds of predicting the fold's rows with one seed.
    lengths : tuple of int
        Tokens of some of the rows, cut as the measured training cut them.
    """

    epoch: float
    prediction: float
    lengths: tuple[int, ...]

    def fold(self, plan: BudgetPlan) -> float:
        """Return the seconds of a fold under a plan."""
        # Time goes with the tokens; attention's part beyond that makes this an upper bound.
        cut = sum(min(n, plan.max_length) for n in self.lengths) / sum(self.lengths)
        return plan.seeds * (plan.epochs * self.epoch + self.prediction) * cut


class DoesNotFit(Exception):
    """The training will not end in time; `cost` is the measured `FoldCost` of a fold."""

    def __init__(self, cost: FoldCost) -> None:
        super().__init__(cost)
        self.cost = cost


def shrink(
    plan: BudgetPlan, cost: FoldCost, seconds: float, workers: int, least: int
) -> BudgetPlan | None:
    """Return the largest smaller plan that fits into `seconds`, or None where none does.

    Parameters
    ----------
    plan : BudgetPlan
        What does not fit.
    cost : FoldCost
        Of one fold, measured.
    seconds : float
        Time that is left.
    workers : int
        Folds trained side by side.
    least : int
        Folds that must stay: 1 where none is finished yet, else 0.
    """
    for smaller in plan.smaller(least):
        if math.ceil(smaller.folds / workers) * cost.fold(smaller) <= seconds:
            return smaller
    return None


def parse(text: str) -> float:
    """Return the seconds of "8h", "90m", "1h30m" or "45s".

    Raises
    ------
    ValueError
        For anything else.
    """
    total, number = 0.0, ""
    for character in text.strip().lower():
        if character.isdigit() or character == ".":
            number += character
        elif character in "hms" and number:
            total, number = total + float(number) * {"h": 3600, "m": 60, "s": 1}[character], ""
        else:
            raise ValueError(text)
    if number or total <= 0:
        raise ValueError(text)
    return total


def clock(seconds: float) -> str:
    """Return a time in words: "1 h 30 min", "12 min", "40 s"."""
    if seconds < 0:
        return f"minus {clock(-seconds)}"
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
