"""A real Ray cluster of two nodes on this machine: the same bits, a node killed, throughput.

PYTHONPATH=src python benchmarks/cluster.py bits sample input/sample
PYTHONPATH=src python benchmarks/cluster.py throughput arena DATA/arena-57k --cpus 1

Both nodes are `ray start` of their own. `bits` fits every model of the competition on this
machine alone, on both nodes, and on both with the second killed once a unit is stored; it
compares the out-of-fold files. `throughput` fits the baselines on one node, then on two.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import load_competition
from foldwise.config.roster import KINDS
from foldwise.config.run import Run

_ADDRESS = "127.0.0.1:6390"
_BASELINES = ("prior", "logreg", "svm", "lightgbm")
_GB = 2**30


def main() -> None:
    """Print what the cluster did."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["bits", "throughput"])
    parser.add_argument("competition")
    parser.add_argument("input", type=Path)
    parser.add_argument("--cpus", type=int, default=2, help="that each node offers")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    arguments = parser.parse_args()
    models = ",".join(_BASELINES) if arguments.what == "throughput" else None
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.competition, arguments.input, arguments.settings, Path(folder))
        bench.prepare(models)
        compare = _bits if arguments.what == "bits" else _throughput
        compare(bench, models, arguments.cpus)


class Bench:
    """One competition whose models are fitted again and again on the same features."""

    def __init__(self, name: str, source: Path, settings: list[str], folder: Path) -> None:
        self.name, self.source, self.settings, self.folder = name, source, settings, folder
        self.competition = load_competition(name, settings)

    def prepare(self, models: str | None) -> None:
        """Run the stages up to the features."""
        self._foldwise(self.folder / "base", models, "clean..features")

    def fit(self, label: str, models: str | None, *options: str) -> tuple[Run, float]:
        """Fit the models in a copy of what is prepared; return the folders and the seconds."""
        output = self.folder / label
        shutil.copytree(self.folder / "base", output)
        begin = time.perf_counter()
        self._foldwise(output, models, "baselines..transformer", *options)
        return Run(self.competition, self.source, output), time.perf_counter() - begin

    def _foldwise(self, output: Path, models: str | None, stages: str, *options: str) -> None:
        command = [sys.executable, "-m", "foldwise", "run", self.name, "--input", self.source]
        command += ["--output", output, "--stages", stages, *options]
        command += ["--models", models] if models else []
        command += [part for setting in self.settings for part in ("--set", setting)]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def _bits(bench: Bench, models: str | None, cpus: int) -> None:
    local, seconds = bench.fit("local", models)
    print(f"{'this machine alone':<28}{seconds:>8.0f} s")
    with _nodes(2, cpus):
        remote, seconds = bench.fit("remote", models, *_on_ray())
    print(f"{'two nodes':<28}{seconds:>8.0f} s  {_difference(local, remote)}")
    with _nodes(2, cpus) as nodes:
        output = bench.folder / "killed"
        watcher = threading.Thread(target=_kill, args=(nodes[1], output), daemon=True)
        watcher.start()
        killed, seconds = bench.fit("killed", models, *_on_ray())
        died = nodes[1].poll() is not None
    if not died:
        raise SystemExit("the run was over before the second node was killed")
    print(f"{'the second node killed':<28}{seconds:>8.0f} s  {_difference(local, killed)}")


def _throughput(bench: Bench, models: str | None, cpus: int) -> None:
    rates = {}
    for count in (1, 2):
        with _nodes(count, cpus):
            run, seconds = bench.fit(str(count), models, *_on_ray())
        units = len(_BASELINES) * run.competition.folds.n
        rates[count] = units / seconds
        print(f"{count} node(s) of {cpus} CPU: {units} units in {seconds:.0f} s", flush=True)
    print(f"two nodes have {rates[2] / rates[1]:.2f} times the throughput of one")


def _on_ray() -> tuple[str, ...]:
    return "--engine", "ray", "--ray-address", _ADDRESS


def _difference(local: Run, other: Run) -> str:
    """Say which models have the bits of the local run, and how far the others are from them."""
    said = []
    for model in local.competition.models:
        ours, theirs = (pd.read_parquet(r.model(model) / "oof.parquet") for r in (local, other))
        if ours.equals(theirs):
            said.append(f"{model} identical")
            continue
        numbers = [t.select_dtypes("number").to_numpy() for t in (ours, theirs)]
        said.append(f"{model} within {np.abs(numbers[0] - numbers[1]).max():.1e}")
        if not KINDS[model].is_transformer:
            said[-1] += " (SHOULD BE IDENTICAL)"
    return ", ".join(said)


@contextlib.contextmanager
def _nodes(count: int, cpus: int) -> Iterator[list[subprocess.Popen]]:
    """Start a head and other nodes, each in a process group of its own."""
    ray = Path(sys.executable).parent / "ray"
    shared = [f"--num-cpus={cpus}", f"--memory={8 * _GB}", f"--object-store-memory={_GB}"]
    roles = [["--head", f"--port={_ADDRESS.split(':')[1]}", "--include-dashboard=false"]]
    roles += [[f"--address={_ADDRESS}"]] * (count - 1)
    started: list[subprocess.Popen] = []
    try:
        for number, role in enumerate(roles, start=1):
            command = [ray, "start", *role, *shared, "--block", "--disable-usage-stats"]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen(command, start_new_session=True, **quiet))
            _wait(lambda number=number: _alive(ray) >= number, f"node {number} of the cluster")
        yield started
    finally:
        for process in started[::-1]:
            _end(process)


def _alive(ray: Path) -> int:
    """Return how many nodes the cluster has."""
    command = [ray, "status", f"--address={_ADDRESS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    active = done.stdout.partition("Active:")[2].partition("Pending:")[0]
    return active.count("node_")


def _kill(node: subprocess.Popen, output: Path) -> None:
    """Kill a node as soon as the run that uses it has stored a unit."""
    while not any(output.glob("models/*/fold-*/unit.json")):
        time.sleep(0.2)
    _end(node)


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(ready: Callable[[], bool], what: str) -> None:
    for _ in range(60):
        if ready():
            return
        time.sleep(1)
    raise SystemExit(f"{what} did not start within a minute")


if __name__ == "__main__":
    main()
