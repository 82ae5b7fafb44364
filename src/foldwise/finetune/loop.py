"""The training loop of the transformers.

An optimiser step is exactly `batch_size` rows (an epoch's last step takes the rest), cut into
micro-batches under a budget of padded tokens whose gradients add up to that of the mean over
the rows. That, the order of rows by length and the swapping of pairs are what transformers'
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

from foldwise.backbone.batching import step_batches
from foldwise.errors import require
from foldwise.finetune import distributed
from foldwise.finetune.checkpoint import Checkpoint, training_key
from foldwise.finetune.curve import Curve
from foldwise.finetune.early_stopping import Best, EarlyStopping
from foldwise.finetune.parts import Parts
from foldwise.finetune.plan import Labelled, TrainingPlan, TrainingRecord
from foldwise.finetune.step import Epoch, make_step
from foldwise.finetune.throughput import ProgressLog
from foldwise.hashing import code_hash
from foldwise.scoring.scores import Point


@dataclass
class _State:
    """How far a training is, beside its weights.

    Attributes
    ----------
    record : TrainingRecord
    generator : numpy.random.Generator
        Draws the order of the rows.
    curve : Curve
    stopping : EarlyStopping
    """

    record: TrainingRecord
    generator: np.random.Generator
    curve: Curve
    stopping: EarlyStopping

    @property
    def order(self) -> str:
        """Where the generator stands, as text."""
        return json.dumps(self.generator.bit_generator.state)

    def progress(self, order: str) -> dict[str, Any]:
        """Return what a checkpoint must hold: `order` is that before the epoch was drawn."""
        best = self.stopping.best
        return {
            "record": asdict(self.record),
            "order": order,
            "curve": self.curve.sums,
            "best": None if best is None else vars(best),
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go back to where a killed training was, if its state is there.

        Raises
        ------
        UserError
            Some of the processes that train together see the state, and others do not.
        """
        if (stored := checkpoint.restore()) is not None:
            self.record = TrainingRecord(**stored["record"])
            self.generator.bit_generator.state = json.loads(stored["order"])
            self.curve.sums = stored["curve"]
            self.stopping.best = None if stored["best"] is None else Best(**stored["best"])
        steps = self.record.steps
        require(
            distributed.broadcast(steps) == steps,
            f"{checkpoint.folder}: not all processes see the checkpoint there; use a folder that "
            "they share",
        )


def train(
    network: Any,
    training: Labelled,
    plan: TrainingPlan,
    validation: Labelled | None,
    scratch: Path | None = None,
    monitor: Callable[[TrainingRecord], None] | None = None,
    events: Any = None,
) -> TrainingRecord:
    """Train a network, which lies on its device already, in place.

    Parameters
    ----------
    network : torch.nn.Module
        Returns an output with `logits` of shape (n, C) and has the encoder as `base_model`.
    training : Labelled
        Training rows.
    plan : TrainingPlan
        How to train.
    validation : Labelled, optional
        Draws the validation curve, and decides about a stop only if `early_stopping` is set.
    scratch : Path, optional
        Folder for the state from which a killed training goes on.
    monitor : callable, optional
        Gets the record after every step; may raise to end the training.
    events : torch.utils.tensorboard.SummaryWriter, optional
        Gets the points of the curves.

    Raises
    ------
    FloatingPointError
        At the first loss or gradient that is not finite, with fold, step and row ids.
    """
    config = plan.config
    per_epoch = math.ceil(len(training.ids) / config.batch_size)
    total = per_epoch * config.epochs
    parts = Parts.of(network, plan, total)
    state = _State(
        record=TrainingRecord(),
        generator=np.random.default_rng(plan.seed),
        curve=Curve(parts.kept, plan, validation, per_epoch),
        stopping=EarlyStopping(config.early_stopping if validation is not None else 0),
    )
    checkpoint = _checkpoint(scratch, parts, training, validation, plan)
    state.resume(checkpoint)
    record = state.record
    log = ProgressLog(plan.fold, total, record.steps)
    for epoch in range(record.epochs + 1, config.epochs + 1):
        order = state.order
        drawn = Epoch.draw(training, plan, epoch, state.generator)
        steps = step_batches(drawn.lengths, config.batch_size, state.generator)
        # A resumed epoch is drawn again as it was, and its finished steps are left out.
        for rows in steps[record.steps - (epoch - 1) * per_epoch :]:
            start = time.perf_counter()
            sums = make_step(parts, drawn, rows, plan, record.steps + 1)
            record.add(sums, time.perf_counter() - start)
            state.curve.add(sums, len(rows))
            points = state.curve.points(record.steps)
            record.history += points
            if events is not None:
                _write_events(events, points)
            log.show(record)
            if monitor is not None:
                monitor(record)
            if checkpoint.due:
                checkpoint.save(state.progress(order))
        record.epochs = epoch
        if state.stopping.ends(parts.kept, record):
            break
    if state.stopping.best is not None:
        network.load_state_dict(state.stopping.best.network)
    elif parts.average is not None:
        network.load_state_dict(parts.kept.state_dict())
    return record


def _checkpoint(
    scratch: Path | None,
    parts: Parts,
    training: Labelled,
    validation: Labelled | None,
    plan: TrainingPlan,
) -> Checkpoint:
    """Return where the state of this very training lies, under a key that all processes share."""
    key = ""
    if scratch is not None:
        data = [training] if validation is None else [training, validation]
        key = training_key(parts.network, data, code_hash(__name__), *plan.settings)
    return Checkpoint(scratch, distributed.broadcast(key), parts.stateful())


def _write_events(events: Any, points: list[Point]) -> None:
    for point in points:
        for name in ("loss", "accuracy"):
            events.add_scalar(f"{name}/{point['split']}", point[name], point["step"])
