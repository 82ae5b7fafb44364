"""What is done and what it took; what still fits into the time, and what is dropped.

Dropped are averaging over both orders of a pair, then folds (the dearest first, the last fold of
no model), then models (the one that gives least blend weight for its time). What fits after all
once a model is gone is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foldwise.config.run import Unit
from foldwise.kaggle.contents import Member

COUNTING = "counting terms"  # the work that models share


@dataclass(frozen=True)
class FoldWork:
    """One fold of one model, on the rows it has not predicted yet.

    Attributes
    ----------
    unit : Unit
        The model and the fold.
    seconds : float
        Projected time.
    second_order : float
        How much of it goes into the other order of each pair; 0 where nothing is averaged.
    counts_terms : bool
        Whether it needs the shared term counts.
    weight : float
        Weight of its model in the blend.
    """

    unit: Unit
    seconds: float
    second_order: float
    counts_terms: bool
    weight: float


@dataclass(frozen=True)
class Allotment:
    """What the time is given to.

    Attributes
    ----------
    kept : tuple of FoldWork
        What is done, in the order given.
    averaging : bool
        Whether pairs are still read in both orders.
    dropped : tuple of str
        What was given up, in that order: "swap averaging", "model/fold-k", "model".
    seconds : float
        Projected time of what is kept.
    """

    kept: tuple[FoldWork, ...]
    averaging: bool
    dropped: tuple[str, ...]
    seconds: float


class Ledger:
    """How far each fold is, what it took, and what comes next.

    Parameters
    ----------
    members : dict of str to Member
        The members of the blend, as in `Bundle.models`.
    sizes : sequence of int
        Rows of each chunk; every fold predicts one after the other.
    """

    def __init__(self, members: dict[str, Member], sizes: Sequence[int]) -> None:
        self.members, self.sizes = members, sizes
        self.done: dict[Unit, int] = {}  # chunks
        self.left_out: dict[Unit, str] = {}  # with the reason
        self.spent: dict[Unit | str, tuple[float, int]] = {}  # seconds and rows

    def enter(self, unit: Unit) -> None:
        """Count on a fold from now on."""
        self.done[unit] = 0

    def leave_out(self, unit: Unit, reason: str) -> None:
        """Count on a fold no longer; what it has predicted stays."""
        self.left_out[unit] = reason
        self.done.pop(unit, None)

    def note(self, work: Unit | str, seconds: float, rows: int) -> None:
        """Add what a fold, or `COUNTING`, took for some rows."""
        before, counted = self.spent.get(work, (0.0, 0))
        self.spent[work] = (before + seconds, counted + rows)

    def finish_chunk(self, unit: Unit, seconds: float) -> None:
        """Note that a fold has predicted its next chunk."""
        self.note(unit, seconds, self.sizes[self.done[unit]])
        self.done[unit] += 1

    def finished(self) -> list[Unit]:
        """Return the folds that have predicted all rows."""
        return [unit for unit, chunks in self.done.items() if chunks == len(self.sizes)]

    def counting(self) -> list[Unit]:
        """Return the folds that need the shared term counts."""
        return [unit for unit in self.done if self.members[unit.model].needs_terms]

    def probes(self) -> list[Unit]:
        """Return the first fold of each model that needs no term counts."""
        firsts: dict[str, Unit] = {}
        for unit in self.done:
            if not self.members[unit.model].needs_terms:
                firsts.setdefault(unit.model, unit)
        return list(firsts.values())

    def rows_left(self, unit: Unit) -> int:
        """Return how many rows a fold has not predicted."""
        return sum(self.sizes[self.done[unit] :])

    def rate(self, work: Unit | str) -> float:
        """Return seconds a row, of this fold or else of the model's other folds."""
        seconds, rows = self.spent.get(work, (0.0, 0))
        if not rows and isinstance(work, Unit):
            others = [
                spent
                for other, spent in self.spent.items()
                if isinstance(other, Unit) and other.model == work.model
            ]
            seconds, rows = np.sum(others, axis=0) if others else (0.0, 0)
        return float(seconds / rows) if rows else 0.0

    def left(self) -> tuple[list[FoldWork], float]:
        """Return what is left to do, in order, and the seconds that counting terms adds."""
        found = []
        for unit in self.done:
            if rows := self.rows_left(unit):
                member, seconds = self.members[unit.model], self.rate(unit) * rows
                work = FoldWork(
                    unit=unit,
                    seconds=seconds,
                    second_order=seconds / 2 if member.averages else 0.0,
                    counts_terms=member.needs_terms,
                    weight=float(np.mean(member.weight)),
                )
                found.append(work)
        # What counts terms goes together; then the first folds of all models, cheapest first.
        found.sort(key=lambda work: (not work.counts_terms, work.unit.fold, work.seconds))
        most = max(map(self.rows_left, self.counting()), default=0)
        return found, self.rate(COUNTING) * most


