"""Faults that would make a number lie, planted one at a time: do the tests notice?

`./run.sh mutants` plants every fault of `mutants.toml` in a copy of the repository, runs the tests
that must catch it, and prints the table of `benchmarks/mutants.md`; exit code 1 if one survived.
`./run.sh mutants WORD…` takes only those whose name or file holds one of the words.
"""

import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
_COPIED = ("src", "tests", "pyproject.toml")
_FAILED = 1  # pytest: tests ran, and some failed
_PASSED = 0
_LONGEST = 900  # seconds of one mutant's tests: a fault may also hang
_FORKED = multiprocessing.get_context("fork")
# Loaded once for all faults: most of the time of a quick test is theirs.
_LIBRARIES = (
    "hypothesis", "lightgbm", "numpy", "pandas", "pyarrow.parquet", "pydantic", "scipy.optimize",
    "scipy.stats", "sklearn.linear_model", "sklearn.metrics", "torch", "transformers", "typer",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One planted fault.

    Attributes
    ----------
    name : str
        What goes wrong, in words.
    file : str
        Under `src/foldwise`.
    old, new : str
        The text that is replaced, which stands there once, and what replaces it.
    tests : tuple of str
        What pytest is given: the tests that must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """Return a file's text with the fault in it."""
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"{self.name}: {self.file} holds {self.old!r} {count} times, not once")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Read the list."""
    table = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))
    return [Mutant(**entry | {"tests": tuple(entry["tests"])}) for entry in table["mutant"]]


def outcomes(chosen: Sequence[Mutant]) -> Iterator[tuple[Mutant, str, float]]:
    """Plant each fault and yield it with what its tests made of it, and the seconds they took."""
    with tempfile.TemporaryDirectory(prefix="foldwise-mutants-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, copy / name, ignore=ignored)
            else:
                shutil.copy(source, copy / name)
        if "foldwise" in sys.modules:
            raise RuntimeError("the tests would run on the package that is loaded already")
        for library in _LIBRARIES:
            importlib.import_module(library)
        for mutant in chosen:
            path = copy / "src" / "foldwise" / mutant.file
            whole = path.read_text(encoding="utf-8")
            path.write_text(mutant.planted(whole), encoding="utf-8")
            start = time.perf_counter()
            try:
                yield mutant, _verdict(copy, mutant.tests), time.perf_counter() - start
            finally:
                path.write_text(whole, encoding="utf-8")


def _verdict(copy: Path, tests: Sequence[str]) -> str:
    """Run tests of the copy, in a process that begins with the libraries loaded."""
    with tempfile.TemporaryFile("w+") as said:
        process = _FORKED.Process(target=_run, args=(copy, tests, said.fileno()))
        process.start()
        process.join(_LONGEST)
        code = process.exitcode
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the tests' own processes too
        said.seek(0)
        lines = said.read().strip().splitlines()
    if code is None:
        return "killed (hangs)"
    if code == _PASSED:
        return "survived"
    if code == _FAILED:
        return "killed"
    # Neither: the fault, or a name in the list, broke the collection of the tests.
    return f"no verdict: {lines[-1][:120] if lines else code}"


def _run(copy: Path, tests: Sequence[str], said: int) -> NoReturn:
    """Become a pytest of the copy."""
    os.setpgid(0, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy / "src")
    sys.path[:] = [str(copy / "src"), *sys.path[1:]]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))


def main(words: Sequence[str]) -> int:
    """Print the table of all mutants, or of those that the words name."""
    found = mutants()
    chosen = [m for m in found if not words or any(w in m.name or w in m.file for w in words)]
    print("One fault at a time, planted in a copy of the repository, and what its tests say.\n")
    print("| fault | file | tests | verdict | s |\n|---|---|---|---|---:|")
    alive = 0
    for mutant, verdict, seconds in outcomes(chosen):
        alive += not verdict.startswith("killed")
        tests = ", ".join(f"`{test}`" for test in mutant.tests)
        row = (mutant.name, f"`{mutant.file}`", tests, verdict, f"{seconds:.0f}")
        print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{len(chosen)} mutants, {len(chosen) - alive} killed, {alive} alive")
    return int(alive > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
