"""Forward passes: one batch, or all rows batch by batch."""

from typing import Any

import numpy as np
import torch
from scipy import special

from foldwise.backbone.batching import Examples, token_batches
from foldwise.backbone.device import Device


def forward(network: Any, inputs: dict[str, torch.Tensor], device: Device) -> torch.Tensor:
    """Return the logits of a batch, float32, on the device."""
    with device.autocast():
        return network(**device.move(inputs)).logits.float()


def predict_logits(
    network: Any, examples: Examples, device: Device, budget: int, swapped: bool = False
) -> np.ndarray:
    """Return the logits of all rows, float64, shape (n, C).

    Each batch goes back to the CPU at once, so the GPU holds one batch whatever the row count.
    """
    network.eval()
    parts, order = [], []
    with torch.inference_mode():
        for rows in token_batches(examples.lengths, device.token_budget(budget)):
            inputs = examples.batch(rows, np.full(len(rows), swapped))
            parts.append(forward(network, inputs, device).float().cpu().numpy())
            order.append(rows)
    logits = np.concatenate(parts).astype(np.float64)
    return logits[np.argsort(np.concatenate(order))]


def score(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted loss of each row and whether it is right, both of shape (n,)."""
    log_p = special.log_softmax(logits, axis=1)
    losses = -weights[labels] * log_p[np.arange(len(labels)), labels]
    return losses, logits.argmax(axis=1) == labels
