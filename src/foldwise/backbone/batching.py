"""Which rows share a forward pass: length buckets, token budgets and padding.

Rows of similar length are batched together. A random batch nearly always has one long row that
pads all others to its length; sorting inside pools of a few steps takes almost the whole win
and leaves the order of training random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from foldwise.backbone.packing import Sequences

POOL_STEPS = 16
# Widths are rounded up to this: a CPU's matrix library compiles and keeps a kernel for each new
# shape, and a GPU's tensor cores want multiples of 8 anyway.
MULTIPLE = 8


def token_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Cut rows into batches of at most `budget` padded tokens, longest rows first.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
        Tokens of each row.
    budget : int
        Most padded tokens of a batch; a longer row is a batch of its own.

    Returns
    -------
    list of ndarray of int64
        Row positions; each row is in exactly one batch.
    """
    # Longest first: a batch that does not fit in memory fails at once, not after an hour.
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        stop = start + max(1, int(budget // max(1, lengths[order[start]])))
        batches.append(order[start:stop])
        start = stop
    return batches


def micro_batches(
    lengths: np.ndarray, budget: int, index: np.ndarray, overhead: int
) -> list[np.ndarray]:
    """Cut the rows of one step into batches at the least cost: padded tokens and passes.

    One long text among short ones would pad all of them; a pass of its own is cheaper.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
        Tokens of each row.
    budget : int
        Most padded tokens of a batch; a longer row is a batch of its own.
    index : ndarray of int64, shape (m,)
        Rows of the step. The time taken grows with m times the rows of a batch.
    overhead : int
        Tokens that could be read in the time that one more pass takes.

    Returns
    -------
    list of ndarray of int64
        Row positions; each row is in exactly one batch.
    """
    order = index[np.argsort(-lengths[index], kind="stable")]
    widths = lengths[order].tolist()
    # Least cost of the first `stop` rows, and where the last of their batches starts.
    costs, starts = [0.0], [0]
    for stop in range(1, len(order) + 1):
        best = math.inf
        for first in range(stop - 1, -1, -1):
            padded = widths[first] * (stop - first)
            if padded > budget and first < stop - 1:
                break
            if (cost := costs[first] + padded + overhead) < best:
                best, start = cost, first
        costs.append(best)
        starts.append(start)
    batches, stop = [], len(order)
    while stop:
        batches.append(order[starts[stop] : stop])
        stop = starts[stop]
    return batches[::-1]


def step_batches(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Deal the rows of an epoch into optimiser steps of rows of similar length.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
        Tokens of each row.
    batch_size : int
        Rows of a step; the last step of an epoch takes what is left.
    generator : numpy.random.Generator
        Source of the order, which is new at every call.

    Returns
    -------
    list of ndarray of int64
        Row positions of each step; each row is in exactly one step.
    """
    order = generator.permutation(len(lengths))
    pool = batch_size * POOL_STEPS
    steps = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        # A random tie-break is in `order` already, as the sort is stable.
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        steps += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return [steps[i] for i in generator.permutation(len(steps))]


@dataclass(frozen=True)
class Examples:
    """Rows as an encoder reads them.

    Attributes
    ----------
    sides : tuple of Sequences
        One for single texts. For pairs two: prompt + A and prompt + B where `together`, else
        the whole sequence in both orders, of which a forward pass reads one.
    together : bool
        Whether both sides go through the encoder in one forward pass, A's rows above B's.
    pad : int
        Token id of padding.
    has_types : bool
        Whether the encoder takes token types.
    """

    sides: tuple[Sequences, ...]
    together: bool
    pad: int
    has_types: bool

    def __len__(self) -> int:
        return len(self.sides[0])

    def take(self, index: np.ndarray) -> "Examples":
        """Return the rows at the positions `index`, in that order."""
        return replace(self, sides=tuple(side.take(index) for side in self.sides))

    @property
    def lengths(self) -> np.ndarray:
        """Padded tokens a row takes in a forward pass, int64, shape (n,)."""
        longest = np.max([side.lengths for side in self.sides], axis=0)
        return _round_up(longest) * (len(self.sides) if self.together else 1)

    def batch(self, index: np.ndarray, swapped: np.ndarray | None = None) -> dict:
        """Return the padded model inputs of some rows.

        Parameters
        ----------
        index : ndarray of int64, shape (m,)
            Row positions.
        swapped : ndarray of bool, shape (m,), optional
            Rows to be read in the order B, A; means nothing where both sides are read.

        Returns
        -------
        dict of str to torch.Tensor
            `input_ids`, `attention_mask` and maybe `token_type_ids`, int64, shape (m or 2m, L).
        """
        if self.together:
            chosen = [(side, i) for side in self.sides for i in index]
        else:
            swapped = np.zeros(len(index), bool) if swapped is None else swapped
            chosen = [(self.sides[int(s)], i) for s, i in zip(swapped, index, strict=True)]
        return pad_batch(chosen, self.pad, self.has_types)


def pad_batch(
    chosen: Sequence[tuple[Sequences, int]], pad: int, has_types: bool
) -> dict[str, torch.Tensor]:
    """Pad sequences on the right to the longest of them, rounded up, and stack them."""
    rows = [(side.ids[i], side.second[i]) for side, i in chosen]
    width = int(_round_up(max(len(ids) for ids, _ in rows)))
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    types = np.zeros_like(ids)
    for k, (tokens, second) in enumerate(rows):
        ids[k, : len(tokens)] = tokens
        mask[k, : len(tokens)] = 1
        types[k, second : len(tokens)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    if has_types:
        inputs["token_type_ids"] = types
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def _round_up(lengths: np.ndarray | int) -> np.ndarray | int:
    return -(-lengths // MULTIPLE) * MULTIPLE
