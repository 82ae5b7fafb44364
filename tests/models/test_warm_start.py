import numpy as np
from features.test_tfidf import pairs

from foldwise.features.featurise import featurise
from foldwise.features.tfidf import Design
from foldwise.models.linear_fit import LinearProblem, LinearWeights, Tying
from foldwise.models.warm_start import warm_start


def designs():
    """Return a pair's features, the design of the first half of the rows and that of all."""
    columns, competition = pairs()
    columns["response_a"][30] = "planted planted"
    table = featurise(columns, competition)[0]
    half = Design.fit(table.take(np.arange(20)), competition)
    return table, half, Design.fit(table, competition)


def some_weights(blocks):
    generator = np.random.default_rng(0)
    odd = generator.normal(size=blocks.odd.shape[1]).astype(np.float32)
    even = generator.normal(size=(blocks.even.shape[1], 1)).astype(np.float32)
    return LinearWeights(odd, even, np.array([0.5]))


def test_on_the_same_design_nothing_changes():
    table, half, _ = designs()
    weights = some_weights(half.transform(table))
    same = warm_start(weights, half, half)
    for ours, theirs in ((same.odd, weights.odd), (same.even, weights.even)):
        np.testing.assert_array_equal(ours, theirs)
    assert same.bias == weights.bias


def test_a_term_keeps_its_weight_and_a_new_one_gets_none():
    table, half, full = designs()
    weights = some_weights(half.transform(table))
    moved = warm_start(weights, half, full)
    blocks = full.transform(table)
    assert (len(moved.odd), len(moved.even)) == (blocks.odd.shape[1], blocks.even.shape[1])
    (old,) = (field for field in half.fields if len(field.columns) == 2)
    (new,) = (field for field in full.fields if len(field.columns) == 2)
    of_old = dict(zip(old.hashes.tolist(), weights.odd, strict=False))
    expected = [of_old.get(term, 0) for term in new.hashes.tolist()]
    assert 0 in expected
    np.testing.assert_array_equal(moved.odd[: len(expected)], np.array(expected, np.float32))
    dense = blocks.odd.dense.shape[1]
    np.testing.assert_array_equal(moved.odd[-dense:], weights.odd[-dense:])


def test_it_leads_to_the_same_solution():
    table, half, full = designs()
    labels, tying = np.arange(40) % 3, Tying(np.array([1.0, -1.0, 0.0]))

    def problem(design, n):
        blocks = design.transform(table.take(np.arange(n)))
        return LinearProblem(blocks, labels[:n], np.ones(n), tying)

    start = warm_start(problem(half, 20).fit(0.1), half, full)
    cold = problem(full, 40).fit(0.1, tolerance=1e-9)
    warm = problem(full, 40).fit(0.1, start=start, tolerance=1e-9)
    blocks = full.transform(table)
    for ours, theirs in zip(warm.scores(blocks), cold.scores(blocks), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
