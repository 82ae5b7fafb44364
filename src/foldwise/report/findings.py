"""What the report finds in its evidence: folds, classes, seeds, alike errors, the Bayes floor."""

import re

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats
from sklearn.metrics import classification_report

from foldwise.config.record import Number, Record
from foldwise.config.run import Run
from foldwise.crossval.records import FoldRecord
from foldwise.data.cleaned import table_path
from foldwise.report.evidence import Evidence
from foldwise.report.leaderboard import BayesFloor
from foldwise.scoring import metrics

_SEED = re.compile(r"(.+?)[-_.]?seed[-_]?\d+")
_WORST_CLASSES = 15


class ErrorCorrelation(Record):
    """How alike the models' losses are, row by row (Pearson)."""

    models: list[str]
    correlation: list[list[Number]]


class SeedNoise(Record):
    """How far apart runs lie that differ by their seed alone."""

    log_loss: list[float]  # of each seed
    models: list[str]  # concerned
    averaged: int  # seeds that each of them averages
    sd: float
    band: float  # how far two such models differ by luck, with the report's confidence


class ClassScores(Record):
    """How well one class is found."""

    precision: float
    recall: float
    f1: float = Field(alias="f1-score")
    support: float  # rows


class ClassReport(Record):
    """How well one model finds every class."""

    classes: dict[str, ClassScores]
    confusion: list[list[int]]  # rows by true and by predicted class
    shown: list[str]  # classes that a page shows


def fold_losses(evidence: Evidence) -> dict[str, list[float]]:
    """Return the log loss of every model in every fold, the nested ensemble's too."""
    inside = [evidence.folds == k for k in np.unique(evidence.folds)]
    return {
        model: [float(loss[mask].mean()) for mask in inside]
        for model, loss in evidence.losses.items()
    }


def error_correlation(evidence: Evidence) -> ErrorCorrelation:
    """Return how alike the models' losses are, row by row (Pearson), the prior left out."""
    models = [name for name in evidence.losses if name != "prior"]
    table = np.corrcoef([evidence.losses[name] for name in models])
    return ErrorCorrelation(models=models, correlation=np.atleast_2d(table).tolist())


def seed_noise(evidence: Evidence) -> dict[str, SeedNoise]:
    """Return, for models that were fitted with several seeds, how far luck alone carries.

    Models called alike but for `seed<number>` at the end are one model; a model whose folds
    average several seeds (`bert.seeds`) has the last validation loss of each of them.
    """
    alike: dict[str, dict[str, float]] = {}
    for name, loss in evidence.losses.items():
        match = _SEED.fullmatch(name)
        if match:
            alike.setdefault(match[1], {})[name] = float(loss.mean())
    runs = {name: (list(found.values()), list(found), 1) for name, found in alike.items()}
    for name, record in evidence.models.items():
        losses = _of_seeds(record.folds)
        if len(losses) > 1:
            runs[name] = (losses, [name], len(losses))
    found = {}
    for name, (losses, models, averaged) in runs.items():
        n = len(losses)
        if n > 1:
            spread = float(np.std(losses, ddof=1))
            tail = (1 + evidence.bootstrap.confidence) / 2
            band = stats.t.ppf(tail, n - 1) * np.sqrt(2 / averaged) * spread
            found[name] = SeedNoise(
                log_loss=losses, models=models, averaged=averaged, sd=spread, band=band
            )
    return found


def _of_seeds(folds: list[FoldRecord]) -> list[float]:
    """Return each seed's last validation loss over all folds; none where one is not known."""
    ends = []
    for fold in folds:
        lines = [
            [point["loss"] for point in line if point["split"] == "validation"]
            for line in fold.histories or []
        ]
        if not lines or not all(lines) or None in [line[-1] for line in lines]:
            return []
        ends.append([line[-1] for line in lines])
    if not ends or len({len(losses) for losses in ends}) > 1:
        return []
    return np.average(ends, axis=0, weights=[fold.rows for fold in folds]).tolist()


def bayes_floor(evidence: Evidence, run: Run, table: pd.DataFrame) -> BayesFloor | None:
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
        facts["expected_test_log_loss"] = -(true * np.log(guess)).sum(axis=1).mean()
        facts["test_floor"] = -(true * np.log(np.maximum(true, 1e-15))).sum(axis=1).mean()
    return BayesFloor(**facts)


def class_reports(evidence: Evidence) -> dict[str, ClassReport]:
    """Return scikit-learn's classification report and the confusion matrix of every model."""
    found = {}
    for name, probabilities in evidence.probabilities.items():
        report = classification_report(
            evidence.labels,
            probabilities.argmax(axis=1),
            labels=range(len(evidence.classes)),
            target_names=evidence.classes,
            output_dict=True,
            zero_division=0,
        )
        classes = {name: ClassScores(**report[name]) for name in evidence.classes}
        # The worst classes are all that a page shows where there are many.
        by_f1 = sorted(classes, key=lambda name: classes[name].f1)
        many = len(by_f1) > _WORST_CLASSES
        found[name] = ClassReport(
            classes=classes,
            confusion=metrics.confusion(evidence.labels, probabilities).tolist(),
            shown=by_f1[:_WORST_CLASSES] if many else list(classes),
        )
    return found
