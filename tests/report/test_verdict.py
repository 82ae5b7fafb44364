"""What the report says in words follows from its numbers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from foldwise.crossval.learning_curve import LearningCurve
from foldwise.report.facts import Cost, Lever
from foldwise.report.findings import fold_losses, seed_noise
from foldwise.report.slices import Slice
from foldwise.report.verdict import _next, _spare, levers, verdict
from foldwise.report.warnings import _leak_warnings
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.intervals import Gain
from foldwise.scoring.leaks import Giveaway, Leaks
from foldwise.scoring.significance import differences


def lever(name, gain, low, high, measured=True):
    return Lever(lever=name, means="so it is", measured=measured, gain=gain, low=low, high=high)


def facts(slice_=None, curve=None):
    return SimpleNamespace(
        focus="ensemble",
        recalibration=Gain(gain=0.002, low=0.001, high=0.003),
        learning_curve=curve,
        worst_slice=slice_,
    )


WORST = Slice(
    respect="turns",
    slice="2 turns",
    rows=100,
    share=0.25,
    log_loss={},
    accuracy={},
    gap=0.4,
    low=0.3,
    high=0.5,
    low_of_all=0.2,
    high_of_all=0.6,
)


def test_what_was_measured_comes_before_what_is_only_at_stake():
    gained = {"svm": Gain(gain=0.01, low=0.005, high=0.02)}
    curve = LearningCurve(key="", points=[], last_doubling=gained)
    found = levers(facts(WORST, curve))
    assert [entry.measured for entry in found] == [True, True, False]
    assert found[0].lever == "more data for svm"
    assert found[1].lever == "recalibrate the ensemble"
    stake = found[2]
    # Its share of the rows times the interval that allows for the choice among all slices.
    assert (stake.gain, stake.low, stake.high) == pytest.approx((0.1, 0.05, 0.15))


def test_the_advice_is_the_largest_measured_gain_never_a_stake():
    stake = lever("work on the worst slice", 0.5, 0.4, 0.6, measured=False)
    said = _next([lever("recalibrate svm", 0.01, 0.005, 0.02), stake], False)
    assert said.startswith("Do next: recalibrate svm.")
    said = _next([lever("recalibrate svm", 0.01, -0.005, 0.02), stake], True)
    assert said.startswith("Do next: another kind of model.")
    assert "--learning-curve" in said
    assert "0.5000 of log loss" in said


def test_a_column_is_suspected_for_what_it_explains_alone_and_sooner_if_it_is_pure():
    def said(share, elsewhere, sure=True):
        found = Giveaway(
            what="the word 'refund'",
            text="text",
            label="refunds",
            rows=90,
            in_class=0.94,
            elsewhere=elsewhere,
            alone=0.3,
            share=share,
            sure=sure,
        )
        leaks = Leaks(twins=[], split=None, giveaways=[found], numbers=[], shift=None, test_rows=0)
        return _leak_warnings(leaks, 1000)

    (sentence,) = said(0.12, 0.01)
    assert sentence.startswith("Leak suspected: the word 'refund' in text alone explains 12 %")
    assert said(0.12, 0.5) == [] and said(0.2, 0.5)
    assert said(0.05, 0.01) == [] and said(0.5, 0.01, sure=False) == []


def test_a_member_that_nobody_would_miss_is_named_with_what_it_costs():
    left_out = {
        "svm": Gain(gain=0.001, low=-0.002, high=0.004),
        "logreg": Gain(gain=-0.001, low=-0.003, high=0.001),
        "bert": Gain(gain=0.03, low=0.02, high=0.04),
    }
    rest = {"seconds_per_1000_rows": 1.0, "peak_memory_mb": 1.0, "device": "cpu", "money": 0.0}
    costs = [Cost(model=name, train_seconds=60.0, **rest) for name in left_out]
    (said,) = _spare(left_out, costs)
    assert said.startswith("logreg may go: without it the blend's log loss changes by -0.0010")
    assert "60.0 s" in said
    assert _spare({"bert": left_out["bert"]}, costs) == []


def sentences(t, metric="log_loss", n=200, **scores):
    """Return the verdict on models whose lead over each other model has the given t values."""
    generator = np.random.default_rng(0)
    base = generator.normal(size=n)
    losses = {}
    for name, value in t.items():
        noise = generator.normal(size=n)
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        losses[name] = base + 0.1 * (noise + value / np.sqrt(n) if value else 0)
    bootstrap = GroupBootstrap(np.arange(n), draws=500)
    right = {name: loss < 0 for name, loss in losses.items()}
    found = differences(losses, right, bootstrap)
    rest = {"seconds_per_1000_rows": 1.0, "peak_memory_mb": 1.0, "device": "cpu", "money": 0.0}
    numbers = SimpleNamespace(
        differences=found,
        confidence=0.95,
        ensemble=SimpleNamespace(weights=dict.fromkeys(losses, 0.5)),
        left_out={},
        costs=[Cost(model=name, train_seconds=None, **rest) for name in losses],
        price_per_hour=0.0,
        worst_slice=None,
        learning_curve=None,
        foreign=None,
    )
    table = pd.DataFrame({"model": list(losses), "log_loss": [v.mean() for v in losses.values()]})
    table["f1_macro"] = table["model"].map(scores).fillna(0.5)
    report = SimpleNamespace(confidence=0.95)
    run = SimpleNamespace(competition=SimpleNamespace(metric=metric, report=report))
    levers_ = [lever("recalibrate svm", 0.01, 0.005, 0.02)]
    return found, " ".join(verdict(table, numbers, levers_, run))


MAYBE = {"svm": 0, "logreg": 2.3, "lightgbm": 2.3, "bert": 2.4, "prior": 2.4, "ensemble": 2.3}


def test_a_lead_that_the_correction_takes_away_is_claimed_in_no_sentence():
    found, said = sentences(MAYBE)
    ours = [d for d in found if d.better == "svm"]
    # Each alone is beyond its interval; with so many comparisons none is.
    assert len(ours) == 5 and all(d.low > 0 and d.p < 0.05 < d.p_holm for d in ours)
    assert "do not tell it from" in said and "is not clearly better than the class" in said
    for claim in ("beyond the interval", "is better than it", "gains"):
        assert claim not in said
    sure = dict.fromkeys(MAYBE, 9.0) | {"svm": 0}
    _, said = sentences(sure)
    assert "In log loss its lead over every other single model is beyond the interval" in said
    assert "Against the class frequencies svm gains" in said


def test_an_ensemble_is_better_only_with_the_correction():
    maybe = dict.fromkeys(MAYBE, 2.3) | {"ensemble": 0}
    found, said = sentences(maybe)
    best = next(d for d in found if d.better == "ensemble")
    assert best.low > 0 and best.p_holm > 0.05
    assert "with so many comparisons that may be luck" in said
    assert "the ensemble is better than it" not in said
    _, said = sentences(dict.fromkeys(MAYBE, 9.0) | {"ensemble": 0})
    assert "In log loss the ensemble is better than it" in said


def test_each_sentence_in_another_measure_than_the_metric_names_it():
    leads = dict.fromkeys(MAYBE, 9.0) | {"svm": 0}
    _, said = sentences(leads, "f1_macro", logreg=0.9)
    first, *others = said.split(". ")
    assert first == "The best single model is logreg: f1 macro 0.9000 out of fold"
    assert "In log loss svm is better than it" in said
    claims = ("better", "gains", "tell", "lead", "lever", "higher", "lower")
    for sentence in others:
        if any(word in sentence for word in claims) and "It is" not in sentence[:5]:
            assert "log loss" in sentence, sentence


def averaged(*losses_of_folds):
    """Record of a model whose folds of 10 and 30 rows average several seeds."""

    def line(loss):
        return [
            {"split": "train", "epoch": 1, "loss": 9.0},
            {"split": "validation", "epoch": 1, "loss": 5.0},
            {"split": "validation", "epoch": 2, "loss": loss},
        ]

    return SimpleNamespace(
        folds=[
            SimpleNamespace(rows=rows, histories=[line(loss) for loss in losses])
            for rows, losses in zip((10, 30), losses_of_folds, strict=True)
        ]
    )


def test_the_seeds_that_a_model_averages_give_its_seed_noise():
    single = SimpleNamespace(folds=[SimpleNamespace(rows=40, histories=None)])
    evidence = SimpleNamespace(
        losses={"bert": np.ones(40), "svm": np.ones(40)},
        models={"bert": averaged([1.0, 1.2], [0.8, 1.0]), "svm": single},
        bootstrap=SimpleNamespace(confidence=0.95),
    )
    found = seed_noise(evidence)
    assert set(found) == {"bert"}
    assert found["bert"].log_loss == pytest.approx([0.85, 1.05])
    # t(0.975, 1) * sqrt(2 / 2) * sd: the mean of two seeds varies less than one of them.
    assert found["bert"].band == pytest.approx(12.7062 * 0.2 / np.sqrt(2), rel=1e-4)
    evidence.models["bert"].folds[1].histories[1] = []
    assert seed_noise(evidence) == {}


def test_the_losses_of_the_folds_are_those_of_the_leaderboard():
    generator = np.random.default_rng(0)
    folds = generator.integers(0, 4, 100)
    losses = {"svm": generator.random(100), "ensemble": generator.random(100)}
    found = fold_losses(SimpleNamespace(losses=losses, folds=folds))
    for name, parts in found.items():
        assert np.average(parts, weights=np.bincount(folds)) == pytest.approx(losses[name].mean())


def test_simultaneous_intervals_hold_all_at_once_and_single_ones_do_not():
    draws, k, n = 200, 12, 240
    missed = {"one by one": 0, "all at once": 0}
    for i in range(draws):
        generator = np.random.default_rng(i)
        shared = np.repeat(generator.normal(size=(n // 4, k)), 4, axis=0)
        values = shared + 0.3 * generator.normal(size=(n, k))  # all means are zero
        bootstrap = GroupBootstrap(np.arange(n) // 4, 300, seed=i)
        estimates = [bootstrap.estimate(column) for column in values.T]
        low, high = bootstrap.simultaneous(estimates, values - values.mean(axis=0))
        missed["all at once"] += bool(((low > 0) | (high < 0)).any())
        single = [estimate.interval() for estimate in estimates]
        missed["one by one"] += any(low > 0 or high < 0 for low, high in single)
    assert missed["all at once"] / draws < 0.1
    assert missed["one by one"] / draws > 0.3


def test_a_statistic_that_does_not_vary_has_an_interval_of_no_width():
    bootstrap = GroupBootstrap(np.arange(20), 50)
    values = np.column_stack([np.full(20, 2.0), np.random.default_rng(0).normal(size=20)])
    estimates = [bootstrap.estimate(column) for column in values.T]
    low, high = bootstrap.simultaneous(estimates, values - values.mean(axis=0))
    assert low[0] == high[0] == 2.0
    assert low[1] < 0 < high[1]
