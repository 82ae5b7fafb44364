"""The contract: what holds for every model of the first table."""

import numpy as np
import pytest
from madeup import fit, pair_rows, rows, single_rows

from foldwise.config.competition import load_competition
from foldwise.models.model import model_class

NAMES = ["prior", "logreg", "svm", "lightgbm"]


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("kind", ["pair", "single", "binary"])
def test_a_baseline_learns_what_can_be_learnt(name, kind, tmp_path):
    if kind == "pair":
        competition, data = pair_rows()
        classes = list(competition.data.target)
    else:
        classes = ["x", "y", "z"][: 2 if kind == "binary" else 3]
        competition, data = single_rows(n=400, classes=len(classes))
    cut = len(data) - 40
    train, held_out = data.take(np.arange(cut)), data.take(np.arange(cut, len(data)))
    model = fit(name, competition, train, tmp_path, classes)
    probabilities = model.predict(held_out.without_labels())
    assert probabilities.shape == (40, len(classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == held_out.labels).mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_may_have_no_ties(name, tmp_path):
    _, data = pair_rows(240)
    classes = ["winner_model_a", "winner_model_b"]
    settings = [
        'data.target=["winner_model_a","winner_model_b"]',
    ]
    data = data.take(np.flatnonzero(data.labels < 2))
    competition = load_competition("arena", settings)
    model = fit(name, competition, data, tmp_path, classes)
    probabilities = model.predict(data.without_labels())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    accuracy = (probabilities.argmax(axis=1) == data.labels).mean()
    assert name == "prior" or accuracy > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_swapping_the_answers_swaps_the_prediction(name, tmp_path):
    competition, data = pair_rows()
    model = fit(name, competition, data, tmp_path)
    _, new = pair_rows(n=30, seed=5)
    texts = new.texts | {
        "response_a": new.texts["response_b"],
        "response_b": new.texts["response_a"],
    }
    _, swapped = rows(competition, texts, new.labels)
    forward, backward = model.predict(new), model.predict(swapped)
    if name == "prior":
        np.testing.assert_array_equal(forward, backward)
    else:
        np.testing.assert_allclose(forward[:, [1, 0, 2]], backward, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_predicts_the_same(name, tmp_path):
    competition, data = pair_rows()
    model = fit(name, competition, data, tmp_path)
    model.save(tmp_path)
    again = model_class(name).load(tmp_path)
    np.testing.assert_allclose(again.predict(data), model.predict(data), atol=1e-12)
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.joblib"))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name, tmp_path):
    competition, data = pair_rows()
    first, again = (fit(name, competition, data, tmp_path).predict(data) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["logreg", "svm", "lightgbm"])
def test_a_label_tied_to_a_word_of_the_left_out_rows_is_never_learnt(name, tmp_path):
    competition, data = single_rows(classes=2)
    marked = data.texts["text"].copy()
    marked[120:] = [text + " planted planted" for text in marked[120:]]
    competition, planted = rows(competition, {"text": marked}, data.labels)
    train = planted.take(np.arange(120))
    model = fit(name, competition, train, tmp_path, ["x", "y"])
    probe = np.array(["planted", "foreign"], object)
    _, new = rows(competition, {"text": probe}, np.zeros(2, int))
    one, other = model.predict(new)
    np.testing.assert_allclose(one, other, atol=1e-6)
