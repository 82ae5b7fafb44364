"""How fast a training is: a line on its progress now and then, and its figures at the end.

The figures are tokens a second, padding, and MFU. MFU (model FLOP utilisation, Chowdhery et al.,
2022) is the arithmetic that the model needs for the real tokens, without padding or
recomputation, over what the device could have done in that time. The need is 6 floating-point
operations for each weight of a matrix product and token (forward and backward), and
12 x hidden size x length for the attention of each layer and token.
"""

import sys
import time
from typing import Any

import torch

from foldwise.backbone.device import Device
from foldwise.finetune import distributed
from foldwise.finetune.optimiser import layer_list
from foldwise.finetune.plan import TrainingRecord

# Dense tensor-core rates of the makers' data sheets, in FLOP/s, for 16-bit types.
_DATA_SHEET = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "T4": 65e12,
    "V100": 125e12,
}
_SIDE = {"cpu": 1024, "cuda": 4096}  # of the matrices whose product is timed
_ROUNDS, _SECONDS = 5, 0.1
_SILENCE = 30.0  # seconds between two lines


def training_flops(network: Any, tokens: int, squares: int) -> float:
    """Return the operations of training on some sequences once.

    Parameters
    ----------
    network : torch.nn.Module
        Has the encoder as `base_model`. The head and a pooler, which read one token a row, are
        left out; attention counts as if every layer saw the whole sequence.
    tokens : int
        Real tokens of the sequences.
    squares : int
        Sum over the sequences of their length squared.
    """
    encoder = network.base_model
    layers = layer_list(encoder)
    if layers is None:
        return 6.0 * tokens * _matrix_weights(encoder)
    attention = 12.0 * len(layers) * encoder.config.hidden_size * squares
    return 6.0 * tokens * _matrix_weights(layers) + attention


def _matrix_weights(module: torch.nn.Module) -> int:
    return sum(m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Linear))


_best: dict[tuple[Device, int], float] = {}  # fastest product so far, in seconds, by threads too


def peak(device: Device) -> tuple[float, str]:
    """Return the FLOP/s that a device can do, and where the figure is from.

    A GPU's is on its data sheet; a CPU's, and that of a card not listed, is timed: the best
    large matrix product that this process has ever timed, with its threads and in its rounds
    between trainings, when it does nothing else. Other programs can make it slow, never fast.
    """
    if device.name == "cuda" and device.dtype != torch.float32:
        name = torch.cuda.get_device_name()
        for short, rate in _DATA_SHEET.items():
            if short in name:
                return rate, "data sheet"
    n = _SIDE[device.name]
    a, b = (torch.ones(n, n, dtype=device.dtype, device=device.name) for _ in range(2))
    key = device, torch.get_num_threads()
    best = _best.get(key, float("inf"))
    for _ in range(_ROUNDS):
        until = time.perf_counter() + _SECONDS
        best = min(best, _seconds_of(a, b))
        while time.perf_counter() < until:
            best = min(best, _seconds_of(a, b))
    _best[key] = best
    return 2 * n**3 / best, "measured"


def _seconds_of(a: torch.Tensor, b: torch.Tensor) -> float:
    start = time.perf_counter()
    torch.mm(a, b)
    if a.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def summary(network: Any, record: TrainingRecord, device: Device) -> dict[str, float | str]:
    """Return the figures of a training.

    Returns
    -------
    dict
        `tokens_per_second`, `padded_share`, `mfu`, its basis `mfu_peak` and, on a GPU, the peak
        of its memory, `gpu_memory_mb`. Where the training did more than the peak that was timed,
        other programs held that back: there is no `mfu` then.
    """
    rate, basis = peak(device)
    flops = training_flops(network, record.tokens, record.squares)
    mfu = flops / record.seconds / (rate * distributed.world())
    figures = {
        "tokens_per_second": record.tokens / record.seconds,
        "padded_share": 1 - record.tokens / record.padded_tokens,
    }
    if mfu <= 1:
        figures |= {"mfu": mfu, "mfu_peak": f"{rate / 1e12:.2f} TFLOP/s, {basis}"}
    if device.name == "cuda":
        # Since `Device.forget_peak`.
        figures["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return figures


def line(figures: dict[str, float | str]) -> str:
    """Return the figures of `summary` in words."""
    memory = figures.get("gpu_memory_mb")
    return (
        f"{figures['tokens_per_second']:,.0f} tokens/s, padding {figures['padded_share']:.1%}"
        + (f", MFU {figures['mfu']:.1%} of {figures['mfu_peak']}" if "mfu" in figures else "")
        + (f", GPU memory {memory:,.0f} MB" if memory else "")
    )


class ProgressLog:
    """Prints now and then how a training goes.

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

    def show(self, record: TrainingRecord) -> None:
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
