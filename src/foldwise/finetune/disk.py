"""Is there room for what a training will write? Asked before it starts, not when it ends."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from foldwise.backbone import pretrained
from foldwise.backbone.source import in_one_line, locate
from foldwise.config.sections import BertConfig
from foldwise.errors import UserError

_BYTES = 4  # of a float32 weight
_STATE = 3  # weights and the two moments of AdamW
_SPARE = 256 * 2**20  # tokens, predictions, logs


def needed(weights: int, folds: int, workers: int, config: BertConfig) -> int:
    """Return the bytes that the folds that are left will take on disk at most.

    Parameters
    ----------
    weights : int
        Parameters of the network.
    folds : int
        Folds still to be trained; each keeps the network of each seed.
    workers : int
        Folds trained side by side; each keeps a state from which it can go on, and for a moment
        the next one beside it.
    config : foldwise.config.sections.BertConfig
    """
    stored = folds * config.seeds
    # Finished seeds lie in the scratch folder too until their fold is stored.
    waiting = workers * config.seeds if config.seeds > 1 else 0
    state = _STATE + bool(config.ema) + bool(config.early_stopping)
    return _BYTES * weights * (stored + waiting + 2 * workers * state) + _SPARE


def check(folder: Path, folds: int, workers: int, config: BertConfig) -> None:
    """Raise unless `folder` can be written to and has the room.

    Raises
    ------
    UserError
        With the size that is needed and the size that is free.
    """
    if not folds:
        return
    size = needed(_weights(config.model), folds, workers, config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder}: cannot be written to; training needs {_gigabytes(size)} there")
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"{folder}: the disk has {_gigabytes(free)} free, training needs up to "
            f"{_gigabytes(size)} for {folds} folds; free some or choose another --output"
        )


def _weights(name: str) -> int:
    """Return the parameters of a network without loading any."""
    source, offline = locate(name)
    with pretrained.quiet(), in_one_line(name, offline), torch.device("meta"):
        config: Any = AutoConfig.from_pretrained(
            source, local_files_only=offline, trust_remote_code=False
        )
        return AutoModel.from_config(config).num_parameters()


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