def allot(work: Sequence[FoldWork], counting: float, seconds: float) -> Allotment:
    """Give what is left of the time to what fits, and while there is any, to one fold at least.

    Parameters
    ----------
    work : sequence of FoldWork
        All that is left to do.
    counting : float
        Seconds that counting terms takes if any of it needs that.
    seconds : float
        Time that is left.
    """
    found = fit(work, counting, seconds)
    if work and not found.kept and seconds > 0:
        # Whole or not, rows that a model has seen are better off than with the prior.
        least = fit(work, counting, 0.0).dropped[-1]
        last = next(item for item in work if item.unit.model == least)
        return replace(found, kept=(last,), averaging=False)
    return found


def fit(work: Sequence[FoldWork], counting: float, seconds: float) -> Allotment:
    """Drop work until the projection fits; the arguments are those of `allot`."""
    kept, averaging, dropped = list(work), True, []
    folds: dict[str, FoldWork] = {}  # dropped without their model
    while kept and _total(kept, counting) > seconds:
        by_model: dict[str, list[FoldWork]] = {}
        for item in kept:
            by_model.setdefault(item.unit.model, []).append(item)
        spare = [items[-1] for items in by_model.values() if len(items) > 1]
        if averaging and any(item.second_order > 0 for item in kept):
            averaging = False
            kept = [
                replace(item, seconds=item.seconds - item.second_order, second_order=0.0)
                for item in kept
            ]
            dropped.append("swap averaging")
        elif spare:
            dearest = max(spare, key=lambda item: item.seconds)
            kept.remove(dearest)
            dropped.append(str(dearest.unit))
            folds[dropped[-1]] = dearest
        else:
            least = min(by_model, key=lambda name: _worth(name, kept, counting))
            kept = [item for item in kept if item.unit.model != least]
            dropped.append(least)
    models = {item.unit.model for item in kept}
    for name, item in reversed(folds.items()):
        if item.unit.model not in models:
            dropped.remove(name)  # its model is named instead
        elif _total([*kept, item], counting) <= seconds:
            kept.append(item)
            dropped.remove(name)
    by_unit = {item.unit: item for item in kept}
    whole = [item for item in work if item.unit in by_unit]
    if not averaging and _total(whole, counting) <= seconds:
        by_unit, averaging = {item.unit: item for item in whole}, True
        dropped.remove("swap averaging")
    kept = [by_unit[item.unit] for item in whole]
    return Allotment(tuple(kept), averaging, tuple(dropped), _total(kept, counting))


def _total(work: list[FoldWork], counting: float) -> float:
    return sum(item.seconds for item in work) + counting * any(item.counts_terms for item in work)


def _worth(model: str, work: list[FoldWork], counting: float) -> float:
    """Return blend weight for each second that leaving the model out would save."""
    others = [item for item in work if item.unit.model != model]
    saved = _total(work, counting) - _total(others, counting)
    weight = next(item.weight for item in work if item.unit.model == model)
    return weight / max(saved, 1e-9)
