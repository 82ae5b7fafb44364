"""What a block of code costs: seconds and memory."""

import contextlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Meter:
    """Wall-clock seconds and peak resident memory of a block of code.

    Where the kernel lets a process reset its own high-water mark (Linux), the peak is that of
    the block; elsewhere it is the peak of the whole process so far.
    """

    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    _start: float = field(default=0.0, repr=False)

    def __enter__(self) -> "Meter":
        """Reset the high-water mark and start the clock."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Read the clock and the mark."""
        self.seconds = time.perf_counter() - self._start
        self.peak_memory_mb = _peak_memory_mb()


def _peak_memory_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        return _process_peak_mb()


def _process_peak_mb() -> float:
    """Return the most memory that this process has held so far."""
    # Neither package is on every system.
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1024**2
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
