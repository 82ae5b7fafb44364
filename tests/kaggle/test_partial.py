import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.ensemble.pools import Pool
from foldwise.kaggle.partial import Predictions

PRIOR = np.array([0.5, 0.3, 0.2])


def drawn(seed, n_models=3, n_folds=2, n=5):
    return np.random.default_rng(seed).dirichlet(np.ones(3), (n_models, n_folds, n))


def pool(method, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 1, 3)
    weights = weights / weights.sum() if method == "linear" else weights
    return Pool(method, weights, np.array([0.1, 0.0, -0.1]) * (method == "log_linear"))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["linear", "log_linear"]))
def test_with_everything_there_it_is_the_pool_of_the_folds_means(seed, method):
    values, blend = drawn(seed), pool(method, seed)
    found = Predictions(["a", "b", "c"], 5, PRIOR)
    for name, folds in zip("abc", values, strict=True):
        for fold in folds:
            found.add(name, np.arange(2), fold[:2])
            found.add(name, np.arange(2, 5), fold[2:])
    np.testing.assert_allclose(found.blend(blend), blend.predict(values.mean(axis=1)), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["linear", "log_linear"]))
def test_any_part_of_it_is_a_valid_prediction(seed, method):
    values, blend = drawn(seed), pool(method, seed)
    generator = np.random.default_rng(seed)
    found = Predictions(["a", "b", "c"], 5, PRIOR)
    for name, folds in zip("abc", values, strict=True):
        for fold in folds:
            rows = np.flatnonzero(generator.random(5) < 0.5)
            found.add(name, rows, fold[rows])
    result = found.blend(blend)
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(axis=1), 1)
    nobody = found.folds.sum(axis=0) == 0
    assert (result[nobody] == PRIOR).all()


def test_a_missing_model_leaves_its_weight_to_the_others():
    a, b, c = drawn(0)[:, 0]
    found = Predictions(["a", "b", "c"], 5, PRIOR)
    found.add("a", np.arange(5), a)
    found.add("c", np.arange(5), c)
    blend = Pool("linear", np.array([0.2, 0.5, 0.3]), np.zeros(3))
    np.testing.assert_allclose(found.blend(blend), 0.4 * a + 0.6 * c)
    tempered = Pool("log_linear", np.array([0.4, 1.0, 0.6]), np.zeros(3))
    logits = 2 * (0.4 * np.log(a) + 0.6 * np.log(c))  # the sum of the weights stays 2
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.blend(tempered), expected)


@pytest.mark.parametrize("bad", [[np.nan, 0.5, 0.5], [-0.1, 0.6, 0.5], [0.5, 0.5, 0.5]])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="a: "):
        Predictions(["a"], 1, PRIOR).add("a", np.array([0]), np.array([bad]))
