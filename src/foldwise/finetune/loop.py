"""The training loop of the transformers.

An optimiser step is exactly `batch_size` rows (an epoch's last step takes the rest), cut into
micro-batches under a budget of padded tokens whose gradients add up to that of the mean over
the rows. That, the order of rows by length and the turning of pairs are what transformers'
Trainer has no place for; what is left of it is the loop below.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import get_scheduler

from foldwise.backbone.batching import Examples, micro_batches, step_batches
from foldwise.backbone.inference import forward
from foldwise.errors import require
from foldwise.finetune import distributed
from foldwise.finetune.checkpoint import Checkpoint, training_key
from foldwise.finetune.curve import Curve
from foldwise.finetune.optimiser import make_optimiser
from foldwise.finetune.plan import Labelled, Plan, Record
from foldwise.finetune.throughput import News


@dataclass(frozen=True)
class _Epoch:
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
    """

    examples: Examples
    lengths: np.ndarray
    swapped: np.ndarray
    labels: np.ndarray

    @classmethod
    def draw(
        cls, train: Labelled, plan: Plan, epoch: int, generator: np.random.Generator
    ) -> "_Epoch":
        examples = train.drawn(plan.seed, epoch)
        lengths = examples.lengths
        swapped = generator.random(len(lengths)) < (0.5 if plan.turn else 0.0)
        labels = np.where(swapped, plan.turned[train.labels], train.labels)
        return cls(examples, lengths, swapped, labels)


