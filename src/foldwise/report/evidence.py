"""The numbers of the report, from the files under an output folder."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import classification_report

from foldwise.config.run import Run
from foldwise.data.cleaned import class_indexes, class_names, table_path
from foldwise.files import read_json
from foldwise.report.leaderboard import COLUMNS, order
from foldwise.scoring import metrics
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.intervals import drawn_scores, score_intervals

_SEED = re.compile(r"(.+?)[-_.]?seed[-_]?\d+")


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
    metrics : dict of str to dict
        Each model's `metrics.json`; for the ensemble its `weights.json`.
    classes : list of str
    bootstrap : GroupBootstrap
        The draws that every interval of a report comes from.
    """

    ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    probabilities: dict[str, np.ndarray]
    metrics: dict[str, dict[str, Any]]
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
        probabilities, found = {}, {}
        for name, folder in (folders | {"ensemble": run.ensemble}).items():
            table = pd.read_parquet(folder / "oof.parquet")
            if not (table["id"].to_numpy() == train["id"].to_numpy()).all():
                raise RuntimeError(f"{folder}/oof.parquet: rows differ from clean/train.parquet")
            probabilities[name] = table[classes].to_numpy()
            file = "weights.json" if name == "ensemble" else "metrics.json"
            found[name] = read_json(folder / file)
        groups, ids = train["group"].to_numpy(), train["id"].to_numpy()
        bootstrap = GroupBootstrap(groups, **bootstrap_options(run))
        return cls(ids, labels, groups, folds, probabilities, found, classes, bootstrap)

    @cached_property
    def losses(self) -> dict[str, np.ndarray]:
        """Log loss of each row, shape (n,), by model."""
        return {m: metrics.row_log_loss(self.labels, p) for m, p in self.probabilities.items()}

    @cached_property
    def right(self) -> dict[str, np.ndarray]:
        """Whether each row's likeliest class is its label, shape (n,), by model."""
        return {m: p.argmax(axis=1) == self.labels for m, p in self.probabilities.items()}

    @cached_property
    def drawn(self) -> dict[str, dict[str, np.ndarray]]:
        """Every score in each bootstrap draw, shape (draws,), by model."""
        return {
            m: drawn_scores(self.labels, p, self.bootstrap) for m, p in self.probabilities.items()
        }

    @property
    def focus(self) -> str:
        """The model with the lowest log loss: the one whose rows are looked at."""
        return min(self.losses, key=lambda name: self.losses[name].mean())


def score_table(evidence: Evidence, run: Run) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the leaderboard in its final order, and the interval of every score by model."""
    members = [m for m, w in evidence.metrics["ensemble"]["weights"].items() if w != 0]
    records, intervals = [], {}
    for name, probabilities in evidence.probabilities.items():
        facts = evidence.metrics[name]
        intervals[name] = score_intervals(
            evidence.labels, probabilities, evidence.drawn[name], evidence.bootstrap
        )
        low, high = intervals[name]["log_loss"]
        cost = [facts] if name != "ensemble" else [facts, *(evidence.metrics[m] for m in members)]
        records.append(
            {
                "model": name,
                **metrics.scores(evidence.labels, probabilities),
                "log_loss_low": low,
                "log_loss_high": high,
                # The blend costs what its members cost, and a little more.
                "train_seconds": _over([c["train_seconds"] for c in cost], sum),
                "predict_seconds": _over([c["predict_seconds"] for c in cost], sum),
                "peak_memory_mb": _over([c["peak_memory_mb"] for c in cost], max),
                # "cpu, bf16" says all that "cpu" says.
                "device": max((c["device"] for c in cost if "device" in c), key=len),
            }
        )
    table = pd.DataFrame(records)[list(COLUMNS)]
    return order(table, run.competition.metric), intervals


def bootstrap_options(run: Run) -> dict[str, Any]:
    """Return the options of every interval in the report."""
    config = run.competition.report
    return {
        "draws": config.bootstrap,
        "confidence": config.confidence,
        "seed": run.competition.seed,
    }


def fold_losses(evidence: Evidence) -> dict[str, list[float]]:
    """Return the log loss of every model in every fold, the nested ensemble's too."""
    inside = [evidence.folds == k for k in np.unique(evidence.folds)]
    return {
        model: [float(loss[mask].mean()) for mask in inside]
        for model, loss in evidence.losses.items()
    }


def error_correlation(evidence: Evidence) -> dict[str, Any]:
    """Return how alike the models' losses are, row by row (Pearson), the prior left out."""
    models = [name for name in evidence.losses if name != "prior"]
    table = np.corrcoef([evidence.losses[name] for name in models])
    return {"models": models, "correlation": np.atleast_2d(table).tolist()}


