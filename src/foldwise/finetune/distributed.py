"""One fold on several processes, as `torchrun` or `accelerate launch` start them.

The rows of an optimiser step are dealt out to the processes and the gradients are added up, so
the step is that of one process up to the order of additions. The first process (rank 0) leads:
it runs the stage, says which fold comes next, and alone writes files. The others follow.
"""

import os
import sys
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
from torch import distributed

from foldwise.errors import require

# Followers wait for as long as the leader predicts and stores a fold.
_PATIENCE = timedelta(hours=12)


def world() -> int:
    """Return the number of processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the number of this process among them."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def init_process_group() -> None:
    """Meet the other processes; each takes the GPU of its local rank."""
    backend = "gloo"
    if torch.cuda.is_available():
        local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        require(
            local < there, f"{local + 1} processes or more on a machine with {there} GPUs: start "
            f"{there} (--nproc-per-node {there})"
        )  # fmt: skip
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=_PATIENCE)


def destroy_process_group() -> None:
    """Part from the other processes."""
    distributed.destroy_process_group()


def end() -> NoReturn:
    """End this process, whose work is done and stored, without the interpreter's own shutdown.

    Gloo's threads let go of their last tensors when it suits them; one that asks for the
    interpreter lock while Python shuts down aborts the process (seen on a busy machine).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def broadcast(value: Any = None) -> Any:
    """Return the leader's `value` (plain data) in every process."""
    if world() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def shard_step(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return this process's rows of a step, int64, shape (m,): every n-th in order of length."""
    if world() == 1:
        return rows
    return rows[np.argsort(-lengths[rows], kind="stable")][rank() :: world()]


def all_reduce_gradients(network: torch.nn.Module, counts: torch.Tensor) -> None:
    """Sum the gradients and the float64 `counts` over all processes, in place."""
    if world() == 1:
        return
    trainable = [p for p in network.parameters() if p.requires_grad]
    for parameter in trainable:
        # Where a process had no row of the step, or no use for a weight.
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    # One message for all weights: each message has a latency of its own.
    flat = torch.cat([p.grad.flatten() for p in trainable])
    distributed.all_reduce(flat)
    start = 0
    for parameter in trainable:
        size = parameter.numel()
        parameter.grad.copy_(flat[start : start + size].view_as(parameter))
        start += size
    distributed.all_reduce(counts)


def seed_step(seed: int, step: int) -> None:
    """Give each process random numbers of its own, which a resumed training draws again."""
    if world() > 1:
        drawn = np.random.SeedSequence([seed, step, rank()]).generate_state(1, np.uint64)
        torch.manual_seed(int(drawn[0] >> np.uint64(1)))