def train(
    network: Any,
    train: Labelled,
    plan: Plan,
    validation: Labelled | None,
    scratch: Path | None = None,
    watch: Callable[[Record], None] | None = None,
    events: Any = None,
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
    watch : callable, optional
        Gets the record after every step; may raise to end the training.
    events : torch.utils.tensorboard.SummaryWriter, optional
        Gets the points of the curves.

    Raises
    ------
    FloatingPointError
        At the first loss or gradient that is not finite, with fold, step and row ids.
    """
    config, device = plan.config, plan.device
    generator = np.random.default_rng(plan.seed)
    per_epoch = math.ceil(len(train.ids) / config.batch_size)
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
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule, "scaler": scaler}
    kept = network
    if config.ema:
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        parts["average"], kept = average, average.module
    # Compiled beside the network, which keeps its own forward pass for evaluation and saving.
    call = torch.compile(network, dynamic=True) if config.compile else network
    curve = Curve(kept, plan, validation, per_epoch)
    held = [train] if validation is None else [train, validation]
    key = "" if scratch is None else training_key(network, held, *plan.settings)
    key = distributed.tell(key)
    checkpoint = Checkpoint(scratch, key, parts)
    record, best = Record(), None
    if (stored := checkpoint.restore()) is not None:
        record, best = Record(**stored["record"]), stored["best"]
        generator.bit_generator.state = json.loads(stored["order"])
        curve.sums = stored["curve"]
    require(
        distributed.tell(record.steps) == record.steps,
        f"{scratch}: not all processes see the checkpoint there; use a folder that they share",
    )
    news = News(plan.fold, per_epoch * config.epochs, record.steps)
    for epoch in range(record.epochs + 1, config.epochs + 1):
        order = json.dumps(generator.bit_generator.state)
        drawn = _Epoch.draw(train, plan, epoch, generator)
        steps = step_batches(drawn.lengths, config.batch_size, generator)
        # A resumed epoch is drawn again as it was, and its finished steps are left out.
        for rows in steps[record.steps - (epoch - 1) * per_epoch :]:
            start = time.perf_counter()
            network.train()
            distributed.seed_step(plan.seed, record.steps)
            counts = _accumulate_gradients(call, drawn, rows, plan, scaler, weights)
            distributed.add_up(network, counts)
            scaler.unscale_(optimiser)
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            record.steps += 1
            loss, hits, *read = counts.tolist()
            _check_finite(loss, norm, scaler, plan.fold, record.steps, train.ids[rows])
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad(set_to_none=True)
            schedule.step()
            if kept is not network:
                average.update_parameters(network)
            for name, count in zip(("tokens", "padded_tokens", "squares"), read, strict=True):
                setattr(record, name, getattr(record, name) + int(count))
            record.seconds += time.perf_counter() - start
            curve.seen(loss, int(hits), len(rows))
            points = curve.points(record.steps)
            record.history += points
            if events is not None:
                _write_events(events, points)
            news.tell(record)
            if watch is not None:
                watch(record)
            if checkpoint.due:
                progress = {"record": asdict(record), "order": order, "curve": curve.sums}
                checkpoint.save({**progress, "best": best})
        record.epochs = epoch
        if config.early_stopping and validation is not None:
            loss = distributed.tell(record.history[-1]["loss"])
            if best is None or loss < best["loss"]:
                state = {k: v.to("cpu", copy=True) for k, v in kept.state_dict().items()}
                best, record.best_epoch = {"loss": loss, "network": state}, epoch
            elif epoch - record.best_epoch >= config.early_stopping:
                break
    if best is not None:
        network.load_state_dict(best["network"])
    elif kept is not network:
        network.load_state_dict(kept.state_dict())
    return record


def _accumulate_gradients(
    call: Callable,
    drawn: _Epoch,
    rows: np.ndarray,
    plan: Plan,
    scaler: Any,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Add up the gradients of this process's share of a step, and return what it has seen.

    Parameters
    ----------
    call : callable
        The network, perhaps compiled.
    drawn : _Epoch
        The rows as they are read in this epoch.
    rows : ndarray of int64
        Positions of the step's rows, over all processes.
    plan : Plan
        How to train.
    scaler : torch.amp.GradScaler
        Scales the loss.
    weights : tensor of float32, shape (C,)
        Class weights, on the device.

    Returns
    -------
    tensor of float64, shape (5,)
        Loss, hits, tokens, places with padding, squared lengths: sums over the rows.
    """
    config, device = plan.config, plan.device
    counts = torch.zeros(5, dtype=torch.float64)
    sums = torch.zeros(2, dtype=torch.float32, device=device.name)  # fetched once a step
    mine = distributed.share(rows, drawn.lengths)
    budget = device.token_budget(config.batch_tokens)
    for part in micro_batches(drawn.lengths, budget, mine, device.pass_overhead):
        inputs = drawn.examples.batch(part, drawn.swapped[part])
        widths = inputs["attention_mask"].sum(dim=1)
        counts[2] += widths.sum()
        counts[3] += inputs["attention_mask"].numel()
        counts[4] += (widths**2).sum()
        truth = torch.from_numpy(drawn.labels[part]).to(device.name)
        logits = forward(call, inputs, device)
        objective = weighted_loss(logits, truth, weights, config.label_smoothing)
        scaler.scale(objective / len(rows)).backward()
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


def _write_events(events: Any, points: list[dict[str, Any]]) -> None:
    for point in points:
        for name in ("loss", "accuracy"):
            events.add_scalar(f"{name}/{point['split']}", point[name], point["step"])


def _check_finite(
    loss: Any, norm: torch.Tensor, scaler: Any, fold: int, step: int, ids: np.ndarray
) -> None:
    # With a loss scale, gradients that overflow are part of its search: the step is skipped and
    # the scale is halved. Below 1 the search has failed, and every step would be skipped.
    searching = scaler.is_enabled() and scaler.get_scale() >= 1
    if math.isfinite(loss) and (searching or math.isfinite(norm)):
        return
    shown = ", ".join(map(str, ids[:20])) + (" …" if len(ids) > 20 else "")
    what = "loss" if not math.isfinite(loss) else "gradient"
    raise FloatingPointError(f"fold {fold}, step {step}: {what} is not finite, rows {shown}")
