"""The folds stage: groups whole, classes even, the draw of the seed alone."""

import numpy as np
import pandas as pd
import planted
import pytest

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.stages.folds import folds


@pytest.fixture
def make(tmp_path):
    """Draw the folds of labels and groups, in a folder as the clean stage leaves it."""

    def make(labels, groups, *settings):
        path = tmp_path / "planted.toml"
        path.write_text(planted.GIVEAWAY)
        run = Run(load_competition(path, settings), tmp_path, tmp_path / "out")
        run.clean.mkdir(parents=True, exist_ok=True)
        ids = [f"r{i}" for i in range(len(labels))]
        table = pd.DataFrame({"id": ids, "label": labels, "group": [f"g{g}" for g in groups]})
        table.to_parquet(run.clean / "train.parquet")
        folds(run)
        return table, pd.read_parquet(run.folds)

    return make


def rare(n=90, share=10):
    return np.where(np.arange(n) % share == 0, "rare", "common")


def test_the_folds_have_the_classes_in_equal_shares(make):
    table, found = make(rare(), np.arange(90))
    counts = (table["label"] == "rare").groupby(found["fold"]).sum()
    assert counts.tolist() == [3, 3, 3]


def test_folds_may_be_drawn_without_regard_to_the_classes(make):
    spread = []
    for seed in range(5):
        table, found = make(rare(), np.arange(90), "folds.stratify=false", f"seed={seed}")
        spread.append(np.ptp((table["label"] == "rare").groupby(found["fold"]).sum()))
    assert max(spread) > 0


def test_a_group_stands_in_one_fold_and_the_rows_keep_their_order(make):
    groups = np.random.default_rng(0).permutation(np.arange(90) // 3)
    table, found = make(rare(share=3), groups)
    assert found.groupby("group")["fold"].nunique().max() == 1
    assert found["group"].nunique() == 30
    assert list(found["id"]) == list(table["id"]) and list(found["group"]) == list(table["group"])


def test_another_seed_draws_other_folds(make):
    first, again, other = (
        make(rare(), np.arange(90), f"seed={seed}")[1]["fold"].tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_there_are_as_many_folds_as_asked_for(make):
    _, found = make(rare(), np.arange(90), "folds.n=5")
    assert found["fold"].value_counts().sort_index().tolist() == [18] * 5
