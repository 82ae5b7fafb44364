"""What each part of a pair's design buys a logistic regression, out of fold.

python benchmarks/ablation.py output/arena output/arena-57k [--folds 2]

Every variant chooses its C on a split of the training fold, as the model `logreg` does. The
folders need the stages up to `features`. "free" variants do not know that A and B are a pair:
each class has weights of its own on A minus B and on the rest; "both orders" shows them every
training row twice, A and B and their labels exchanged, and averages the two predictions.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse, special
from sklearn.metrics import log_loss

from foldwise.config.competition import Competition
from foldwise.config.run import Run
from foldwise.data.cleaned import class_names
from foldwise.data.pairs import Pair
from foldwise.data.splits import inner_split
from foldwise.features import rows
from foldwise.features.blocks import Block, Blocks, Terms
from foldwise.features.rows import Rows
from foldwise.features.tfidf import Design
from foldwise.files import read_json
from foldwise.models.linear import search_C
from foldwise.models.linear_fit import LinearProblem, Tying

Change = Callable[[Blocks], Blocks]


def main() -> None:
    """Print a table a folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("outputs", nargs="+", type=Path)
    parser.add_argument("--folds", type=int, default=0, help="fit only the first N; 0 = all")
    arguments = parser.parse_args()
    for output in arguments.outputs:
        competition = Competition.restore(read_json(output / "manifest.json")["config"])
        run = Run(competition, output, output)
        data = rows.load(run, "train", class_names(run), features=True)
        folds = pd.read_parquet(run.folds)["fold"].to_numpy()
        chosen = np.unique(folds)[: arguments.folds or None]
        print(f"\n{output.name}: {np.isin(folds, chosen).sum():,} rows, {len(chosen)} folds")
        print(f"{'':<44}{'log loss':>9}{'C':>14}")
        for name, (change, free, doubled) in VARIANTS.items():
            found, truth, used = [], [], []
            for k in chosen:
                train, held = data.take(folds != k), data.take(folds == k)
                probabilities, C = _fit(train, held, competition, change, free, doubled)
                found.append(probabilities)
                truth.append(held.labels)
                used.append(f"{C:g}")
            loss = log_loss(np.concatenate(truth), np.concatenate(found))
            print(f"{name:<44}{loss:>9.4f}{','.join(sorted(set(used))):>14}", flush=True)


def _fit(
    train: Rows, held: Rows, competition: Competition, change: Change, free: bool, doubled: bool
) -> tuple[np.ndarray, float]:
    """Choose C, fit and return the probabilities of the rows held out, and C."""
    pair = Pair.of(competition, competition.data.target)
    tying = Tying(np.zeros(len(pair.classes)) if free else pair.signs)

    def problem(inside: Rows) -> tuple[Design, LinearProblem]:
        design = Design.fit(inside.features, competition)
        blocks, labels = change(design.transform(inside.features)), inside.labels
        if doubled:
            blocks = _stacked(_freed(blocks), _freed(blocks.swapped()))
            labels = np.concatenate([labels, pair.swapped_class[labels]])
        elif free:
            blocks = _freed(blocks)
        return design, LinearProblem(blocks, labels, np.ones(len(labels)), tying)

    def predict(design: Design, weights, outside: Rows) -> np.ndarray:
        blocks = change(design.transform(outside.features))
        ways = [blocks, blocks.swapped()] if doubled else [blocks]
        found = []
        for i, way in enumerate(ways):
            scores = weights.scores(_freed(way) if free else way)
            probabilities = special.softmax(tying.logits(*scores), axis=1)
            found.append(probabilities[:, pair.swapped_class] if i else probabilities)
        return np.mean(found, axis=0)

    fit, out = inner_split(train.labels, train.groups, 5, competition.seed)[0]
    design, inner = problem(train.take(fit))
    last = [None]

    def loss(C: float) -> float:
        last[0] = inner.fit(C, start=last[0], tolerance=1e-5)
        return log_loss(train.labels[out], predict(design, last[0], train.take(out)))

    losses = search_C(competition.logreg.C, loss)
    C = min(losses, key=losses.get)
    design, whole = problem(train)
    return predict(design, whole.fit(C), held), C


def _freed(blocks: Blocks) -> Blocks:
    """Put both blocks side by side, every class with weights of its own."""
    odd, even = blocks.odd, blocks.even
    dense = np.hstack([odd.dense, even.dense])
    return Blocks(None, Block(odd.terms + even.terms, dense, _scales(odd) + _scales(even)))


def _scales(block: Block) -> tuple[float, ...]:
    return block.scale or (1.0,) * len(block.terms)


def _stacked(first: Blocks, second: Blocks) -> Blocks:
    """Put the rows of the second below those of the first; the texts are shared."""
    terms = tuple(
        Terms(
            a.texts,
            sparse.vstack([a.pick, b.pick], format="csr"),
            None if a.rest is None else sparse.vstack([a.rest, b.rest], format="csr"),
        )
        for a, b in zip(first.even.terms, second.even.terms, strict=True)
    )
    dense = np.vstack([first.even.dense, second.even.dense])
    return Blocks(None, Block(terms, dense, first.even.scale))


def _kept(block: Block, terms: slice, scale: float | None = None, dense: bool = True) -> Block:
    scales = _scales(block)[terms]
    return Block(
        block.terms[terms],
        block.dense if dense else block.dense[:, :0],
        scales if scale is None else (scale,) * len(scales),
    )


def _without_terms(blocks: Blocks) -> Blocks:
    return Blocks(_kept(blocks.odd, slice(0, 0)), _kept(blocks.even, slice(0, 0)))


def _without_dense(blocks: Blocks) -> Blocks:
    every = slice(None)
    return Blocks(_kept(blocks.odd, every, dense=False), _kept(blocks.even, every, dense=False))


# The even block holds the terms of the context, then those of |A - B|.
VARIANTS: dict[str, tuple[Change, bool, bool]] = {
    "default: A-B, |A-B|, context, dense; tied": (lambda b: b, False, False),
    "without terms of |A-B|": (
        lambda b: replace(b, even=_kept(b.even, slice(0, -1))), False, False
    ),
    "without terms of the context": (
        lambda b: replace(b, even=_kept(b.even, slice(1, None))), False, False
    ),
    "without either": (lambda b: replace(b, even=_kept(b.even, slice(0, 0))), False, False),
    "|A-B| and context as loose as A-B": (
        lambda b: replace(b, even=_kept(b.even, slice(None), 1.0)), False, False
    ),
    "without dense features": (_without_dense, False, False),
    "dense features alone (`structure`)": (_without_terms, False, False),
    "free, rows as they are": (lambda b: b, True, False),
    "free, both orders": (lambda b: b, True, True),
}  # fmt: skip


if __name__ == "__main__":
    main()
