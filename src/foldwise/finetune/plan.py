"""What a training is told, and what it records: types that all of this package share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from foldwise.backbone.batching import Examples
from foldwise.backbone.device import Device
from foldwise.config.sections import BertConfig
from foldwise.scoring.scores import Point


class StepSums(NamedTuple):
    """What an optimiser step has seen: sums over its rows, whichever process read them.

    Attributes
    ----------
    loss : float
        Weighted as in training, without label smoothing.
    hits : int
        Rows whose class was right.
    tokens, padded_tokens, squares : int
        As in `TrainingRecord`.
    """

    loss: float
    hits: int
    tokens: int
    padded_tokens: int
    squares: int


@dataclass
class TrainingRecord:
    """What happened in training.

    Attributes
    ----------
    history : list of dict
        Points of the curves: epoch, step, split, loss (weighted as in training, without label
        smoothing), accuracy.
    tokens, padded_tokens : int
        Tokens read, and places they took with padding.
    squares : int
        Sum over the sequences read of their length squared.
    seconds : float
        Time of the steps, without evaluations.
    steps : int
        Optimiser steps.
    epochs : int
        Epochs trained; fewer than asked for after an early stop.
    best_epoch : int
        Epoch whose weights were kept; 0 where they are simply the last ones.
    """

    history: list[Point] = field(default_factory=list)
    tokens: int = 0
    padded_tokens: int = 0
    squares: int = 0
    seconds: float = 0.0
    steps: int = 0
    epochs: int = 0
    best_epoch: int = 0

    def add(self, sums: StepSums, seconds: float) -> None:
        """Count an optimiser step."""
        self.steps += 1
        self.tokens += sums.tokens
        self.padded_tokens += sums.padded_tokens
        self.squares += sums.squares
        self.seconds += seconds


@dataclass(frozen=True)
class Labelled:
    """Rows with what is needed to score them.

    Attributes
    ----------
    examples : Examples
    labels : ndarray of int64, shape (n,)
    ids : ndarray of str, shape (n,)
    augment : callable, optional
        Draws changed examples of the same rows with a numpy.random.Generator; training rows only.
    """

    examples: Examples
    labels: np.ndarray
    ids: np.ndarray
    augment: Callable[[np.random.Generator], Examples] | None = None

    def drawn(self, seed: int, epoch: int) -> Examples:
        """Return the examples as an epoch shows them; the same for the same seed and epoch."""
        if self.augment is None:
            return self.examples
        return self.augment(np.random.default_rng([seed, epoch]))


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes
    ----------
    config : foldwise.config.sections.BertConfig
    device : Device
    class_weights : ndarray of float64, shape (C,)
        Mean 1 over the training rows.
    log_prior : ndarray of float64, shape (C,)
        Log of the (weighted) class shares of the training rows: what has learnt nothing.
    swapped_class : ndarray of int64, shape (C,)
        Class of a row after swapping A and B.
    swap : bool
        Whether rows are shown in a random order of A and B.
    seed : int
    fold : int
    held_out_weights : ndarray of float64, shape (C,)
        What class weights and repeated rows together make a row of each class count in training;
        mean 1 over rows that are not repeated, as the held-out ones. A loss weighted by anything
        else could fall below that of `log_prior` without anything learnt.
    """

    config: BertConfig
    device: Device
    class_weights: np.ndarray
    log_prior: np.ndarray
    swapped_class: np.ndarray
    swap: bool
    seed: int
    fold: int
    held_out_weights: np.ndarray

    @property
    def settings(self) -> tuple[Any, ...]:
        """Everything that decides about the result, as plain data."""
        arrays = (self.class_weights.tolist(), self.swapped_class.tolist(), self.swap)
        config = self.config.model_dump(exclude={"workers", "over_budget", "tensorboard"})
        return config, str(self.device), *arrays, self.seed, self.fold
