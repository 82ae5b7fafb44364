"""How training goes: points of the training and validation curves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from foldwise.batching import Examples
from foldwise.device import Device
from foldwise.inference import predict_logits, score
from foldwise.sections import Bert as BertConfig

# Validation rows of a point on the curve: at least these, and this share of the training rows
# since the last point. A row costs a third of a training row, and a curve must stay cheap; the
# score of the fold comes from all rows, later.
_CURVE_ROWS = {"cpu": 100, "cuda": 2000}
_CURVE_SHARE = 0.1
_LAST_POINT = 3  # times as many rows for the last point, which decides about "did not learn"


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
class Plan:
    """How to train.

    Attributes
    ----------
    config : foldwise.sections.Bert
    device : Device
    class_weights : ndarray of float64, shape (C,)
        Mean 1 over the training rows.
    log_prior : ndarray of float64, shape (C,)
        Log of the (weighted) class shares of the training rows: what has learnt nothing.
    turned : ndarray of int64, shape (C,)
        Class of a row after swapping A and B.
    turn : bool
        Whether rows are shown in a random order of A and B.
    seed : int
    fold : int
    """

    config: BertConfig
    device: Device
    class_weights: np.ndarray
    log_prior: np.ndarray
    turned: np.ndarray
    turn: bool
    seed: int
    fold: int

    @property
    def settings(self) -> tuple[Any, ...]:
        """Everything that decides about the result, as plain data."""
        arrays = (self.class_weights.tolist(), self.turned.tolist(), self.turn)
        config = self.config.model_dump(exclude={"workers", "over_budget", "tensorboard"})
        return config, str(self.device), *arrays, self.seed, self.fold


def _drawn_back(
    logits: np.ndarray, log_prior: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    """Return the least mean loss on the way from the prior to the logits."""

    def loss(share: float) -> float:
        return score(log_prior + share * (logits - log_prior), labels, weights)[0].mean()

    return float(optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded").fun)


class Curve:
    """Collects points of the training curve and draws those of the validation curve."""

    def __init__(
        self, network: Any, plan: Plan, validation: Labelled | None, per_epoch: int
    ) -> None:
        self.network, self.plan, self.validation = network, plan, validation
        self.per_epoch, self.last = per_epoch, per_epoch * plan.config.epochs
        times = min(plan.config.evaluations_per_epoch, per_epoch)
        self.between = per_epoch * plan.config.batch_size / times
        self.at = {round(per_epoch * (k + 1) / times) for k in range(times)}
        self.sums = {"loss": 0.0, "accuracy": 0, "rows": 0}
        # A fixed draw, of its own seed: evaluating must not change the training.
        n = 0 if validation is None else len(validation.ids)
        self.order = np.random.default_rng(plan.seed + 1).permutation(n)

    def seen(self, loss: float, hits: int, rows: int) -> None:
        """Add a step."""
        for name, value in (("loss", loss), ("accuracy", hits), ("rows", rows)):
            self.sums[name] += value

    def points(self, step: int) -> list[dict[str, Any]]:
        """Return the points due after a step: none, or one of each split."""
        if (step - 1) % self.per_epoch + 1 not in self.at:
            return []
        mean = {name: self.sums[name] / self.sums["rows"] for name in ("loss", "accuracy")}
        self.sums = dict.fromkeys(self.sums, 0)
        points = [{**self._place(step), "split": "train", **mean}]
        if self.validation is not None:
            points.append(self._validate(step))
        return points

    def _validate(self, step: int) -> dict[str, Any]:
        """Score the first rows of a fixed random order of the validation rows, or all of them."""
        config, weights = self.plan.config, self.plan.class_weights
        few = max(_CURVE_ROWS[self.plan.device.name], round(_CURVE_SHARE * self.between))
        if config.early_stopping and step % self.per_epoch == 0:
            few = len(self.order)
        elif step == self.last:
            few *= _LAST_POINT
        index = self.order[:few]
        examples = self.validation.examples.take(index)
        logits = predict_logits(self.network, examples, self.plan.device, config.batch_tokens)
        labels = self.validation.labels[index]
        losses, right = score(logits, labels, weights)
        # On the same rows: the difference of the two is far steadier than either.
        floor, _ = score(np.tile(self.plan.log_prior, (len(index), 1)), labels, weights)
        point = {
            **self._place(step),
            "split": "validation",
            "loss": float(losses.mean()),
            "accuracy": float(right.mean()),
            "prior_loss": float(floor.mean()),
            "rows": len(index),
        }
        if point["loss"] >= point["prior_loss"]:
            point["scaled_loss"] = _drawn_back(logits, self.plan.log_prior, labels, weights)
        return point

    def _place(self, step: int) -> dict[str, Any]:
        return {"epoch": round(step / self.per_epoch, 3), "step": step}
