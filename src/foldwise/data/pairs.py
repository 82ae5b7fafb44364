"""A pair of answers: its columns, and what a swap of the two does to the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from foldwise.config.competition import Competition


@dataclass(frozen=True)
class Pair:
    """Answers A and B, which may trade places; of single texts, no answers and nothing to trade.

    Attributes
    ----------
    classes : tuple of str
        Class names in the order of the probability columns.
    context : tuple of str
        Text columns that both answers respond to; for single texts, all columns.
    answers : tuple of str
        Text columns of A and B; empty for single texts.
    swap : tuple of int
        Positions of the classes of A and B; empty for single texts.
    """

    classes: tuple[str, ...]
    context: tuple[str, ...]
    answers: tuple[str, ...]
    swap: tuple[int, ...]

    @classmethod
    def of(cls, competition: Competition, classes: Sequence[str]) -> Self:
        """Derive it from the configuration and the classes in their order."""
        pair, classes = competition.pair, tuple(classes)
        return cls(
            classes=classes,
            context=pair.others(competition.data.text),
            answers=pair.answers,
            swap=tuple(classes.index(name) for name in pair.swap),
        )

    @classmethod
    def restore(cls, record: dict[str, Any]) -> Self:
        """Return what `dataclasses.asdict` made plain."""
        return cls(**{name: tuple(values) for name, values in record.items()})

    @property
    def enabled(self) -> bool:
        """Whether there are two answers."""
        return bool(self.answers)

    @property
    def swapped_class(self) -> np.ndarray:
        """Class of a row after A and B traded places, int64, shape (C,)."""
        swapped = np.arange(len(self.classes))
        swapped[list(self.swap)] = self.swap[::-1]
        return swapped

    @property
    def signs(self) -> np.ndarray:
        """+1 for the class of A, -1 for that of B, 0 for the rest, float64, shape (C,)."""
        signs = np.zeros(len(self.classes))
        if self.swap:
            signs[list(self.swap)] = 1.0, -1.0
        return signs

    @property
    def tied_classes(self) -> np.ndarray:
        """Which of the parameters that A and B share each class uses, int64, shape (C,)."""
        tied = np.arange(len(self.classes))
        if self.swap:
            tied[list(self.swap)] = self.swap[0]
        return np.unique(tied, return_inverse=True)[1]
