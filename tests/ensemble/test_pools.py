import numpy as np
import pandas as pd
import pytest
from fabricate import bare_blend
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import log_loss

from foldwise.config.competition import load_competition
from foldwise.ensemble.pools import TITLES, Blend, Pool, tied_classes


def models(seed, n=600, noise=(0.5, 0.7, 3.0)):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 1.5
    labels = (generator.random((n, 1)) > special.softmax(logits, axis=1).cumsum(1)).sum(1)
    noisy = [special.softmax(logits + generator.normal(size=(n, 3)) * s, axis=1) for s in noise]
    return labels, np.stack(noisy), generator.integers(0, 5, n)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["linear", "log_linear"]))
def test_blends_are_probabilities(seed, method):
    labels, probabilities, folds = models(seed, n=120)
    blend = Blend(method).nested(labels, probabilities, folds)
    assert (blend >= 0).all()
    np.testing.assert_allclose(blend.sum(axis=1), 1)


@pytest.mark.parametrize("method", ["linear", "log_linear"])
def test_a_blend_beats_its_best_member_even_nested(method):
    labels, probabilities, folds = models(0, n=3000)
    best = min(log_loss(labels, p) for p in probabilities)
    assert log_loss(labels, Blend(method).nested(labels, probabilities, folds)) < best


def test_linear_weights_are_on_the_simplex_and_find_the_optimum():
    labels, probabilities, _ = models(1)
    pool = Blend("linear").fit(labels, probabilities)
    assert pool.weights.min() >= 0
    assert pool.weights.sum() == pytest.approx(1)
    best = log_loss(labels, pool.predict(probabilities))
    for weights in np.random.default_rng(0).dirichlet(np.ones(3), 200):
        # Equal weights are the prior, and a member may be dropped: not quite the optimum.
        assert best <= log_loss(labels, np.tensordot(weights, probabilities, 1)) + 5e-3


@pytest.mark.parametrize("method", ["linear", "log_linear"])
def test_a_model_that_adds_nothing_gets_weight_zero(method):
    labels, probabilities, _ = models(2, n=20000)
    pool = Blend(method).fit(labels, np.stack([*probabilities[:2], probabilities[0]]))
    assert (pool.weights == 0).sum() == 1
    assert pool.weights[1] > 0


def test_equal_weights_are_the_prior_that_many_rows_overrule():
    labels, probabilities, _ = models(5, n=20000, noise=(0.6, 1.0))
    few, many = (
        Blend("linear", bias=False)._fit_all(labels[:n], probabilities[:, :n])[0]
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
    blend = Blend("log_linear").nested(labels, members, folds)
    assert log_loss(labels, blend) < 1.0480


def test_noise_gets_weight_zero_in_a_log_linear_pool():
    labels, probabilities, _ = models(2, n=3000)
    noise = np.random.default_rng(1).dirichlet(np.ones(3) * 0.3, len(labels))
    pool = Blend("log_linear").fit(labels, np.stack([*probabilities[:2], noise]))
    assert pool.weights[2] == 0
    assert (pool.weights[:2] > 0).all()


def test_nested_weights_never_see_the_fold_they_blend():
    labels, probabilities, folds = models(3)
    inside = folds == 2
    before = Blend("log_linear").nested(labels, probabilities, folds)
    flipped = np.where(inside, (labels + 1) % 3, labels)
    after = Blend("log_linear").nested(flipped, probabilities, folds)
    np.testing.assert_array_equal(before[inside], after[inside])
    assert (before[~inside] != after[~inside]).any()


def test_one_model_alone_can_be_pooled():
    labels, probabilities, folds = models(4)
    blend = Blend("linear").nested(labels, probabilities[:1], folds)
    np.testing.assert_allclose(blend, probabilities[0])


@pytest.mark.parametrize("method", ["hill_climbing", "stacking"])
def test_every_method_beats_the_best_member_on_independent_ones(method):
    labels, probabilities, folds = models(5)
    best = min(log_loss(labels, member) for member in probabilities)
    assert log_loss(labels, Blend(method).nested(labels, probabilities, folds)) < best


def test_hill_climbing_comes_close_to_the_simplex_and_leaves_noise_out():
    labels, probabilities, _ = models(6, n=4000)
    noise = np.random.default_rng(1).dirichlet(np.ones(3) * 0.3, len(labels))
    members = np.stack([*probabilities[:2], noise])
    climbed = Blend("hill_climbing").fit(labels, members)
    simplex = Blend("linear").fit(labels, members)
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
        method: log_loss(labels, Blend(method).fit(labels, probabilities).predict(probabilities))
        for method in ("log_linear", "stacking")
    }
    assert losses["stacking"] < losses["log_linear"] + 1e-6
    weights = Blend("stacking").fit(labels, probabilities).weights
    assert weights.shape == (2, 3)
    assert weights[0, 0] > weights[1, 0]


@pytest.mark.parametrize("method", TITLES)
def test_swapping_the_answers_swaps_the_blend(method):
    labels, probabilities, _ = models(8)
    tied = np.array([0, 0, 1])
    pool = Blend(method, tied=tied).fit(labels, probabilities)
    forward = pool.predict(probabilities)
    backward = pool.predict(probabilities[:, :, [1, 0, 2]])
    np.testing.assert_allclose(forward[:, [1, 0, 2]], backward, atol=1e-12)


def test_the_answers_of_a_pair_share_their_parameters():
    arena, spooky = load_competition("arena"), load_competition("spooky")
    assert tied_classes(arena.data.target, arena).tolist() == [0, 0, 1]
    assert tied_classes(["EAP", "HPL", "MWS"], spooky).tolist() == [0, 1, 2]


def test_the_mean_is_of_all_models_whatever_their_scores():
    labels, probabilities, folds = models(5)
    blend = Blend("mean").nested(labels, probabilities, folds)
    np.testing.assert_allclose(blend, probabilities.mean(axis=0))


@pytest.mark.parametrize("method", ["mean", "linear", "stacking"])
def test_a_pool_comes_back_from_its_record(method):
    labels, probabilities, _ = models(9)
    pool = Blend(method).fit(labels, probabilities)
    names, classes = ["a", "b", "c"][: len(probabilities)], ["x", "y", "z"]
    stacked = dict(zip(names, pool.weights.tolist(), strict=True)) if method == "stacking" else None
    weights = dict(zip(names, pool.importance().tolist(), strict=True))
    bias = dict(zip(classes, pool.bias.tolist(), strict=True))
    record = bare_blend(classes, weights).replace(method=method, class_weights=stacked, bias=bias)
    members, restored = Pool.restore(record)
    kept = [names.index(name) for name in members]
    np.testing.assert_allclose(
        restored.predict(probabilities[kept]), pool.predict(probabilities), atol=1e-12
    )
