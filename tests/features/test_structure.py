import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.data.cleaning import TURN
from foldwise.features.featurise import featurise
from foldwise.features.structure import NAMES, describe, overlap_names, structure_matrix


def feature(text, name):
    return describe(text)[NAMES.index(name)]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("One two. Three?", "words", 3),
        ("One two. Three?", "sentences", 2),
        ("- a\n- b\n* c", "bullets", 3),
        ("1. a\n2) b", "numbered", 2),
        ("# Title\n\nText", "headings", 1),
        ("**a** and **b**", "bold", 2),
        ("```\ncode\n```", "code_fences", 1),
        ("| a | b |\n| 1 | 2 |", "table_rows", 2),
        ("Why? How?", "questions", 2),
        ("Hi 🙂🚀", "emoji", 2),
        ("I'm sorry, but I can't help.", "refusals", 2),
        ("No lo sé, lo siento.", "refusals", 1),
        ("It ends in mid", "ends_open", 1),
        ("It ends.", "ends_open", 0),
        ("", "empty", 1),
        (f"a{TURN}{TURN}ccc", "turns", 3),
        (f"a{TURN}{TURN}ccc", "empty_turns", 1),
        (f"a{TURN}{TURN}ccc", "last_turn_chars", 3),
        ("abc 12", "digit_share", 2 / 6),
        ("ABcd", "capital_share", 0.5),
    ],
)
def test_a_feature_counts_what_its_name_says(text, name, value):
    assert feature(text, name) == pytest.approx(value)


@given(st.text(max_size=200))
def test_any_text_has_finite_features(text):
    assert np.isfinite(structure_matrix([text])).all()


@pytest.mark.parametrize("span", ["[1, 2]", "[2, 3]", "[]"])
def test_overlap_knows_identical_answers_and_the_prompts_words(span):
    settings = ["features.min_df=1", "features.char_ngrams=[2, 3]", f"features.word_ngrams={span}"]
    competition = load_competition("arena", settings)
    columns = {
        "prompt": np.array(["name three colours", "name three colours"], object),
        "response_a": np.array(["three colours: red", "same words"], object),
        "response_b": np.array(["no idea", "same words"], object),
    }
    table, _ = featurise(columns, competition)
    odd, even = overlap_names(competition.pair, competition.data.text)
    of = dict(zip(odd + even, table.overlap.T, strict=True))
    np.testing.assert_array_equal(of["answers_identical"], [0, 1])
    np.testing.assert_allclose(of["answers_alike"], [0, 1])
    np.testing.assert_allclose(of["prompt_covered"], [2 / 3, 0], atol=1e-6)
