"""The ensemble stage: what it reads of each model, and what it gives the test rows."""

import numpy as np
import pandas as pd
import planted
import pytest
from fabricate import bare_audit

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.ensemble.pools import Blend, Pool
from foldwise.errors import UserError
from foldwise.stages.ensemble import ensemble

CLASSES = ["heads", "tails"]
MODELS = ("prior", "logreg", "svm", "lightgbm")
N = 120


@pytest.fixture
def make(tmp_path):
    """Write predictions: svm knows most, logreg something else, lightgbm nothing."""

    def make(*settings):
        path = tmp_path / "planted.toml"
        path.write_text(planted.GIVEAWAY)
        run = Run(load_competition(path, settings, MODELS), tmp_path, tmp_path / "out")
        generator = np.random.default_rng(3)
        labels = generator.permutation(np.arange(N) % 2)
        ids, fold = [f"r{i}" for i in range(N)], (np.arange(N) % 3).astype(np.int8)
        run.clean.mkdir(parents=True, exist_ok=True)
        names = np.array(CLASSES, dtype=object)[labels]
        train = pd.DataFrame({"id": ids, "text": ids, "label": names, "group": ids})
        train.to_parquet(run.clean / "train.parquet")
        pd.DataFrame({"id": ids, "group": ids, "fold": fold}).to_parquet(run.folds)
        bare_audit(CLASSES, N).write(run.clean / "audit.json")
        sign = 2 * labels - 1
        for name, knows in zip(MODELS, (0, 0.6, 1.2, 0), strict=True):
            run.model(name).mkdir(parents=True, exist_ok=True)
            p = 1 / (1 + np.exp(knows * sign + 0.8 * (name != "prior") * generator.normal(size=N)))
            table = pd.DataFrame({"id": ids, "fold": fold, "heads": p, "tails": 1 - p})
            table.to_parquet(run.model(name) / "oof.parquet")
            q = generator.uniform(0.1, 0.9, 7)
            test = pd.DataFrame({"id": [f"t{i}" for i in range(7)], "heads": q, "tails": 1 - q})
            test.to_parquet(run.model(name) / "test.parquet")
        return run, labels

    return make


def arrays(run, name, models=MODELS[1:]):
    tables = [pd.read_parquet(run.model(model) / f"{name}.parquet") for model in models]
    return np.stack([table[CLASSES].to_numpy() for table in tables])


METHODS = ["mean", "linear", "hill_climbing", "log_linear", "stacking"]


@pytest.mark.parametrize("method", METHODS)
def test_test_rows_are_blended_with_the_weights_that_the_record_names(make, method):
    run, labels = make(f'ensemble.methods=["{method}"]')
    ensemble(run)
    names, pool = Pool.restore(BlendRecord.read(run.ensemble / "weights.json"))
    found = pd.read_parquet(run.ensemble / "test.parquet")
    np.testing.assert_allclose(found[CLASSES], pool.predict(arrays(run, "test", names)))
    # The weights are those of all rows, not of some fold.
    whole = Blend.configured(method, CLASSES, run.competition).fit(labels, arrays(run, "oof"))
    np.testing.assert_allclose(found[CLASSES], whole.predict(arrays(run, "test")))


def test_the_prior_is_no_member(make):
    run, _ = make()
    ensemble(run)
    record = BlendRecord.read(run.ensemble / "weights.json")
    assert list(record.weights) == list(MODELS[1:])


def test_the_model_that_knows_most_weighs_most(make):
    run, _ = make('ensemble.methods=["linear"]')
    ensemble(run)
    weights = BlendRecord.read(run.ensemble / "weights.json").weights
    assert weights["svm"] > max(weights["logreg"], weights["lightgbm"])


@pytest.mark.parametrize("column", ["id", "fold"])
def test_predictions_of_other_rows_or_folds_are_refused(make, column):
    run, _ = make()
    path = run.model("svm") / "oof.parquet"
    table = pd.read_parquet(path)
    table[column] = table[column].to_numpy()[::-1]
    table.to_parquet(path)
    with pytest.raises(UserError, match="fit svm again"):
        ensemble(run)


def test_a_model_that_predicts_no_test_rows_leaves_none_blended(make):
    run, _ = make()
    ensemble(run)
    (run.model("svm") / "test.parquet").unlink()
    ensemble(run)
    assert not (run.ensemble / "test.parquet").exists()
