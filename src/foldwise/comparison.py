"""The numbers and sentences of the report, from the files under an output folder."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report

from foldwise import metrics, rows
from foldwise.crossval import class_names
from foldwise.leaderboard import COLUMNS, order
from foldwise.stage import Run, read_json

_WORST_ECE = 0.1


@dataclass(frozen=True)
class Evidence:
    """Out-of-fold predictions of every model on the same rows.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
    groups, folds : ndarray, shape (n,)
    probabilities : dict of str to ndarray of float64, shape (n, C)
        By model; the ensemble's are nested.
    metrics : dict of str to dict
        Each model's `metrics.json`; for the ensemble its `weights.json`.
    classes : list of str
    """

    labels: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    probabilities: dict[str, np.ndarray]
    metrics: dict[str, dict[str, Any]]
    classes: list[str]

    @classmethod
    def load(cls, run: Run) -> "Evidence":
        """Read everything from the output folder."""
        classes = class_names(run)
        train = pd.read_parquet(rows.table_path(run, "train"), columns=["id", "label", "group"])
        labels = np.asarray(pd.Categorical(train["label"], categories=classes).codes, np.int64)
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
        groups = train["group"].to_numpy()
        return cls(labels, groups, folds, probabilities, found, classes)

    def losses(self, model: str) -> np.ndarray:
        """Return the log loss of each row, shape (n,)."""
        return metrics.row_log_loss(self.labels, self.probabilities[model])


def leaderboard(evidence: Evidence, run: Run) -> pd.DataFrame:
    """Return the leaderboard in its final order."""
    members = [m for m, w in evidence.metrics["ensemble"]["weights"].items() if w > 0]
    records = []
    for name, probabilities in evidence.probabilities.items():
        facts = evidence.metrics[name]
        low, high = metrics.group_bootstrap(
            evidence.losses(name), evidence.groups, **bootstrap_options(run)
        )
        cost = [facts] if name != "ensemble" else [facts, *(evidence.metrics[m] for m in members)]
        records.append(
            {
                "model": name,
                **metrics.scores(evidence.labels, probabilities),
                "log_loss_low": low,
                "log_loss_high": high,
                # The blend costs what its members cost, and a little more.
                "train_seconds": sum(c["train_seconds"] for c in cost),
                "predict_seconds": sum(c["predict_seconds"] for c in cost),
                "peak_memory_mb": max(c["peak_memory_mb"] for c in cost),
                # "cpu, bf16" says all that "cpu" says.
                "device": max((c["device"] for c in cost if "device" in c), key=len),
            }
        )
    return order(pd.DataFrame(records)[list(COLUMNS)], run.competition.metric)


def bootstrap_options(run: Run) -> dict[str, Any]:
    """Return the options of every interval in the report."""
    config = run.competition.report
    return {
        "draws": config.bootstrap,
        "confidence": config.confidence,
        "seed": run.competition.seed,
    }


def differences(evidence: Evidence, table: pd.DataFrame, run: Run) -> list[dict[str, Any]]:
    """Return the paired difference in log loss of every two models, the better one first."""
    names = list(table.sort_values("log_loss")["model"])
    found = []
    for i, better in enumerate(names):
        for other in names[i + 1 :]:
            difference, low, high = metrics.paired_difference(
                evidence.losses(other),
                evidence.losses(better),
                evidence.groups,
                **bootstrap_options(run),
            )
            real = low > 0
            found.append(
                {
                    "better": better,
                    "other": other,
                    "difference": difference,
                    "low": low,
                    "high": high,
                    "reading": f"{better} is better" if real else "no clear difference",
                }
            )
    return found


def bayes_floor(evidence: Evidence, run: Run, table: pd.DataFrame) -> dict[str, Any] | None:
    """Return the floor of a simulated competition; None for a real one.

    This is the only place that reads `truth.csv`, after all models are fitted.
    """
    path = run.input / "truth.csv"
    if not run.competition.simulate.train_rows or not path.exists():
        return None
    truth = pd.read_csv(path, dtype={"id": str}).set_index("id")[evidence.classes]
    ids = pd.read_parquet(rows.table_path(run, "train"), columns=["id"])["id"]
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


def warnings(evidence: Evidence, table: pd.DataFrame, run: Run) -> list[str]:
    """Return every sentence that a reader must not miss."""
    found = []
    scores = table.set_index("model")
    if "prior" in scores.index:
        for name in scores.index.drop(["prior"]):
            if scores.loc[name, "log_loss"] >= scores.loc["prior", "log_loss"]:
                found.append(f"{name} has no lower log loss than the class frequencies alone.")
    for name in scores.index:
        if scores.loc[name, "ece"] > _WORST_ECE:
            found.append(
                f"{name} is badly calibrated: its confidence is off by "
                f"{scores.loc[name, 'ece']:.2f} on average."
            )
    for name, facts in evidence.metrics.items():
        found += [f"{name}: {note}" for note in facts.get("notes", []) if not _expected(note)]
    features = read_json(run.features / "features.json") or {}
    found += features.get("notes", [])
    audit = read_json(run.clean / "audit.json") or {}
    for split in ("train", "test"):
        found += audit.get(split, {}).get("warnings", [])
    if not run.competition.folds.stratify:
        found.append("The folds were drawn without regard to the classes.")
    return found


def remarks(evidence: Evidence) -> list[str]:
    """Return what the models noted that is as it should be."""
    return [
        f"{name}: {note}"
        for name, facts in evidence.metrics.items()
        for note in facts.get("notes", [])
        if _expected(note)
    ]


def _expected(note: str) -> bool:
    # A new classification head is what fine-tuning starts from; all else is worth a warning.
    return "head" in note and ("is new" in note or "newly initialised" in note)


def verdict(
    evidence: Evidence, table: pd.DataFrame, found: list[dict[str, Any]], run: Run
) -> list[str]:
    """Return the result in words, true for whatever the numbers are."""
    metric = run.competition.metric
    singles = table[~table["model"].isin(["prior", "ensemble"])]
    if singles.empty:
        return ["Only the class frequencies were fitted: there is nothing to compare."]
    up = metric != "log_loss"
    best = singles.sort_values(metric, ascending=not up, kind="stable").iloc[0]
    name = metric.replace("_", " ")
    level = f"{100 * run.competition.report.confidence:.0f} %"
    said = [f"The best single model is {best['model']}: {name} {best[metric]:.4f} out of fold."]
    pair = next(d for d in found if {d["better"], d["other"]} == {best["model"], "ensemble"})
    span = f"{pair['difference']:.4f} ({level} interval {pair['low']:.4f} to {pair['high']:.4f})"
    if pair["better"] == "ensemble" and pair["low"] > 0:
        said.append(f"The ensemble is better than it: log loss lower by {span}.")
    elif pair["better"] == "ensemble":
        said.append(
            f"The ensemble's log loss is lower by {span}: the interval holds zero, so these rows "
            "do not show that it is better."
        )
    else:
        said.append(f"The ensemble is not better than it: its log loss is higher by {span}.")
    if "prior" in set(table["model"]):
        against = next(d for d in found if {d["better"], d["other"]} == {best["model"], "prior"})
        if against["better"] == best["model"] and against["low"] > 0:
            said.append(
                f"Against the class frequencies {best['model']} gains {against['difference']:.4f} "
                f"in log loss ({against['low']:.4f} to {against['high']:.4f})."
            )
        else:
            said.append(f"{best['model']} is not clearly better than the class frequencies.")
    weights = evidence.metrics["ensemble"]["weights"]
    unused = [model for model, weight in weights.items() if weight == 0]
    if unused:
        said.append(f"Not needed in the blend: {', '.join(unused)}.")
    return said
