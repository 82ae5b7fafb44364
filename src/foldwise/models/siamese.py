"""A network for A-versus-B: one encoder reads both answers, a head compares them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

_HEAD_STD = 0.02


class Siamese(nn.Module):
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
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        hidden = encoder.config.hidden_size
        others = [c for c in range(n_classes) if c not in swap]
        # Where in (A, B, the others) each class is found.
        self.columns = [[*swap, *others].index(c) for c in range(n_classes)]
        self.dropout = nn.Dropout(getattr(encoder.config, "hidden_dropout_prob", 0.1))
        # A bias of the odd score would prefer a side.
        self.odd = nn.Linear(hidden, 1, bias=False)
        self.even = nn.Linear(3 * hidden, len(others)) if others else None
        nn.init.normal_(self.odd.weight, std=_HEAD_STD)
        if self.even is not None:
            nn.init.normal_(self.even.weight, std=_HEAD_STD)
            nn.init.zeros_(self.even.bias)

    @property
    def base_model(self) -> Any:
        """The encoder, as in transformers' own classifiers."""
        return self.encoder

    def forward(self, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        """Score n pairs from 2n sequences: those of A, then those of B, in the same order."""
        states = self.encoder(**inputs).last_hidden_state
        # The head is a few thousand multiplications: nothing to gain from a short number type.
        with torch.autocast(states.device.type, enabled=False):
            u, v = mean_pool(states.float(), inputs["attention_mask"]).chunk(2)
            u, v = self.dropout(u), self.dropout(v)
            odd = self.odd(u) - self.odd(v)
            scores = [odd, -odd]
            if self.even is not None:
                scores.append(self.even(torch.cat([(u - v).abs(), u * v, u + v], dim=1)))
            logits = torch.cat(scores, dim=1)[:, self.columns]
        return SequenceClassifierOutput(logits=logits)

    def save_pretrained(self, folder: Path) -> None:
        """Write the encoder as transformers does, and the head beside it."""
        self.encoder.save_pretrained(folder)
        parts = ("odd.", "even.")
        head = {k: t.contiguous() for k, t in self.state_dict().items() if k.startswith(parts)}
        save_file(head, folder / "head.safetensors")

    def load_head(self, folder: Path) -> "Siamese":
        """Read the head that `save_pretrained` wrote."""
        encoder = {k: v for k, v in self.state_dict().items() if k.startswith("encoder.")}
        self.load_state_dict(encoder | load_file(folder / "head.safetensors"))
        return self


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average the vectors of the real tokens; shape (n, L, H) and (n, L) to (n, H)."""
    weight = mask.to(states.dtype).unsqueeze(2)
    return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
