import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import log_loss

from foldwise.config.competition import load_competition
from foldwise.ensemble import pools


def models(seed, n=600, noise=(0.5, 0.7, 3.0)):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 1.5
    labels = (generator.random((n, 1)) > special.softmax(logits, axis=1).cumsum(1)).sum(1)
    noisy = [special.softmax(logits + generator.normal(size=(n, 3)) * s, axis=1) for s in noise]
    return np.stack(noisy), labels, generator.integers(0, 5, n)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["linear", "log_linear"]))
def test_blends_are_probabilities(seed, method):
    probabilities, labels, folds = models(seed, n=120)
    blend = pools.nested(method, probabilities, labels, folds)
    assert (blend >= 0).all()
    np.testing.assert_allclose(blend.sum(axis=1), 1)


@pytest.mark.parametrize("method", ["linear", "log_linear"])
def test_a_blend_beats_its_best_member_even_nested(method):
    probabilities, labels, folds = models(0, n=3000)
    best = min(log_loss(labels, p) for p in probabilities)
    assert log_loss(labels, pools.nested(method, probabilities, labels, folds)) < best


def test_linear_weights_are_on_the_simplex_and_find_the_optimum():
    probabilities, labels, _ = models(1)
    pool = pools.fit("linear", probabilities, labels)
    assert pool.weights.min() >= 0
    assert pool.weights.sum() == pytest.approx(1)
    best = log_loss(labels, pool.predict(probabilities))
    for weights in np.random.default_rng(0).dirichlet(np.ones(3), 200):
        # Equal weights are the prior, and a member may be dropped: not quite the optimum.
        assert best <= log_loss(labels, np.tensordot(weights, probabilities, 1)) + 5e-3


@pytest.mark.parametrize("method", ["linear", "log_linear"])
def test_a_model_that_adds_nothing_gets_weight_zero(method):
    probabilities, labels, _ = models(2, n=20000)
    pool = pools.fit(method, np.stack([*probabilities[:2], probabilities[0]]), labels)
    assert (pool.weights == 0).sum() == 1
    assert pool.weights[1] > 0


def test_equal_weights_are_the_prior_that_many_rows_overrule():
    probabilities, labels, _ = models(5, n=20000, noise=(0.6, 1.0))
    few, many = (
        pools._fit("linear", probabilities[:, :n], labels[:n], False, np.arange(3))[0]
        for n in (50, 20000)
    )
    assert abs(few.weights[0] - 0.5) < 0.2
    assert many.weights[0] > 0.7


def test_a_real_blend_beats_its_authors_own(real_data):
    folder = real_data / "arena-oof"
    names = ("emb_best_oof", "lex_best_oof", "oof_predictions_lexical")
    members = np.stack([np.load(folder / f"{name}.npy").astype(float) for name in names])
    members /= members.sum(axis=2, keepdims=True)
    labels = pd.read_csv(folder / "DERIVED_id_label_57477.csv")["label"].to_numpy()
    folds = np.random.default_rng(0).integers(0, 5, len(labels))
    blend = pools.nested("log_linear", members, labels, folds)
    assert log_loss(labels, blend) < 1.0480


def test_noise_gets_weight_zero_in_a_log_linear_pool():
    probabilities, labels, _ = models(2, n=3000)
    noise = np.random.default_rng(1).dirichlet(np.ones(3) * 0.3, len(labels))
    pool = pools.fit("log_linear", np.stack([*probabilities[:2], noise]), labels)
    assert pool.weights[2] == 0
    assert (pool.weights[:2] > 0).all()


def test_nested_weights_never_see_the_fold_they_blend():
    probabilities, labels, folds = models(3)
    inside = folds == 2
    before = pools.nested("log_linear", probabilities, labels, folds)
    flipped = np.where(inside, (labels + 1) % 3, labels)
    after = pools.nested("log_linear", probabilities, flipped, folds)
    np.testing.assert_array_equal(before[inside], after[inside])
    assert (before[~inside] != after[~inside]).any()


