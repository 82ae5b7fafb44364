"""The numbers of the report, from the files under an output folder."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.crossval.records import ModelRecord
from foldwise.data.cleaned import class_indexes, class_names, table_path
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.report.leaderboard import COLUMNS, order
from foldwise.scoring import metrics
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.intervals import pseudo_values, score_intervals

Intervals = dict[str, dict[str, list[float]]]  # low and high, by model and score


@dataclass(frozen=True)
class Evidence:
    """Out-of-fold predictions of every model on the same rows.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
    labels : ndarray of int64, shape (n,)
    groups, folds : ndarray, shape (n,)
    probabilities : dict of str to ndarray of float64, shape (n, C)
        By model; the ensemble's are nested.
    models : dict of str to ModelRecord
        Each model's `metrics.json`.
    blend : BlendRecord
        The ensemble's `weights.json`.
    classes : list of str
    bootstrap : GroupBootstrap
        The groups, and their draws, that every interval of a report comes from.
    """

    ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    probabilities: dict[str, np.ndarray]
    models: dict[str, ModelRecord]
    blend: BlendRecord
    classes: list[str]
    bootstrap: GroupBootstrap

    @classmethod
    def load(cls, run: Run) -> "Evidence":
        """Read everything from the output folder."""
        classes = class_names(run)
        train = pd.read_parquet(table_path(run, "train"), columns=["id", "label", "group"])
        labels = class_indexes(train["label"], classes)
        folds = pd.read_parquet(run.folds)["fold"].to_numpy()
        folders = {name: run.model(name) for name in run.competition.models}
        probabilities = {}
        for name, folder in (folders | {"ensemble": run.ensemble}).items():
            table = pd.read_parquet(folder / "oof.parquet")
            if not (table["id"].to_numpy() == train["id"].to_numpy()).all():
                raise RuntimeError(f"{folder}/oof.parquet: rows differ from clean/train.parquet")
            probabilities[name] = table[classes].to_numpy()
        models = {name: ModelRecord.read(path / "metrics.json") for name, path in folders.items()}
        blend = BlendRecord.read(run.ensemble / "weights.json")
        groups, ids = train["group"].to_numpy(), train["id"].to_numpy()
        bootstrap = GroupBootstrap(groups, **bootstrap_options(run))
        return cls(ids, labels, groups, folds, probabilities, models, blend, classes, bootstrap)

    @cached_property
    def losses(self) -> dict[str, np.ndarray]:
        """Log loss of each row, shape (n,), by model."""
        return {m: metrics.row_log_loss(self.labels, p) for m, p in self.probabilities.items()}

    @cached_property
    def right(self) -> dict[str, np.ndarray]:
        """Whether each row's likeliest class is its label, shape (n,), by model."""
        return {m: p.argmax(axis=1) == self.labels for m, p in self.probabilities.items()}

    @cached_property
    def pseudo_values(self) -> dict[str, dict[str, np.ndarray]]:
        """What each row adds to the mean that is each score, shape (n,), by model."""
        return {m: pseudo_values(self.labels, p) for m, p in self.probabilities.items()}

    @property
    def focus(self) -> str:
        """The model with the lowest log loss: the one whose rows are looked at."""
        return min(self.losses, key=lambda name: self.losses[name].mean())


def score_table(evidence: Evidence, run: Run) -> tuple[pd.DataFrame, Intervals]:
    """Return the leaderboard in its final order, and the interval of every score by model."""
    members = [evidence.models[m] for m, w in evidence.blend.weights.items() if w != 0]
    records, intervals = [], {}
    for name, probabilities in evidence.probabilities.items():
        # The blend costs what its members cost, and a little more.
        own = [evidence.models[name]] if name != "ensemble" else members
        cost = own if name != "ensemble" else [evidence.blend, *members]
        intervals[name] = score_intervals(
            evidence.labels, probabilities, evidence.pseudo_values[name], evidence.bootstrap
        )
        low, high = intervals[name]["log_loss"]
        records.append(
            {
                "model": name,
                **metrics.scores(evidence.labels, probabilities),
                # Of a single group the interval has no ends.
                "log_loss_low": low if np.isfinite(low) else np.nan,
                "log_loss_high": high if np.isfinite(high) else np.nan,
                "train_seconds": _over([c.train_seconds for c in cost], sum),
                "predict_seconds": _over([c.predict_seconds for c in cost], sum),
                "peak_memory_mb": _over([c.peak_memory_mb for c in cost], max),
                # "cpu, bf16" says all that "cpu" says.
                "device": max((c.device for c in own), key=len),
            }
        )
    table = pd.DataFrame(records)[list(COLUMNS)]
    return order(table, run.competition.metric), intervals


def bootstrap_options(run: Run) -> dict[str, float]:
    """Return the options of every interval in the report."""
    config = run.competition.report
    return {
        "draws": config.bootstrap,
        "confidence": config.confidence,
        "seed": run.competition.seed,
    }


def _over(values: list[float | None], function: Any) -> float | None:
    """Return the sum or maximum, unknown (None) as soon as one value is."""
    return None if any(value is None for value in values) else function(values)
