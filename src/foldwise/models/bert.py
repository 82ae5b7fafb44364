"""Fine-tuning of a pretrained transformer, for single texts and for A-versus-B.

`pair_mode = "cross"` reads a pair as one sequence with a classifier on top; "siamese" reads
prompt + A and prompt + B with one encoder and compares them (see `heads.py`).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import special

from foldwise.backbone import pretrained
from foldwise.backbone.augment import Augment
from foldwise.backbone.batching import Examples
from foldwise.backbone.device import Device, reproducible
from foldwise.backbone.heads import Classifier, Head, Siamese
from foldwise.backbone.inference import predict_logits
from foldwise.backbone.packing import Packer
from foldwise.backbone.reading import Reading
from foldwise.backbone.token_cache import TokenCache
from foldwise.errors import UserError, require
from foldwise.features.rows import Rows
from foldwise.files import read_json, write_json
from foldwise.finetune import distributed, loop, throughput
from foldwise.finetune.curve import learning_notes
from foldwise.finetune.monitor import BudgetMonitor
from foldwise.finetune.plan import Labelled, TrainingPlan, TrainingRecord
from foldwise.models.model import Info, Task
from foldwise.terminal import note


class Bert:
    """A fine-tuned transformer."""

    uses_validation = True

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        reading: Reading,
        info: dict,
        cache: Path | None = None,
    ) -> None:
        self.network, self.tokenizer, self.reading, self.info = network, tokenizer, reading, info
        stored = None if cache is None else TokenCache(cache, tokenizer, reading.max_length)
        self.packer = Packer(tokenizer, reading.max_length, stored)

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Fine-tune on the training rows.

        Parameters
        ----------
        train : Rows
            Labelled rows.
        task : Task
            The configuration and the fold.
        validation : Rows, optional
            The left-out fold, for the curve.
        """
        config = task.competition.bert
        with reproducible(task.seed, task.threads):
            fitted, notes = cls._pretrained(task)
            plan = fitted._plan(task, train.labels)
            if config.gradient_checkpointing:
                fitted.network.base_model.gradient_checkpointing_enable()
            known = fitted._training(train, Augment(config, fitted.tokenizer))
            held = None
            # The leader alone draws the curve; all must know the loss that decides about a stop.
            if validation is not None and (distributed.rank() == 0 or config.early_stopping):
                held = fitted._labelled(validation)
            monitor = None
            if task.allowance is not None:
                ahead = 0 if validation is None else len(validation)
                monitor = BudgetMonitor(task.allowance, plan, known.examples.lengths, ahead)
            network, device = fitted.network, plan.device
            with _events(task) as events, device.holding(network):
                device.forget_peak()
                record = loop.train(network, known, plan, held, task.scratch, monitor, events)
                figures = throughput.summary(network, record, device)
        if distributed.rank() == 0:
            note(f"bert fold {task.fold}: {throughput.line(figures)}")
        if held is not None:
            notes += learning_notes(record, task.fold)
        fitted.info |= _facts(network, record, device, notes, figures)
        return fitted

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, float64, shape (n, C)."""
        if not len(rows):
            return np.zeros((0, len(self.reading.pair.classes)))
        reading, device = self.reading, Device.choose(self.reading.precision)
        examples = reading.examples(rows, self.packer, self._has_types)
        with device.holding(self.network):
            args = (self.network, examples, device, reading.batch_tokens)
            logits = predict_logits(*args)
            both = predict_logits(*args, swapped=True) if reading.averaging else None
        broken = ~np.isfinite(logits).all(axis=1)
        if broken.any():
            shown = ", ".join(map(str, rows.ids[broken][:20]))
            raise FloatingPointError(f"prediction: logits are not finite, rows {shown}")
        probabilities = special.softmax(logits, axis=1)
        if both is not None:
            swapped = special.softmax(both, axis=1)[:, reading.pair.swapped_class]
            probabilities = (probabilities + swapped) / 2
        return probabilities

    def save(self, folder: Path) -> None:
        """Write a `save_pretrained` folder and how rows become sequences."""
        with pretrained.quiet():
            self.network.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        write_json(folder / "packing.json", asdict(self.reading))
        self.packer.forget()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; needs no network."""
        saved = read_json(folder / "packing.json")
        require(saved is not None, f"{folder}: no packing.json; is this a saved transformer?")
        reading = Reading.of_saved(saved, folder / "packing.json")
        kind = "encoder" if reading.pooling == "mean" else "classifier"
        loaded = pretrained.load(str(folder), kind)
        require(not loaded.notes, f"{folder}: incomplete: {'; '.join(loaded.notes)}")
        labels = loaded.model.config.id2label
        named = [labels[i] for i in sorted(labels)]
        if named != list(reading.pair.classes):
            raise UserError(
                f"{folder}: config.json names the classes {named}, packing.json "
                f"{list(reading.pair.classes)}; the columns of a prediction would be mixed up"
            )
        network = loaded.model
        if reading.pooling == "mean":
            network = _headed(network, reading).load_head(folder)
        return cls(network, loaded.tokenizer, reading, {})

    @classmethod
    def _pretrained(cls, task: Task) -> tuple[Self, list[str]]:
        """Load the encoder that is to be fine-tuned, with a new head."""
        config = task.competition.bert
        reading = Reading.of(task.competition, task.pair, config.max_length)
        pooled = reading.pooling == "mean"
        kind = "encoder" if pooled else "classifier"
        loaded = pretrained.load(
            config.model,
            kind,
            task.classes,
            allow_random_weights=config.allow_random_weights,
            attention_dropout=config.attention_dropout,
        )
        notes, max_length = list(loaded.notes), config.max_length
        limit = pretrained.longest_input(loaded.model, loaded.tokenizer)
        if limit is not None and max_length > limit:
            notes.append(f"{config.model}: max_length {max_length} is cut to the model's {limit}")
            max_length = limit
        reading = replace(reading, max_length=max_length)
        network = loaded.model
        if pooled:
            network = _headed(network, reading)
            notes.append(f"{config.model}: the head on its mean-pooled tokens is new")
        return cls(network, loaded.tokenizer, reading, {}, task.cache), notes

    def _plan(self, task: Task, labels: np.ndarray) -> TrainingPlan:
        """Say how the network is trained on rows of these classes."""
        config = task.competition.bert
        return TrainingPlan(
            config=config,
            device=Device.choose(config.precision),
            class_weights=task.class_weights,
            log_prior=_log_prior(labels, task.class_weights),
            swapped_class=self.reading.pair.swapped_class,
            # The siamese network sees both orders at once already.
            swap=self.reading.mode == "cross" and config.swap_augmentation,
            seed=task.seed,
            fold=task.fold,
            held_out_weights=_held_out_weights(labels, task),
        )

    @property
    def _has_types(self) -> bool:
        return getattr(self.network.config, "type_vocab_size", 0) > 1

    def _labelled(self, rows: Rows) -> Labelled:
        examples = self.reading.examples(rows, self.packer, self._has_types)
        return Labelled(examples, rows.labels, rows.ids)

    def _training(self, rows: Rows, augment: Augment) -> Labelled:
        """Pack the training rows, and say how an epoch draws them."""
        plain = self._labelled(rows)
        if not augment.active:
            return plain

        def draw(generator: np.random.Generator) -> Examples:
            changed = replace(rows, texts=augment.turns(rows.texts, generator))
            packed = self.reading.examples(changed, self.packer, self._has_types)
            sides = tuple(augment.words(side, generator) for side in packed.sides)
            return replace(packed, sides=sides)

        return replace(plain, augment=draw)


