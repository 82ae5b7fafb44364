"""LightGBM on dense features and the most telling sparse TF-IDF columns.

Terms stay sparse columns of their own: components of an SVD lose the rare, telling ones.
A pair is shown in both orders in training and predicted in both, so that swapping A and B
swaps the prediction exactly.
"""

from pathlib import Path
from typing import Any, Self

import lightgbm
import numpy as np
from scipy import sparse

from foldwise.data.splits import inner_split
from foldwise.features.blocks import Blocks
from foldwise.features.rows import Rows
from foldwise.features.tfidf import Design
from foldwise.files import read_json, write_json
from foldwise.models.linear_fit import Tying
from foldwise.models.model import Info, Task
from foldwise.scoring.scores import Point

_INNER_FOLDS = 5
_MANY_PAIRS = 10_000


class LightGBM:
    """Gradient-boosted trees, the number of rounds chosen on a split of the training fold."""

    uses_validation = False

    def __init__(
        self,
        design: Design,
        chosen: dict[str, np.ndarray],
        booster: lightgbm.Booster,
        swapped_class: np.ndarray | None,
        info: Info,
    ) -> None:
        self.design, self.chosen, self.booster = design, chosen, booster
        self.swapped_class, self.info = swapped_class, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose columns and rounds inside the training fold, then fit all its rows."""
        config = task.competition.lightgbm
        swapped_class = task.pair.swapped_class if task.pair.enabled else None
        weight = task.class_weights[train.labels]
        splits = inner_split(train.labels, train.groups, _INNER_FOLDS, task.seed)
        fit, held_out = splits[0]
        inner = Design.fit(train.features.take(fit), task.competition)
        inside = inner.transform(train.features.take(fit))
        chosen = choose_columns(inside, train.labels[fit], task, config.top_terms)
        # Of many pairs one order is enough to count rounds, in half the time; of few it is not.
        order = swapped_class if len(fit) < _MANY_PAIRS else None
        training = _dataset(inside, chosen, train.labels[fit], weight[fit], order)
        outside = inner.transform(train.features.take(held_out))
        watched = _dataset(
            outside, chosen, train.labels[held_out], weight[held_out], order, training
        )
        history: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            _parameters(task),
            training,
            num_boost_round=config.max_rounds,
            valid_sets=[training, watched],
            valid_names=["train", "validation"],
            callbacks=[
                lightgbm.early_stopping(
                    config.early_stopping, first_metric_only=True, verbose=False
                ),
                lightgbm.record_evaluation(history),
            ],
        )
        rounds = booster.best_iteration or config.max_rounds
        design = Design.fit(train.features, task.competition)
        blocks = design.transform(train.features)
        chosen = choose_columns(blocks, train.labels, task, config.top_terms)
        whole = _dataset(blocks, chosen, train.labels, weight, swapped_class)
        booster = lightgbm.train(_parameters(task), whole, num_boost_round=rounds)
        info = {
            "device": "cpu",
            "rounds": rounds,
            "columns": int(sum(map(len, chosen.values()))),
            "history": _history(history),
            "history_note": "validation is a split of the training fold, not the left-out fold",
        }
        return cls(design, chosen, booster, swapped_class, info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, shape (n, C); for a pair the mean over both orders."""
        blocks = self.design.transform(rows.features)
        probabilities = _predict(self.booster, blocks, self.chosen)
        if self.swapped_class is None:
            return probabilities
        other = _predict(self.booster, blocks.swapped(), self.chosen)[:, self.swapped_class]
        return (probabilities + other) / 2

    def save(self, folder: Path) -> None:
        """Write design, columns and trees (LightGBM's text format)."""
        self.design.save(folder)
        np.savez(folder / "columns.npz", **self.chosen)
        with open(folder / "trees.txt", "w", encoding="utf-8", newline="\n") as file:
            file.write(self.booster.model_to_string())
        swap = None if self.swapped_class is None else self.swapped_class.tolist()
        write_json(folder / "model.json", {"swap": swap, "info": self.info})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = read_json(folder / "model.json")
        with np.load(folder / "columns.npz") as arrays:
            chosen = {name: arrays[name] for name in arrays.files}
        booster = lightgbm.Booster(model_str=(folder / "trees.txt").read_text(encoding="utf-8"))
        swap = None if stored["swap"] is None else np.array(stored["swap"])
        return cls(Design.load(folder), chosen, booster, swap, stored["info"])


