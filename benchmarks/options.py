"""What options of fine-tuning buy: the same folds and seeds, one setting changed at a time.

PYTHONPATH=src python benchmarks/options.py routing=DATA/routing prompts=input/prompts \
    --variants bert.ema=0.95 bert.label_smoothing=0.1 bert.pooling=model

The gain in log loss over the default comes with its interval (paired, over groups), once as the
models are and once recalibrated out of fold, which is what an ensemble sees.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.data.cleaned import class_indexes, class_names, table_path
from foldwise.ensemble.pools import Blend
from foldwise.files import read_json
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.metrics import row_log_loss
from foldwise.stages.stage import execute

DEFAULT = "the default"


def main() -> None:
    """Print a table a competition."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("competitions", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--variants", nargs="+", required=True, metavar="KEY=VALUE[,KEY=VALUE]")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="for all")
    arguments = parser.parse_args()
    for named in arguments.competitions:
        name, _, folder = named.partition("=")
        with tempfile.TemporaryDirectory() as scratch:
            _compare(name, Path(folder), Path(scratch), arguments.settings, arguments.variants)


def _compare(
    name: str, folder: Path, scratch: Path, settings: list[str], variants: list[str]
) -> None:
    first = None
    for number, variant in enumerate((DEFAULT, *variants)):
        changed = [] if variant == DEFAULT else variant.split(",")
        competition = load_competition(name, ['models=["bert"]', *settings, *changed])
        run = Run(competition, folder, scratch / str(number))
        for stage in ("clean", "folds", "transformer"):
            execute(stage, run)
        labels, found, folds, groups = _out_of_fold(run)
        scaled = Blend("log_linear").nested(labels, found[None], folds)
        losses = row_log_loss(labels, found), row_log_loss(labels, scaled)
        if first is None:
            first, bootstrap = losses, GroupBootstrap(groups)
            print(f"\n{name}: {len(labels):,} rows, {folds.max() + 1} folds; gain over the default")
            print(f"{'':<28}{'log loss':>9}{'recalibrated':>28}{'accuracy':>10}{'macro-F1':>10}")
        gain = first[1] - losses[1]
        low, high = bootstrap.interval_of_mean(gain)
        shown = f"{losses[1].mean():.4f} {gain.mean():+.4f} ({low:+.4f}, {high:+.4f})"
        said = found.argmax(axis=1)
        accuracy, f1 = accuracy_score(labels, said), f1_score(labels, said, average="macro")
        seconds = read_json(run.model("bert") / "metrics.json")["train_seconds"]
        print(
            f"{variant:<28}{losses[0].mean():>9.4f}{shown:>34}{accuracy:>10.4f}{f1:>10.4f}"
            f"{seconds:>9.0f} s",
            flush=True,
        )


def _out_of_fold(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities, folds and groups of the training rows."""
    classes = class_names(run)
    train = pd.read_parquet(table_path(run, "train"), columns=["label", "group"])
    labels = class_indexes(train["label"], classes)
    found = pd.read_parquet(run.model("bert") / "oof.parquet")[classes].to_numpy()
    return labels, found, pd.read_parquet(run.folds)["fold"].to_numpy(), train["group"].to_numpy()


if __name__ == "__main__":
    main()
