import numpy as np
import pytest
from transformers import AutoTokenizer

from foldwise.backbone.packing import Packer
from foldwise.backbone.source import packaged_folder
from foldwise.backbone.token_cache import TokenCache
from foldwise.data.cleaning import TURN

TEXTS = np.array(["the cat sat", f"one{TURN}two{TURN}", "", "a" * 5000, "naïve ✓"], object)


@pytest.fixture
def tokenizer():
    return AutoTokenizer.from_pretrained(packaged_folder())


class Counting:
    """A tokenizer that remembers what it was asked to tokenise."""

    def __init__(self, tokenizer):
        self._tokenizer, self.asked = tokenizer, []

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def __call__(self, texts, *args, **options):
        if isinstance(texts, list):
            self.asked += texts
        return self._tokenizer(texts, *args, **options)


def packer(tokenizer, folder, length=32):
    return Packer(tokenizer, length, TokenCache(folder, tokenizer, length))


def test_tokens_from_disk_are_those_of_the_tokenizer(tokenizer, tmp_path):
    plain = Packer(tokenizer, 32).pack([TEXTS, TEXTS[::-1]], [1, 1])
    for _ in range(2):
        cached = packer(tokenizer, tmp_path).pack([TEXTS, TEXTS[::-1]], [1, 1])
        for a, b in zip(plain.ids, cached.ids, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_text_is_tokenised_once_for_all_packers(tokenizer, tmp_path):
    counting = Counting(tokenizer)
    packer(counting, tmp_path).pack([TEXTS[:3]], [1])
    assert sorted(counting.asked) == ["", "one", "the cat sat", "two"]
    counting.asked.clear()
    packer(counting, tmp_path).pack([TEXTS[:4]], [1])
    assert len(counting.asked) == 1
    counting.asked.clear()
    packer(counting, tmp_path).pack([TEXTS[:4]], [1])
    assert counting.asked == []


def test_another_length_or_tokenizer_has_another_file(tokenizer, tmp_path):
    there = TokenCache(tmp_path, tokenizer, 32).path
    assert TokenCache(tmp_path, tokenizer, 64).path != there
    other = AutoTokenizer.from_pretrained(packaged_folder())
    assert TokenCache(tmp_path, other, 32).path == there
    other.add_tokens(["catsat"])
    assert TokenCache(tmp_path, other, 32).path != there


def test_a_broken_file_is_made_again(tokenizer, tmp_path):
    first = packer(tokenizer, tmp_path)
    whole = first.pack([TEXTS], [1])
    first.cache.path.write_bytes(b"broken off")
    again = packer(tokenizer, tmp_path).pack([TEXTS], [1])
    np.testing.assert_array_equal(np.concatenate(whole.ids), np.concatenate(again.ids))
    assert len(first.cache.read(TEXTS[:1])) == 1
