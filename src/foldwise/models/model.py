"""The models, one contract.

A model is a class with `fit`, `predict`, `save` and `load` as in `Model`; `config/roster.py` says
which module holds which class, so that a run imports only what it uses.
"""

import importlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from foldwise.config.competition import Competition
from foldwise.config.roster import KINDS
from foldwise.data.pairs import Pair
from foldwise.features.rows import Rows

if TYPE_CHECKING:
    # A type alone: most models are no part of a fine-tuning, and depend on none of its code.
    from foldwise.finetune.allowance import Allowance

Info = dict[str, Any]  # what a model says of its fit; kinds differ in what they have to say


@dataclass(frozen=True)
class Task:
    """What a model is told about the competition and the fold it is fitted for.

    Attributes
    ----------
    competition : Competition
        The whole configuration.
    classes : list of str
        Class names in the order of the probability columns.
    class_weights : ndarray of float64, shape (C,)
        Weight of a training row of each class, from the training fold alone; mean 1 over rows.
    seed : int
        Seed of this unit.
    fold : int
        Number of the fold that is left out.
    scratch : Path
        Folder for checkpoints; survives a kill and is deleted when the unit is stored.
    threads : int
        CPU threads the unit may use.
    cache : Path, optional
        Folder where tokens are kept for the other folds.
    allowance : Allowance, optional
        The time that is left for this fold and those after it.
    repeats : ndarray of float64, shape (C,), optional
        How often the training rows hold a row of each class, on average, where rows of rare
        classes are repeated.
    """

    competition: Competition
    classes: list[str]
    class_weights: np.ndarray
    seed: int
    fold: int
    scratch: Path
    threads: int = 1
    cache: Path | None = None
    allowance: "Allowance | None" = None
    repeats: np.ndarray | None = None

    @cached_property
    def pair(self) -> Pair:
        """The answers A and B, and what a swap of them does to the classes."""
        return Pair.of(self.competition, self.classes)


class Model(Protocol):
    """What every model can do.

    Attributes
    ----------
    uses_validation : bool
        Whether `fit` wants the left-out fold, to draw a curve (and, only if the configuration
        says so, to stop early).
    info : dict
        Plain data about the fit: chosen hyper-parameters, device, notes, history.
    """

    uses_validation: ClassVar[bool]
    info: Info = field(default_factory=dict)

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Fit on the training rows alone."""

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, float64, shape (n, C), rows summing to 1."""

    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder, without pickles."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


def model_class(name: str) -> type[Model]:
    """Import and return the class of a model."""
    module, _, attribute = KINDS[name].path.partition(":")
    return getattr(importlib.import_module(module), attribute)
