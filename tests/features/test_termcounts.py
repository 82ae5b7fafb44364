import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from foldwise.config.competition import load_competition
from foldwise.features.table import FeatureTable
from foldwise.features.termcounts import count_terms, distinct, frequent

TEXTS = np.array(
    [
        "the cat sat on the mat",
        "The dog, the cat!",
        "",
        "don't stop; don't",
        "été à Zürich 东京 🙂",
    ],
    dtype=object,
)


def features(*settings_):
    return load_competition("spooky", ["features.char_ngrams=[]", *settings_]).features


def as_dense(counts):
    return np.sort(counts.matrix.toarray(), axis=1)


@pytest.mark.parametrize("span", [(1, 1), (1, 2), (2, 3)])
def test_word_counts_are_those_of_scikit_learn(span):
    config = features(f"features.word_ngrams=[{span[0]}, {span[1]}]")
    counts, _, _ = count_terms(TEXTS, config, "word")
    theirs = CountVectorizer(
        ngram_range=span, token_pattern=r"(?u)\w+(?:['’]\w+)*|[^\w\s]", lowercase=True
    ).fit_transform(TEXTS)
    assert counts.matrix.shape == theirs.shape
    np.testing.assert_array_equal(as_dense(counts), np.sort(theirs.toarray(), axis=1))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet="ab é🙂", max_size=12), min_size=1, max_size=6))
def test_character_counts_are_those_of_scikit_learn(texts):
    config = features("features.char_ngrams=[2, 4]")
    padded = [f" {' '.join(text.lower().split())} " for text in texts]
    vectorizer = CountVectorizer(analyzer="char", ngram_range=(2, 4), lowercase=False)
    try:
        theirs = vectorizer.fit_transform(padded)
    except ValueError:
        return
    # scikit-learn folds runs of white space, so blank texts of two spaces differ: skip those.
    rows = [i for i, text in enumerate(padded) if text.strip()]
    counts, _, _ = count_terms(np.array(texts, dtype=object), config, "char")
    ours = [sorted(counts.matrix[i].data) for i in rows]
    assert ours == [sorted(theirs[i].data) for i in rows]


def test_chunks_and_processes_do_not_change_the_counts(monkeypatch):
    texts = np.array([f"word{i % 7} and word{i % 5} again" for i in range(60)], dtype=object)
    config = features()
    whole, _, _ = count_terms(texts, config, "word")
    monkeypatch.setattr("foldwise.features.termcounts._CHUNK_CHARS", 100)
    parts, _, _ = count_terms(texts, config, "word", jobs=2)
    np.testing.assert_array_equal(whole.hashes, parts.hashes)
    assert (whole.matrix != parts.matrix).nnz == 0


def test_restricting_keeps_known_terms_in_their_columns():
    config = features("features.word_ngrams=[1, 1]")
    first, _, _ = count_terms(np.array(["a b c", "b c d"], dtype=object), config, "word")
    second, _, _ = count_terms(np.array(["c x c", "a"], dtype=object), config, "word")
    restricted = second.restrict(first.hashes)
    assert restricted.matrix.shape == (2, 4)
    assert sorted(restricted.matrix[0].data) == [2]
    column_of_c = restricted.matrix[0].indices[0]
    assert (first.matrix[:, column_of_c].toarray().ravel() == [1, 1]).all()


def test_frequent_counts_rows_not_texts():
    config = features("features.word_ngrams=[1, 1]")
    counts, _, _ = count_terms(np.array(["rare", "common word"], dtype=object), config, "word")
    kept = frequent(counts, np.array([1, 2]), min_df=2)
    assert kept.matrix.shape == (2, 2)


def test_stemming_and_stop_words_change_the_vocabulary_only():
    config = features("features.stemming=porter", "features.stop_words=true")
    counts, _, _ = count_terms(
        np.array(["the runs", "running run", "the the"], dtype=object), config, "word"
    )
    assert counts.matrix.sum(axis=1).ravel().tolist()[0] == [1, 3, 0]


def test_distinct_texts_are_stored_once():
    columns = {"a": np.array(["x", "y"], object), "b": np.array(["y", "y"], object)}
    texts, index = distinct(columns)
    assert list(texts) == ["x", "y"]
    assert list(index["b"]) == [1, 1]


def test_a_saved_table_reads_back_equal(tmp_path):
    texts, index = distinct({"text": TEXTS})
    counts, _, _ = count_terms(texts, features(), "word")
    table = FeatureTable({"word": counts}, index, np.ones((5, 2), "f4"), np.zeros((5, 0), "f4"))
    table.save(tmp_path)
    again = FeatureTable.load(tmp_path)
    assert (again.counts["word"].matrix != counts.matrix).nnz == 0
    np.testing.assert_array_equal(again.index["text"], index["text"])
    assert len(again.take(np.array([0, 3]))) == 2
