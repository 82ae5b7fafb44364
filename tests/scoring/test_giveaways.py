"""What alone gives a label away is found, whatever it is made of; honest rows raise no alarm."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from leakplants import PLANTS, plant

from foldwise.files import read_json, write_parquet
from foldwise.scoring import giveaways
from foldwise.scoring.leaks import Leaks
from foldwise.stages.report import report
from foldwise.stages.stage import execute

CLASSES = ["EAP", "HPL", "MWS"]
N = 450


def honest(n=N, seed=0):
    """Texts in which every class likes some of the words, and every word is shared."""
    generator = np.random.default_rng(seed)
    words = np.array([f"w{'abcdefghij'[i // 10]}{'abcdefghij'[i % 10]}" for i in range(100)])
    labels = np.arange(n) % 3
    made = []
    for label in labels:
        taste = np.where(np.arange(100) % 3 == label, 2.0, 1.0)
        text = " ".join(generator.choice(words, 20, p=taste / taste.sum()))
        made.append(text[0].upper() + text[1:] + ".")
    return np.array(made, dtype=object), labels


def look(texts, labels):
    columns = giveaways.columns({"text": texts}, {"chars": np.array([len(t) for t in texts])})
    folds = np.arange(len(labels)) // 3 % 3
    return giveaways.giveaways(columns, labels, folds, np.arange(len(labels)), CLASSES, 0)


def test_honest_texts_have_no_giveaway():
    for seed in range(3):
        assert not any(found.suspected for found in look(*honest(seed=seed)))


@pytest.mark.parametrize("kind", PLANTS)
def test_every_kind_of_giveaway_is_found(kind):
    texts, labels = honest()
    found = look(plant(kind, 0.9, texts, labels), labels)
    assert any(one.suspected for one in found), found
    assert found[0].share > 0.15


def test_the_share_grows_with_the_dose():
    texts, labels = honest()
    shares = []
    for dose in (0.4, 0.8):
        found = look(plant("a word in one class", dose, texts, labels), labels)
        shares.append(next(one for one in found if one.what == "the word 'zqword'"))
    assert shares[0].share < shares[1].share
    assert shares[1].in_class == pytest.approx(0.8, abs=0.1) and shares[1].elsewhere == 0
    assert shares[1].label == "EAP"


def test_a_number_that_tells_the_label_is_found():
    texts, labels = honest()
    numbers = {"odd": labels + 0.1 * np.random.default_rng(0).normal(size=N)}
    columns = giveaways.columns({"text": texts}, numbers)
    folds = np.arange(N) // 3 % 3
    found = giveaways.giveaways(columns, labels, folds, np.arange(N), CLASSES, 0)
    assert found[0].what == "odd" and found[0].suspected


@pytest.fixture
def reported(make_run):
    """Run the stage and the report on texts, and return the warnings and the page."""

    def make(texts, labels):
        run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=100")
        fabricate(run, CLASSES, n=len(labels))
        table = pd.read_parquet(run.clean / "train.parquet")
        names = np.array(CLASSES, dtype=object)[labels]
        write_parquet(run.clean / "train.parquet", table.assign(text=texts, label=names))
        assert execute("leaks", run)
        report(run)
        page = (run.output / "report.md").read_text(encoding="utf-8")
        return read_json(run.output / "report.json")["warnings"], page, run

    return make


@pytest.mark.parametrize("kind", [None, "a letter for each class"])
def test_the_report_warns_of_a_giveaway_and_of_nothing_else(reported, kind):
    texts, labels = honest()
    if kind:
        texts = plant(kind, 0.9, texts, labels)
    warnings, page, run = reported(texts, labels)
    said = [line for line in warnings if line.startswith("Leak suspected")]
    assert bool(said) == bool(kind)
    if kind:
        assert "alone explains" in said[0]
        assert "the word" in page or "the last character" in page
        assert Leaks.read(run.output / "leaks.json").giveaways[0].suspected


def test_the_report_warns_of_near_twins_across_folds(reported):
    texts, labels = honest()
    half = N // 2
    texts[half:] = [f"{text} more" for text in texts[:half]]
    warnings, *_ = reported(texts, labels)
    assert any("exact or near twin in another fold" in line for line in warnings)
