import numpy as np
import pytest
from scipy import special

from foldwise.models.scaling import Scaling, fit_scaling


def test_scaling_recovers_a_known_temperature_and_bias():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(20000, 3)) * 2
    true = special.softmax(0.5 * logits + [0.4, -0.4, 0.0], axis=1)
    labels = (generator.random((20000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    found = fit_scaling(labels, logits[None], np.ones(3, bool))
    assert found.weights[0] == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(found.bias - found.bias.mean(), [0.4, -0.4, 0.0], atol=0.06)


def test_scaling_gives_a_useless_score_no_weight():
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 2, 5000)
    good = np.eye(2)[labels] * 2 + generator.normal(size=(5000, 2))
    found = fit_scaling(labels, np.stack([good, -good]), np.ones(2, bool))
    assert found.weights[1] == 0
    assert isinstance(found, Scaling)
