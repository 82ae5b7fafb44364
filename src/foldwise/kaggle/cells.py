"""The notebooks as plain data: markdown and code cells, no outputs."""

import inspect
import json
from pathlib import Path

from pydantic import JsonValue

from foldwise.data.formats import SEPARATORS
from foldwise.kaggle.contents import below
from foldwise.kaggle.machine import LIMIT_SECONDS

Json = dict[str, JsonValue]  # a notebook, or a cell of one

_FIRST = '''\
import os
import sys
import time
import traceback
from pathlib import Path

import pandas as pd

STARTED = time.time()
ROOT = Path(os.environ.get("FOLDWISE_KAGGLE", "/kaggle"))
INPUT, WORKING = ROOT / "input", ROOT / "working"
LIMIT = float(os.environ.get("FOLDWISE_KAGGLE_LIMIT", {limit}))  # seconds, all in all

{constants}


{below}

def read(path):
    """Read a test file, every cell as it stands there."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return pd.read_parquet(path)
    if suffix not in SEPARATORS:
        return pd.read_json(path, lines=True, dtype=False)
    names = dict(header=None, names=COLUMNS) if COLUMNS else {{}}
    how = dict(dtype=str, keep_default_na=False, encoding_errors="replace")
    return pd.read_csv(path, sep=SEPARATORS[suffix], **how, **names)


def find(names, columns):
    """Find a file by its name and columns, whatever the folder is called."""
    found = [path for name in names for path in below(INPUT, name)]
    found.sort(key=lambda path: COMPETITION not in path.parts)  # before files of other sources
    for path in found:
        if set(columns) <= set(read(path).columns):
            return path
    return found[0] if found else None  # the class shares need no more than the ids
'''

_PRIOR = """\
TEST = find(NAMES, TEXT)
assert TEST is not None, f"no {NAMES} below {INPUT}: add the competition's data"
table = read(TEST)
ids = table[ID] if ID in table else range(len(table))
submission = pd.DataFrame({HEADER[0]: ids} | PRIOR)[HEADER]
submission.to_csv(WORKING / "submission.csv", index=False)
print(f"{TEST}: {len(table):,} rows; submission.csv holds the class shares for now")
del table
"""

_IMPROVE = """\
try:
    mine = ("foldwise", "kaggle", "notebook.py")
    code = [path.parents[2] for path in below(INPUT, mine[-1]) if path.parts[-3:] == mine]
    assert code, f"no foldwise package below {INPUT}: add the code data set"
    sys.path.insert(0, str(code[0]))
    from foldwise.kaggle.notebook import improve

    improve(INPUT, WORKING, TEST, STARTED, LIMIT)
except Exception:
    # A notebook that fails scores nothing; submission.csv is whole whatever happened.
    traceback.print_exc()
"""

_TRAIN = """\
import subprocess

TRAIN = find(NAMES, [*TEXT, *TARGET])
assert TRAIN is not None, f"no {NAMES} below {INPUT}: add the competition's data"
configs = below(INPUT, "competition.toml")
assert configs, f"no competition.toml below {INPUT}: add the code data set"
config = configs[0]
command = [sys.executable, "-m", "foldwise", "run", str(config)]
command += ["--input", str(TRAIN.parent), "--output", str(WORKING / "output")]
encoder = config.parent / "encoder"
if encoder.is_dir():  # the pip package that holds it is not on Kaggle
    command += [f"--set=bert.model={encoder}", f"--set=embedding.model={encoder}"]
environment = os.environ | {"PYTHONPATH": str(config.parent), "PYTHONUNBUFFERED": "1"}
with subprocess.Popen(
    command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
) as run:
    for line in run.stdout:
        print(line, end="")
assert run.returncode == 0, f"the run ended with code {run.returncode}"
"""


def submit_notebook(name: str, constants: dict[str, JsonValue]) -> Json:
    """Return the notebook that predicts with the bundled models.

    Parameters
    ----------
    name : str
        The competition.
    constants : dict
        `COMPETITION` (its name on Kaggle), `ID`, `TEXT`, `COLUMNS`, `NAMES` (of the test file),
        `HEADER` and `PRIOR` (of the submission); plain data.
    """
    return _notebook(
        _text(
            f"# foldwise: submit to {name}\n\nNo fitting, no internet. The submission is written "
            "at once with the class shares of the training rows, then with every model and fold "
            "that the time allows."
        ),
        _code(_first(constants)),
        _text("A valid submission first: whatever happens from here on, it scores."),
        _code(_PRIOR),
        _text("Then the models: as many rows, folds and models as fit into the time limit."),
        _code(_IMPROVE),
    )


def train_notebook(name: str, constants: dict[str, JsonValue]) -> Json:
    """Return the notebook that fits on Kaggle.

    Parameters
    ----------
    name : str
        The competition.
    constants : dict
        As for `submit_notebook`, `NAMES` of the training file, and `TARGET`.
    """
    return _notebook(
        _text(
            f"# foldwise: train on {name}\n\nThe whole pipeline on Kaggle's machine. The fitted "
            "models, the report and `submission.csv` are in `/kaggle/working/output`."
        ),
        _code(_first(constants)),
        _code(_TRAIN),
    )


def write_notebook(path: Path, notebook: Json) -> None:
    """Write a notebook."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def code_of(path: Path) -> list[str]:
    """Return the source of each code cell of a notebook, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _notebook(*cells: Json) -> Json:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    numbered = [cell | {"id": f"cell-{i}"} for i, cell in enumerate(cells)]
    return {
        "cells": numbered,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _text(source: str) -> Json:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> Json:
    lines = source.rstrip("\n").splitlines(keepends=True)
    cell = {"cell_type": "code", "metadata": {}, "source": lines}
    return cell | {"execution_count": None, "outputs": []}


def _first(constants: dict[str, JsonValue]) -> str:
    # Nothing can be imported before the code is found, so the one function goes along as text.
    return _FIRST.format(
        limit=LIMIT_SECONDS,
        constants=_assignments(constants | {"SEPARATORS": SEPARATORS}),
        below=inspect.getsource(below),
    )


def _assignments(constants: dict[str, JsonValue]) -> str:
    return "\n".join(f"{name} = {value!r}" for name, value in constants.items())
