"""Run a notebook as Kaggle would: no network, only Kaggle's packages, time and memory watched."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from foldwise.files import write_text
from foldwise.kaggle.machine import PACKAGES

_SAMPLE_SECONDS = 0.5

# Python imports it first thing in every process that finds it, so the helpers of the notebook's
# helpers are held to it as well.
_SITE = '''\
"""What this process may import, and (where there is no network namespace) whom it may call."""

import sys
from importlib.machinery import PathFinder

ABSENT = {absent}


class OnlyKaggle(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path[:] = [OnlyKaggle if finder is PathFinder else finder for finder in sys.meta_path]

if {block_sockets}:
    import socket

    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse(self, address):
        if self.family == socket.AF_UNIX:
            return connect(self, address)
        raise OSError(101, "Network is unreachable (the rehearsal blocks it)")

    def refuse_ex(self, address):
        return connect_ex(self, address) if self.family == socket.AF_UNIX else 101

    socket.socket.connect, socket.socket.connect_ex = refuse, refuse_ex

    def unknown(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known (the rehearsal blocks it)")

    socket.getaddrinfo = unknown
'''

_RUNNER = '''\
"""Run the code cells of a notebook one after the other, in one namespace."""

import json
import sys

cells = json.load(open(sys.argv[1], encoding="utf-8"))["cells"]
namespace = {"__name__": "__main__"}
for number, cell in enumerate(c for c in cells if c["cell_type"] == "code"):
    exec(compile("".join(cell["source"]), f"<cell {number + 1}>", "exec"), namespace)
'''


@dataclass(frozen=True)
class Measured:
    """What a run took.

    Attributes
    ----------
    code : int or None
        Exit status; None if it was stopped.
    seconds : float
        Wall clock.
    peak_memory_mb : float
        Most memory that the process and all its descendants held at once; 0 where the system
        does not say.
    network : str
        How the network was kept off.
    """

    code: int | None
    seconds: float
    peak_memory_mb: float
    network: str


def run_notebook(
    notebook: Path,
    root: Path,
    environment: dict[str, str],
    log: Path,
    seconds: float,
    stop: Callable[[], bool] = lambda: False,
) -> Measured:
    """Run a notebook's code cells.

    Parameters
    ----------
    notebook : Path
        The notebook.
    root : Path
        Folder with `input` and `working`, as `/kaggle` has them; `sandbox` is made beside them.
    environment : dict of str to str
        Variables to set; of those here only PATH goes in.
    log : Path
        Where its output goes.
    seconds : float
        It is stopped after that.
    stop : callable
        Asked twice a second whether to stop it.
    """
    namespace = can_unshare()
    sandbox = _lay_out(root / "sandbox", block_sockets=not namespace)
    command = [sys.executable, str(sandbox / "run_notebook.py"), str(notebook.resolve())]
    with open(log, "wb") as file:
        start = time.monotonic()
        process = subprocess.Popen(
            [*namespace, *command],
            cwd=root / "working",
            env=_clean_environment(root, sandbox) | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code, peak = _watch(process, lambda: time.monotonic() - start >= seconds or stop())
    how = "a network namespace" if namespace else "sockets blocked in each process"
    return Measured(code, time.monotonic() - start, peak, how)


def _lay_out(sandbox: Path, block_sockets: bool) -> Path:
    """Write what runs the notebook, and what Python imports first in each of its processes."""
    site = _SITE.format(absent=repr(sorted(absent_modules())), block_sockets=block_sockets)
    write_text(sandbox / "sitecustomize.py", site)
    write_text(sandbox / "run_notebook.py", _RUNNER)
    (sandbox / "home").mkdir(exist_ok=True)
    return sandbox


def _clean_environment(root: Path, sandbox: Path) -> dict[str, str]:
    # PYTHONPATH is the sandbox alone: no foldwise but the bundled one.
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(sandbox / "home"),
        "PYTHONPATH": str(sandbox),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "FOLDWISE_KAGGLE": str(root),
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KAGGLE_IS_COMPETITION_RERUN": "1",
    }


def _watch(process: subprocess.Popen, late: Callable[[], bool]) -> tuple[int | None, float]:
    """Wait for the end of a process, or make one; return its status and peak memory in MB."""
    code, peak = None, 0.0
    try:
        while code is None and not late():
            peak = max(peak, _tree_memory_mb(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_SAMPLE_SECONDS)
    finally:
        for member in _tree(process.pid) if code is None else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
    return code, peak


def can_unshare() -> list[str]:
    """Return the command that starts a program without a network, empty where not permitted."""
    for options in (["--net"], ["--map-root-user", "--net"]):
        command = ["unshare", *options]
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "true"], capture_output=True).returncode
        ):
            return command
    return []


def absent_modules() -> set[str]:
    """Return the installed top-level modules that Kaggle's image is not counted on to have."""
    allowed, waiting = set(), [_normal(name) for name in PACKAGES]
    while waiting:
        name = waiting.pop()
        if name in allowed:
            continue
        allowed.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for wanted in importlib.metadata.requires(name) or []:
                if "extra ==" not in wanted:
                    waiting.append(_normal(re.match(r"[\w.-]+", wanted).group()))
    modules = importlib.metadata.packages_distributions()
    ours = {"foldwise"}  # found on the path that the notebook sets, or not at all
    return {
        module
        for module, names in modules.items()
        if module not in sys.stdlib_module_names | ours
        and not any(_normal(name) in allowed for name in names)
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, also through others; nothing once it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def _tree_memory_mb(pid: int) -> float:
    """Return the memory of a process and its descendants, shared pages counted once."""
    total = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            # Where the system does not share pages out, each counts in every process.
            total += getattr(memory, "pss", memory.rss)
    return total / 1024**2
