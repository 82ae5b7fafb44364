import numpy as np
import pytest
from ensemble.test_pools import models

from foldwise.ensemble.candidates import better, choose, judge, weights_record
from foldwise.ensemble.pools import Blend, Pool
from foldwise.scoring.metrics import scores

CLASSES = ["x", "y", "z"]


@pytest.fixture(scope="module")
def judged():
    labels, probabilities, folds = models(3)
    methods = ("mean", "log_linear", "stacking")
    return labels, probabilities, folds, judge(labels, probabilities, folds, map(Blend, methods))


def test_every_candidate_is_judged_on_rows_that_its_weights_never_saw(judged):
    labels, probabilities, folds, candidates = judged
    assert [c.blend.method for c in candidates] == ["mean", "log_linear", "stacking"]
    for candidate in candidates:
        nested = candidate.blend.nested(labels, probabilities, folds)
        np.testing.assert_array_equal(candidate.nested, nested)
        assert candidate.scores == scores(labels, nested)
        fitted = candidate.blend.fit(labels, probabilities)
        np.testing.assert_array_equal(candidate.pool.weights, fitted.weights)


def test_the_one_with_the_lowest_nested_loss_is_chosen_not_the_best_fitted(judged):
    *_, candidates = judged
    best = choose(candidates)
    assert best.nested_log_loss <= min(c.nested_log_loss for c in candidates) + 1e-4


def test_the_record_of_the_weights_gives_the_chosen_pool_back(judged):
    _, probabilities, _, candidates = judged
    cost = {"train_seconds": 1.0, "predict_seconds": 1.0, "peak_memory_mb": 1.0}
    for best in candidates:
        record = weights_record(candidates, best, ["a", "b", "c"], CLASSES, cost)
        names, pool = Pool.restore(record)
        kept = [["a", "b", "c"].index(name) for name in names]
        np.testing.assert_allclose(
            pool.predict(probabilities[kept]), best.pool.predict(probabilities), atol=1e-12
        )
        assert set(record.dropped) == {"a", "b", "c"} - set(names)


def test_ties_go_to_the_method_named_first():
    losses = {"linear": 0.50005, "log_linear": 0.5}
    assert better(losses, ["linear", "log_linear"]) == "linear"
    assert better(losses | {"linear": 0.51}, ["linear", "log_linear"]) == "log_linear"
