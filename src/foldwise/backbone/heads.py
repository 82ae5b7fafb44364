"""Heads on the mean-pooled tokens of an encoder: a classifier, and one that compares A with B."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from foldwise.errors import require

_STD = 0.02
_FILE = "head.safetensors"
_ENCODER = "encoder."


class Head(nn.Module):
    """An encoder and layers of our own on top of it.

    Parameters
    ----------
    encoder : transformers.PreTrainedModel
        Encoder with a `last_hidden_state`.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        self.dropout = nn.Dropout(getattr(encoder.config, "hidden_dropout_prob", 0.1))

    @property
    def base_model(self) -> Any:
        """The encoder, as in transformers' own classifiers."""
        return self.encoder

    def forward(self, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        """Return the logits of a batch of `input_ids`, `attention_mask` and maybe more."""
        states = self.encoder(**inputs).last_hidden_state
        # The head is a few thousand multiplications: nothing to gain from a short number type.
        with torch.autocast(states.device.type, enabled=False):
            logits = self.score(mean_pool(states.float(), inputs["attention_mask"]))
        return SequenceClassifierOutput(logits=logits)

    def score(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return logits from the vectors of the sequences, shape (n, H)."""
        raise NotImplementedError

    def save_pretrained(self, folder: Path) -> None:
        """Write the encoder as transformers does, and the head beside it."""
        self.encoder.save_pretrained(folder)
        state = self.state_dict()
        head = {k: t.contiguous() for k, t in state.items() if not k.startswith(_ENCODER)}
        save_file(head, folder / _FILE)

    def load_head(self, folder: Path) -> Self:
        """Read the head that `save_pretrained` wrote."""
        require((folder / _FILE).exists(), f"{folder}: incomplete: no {_FILE}; fit it again")
        encoder = {k: v for k, v in self.state_dict().items() if k.startswith(_ENCODER)}
        self.load_state_dict(encoder | load_file(folder / _FILE))
        return self


class Classifier(Head):
    """A linear layer on the mean-pooled vector of each sequence.

    Parameters
    ----------
    encoder : transformers.PreTrainedModel
        Encoder with a `last_hidden_state`.
    n_classes : int
        Number of classes.
    """

    def __init__(self, encoder: Any, n_classes: int) -> None:
        super().__init__(encoder)
        self.linear = nn.Linear(encoder.config.hidden_size, n_classes)
        _start(self.linear)

    def score(self, pooled: torch.Tensor) -> torch.Tensor:
        """Score n sequences."""
        return self.linear(self.dropout(pooled))


class Siamese(Head):
    """Shared encoder with a head for which swapping A and B swaps their classes exactly.

    With u and v the mean-pooled vectors of prompt + A and prompt + B, the score of A is
    `w.u - w.v` and that of B its negative, as in a Bradley-Terry model; every other class (a
    tie) is scored from |u - v|, u * v and u + v, which do not know the order.

    Parameters
    ----------
    encoder : transformers.PreTrainedModel
        Encoder with a `last_hidden_state`.
    swap : sequence of int
        Positions of the classes "A" and "B".
    n_classes : int
        Number of classes.
    """

    def __init__(self, encoder: Any, swap: Sequence[int], n_classes: int) -> None:
        super().__init__(encoder)
        hidden = encoder.config.hidden_size
        others = [c for c in range(n_classes) if c not in swap]
        # Where in (A, B, the others) each class is found.
        self.columns = [[*swap, *others].index(c) for c in range(n_classes)]
        # A bias of the odd score would prefer a side.
        self.odd = nn.Linear(hidden, 1, bias=False)
        self.even = nn.Linear(3 * hidden, len(others)) if others else None
        _start(self.odd)
        if self.even is not None:
            _start(self.even)

    def score(self, pooled: torch.Tensor) -> torch.Tensor:
        """Score n pairs from 2n sequences: those of A, then those of B, in the same order."""
        u, v = map(self.dropout, pooled.chunk(2))
        odd = self.odd(u) - self.odd(v)
        scores = [odd, -odd]
        if self.even is not None:
            scores.append(self.even(torch.cat([(u - v).abs(), u * v, u + v], dim=1)))
        return torch.cat(scores, dim=1)[:, self.columns]


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average the vectors of the real tokens; shape (n, L, H) and (n, L) to (n, H)."""
    weight = mask.to(states.dtype).unsqueeze(2)
    return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def _start(layer: nn.Linear) -> None:
    nn.init.normal_(layer.weight, std=_STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