def _headed(encoder: Any, reading: Reading) -> Head:
    """Put a new head on an encoder."""
    n_classes = len(reading.pair.classes)
    if reading.mode == "siamese":
        return Siamese(encoder, reading.pair.swap, n_classes)
    return Classifier(encoder, n_classes)


@contextlib.contextmanager
def _events(task: Task) -> Iterator[Any]:
    """Yield what writes TensorBoard events of a fold, or None."""
    if not task.competition.bert.tensorboard or distributed.rank() > 0:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "bert.tensorboard = true needs the package: pip install tensorboard"
        ) from None
    folder = task.scratch.parent / "tensorboard" / task.scratch.name.strip(".").split(".")[0]
    with SummaryWriter(str(folder)) as writer:
        yield writer


def _facts(
    network: Any, record: TrainingRecord, device: Device, notes: list[str], figures: Info
) -> Info:
    """Return what is told of a training, as plain data."""
    return {
        "device": str(device),
        "processes": distributed.world(),
        "notes": notes,
        "history": record.history,
        **figures,
        "tokens": record.tokens,
        "padded_tokens": record.padded_tokens,
        "squares": record.squares,
        "seconds": record.seconds,
        "trainable_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "epochs": record.epochs,
        "steps": record.steps,
    }


def _log_prior(labels: np.ndarray, class_weights: np.ndarray) -> np.ndarray:
    """Return the log of the weighted class shares, one row added to each, shape (C,)."""
    shares = np.bincount(labels, minlength=len(class_weights)) * class_weights + 1
    return np.log(shares / shares.sum())


def _held_out_weights(labels: np.ndarray, task: Task) -> np.ndarray:
    """Return what a held-out row of each class counts, as in training, float64, shape (C,)."""
    if task.repeats is None:
        return task.class_weights
    seen = np.bincount(labels, minlength=len(task.classes))
    once = seen / np.maximum(task.repeats, 1)
    return task.class_weights * task.repeats * once.sum() / seen.sum()
