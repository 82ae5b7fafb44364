"""What the leak check finds: planted leaks at doses from 5 to 100 %, and alarms on honest rows.

PYTHONPATH=src python benchmarks/leaks.py DATA [--rows 6000]

DATA is the folder with the sets `spooky`, `banking77`, `sms`, `routing`, `arena` and `arena-57k`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import leakplants

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.data.cleaned import class_indexes, class_names, table_path
from foldwise.features import structure
from foldwise.scoring import giveaways, leakcheck
from foldwise.scoring.leaks import Giveaway, Leaks
from foldwise.stages.stage import execute

DOSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
REAL = {
    "spooky": "spooky",
    "banking77": "banking77",
    "sms": "sms",
    "routing": "routing",
    "arena": "arena",
    "arena-57k": "arena",
}
PLANTED = ("spooky", "routing")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=6000, help="of a set that leaks are put into")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = {}
        for name, config in REAL.items():
            run = Run(load_competition(config), arguments.data / name, Path(scratch) / name)
            for stage in ("clean", "folds", "leaks"):
                execute(stage, run)
            runs[name] = run
        print(f"\n{'honest rows':<12}{'alarms':>7}  largest share of the gain")
        for name, run in runs.items():
            found = Leaks.read(run.output / "leaks.json")
            alarms = sum(giveaway.suspected for giveaway in found.giveaways)
            best = found.giveaways[0]
            print(f"{name:<12}{alarms:>7}  {best.share:.3f} {best.what}; {_twins(found)}")
        head = "".join(f"{100 * dose:>11.0f} %" for dose in DOSES)
        print(f"\n{'planted (share of the gain; * found)':<46}{head}")
        for name in PLANTED:
            for kind in leakplants.PLANTS:
                cells = [_planted(runs[name], kind, dose, arguments.rows) for dose in DOSES]
                print(f"{name + ': ' + kind:<46}" + "".join(f"{cell:>13}" for cell in cells))
        for name, swap in (("spooky", False), ("arena", True)):
            kind = "pairs again with A and B exchanged" if swap else "near twins"
            cells = [_repeated(runs[name], dose, swap) for dose in DOSES]
            line = "".join(f"{cell:>13}" for cell in cells)
            print(f"{name + ': ' + kind + ', share found':<46}{line}")


def _twins(found: Leaks) -> str:
    whole = found.twins[-1]
    return f"{whole.exact_across_folds} exact and {whole.near_across_folds} near twins across folds"


def _planted(run: Run, kind: str, dose: float, rows: int) -> str:
    """Return the largest share among the columns that a plant made, and whether it is found."""
    train = pd.read_parquet(table_path(run, "train")).head(rows)
    (column,) = run.competition.data.text
    folds = pd.read_parquet(run.folds)["fold"].to_numpy()[: len(train)]
    classes = class_names(run)
    labels = class_indexes(train["label"], classes)
    texts = leakplants.plant(kind, dose, train[column].to_numpy(), labels)
    matrix = structure.structure_matrix(list(texts))
    numbers = dict(zip(structure.NAMES, matrix.T, strict=True))
    found = giveaways.giveaways(
        giveaways.columns({column: texts}, numbers),
        labels,
        folds,
        train["group"].to_numpy(),
        classes,
        run.competition.seed,
    )
    return _cell(found)


def _cell(found: list[Giveaway]) -> str:
    return f"{found[0].share:.3f}{'*' if any(one.suspected for one in found) else ' '}"


def _repeated(run: Run, dose: float, swap: bool) -> str:
    """Return the share of planted twins that are counted, each in the next fold."""
    generator = np.random.default_rng(0)
    train = pd.read_parquet(table_path(run, "train")).head(2000)
    text, answers = list(run.competition.data.text), run.competition.pair.answers
    long = train[text[0]].str.split().str.len() >= 18
    own = train[long] if not swap else train
    again = own.sample(max(1, int(dose * len(own))), random_state=0).copy()
    if swap:
        again[list(answers)] = again[list(reversed(answers))].to_numpy()
    else:
        again[text[0]] = [leakplants.reworded(value, generator) for value in again[text[0]]]
    again["id"] = [f"again {i}" for i in again["id"]]
    both = pd.concat([own, again], ignore_index=True)
    folds = np.repeat([0, 1], [len(own), len(again)])
    found = leakcheck.twins(both, None, folds, text, answers)[-1]
    before = leakcheck.twins(own, None, np.zeros(len(own), int), text, answers)[-1]
    counted = found.exact_across_folds + found.near_across_folds
    return f"{(counted - before.exact_across_folds) / (2 * len(again)):.3f}"


if __name__ == "__main__":
    main()
