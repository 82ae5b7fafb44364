"""How far should ensemble weights be held to equal ones? Nested log loss by strength of the prior.

python benchmarks/pools.py output/arena output/sample …
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from foldwise.ensemble import pools
from foldwise.ensemble.pools import Blend
from foldwise.files import read_json

STRENGTHS = (0.001, 10, 30, 100, 300)


def main() -> None:
    print(f"{'run':<12}{'pool':<12}{'best one':>9}{'equal':>8}", end="")
    print("".join(f"{strength:>8g}" for strength in STRENGTHS))
    for output in map(Path, sys.argv[1:]):
        labels, probabilities, folds = read(output)
        best = min(log_loss(labels, p) for p in probabilities)
        equal = log_loss(labels, probabilities.mean(axis=0))
        for method in ("linear", "log_linear"):
            print(f"{output.name:<12}{method:<12}{best:>9.4f}{equal:>8.4f}", end="", flush=True)
            for strength in STRENGTHS:
                pools._PRIOR_ROWS = strength
                blend = Blend(method).nested(labels, probabilities, folds)
                print(f"{log_loss(labels, blend):>8.4f}", end="", flush=True)
            print()


def read(output: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    classes = read_json(output / "clean" / "audit.json")["classes"]
    members = list(read_json(output / "ensemble" / "weights.json")["weights"])
    tables = [pd.read_parquet(output / "models" / m / "oof.parquet") for m in members]
    train = pd.read_parquet(output / "clean" / "train.parquet", columns=["label"])
    labels = pd.Categorical(train["label"], categories=classes).codes
    return labels, np.stack([t[classes].to_numpy() for t in tables]), tables[0]["fold"].to_numpy()


if __name__ == "__main__":
    main()
