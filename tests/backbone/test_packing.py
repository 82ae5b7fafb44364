import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from foldwise.backbone.packing import Packer, fit_turns, head_and_tail, share_out
from foldwise.backbone.source import packaged_folder
from foldwise.data.cleaning import TURN
from foldwise.errors import UserError

parts = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 500), min_size=n, max_size=n),
        st.lists(st.floats(0.05, 1), min_size=n, max_size=n),
        st.integers(0, 600),
    )
)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(packaged_folder())


@given(parts)
def test_budgets_stay_within_lengths_and_total(case):
    lengths, shares, total = case
    budgets = share_out(lengths, shares, total)
    assert all(0 <= b <= n for b, n in zip(budgets, lengths, strict=True))
    assert sum(budgets) <= total


@given(parts)
def test_an_unused_share_flows_to_the_others(case):
    lengths, shares, total = case
    assert sum(share_out(lengths, shares, total)) == min(total, sum(lengths))


@given(parts)
def test_nobody_is_cut_below_its_own_share(case):
    lengths, shares, total = case
    for b, n, share in zip(share_out(*case), lengths, shares, strict=True):
        assert b >= min(n, int(total * share / sum(shares) - 1e-9))


def test_budget_example():
    assert share_out([10, 500, 500], [0.25, 0.375, 0.375], 100) == [10, 45, 45]
    assert share_out([500, 10, 500], [0.25, 0.375, 0.375], 100) == [36, 10, 54]


@given(st.integers(0, 60), st.integers(0, 60))
def test_head_and_tail_are_kept(n, budget):
    tokens = np.arange(n)
    kept = head_and_tail(tokens, budget)
    assert len(kept) == min(n, budget)
    head = (len(kept) + 1) // 2
    assert (kept[:head] == tokens[:head]).all()
    assert (kept[head:] == tokens[n - len(kept) + head :]).all()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 80))
def test_turns_fit_and_the_last_are_kept_first(sizes, budget):
    joint = np.array([-1], np.int32)
    turns = [np.arange(n, dtype=np.int32) + 100 * k for k, n in enumerate(sizes)]
    kept = fit_turns(turns, joint, budget)
    assert len(kept) <= budget
    whole = np.concatenate([x for turn in turns for x in (joint, turn)][1:])
    if len(whole) <= budget:
        assert kept.tolist() == whole.tolist()
    elif sizes[-1] <= budget:
        assert kept[len(kept) - sizes[-1] :].tolist() == turns[-1].tolist()


def test_pair_is_framed_as_the_tokenizer_frames_it(tokenizer):
    made = Packer(tokenizer, 64).pack([np.array(["a prompt"]), np.array(["an answer"])], [1, 1])
    own = tokenizer("a prompt", "an answer")
    assert made.ids[0].tolist() == own["input_ids"]
    assert made.second[0] == own["token_type_ids"].index(1)


def test_single_text_has_no_second_part(tokenizer):
    made = Packer(tokenizer, 64).pack([np.array(["just one text"])], [1])
    assert made.ids[0].tolist() == tokenizer("just one text")["input_ids"]
    assert made.second[0] == len(made.ids[0])


@given(
    st.lists(st.text(max_size=400), min_size=3, max_size=3),
    st.integers(16, 80),
    st.floats(0.1, 0.9),
)
def test_a_sequence_is_never_longer_than_max_length(tokenizer, texts, max_length, share):
    columns = [np.array([text], dtype=object) for text in texts]
    shares = [share, (1 - share) / 2, (1 - share) / 2]
    made = Packer(tokenizer, max_length).pack(columns, shares)
    assert made.lengths[0] <= max_length
    assert (made.ids[0] == tokenizer.sep_token_id).sum() >= 3


def test_turns_are_told_apart(tokenizer):
    made = Packer(tokenizer, 64).pack([np.array([f"one{TURN}two"])], [1])
    assert tokenizer.decode(made.ids[0]) == "[CLS] one [SEP] two [SEP]"


def test_a_long_text_keeps_both_ends(tokenizer):
    words = " ".join(f"w{i}" for i in range(2000))
    made = Packer(tokenizer, 32).pack([np.array([f"start {words} end"])], [1])
    text = tokenizer.decode(made.ids[0])
    assert text.startswith("[CLS] start") and text.endswith("end [SEP]")
    assert made.lengths[0] == 32


def test_each_distinct_text_is_tokenised_once(tokenizer):
    calls = []

    class Counting:
        sep_token_id = tokenizer.sep_token_id

        def __call__(self, texts, *args, **kwargs):
            calls.extend([texts] if isinstance(texts, str) else texts)
            return tokenizer(texts, *args, **kwargs)

    packer = Packer(Counting(), 32)
    calls.clear()
    for _ in range(2):
        packer.pack([np.array(["same", "same", "other"], object)], [1])
    assert sorted(calls) == ["other", "same"]


def test_too_short_a_sequence_is_refused(tokenizer):
    with pytest.raises(UserError, match="max_length = 8 is too short for 3 texts"):
        Packer(tokenizer, 8).pack([np.array(["x"])] * 3, [1, 1, 1])
