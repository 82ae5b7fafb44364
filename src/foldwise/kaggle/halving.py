"""Store an encoder's weights as float16 where no prediction notices."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from foldwise.crossval.stored import FittedUnit
from foldwise.features.rows import Rows

_HEAD = "head.safetensors"  # a few thousand weights: nothing to gain


def halve(folder: Path) -> None:
    """Rewrite the float32 weights in a `save_pretrained` folder as float16."""
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == _HEAD:
            continue
        weights = load_file(path)
        halved = {
            name: tensor.half() if tensor.dtype == torch.float32 else tensor
            for name, tensor in weights.items()
        }
        save_file(halved, path, metadata={"format": "pt"})


def change(full: Path, half: Path, model: str, classes: list[str], rows: Rows) -> float:
    """Return the largest difference between the probabilities of two copies of a fold.

    Both run as they would on this machine; a device that multiplies in 16 bits rounds the
    weights anyway.

    Parameters
    ----------
    full, half : Path
        Folders of the fold, with float32 and float16 weights.
    model : str
        The model.
    classes : list of str
        Class names.
    rows : Rows
        Rows to predict.
    """
    predictions = [FittedUnit.load(model, folder, classes).predict(rows) for folder in (full, half)]
    difference = np.abs(predictions[0] - predictions[1])
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")
