from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foldwise.config.competition import load_competition
from foldwise.features.rows import Rows
from foldwise.models import embedding
from foldwise.models.embedding import Embedding
from foldwise.models.model import Task

GOOD = ["a clear and correct answer", "precise, complete and helpful", "a careful explanation"]
BAD = ["no idea", "asdf qwer", "I refuse to say anything"]


@pytest.fixture
def task(tiny_encoder):
    def make(name, *settings, **changes):
        base = [f"embedding.model={tiny_encoder}", "embedding.max_length=32"]
        competition = load_competition(name, [*base, *settings])
        classes = list(competition.data.classes or competition.data.target)
        values = {"class_weights": np.ones(3), "seed": 0, "fold": 0, "scratch": Path("unused")}
        return Task(**{"competition": competition, "classes": classes, **values, **changes})

    embedding._encoder.cache_clear()
    return make


def pair_rows(n, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    texts = {
        side: np.array([generator.choice(GOOD if k == label else BAD) for label in labels], object)
        for k, side in enumerate(("response_a", "response_b"))
    }
    prompts = np.array([f"question {i}" for i in range(n)], object)
    return Rows(prompts, {"prompt": prompts, **texts}, prompts, labels)


def single_rows(n, seed=0):
    rows = pair_rows(n, seed)
    return Rows(rows.ids, {"text": rows.texts["response_a"]}, rows.groups, rows.labels)


def swapped(rows):
    a, b = rows.texts["response_a"], rows.texts["response_b"]
    return replace(rows, texts={**rows.texts, "response_a": b, "response_b": a}, labels=None)


def loss(model, rows):
    return -np.log(model.predict(rows)[np.arange(len(rows)), rows.labels]).mean()


def test_it_learns_pairs(task):
    fitted = Embedding.fit(pair_rows(200), task("arena"))
    assert loss(fitted, pair_rows(100, seed=1)) < 0.5
    assert fitted.info["C"] in (0.01, 0.1, 1.0, 10.0, 100.0)


def test_it_learns_single_texts(task):
    fitted = Embedding.fit(single_rows(200), task("spooky"))
    assert loss(fitted, single_rows(100, seed=1)) < 0.9


def test_swapping_the_answers_swaps_their_classes(task):
    fitted = Embedding.fit(pair_rows(100), task("arena"))
    test = pair_rows(30, seed=2)
    np.testing.assert_allclose(
        fitted.predict(test), fitted.predict(swapped(test))[:, [1, 0, 2]], atol=1e-6
    )


def test_each_distinct_text_is_encoded_once(task):
    how = task("arena")
    Embedding.fit(pair_rows(60), how)
    encoder = embedding._encoder(how.competition.embedding.model, 32)
    assert len(encoder.vectors) == 60 + len(GOOD) + len(BAD)
    tokens = encoder.tokens
    Embedding.fit(pair_rows(60), how)
    assert encoder.tokens == tokens


@pytest.mark.parametrize("name", ["arena", "spooky"])
def test_saved_model_predicts_the_same(task, tmp_path, name):
    rows = pair_rows if name == "arena" else single_rows
    fitted, test = Embedding.fit(rows(60), task(name)), rows(20, seed=2)
    expected = fitted.predict(test)
    fitted.save(tmp_path)
    embedding._encoder.cache_clear()
    np.testing.assert_allclose(Embedding.load(tmp_path).predict(test), expected, atol=1e-3)


def test_a_class_without_training_rows_is_nearly_impossible(task):
    rows = single_rows(60)
    rows = replace(rows, labels=np.minimum(rows.labels, 1))
    probabilities = Embedding.fit(rows, task("spooky")).predict(rows)
    assert probabilities.shape == (60, 3) and probabilities[:, 2].max() < 1e-6
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_class_weights_move_the_probabilities(task):
    rows = pair_rows(100)
    plain = Embedding.fit(rows, task("arena")).predict(rows)
    weights = np.array([0.5, 0.5, 2.0])
    weighted = Embedding.fit(rows, task("arena", class_weights=weights)).predict(rows)
    assert weighted[:, 2].mean() > plain[:, 2].mean()


def test_c_is_chosen_on_an_inner_split_that_keeps_groups_together(task):
    # A group has one text of its own and one label, a coin: only who saw the group knows it.
    generator = np.random.default_rng(0)
    words = "red blue green old new hot cold dry wet far near low high".split()
    texts = np.array([" ".join(generator.choice(words, 8)) for _ in range(14)], object)
    group = np.repeat(np.arange(14), 6)
    labels = generator.permutation(np.arange(14) % 2)[group]
    ids = np.array([f"r{i}" for i in range(len(group))], object)
    rows = Rows(ids, {"text": texts[group]}, group.astype(str).astype(object), labels)
    how = task("spooky", 'data.classes=["x", "y"]', "embedding.C=[1000000.0, 3000000.0]")
    how = replace(how, class_weights=np.ones(2))
    assert min(Embedding.fit(rows, how).info["C_path"].values()) > 0.9 * np.log(2)
