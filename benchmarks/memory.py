"""Peak memory against rows: clean, features and each baseline, on rows like those of `arena-57k`.

PYTHONPATH=src python benchmarks/memory.py [10000 57477 200000 500000] [--jobs 2] [--until STEP]

Every stage runs in a process of its own with two workers; memory is that of all its processes
together (shared pages once), looked at ten times a second. Beside it stands what
`foldwise.features.memory` projects for counting the terms and for fitting on them. Needs
FOLDWISE_REAL_DATA.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.data.cleaned import table_path
from foldwise.features import memory
from foldwise.stages import ORDER

BASELINES = ("prior", "logreg", "svm", "lightgbm")
LIMIT_GB = 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", type=int, default=[10_000, 57_477, 200_000, 500_000])
    parser.add_argument("--jobs", type=int, default=2)
    steps = (*ORDER[: ORDER.index("baselines")], *BASELINES)
    parser.add_argument("--until", choices=steps, default=steps[-1], help="the last one measured")
    arguments = parser.parse_args()
    steps = steps[: steps.index(arguments.until) + 1]
    source = Path(os.environ["FOLDWISE_REAL_DATA"]) / "arena-57k" / "train.parquet"
    table = pd.read_parquet(source)
    print(f"| rows | {' | '.join(steps)} | projected: features | projected: baselines |")
    print(f"|---:|{'---:|' * (len(steps) + 2)}", flush=True)
    most = 0.0
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "in").mkdir()
            synthesise(table, rows).to_parquet(Path(folder) / "in" / "train.parquet")
            cells = []
            for step in steps:
                peak, seconds = measure(Path(folder), step, arguments.jobs)
                most = max(most, peak)
                cells.append(f"{peak:.2f} GB, {seconds:.0f} s")
                print(f"{rows:,} rows, {step}: {cells[-1]}", file=sys.stderr, flush=True)
            cells += [f"{size:.2f} GB" for size in projected(Path(folder), arguments.jobs)]
        print(f"| {rows:,} | {' | '.join(cells)} |", flush=True)
    verdict = "stays under" if most < LIMIT_GB else "does not stay under"
    print(f"\nThe most is {most:.2f} GB: it {verdict} {LIMIT_GB} GB.")


def projected(folder: Path, jobs: int) -> tuple[float, float]:
    """Return what is projected for counting and for fitting, in GB."""
    run = Run(load_competition("arena"), folder / "in", folder / "out")
    texts = pd.read_parquet(table_path(run, "train"), columns=list(run.competition.data.text))
    columns = {name: texts[name].to_numpy(dtype=object) for name in texts}
    counting = memory.of_texts(columns, run.competition.features).peak(jobs, fits=False)
    return counting / 2**30, memory.of_counts(run).peak(jobs, fits=True) / 2**30


def synthesise(table: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Draw rows with replacement; words of the answers change places, so that texts are new."""
    generator = np.random.default_rng(0)
    drawn = table.iloc[generator.integers(0, len(table), rows)].reset_index(drop=True)
    drawn["id"] = [str(i) for i in range(rows)]
    # As many prompts as the real competition has for its rows: nearly one for each.
    for column in ("prompt", "response_a", "response_b"):
        drawn[column] = [
            _renewed(text, number if column == "prompt" else generator.integers(2**31))
            for number, text in enumerate(drawn[column])
        ]
    return drawn


def _renewed(text: str, number: int) -> str:
    # Into the first turn of the JSON list; a word nobody else has makes the text distinct.
    return text.replace('["', f'["w{number} ', 1)


def measure(folder: Path, step: str, jobs: int) -> tuple[float, float]:
    """Run one stage, or the folds of one model, and return its peak in GB and its seconds."""
    stage = "baselines" if step in BASELINES else step
    models = step if step in BASELINES else ",".join(BASELINES)
    command = [
        sys.executable, "-m", "foldwise", "run", "arena", "--input", folder / "in",
        "--output", folder / "out", "--stages", stage, "--models", models,
        # Rows drawn twice are in several folds, and trees would learn them by heart for hours.
        "--set", f"jobs={jobs}", "--set", "lightgbm.max_rounds=100",
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, sum(map(_memory_gb, _family(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"{step} ended with {code}")
    return peak, time.perf_counter() - start


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    members = [pid]
    for member in members:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += map(int, children.read_text().split())
            except OSError:
                continue
    return members


def _memory_gb(pid: int) -> float:
    """Return the proportional set size of a process: a page that n share counts 1/n."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 2**20


if __name__ == "__main__":
    main()
