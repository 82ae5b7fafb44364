"""What the notebook says of its rows is what the run and `predict` say of them."""

import shutil
import time

import numpy as np
import pandas as pd
import planted
import pytest

from foldwise.config.run import Unit
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.ensemble.pools import Pool
from foldwise.ensemble.predictor import Predictor
from foldwise.kaggle import notebook, worker
from foldwise.kaggle.bundle import bundle
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.partial import Predictions
from foldwise.kaggle.worker import Worker, WorkerJob, WorkerRecord
from foldwise.stages.manifest import write_manifest
from foldwise.stages.stage import execute

CLASSES = ["rare", "common"]
STAGES = ("baselines", "ensemble", "submission")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Make a run of weighted models, whose prior is given back, and bundle it."""
    folder = tmp_path_factory.mktemp("bundled")
    planted.write_posteriors(folder / "in", n=600)
    settings = (
        'data.classes=["rare", "common"]', 'weights.classes="balanced"', "jobs=1",
        'ensemble.methods=["log_linear"]',
    )  # fmt: skip
    run = planted.prepared(folder, planted.POSTERIORS, settings, ("prior", "logreg", "svm"))
    for stage in STAGES:
        execute(stage, run)
    # Which models a blend keeps is chance; here it keeps both, with weights of their own.
    weights = {"logreg": 0.9, "svm": 0.3}
    record = BlendRecord.read(run.ensemble / "weights.json")
    record.replace(weights=weights).write(run.ensemble / "weights.json")
    write_manifest(run, ["run", "planted"])
    bundle(run.output)
    return run


@pytest.fixture
def messy(tmp_path, finished):
    """Write a test file with rows in an order of their own, and texts that need cleaning."""
    table = pd.read_csv(finished.input / "test.csv").sample(frac=1, random_state=1)[:40]
    table["text"] = table["text"].str.replace("a", "&#97;")
    table.loc[table.index[3], "text"] = None
    table.to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "test.csv"


def work(run, test, folder, shards=2):
    """Let workers predict a test file; return their predictions, as the notebook gathers them."""
    found = Bundle.read(run.output / "kaggle" / "weights")
    gathered = Predictions(list(found.models), len(pd.read_csv(test)), found.prior)
    for shard in range(shards):
        results = folder / f"results-{shard}"
        results.mkdir()
        places = (str(found.folder), str(test), str(results))
        Worker(WorkerJob(*places, shard, shards, time.time() + 1000, 1)).run()
        for path in sorted(results.glob("*.npz")):
            with np.load(path) as stored:
                model = Unit.parse(str(stored["unit"])).model
                gathered.add(model, stored["rows"], stored["probabilities"])
        assert not WorkerRecord.read(results / "done.json").left_out
    return found, gathered


def test_each_model_says_what_predict_says(finished, messy, tmp_path, monkeypatch):
    # Several chunks a worker.
    monkeypatch.setattr(worker, "_FIRST", 7)
    monkeypatch.setattr(worker, "_CHUNK", 9)
    _, gathered = work(finished, messy, tmp_path)
    assert (gathered.folds == 2).all()
    for i, model in enumerate(gathered.models):
        expected = Predictor.load(finished.output, model).predict_file(messy)[CLASSES]
        np.testing.assert_allclose(gathered.sums[i] / 2, expected, atol=1e-9)


def test_the_notebooks_submission_is_what_the_ensemble_says(finished, messy, tmp_path):
    found, gathered = work(finished, messy, tmp_path)
    ids = notebook.test_ids(messy, found)
    notebook.write_submission(tmp_path, ids, gathered, found)
    made = pd.read_csv(tmp_path / "submission.csv")
    expected = Predictor.load(finished.output).predict_file(messy)
    assert list(made["id"]) == list(expected["id"])
    np.testing.assert_allclose(made[CLASSES], expected[CLASSES], atol=1e-9)
    assert np.ptp(made["rare"]) > 0.1


def test_the_bundle_blends_as_the_run_does(finished):
    found = Bundle.read(finished.output / "kaggle" / "weights")
    record = BlendRecord.read(finished.ensemble / "weights.json")
    names, pool = Pool.restore(record)
    assert list(found.models) == names
    np.testing.assert_array_equal(found.pool.weights, pool.weights)
    np.testing.assert_array_equal(found.pool.bias, pool.bias)
    assert found.pool.method == "log_linear"


def test_a_row_that_nothing_predicted_gets_the_class_shares(finished):
    found = Bundle.read(finished.output / "kaggle" / "weights")
    labels = pd.read_parquet(finished.clean / "train.parquet")["label"]
    share = (labels == "rare").mean()
    nothing = Predictions(list(found.models), 3, found.prior).blend(found.pool)
    np.testing.assert_allclose(nothing[:, 0], share, atol=0.01)


def test_in_the_notebook_the_prior_is_given_back(finished, tmp_path):
    test = finished.input / "test.csv"
    found, gathered = work(finished, test, tmp_path)
    words = planted.words_of(pd.read_csv(test)["text"])
    for i, _ in enumerate(gathered.models):
        off = planted.Posteriors.of(words, gathered.sums[i][:, 0] / 2).off
        assert off < 0.07


def test_a_fold_that_is_not_as_it_was_bundled_predicts_nothing(finished, tmp_path):
    shutil.copytree(finished.output / "kaggle" / "weights", tmp_path / "weights")
    path = tmp_path / "weights" / "models" / "svm" / "fold-1" / "weights.npz"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (tmp_path / "results").mkdir()
    places = (str(tmp_path / "weights"), str(finished.input / "test.csv"))
    Worker(WorkerJob(*places, str(tmp_path / "results"), 0, 1, time.time() + 1000, 1)).run()
    record = WorkerRecord.read(tmp_path / "results" / "done.json")
    assert list(record.left_out) == ["svm/fold-1"]
    assert "another sha256" in record.left_out["svm/fold-1"]
    assert sorted(record.finished) == ["logreg/fold-0", "logreg/fold-1", "svm/fold-0"]
