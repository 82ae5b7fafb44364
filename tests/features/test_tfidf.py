import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from foldwise.config.competition import load_competition
from foldwise.features.featurise import featurise
from foldwise.features.tfidf import Design, column_names

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()


def texts(n, seed, extra=()):
    generator = np.random.default_rng(seed)
    return np.array([" ".join(generator.choice([*WORDS, *extra], 8)) for _ in range(n)], object)


def single(values, *settings):
    competition = load_competition("spooky", ["features.char_ngrams=[]", *settings])
    return featurise({"text": values}, competition)[0], competition


def pairs(n=40):
    competition = load_competition("arena", ["features.min_df=1"])
    columns = {name: texts(n, seed) for seed, name in enumerate(competition.data.text)}
    return columns, competition


def test_weights_are_those_of_scikit_learn():
    values = texts(50, 0)
    table, competition = single(
        values, "features.word_ngrams=[1, 1]", "features.structure=false", "features.min_df=1"
    )
    ours = Design.fit(table, competition).transform(table).even.toarray()
    counts = TfidfVectorizer(norm=None, use_idf=False).fit_transform(values)
    theirs = TfidfVectorizer().fit(values)
    expected = np.log1p(counts.toarray()) * theirs.idf_
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.sort(ours), np.sort(expected), atol=1e-5)


def test_a_word_that_only_the_left_out_rows_hold_never_reaches_the_design():
    values = texts(60, 1)
    values[40:] = [text + " planted" for text in values[40:]]
    table, competition = single(values)
    inside, outside = table.take(np.arange(40)), table.take(np.arange(40, 60))
    design = Design.fit(inside, competition)
    alone = featurise({"text": values[:40]}, competition)[0]
    expected = Design.fit(alone, competition)
    for ours, theirs in zip(design.fields, expected.fields, strict=True):
        np.testing.assert_array_equal(ours.hashes, theirs.hashes)
        np.testing.assert_array_equal(ours.idf, theirs.idf)
    np.testing.assert_array_equal(design.scale["even"], expected.scale["even"])
    planted = featurise({"text": np.array(["planted"] * 2, object)}, competition)[0]
    known = np.concatenate([field.hashes for field in design.fields])
    assert not set(planted.counts["word"].hashes) & set(known)
    assert design.transform(outside).even.shape[1] == design.transform(inside).even.shape[1]


def test_new_texts_counted_on_the_designs_terms_give_the_same_blocks():
    columns, competition = pairs()
    table, _ = featurise(columns, competition)
    design = Design.fit(table.take(np.arange(30)), competition)
    new = {name: values[30:] for name, values in columns.items()}
    counted, _ = featurise(new, competition, hashes=design.hashes())
    whole, alone = design.transform(table.take(np.arange(30, 40))), design.transform(counted)
    np.testing.assert_allclose(whole.odd.toarray(), alone.odd.toarray(), atol=1e-6)
    np.testing.assert_allclose(whole.even.toarray(), alone.even.toarray(), atol=1e-6)


def test_swapping_the_answers_negates_the_odd_block_and_keeps_the_even_one():
    columns, competition = pairs()
    swapped = columns | {
        "response_a": columns["response_b"],
        "response_b": columns["response_a"],
    }
    table, other = (featurise(c, competition)[0] for c in (columns, swapped))
    design = Design.fit(table, competition)
    forward, backward = design.transform(table), design.transform(other)
    np.testing.assert_allclose(forward.odd.toarray(), -backward.odd.toarray(), atol=1e-6)
    np.testing.assert_allclose(forward.even.toarray(), backward.even.toarray(), atol=1e-6)


def test_min_df_and_max_features_hold_inside_the_fold():
    table, competition = single(texts(60, 2), "features.min_df=5", "features.max_features=7")
    design = Design.fit(table, competition)
    assert [len(field.hashes) for field in design.fields] == [7]


def test_a_saved_design_reads_back_equal(tmp_path):
    columns, competition = pairs()
    table, _ = featurise(columns, competition)
    design = Design.fit(table, competition)
    design.save(tmp_path)
    again = Design.load(tmp_path)
    np.testing.assert_array_equal(
        again.transform(table).even.toarray(), design.transform(table).even.toarray()
    )
    assert again.pair == design.pair


@pytest.mark.parametrize("name", ["arena", "spooky"])
def test_every_dense_column_has_a_name(name):
    competition = load_competition(name, ["features.char_ngrams=[]"])
    columns = {column: texts(20, i) for i, column in enumerate(competition.data.text)}
    table, _ = featurise(columns, competition)
    design = Design.fit(table, competition)
    blocks = design.transform(table)
    for block, names in column_names(design, competition).items():
        assert len(names) == getattr(blocks, block).dense.shape[1]
