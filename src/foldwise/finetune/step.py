"""One optimiser step: exactly `batch_size` rows, cut into micro-batches whose gradients add up.

The sum over the micro-batches is the gradient of the mean over the rows, however they are cut
and whichever process reads them.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from foldwise.backbone.batching import Examples, micro_batches
from foldwise.backbone.inference import forward
from foldwise.finetune import distributed
from foldwise.finetune.parts import Parts
from foldwise.finetune.plan import Labelled, StepSums, TrainingPlan


@dataclass(frozen=True)
class Epoch:
    """The training rows as they are read in one epoch.

    Attributes
    ----------
    examples : Examples
    lengths : ndarray of int64, shape (n,)
        Tokens of each row.
    swapped : ndarray of bool, shape (n,)
        Whether a row is read with A and B in each other's place.
    labels : ndarray of int64, shape (n,)
        Class indexes, after the swaps.
    ids : ndarray of str, shape (n,)
    """

    examples: Examples
    lengths: np.ndarray
    swapped: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    @classmethod
    def draw(
        cls, rows: Labelled, plan: TrainingPlan, epoch: int, generator: np.random.Generator
    ) -> "Epoch":
        """Draw which rows are changed and which are swapped."""
        examples = rows.drawn(plan.seed, epoch)
        lengths = examples.lengths
        swapped = generator.random(len(lengths)) < (0.5 if plan.swap else 0.0)
        labels = np.where(swapped, plan.swapped_class[rows.labels], rows.labels)
        return cls(examples, lengths, swapped, labels, rows.ids)


def make_step(
    parts: Parts, drawn: Epoch, rows: np.ndarray, plan: TrainingPlan, step: int
) -> StepSums:
    """Make one optimiser step, and return what was seen.

    Parameters
    ----------
    parts : Parts
        What is moved.
    drawn : Epoch
        The rows as they are read in this epoch.
    rows : ndarray of int64
        Positions of the step's rows, over all processes.
    plan : TrainingPlan
        How to train.
    step : int
        Number of the step, from 1.

    Raises
    ------
    FloatingPointError
        The loss or the gradient is not finite; no weight has moved.
    """
    parts.network.train()
    distributed.seed_step(plan.seed, step - 1)
    counts = _accumulate_gradients(parts, drawn, rows, plan)
    distributed.all_reduce_gradients(parts.network, counts)
    norm = parts.clip(plan.config.max_grad_norm)
    loss, *whole = counts.tolist()
    _check_finite(loss, norm, parts.scaler, plan.fold, step, drawn.ids[rows])
    parts.update()
    return StepSums(loss, *map(int, whole))


def _accumulate_gradients(
    parts: Parts, drawn: Epoch, rows: np.ndarray, plan: TrainingPlan
) -> torch.Tensor:
    """Add up the gradients of this process's share of a step, and return what it has seen.

    Parameters
    ----------
    parts, drawn, rows, plan
        As in `make_step`.

    Returns
    -------
    tensor of float64, shape (5,)
        The sums of `StepSums` in their order.
    """
    config, device = plan.config, plan.device
    weights = torch.tensor(plan.class_weights, dtype=torch.float32, device=device.name)
    counts = torch.zeros(5, dtype=torch.float64)
    sums = torch.zeros(2, dtype=torch.float32, device=device.name)  # fetched once a step
    mine = distributed.shard_step(rows, drawn.lengths)
    budget = device.token_budget(config.batch_tokens)
    for part in micro_batches(drawn.lengths, budget, mine, device.pass_overhead):
        inputs = drawn.examples.batch(part, drawn.swapped[part])
        widths = inputs["attention_mask"].sum(dim=1)
        counts[2] += widths.sum()
        counts[3] += inputs["attention_mask"].numel()
        counts[4] += (widths**2).sum()
        truth = torch.from_numpy(drawn.labels[part]).to(device.name)
        logits = forward(parts.call, inputs, device)
        objective = weighted_loss(logits, truth, weights, config.label_smoothing)
        parts.scaler.scale(objective / len(rows)).backward()
        with torch.no_grad():
            sums[0] += weighted_loss(logits, truth, weights)
            sums[1] += (logits.argmax(1) == truth).sum()
    counts[:2] = sums.cpu()
    return counts


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the sum over rows of the class-weighted cross-entropy, float32.

    The caller divides by the number of rows, not by their weights: the weights have mean 1, and
    a step that happens to hold rare rows should count for more, not for the same.
    """
    return functional.cross_entropy(
        logits.float(), labels, weight=weights, reduction="sum", label_smoothing=smoothing
    )


def _check_finite(
    loss: float,
    norm: torch.Tensor,
    scaler: torch.amp.GradScaler,
    fold: int,
    step: int,
    ids: np.ndarray,
) -> None:
    # With a loss scale, gradients that overflow are part of its search: the step is skipped and
    # the scale is halved. Below 1 the search has failed, and every step would be skipped.
    searching = scaler.is_enabled() and scaler.get_scale() >= 1
    if math.isfinite(loss) and (searching or math.isfinite(norm)):
        return
    shown = ", ".join(map(str, ids[:20])) + (" …" if len(ids) > 20 else "")
    what = "loss" if not math.isfinite(loss) else "gradient"
    raise FloatingPointError(f"fold {fold}, step {step}: {what} is not finite, rows {shown}")