def test_ties_go_to_the_method_named_first():
    losses = {"linear": 0.50005, "log_linear": 0.5}
    assert pools.better(losses, ["linear", "log_linear"]) == "linear"
    assert pools.better(losses | {"linear": 0.51}, ["linear", "log_linear"]) == "log_linear"


def test_one_model_alone_can_be_pooled():
    probabilities, labels, folds = models(4)
    blend = pools.nested("linear", probabilities[:1], labels, folds)
    np.testing.assert_allclose(blend, probabilities[0])


@pytest.mark.parametrize("method", ["hill_climbing", "stacking"])
def test_every_method_beats_the_best_member_on_independent_ones(method):
    probabilities, labels, folds = models(5)
    best = min(log_loss(labels, member) for member in probabilities)
    assert log_loss(labels, pools.nested(method, probabilities, labels, folds)) < best


def test_hill_climbing_comes_close_to_the_simplex_and_leaves_noise_out():
    probabilities, labels, _ = models(6, n=4000)
    noise = np.random.default_rng(1).dirichlet(np.ones(3) * 0.3, len(labels))
    members = np.stack([*probabilities[:2], noise])
    climbed = pools.fit("hill_climbing", members, labels)
    simplex = pools.fit("linear", members, labels)
    assert climbed.weights.sum() == pytest.approx(1)
    assert climbed.weights[2] == 0
    np.testing.assert_allclose(climbed.weights, simplex.weights, atol=0.05)


def test_stacking_weighs_a_model_by_class():
    """One member knows only class 0 against the rest, the other only class 2."""
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 3, 6000)
    logits = np.zeros((2, 6000, 3))
    logits[0, :, 0] = 2.0 * (labels == 0) + generator.normal(size=6000)
    logits[1, :, 2] = 2.0 * (labels == 2) + generator.normal(size=6000)
    probabilities = special.softmax(logits, axis=2)
    losses = {
        method: log_loss(labels, pools.fit(method, probabilities, labels).predict(probabilities))
        for method in ("log_linear", "stacking")
    }
    assert losses["stacking"] < losses["log_linear"] + 1e-6
    weights = pools.fit("stacking", probabilities, labels).weights
    assert weights.shape == (2, 3)
    assert weights[0, 0] > weights[1, 0]


@pytest.mark.parametrize("method", pools.TITLES)
def test_swapping_the_answers_swaps_the_blend(method):
    probabilities, labels, _ = models(8)
    tied = np.array([0, 0, 1])
    pool = pools.fit(method, probabilities, labels, tied=tied)
    forward = pool.predict(probabilities)
    backward = pool.predict(probabilities[:, :, [1, 0, 2]])
    np.testing.assert_allclose(forward[:, [1, 0, 2]], backward, atol=1e-12)


def test_the_answers_of_a_pair_share_their_parameters():
    arena, spooky = load_competition("arena"), load_competition("spooky")
    assert pools.tied_classes(arena.data.target, arena).tolist() == [0, 0, 1]
    assert pools.tied_classes(["EAP", "HPL", "MWS"], spooky).tolist() == [0, 1, 2]


def test_the_mean_is_of_all_models_whatever_their_scores():
    probabilities, labels, folds = models(5)
    blend = pools.nested("mean", probabilities, labels, folds)
    np.testing.assert_allclose(blend, probabilities.mean(axis=0))


@pytest.mark.parametrize("method", ["mean", "linear", "stacking"])
def test_a_pool_comes_back_from_its_record(method):
    probabilities, labels, _ = models(9)
    pool = pools.fit(method, probabilities, labels)
    names, classes = ["a", "b", "c"][: len(probabilities)], ["x", "y", "z"]
    record = {
        "method": method,
        "classes": classes,
        "weights": dict(zip(names, pool.importance().tolist(), strict=True)),
        "class_weights": dict(zip(names, pool.weights.tolist(), strict=True))
        if method == "stacking"
        else None,
        "bias": dict(zip(classes, pool.bias.tolist(), strict=True)),
    }
    members, restored = pools.Pool.restore(record)
    kept = [names.index(name) for name in members]
    np.testing.assert_allclose(
        restored.predict(probabilities[kept]), pool.predict(probabilities), atol=1e-12
    )
