"""Term counts of every distinct text.

One tokenising pass serves all columns, folds and models. A term is known by a 64-bit hash of
its text, so a vocabulary is a sorted array of integers and n-grams are made by arithmetic on
whole arrays instead of strings; with a million terms the chance of any collision is 3e-8.

Nothing here is fitted: which terms a model sees, their IDF and every scaling are chosen inside
each fold from training rows (`foldwise.features.tfidf`). Terms are dropped here only if they occur
in fewer than `min_df` training rows over all folds together, which every fold would drop too.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import sparse

from foldwise.config.sections import FeaturesConfig
from foldwise.features.wordforms import word_forms

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_WORD_OR_MARK = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_SPACE = re.compile(r"\s+")
_CHUNK_CHARS = 1_000_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: Fibonacci hashing
_SHIFT = np.uint64(29)
_Grams = tuple[sparse.csr_matrix, np.ndarray]  # counts by text, and the hash behind each column


@dataclass(frozen=True)
class TermCounts:
    """Counts of terms in texts.

    Attributes
    ----------
    matrix : csr_matrix of uint16 or int32, shape (n_texts, n_terms)
        How often each term occurs in each text.
    hashes : ndarray of uint64, shape (n_terms,)
        The term behind each column, ascending.
    """

    matrix: sparse.csr_matrix
    hashes: np.ndarray

    def restrict(self, hashes: np.ndarray) -> "TermCounts":
        """Return the counts with exactly the columns `hashes` (ascending), 0 where unknown."""
        place = term_places(self.hashes, hashes)
        return TermCounts(_remap(self.matrix, place, len(hashes)), hashes)


def distinct(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the distinct texts of some columns and, by column, where each row's text is.

    Parameters
    ----------
    columns : dict of str to ndarray of object, shape (n,)
        Texts by column.

    Returns
    -------
    texts : ndarray of object, shape (n_texts,)
    index : dict of str to ndarray of int32, shape (n,)
    """
    codes, texts = pd.factorize(np.concatenate(list(columns.values())))
    parts = np.split(codes.astype(np.int32), len(columns))
    return np.asarray(texts, dtype=object), dict(zip(columns, parts, strict=True))


def count_terms(
    texts: np.ndarray, config: FeaturesConfig, kind: str, jobs: int = 1
) -> tuple[TermCounts, TermCounts | None, list[str]]:
    """Count the n-grams of texts.

    Parameters
    ----------
    texts : ndarray of object, shape (n_texts,)
        The texts.
    config : FeaturesConfig
        n-gram lengths and the forms of words.
    kind : str
        "word" or "char".
    jobs : int
        Processes that count side by side.

    Returns
    -------
    counts : TermCounts
        All n-grams.
    words : TermCounts or None
        The single words alone, also where no n-gram is that short; None for characters.
    notes : list of str
        Fallbacks taken.
    """
    count = _count_words if kind == "word" else _count_chars
    chunks = _chunks(texts, config.max_chars)
    jobs = min(jobs, len(chunks))
    parts = Parallel(n_jobs=jobs)(delayed(count)(chunk, config) for chunk in chunks)
    counts = _merge([grams for grams, _, _ in parts])
    words = _merge([singles for _, singles, _ in parts]) if kind == "word" else None
    notes = sorted({note for _, _, found in parts for note in found})
    return counts, words, notes


def frequent(counts: TermCounts, rows_of_text: np.ndarray, min_df: int) -> TermCounts:
    """Drop the terms that occur in fewer than `min_df` rows.

    Parameters
    ----------
    counts : TermCounts
        Counts by text.
    rows_of_text : ndarray of int, shape (n_texts,)
        How many rows hold each text.
    min_df : int
        Least number of rows.
    """
    keep = document_frequency(counts.matrix, rows_of_text) >= min_df
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    return TermCounts(_remap(counts.matrix, place, int(keep.sum())), counts.hashes[keep])


