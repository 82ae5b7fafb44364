"""What the report measures: recalibration, and what the blend loses without a model."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from foldwise.ensemble.pools import Blend
from foldwise.report.evidence import Evidence
from foldwise.report.gains import leave_one_out, recalibration
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.metrics import row_log_loss

N = 1500


def blended(weights):
    return SimpleNamespace(weights=weights, chosen_without=["log_linear"])


@cache
def evidence():
    """Two models that know different things, one that knows nothing, and a blend of all three."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(N, 3)) * 1.5
    labels = (generator.random((N, 1)) > special.softmax(logits, axis=1).cumsum(1)).sum(1)
    noisy = [logits + generator.normal(size=(N, 3)) for _ in range(2)]
    probabilities = {"one": special.softmax(noisy[0], axis=1)}
    probabilities["sure"] = special.softmax(3 * noisy[1], axis=1)
    probabilities["coin"] = generator.dirichlet(np.full(3, 50.0), N)
    folds = np.arange(N) % 5
    members = np.stack(list(probabilities.values()))
    weights = dict.fromkeys(probabilities, 1 / 3)
    probabilities["ensemble"] = Blend("log_linear").nested(labels, members, folds)
    rows = np.arange(N)
    blend, bootstrap = blended(weights), GroupBootstrap(rows, 200)
    names = ["x", "y", "z"]
    return Evidence(rows, labels, rows, folds, probabilities, {}, blend, names, bootstrap)


def test_recalibration_gains_most_where_a_model_is_too_sure():
    sure, one = recalibration(evidence(), "sure"), recalibration(evidence(), "one")
    assert sure.low > 0.1
    assert sure.gain > one.gain
    assert sure.low < sure.gain < sure.high


def test_the_blend_misses_what_no_other_model_knows_and_nothing_else():
    lost = leave_one_out(evidence(), Blend("log_linear"))
    assert list(lost) == ["one", "sure", "coin"]
    assert min(lost["one"].low, lost["sure"].low) > 0
    assert lost["coin"].gain == pytest.approx(0, abs=2e-3)


def test_models_without_weight_are_left_away_and_of_a_blend_of_one_nothing_is_said():
    for weights, names in (
        ({"one": 1.0, "sure": 1.0, "coin": 0.0}, ["one", "sure"]),
        ({"one": 1.0, "sure": 0.0, "coin": 0.0}, []),
    ):
        made = replace(evidence(), blend=blended(weights))
        assert list(leave_one_out(made, Blend("log_linear"))) == names


def test_recalibration_is_judged_on_rows_that_it_was_not_fitted_on():
    found = recalibration(evidence(), "coin")
    losses = evidence().losses["coin"]
    nested = Blend("log_linear").nested(
        evidence().labels, evidence().probabilities["coin"][None], evidence().folds
    )
    assert found.gain == pytest.approx((losses - row_log_loss(evidence().labels, nested)).mean())