def seed_noise(evidence: Evidence) -> dict[str, Any]:
    """Return, for models that were fitted with several seeds, how far luck alone carries.

    Models called alike but for `seed<number>` at the end are one model; a model whose folds
    average several seeds (`bert.seeds`) has the last validation loss of each of them.

    Returns
    -------
    dict of str to dict
        `log_loss` of each seed, their `sd`, the `models` concerned, how many seeds each of them
        averages (`averaged`), and `band`: how far two such models differ by luck with the
        report's confidence.
    """
    runs: dict[str, dict[str, Any]] = {}
    for name, loss in evidence.losses.items():
        match = _SEED.fullmatch(name)
        if match:
            run = runs.setdefault(match[1], {"log_loss": [], "models": [], "averaged": 1})
            run["log_loss"].append(float(loss.mean()))
            run["models"].append(name)
    for name, facts in evidence.metrics.items():
        losses = _of_seeds(facts.get("folds", []))
        if len(losses) > 1:
            runs[name] = {"log_loss": losses, "models": [name], "averaged": len(losses)}
    found = {}
    for name, run in runs.items():
        n = len(run["log_loss"])
        if n > 1:
            spread = float(np.std(run["log_loss"], ddof=1))
            tail = (1 + evidence.bootstrap.confidence) / 2
            reach = stats.t.ppf(tail, n - 1) * np.sqrt(2 / run["averaged"]) * spread
            found[name] = run | {"sd": spread, "band": float(reach)}
    return found


def _of_seeds(folds: list[dict[str, Any]]) -> list[float]:
    """Return each seed's last validation loss over all folds; none where one is not known."""
    ends = []
    for fold in folds:
        lines = [
            [point["loss"] for point in line if point["split"] == "validation"]
            for line in fold.get("histories", [])
        ]
        if not lines or not all(lines) or None in [line[-1] for line in lines]:
            return []
        ends.append([line[-1] for line in lines])
    if not ends or len({len(losses) for losses in ends}) > 1:
        return []
    return np.average(ends, axis=0, weights=[fold["rows"] for fold in folds]).tolist()


def _over(values: list[float | None], function: Any) -> float | None:
    """Return the sum or maximum, unknown (None) as soon as one value is."""
    return None if any(value is None for value in values) else function(values)


def bayes_floor(evidence: Evidence, run: Run, table: pd.DataFrame) -> dict[str, Any] | None:
    """Return the floor of a simulated competition; None for a real one.

    This is the only place that reads `truth.csv`, after all models are fitted.
    """
    path = run.input / "truth.csv"
    if not run.competition.simulate.train_rows or not path.exists():
        return None
    truth = pd.read_csv(path, dtype={"id": str}).set_index("id")[evidence.classes]
    ids = pd.read_parquet(table_path(run, "train"), columns=["id"])["id"]
    if not set(ids) <= set(truth.index):
        return None
    floor = float(metrics.row_log_loss(evidence.labels, truth.loc[ids].to_numpy()).mean())
    losses = table.set_index("model")["log_loss"]
    prior = float(losses["prior"]) if "prior" in losses else None
    way = {}
    if prior is not None and prior > floor:
        way = {m: float((prior - v) / (prior - floor)) for m, v in losses.items()}
    facts = {"log_loss": floor, "share_of_the_way": way, "expected_test_log_loss": None}
    test_path = run.ensemble / "test.parquet"
    if test_path.exists():
        test = pd.read_parquet(test_path)
        true = truth.loc[test["id"]].to_numpy()
        guess = np.maximum(test[evidence.classes].to_numpy(), 1e-15)
        facts["expected_test_log_loss"] = float(-(true * np.log(guess)).sum(axis=1).mean())
        facts["test_floor"] = float(-(true * np.log(np.maximum(true, 1e-15))).sum(axis=1).mean())
    return facts


def class_reports(evidence: Evidence) -> dict[str, Any]:
    """Return scikit-learn's classification report and the confusion matrix of every model."""
    found = {}
    n = range(len(evidence.classes))
    for name, probabilities in evidence.probabilities.items():
        report = classification_report(
            evidence.labels,
            probabilities.argmax(axis=1),
            labels=n,
            target_names=evidence.classes,
            output_dict=True,
            zero_division=0,
        )
        found[name] = {
            "classes": {c: {k: float(v) for k, v in report[c].items()} for c in evidence.classes},
            "confusion": metrics.confusion(evidence.labels, probabilities).tolist(),
        }
    return found
