"""The sentences that come with the project keep their own rules."""

from pathlib import Path

import pandas as pd
import pytest

from foldwise.data.cleaning import normalise

FOLDER = Path(__file__).parents[2] / "input" / "prompts"


@pytest.fixture(scope="module")
def files():
    names = ("train", "test", "test_labels", "sample_submission")
    return {name: pd.read_csv(FOLDER / f"{name}.csv") for name in names}


def test_there_are_enough_sentences_of_every_class(files):
    train, labels = files["train"], files["test_labels"]
    assert len(train) + len(labels) >= 450
    for counts in (train["label"].value_counts(), labels["label"].value_counts()):
        assert set(counts.index) == {"command", "statement", "question"}
        assert counts.max() < 1.1 * counts.min()


def test_no_sentence_comes_twice(files):
    texts = pd.concat([files["train"]["text"], files["test"]["text"]])
    assert not texts.map(normalise).duplicated().any()


def test_ids_are_unique_and_the_files_fit_together(files):
    assert not pd.concat([files["train"]["id"], files["test"]["id"]]).duplicated().any()
    for name in ("test_labels", "sample_submission"):
        assert list(files[name]["id"]) == list(files["test"]["id"])


def test_hard_cases_are_there(files):
    train = files["train"]
    marked = train["text"].str.endswith("?")
    of = train["label"]
    assert ((of == "question") & ~marked).sum() >= 10
    assert ((of == "command") & marked).sum() >= 10
    assert ((of == "statement") & train["text"].str.contains('"')).sum() >= 3
    words = train["text"].str.split().str.len()
    assert words.min() == 1
    assert words.max() >= 20


def test_no_beginning_is_a_template(files):
    beginnings = files["train"]["text"].str.lower().str.split().str[:2].str.join(" ")
    assert beginnings.value_counts().max() <= 12
