"""The report warns of settings that were tuned on the folds it reports."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.config.competition import load_competition
from foldwise.report.warnings import tuned_path, tuned_settings
from foldwise.stages.report import STAGE, report
from foldwise.tuning.record import TuneRecord

CLASSES = ["EAP", "HPL", "MWS"]
SETTINGS = ('models=["prior", "logreg"]', "report.bootstrap=100")
RECORD = TuneRecord(
    model="logreg",
    metric="log_loss",
    trials=50,
    default=0.45,
    tuned=0.41,
    tuned_is_optimistic="",
    values={"C": [0.25], "max_iter": 150},
    improves=True,
)


@pytest.fixture
def tuned_run(make_run):
    run = make_run("spooky", *SETTINGS, "logreg.C=[0.25]", "logreg.max_iter=150")
    RECORD.write(tuned_path(run, "logreg"))
    return run


def test_without_tuning_there_is_nothing_to_say(make_run):
    assert tuned_settings(make_run("spooky", *SETTINGS)) == []


def test_tuned_settings_that_are_not_used_are_not_warned_of(tuned_run):
    plain = replace(tuned_run, competition=load_competition("spooky", SETTINGS))
    assert tuned_settings(plain) == []


def test_the_report_says_that_the_score_is_optimistic(tuned_run):
    fabricate(tuned_run, CLASSES)
    report(tuned_run)
    warnings = json.loads((tuned_run.output / "report.json").read_text())["warnings"]
    said = next(line for line in warnings if line.startswith("logreg: its settings"))
    assert "best of 50 trials" in said and "--nested" in said
    assert said in (tuned_run.output / "report.md").read_text()
    assert tuned_path(tuned_run, "logreg") in STAGE.reads(tuned_run)


def test_after_a_nested_search_it_says_by_how_much(tuned_run):
    nested = RECORD.replace(nested=0.4321, optimism=0.0221)
    nested.write(tuned_path(tuned_run, "logreg"))
    said = tuned_settings(tuned_run)[0]
    assert "log_loss 0.4321" in said and "+0.0221" in said


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (lambda i: i, []),
        (lambda i: i % 40, ["Only 40 groups"]),
        (lambda i: max(0, i - 69), ["131 groups", "as much as 8 of", "largest holds 35 %"]),
    ],
)
def test_few_groups_are_warned_of_by_how_many_equal_ones_they_are_worth(make_run, group, words):
    run = make_run("spooky", *SETTINGS)
    fabricate(run, CLASSES)
    path = run.clean / "train.parquet"
    train = pd.read_parquet(path)
    train["group"] = [f"g{group(i)}" for i in range(len(train))]
    train.to_parquet(path)
    report(run)
    warnings = json.loads((run.output / "report.json").read_text())["warnings"]
    said = [line for line in warnings if "every interval here is a rough one" in line]
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)
