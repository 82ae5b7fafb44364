"""Every sentence of a report is provoked by planted predictions, and absent without them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.files import write_json
from foldwise.report.evidence import Evidence, score_table
from foldwise.report.gather import gather
from foldwise.scoring.leaks import Giveaway, Leaks, Shift, TellingNumber, Twins

CLASSES = ["EAP", "HPL", "MWS"]
N = 300
MODELS = ("logreg", "svm")


@pytest.fixture
def make(make_run):
    """Fabricate a run of which there is nothing to say but its scores."""

    def make(*settings):
        models = 'models=["prior", "logreg", "svm"]'
        run = make_run("spooky", models, "report.bootstrap=100", *settings)
        fabricate(run, CLASSES, n=N)
        for seed, model in enumerate((*MODELS, "ensemble")):
            write(run, model, honest(0.6, seed))
        return run

    return make


def truth():
    return np.arange(N) % 3


def certain(p, right):
    """Return probabilities that put `p` on one class: the true one where `right`."""
    guess = np.where(right, truth(), (truth() + 1) % 3)
    return np.where(np.eye(3)[guess] > 0, p, (1 - p) / 2)


def drawn(share, seed=0):
    """Mark a share of the rows, drawn at random."""
    return np.random.default_rng(seed).permutation(np.arange(N) < round(share * N))


def honest(p, seed=0, every=True):
    """Return predictions that say `p` and are right so often."""
    return certain(p, drawn(p, seed) & every)


def write(run, model, probabilities):
    folder = run.ensemble if model == "ensemble" else run.model(model)
    oof = pd.read_parquet(folder / "oof.parquet")
    oof[CLASSES] = probabilities
    oof.to_parquet(folder / "oof.parquet")


def facts(run):
    evidence = Evidence.load(run)
    table, intervals = score_table(evidence, run)
    return gather(evidence, table, intervals, run)


def change(path, function):
    values = json.loads(path.read_text())
    function(values)
    write_json(path, values)


# --- warnings -----------------------------------------------------------------------------------


def noise(run):
    write(run, "svm", np.random.default_rng(0).dirichlet(np.full(3, 0.2), N))


def too_sure(run):
    write(run, "svm", certain(1 - 1e-6, drawn(0.8)))


def too_good(run):
    write(run, "svm", certain(0.99, np.full(N, True)))


def badly_calibrated(run):
    write(run, "svm", certain(0.5, drawn(0.9)))


def few_groups(run):
    train = pd.read_parquet(run.clean / "train.parquet")
    train["group"] = [f"g{i % 40}" for i in range(N)]
    train.to_parquet(run.clean / "train.parquet")


def model_note(run):
    path = run.model("svm") / "metrics.json"
    change(path, lambda values: values["notes"].append("did not learn: so it is"))


def feature_note(run):
    path = run.features / "features.json"
    change(path, lambda values: values["notes"].append("only a part of the terms was counted"))


def audit_warning(run):
    path = run.clean / "audit.json"
    change(path, lambda values: values["train"]["warnings"].append("12 rows have no text"))


PLANTED = {
    "svm did not learn: no lower log loss than the class frequencies": noise,
    "svm is over-confident: no lower log loss": too_sure,
    "svm is too good to be true (log loss 0.0101): suspect a leak": too_good,
    "svm is badly calibrated: its confidence is off by 0.": badly_calibrated,
    "Only 40 groups: every interval here is a rough one": few_groups,
    "svm: did not learn: so it is": model_note,
    "only a part of the terms was counted": feature_note,
    "12 rows have no text": audit_warning,
}


@pytest.mark.parametrize("words", PLANTED)
def test_a_warning_stands_where_its_cause_is_planted(make, words):
    run = make()
    PLANTED[words](run)
    assert sum(said.startswith(words) for said in facts(run).warnings) == 1


def test_without_a_cause_there_is_no_warning(make):
    assert facts(make()).warnings == []


def test_confidence_that_is_off_by_little_is_not_warned_of(make):
    run = make()
    write(run, "svm", certain(0.55, drawn(0.6)))
    found = facts(run)
    (ece,) = (row.ece for row in found.leaderboard if row.model == "svm")
    assert ece == pytest.approx(0.05) and found.warnings == []


def test_folds_that_were_not_stratified_are_warned_of(make):
    (said,) = facts(make("folds.stratify=false")).warnings
    assert said == "The folds were drawn without regard to the classes."


def test_a_new_head_is_a_remark_and_no_warning(make):
    run = make()
    note = "packaged: the head on its mean-pooled tokens is new"
    change(run.model("svm") / "metrics.json", lambda values: values["notes"].append(note))
    found = facts(run)
    assert found.warnings == [] and found.remarks == [f"svm: {note}"]


# --- warnings of leaks --------------------------------------------------------------------------

FAIR = Leaks(
    twins=[
        Twins(
            text="text",
            exact_across_folds=1,
            exact_test_in_train=0,
            near_across_folds=1,
            near_test_in_train=0,
            examples=[],
        )
    ],
    split=None,
    giveaways=[
        Giveaway(
            what="the word 'raven'",
            text="text",
            label="EAP",
            rows=30,
            in_class=0.5,
            elsewhere=0.1,
            alone=0.05,
            share=0.05,
            sure=True,
        )
    ],
    numbers=[TellingNumber(number="length of text", label="EAP", auc=0.7)],
    shift=Shift(auc=0.6, low=0.55, high=0.64, train=100, test=50),
    test_rows=50,
)


def leaking(name, **values):
    entry = getattr(FAIR, name)
    changed = entry.replace(**values) if name == "shift" else [entry[0].replace(**values)]
    return FAIR.replace(**{name: changed})


LEAKS = {
    "Leak suspected: 41 rows (13.7 %) have an exact or near twin": leaking(
        "twins", exact_across_folds=40
    ),
    "Leak suspected: the word 'raven' in text alone explains 40 % of what can": leaking(
        "giveaways", share=0.4
    ),
    "Leak suspected: length of text alone tells class 'EAP' (AUC 0.990)": leaking(
        "numbers", auc=0.99
    ),
    "Train and test differ: a quick model tells them apart with AUC 0.800": leaking(
        "shift", auc=0.8, low=0.7, high=0.9
    ),
}


@pytest.mark.parametrize("words", LEAKS)
def test_a_leak_that_was_measured_is_warned_of(make, words):
    run = make()
    LEAKS[words].write(run.output / "leaks.json")
    (said,) = facts(run).warnings
    assert said.startswith(words)


def test_what_every_table_has_a_little_of_is_no_leak(make):
    run = make()
    FAIR.write(run.output / "leaks.json")
    assert facts(run).warnings == []


# --- the verdict --------------------------------------------------------------------------------


def verdict(run):
    return facts(run).verdict


def saying(run, words):
    return [said for said in verdict(run) if words in said]


def test_the_best_single_model_is_the_one_with_the_lowest_log_loss(make):
    run = make()
    write(run, "logreg", honest(0.7))
    loss = -(0.7 * np.log(0.7) + 0.3 * np.log(0.15))
    said = verdict(run)[0]
    assert said == f"The best single model is logreg: log loss {loss:.4f} out of fold."


def test_where_accuracy_decides_the_best_is_the_most_often_right(make):
    run = make("metric=accuracy")
    # Right more often, but too sure to have the lower log loss.
    write(run, "svm", certain(0.98, np.arange(N) % 10 < 7))
    said = verdict(run)[0]
    assert said == "The best single model is svm: accuracy 0.7000 out of fold."


@pytest.mark.parametrize(
    ("blend", "words"),
    [
        (0.9, "In log loss the ensemble is better than it: lower by"),
        (0.4, "In log loss the ensemble is not better than it: higher by"),
    ],
)
def test_the_ensemble_is_judged_against_the_best_single_model(make, blend, words):
    run = make()
    write(run, "ensemble", honest(blend, 2))
    assert len(saying(run, words)) == 1


def test_an_ensemble_within_the_interval_is_not_called_better(make):
    run = make()
    write(run, "logreg", honest(0.6))
    write(run, "svm", honest(0.59, 1))
    right = drawn(0.6)
    swapped = right.copy()
    swapped[np.flatnonzero(~right)[:9]], swapped[np.flatnonzero(right)[:8]] = True, False
    write(run, "ensemble", certain(0.6, swapped))
    (said,) = saying(run, "the interval holds zero")
    assert said.startswith("The ensemble's log loss is lower by")


def test_what_is_gained_on_the_class_frequencies_is_told(make):
    run = make()
    gain = np.log(3) + 0.6 * np.log(0.6) + 0.4 * np.log(0.2)
    (said,) = saying(run, "Against the class frequencies")
    assert f"gains {gain:.4f} in log loss (" in said


def test_a_model_that_is_hardly_better_than_the_class_frequencies_is_not_said_to_gain(make):
    run = make()
    for model in MODELS:
        write(run, model, honest(0.34, MODELS.index(model)))
    assert saying(run, "Against the class frequencies") == []
    assert len(saying(run, "is not clearly better than the class frequencies")) == 1


def test_a_member_without_weight_is_named(make):
    run = make()
    assert saying(run, "Without weight") == ["Without weight in the blend: logreg."]
    weights = {"logreg": 0.5, "svm": 0.5}
    change(run.ensemble / "weights.json", lambda values: values.update(weights=weights))
    assert saying(run, "Without weight") == []


def test_what_training_costs_is_told_with_its_price(make):
    run = make("report.price_per_hour=3.6")
    path = run.model("svm") / "metrics.json"
    change(path, lambda values: values.update(train_seconds=1000.0))
    write(run, "logreg", honest(0.7))
    (said,) = saying(run, "Training took")
    # The ensemble costs its only member with a weight, and half a second of its own.
    assert said == (
        "Training took 12.5 s for logreg, 16.7 min for the ensemble with its members "
        "(0.01 and 1.00 at 3.60 an hour)."
    )


def test_the_worst_slice_is_named_only_where_one_is_planted(make):
    run = make()
    assert saying(run, "The worst slice is") == []
    train = pd.read_parquet(run.clean / "train.parquet")
    hard = np.arange(N) % 10 == 0
    train["text"] = np.where(hard, "what is this?", "some words of a story")
    train.to_parquet(run.clean / "train.parquet")
    for seed, model in enumerate((*MODELS, "ensemble")):
        write(run, model, honest(0.7, seed, every=~hard))
    (said,) = saying(run, "The worst slice is")
    assert "30 rows" in said


def test_without_any_model_there_is_nothing_to_compare(make):
    run = make()
    run = replace(run, competition=run.competition.model_copy(update={"models": ("prior",)}))
    weights = {"prior": 1.0}
    change(run.ensemble / "weights.json", lambda values: values.update(weights=weights))
    assert verdict(run) == ["Only the class frequencies were fitted: there is nothing to compare."]


def test_recalibration_is_advised_where_it_helps(make):
    run = make()
    for model in (*MODELS, "ensemble"):
        write(run, model, certain(0.95, drawn(0.75)))
    assert verdict(run)[-1].startswith("Do next: recalibrate ")
    assert verdict(make())[-1].startswith("Do next: another kind of model.")


# --- numbers ------------------------------------------------------------------------------------


def test_the_leaderboard_is_ordered_by_the_deciding_metric(make):
    for metric, better in (("log_loss", "logreg"), ("accuracy", "svm")):
        run = make(f"metric={metric}")
        write(run, "logreg", honest(0.66))
        write(run, "svm", certain(0.98, drawn(0.7)))
        names = [row.model for row in facts(run).leaderboard]
        assert names == ["prior", better, *{*MODELS} - {better}, "ensemble"]


def test_costs_are_by_the_thousand_rows_and_the_hour(make):
    run = make("report.price_per_hour=7.2")
    (cost,) = [cost for cost in facts(run).costs if cost.model == "svm"]
    assert cost.seconds_per_1000_rows == pytest.approx(1000 * 0.5 / N)
    assert cost.money == pytest.approx(7.2 * 12.5 / 3600)


def test_a_lead_within_the_noise_of_seeds_is_called_so(make):
    run = make()

    def histories(values, losses):
        for fold in values["folds"]:
            fold["histories"] = [
                [{"epoch": 1, "step": 1, "split": "validation", "loss": loss, "accuracy": 0.5}]
                for loss in losses
            ]

    def reading():
        (found,) = (d for d in facts(run).differences if {d.better, d.other} == {*MODELS})
        return found.reading

    path = run.model("svm") / "metrics.json"
    change(path, lambda values: histories(values, (0.8, 1.2)))
    write(run, "svm", honest(0.8, 4))
    assert reading().endswith("; within seed noise")
    change(path, lambda values: histories(values, (1.0, 1.0001)))
    assert "seed noise" not in reading()
