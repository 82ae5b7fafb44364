"""Dropout whose masks cost a CPU next to nothing."""

import torch
from torch import nn

_LEVELS = 256


class ByteDropout(nn.Dropout):
    """Dropout that draws one random byte for each element.

    torch draws a whole number for each element, one after the other: a tenth of a training
    step on a CPU. Eight masks out of one number take a tenth of that. The probability is
    rounded to 1/256, and what is kept is scaled by the rounded one, so the mean stays as it is.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop elements of a tensor of any shape while training."""
        dropped = round(self.p * _LEVELS)
        if not self.training or not dropped or dropped == _LEVELS:
            return super().forward(x)
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64)
        numbers.random_(-(2**63), None)  # all 64 bits; from 0 on, the sign would stay empty
        kept = numbers.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return (x * kept).mul_(_LEVELS / (_LEVELS - dropped))


def use_byte_dropout(network: nn.Module) -> None:
    """Replace each dropout of a network, in place; modules without weights, so nothing is lost."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                cheap = ByteDropout(child.p)
                setattr(parent, name, cheap.train(child.training))
