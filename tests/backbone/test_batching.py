import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foldwise.backbone.batching import (
    MULTIPLE,
    Examples,
    micro_batches,
    step_batches,
    token_batches,
)
from foldwise.backbone.packing import Sequences

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=200).map(np.array)


@given(lengths, st.integers(8, 2000))
def test_token_batches_hold_each_row_once_within_the_budget(lengths, budget):
    batches = token_batches(lengths, budget)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


@given(lengths, st.integers(8, 2000), st.integers(0, 500))
def test_micro_batches_cost_no_more_than_full_ones(lengths, budget, overhead):
    def cost(batches):
        return sum(len(batch) * lengths[batch].max() + overhead for batch in batches)

    index = np.arange(0, len(lengths), 2)
    batches = micro_batches(lengths, budget, index, overhead)
    assert sorted(np.concatenate(batches)) == index.tolist()
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget
    full = [index[batch] for batch in token_batches(lengths[index], budget)]
    assert cost(batches) <= cost(full)


def test_a_long_row_does_not_pad_the_short_ones():
    lengths = np.array([16, 256, 24, 16, 24])
    batches = micro_batches(lengths, 4096, np.arange(5), 128)
    assert [batch.tolist() for batch in batches] == [[1], [2, 4, 0, 3]]


@given(lengths, st.integers(1, 32), st.integers(0, 5))
def test_steps_hold_each_row_once_and_exactly_batch_size(lengths, size, seed):
    steps = step_batches(lengths, size, np.random.default_rng(seed))
    assert sorted(np.concatenate(steps)) == list(range(len(lengths)))
    counts = sorted(map(len, steps), reverse=True)
    assert counts[:-1] == [size] * (len(steps) - 1)


def test_steps_are_drawn_anew_and_repeat_with_the_seed():
    lengths = np.random.default_rng(0).integers(1, 100, 500)

    def draw(seed):
        generator = np.random.default_rng(seed)
        return [[s.tolist() for s in step_batches(lengths, 16, generator)] for _ in range(2)]

    first, second = draw(1)
    assert first != second
    assert draw(1) == [first, second]


def test_pools_save_most_of_the_padding():
    lengths = np.random.default_rng(0).lognormal(4, 0.8, 4000).astype(int).clip(1, 256)
    steps = step_batches(lengths, 16, np.random.default_rng(0))
    padded = sum(len(s) * lengths[s].max() for s in steps)
    alone = sum(16 * lengths[i : i + 16].max() for i in range(0, 4000, 16))
    assert lengths.sum() / padded > 0.85 > 0.5 > lengths.sum() / alone


def _sequences(*rows, second=None):
    ids = [np.array(row, np.int32) for row in rows]
    return Sequences(ids, np.array([len(r) for r in rows] if second is None else second))


def test_batch_is_padded_and_masked():
    examples = Examples((_sequences([5, 6, 7], [8], second=[2, 1]),), False, 9, True)
    batch = examples.batch(np.array([1, 0]))
    assert batch["input_ids"].tolist() == [[8] + [9] * 7, [5, 6, 7] + [9] * 5]
    assert batch["attention_mask"].tolist() == [[1] + [0] * 7, [1, 1, 1] + [0] * 5]
    assert batch["token_type_ids"].tolist() == [[0] * 8, [0, 0, 1] + [0] * 5]


def test_both_sides_stand_one_above_the_other():
    examples = Examples((_sequences([1], [2]), _sequences([3, 3], [4, 4])), True, 0, False)
    batch = examples.batch(np.array([1, 0]))
    assert batch["input_ids"][:, :3].tolist() == [[2, 0, 0], [1, 0, 0], [4, 4, 0], [3, 3, 0]]
    assert examples.lengths.tolist() == [2 * MULTIPLE] * 2


def test_swapped_rows_are_read_in_the_other_order():
    examples = Examples((_sequences([1], [2]), _sequences([3], [4])), False, 0, False)
    batch = examples.batch(np.array([0, 1]), np.array([True, False]))
    assert batch["input_ids"][:, 0].tolist() == [3, 2]


@given(lengths)
def test_widths_are_multiples_of_eight(lengths):
    examples = Examples((_sequences(*[[1] * n for n in lengths]),), False, 0, False)
    batch = examples.batch(np.arange(len(lengths)))["input_ids"]
    assert batch.shape[1] == examples.lengths.max() == -(-max(lengths) // 8) * 8
