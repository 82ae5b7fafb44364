"""Where a network runs, and in which precision."""

import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from foldwise.backbone.dropout import use_byte_dropout
from foldwise.errors import UserError
from foldwise.files import exclusive

# Read when the first matrix product reaches the GPU; without it products may vary in the last bit.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

_GPU_TOKENS, _CPU_TOKENS = 8192, 4096
_GPU_OVERHEAD, _CPU_OVERHEAD = 4096, 128
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX in glibc's malloc.h


@dataclass(frozen=True)
class Device:
    """A device and the number type of the forward pass; weights are float32 on all of them.

    Attributes
    ----------
    name : str
        "cuda" or "cpu".
    dtype : torch.dtype
        bfloat16 or float16 under autocast, float32 without.
    """

    name: str
    dtype: torch.dtype

    @classmethod
    def choose(cls, precision: str) -> "Device":
        """Take the GPU if there is one, and the precision asked for ("auto": the fast one)."""
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if precision == "auto":
            return cls(name, _fast_dtype(name))
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
        if name == "cpu" and dtype == torch.float16:
            raise UserError("precision = 'fp16' needs a GPU; use 'auto', 'bf16' or 'fp32'")
        return cls(name, dtype)

    def __str__(self) -> str:
        short = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
        model = f" ({torch.cuda.get_device_name()})" if self.name == "cuda" else ""
        return f"{self.name}{model}, {short[self.dtype]}"

    def autocast(self) -> Any:
        """Return the context of a forward pass."""
        enabled = self.dtype != torch.float32
        return torch.autocast(
            self.name, dtype=self.dtype if enabled else torch.bfloat16, enabled=enabled
        )

    def move(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Copy model inputs to the device."""
        return {key: value.to(self.name, non_blocking=True) for key, value in inputs.items()}

    def token_budget(self, asked: int) -> int:
        """Return how many padded tokens a forward pass may have: as asked, or what runs well."""
        # A CPU gains nothing from more, and attention over long sequences takes gigabytes.
        return asked or (_GPU_TOKENS if self.name == "cuda" else _CPU_TOKENS)

    @property
    def pass_overhead(self) -> int:
        """Tokens that a small network could read in the time that starting a pass takes."""
        return _GPU_OVERHEAD if self.name == "cuda" else _CPU_OVERHEAD

    def forget_peak(self) -> None:
        """Look for the peak of a GPU's memory from now on."""
        if self.name == "cuda":
            torch.cuda.reset_peak_memory_stats()

    @contextlib.contextmanager
    def holding(self, network: torch.nn.Module) -> Iterator[None]:
        """Keep a network on the device for a block, and free the device's memory after it."""
        network.to(self.name)
        if self.name == "cpu":
            # torch's fused attention has a slow backward pass there: a fifth of the whole step.
            network.base_model.set_attn_implementation("eager")
            use_byte_dropout(network)
            _keep_freed_memory()
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            raise UserError(
                "the GPU's memory is full: lower batch_tokens or max_length, or set "
                f"bert.gradient_checkpointing = true ({str(error).splitlines()[0][:120]})"
            ) from None
        finally:
            network.to("cpu")
            gc.collect()
            _return_freed_memory()
            if self.name == "cuda":
                torch.cuda.empty_cache()


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed, for the next tensor of that size.

    It returns blocks over 32 MB to the system at once, which hands out zeroed pages again at
    the next step: with long sequences that takes more of a CPU's time than the arithmetic.
    """
    if (tune := getattr(_c_library(), "mallopt", None)) is not None:
        tune(_MMAP_MAX, 0)
        tune(_TRIM_THRESHOLD, 2**31 - 1)


def _return_freed_memory() -> None:
    """Give back to the system what is free at the moment."""
    if (trim := getattr(_c_library(), "malloc_trim", None)) is not None:
        trim(0)


@lru_cache
def _c_library() -> Any:
    # glibc alone has these functions; other systems keep what they do.
    return ctypes.CDLL(None) if os.name == "posix" else None


def workers(asked: int) -> int:
    """Return how many folds are trained side by side: as asked, or one a GPU, or one."""
    return asked or max(1, torch.cuda.device_count())


@contextlib.contextmanager
def claimed_gpu(folder: Path) -> Iterator[None]:
    """Have a GPU that no other process working in `folder` has, where there are several.

    With more processes than GPUs, the ones that come late share the first.
    """
    count = torch.cuda.device_count()
    # A launcher has given each process its GPU already.
    if count < 2 or "LOCAL_RANK" in os.environ:
        yield
        return
    with slot(folder, count) as found, torch.cuda.device(found or 0):
        yield


@contextlib.contextmanager
def slot(folder: Path, count: int) -> Iterator[int | None]:
    """Hold the lowest of `count` numbers that no other process holds; None if all are held."""
    for number in range(count):
        with exclusive(folder / f".gpu-{number}.lock", wait=False) as held:
            if held:
                yield number
                return
    yield None


@lru_cache
def _fast_dtype(name: str) -> torch.dtype:
    """Return the number type in which a device multiplies fastest without losing the training."""
    if name == "cuda":
        # Cards before Ampere emulate bfloat16, many times slower than their own float16.
        ampere = torch.cuda.get_device_capability()[0] >= 8
        return torch.bfloat16 if ampere else torch.float16
    # A CPU without these instructions emulates bfloat16 too.
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
        if "avx512_bf16" in flags or "amx_bf16" in flags:
            return torch.bfloat16
    return torch.float32


@contextlib.contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seed torch for a block, with kernels that repeat themselves, and restore it after.

    Kernels on a CPU repeat themselves for a given number of threads; on a GPU some must be asked,
    and the fused attention's backward pass adds in no fixed order all the same: torch repeats it
    only in a mode in which other kernels refuse to run. Two trainings on a GPU differ by rounding.
    """
    was = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        if torch.cuda.is_available():
            torch.use_deterministic_algorithms(True, warn_only=True)
            # A debugging aid that comes with it and writes every new tensor twice.
            torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = filled
            torch.set_num_threads(threads_before)
