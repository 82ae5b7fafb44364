"""The training and validation curves of a fold: their points, and what the last ones say."""

from typing import Any

import numpy as np
from scipy import optimize

from foldwise.backbone.inference import predict_logits, score
from foldwise.finetune.plan import Labelled, StepSums, TrainingPlan, TrainingRecord
from foldwise.scoring.scores import Point
from foldwise.terminal import warn

# Validation rows of a point on the curve: at least these, and this share of the training rows
# since the last point. A row costs a third of a training row, and a curve must stay cheap; the
# score of the fold comes from all rows, later.
_CURVE_ROWS = {"cpu": 100, "cuda": 2000}
_CURVE_SHARE = 0.1
_LAST_POINT = 3  # times as many rows for the last point, which decides about "did not learn"
_LEARNT = 10.8  # 99.9 % of a chi-squared variable with one degree of freedom


class Curve:
    """Collects points of the training curve and draws those of the validation curve."""

    def __init__(
        self, network: Any, plan: TrainingPlan, validation: Labelled | None, per_epoch: int
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

    def add(self, step: StepSums, rows: int) -> None:
        """Add a step of so many rows."""
        for name, value in (("loss", step.loss), ("accuracy", step.hits), ("rows", rows)):
            self.sums[name] += value

    def points(self, step: int) -> list[Point]:
        """Return the points due after a step: none, or one of each split."""
        if (step - 1) % self.per_epoch + 1 not in self.at:
            return []
        mean = {name: self.sums[name] / self.sums["rows"] for name in ("loss", "accuracy")}
        self.sums = dict.fromkeys(self.sums, 0)
        points = [{**self._place(step), "split": "train", **mean}]
        if self.validation is not None:
            points.append(self._validate(step))
        return points

    def _validate(self, step: int) -> Point:
        """Score the first rows of a fixed random order of the validation rows, or all of them."""
        config, weights = self.plan.config, self.plan.held_out_weights
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

    def _place(self, step: int) -> Point:
        return {"epoch": round(step / self.per_epoch, 3), "step": step}


def learning_notes(record: TrainingRecord, fold: int) -> list[str]:
    """Say whether a network beats the class shares, and whether it chose its own stop.

    Parameters
    ----------
    record : TrainingRecord
        A training with points on the validation curve.
    fold : int

    Returns
    -------
    list of str
        What the report must say of the fold; the terminal has shown it too.
    """
    notes = []
    points = [p for p in record.history if p["split"] == "validation"]
    last = points[-1]
    if record.best_epoch:
        notes.append("early stopping used the validation fold: this fold's score is optimistic")
        last = next(p for p in reversed(points) if p["epoch"] == record.best_epoch)
    if not last["loss"] < last["prior_loss"]:
        fault = (
            f"after {record.steps} steps the validation loss of fold {fold} is "
            f"{last['loss']:.4f}, that of the class shares {last['prior_loss']:.4f}"
        )
        # Twice the gain in log-likelihood; a loss that is not a number was not scaled.
        scaled = last.get("scaled_loss", last["prior_loss"])
        if 2 * last["rows"] * (last["prior_loss"] - scaled) > _LEARNT:
            fault = (
                f"over-confident: {fault}, but {scaled:.4f} once its logits are "
                "scaled down: fewer epochs or bert.label_smoothing may help"
            )
        else:
            fault = f"did not learn: {fault}"
        notes.append(fault)
        warn(f"bert {fault}")
    return notes


def _drawn_back(
    logits: np.ndarray, log_prior: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    """Return the least mean loss on the way from the prior to the logits."""

    def loss(share: float) -> float:
        return score(log_prior + share * (logits - log_prior), labels, weights)[0].mean()

    return float(optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded").fun)
