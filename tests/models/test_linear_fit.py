import numpy as np
import pytest
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from foldwise.features.blocks import Block, Blocks, Terms
from foldwise.models.linear_fit import LinearProblem, LinearWeights, Tying

TIED, FREE = Tying(np.array([1.0, -1.0, 0.0])), Tying(np.zeros(3))  # classes: a, b, tie


def blocks_of(odd, even):
    return Blocks(*(None if x is None else block_of(x) for x in (odd, even)))


def block_of(matrix, scale=1.0):
    return Block((Terms.plain(matrix),), np.zeros((matrix.shape[0], 0), np.float32), (scale,))


def fit_linear(
    blocks, labels, weight, tying, C, loss="softmax", max_iter=200, even_scale=None, **options
):
    return LinearProblem(blocks, labels, weight, tying, loss, max_iter, even_scale).fit(
        C, **options
    )


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    odd = sparse.random(300, 12, density=0.4, random_state=1, format="csr", dtype=np.float32)
    odd.data = odd.data * 2 - 1
    even = sparse.random(300, 8, density=0.4, random_state=2, format="csr", dtype=np.float32)
    better = odd @ generator.normal(size=12)
    tie = even @ generator.normal(size=8)
    logits = np.stack([better, -better, tie], axis=1)
    labels = np.array([generator.choice(3, p=special.softmax(row)) for row in logits])
    return odd, even, labels


def test_without_a_pair_it_is_scikit_learns_logistic_regression(data):
    _, even, labels = data
    blocks = blocks_of(None, even)
    tying = FREE
    ours = fit_linear(blocks, labels, np.ones(300), tying, C=0.7, tolerance=1e-10, max_iter=1000)
    theirs = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(even, labels)
    probabilities = special.softmax(tying.logits(*ours.scores(blocks)), axis=1)
    np.testing.assert_allclose(probabilities, theirs.predict_proba(even), atol=2e-4)


def test_the_squared_hinge_is_scikit_learns_linear_svm(data):
    _, even, labels = data
    blocks, tying = blocks_of(None, even), FREE
    ours = fit_linear(
        blocks, labels, np.ones(300), tying, 0.5, "squared_hinge", tolerance=1e-11, max_iter=2000
    )
    # A large intercept scaling leaves the bias as good as free, as ours is.
    theirs = LinearSVC(C=0.5, intercept_scaling=10, max_iter=100000, tol=1e-8, dual=True)
    theirs.fit(even, labels)
    np.testing.assert_allclose(ours.scores(blocks)[1], theirs.decision_function(even), atol=2e-2)


def test_the_machine_for_a_pair_looks_at_rows_without_ties_alone(data):
    odd, even, labels = data
    tying = TIED
    blocks = blocks_of(odd, even)
    ours = fit_linear(
        blocks, labels, np.ones(300), tying, 0.5, "squared_hinge", tolerance=1e-11, max_iter=2000
    )
    decided = labels != 2
    theirs = LinearSVC(C=0.5, fit_intercept=False, max_iter=100000, tol=1e-8, dual=True)
    theirs.fit(odd[decided], labels[decided] == 0)
    np.testing.assert_allclose(ours.odd, theirs.coef_[0], atol=2e-3)


def test_a_tied_model_is_the_one_fitted_on_rows_in_both_orders(data):
    odd, even, labels = data
    blocks = blocks_of(odd, even)
    tying = TIED
    ours = fit_linear(blocks, labels, np.ones(300), tying, C=1e6, tolerance=1e-12, max_iter=5000)
    swap = np.array([1, 0, 2])
    doubled = sparse.vstack([sparse.hstack([odd, even]), sparse.hstack([-odd, even])])
    both = np.concatenate([labels, swap[labels]])
    theirs = LogisticRegression(C=1e6, tol=1e-9, max_iter=5000).fit(doubled, both)
    expected = theirs.predict_proba(sparse.hstack([odd, even]).tocsr())
    probabilities = special.softmax(tying.logits(*ours.scores(blocks)), axis=1)
    np.testing.assert_allclose(probabilities, expected, atol=5e-3)


def test_swapping_the_pair_swaps_the_scores_exactly(data):
    odd, even, labels = data
    blocks = blocks_of(odd, even)
    tying = TIED
    weights = fit_linear(blocks, labels, np.ones(300), tying, C=1.0)
    forward, backward = (tying.logits(*weights.scores(b)) for b in (blocks, blocks.swapped()))
    np.testing.assert_array_equal(forward[:, [1, 0, 2]], backward)


def test_a_warm_start_reaches_the_same_optimum(data):
    _, even, labels = data
    blocks, tying = blocks_of(None, even), FREE
    args = (blocks, labels, np.ones(300), tying)
    small = fit_linear(*args, C=0.01)
    warm = fit_linear(*args, C=1.0, start=small, tolerance=1e-10, max_iter=1000)
    cold = fit_linear(*args, C=1.0, tolerance=1e-10, max_iter=1000)
    np.testing.assert_allclose(warm.even, cold.even, atol=2e-3)


def test_row_weights_count_like_repeated_rows(data):
    _, even, labels = data
    tying = FREE
    weight = np.where(labels == 2, 2.0, 1.0)
    rows = np.repeat(np.arange(300), weight.astype(int))
    options = {"C": 1.0, "tolerance": 1e-10, "max_iter": 1000}
    weighted = fit_linear(blocks_of(None, even), labels, weight, tying, **options)
    repeated = fit_linear(
        blocks_of(None, even[rows]), labels[rows], np.ones(len(rows)), tying, **options
    )
    np.testing.assert_allclose(weighted.even, repeated.even, atol=2e-3)


def test_a_scale_of_the_columns_is_a_penalty_of_their_weights(data):
    _, even, labels = data
    tying, weight = FREE, np.ones(300)
    options = {"tolerance": 1e-12, "max_iter": 2000}
    scaled = Blocks(None, block_of(even, scale=0.5))
    ours = fit_linear(scaled, labels, weight, tying, 2.0, **options)
    plain = fit_linear(blocks_of(None, even), labels, weight, tying, 0.5, **options)
    np.testing.assert_allclose(ours.even, plain.even, atol=2e-3)
    given = np.full((8, 3), 0.5)
    ours = fit_linear(
        blocks_of(None, even), labels, weight, tying, 2.0, even_scale=given, **options
    )
    np.testing.assert_allclose(ours.even, plain.even, atol=2e-3)


def test_zero_weights_say_nothing(data):
    odd, even, _ = data
    blocks, tying = blocks_of(odd, even), TIED
    assert not tying.logits(*LinearWeights.zeros(blocks, tying).scores(blocks)).any()
