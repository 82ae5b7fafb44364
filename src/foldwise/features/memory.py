"""Will it fit? Peak memory projected from rows and text sizes, before the hours are spent.

The factors come from peaks measured on real pairs (allocations at 300 to 1,000 rows, processes at
2,000 and 6,000) and lean to the high side; `benchmarks/memory.py` sets the projection beside the
measured peak. An estimate warns, it does not stop.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pyarrow.parquet as pq

from foldwise.config.roster import KINDS
from foldwise.config.run import Run
from foldwise.config.sections import FEW_ROWS, FeaturesConfig
from foldwise.data.cleaned import table_path
from foldwise.terminal import warn

GB = 2**30
_PROCESS = 200 * 2**20  # an interpreter with the libraries


_WORD_GRAMS, _CHAR_GRAMS = 0.27, 0.7  # distinct n-grams of a text a character, for each n


_COUNTING = 36  # bytes for each of them while they are counted
_FREQUENT = 0.65  # share of them that more than one row has, and that is stored
_FITTING = 90  # bytes for each stored count in a fit
_SPLITS = 2  # times as much where C is chosen on several inner splits
_ROW = 2_000  # bytes of a row beside its terms: numbers, ids, scores
_LENGTHS = (10_000, 5_000, 2_000, 1_000)  # values of features.max_chars worth proposing


_ROWS_STEP = 1000


@dataclass(frozen=True)
class Load:
    """What memory depends on.

    Attributes
    ----------
    rows : int
    text_bytes : int
        Of all texts, as they stand in memory.
    grams : float
        Distinct n-grams of all texts before rare ones are dropped; 0 where they are counted
        already.
    counts : float
        Stored term counts, or how many there will be.
    """

    rows: int
    text_bytes: int
    grams: float
    counts: float

    def part(self, share: float) -> "Load":
        """Return the load of a share of the rows."""
        return Load(
            int(self.rows * share), int(self.text_bytes * share),
            self.grams * share, self.counts * share,
        )  # fmt: skip

    def peak(self, jobs: int, fits: bool) -> float:
        """Return the bytes that counting takes and, if models are fitted on them, `jobs` fits."""
        # One job works in the run's own process.
        processes = _PROCESS * (1 if jobs == 1 else jobs + 1)
        counting = self.text_bytes + _COUNTING * self.grams
        # Of few rows all inner splits are in memory at once.
        times = max(1.0, min(_SPLITS, _SPLITS * 2 * FEW_ROWS / max(self.rows, 1)))
        counts = times * self.counts
        fitting = jobs * (self.text_bytes + _FITTING * counts + _ROW * self.rows)
        return processes + max(counting if self.grams else 0.0, fitting if fits else 0.0)


def check_texts(run: Run, columns: dict[str, np.ndarray]) -> None:
    """Warn before terms are counted if counting them, or fitting on them, will not fit.

    Parameters
    ----------
    run : Run
    columns : dict of str to ndarray of object, shape (n,)
        The training texts.
    """
    config = run.competition.features

    def shorter() -> dict[str, Load]:
        lengths = [n for n in _LENGTHS if not config.max_chars or n < config.max_chars]
        cut = {n: config.model_copy(update={"max_chars": n}) for n in lengths}
        return {f"--set features.max_chars={n}": of_texts(columns, cut[n]) for n in lengths}

    _warn(run, of_texts(columns, config), shorter)


def check_counts(run: Run) -> None:
    """Warn before models are fitted on stored counts if they will not fit."""
    _warn(run, of_counts(run), dict)


def of_texts(columns: dict[str, np.ndarray], config: FeaturesConfig) -> Load:
    """Return the load of texts whose terms are still to be counted."""
    text_bytes = sum(sum(map(sys.getsizeof, values)) for values in columns.values())
    distinct = set().union(*map(set, columns.values()))
    lengths = np.fromiter(map(len, distinct), np.int64, len(distinct))
    grams = _grams(lengths, config)
    return Load(len(next(iter(columns.values()))), text_bytes, grams, _FREQUENT * grams)


def of_counts(run: Run) -> Load:
    """Return the load of the training rows whose terms the features stage has counted."""
    table = pq.ParquetFile(table_path(run, "train")).metadata
    groups = (table.row_group(i) for i in range(table.num_row_groups))
    text_bytes = sum(group.total_byte_size for group in groups)
    stored = (run.features / "train").glob("*.indices.npy")
    counts = sum(len(np.load(path, mmap_mode="r")) for path in stored)
    return Load(table.num_rows, text_bytes, 0, counts)


def available(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may still take, or None where nothing says.

    The least of what the machine has free and of what the control groups of a container leave.
    """
    found = list(_left_in_groups(root))
    with contextlib.suppress(OSError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    return min(found, default=None)


def _left_in_groups(root: Path) -> Iterator[int]:
    """Yield what each control group above this process leaves, in both versions of them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        base = root / "sys/fs/cgroup" / controllers
        limit, used = (
            ("memory.limit_in_bytes", "total_rss") if controllers else ("memory.max", "anon")
        )
        folder = base / path.strip("/")
        # A container sees its own group as the root, whatever its path outside.
        for group in (folder, *folder.parents[: len(folder.parts) - len(base.parts)]):
            # Without a limit the file says "max", and the root group has none.
            with contextlib.suppress(OSError, ValueError, KeyError):
                most = int((group / limit).read_text())
                stat = dict(x.split() for x in (group / "memory.stat").read_text().splitlines())
                yield max(0, most - int(stat[used]))


def _grams(lengths: np.ndarray, config: FeaturesConfig) -> float:
    read = np.minimum(lengths, config.max_chars) if config.max_chars else lengths
    sizes = ((config.word_ngrams or (1, 1), _WORD_GRAMS), (config.char_ngrams, _CHAR_GRAMS))
    return float(sum((n[1] - n[0] + 1) * share for n, share in sizes if n) * read.sum())


def _warn(run: Run, load: Load, shorter: Callable[[], dict[str, Load]]) -> None:
    free, config = available(), run.competition
    models = [name for name in config.models if KINDS[name].uses_features]
    # What a cluster fits does not take this machine's memory.
    fits = bool(models) and run.engine == "local"
    jobs = config.jobs or joblib.cpu_count()
    jobs = min(jobs, config.folds.n * len(models)) if fits else jobs
    needed = load.peak(jobs, fits)
    if free is None or needed <= free:
        return
    side = f" with {jobs} folds side by side" if fits and jobs > 1 else ""
    warn(
        f"memory: {'the baselines' if fits else 'the features'} of {load.rows:,} rows will need "
        f"about {needed / GB:.1f} GB{side}, {free / GB:.1f} GB are free: it will not fit. "
        f"{_advice(load, shorter(), jobs, fits, free)}"
    )


def _advice(load: Load, shorter: dict[str, Load], jobs: int, fits: bool, free: int) -> str:
    """Say what to lower, each proposal with its own projection."""
    alone = load.peak(1, fits)
    if jobs > 1 and alone <= free:
        return f"Lower jobs: --set jobs=1 needs about {alone / GB:.1f} GB"
    proposals = {name: other for name, other in shorter.items() if other.peak(1, fits) <= free}
    chosen = dict(list(proposals.items())[:1])
    nothing = load.part(1e-9).peak(1, fits)
    # Above few rows the peak is convex in the rows, and a straight line is never too low.
    share = (free - nothing) / (alone - nothing)
    few = max(0, int(load.rows * share * 0.95) // _ROWS_STEP * _ROWS_STEP)
    while few and load.part(few / load.rows).peak(1, fits) > free:
        few -= _ROWS_STEP
    if few:
        chosen[f"--rows {few}"] = load.part(few / load.rows)
    if not chosen:
        return "Free some memory, or take a machine with more"
    said = [f"{name} ({part.peak(1, fits) / GB:.1f} GB)" for name, part in chosen.items()]
    return f"Lower the texts or the rows, with --set jobs=1: {', or '.join(said)}"
