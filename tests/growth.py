"""How the cost of a piece of work grows: measured in the CPU time of this process alone."""

import time
from collections.abc import Callable

_TIMES = 16  # a quadratic cost grows by its square, 256
_MOST = 80  # caches, the collector and a core shared with others make 16 into 40 at worst
_CLOCK = 0.02  # seconds below which the clock itself counts


def assert_linear(work: Callable[[int], object], largest: int) -> None:
    """Fail if `work(n)` costs clearly more than in proportion to n.

    Other processes may take the CPU away, but what they use is not counted.
    """
    work(1000)  # caches are filled once
    small, large = cpu_seconds(work, largest // _TIMES), cpu_seconds(work, largest)
    assert large < _MOST * small + _CLOCK, f"{_TIMES} times the size cost {large / small:.0f} times"


def cpu_seconds(work: Callable[[int], object], n: int) -> float:
    """Return what `work(n)` costs, the least of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        work(n)
        found.append(time.process_time() - start)
    return min(found)
