"""Looks at the clock while a fold trains, and ends what will not be done in time."""

import math
import time

import numpy as np

from foldwise.finetune.allowance import Allowance
from foldwise.finetune.budget import DoesNotFit, FoldCost, clock
from foldwise.finetune.plan import TrainingPlan, TrainingRecord
from foldwise.terminal import note

_WARM_UP = 3  # steps in which kernels are chosen and memory is found: not typical
_FIRST_STEPS = 10
_AGAIN = 60.0  # seconds between two looks at whether the fold itself still fits
_PREDICTION = 1 / 3  # of a training row's time: a forward pass without its backward pass


class BudgetMonitor:
    """Projects the end of a training from its steps.

    Parameters
    ----------
    allowance : Allowance
    plan : TrainingPlan
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

    def __init__(
        self, allowance: Allowance, plan: TrainingPlan, lengths: np.ndarray, held: int
    ) -> None:
        self.allowance, self.plan, self.lengths = allowance, plan, lengths
        self.rows = held + allowance.rows
        self.first: tuple[int, int, float] | None = None
        self.steps, self.last = 0, -math.inf
        self.told = False

    def __call__(self, record: TrainingRecord) -> None:
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

    def _cost(self, seconds_per_token: float) -> FoldCost:
        config, each = self.plan.config, self.lengths.mean() * seconds_per_token
        passes = 2 if self.plan.swap and config.swap_averaging else 1
        # A few hundred rows tell the distribution of lengths, and travel between processes.
        some = self.lengths[:: max(1, len(self.lengths) // 500)]
        return FoldCost(
            epoch=float(each * len(self.lengths)),
            prediction=float(each * _PREDICTION * self.rows * passes),
            lengths=tuple(int(n) for n in some),
        )

    def _needed(self, cost: FoldCost, done: int, rounds: int = 0) -> float:
        told, epochs = self.allowance, self.plan.config.epochs
        whole = epochs * cost.epoch + cost.prediction
        started = min(1.0, done / (epochs * self.lengths.sum())) * epochs * cost.epoch
        later = ((rounds or told.rounds) - 1) * told.all_seeds * whole
        return told.seeds * whole - started + later
