"""A line of progress every half a minute, and the projection of a fold's end."""

import sys
import time
from typing import Any

_SILENCE = 30.0  # seconds between two lines


class News:
    """Tells how a training goes.

    Parameters
    ----------
    fold : int
    total : int
        Optimiser steps of the whole training.
    steps : int
        Steps that a checkpoint already holds.
    """

    def __init__(self, fold: int, total: int, steps: int) -> None:
        self.fold, self.total, self.before = fold, total, steps
        self.start = self.last = time.monotonic()

    def tell(self, record: Any) -> None:
        """Print a line if the last one is old."""
        now = time.monotonic()
        if now - self.last < _SILENCE:
            return
        self.last = now
        left = (now - self.start) / (record.steps - self.before) * (self.total - record.steps)
        losses = [f"{p['split']} loss {p['loss']:.4f}" for p in record.history[-2:]]
        parts = [
            f"fold {self.fold}: step {record.steps}/{self.total}",
            *losses,
            f"{record.tokens / record.seconds:,.0f} tokens/s",
            f"padding {1 - record.tokens / record.padded_tokens:.1%}",
            f"about {left:.0f} s left",
        ]
        print(", ".join(parts), file=sys.stderr, flush=True)
