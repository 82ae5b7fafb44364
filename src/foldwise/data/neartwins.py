"""Texts that are nearly the same: banded MinHash over word shingles, each candidate verified.

Two texts of Jaccard similarity s share one of 16 bands of 4 hashes with probability
1 - (1 - s^4)^16 (Leskovec et al., Mining of Massive Datasets, section 3.4): 0.98 at the border of
0.7, 0.9998 at 0.8. The cost is linear in the text.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

_SHINGLE = 3  # words
_FEWEST = 10  # words of a text that can have a near twin: a short one is alike by chance
_BANDS, _ROWS = 16, 4
_ALIKE = 0.7  # Jaccard similarity of the shingles from which texts are near twins
_CHUNK = 2_000_000  # shingles hashed at a time


def twin_families(keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return who is the twin of whom.

    Parameters
    ----------
    keys : sequence of str, length n
        Texts under the key that finds exact twins (`cleaning.normalise_column`).

    Returns
    -------
    exact, near : ndarray of int64, shape (n,)
        Rows of one number are exact twins; exact or near ones.
    """
    exact, distinct = pd.factorize(np.asarray(keys, dtype=object))
    texts = [_shingles(key) for key in distinct]
    places = np.array([i for i, text in enumerate(texts) if len(text)], dtype=np.int64)
    if len(places) < 2:
        return exact, exact
    left, right = _candidates(_signatures([texts[i] for i in places]))
    alike = [
        _jaccard(texts[places[a]], texts[places[b]]) >= _ALIKE
        for a, b in zip(left, right, strict=True)
    ]
    edges = np.array(alike, dtype=bool)
    shape = (len(distinct), len(distinct))
    ends = (places[left[edges]], places[right[edges]])
    graph = sparse.coo_matrix((np.ones(int(edges.sum())), ends), shape=shape)
    return exact, connected_components(graph, directed=False)[1][exact].astype(np.int64)


def _shingles(key: str) -> np.ndarray:
    """Return the distinct hashes of a text's shingles, ascending; none for a text too short."""
    words = key.split()
    if len(words) < _FEWEST:
        return np.empty(0, dtype=np.uint32)
    codes = pd.util.hash_array(np.array(words, dtype=object), categorize=False)
    mixed = codes[: len(codes) - _SHINGLE + 1].copy()
    for k in range(1, _SHINGLE):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes[k : len(codes) - _SHINGLE + 1 + k]
        mixed ^= mixed >> np.uint64(29)
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


def _signatures(texts: list[np.ndarray]) -> np.ndarray:
    """Return the smallest value of each of 64 hash functions, uint32, shape (n, 64)."""
    generator = np.random.default_rng(0)
    factors = generator.integers(0, 2**31, _BANDS * _ROWS, dtype=np.uint32) * np.uint32(2)
    factors += np.uint32(1)  # odd: each function is a permutation
    shifts = generator.integers(0, 2**32, _BANDS * _ROWS, dtype=np.uint32)
    sizes = np.array([len(text) for text in texts])
    found = np.empty((len(texts), len(factors)), dtype=np.uint32)
    chunk = np.cumsum(sizes) // _CHUNK
    for number in np.unique(chunk):
        rows = np.flatnonzero(chunk == number)
        values = np.concatenate([texts[i] for i in rows])
        starts = np.cumsum(sizes[rows]) - sizes[rows]
        for k, (factor, shift) in enumerate(zip(factors, shifts, strict=True)):
            found[rows, k] = np.minimum.reduceat(values * factor + shift, starts)
    return found


def _candidates(signatures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of rows to compare: neighbours in a bucket, and each with its first."""
    n = len(signatures)
    pairs = []
    for band in np.split(signatures.astype(np.uint64), _BANDS, axis=1):
        key = np.zeros(n, dtype=np.uint64)
        for column in band.T:
            key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(32)
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        starts = np.maximum.accumulate(np.where(np.r_[False, same], 0, np.arange(n)))
        here = order[1:][same]
        pairs += [order[:-1][same] * n + here, order[starts[1:]][same] * n + here]
    found = np.unique(np.concatenate(pairs))
    return found // n, found % n


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
