import numpy as np
from scipy import sparse

from foldwise.features.blocks import Block, Terms
from foldwise.models.nb_ratio import _SMOOTHING, log_count_ratio

TEXTS = np.array([[1, 1, 0], [2, 0, 0], [0, 1, 1], [0, 3, 1]], dtype=np.float32)
LABELS = np.array([0, 0, 1, 1])


def block(texts=TEXTS, dense=0):
    matrix = sparse.csr_matrix(texts)
    return Block((Terms.plain(matrix),), np.zeros((len(texts), dense), np.float32))


def test_the_ratio_is_that_of_naive_bayes_on_presence():
    ratio = log_count_ratio(block(), LABELS, 2)
    inside = np.array([[2, 0], [1, 2], [0, 2]]) + _SMOOTHING
    share = inside / inside.sum(axis=0)
    np.testing.assert_allclose(ratio[:, 0], np.abs(np.log(share[:, 0] / share[:, 1])), rtol=1e-5)
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1], rtol=1e-5)


def test_a_word_that_favours_nobody_keeps_a_finite_penalty():
    ratio = log_count_ratio(block(np.ones((4, 1), np.float32)), LABELS, 2)
    assert (ratio > 0).all()
    assert (1 / ratio**2 < 1e7).all()


def test_dense_features_are_left_as_they_are():
    ratio = log_count_ratio(block(dense=5), LABELS, 2)
    assert ratio.shape == (8, 2)
    assert (ratio[3:] == 1).all()


def test_a_text_shared_by_rows_counts_once_a_row():
    pick = sparse.csr_matrix(np.eye(3, dtype=np.float32)[[0, 0, 1, 2]])
    shared = Block((Terms(sparse.csr_matrix(TEXTS[[0, 2, 3]]), pick),), np.zeros((4, 0)))
    whole = block(TEXTS[[0, 0, 2, 3]])
    np.testing.assert_allclose(
        log_count_ratio(shared, LABELS, 2), log_count_ratio(whole, LABELS, 2), rtol=1e-6
    )
