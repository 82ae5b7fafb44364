"""A time budget for the folds of a transformer: project the end, and drop what will not fit.

After its first steps each training says what a fold will cost. If the folds that are left do not
fit into the time that is left, less is trained: first fewer seeds, then fewer folds, then fewer
epochs, then shorter sequences. The costs of one drop decide about the next, so no more goes than
must.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from foldwise.terminal import note

SHORTEST = 64  # tokens below which a sequence is not cut any further
_WARM_UP = 3  # steps in which kernels are chosen and memory is found: not typical
_FIRST_STEPS = 10
_AGAIN = 60.0  # seconds between two looks at whether the fold itself still fits
_PREDICTION = 1 / 3  # of a training row's time: a forward pass without its backward pass


@dataclass(frozen=True)
class Plan:
    """What is still to be trained.

    Attributes
    ----------
    seeds, folds, epochs, max_length : int
    """

    seeds: int
    folds: int
    epochs: int
    max_length: int

    def smaller(self, least: int) -> Iterator["Plan"]:
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
class Cost:
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

    def fold(self, plan: Plan) -> float:
        """Return the seconds of a fold under a plan."""
        # Time goes with the tokens; attention's part beyond that makes this an upper bound.
        cut = sum(min(n, plan.max_length) for n in self.lengths) / sum(self.lengths)
        return plan.seeds * (plan.epochs * self.epoch + self.prediction) * cut


class DoesNotFit(Exception):
    """The training will not end in time; `cost` is the measured `Cost` of a fold."""

    def __init__(self, cost: Cost) -> None:
        super().__init__(cost)
        self.cost = cost


def shrink(plan: Plan, cost: Cost, seconds: float, workers: int, least: int) -> Plan | None:
    """Return the largest smaller plan that fits into `seconds`, or None where none does.

    Parameters
    ----------
    plan : Plan
        What does not fit.
    cost : Cost
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


class Watch:
    """Projects the end of a training from its steps.

    Parameters
    ----------
    allowance : Allowance
    plan : foldwise.finetune.plan.Plan
        How the training goes.
    lengths : ndarray of int64, shape (n,)
        Padded tokens of each training row.
    held : int
        Rows of the left-out fold.

    Raises
    ------
    DoesNotFit
        When called after a step at which it is clear that the time will not do.
    """

    def __init__(self, allowance: Allowance, plan: Any, lengths: np.ndarray, held: int) -> None:
        self.allowance, self.plan, self.lengths = allowance, plan, lengths
        self.rows = held + allowance.rows
        self.first: tuple[int, int, float] | None = None
        self.steps, self.last = 0, -math.inf
        self.told = False

    def __call__(self, record: Any) -> None:
        """Look at the clock after a step."""
        self.steps += 1
        if self.steps == _WARM_UP:
            self.first = (record.padded_tokens, record.steps, time.monotonic())
        now = time.monotonic()
        if self.steps < _WARM_UP + _FIRST_STEPS or now - self.last < _AGAIN:
            return
        self.last = now
        tokens, _, start = self.first
        cost = self._cost((now - start) / (record.padded_tokens - tokens))
        left = self.allowance.until - time.time()
        needed = self._needed(cost, record.padded_tokens)
        if not self.told:
            self.told = True
            note(
                f"time budget: {clock(left)} left, the folds still need about {clock(needed)}"
                + ("" if needed <= left else ": too long")
            )
            if needed > left:
                raise DoesNotFit(cost)
        # Later looks judge this fold alone: the next one makes a projection of its own.
        elif self._needed(cost, record.padded_tokens, rounds=1) > left:
            note(f"time budget: fold {self.plan.fold} will not end in the {clock(left)} left")
            raise DoesNotFit(cost)

    def _cost(self, seconds_per_token: float) -> Cost:
        config, each = self.plan.config, self.lengths.mean() * seconds_per_token
        passes = 2 if self.plan.turn and config.swap_averaging else 1
        # A few hundred rows tell the distribution of lengths, and travel between processes.
        some = self.lengths[:: max(1, len(self.lengths) // 500)]
        return Cost(
            epoch=float(each * len(self.lengths)),
            prediction=float(each * _PREDICTION * self.rows * passes),
            lengths=tuple(int(n) for n in some),
        )

    def _needed(self, cost: Cost, done: int, rounds: int = 0) -> float:
        told, epochs = self.allowance, self.plan.config.epochs
        whole = epochs * cost.epoch + cost.prediction
        started = min(1.0, done / (epochs * self.lengths.sum())) * epochs * cost.epoch
        later = ((rounds or told.rounds) - 1) * told.all_seeds * whole
        return told.seeds * whole - started + later


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
