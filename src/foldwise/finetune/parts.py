"""What a training step moves: network, optimiser, schedule, loss scale and averaged weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import get_scheduler

from foldwise.finetune.checkpoint import Stateful
from foldwise.finetune.optimiser import make_optimiser
from foldwise.finetune.plan import TrainingPlan


@dataclass(frozen=True)
class Parts:
    """A network and all that changes its weights.

    Attributes
    ----------
    network : torch.nn.Module
        What is trained, on its device.
    call : callable
        The network, compiled if the configuration says so, for the forward pass of a step.
    optimiser : torch.optim.AdamW
    schedule : torch.optim.lr_scheduler.LRScheduler
        Of the learning rates.
    scaler : torch.amp.GradScaler
        Scales the loss of float16; lets other types pass.
    average : torch.optim.swa_utils.AveragedModel, optional
        Exponential moving average of the weights, if one is taken.
    """

    network: Any
    call: Callable
    optimiser: torch.optim.AdamW
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    average: AveragedModel | None

    @classmethod
    def of(cls, network: Any, plan: TrainingPlan, steps: int) -> "Parts":
        """Make the parts for a training of so many optimiser steps."""
        config, device = plan.config, plan.device
        optimiser = make_optimiser(network, config)
        schedule = get_scheduler(
            config.schedule,
            optimiser,
            num_warmup_steps=round(config.warmup * steps),
            num_training_steps=steps,
        )
        average = None
        if config.ema:
            average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        return cls(
            network=network,
            # Beside the network, which keeps its own forward pass for evaluation and saving.
            call=torch.compile(network, dynamic=True) if config.compile else network,
            optimiser=optimiser,
            schedule=schedule,
            # float16 gradients underflow unless the loss is scaled up.
            scaler=torch.amp.GradScaler(device.name, enabled=device.dtype == torch.float16),
            average=average,
        )

    @property
    def kept(self) -> Any:
        """The network that is evaluated and kept: the average, if one is taken."""
        return self.network if self.average is None else self.average.module

    def stateful(self) -> dict[str, Stateful]:
        """Return by name what a checkpoint must hold."""
        names = ("network", "optimiser", "schedule", "scaler", "average")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def clip(self, max_norm: float) -> torch.Tensor:
        """Undo the loss scale, cut the gradients to a norm, and return the norm they had."""
        self.scaler.unscale_(self.optimiser)
        return torch.nn.utils.clip_grad_norm_(self.network.parameters(), max_norm)

    def update(self) -> None:
        """Move the weights along their gradients, which are used up."""
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
