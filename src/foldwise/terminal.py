"""What the user sees while it runs: progress bars in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
_PLAIN_SECONDS = 20.0


def say(line: str = "") -> None:
    """Print one line at once, also into a pipe or a notebook."""
    print(line, flush=True)


def note(line: str) -> None:
    """Print what a user may want to know, beside the results, to standard error."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Print a warning to standard error."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` with their progress and the time that is left.

    Parameters
    ----------
    items : iterable
        What is worked through.
    label : str
        What the work is.
    total : int, optional
        How many there are, if `items` has no length.
    """
    total = len(items) if total is None else total
    if sys.stderr.isatty():
        yield from _bar(items, label, total)
    else:
        yield from _lines(items, label, total)


def _bar(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, total=total, description=label)


def _lines(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _PLAIN_SECONDS and done < total:
            left = (now - start) / done * (total - done)
            print(f"{label}: {done}/{total}, about {left:.0f} s left", file=sys.stderr, flush=True)
            last = now