def choose_columns(
    blocks: Blocks, labels: np.ndarray, task: Task, top_terms: int
) -> dict[str, np.ndarray]:
    """Choose the columns of each block with the largest score statistic, and all dense ones.

    The statistic of a column x and a class is |x'(y - mean y)| / |x|: the score test of a
    logistic regression that starts from the prior. Odd columns are tested against A minus B.

    Returns
    -------
    dict of str to ndarray of int64
        Column positions, ascending, by block ("odd", "even").
    """
    one_hot = np.eye(len(task.classes))[labels]
    tying = Tying(task.pair.signs)
    targets = {"even": (one_hot - one_hot.mean(axis=0))[:, tying.free]}
    if blocks.odd is not None:
        targets["odd"] = (one_hot @ tying.signs)[:, None]
    chosen = {}
    for name, target in targets.items():
        x = getattr(blocks, name)
        norm = np.sqrt(x.squares(np.ones(len(labels))))
        statistic = np.abs(x.adjoint()(target)).max(axis=1, initial=0) / np.maximum(norm, 1e-12)
        best = np.argsort(-statistic[: x.n_terms], kind="stable")[: top_terms // len(targets)]
        dense = np.arange(x.n_terms, x.shape[1])
        chosen[name] = np.concatenate([np.sort(best), dense])
    return chosen


def _columns(blocks: Blocks, chosen: dict[str, np.ndarray]) -> sparse.csr_matrix:
    parts = [getattr(blocks, name).columns(chosen[name]) for name in sorted(chosen)]
    return sparse.hstack(parts, format="csr", dtype=np.float32)


def _dataset(
    blocks: Blocks,
    chosen: dict[str, np.ndarray],
    labels: np.ndarray,
    weight: np.ndarray,
    swapped_class: np.ndarray | None,
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    x = _columns(blocks, chosen)
    if swapped_class is not None:
        x = sparse.vstack([x, _columns(blocks.swapped(), chosen)], format="csr")
        labels = np.concatenate([labels, swapped_class[labels]])
        weight = np.concatenate([weight, weight])
    return lightgbm.Dataset(x, labels, weight=weight, reference=reference, free_raw_data=True)


def _parameters(task: Task) -> dict[str, Any]:
    config, n_classes = task.competition.lightgbm, len(task.classes)
    objective: dict[str, Any] = {"objective": "binary"}
    kind = "binary"
    if n_classes > 2:
        objective, kind = {"objective": "multiclass", "num_class": n_classes}, "multi"
    return objective | {
        "metric": [f"{kind}_logloss", f"{kind}_error"],  # the first one decides when to stop
        "num_leaves": config.num_leaves,
        "learning_rate": config.learning_rate,
        "min_child_samples": config.min_child_samples,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": config.lambda_l2,
        "max_bin": 63,  # TF-IDF weights need no finer steps, and histograms cost time
        "seed": task.seed,
        # Reproducible only with all three, and with a fixed number of threads.
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": task.threads,
        "verbosity": -1,
    }


def _predict(
    booster: lightgbm.Booster, blocks: Blocks, chosen: dict[str, np.ndarray]
) -> np.ndarray:
    raw = np.asarray(booster.predict(_columns(blocks, chosen)), dtype=np.float64)
    probabilities = np.stack([1 - raw, raw], axis=1) if raw.ndim == 1 else raw
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _history(recorded: dict[str, dict[str, list[float]]]) -> list[Point]:
    """Return the curves of loss and accuracy in about 50 points."""
    points = []
    for split, curves in recorded.items():
        losses, errors = curves.values()
        step = max(1, len(losses) // 50)
        points += [
            {"split": split, "step": i + 1, "epoch": i + 1, "loss": losses[i]}
            | {"accuracy": 1 - errors[i]}
            for i in range(0, len(losses), step)
        ]
    return points
