import numpy as np
import pytest
from ensemble.test_pools import models

from foldwise.ensemble.candidates import better, choose, choose_nested, judge, weights_record
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
    labels, probabilities, folds, candidates = judged
    worth = choose_nested(labels, probabilities, folds, candidates)
    cost = {"train_seconds": 1.0, "predict_seconds": 1.0, "peak_memory_mb": 1.0}
    for best in candidates:
        record = weights_record(candidates, best, worth, ["a", "b", "c"], CLASSES, cost)
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


def nested_loss(blend, labels, probabilities, folds):
    """Return the log loss of a blend of all models, its weights fitted on the other folds."""
    nested = np.zeros(probabilities.shape[1:])
    for fold in np.unique(folds):
        inside = folds == fold
        pool = blend.fit_all(labels[~inside], probabilities[:, ~inside])
        nested[inside] = pool.predict(probabilities[:, inside])
    return scores(labels, nested)["log_loss"]


def test_the_method_for_a_fold_is_chosen_without_that_fold(judged):
    labels, probabilities, folds, candidates = judged
    found = choose_nested(labels, probabilities, folds, candidates)
    for k, method in enumerate(found.chosen):
        inside = folds == np.unique(folds)[k]
        rest = (labels[~inside], probabilities[:, ~inside], folds[~inside])
        blends = [candidate.blend for candidate in candidates]
        losses = {blend.method: nested_loss(blend, *rest) for blend in blends}
        assert method == better(losses, list(losses))
        used = next(c for c in candidates if c.blend.method == method)
        np.testing.assert_array_equal(found.nested[inside], used.nested[inside])
        # Whatever the labels of the fold are, the choice and the weights stay what they are.
        other = labels.copy()
        other[inside] = (other[inside] + 1) % 3
        again = judge(other, probabilities, folds, [c.blend for c in candidates])
        changed = choose_nested(other, probabilities, folds, again)
        assert changed.chosen[k] == method
        np.testing.assert_allclose(changed.nested[inside], found.nested[inside])


def test_on_noise_the_choice_is_not_taken_for_a_gain():
    gaps = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 3, 240)
        probabilities = generator.dirichlet([9, 9, 9], (4, 240))
        folds = np.arange(240) % 4
        blends = [Blend(m) for m in ("mean", "linear", "hill_climbing", "stacking")]
        candidates = judge(labels, probabilities, folds, blends)
        found = choose_nested(labels, probabilities, folds, candidates)
        gaps.append(found.scores["log_loss"] - min(c.nested_log_loss for c in candidates))
    # The best of the candidates' scores, picked afterwards, is never above the honest one.
    assert min(gaps) >= 0
    assert np.mean(gaps) > 0.0005


@pytest.mark.parametrize("n_folds", [2, 3])
def test_a_blend_can_be_chosen_nested_with_few_folds(n_folds):
    labels, probabilities, _ = models(3)
    folds = np.arange(len(labels)) % n_folds
    candidates = judge(labels, probabilities, folds, [Blend("mean"), Blend("log_linear")])
    found = choose_nested(labels, probabilities, folds, candidates)
    assert len(found.chosen) == n_folds
    np.testing.assert_allclose(found.nested.sum(axis=1), 1)
