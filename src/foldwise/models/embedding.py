"""Vectors of a frozen encoder and a logistic regression on them.

For single texts the features are the vectors. For A-versus-B they are made of the vectors c of
the context, a and b of the answers: [a - b, c * (a - b)] changes sign when A and B are swapped
(odd), [|a - b|, a * b, a + b, c] does not (even).
"""

import functools
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from foldwise.backbone import pretrained
from foldwise.backbone.batching import Examples, token_batches
from foldwise.backbone.device import Device
from foldwise.backbone.heads import mean_pool
from foldwise.backbone.packing import Packer
from foldwise.data.pairs import Pair
from foldwise.data.splits import inner_split
from foldwise.errors import require
from foldwise.features.rows import Rows
from foldwise.files import read_json, write_json
from foldwise.models.model import Info, Task

_INNER_FOLDS = 5
_CHUNK = 8192  # texts whose tokens are in memory at a time
_ABSENT = -20.0  # bias of a class without training rows: a probability near 1e-9


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder makes the vectors, and how it is run.

    Attributes
    ----------
    model : str
        Hub id or folder, or "packaged".
    max_length : int
        Most tokens of a text.
    batch_tokens : int
        Most padded tokens of a forward pass; 0 = as the device likes it.
    """

    model: str
    max_length: int
    batch_tokens: int


class Embedding:
    """Logistic regression on the mean-pooled vectors of a pretrained encoder.

    Parameters
    ----------
    encoder : EncoderChoice
    pair : Pair
        The text columns and the classes.
    weights : ndarray of float64, shape (C, d)
    bias : ndarray of float64, shape (C,)
    info : dict
    """

    uses_validation = False

    def __init__(
        self,
        encoder: EncoderChoice,
        pair: Pair,
        weights: np.ndarray,
        bias: np.ndarray,
        info: Info,
    ) -> None:
        self.encoder, self.pair = encoder, pair
        self.weights, self.bias, self.info = weights, bias, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Choose C on a split of the training rows, then fit all of them with it."""
        config = task.competition.embedding
        torch.set_num_threads(task.threads)
        pair = task.pair
        chosen = EncoderChoice(config.model, config.max_length, config.batch_tokens)
        n_odd, features = _features(train, chosen, pair)
        weights = task.class_weights[train.labels]
        solve = functools.partial(_fit, n_odd=n_odd, pair=pair)
        losses: dict[float, float] = {}
        if len(config.C) > 1:
            inside, outside = inner_split(train.labels, train.groups, _INNER_FOLDS, task.seed)[0]
            for C in sorted(config.C):
                solution = solve(features[inside], train.labels[inside], weights[inside], C=C)
                probabilities = _predict(features[outside], *solution)
                losses[C] = log_loss(
                    train.labels[outside],
                    probabilities,
                    sample_weight=weights[outside],
                    labels=range(len(task.classes)),
                )
        C = min(losses, key=losses.get) if losses else config.C[0]
        encoder = _encoder(config.model, config.max_length)
        info = {
            "device": str(Device.choose("auto")),
            "C": C,
            "C_path": {str(key): value for key, value in losses.items()},
            "notes": [
                *encoder.notes,
                "embedding: each text is encoded once for all folds, in the first fold's seconds",
            ],
            "encoded_texts": len(encoder.vectors),
            "tokens_per_second": encoder.tokens / max(encoder.seconds, 1e-9),
        }
        return cls(chosen, pair, *solve(features, train.labels, weights, C=C), info)

    def predict(self, rows: Rows) -> np.ndarray:
        """Return class probabilities, float64, shape (n, C)."""
        _, features = _features(rows, self.encoder, self.pair)
        return _predict(features, self.weights, self.bias)

    def save(self, folder: Path) -> None:
        """Write the regression; the encoder too, unless it comes with the pip package."""
        chosen = self.encoder
        if chosen.model != "packaged":
            encoder = _encoder(chosen.model, chosen.max_length)
            with pretrained.quiet():
                encoder.model.save_pretrained(folder / "encoder")
                encoder.packer.tokenizer.save_pretrained(folder / "encoder")
            chosen = replace(chosen, model="encoder")
        np.savez(folder / "weights.npz", weights=self.weights, bias=self.bias)
        write_json(folder / "embedding.json", asdict(chosen) | {"pair": asdict(self.pair)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; needs no network."""
        record = read_json(folder / "embedding.json")
        require(
            "pair" in record,
            f"{folder}: another version of foldwise wrote this model; fit it again: "
            "python -m foldwise run",
        )
        pair = Pair.restore(record.pop("pair"))
        chosen = EncoderChoice(**record)
        if chosen.model != "packaged":  # a path beside the regression
            chosen = replace(chosen, model=str((folder / chosen.model).resolve()))
        with np.load(folder / "weights.npz") as arrays:
            return cls(chosen, pair, arrays["weights"], arrays["bias"], {})


class _Encoder:
    """A frozen encoder and the vectors it has made in this process."""

    def __init__(self, name: str, max_length: int) -> None:
        loaded = pretrained.load(name, "encoder")
        limit = pretrained.longest_input(loaded.model, loaded.tokenizer) or max_length
        self.model, self.notes = loaded.model.eval(), loaded.notes
        self.packer = Packer(loaded.tokenizer, min(max_length, limit))
        self.vectors: dict[str, np.ndarray] = {}
        self.tokens, self.seconds = 0, 0.0

    def __call__(self, texts: np.ndarray, batch_tokens: int) -> np.ndarray:
        """Return unit vectors of texts, float32, shape (n, H)."""
        new = list(dict.fromkeys(text for text in texts if text not in self.vectors))
        start, device = time.perf_counter(), Device.choose("auto")
        with device.holding(self.model), torch.inference_mode():
            for first in range(0, len(new), _CHUNK):
                self._encode(new[first : first + _CHUNK], batch_tokens, device)
        self.seconds += time.perf_counter() - start
        return np.stack([self.vectors[text] for text in texts])

    def _encode(self, texts: list[str], batch_tokens: int, device: Device) -> None:
        side = self.packer.pack([np.array(texts, dtype=object)], [1.0])
        self.packer.forget()
        has_types = getattr(self.model.config, "type_vocab_size", 0) > 1
        examples = Examples((side,), False, self.packer.tokenizer.pad_token_id or 0, has_types)
        for rows in token_batches(examples.lengths, device.token_budget(batch_tokens)):
            inputs = examples.batch(rows)
            self.tokens += int(inputs["attention_mask"].sum())
            inputs = device.move(inputs)
            with device.autocast():
                states = self.model(**inputs).last_hidden_state
            pooled = mean_pool(states.float(), inputs["attention_mask"])
            pooled = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
            self.vectors |= {texts[row]: vector for row, vector in zip(rows, pooled, strict=True)}


@functools.lru_cache(maxsize=1)
def _encoder(name: str, max_length: int) -> _Encoder:
    """Return the encoder of this process; folds that follow find their texts encoded."""
    return _Encoder(name, max_length)


def _features(rows: Rows, chosen: EncoderChoice, pair: Pair) -> tuple[int, np.ndarray]:
    """Return how many of the first features are odd, and the features, float32, shape (n, d)."""
    encode = _encoder(chosen.model, chosen.max_length)
    vectors = {
        name: encode(rows.texts[name], chosen.batch_tokens)
        for name in (*pair.context, *pair.answers)
    }
    context = [vectors[name] for name in pair.context]
    if not pair.enabled:
        return 0, np.concatenate(context, axis=1)
    a, b = (vectors[name] for name in pair.answers)
    odd = [a - b, *(c * (a - b) for c in context)]
    even = [np.abs(a - b), a * b, a + b, *context]
    return sum(part.shape[1] for part in odd), np.concatenate(odd + even, axis=1)


def _fit(
    features: np.ndarray,
    labels: np.ndarray,
    sample_weight: np.ndarray,
    n_odd: int,
    pair: Pair,
    C: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression that a swap of A and B turns into itself.

    Returns
    -------
    weights : ndarray of float64, shape (C, d)
    bias : ndarray of float64, shape (C,)
    """
    n_classes, swapped_class = len(pair.classes), pair.swapped_class
    sign = np.ones(features.shape[1], dtype=features.dtype)
    sign[:n_odd] = -1
    if pair.enabled:
        # Every pair in both orders, with half its weight each: the optimum is then symmetric.
        features = np.concatenate([features, features * sign])
        labels = np.concatenate([labels, swapped_class[labels]])
        sample_weight = np.tile(sample_weight / 2, 2)
    machine = LogisticRegression(C=C, max_iter=1000).fit(features, labels, sample_weight)
    weights, bias = np.zeros((n_classes, features.shape[1])), np.full(n_classes, _ABSENT)
    # With two classes scikit-learn gives the log-odds of the second alone.
    both = np.array([[-0.5], [0.5]]) if len(machine.classes_) == 2 else 1.0
    weights[machine.classes_] = machine.coef_ * both
    bias[machine.classes_] = machine.intercept_ * np.squeeze(both)
    if pair.enabled:
        # What the solver left of asymmetry (it stops at a tolerance) is averaged out.
        weights = (weights + weights[swapped_class] * sign) / 2
        bias = (bias + bias[swapped_class]) / 2
    return weights, bias


def _predict(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return special.softmax(features @ weights.T + bias, axis=1)
