"""What a training step on a CPU gains from kept memory and cheap dropout.

python benchmarks/steps.py

The packaged encoder makes the same optimiser steps on random tokens, once as torch does them
and once on a device of this project; each arm in a process of its own.
"""

import argparse
import contextlib
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from torch.nn import functional

from foldwise.backbone import pretrained
from foldwise.backbone.device import Device
from foldwise.backbone.inference import forward
from foldwise.config.competition import load_competition
from foldwise.finetune.optimiser import make_optimiser

SHAPES = [(16, 48), (32, 128), (8, 512), (16, 512)]
COLUMNS = ("arm", "rows", "length", "tokens/s", "system s", "MB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=32_768, help="of each arm and shape")
    options = parser.parse_args()
    print(f"CPU, {torch.get_num_threads()} threads; torch {torch.__version__}")
    print("  ".join(f"{name:>9}" for name in COLUMNS))
    for rows, length in SHAPES:
        for arm in ("torch", "foldwise"):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(steps, arm, rows, length, options.tokens).result()
            print("  ".join(f"{v:>9}" for v in (arm, rows, length, *found)), flush=True)


def steps(arm: str, rows: int, length: int, tokens: int) -> tuple[str, str, str]:
    """Return tokens per second, seconds that the system took, and the peak of memory in MB."""
    network = pretrained.load("packaged", "classifier", ["a", "b", "c"], attention_dropout=0.0)
    network = network.model
    device = Device.choose("auto")
    optimiser = make_optimiser(network, load_competition("sample", []).bert)
    torch.manual_seed(0)
    inputs = {"input_ids": torch.randint(1000, 20_000, (rows, length))}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["attention_mask"][0, -5:] = 0  # as in any batch of texts
    truth = torch.randint(0, 3, (rows,))
    network.base_model.set_attn_implementation("eager")
    holding = device.holding(network) if arm == "foldwise" else contextlib.nullcontext()
    with holding:
        network.train()
        count = max(4, tokens // (rows * length))
        for step in range(count + 2):
            if step == 2:  # kernels are compiled, the optimiser has its state
                start, system = time.perf_counter(), usage().ru_stime
            functional.cross_entropy(forward(network, inputs, device), truth).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - start
    speed = count * rows * length / seconds
    peak = usage().ru_maxrss / 1024
    return f"{speed:,.0f}", f"{usage().ru_stime - system:.1f}", f"{peak:,.0f}"


def usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


if __name__ == "__main__":
    main()
