import numpy as np
import pytest
from scipy import sparse

from foldwise.features.blocks import Block, Blocks, Terms

generator = np.random.default_rng(0)


def random(rows, columns, seed):
    return sparse.random(rows, columns, 0.3, "csr", np.float32, random_state=seed)


@pytest.fixture
def pair():
    """Answers A and B of 40 rows out of 15 texts; `|A - B|` needs the rest."""
    texts, dense = random(15, 30, 1), generator.normal(size=(40, 4)).astype(np.float32)
    a, b = generator.integers(0, 15, (2, 40))
    rows = np.arange(40)

    def pick(sign):
        values = np.concatenate([np.ones(40), np.full(40, sign)]).astype(np.float32)
        places = (np.tile(rows, 2), np.concatenate([a, b]))
        return sparse.csr_matrix((values, places), shape=(40, 15))

    rest = -2 * texts[a].minimum(texts[b]).tocsr()
    context = Terms.plain(random(40, 7, 2))
    even = Block((context, Terms(texts, pick(1), rest)), dense, (0.5, 2.0))
    odd = Block((Terms(texts, pick(-1)),), dense)
    difference = (texts[a] - texts[b]).toarray()
    return (
        (odd, np.hstack([difference, dense])),
        (even, np.hstack([context.texts.toarray(), np.abs(difference), dense])),
    )


def test_a_block_multiplies_like_the_matrix_it_stands_for(pair):
    for block, expected in pair:
        assert block.shape == expected.shape
        np.testing.assert_allclose(block.toarray(), expected, atol=1e-6)
        for shape in [(expected.shape[1],), (expected.shape[1], 3)]:
            weights = generator.normal(size=shape).astype(np.float32)
            np.testing.assert_allclose(block @ weights, expected @ weights, atol=1e-4)


def test_the_adjoint_sums_by_column(pair):
    for block, expected in pair:
        for shape in [(40,), (40, 3)]:
            values = generator.normal(size=shape).astype(np.float32)
            np.testing.assert_allclose(block.adjoint()(values), expected.T @ values, atol=1e-4)


def test_chosen_columns_are_those_of_the_whole_matrix(pair):
    for block, expected in pair:
        chosen = np.sort(generator.permutation(expected.shape[1])[:12])
        np.testing.assert_allclose(block.columns(chosen).toarray(), expected[:, chosen], atol=1e-6)


def test_squares_are_exact_where_a_row_has_one_text():
    texts, dense = random(9, 11, 3), generator.normal(size=(20, 2)).astype(np.float32)
    places = generator.integers(0, 9, 20)
    pick = sparse.csr_matrix((np.ones(20, np.float32), (np.arange(20), places)), shape=(20, 9))
    block, weight = Block((Terms(texts, pick),), dense), generator.random(20)
    np.testing.assert_allclose(block.squares(weight), weight @ block.toarray() ** 2, rtol=1e-4)


def test_a_swap_turns_the_odd_block_alone(pair):
    (odd, _), (even, _) = pair
    swapped = Blocks(odd, even).swapped()
    np.testing.assert_array_equal(swapped.odd.toarray(), -odd.toarray())
    assert swapped.even is even
    assert Blocks(None, even).swapped().odd is None


def test_every_column_has_the_scale_of_its_part(pair):
    (odd, _), (even, _) = pair
    assert odd.penalty_scale().tolist() == [1.0] * 34
    assert even.penalty_scale().tolist() == [0.5] * 7 + [2.0] * 30 + [1.0] * 4