def term_places(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return where each of `hashes` stands in `known` (ascending), -1 where it does not, int64."""
    place = np.searchsorted(known, hashes)
    place[place == len(known)] = -1
    if len(known):
        place[known[place] != hashes] = -1
    return place


def document_frequency(matrix: sparse.csr_matrix, rows_of_text: np.ndarray) -> np.ndarray:
    """Return in how many rows each term occurs, int64, shape (n_terms,)."""
    weights = np.repeat(rows_of_text, np.diff(matrix.indptr))
    return np.bincount(matrix.indices, weights, minlength=matrix.shape[1]).astype(np.int64)


def _chunks(texts: np.ndarray, max_chars: int) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    size = 0
    for text in texts:
        if max_chars and len(text) > max_chars:
            text = text[: max_chars // 2] + " " + text[-(max_chars // 2) :]
        if size > _CHUNK_CHARS:
            chunks.append([])
            size = 0
        chunks[-1].append(text)
        size += len(text)
    return chunks


def _count_words(
    texts: list[str], config: FeaturesConfig
) -> tuple[_Grams, _Grams | None, list[str]]:
    find = (_WORD_OR_MARK if config.punctuation else _WORD).findall
    seen: dict[str, int] = {}
    place = seen.setdefault
    stream, lengths = [], []
    for text in texts:
        found = find(text)
        lengths.append(len(found))
        stream += [place(word, len(seen)) for word in found]
    forms, notes = word_forms(list(seen), config)
    of_word = np.array([_hash(form) if form is not None else 0 for form in forms], dtype=np.uint64)
    hashes = of_word[np.array(stream, dtype=np.int64)] if stream else of_word
    document = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    kept = hashes != 0  # stop words go before n-grams are made, as in scikit-learn
    counted = hashes[kept], document[kept], len(texts)
    shortest, longest = config.word_ngrams or (1, 1)
    matrix, terms, n_singles = _ngram_matrix(*counted, (shortest, longest))
    singles = matrix[:, :n_singles], terms[:n_singles]
    if shortest > 1:
        singles = _ngram_matrix(*counted, (1, 1))[:2]
    return (matrix, terms), singles, notes


def _count_chars(
    texts: list[str], config: FeaturesConfig
) -> tuple[_Grams, _Grams | None, list[str]]:
    padded = [f" {_SPACE.sub(' ', t.lower() if config.lowercase else t).strip()} " for t in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    # Salted, so that a character is never mistaken for a word of one character.
    hashes = _scramble(codes.astype(np.uint64) + np.uint64(1 << 40))
    lengths = [len(text) for text in padded]
    document = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    return _ngram_matrix(hashes, document, len(texts), config.char_ngrams)[:2], None, []


def _ngram_matrix(
    hashes: np.ndarray, document: np.ndarray, n_texts: int, span: tuple[int, ...]
) -> tuple[sparse.csr_matrix, np.ndarray, int]:
    shortest, longest = span
    grams, documents = [], []
    gram = hashes
    singles = 0
    for n in range(1, longest + 1):
        if n > 1:
            gram = _scramble(gram[:-1] * _MULTIPLIER + hashes[n - 1 :])
        if n >= shortest:
            same = document[: len(gram)] == document[n - 1 :]
            grams.append(gram[same])
            documents.append(document[: len(gram)][same])
    # Single terms stand first in the stream, so their codes come first too.
    codes, terms = pd.factorize(np.concatenate(grams))
    if shortest == 1:
        singles = int(codes[: len(grams[0])].max(initial=-1)) + 1
    ones = np.ones(len(codes), dtype=np.int32)
    shape = (n_texts, len(terms))
    matrix = sparse.coo_matrix((ones, (np.concatenate(documents), codes)), shape=shape).tocsr()
    matrix.data = np.minimum(matrix.data, 65535).astype(np.uint16)
    return matrix, terms, singles


def _merge(parts: list[tuple[sparse.csr_matrix, np.ndarray]]) -> TermCounts:
    codes, hashes = pd.factorize(np.concatenate([terms for _, terms in parts]))
    order = np.argsort(hashes)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    places = np.split(rank[codes], np.cumsum([len(terms) for _, terms in parts])[:-1])
    blocks = [
        _remap(matrix, place, len(hashes)) for (matrix, _), place in zip(parts, places, strict=True)
    ]
    return TermCounts(sparse.vstack(blocks, format="csr"), hashes[order])


def _remap(matrix: sparse.csr_matrix, place: np.ndarray, n_terms: int) -> sparse.csr_matrix:
    """Move column j to column `place[j]`, or drop it where that is -1."""
    column = place[matrix.indices]
    kept = column >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    parts = (matrix.data[kept], column[kept].astype(np.int32), ends.astype(np.int64))
    moved = sparse.csr_matrix(parts, shape=(matrix.shape[0], n_terms))
    moved.sort_indices()
    return moved


def _hash(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def _scramble(values: np.ndarray) -> np.ndarray:
    """Spread the bits of uint64 values (a round of Fibonacci hashing and an xor-shift)."""
    values = values * _MULTIPLIER
    return values ^ (values >> _SHIFT)
