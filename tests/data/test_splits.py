import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.data.splits import draw_folds, inner_split


@settings(max_examples=50, deadline=None)
@given(st.integers(30, 300), st.integers(2, 5), st.integers(2, 4), st.integers(0, 99))
def test_groups_are_never_cut_and_every_row_has_one_fold(n, folds, classes, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    groups = np.unique(generator.integers(0, n, n), return_inverse=True)[1]
    fold = draw_folds(labels, groups, folds, seed)
    assert fold.min() >= 0
    assert fold.max() < folds
    for group in np.unique(groups):
        assert len(set(fold[groups == group])) == 1


def test_single_rows_are_dealt_level_by_class_and_size():
    labels = np.repeat([0, 1, 2], [100, 37, 8])
    fold = draw_folds(labels, np.arange(145), 5, seed=0)
    table = np.array([[(labels[fold == k] == c).sum() for c in range(3)] for k in range(5)])
    assert (np.ptp(table, axis=0) <= 1).all()
    assert np.ptp(table.sum(axis=1)) <= 2


def test_large_groups_still_give_even_folds():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 100, 5000)
    labels = generator.integers(0, 3, 5000)
    sizes = np.bincount(draw_folds(labels, groups, 5, seed=1))
    assert sizes.max() < 1.05 * sizes.min()


def test_the_draw_depends_on_the_seed_alone():
    labels, groups = np.arange(200) % 2, np.arange(200) // 2
    first, again = (draw_folds(labels, groups, 4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != draw_folds(labels, groups, 4, seed=6)).any()


def test_inner_splits_keep_groups_whole_and_cover_every_row_once():
    groups = np.repeat(np.arange(50), 2).astype(str)
    held = []
    for fit, out in inner_split(np.arange(100) % 2, groups, 3, seed=0):
        assert not set(groups[fit]) & set(groups[out])
        held += list(out)
    assert sorted(held) == list(range(100))
