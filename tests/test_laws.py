"""What makes a number believable, tested through the stages on data whose truth is known.

Every test here fails if one line that joins the parts is wrong: a scored row that was seen, groups
that a split ignores, weights that do not reach a model, a prior that is not given back.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import planted
import pytest
from fabricate import bare_audit

from foldwise.config.run import Unit
from foldwise.crossval.learning_curve import learning_curve
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import class_names, read_labels
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.files import read_json
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.metrics import row_log_loss
from foldwise.stages.ensemble import ensemble

HONEST = 0.95 * planted.HONEST  # 288 rows: a little luck is allowed, a leak brings half of it
BASELINES = ["logreg", "svm", "lightgbm"]
# Each setting alone lets a model that has seen a row, or its group, know its label.
EAGER = {
    "logreg": ("logreg.C=[100.0]",),
    "svm": ("svm.C=[10.0]",),
    "lightgbm": ("lightgbm.min_child_samples=2", "lightgbm.feature_fraction=1.0"),
}
BALANCED = 'weights.classes="balanced"'
OVERSAMPLED = "weights.oversample=true"


@pytest.fixture(scope="module")
def giveaway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("giveaway")
    planted.write_giveaway(folder / "in")
    return folder


@pytest.fixture(scope="module")
def posteriors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posteriors")
    planted.write_posteriors(folder / "in")
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    planted.write_pairs(folder / "in")
    return folder


def giveaway_run(folder, *settings, models=("prior",)):
    return planted.prepared(folder, planted.GIVEAWAY, settings, models)


def posteriors_run(folder, *settings, models=("prior",)):
    return planted.prepared(folder, planted.POSTERIORS, settings, models)


def fitted(run, model, fold=0):
    """Fit one unit anew; return its out-of-fold table, its test table and its metrics."""
    run_unit(replace(run, force=True), Unit(model, fold))
    folder = run.fold(model, fold)
    oof, test = (pd.read_parquet(folder / f"{name}.parquet") for name in ("oof", "test"))
    return oof, test, read_json(folder / "metrics.json")


def loss_of(run, oof):
    labels = pd.read_parquet(run.clean / "train.parquet").set_index("id")["label"]
    classes = class_names(run)
    truth = pd.Categorical(labels.loc[oof["id"]], categories=classes).codes
    return row_log_loss(np.asarray(truth), oof[classes].to_numpy()).mean()


# --- a scored row was never seen ----------------------------------------------------------------


@pytest.mark.parametrize("model", BASELINES)
def test_no_model_has_seen_the_row_it_scores_or_its_group(giveaway, model):
    run = giveaway_run(giveaway, *EAGER[model])
    parts = [fitted(run, model, fold) for fold in range(3)]
    assert loss_of(run, pd.concat([oof for oof, _, _ in parts])) > HONEST
    # The test rows' groups were seen by two models of three, which can learn them.
    assert np.mean([test.drop(columns="id").max(axis=1).mean() for _, test, _ in parts]) > 0.58


def test_the_prior_of_a_fold_is_counted_without_that_fold(giveaway):
    run = giveaway_run(giveaway, "folds.stratify=false")
    labels = pd.read_parquet(run.clean / "train.parquet")["label"]
    fold = pd.read_parquet(run.folds)["fold"]
    shares = set()
    for k in range(3):
        oof, _, _ = fitted(run, "prior", k)
        counts = labels[fold != k].value_counts().reindex(["heads", "tails"])
        np.testing.assert_allclose(
            oof[["heads", "tails"]].iloc[0], (counts + 1) / (counts + 1).sum()
        )
        shares.add(round(float(oof["heads"].iloc[0]), 6))
    assert len(shares) > 1  # else counting all rows would pass


def test_every_row_is_scored_once_by_the_fold_that_left_it_out(giveaway):
    run = giveaway_run(giveaway)
    folds = pd.read_parquet(run.folds)
    seen = pd.concat([fitted(run, "prior", k)[0] for k in range(3)])
    assert sorted(seen["id"]) == sorted(folds["id"])
    assert folds.groupby("group")["fold"].nunique().max() == 1


def test_a_fit_is_told_nothing_of_the_rows_it_will_be_scored_on(giveaway, monkeypatch):
    from foldwise.models.prior import Prior

    run = giveaway_run(giveaway)
    told = []
    plain = Prior.fit.__func__

    def spy(cls, train, task, validation=None):
        told.append((set(train.ids), validation))
        return plain(cls, train, task, validation)

    monkeypatch.setattr(Prior, "fit", classmethod(spy))
    oof, _, _ = fitted(run, "prior", 1)
    (ids, validation), *_ = told
    assert validation is None
    assert not ids & set(oof["id"])


# --- inner splits keep groups together ----------------------------------------------------------


@pytest.mark.parametrize("model", ["logreg", "svm"])
def test_c_is_chosen_on_inner_splits_that_keep_groups_together(giveaway, model):
    run = giveaway_run(giveaway, f"{model}.C=[0.1, 10.0]")
    _, _, metrics = fitted(run, model)
    # With a group on both sides the large C would know the label.
    assert min(metrics["C_path"].values()) > 0.9 * HONEST


def test_rounds_are_counted_on_an_inner_split_that_keeps_groups_together(giveaway):
    run = giveaway_run(giveaway, *EAGER["lightgbm"])
    _, _, metrics = fitted(run, "lightgbm")
    points = [p["loss"] for p in metrics["history"] if p["split"] == "validation"]
    assert min(points) > 0.9 * HONEST


def test_decision_values_are_calibrated_on_rows_of_other_groups(giveaway):
    run = giveaway_run(giveaway, *EAGER["svm"])
    # Calibrated on rows of groups it has seen, the machine would be sure, and wrong too often.
    loss = loss_of(run, pd.concat([fitted(run, "svm", fold)[0] for fold in range(3)]))
    assert loss < 1.2 * planted.HONEST


# --- weights reach the model, and the prior is given back ---------------------------------------


def test_posteriors_are_recovered_without_weights(posteriors):
    assert_recovered(posteriors_run(posteriors), "logreg")


@pytest.mark.parametrize("model", BASELINES)
@pytest.mark.parametrize(
    "setting", [BALANCED, "weights.oversample=true", "weights.classes=[1.0, 5.0]"]
)
def test_posteriors_are_recovered_under_weights_and_oversampling(posteriors, model, setting):
    assert_recovered(posteriors_run(posteriors, setting), model)


def assert_recovered(run, model):
    texts = pd.read_parquet(run.clean / "train.parquet").set_index("id")["text"]
    tests = pd.read_parquet(run.clean / "test.parquet").set_index("id")["text"]
    oof, test, _ = fitted(run, model)
    for table, source in ((oof, texts), (test, tests)):
        words = planted.words_of(source.loc[table["id"]])
        off = planted.Posteriors.of(words, table["rare"].to_numpy()).off
        assert off < 0.05, (model, planted.Posteriors.of(words, table["rare"].to_numpy()))
    predictor = Predictor.load(run.fold(model, 0))
    again = predictor.predict({"text": tests.to_numpy(dtype=object)})
    np.testing.assert_allclose(again, test[class_names(run)], atol=1e-6)


@pytest.mark.parametrize("model", BASELINES)
@pytest.mark.parametrize("setting", [BALANCED, OVERSAMPLED])
def test_weights_and_oversampling_reach_every_model(posteriors, model, setting):
    plain, _, _ = fitted(posteriors_run(posteriors), model)
    run = posteriors_run(posteriors, setting, "weights.correct_prior=false")
    moved, _, _ = fitted(run, model)
    # Both make the two classes weigh the same: by Bayes' rule 0.41 on average, instead of 0.14.
    assert plain["rare"].mean() < 0.2
    assert 0.35 < moved["rare"].mean() < 0.55


@pytest.mark.parametrize("setting", [BALANCED, OVERSAMPLED, "weights.classes=[1.0, 5.0]"])
@pytest.mark.parametrize(
    "way", ["metric=f1_macro", "weights.correct_prior=false", "metric=log_loss"]
)
def test_the_prior_stays_the_class_frequencies_under_weights_and_oversampling(
    posteriors, setting, way
):
    run = posteriors_run(posteriors, setting, way)
    labels = pd.read_parquet(run.clean / "train.parquet")["label"]
    counts = labels[pd.read_parquet(run.folds)["fold"] != 0].value_counts()
    for table in fitted(run, "prior")[:2]:
        expected = (counts["rare"] + 1) / (counts.sum() + 2)
        np.testing.assert_allclose(table["rare"], expected)


def test_class_weights_are_counted_on_the_training_rows_alone(posteriors):
    settings = (BALANCED, "folds.stratify=false", "folds.n=5", "logreg.max_iter=1")
    run = posteriors_run(posteriors, *settings)
    labels = pd.read_parquet(run.clean / "train.parquet")["label"]
    fold = pd.read_parquet(run.folds)["fold"]
    found = []
    for k in range(2):
        fitted(run, "logreg", k)
        factors = np.array(read_json(run.fold("logreg", k) / "unit.json")["prior_correction"])
        share = labels[fold != k].value_counts(normalize=True).reindex(["common", "rare"])
        np.testing.assert_allclose(factors[1] / factors[0], share["rare"] / share["common"])
        found.append(factors[1] / factors[0])
    assert found[0] != found[1]


@pytest.mark.parametrize("model", BASELINES)
@pytest.mark.parametrize(
    "setting", [BALANCED, OVERSAMPLED, "weights.classes=[3.0, 3.0, 1.0]", 'weights.classes="none"']
)
def test_swapped_answers_give_the_mirrored_prediction_whatever_the_weights(pairs, model, setting):
    run = planted.prepared(pairs, planted.PAIRS, (setting,))
    _, test, _ = fitted(run, model)
    test = test.set_index("id")
    forward, backward = (
        test.loc[[f"{way}{i}" for i in range(planted.SWAPPED)]].to_numpy() for way in "fb"
    )
    assert forward.std(axis=0).min() > 0.005  # else a model that says nothing would pass
    np.testing.assert_allclose(forward[:, [1, 0, 2]], backward, atol=1e-6)


def test_one_weight_for_the_classes_that_trade_places_or_none(pairs):
    with pytest.raises(UserError, match="'first' and 'second' trade places .* not 1 and 2"):
        planted.prepared(pairs, planted.PAIRS, ("weights.classes=[1.0, 2.0, 1.0]",))


def test_tune_gives_the_prior_back_too(posteriors):
    from foldwise.tuning.space import read_space
    from foldwise.tuning.trial import Tuner

    for setting in (BALANCED, OVERSAMPLED):
        run = posteriors_run(posteriors, setting)
        tuner = Tuner.load(run, "logreg", read_space("logreg"))
        found = tuner.predict({"C": 100.0}, 0, None)
        words = planted.words_of(tuner.data.texts["text"][tuner.fold == 0])
        assert planted.Posteriors.of(words, found[:, 1]).off < 0.05


def test_a_trial_of_tune_never_saw_the_fold_it_is_judged_on(giveaway):
    from foldwise.tuning.space import read_space
    from foldwise.tuning.trial import Tuner

    run = giveaway_run(giveaway)
    tuner = Tuner.load(run, "logreg", read_space("logreg"))
    for without in (False, True):
        losses = []
        for fold in range(3):
            found = tuner.predict({"C": 100.0}, fold, (fold + 1) % 3 if without else None)
            losses.append(row_log_loss(tuner.data.labels[tuner.fold == fold], found).mean())
        assert np.mean(losses) > HONEST


def test_the_learning_curve_never_saw_the_fold_it_scores(giveaway):
    settings = (*EAGER["logreg"], "jobs=1")
    run = giveaway_run(giveaway, *settings, models=("prior", "logreg"))
    labels = read_labels(run, class_names(run))
    groups = pd.read_parquet(run.folds)["group"].to_numpy()
    full = {"logreg": np.full(len(labels), planted.HONEST)}
    found = learning_curve(run, labels, full, GroupBootstrap(groups, draws=100))
    losses = {point.share: point.log_loss for point in found.points}
    assert len(losses) == 4
    assert min(losses.values()) > HONEST


# --- the blend is judged nested -----------------------------------------------------------------


def test_the_score_of_the_blend_is_nested(giveaway):
    run = giveaway_run(giveaway, 'ensemble.methods=["stacking"]', models=("prior", "logreg"))
    run = replace(run, output=run.output.parent / "noise")
    labels = noise(run)
    ensemble(run)
    record = read_json(run.ensemble / "weights.json")
    tried = record["methods"][0]
    # On noise whatever is fitted helps on the rows it was fitted on, and hurts on all others.
    assert tried["fitted_log_loss"] + 0.005 < tried["nested_log_loss"]
    oof = pd.read_parquet(run.ensemble / "oof.parquet")
    own = row_log_loss(labels, oof[["heads", "tails"]].to_numpy()).mean()
    assert own == pytest.approx(tried["nested_log_loss"])
    assert record["overall"]["log_loss"] == pytest.approx(own)


def noise(run, n=120):
    """Write predictions of pure noise about labels that are a coin."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(n) % 2)
    ids = [f"r{i}" for i in range(n)]
    fold = (np.arange(n) % 3).astype(np.int8)
    names = np.array(["heads", "tails"], dtype=object)
    train = {"id": ids, "topic": ids, "text": ids, "label": names[labels], "group": ids}
    run.clean.mkdir(parents=True)
    pd.DataFrame(train).to_parquet(run.clean / "train.parquet")
    pd.DataFrame({"id": ids, "group": ids, "fold": fold}).to_parquet(run.folds)
    bare_audit(["heads", "tails"], n).write(run.clean / "audit.json")
    for name in run.competition.models:
        p = generator.uniform(0.2, 0.8, n)
        oof = pd.DataFrame({"id": ids, "fold": fold, "heads": p, "tails": 1 - p})
        run.model(name).mkdir(parents=True)
        oof.to_parquet(run.model(name) / "oof.parquet")
    return labels
