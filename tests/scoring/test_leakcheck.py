import numpy as np
import pandas as pd
import pytest
from fabricate import bare_audit

from foldwise.files import read_json
from foldwise.scoring import leakcheck
from foldwise.stages.stage import execute

WORDS = [f"word{i}" for i in range(400)]


def texts(n, seed=0, words=30):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, words)) for _ in range(n)]


def table(values, groups=None):
    ids = [f"r{i}" for i in range(len(values))]
    groups = ids if groups is None else groups
    return pd.DataFrame({"id": ids, "text": values, "group": groups}, dtype=object)


def test_twins_across_folds_and_files_are_counted_and_named():
    values = texts(40)
    values[20] = values[0].upper() + "!"  # exact, but for case and punctuation
    values[21] = values[1] + " more"  # near
    values[22] = ""
    values[2] = ""  # empty texts are no twins
    test = table([values[5], *texts(9, seed=1)])
    folds = np.repeat([0, 1], 20)
    (found,) = leakcheck.twins(table(values), test, folds, ["text"])
    assert found.exact_across_folds == 2
    assert found.near_across_folds == 2
    assert found.exact_test_in_train == 1
    assert found.examples == [["r0", "r20"], ["r1", "r21"]]


def test_a_pair_with_its_answers_exchanged_is_the_same_row():
    prompts, a, b = texts(20), texts(20, seed=1), texts(20, seed=2)
    frame = pd.DataFrame({"id": range(40), "prompt": prompts * 2, "a": a + b, "b": b + a})
    folds = np.repeat([0, 1], 20)
    columns = ["prompt", "a", "b"]
    ordered = leakcheck.twins(frame, None, folds, columns)[-1]
    assert ordered.text == "whole row" and ordered.exact_across_folds == 0
    whole = leakcheck.twins(frame, None, folds, columns, ("a", "b"))[-1]
    assert whole.exact_across_folds == 40
    assert whole.examples[0] == ["0", "20"]
    frame["b"] = texts(40, seed=3)  # the same answer against another rival is another row
    assert leakcheck.twins(frame, None, folds, columns, ("a", "b"))[-1].exact_across_folds == 0


def test_twins_within_a_fold_leak_nothing():
    values = texts(40)
    values[1] = values[0]
    (found,) = leakcheck.twins(table(values), None, np.repeat([0, 1], 20), ["text"])
    assert found.exact_across_folds == found.near_across_folds == 0


def test_random_folds_flatter_where_groups_carry_the_label_and_not_where_they_do_not():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 10)
    folds = groups % 3
    topics = texts(60, seed=2)
    shared = np.array([topics[g] for g in groups], dtype=object)
    leaky = np.repeat(generator.integers(0, 2, 60), 10)
    found = leakcheck.split_gap([shared], leaky, groups, folds, 2, seed=0)
    assert found.low > 0
    assert found.random_accuracy > found.grouped_accuracy + 0.2
    fair = generator.integers(0, 2, 600)
    found = leakcheck.split_gap([shared], fair, groups, folds, 2, seed=0)
    assert abs(found.random_accuracy - found.grouped_accuracy) < 0.1
    assert leakcheck.split_gap([shared], fair, np.arange(600), folds, 2, seed=0) is None


def test_a_shifted_test_file_is_told_from_the_training_rows_and_a_fair_one_is_not():
    fair = np.array(texts(600, seed=3), dtype=object)
    is_test = np.arange(600) % 3 == 0
    found = leakcheck.shift([fair], np.arange(600), is_test, seed=0)
    assert 0.4 < found.auc < 0.6
    shifted = fair.copy()
    shifted[is_test] = [f"{text} newer" for text in fair[is_test]]
    found = leakcheck.shift([shifted], np.arange(600), is_test, seed=0)
    assert found.low > 0.9
    assert leakcheck.shift([fair[:60]], np.arange(60), np.arange(60) < 5, seed=0) is None


def test_a_file_sorted_by_label_shows_in_the_place_of_its_rows():
    labels = np.repeat([0, 1], 50)
    numbers = {"place in the file": np.arange(100.0), "noise": np.random.default_rng(0).random(100)}
    found = {f.number: f for f in leakcheck.single_numbers(numbers, labels, ["x", "y"])}
    assert found["place in the file"].auc == 1
    assert found["noise"].auc < 0.7


@pytest.fixture
def cleaned(make_run):
    """A run with clean tables and folds."""
    run = make_run("spooky")
    labels = np.array(["EAP", "HPL", "MWS"], dtype=object)[np.arange(90) % 3]
    frame = table(texts(90)).assign(label=labels)
    run.clean.mkdir(parents=True)
    frame.to_parquet(run.clean / "train.parquet")
    bare_audit(["EAP", "HPL", "MWS"], 90).write(run.clean / "audit.json")
    folds = frame[["id", "group"]].assign(fold=(np.arange(90) // 3 % 3).astype(np.int8))
    folds.to_parquet(run.folds)
    return run


def test_the_stage_writes_every_check_and_is_skipped_when_nothing_changed(cleaned):
    assert execute("leaks", cleaned)
    facts = read_json(cleaned.output / "leaks.json")
    assert set(facts) == {"twins", "split", "giveaways", "numbers", "shift", "test_rows"}
    assert facts["split"] is None
    assert facts["shift"] is None
    assert not execute("leaks", cleaned)


def test_random_folds_score_better_than_grouped_ones_on_repeated_prompts(real_data):
    """Measured on the stand-in with 805 prompts, of which random folds show each model all."""
    frame = pd.read_parquet(real_data / "arena-57k" / "train.parquet")
    kept = pd.Series(pd.factorize(frame["prompt"])[0]) < 60
    frame = frame[kept.to_numpy()].reset_index(drop=True)
    target = ["winner_model_a", "winner_model_b", "winner_tie"]
    labels = frame[target].to_numpy().argmax(axis=1)
    groups = pd.factorize(frame["prompt"])[0]
    columns = [
        frame[name].astype(str).to_numpy() for name in ("prompt", "response_a", "response_b")
    ]
    found = leakcheck.split_gap(columns, labels, groups, groups % 3, 3, seed=0)
    assert found.low > 0.02
