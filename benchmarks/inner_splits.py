"""Should C be chosen on one inner split or on the mean over all? Out-of-fold log loss and time.

PYTHONPATH=src python benchmarks/inner_splits.py spooky=DATA/spooky prompts=input/prompts \
    --rows 1000 3000 --seeds 4

For every number of rows and every seed: rows drawn anew, folds drawn anew. A competition is a
shipped one or a TOML file; 0 rows are all of them.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.data.cleaned import class_names
from foldwise.data.splits import inner_split
from foldwise.features import rows
from foldwise.features.rows import Rows
from foldwise.models.model import Task, model_class
from foldwise.stages.stage import execute

MODELS = ("logreg", "svm")
WAYS = ("one", "all")


def main() -> None:
    """Print a line a competition, number of rows and model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("competitions", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--rows", nargs="+", type=int, default=[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'':<15}{'rows':>6}  {'model':<8}{'one':>8}{'all':>8}", end="")
    print(f"{'gain':>9}  {'gain of each seed':<{9 * arguments.seeds}}{'seconds':>12}")
    for named in arguments.competitions:
        name, _, folder = named.partition("=")
        with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
            run = Run(load_competition(name, models=MODELS), Path(folder), Path(scratch))
            for stage in ("clean", "folds", "features"):
                execute(stage, run)
            data = rows.load(run, "train", class_names(run), features=True)
            for n in arguments.rows:
                for model in MODELS:
                    _compare(Path(name).stem, run, data, model, n or len(data), arguments)


def _compare(
    name: str, run: Run, data: Rows, model: str, n: int, arguments: argparse.Namespace
) -> None:
    losses = {way: [] for way in WAYS}
    seconds = dict.fromkeys(WAYS, 0.0)
    for seed in range(arguments.seeds):
        drawn = np.random.default_rng(seed).permutation(len(data))[:n]
        some = data.take(np.sort(drawn))
        parts = inner_split(some.labels, some.groups, arguments.folds, seed)
        for way in WAYS:
            start = time.process_time()
            losses[way].append(_loss(run, some, parts, model, way, seed))
            seconds[way] += time.process_time() - start
    gains = np.subtract(losses["one"], losses["all"])
    means = [np.mean(losses[way]) for way in WAYS]
    spent = " → ".join(f"{seconds[way] / arguments.seeds / arguments.folds:.2f}" for way in WAYS)
    each = "".join(f"{gain:+9.4f}" for gain in gains)
    print(f"{name:<15}{len(some):>6}  {model:<8}{means[0]:>8.4f}{means[1]:>8.4f}", end="")
    print(f"{gains.mean():>+9.4f}  {each}{spent:>14}", flush=True)


def _loss(run: Run, data: Rows, parts: list, model: str, way: str, seed: int) -> float:
    """Return the out-of-fold log loss with C chosen one way."""
    classes = class_names(run)
    section = getattr(run.competition, model).model_copy(update={"inner_splits": way})
    competition = run.competition.model_copy(update={model: section})
    found = np.zeros((len(data), len(classes)))
    for fold, (fit, held_out) in enumerate(parts):
        task = Task(competition, classes, np.ones(len(classes)), seed, fold, run.output)
        fitted = model_class(model).fit(data.take(fit), task)
        found[held_out] = fitted.predict(data.take(held_out).without_labels())
    return log_loss(data.labels, found, labels=range(len(classes)))


if __name__ == "__main__":
    main()
