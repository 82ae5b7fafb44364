"""Small competitions whose truth is known: what a leak would bring, and what nobody can know."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.stages.stage import execute

# Quick, and free of what only helps on real texts.
_PLAIN = """
[features]
min_df = 1
structure = false
max_features = 0
word_ngrams = [1, 1]
[logreg]
nb_ratio = "off"
[svm]
nb_ratio = "off"
[report]
bootstrap = 100
"""


def prepared(folder: Path, toml: str, settings: tuple[str, ...] = (), models=("prior",)) -> Run:
    """Run the stages up to the features on `folder/in` and return the run."""
    path = folder / "planted.toml"
    path.write_text(toml)
    competition = load_competition(path, settings, models)
    run = Run(competition, folder / "in", folder / "out")
    for stage in ("clean", "folds", "features"):
        execute(stage, run)
    return run


# --- groups that give their label away ----------------------------------------------------------

GIVEAWAY = (
    """
[data]
text = ["topic", "text"]
group = ["topic"]
[folds]
n = 3
"""
    + _PLAIN
)


WRONG = 0.25  # share of groups whose hint is wrong
HONEST = float(-WRONG * np.log(WRONG) - (1 - WRONG) * np.log(1 - WRONG))


def write_giveaway(folder: Path, groups: int = 48, size: int = 6, seed: int = 0) -> None:
    """Write rows whose label is a coin for each group, a hint, and a word only the group has.

    The hint is right in three groups of four, so `HONEST` is the least log loss of a model that
    has not seen the group; one which has, or has seen the row, can be right everywhere.
    """
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    coins = generator.permutation(np.arange(groups) % 2)
    hints = coins.copy()
    for side in (0, 1):
        places = generator.permutation(np.flatnonzero(coins == side))
        hints[places[: round(WRONG * len(places))]] = 1 - side
    rows = [
        {
            "id": f"r{g}-{i}",
            "topic": f"topic{g}",
            "text": f"hint{hints[g]} mark{g} mark{g} row{g}x{i} filler{generator.integers(9)}",
            "label": ("heads", "tails")[coins[g]],
        }
        for g in range(groups)
        for i in range(size)
    ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=seed)
    table.to_csv(folder / "train.csv", index=False)
    test = table.head(20).drop(columns="label").assign(id=[f"t{i}" for i in range(20)])
    test.to_csv(folder / "test.csv", index=False)


# --- posteriors that are known ------------------------------------------------------------------

POSTERIORS = """
[data]
classes = ["common", "rare"]
[folds]
n = 2
[logreg]
C = [100.0]
[svm]
C = [0.1]
""" + _PLAIN.replace("[logreg]\n", "").replace("[svm]\n", "").replace('nb_ratio = "off"\n', "")
RARE = {"alpha": 0.02, "beta": 0.10, "gamma": 0.30}  # p(rare | word)


@dataclass(frozen=True)
class Posteriors:
    """How far probabilities are from the truth, by word."""

    found: dict[str, float]

    @classmethod
    def of(cls, words: np.ndarray, probabilities: np.ndarray) -> "Posteriors":
        """Return the mean probability of the rare class for each word."""
        return cls({w: float(probabilities[words == w].mean()) for w in RARE})

    @property
    def off(self) -> float:
        """The largest distance from the truth."""
        return max(abs(self.found[word] - RARE[word]) for word in RARE)


def write_posteriors(folder: Path, n: int = 3000, seed: int = 0) -> None:
    """Write rows of one word each; the word decides how likely the rare class is."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = list(RARE)
    words = np.array(names)[np.arange(n) % len(names)]
    # Exact shares, so that only the model's own error is left.
    label = np.zeros(n, bool)
    for word, share in RARE.items():
        places = generator.permutation(np.flatnonzero(words == word))
        label[places[: round(share * len(places))]] = True
    train = pd.DataFrame({"id": [f"r{i}" for i in range(n)]})
    # The order of the others makes every text its own group, and no term that could be learnt.
    orders = itertools.permutations("one two three four five six seven".split())
    rest = [" ".join(order) for order in itertools.islice(orders, n + 300)]
    train["text"] = [f"{word} {others}" for word, others in zip(words, rest, strict=False)]
    train["label"] = np.where(label, "rare", "common")
    train.to_csv(folder / "train.csv", index=False)
    test = pd.DataFrame({"id": [f"t{i}" for i in range(300)]})
    test["text"] = [f"{names[i % len(names)]} {rest[n + i]}" for i in range(300)]
    test.to_csv(folder / "test.csv", index=False)


def words_of(texts) -> np.ndarray:
    """Return the telling word of each text."""
    return np.array([text.split()[0] for text in texts])


# --- pairs of which one side wins more often -----------------------------------------------------

PAIRS = """
[data]
text = ["a", "b"]
classes = ["first", "second", "tie"]
group = ["a", "b"]
[pair]
first = "a"
second = "b"
swap = ["first", "second"]
[folds]
n = 2
[lightgbm]
min_child_samples = 5
[svm]
C = [0.01]
""" + _PLAIN.replace("[logreg]\n", "").replace("[svm]\n", "").replace('nb_ratio = "off"\n', "")
SWAPPED = 30  # test rows that are there in both orders, as f0, f1, … and b0, b1, …


def write_pairs(folder: Path, n: int = 600, seed: int = 0) -> None:
    """Write pairs in which the first answer wins four times as often as the second."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def answer(i: int, side: str, better: bool) -> str:
        word = "splendid" if better else "dismal"
        fill = " ".join(generator.choice(["of", "and", "to", "with", "by"], 4))
        return f"{word if generator.random() < 0.8 else 'plain'} {fill} {side}{i}"

    label = generator.choice(["first", "second", "tie"], n, p=[0.64, 0.16, 0.2])
    train = pd.DataFrame({"id": [f"r{i}" for i in range(n)]})
    train["a"] = [answer(i, "a", won != "second") for i, won in enumerate(label)]
    train["b"] = [answer(i, "b", won != "first") for i, won in enumerate(label)]
    train["label"] = label
    train.to_csv(folder / "train.csv", index=False)
    forward = train.drop(columns="label").head(SWAPPED)
    forward = forward.assign(id=[f"f{i}" for i in range(SWAPPED)])
    backward = forward.rename(columns={"a": "b", "b": "a"})
    backward = backward.assign(id=[f"b{i}" for i in range(SWAPPED)])
    pd.concat([forward, backward]).to_csv(folder / "test.csv", index=False)
