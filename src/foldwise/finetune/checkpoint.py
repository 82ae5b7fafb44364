"""A training that was killed goes on where it was a few minutes before.

The state is written every few minutes and carries a key of everything that the training depends
on; a state with another key is ignored. A resumed training ends at the weights it would have
reached undisturbed.
"""

import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from foldwise.files import atomic
from foldwise.finetune import distributed
from foldwise.finetune.plan import Labelled
from foldwise.hashing import content_hash

EVERY_SECONDS = 300.0


class Stateful(Protocol):
    """What can give its state away and take it back."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Go back to a state."""


class Checkpoint:
    """The state of one training on disk.

    Parameters
    ----------
    folder : Path or None
        Where the state lies; without a folder nothing is ever written.
    key : str
        Identifies the training.
    parts : dict of str to Stateful
        Network, optimiser, schedule, loss scale.
    """

    def __init__(self, folder: Path | None, key: str, parts: Mapping[str, Stateful]) -> None:
        self.folder = folder
        self.path = None if folder is None else folder / "state.pt"
        self.key, self.parts = key, parts
        self.last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last state is old enough to be replaced."""
        # A follower's state is the leader's.
        mine = self.path is not None and distributed.rank() == 0
        return mine and time.monotonic() - self.last >= EVERY_SECONDS

    def save(self, progress: dict[str, Any]) -> None:
        """Write the state of all parts, of torch's random numbers, and `progress` (plain data)."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        random = [torch.get_rng_state()]
        if torch.cuda.is_available():
            # Of the GPU that trains: the next run may find another one free, or fewer of them.
            random.append(torch.cuda.get_rng_state())
        with atomic(self.path) as temporary:
            torch.save({"key": self.key, "random": random, **progress, "parts": state}, temporary)
        self.last = time.monotonic()

    def restore(self) -> dict[str, Any] | None:
        """Put all parts into the stored state and return `progress`, or None if there is none."""
        # A file that cannot be read is as good as none: the training starts over.
        stored = None
        if self.path is not None and self.path.exists():
            with contextlib.suppress(Exception):
                stored = torch.load(self.path, map_location="cpu", weights_only=True)
        if stored is None or stored.pop("key") != self.key:
            return None
        for name, state in stored.pop("parts").items():
            self.parts[name].load_state_dict(state)
        first, *gpu = stored.pop("random")
        torch.set_rng_state(first)
        if gpu:
            torch.cuda.set_rng_state(gpu[0])
        return stored


def training_key(network: torch.nn.Module, data: Iterable[Labelled], *settings: Any) -> str:
    """Hash the initial weights, the rows as the network reads them, and the settings.

    Parameters
    ----------
    network : torch.nn.Module
        Before training.
    data : iterable of Labelled
        Training and validation rows.
    *settings : object
        Whatever JSON can hold: the plan, the hash of the code that trains.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    for rows in data:
        digest.update(np.asarray(rows.labels, dtype=np.int64).tobytes())
        for side in rows.examples.sides:
            for tokens in side.ids:
                digest.update(np.int64(len(tokens)).tobytes() + tokens.tobytes())
    return content_hash(digest.hexdigest(), torch.__version__, *settings)
