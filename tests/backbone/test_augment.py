import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from foldwise.backbone.augment import Augment
from foldwise.backbone.packing import Packer
from foldwise.backbone.source import packaged_folder
from foldwise.config.competition import load_competition
from foldwise.data.cleaning import TURN

WORDS = "the unbelievable cat sat on multicoloured mats while internationalisation failed".split()
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(packaged_folder())


def augment(tokenizer, **rates):
    settings = [f"bert.{name}={rate}" for name, rate in rates.items()]
    return Augment(load_competition("spooky", settings).bert, tokenizer)


def packed(tokenizer, *columns):
    parts = [np.array([text], object) for text in columns]
    return Packer(tokenizer, 96).pack(parts, [1.0] * len(parts))


def words(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True).split()


@settings(deadline=None, max_examples=50)
@given(text=texts, seed=st.integers(0, 99))
def test_deletion_takes_whole_words_and_leaves_some(tokenizer, text, seed):
    sequences = packed(tokenizer, text)
    changed = augment(tokenizer, word_deletion=0.5).words(sequences, np.random.default_rng(seed))
    left = iter(words(tokenizer, sequences.ids[0]))
    kept = words(tokenizer, changed.ids[0])
    assert kept and all(word in left for word in kept)


@settings(deadline=None, max_examples=50)
@given(text=texts, seed=st.integers(0, 99))
def test_swapping_keeps_every_word_and_moves_none_by_more_than_one(tokenizer, text, seed):
    sequences = packed(tokenizer, text)
    changed = augment(tokenizer, word_swap=0.5).words(sequences, np.random.default_rng(seed))
    before, after = (words(tokenizer, s.ids[0]) for s in (sequences, changed))
    assert sorted(before) == sorted(after)
    for i, word in enumerate(after):
        assert word in before[max(0, i - 1) : i + 2]


@settings(deadline=None, max_examples=50)
@given(texts, texts, st.integers(0, 99))
def test_special_tokens_stay_and_parts_do_not_mix(tokenizer, first, second, seed):
    rates = {"word_deletion": 0.3, "word_swap": 0.5, "token_dropout": 0.3}
    sequences = packed(tokenizer, first, second)
    changed = augment(tokenizer, **rates).words(sequences, np.random.default_rng(seed))
    ids = changed.ids[0]
    frame = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.sep_token_id]
    assert [i for i in ids if i in frame] == frame
    assert ids[changed.second[0] - 1] == tokenizer.sep_token_id
    for part, text in ((ids[: changed.second[0]], first), (ids[changed.second[0] :], second)):
        allowed = {*tokenizer(text)["input_ids"], tokenizer.mask_token_id}
        assert set(part.tolist()) <= allowed


def test_rates_are_what_the_configuration_says(tokenizer):
    sequences = packed(tokenizer, " ".join(["cat"] * 90))
    generator = np.random.default_rng(0)
    one = augment(tokenizer, token_dropout=0.2)
    shares = [(one.words(sequences, generator).ids[0] == tokenizer.mask_token_id).mean() * 92 / 90
              for _ in range(50)]  # fmt: skip
    assert abs(np.mean(shares) - 0.2) < 0.02
    two = augment(tokenizer, word_deletion=0.2)
    kept = [len(two.words(sequences, generator).ids[0]) - 2 for _ in range(50)]
    assert abs(np.mean(kept) / 90 - 0.8) < 0.02


def test_turns_are_dropped_in_all_columns_alike_and_the_last_one_stays(tokenizer):
    turns = [f"{i}" for i in range(8)]
    columns = {
        "prompt": np.array([TURN.join(turns), "only"], object),
        "answer": np.array([TURN.join(f"a{t}" for t in turns), "one"], object),
    }
    one = augment(tokenizer, turn_dropping=0.5)
    lengths = set()
    for seed in range(20):
        changed = one.turns(columns, np.random.default_rng(seed))
        prompt, answer = (changed[name][0].split(TURN) for name in columns)
        assert answer == [f"a{turn}" for turn in prompt]
        assert prompt == sorted(prompt) and prompt[-1] == "7"
        assert changed["prompt"][1] == "only" and changed["answer"][1] == "one"
        lengths.add(len(prompt))
    assert len(lengths) > 2 and columns["prompt"][0].count(TURN) == 7


def test_with_all_rates_at_zero_nothing_is_changed(tokenizer):
    none = augment(tokenizer)
    sequences = packed(tokenizer, "the cat")
    assert not none.active
    assert none.words(sequences, np.random.default_rng(0)) is sequences
