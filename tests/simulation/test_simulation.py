import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.simulation import CLASSES, simulate
from foldwise.simulation.judge import probabilities
from foldwise.simulation.prompts import make_prompt
from foldwise.simulation.responses import RESPONDERS, Response, respond

TEXTS = ["prompt", "response_a", "response_b"]
FILES = ("train.csv", "test.csv", "sample_submission.csv", "truth.csv")


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arena")
    facts = simulate(folder, train_rows=1500, test_rows=500, seed=42)
    return folder, facts, {name: pd.read_csv(folder / name) for name in FILES}


def test_the_schema_is_the_headline_competitions(arena, real_data):
    folder, _, _ = arena
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        ours, theirs = (pd.read_csv(f / name, nrows=1) for f in (folder, real_data / "arena"))
        assert list(ours.columns) == list(theirs.columns)


def test_it_is_deterministic_in_the_seed(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        simulate(tmp_path / name, 40, 10, seed)
    for name in FILES:
        first, again, other = ((tmp_path / f / name).read_bytes() for f in "abc")
        assert first == again
        assert first != other


@pytest.mark.parametrize(("train", "test"), [(10, 0), (1, 1), (30, 5)])
def test_any_size_is_possible(tmp_path, train, test):
    simulate(tmp_path, train, test, 1)
    assert len(pd.read_csv(tmp_path / "train.csv")) == train
    assert len(pd.read_csv(tmp_path / "test.csv")) == test


def test_turns_match_and_some_are_missing_or_several(arena):
    _, _, files = arena
    turns = [files["train.csv"][column].map(json.loads) for column in TEXTS]
    lengths = [column.map(len) for column in turns]
    assert (lengths[0] == lengths[1]).all()
    assert (lengths[0] == lengths[2]).all()
    assert lengths[0].max() > 1
    assert any(None in row for row in turns[1])
    assert not any(None in row for row in turns[0])


def test_prompts_repeat_and_a_few_are_shared_with_the_test(arena):
    _, _, files = arena
    train, test = files["train.csv"], files["test.csv"]
    assert 0.2 < train["prompt"].duplicated(keep=False).mean() < 0.5
    assert 0.005 < test["prompt"].isin(train["prompt"]).mean() < 0.08


def test_no_two_responses_are_alike_and_words_are_many(arena):
    _, facts, files = arena
    responses = pd.concat([files[f][c] for f in FILES[:2] for c in TEXTS[1:]])
    spoken = responses[~responses.str.fullmatch(r"\[(null(, )?)+\]")]
    assert not spoken.duplicated().any()
    assert facts["distinct_words"] > 2000


def test_ids_are_distinct_and_the_sample_follows_the_test(arena):
    _, _, files = arena
    train, test, sample, truth = (files[name] for name in FILES)
    assert not pd.concat([train["id"], test["id"]]).duplicated().any()
    assert list(sample["id"]) == list(test["id"])
    assert set(truth["id"]) == set(train["id"]) | set(test["id"])


def test_labels_are_drawn_from_the_true_probabilities(arena):
    _, facts, files = arena
    truth = files["truth.csv"]
    true = truth[list(CLASSES)].to_numpy()
    np.testing.assert_allclose(true.sum(axis=1), 1)
    assert true.min() > 0
    shares = truth["label"].value_counts(normalize=True)[list(CLASSES)].to_numpy()
    np.testing.assert_allclose(shares, true.mean(axis=0), atol=0.03)
    merged = files["train.csv"].merge(truth, on="id", suffixes=("", "_true"))
    drawn = merged[list(CLASSES)].to_numpy()
    assert (np.array(CLASSES)[drawn.argmax(axis=1)] == merged["label"]).all()
    loss = -np.log((merged[[f"{c}_true" for c in CLASSES]].to_numpy() * drawn).sum(axis=1)).mean()
    assert loss == pytest.approx(facts["bayes_log_loss"])
    assert facts["bayes_log_loss"] < facts["prior_log_loss"] - 0.3


@given(st.floats(-6, 6), st.floats(-6, 6), st.integers(0, 900), st.integers(0, 900))
def test_swapping_the_responses_swaps_the_judges_probabilities(one, other, long, short):
    first = Response(("x" * long,), one, False)
    second = Response(("x" * short,), other, False)
    forward, backward = probabilities(first, second), probabilities(second, first)
    np.testing.assert_allclose(forward[[1, 0, 2]], backward, atol=1e-12)
    assert forward.sum() == pytest.approx(1)


def test_sums_that_count_as_right_are_right():
    generator = np.random.default_rng(0)
    checked = 0
    while checked < 30:
        prompt = make_prompt(generator)
        question = prompt.questions[0]
        if question.kind != "sum" or len(prompt.questions) > 1:
            continue
        a, b, c = question.numbers
        response = respond(generator, prompt, skill=20.0)
        if response.quality > 1.9:  # right, worked out and not cut off
            assert str(a * b - c) in response.turns[0]
            checked += 1


def test_stronger_responders_answer_better():
    generator = np.random.default_rng(1)
    means = {}
    for name, skill in RESPONDERS.items():
        prompts = [make_prompt(generator) for _ in range(300)]
        means[name] = np.mean([respond(generator, p, skill).quality for p in prompts])
    assert list(means.values()) == sorted(means.values(), reverse=True)
