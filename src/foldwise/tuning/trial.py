"""One model with other settings, fitted without a fold and judged on it: a step of a trial."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from foldwise.config.competition import Competition, with_section
from foldwise.config.roster import KINDS
from foldwise.config.run import Run, Unit
from foldwise.crossval.unit import fit_and_predict, resources
from foldwise.data.cleaned import class_names, table_path
from foldwise.errors import require
from foldwise.features import rows
from foldwise.features.rows import Rows
from foldwise.files import remove
from foldwise.scoring import metrics
from foldwise.tuning.space import Span


@dataclass(frozen=True)
class Tuner:
    """One model of one competition, its data in memory.

    Attributes
    ----------
    run : Run
        The competition and its folders.
    model : str
        Name of the model.
    space : dict of str to Span
        Where each key is looked for.
    data : Rows
        All training rows.
    fold : ndarray of int, shape (n,)
        Fold of each row.
    classes : list of str
        Class names.
    """

    run: Run
    model: str
    space: dict[str, Span]
    data: Rows
    fold: np.ndarray
    classes: list[str]

    @classmethod
    def load(cls, run: Run, model: str, space: dict[str, Span]) -> "Tuner":
        """Read the rows and folds that the stages wrote; who calls has checked `inputs`."""
        classes = class_names(run)
        data = rows.load(run, "train", classes, features=KINDS[model].uses_features)
        folds = pd.read_parquet(run.folds)
        require(list(folds["id"]) == list(data.ids), f"{run.folds}: not the folds of these rows")
        return cls(run, model, space, data, folds["fold"].to_numpy(), classes)

    def competition(self, values: dict[str, Any]) -> Competition:
        """Return the configuration with other settings of the model."""
        return with_section(
            self.run.competition, self.model, self.as_setting(values), "search space"
        )

    def as_setting(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return values as they stand in a file: a list of one where the key holds candidates."""
        section = getattr(self.run.competition, self.model)
        for key in values:
            require(hasattr(section, key), f"search space: [{self.model}] has no key {key!r}")
        lists = {key for key in values if isinstance(getattr(section, key), tuple)}
        return {key: [value] if key in lists else value for key, value in values.items()}

    def predict(self, values: dict[str, Any], fold: int, without: int | None) -> np.ndarray:
        """Fit without a fold (and without another one) and predict that fold, shape (rows, C)."""
        competition = self.competition(values)
        run = replace(self.run, competition=competition)
        left = self.fold != fold
        if without is not None:
            left &= self.fold != without
        train = self.data.take(np.flatnonzero(left))
        held = self.data.take(np.flatnonzero(self.fold == fold))
        threads, scratch = joblib.cpu_count(), run.output / "tune" / f".{self.model}.{os.getpid()}"
        unit = Unit(self.model, fold)
        with resources(run, self.model, threads):
            # Not watched: what a trial is judged by must not stop it early.
            found = fit_and_predict(run, unit, train, held, threads, watched=False, scratch=scratch)
        remove(scratch)
        return found.probabilities

    def score(self, probabilities: np.ndarray, fold: int) -> float:
        """Return the competition's metric on a fold, so that lower is better."""
        labels = self.data.labels[self.fold == fold]
        metric = self.run.competition.metric
        value = metrics.scores(labels, probabilities)[metric]
        return value if metric == "log_loss" else -value

    def mean(self, scores: dict[int, float]) -> float:
        """Return the mean over folds, each weighted by its rows."""
        sizes = [int((self.fold == k).sum()) for k in scores]
        return float(np.average(list(scores.values()), weights=sizes))


def inputs(run: Run) -> list[Path]:
    """Return the files that a tuner reads."""
    tables = [table_path(run, split) for split in ("train", "test")]
    return [run.folds, *tables, run.features / "features.json"]
