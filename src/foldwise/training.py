"""The training loop of the transformers.

An optimiser step is exactly `batch_size` rows (an epoch's last step takes the rest), cut into
micro-batches under a budget of padded tokens whose gradients add up to that of the mean over
the rows. That, the order of rows by length and the turning of pairs are what transformers'
Trainer has no place for; what is left of it is the loop below.
"""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import get_scheduler

from foldwise.batching import step_batches, token_batches
from foldwise.checkpoint import Checkpoint, training_key
from foldwise.config import Bert as BertConfig
from foldwise.curve import Curve, Labelled, Plan
from foldwise.inference import forward

_SILENCE = 30.0  # seconds between two lines of progress


@dataclass
class Record:
    """What happened in training.

    Attributes
    ----------
    history : list of dict
        Points of the curves: epoch, step, split, loss (weighted as in training, without label
        smoothing), accuracy.
    tokens, padded_tokens : int
        Tokens read, and places they took with padding.
    seconds : float
        Time of the steps, without evaluations.
    steps : int
        Optimiser steps.
    epochs : int
        Epochs trained; fewer than asked for after an early stop.
    best_epoch : int
        Epoch whose weights were kept; 0 where they are simply the last ones.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    padded_tokens: int = 0
    seconds: float = 0.0
    steps: int = 0
    epochs: int = 0
    best_epoch: int = 0


def train(
    network: Any,
    train: Labelled,
    plan: Plan,
    validation: Labelled | None,
    scratch: Path | None = None,
) -> Record:
    """Train a network, which lies on its device already, in place.

    Parameters
    ----------
    network : torch.nn.Module
        Returns an output with `logits` of shape (n, C) and has the encoder as `base_model`.
    train : Labelled
        Training rows.
    plan : Plan
        How to train.
    validation : Labelled, optional
        Draws the validation curve, and decides about a stop only if `early_stopping` is set.
    scratch : Path, optional
        Folder for the state from which a killed training goes on.

    Raises
    ------
    FloatingPointError
        At the first loss or gradient that is not finite, with fold, step and row ids.
    """
    config, device = plan.config, plan.device
    generator = np.random.default_rng(plan.seed)
    lengths = train.examples.lengths
    per_epoch = math.ceil(len(lengths) / config.batch_size)
    optimiser = make_optimiser(network, config)
    schedule = get_scheduler(
        config.schedule,
        optimiser,
        num_warmup_steps=round(config.warmup * per_epoch * config.epochs),
        num_training_steps=per_epoch * config.epochs,
    )
    # float16 gradients underflow unless the loss is scaled up; other types pass through.
    scaler = torch.amp.GradScaler(device.name, enabled=device.dtype == torch.float16)
    weights = torch.tensor(plan.class_weights, dtype=torch.float32, device=device.name)
    curve = Curve(network, plan, validation, per_epoch)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule, "scaler": scaler}
    held = [train] if validation is None else [train, validation]
    key = "" if scratch is None else training_key(network, held, *plan.settings)
    checkpoint = Checkpoint(scratch, key, parts)
    record, best = Record(), None
    if (stored := checkpoint.restore()) is not None:
        record, best = Record(**stored["record"]), stored["best"]
        generator.bit_generator.state = json.loads(stored["order"])
        curve.sums = stored["curve"]
    news = _News(plan, per_epoch, record.steps)
    for epoch in range(record.epochs + 1, config.epochs + 1):
        order = json.dumps(generator.bit_generator.state)
        swapped = generator.random(len(lengths)) < (0.5 if plan.turn else 0.0)
        labels = np.where(swapped, plan.turned[train.labels], train.labels)
        steps = step_batches(lengths, config.batch_size, generator)
        # A resumed epoch is drawn again as it was, and its finished steps are left out.
        for rows in steps[record.steps - (epoch - 1) * per_epoch :]:
            start = time.perf_counter()
            network.train()
            loss, hits = 0.0, 0
            for part in token_batches(lengths, config.batch_tokens, rows):
                inputs = train.examples.batch(part, swapped[part])
                record.tokens += int(inputs["attention_mask"].sum())
                record.padded_tokens += inputs["attention_mask"].numel()
                truth = torch.from_numpy(labels[part]).to(device.name)
                logits = forward(network, inputs, device)
                objective = weighted_loss(logits, truth, weights, config.label_smoothing)
                scaler.scale(objective / len(rows)).backward()
                with torch.no_grad():
                    loss += weighted_loss(logits, truth, weights).detach()
                    hits += (logits.argmax(1) == truth).sum()
            scaler.unscale_(optimiser)
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            record.steps += 1
            _check_finite(loss, norm, scaler, plan.fold, record.steps, train.ids[rows])
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad(set_to_none=True)
            schedule.step()
            record.seconds += time.perf_counter() - start
            curve.seen(float(loss), int(hits), len(rows))
            record.history += curve.points(record.steps)
            news.tell(record)
            if checkpoint.due:
                progress = {"record": asdict(record), "order": order, "curve": curve.sums}
                checkpoint.save({**progress, "best": best})
        record.epochs = epoch
        if config.early_stopping and validation is not None:
            loss = record.history[-1]["loss"]
            if best is None or loss < best["loss"]:
                state = {k: v.to("cpu", copy=True) for k, v in network.state_dict().items()}
                best, record.best_epoch = {"loss": loss, "network": state}, epoch
            elif epoch - record.best_epoch >= config.early_stopping:
                break
    if best is not None:
        network.load_state_dict(best["network"])
    return record


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


def make_optimiser(network: Any, config: BertConfig) -> torch.optim.AdamW:
    """Return AdamW with a learning rate each for encoder and head; no decay on vectors."""
    body = {id(p) for p in network.base_model.parameters()}
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            # Biases and the gains of layer norms are the parameters with one dimension.
            key = (id(parameter) in body, parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.learning_rate if in_body else config.head_learning_rate,
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_body, decays), parameters in groups.items()
        ],
        fused=True,
    )


class _News:
    """A line of progress every half a minute."""

    def __init__(self, plan: Plan, per_epoch: int, steps: int) -> None:
        self.fold, self.total = plan.fold, per_epoch * plan.config.epochs
        self.before = steps
        self.start = self.last = time.monotonic()

    def tell(self, record: Record) -> None:
        """Print a line if the last one is old."""
        now = time.monotonic()
        if now - self.last < _SILENCE:
            return
        self.last = now
        done = record.steps - self.before
        left = (now - self.start) / done * (self.total - record.steps)
        losses = [f"{p['split']} loss {p['loss']:.4f}" for p in record.history[-2:]]
        parts = [
            f"fold {self.fold}: step {record.steps}/{self.total}",
            *losses,
            f"{record.tokens / record.seconds:,.0f} tokens/s",
            f"about {left:.0f} s left",
        ]
        print(", ".join(parts), file=sys.stderr, flush=True)


def _check_finite(
    loss: Any, norm: torch.Tensor, scaler: Any, fold: int, step: int, ids: np.ndarray
) -> None:
    # With a loss scale, gradients that overflow are part of its search: the step is skipped.
    if math.isfinite(loss) and (scaler.is_enabled() or math.isfinite(norm)):
        return
    shown = ", ".join(map(str, ids[:20])) + (" …" if len(ids) > 20 else "")
    what = "loss" if not math.isfinite(loss) else "gradient"
    raise FloatingPointError(f"fold {fold}, step {step}: {what} is not finite, rows {shown}")
