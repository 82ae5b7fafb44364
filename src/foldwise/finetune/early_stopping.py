"""The weights of the best epoch, and when to stop looking for better ones."""

from dataclasses import dataclass

import torch

from foldwise.finetune import distributed
from foldwise.finetune.plan import TrainingRecord


@dataclass(frozen=True)
class Best:
    """The best epoch so far.

    Attributes
    ----------
    loss : float
        On the validation rows.
    network : dict of str to tensor
        The weights, on the CPU.
    """

    loss: float
    network: dict[str, torch.Tensor]


class EarlyStopping:
    """Keeps the best epoch.

    Parameters
    ----------
    patience : int
        Epochs without a better one after which a training ends; 0 = it never does, and nothing
        is kept.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best: Best | None = None

    def ends(self, kept: torch.nn.Module, record: TrainingRecord) -> bool:
        """Look at the epoch that has just ended, and say whether it was the last one.

        Parameters
        ----------
        kept : torch.nn.Module
            The network whose weights the last point of the curve is of.
        record : TrainingRecord
            Its `best_epoch` is set.
        """
        if not self.patience:
            return False
        # All processes must stop after the same epoch.
        loss = distributed.broadcast(record.history[-1]["loss"])
        if self.best is None or loss < self.best.loss:
            state = {k: v.to("cpu", copy=True) for k, v in kept.state_dict().items()}
            self.best, record.best_epoch = Best(loss, state), record.epochs
            return False
        return record.epochs - record.best_epoch >= self.patience
