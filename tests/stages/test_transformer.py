import json

import numpy as np
import pandas as pd
import pytest

from foldwise.stages.clean import clean
from foldwise.stages.folds import folds
from foldwise.stages.stage import execute
from foldwise.stages.transformer import STAGE, transformer

CLASSES = ["EAP", "HPL", "MWS"]


@pytest.fixture
def prepared(make_run, tiny_encoder):
    """Make a cleaned and folded run of 60 rows and 12 test rows."""

    def make(*settings, **options):
        run = make_run(
            "spooky",
            f"bert.model={tiny_encoder}",
            f"embedding.model={tiny_encoder}",
            "bert.max_length=32",
            "bert.epochs=1",
            "folds.n=2",
            *settings,
            **options,
        )
        if not run.folds.exists():
            generator = np.random.default_rng(0)
            words = generator.choice(["raven", "old", "sea", "moon"], (72, 6))
            texts = [f"{' '.join(row)} {i}" for i, row in enumerate(words)]
            table = pd.DataFrame({"id": range(72), "text": texts})
            table["author"] = generator.permutation(CLASSES * 24)
            table[:60].to_csv(run.input / "train.csv", index=False)
            table[60:].drop(columns="author").to_csv(run.input / "test.csv", index=False)
            clean(run)
            folds(run)
        return run

    return make


def test_every_row_is_predicted_once_by_each_transformer(prepared):
    run = prepared('models=["embedding", "bert"]')
    assert execute("transformer", run)
    for model in ("embedding", "bert"):
        oof = pd.read_parquet(run.model(model) / "oof.parquet")
        assert oof["id"].is_unique and len(oof) == 60
        np.testing.assert_allclose(oof[CLASSES].sum(axis=1), 1)
        assert len(pd.read_parquet(run.model(model) / "test.parquet")) == 12
        metrics = json.loads((run.model(model) / "metrics.json").read_text())
        assert metrics["device"].startswith(("cpu", "cuda")) and metrics["notes"]
    saved = run.fold("bert", 0)
    assert {"config.json", "model.safetensors", "tokenizer.json", "packing.json"} <= {
        path.name for path in saved.iterdir()
    }
    assert not list(run.output.rglob("*.checkpoint"))
    assert not execute("transformer", run)


def test_a_stored_fold_is_not_trained_again(prepared):
    run = prepared('models=["bert"]')
    transformer(run)
    before = (run.fold("bert", 0) / "model.safetensors").stat().st_mtime_ns
    summary = transformer(run)
    assert (run.fold("bert", 0) / "model.safetensors").stat().st_mtime_ns == before
    assert summary.startswith("out-of-fold log loss: bert ")


def test_without_a_transformer_it_does_nothing_and_says_so(prepared):
    run = prepared('models=["prior"]')
    assert transformer(run) == "no transformer chosen"
    assert STAGE.writes(run) == []
