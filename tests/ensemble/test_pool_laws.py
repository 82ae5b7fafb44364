"""Laws that hold for every blend, whatever its members say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config.sections import POOLS
from foldwise.ensemble.pools import Blend

# Members are sure, wrong, alike or silent: all of it has happened.
members = st.builds(
    lambda seed, n, k, classes, sharpness: _members(seed, n, k, classes, sharpness),
    st.integers(0, 10**6), st.integers(12, 60), st.integers(1, 4), st.integers(2, 5),
    st.sampled_from([0.0, 1.0, 50.0]),
)  # fmt: skip


def _members(seed, n, k, classes, sharpness):
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, n - classes)])
    logits = sharpness * generator.normal(size=(k, n, classes))
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    return labels, p / p.sum(axis=2, keepdims=True), np.arange(n) % 3


@pytest.mark.parametrize("method", POOLS)
@settings(max_examples=15, deadline=None)
@given(members)
def test_a_blend_is_a_probability_for_every_row(method, drawn):
    labels, probabilities, folds = drawn
    blend = Blend(method).nested(labels, probabilities, folds)
    assert blend.shape == probabilities.shape[1:]
    assert np.isfinite(blend).all() and (blend >= 0).all()
    np.testing.assert_allclose(blend.sum(axis=1), 1)


@pytest.mark.parametrize("method", ["linear", "hill_climbing"])
@settings(max_examples=15, deadline=None)
@given(members)
def test_a_weighted_mean_lies_between_its_members(method, drawn):
    labels, probabilities, _ = drawn
    blend = Blend(method).fit(labels, probabilities).predict(probabilities)
    assert (blend >= probabilities.min(axis=0) - 1e-9).all()
    assert (blend <= probabilities.max(axis=0) + 1e-9).all()


@settings(max_examples=15, deadline=None)
@given(members, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_means_nothing(drawn, random):
    labels, probabilities, _ = drawn
    order = np.array(random.sample(range(len(labels)), len(labels)))
    one = Blend("linear").fit(labels, probabilities).weights
    other = Blend("linear").fit(labels[order], probabilities[:, order]).weights
    np.testing.assert_allclose(one, other, atol=1e-3)
