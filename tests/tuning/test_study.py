import numpy as np
import pytest
from forkedrun import write_data

from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.stages.stage import execute
from foldwise.tuning.space import read_space

SETTINGS = ("data.classes=[]", "folds.n=3", "features.char_ngrams=[]", "report.bootstrap=100")


@pytest.fixture
def tuner(make_run, tmp_path):
    """Make a tuner of the logistic regression on a small, learnable competition."""
    pytest.importorskip("optuna", reason="needs optuna: pip install -r requirements-cluster.txt")
    from foldwise.tuning.trial import Tuner

    write_data(tmp_path / "data")

    def make(*settings):
        run = make_run("spooky", *SETTINGS, *settings, input=tmp_path / "data")
        for stage in ("clean", "folds", "features"):
            execute(stage, run)
        return Tuner.load(run, "logreg", read_space("logreg"))

    return make


def trials(tuner):
    import optuna

    from foldwise.tuning.study import _study

    return _study(optuna, tuner, None).trials


def test_it_finds_better_settings_and_writes_what_run_takes(tuner):
    from foldwise.tuning.study import describe, tune

    ours = tuner("logreg.C=[0.0001]")
    report = tune(ours, 6, nested=False)
    assert report.improves
    assert report.tuned < report.default
    override = ours.run.output / "tune" / "logreg.toml"
    loaded = load_competition("spooky", SETTINGS, overrides=[override])
    assert list(loaded.logreg.C) == report.values["C"]
    lines = describe(report, override)
    assert "optimistic" in lines[0]
    assert "--nested" in lines[1]


def test_it_resumes_and_stops_at_the_number_of_trials(tuner):
    from foldwise.tuning.study import tune

    ours = tuner("logreg.C=[0.0001]")
    tune(ours, 3, nested=False)
    first = [trial.params for trial in trials(ours)]
    tune(ours, 3, nested=False)
    assert [trial.params for trial in trials(ours)] == first
    tune(ours, 5, nested=False)
    assert [trial.params for trial in trials(ours)][:3] == first
    assert len(trials(ours)) == 5


def test_other_settings_are_another_study(tuner):
    from foldwise.tuning.study import tune

    tune(tuner("logreg.C=[0.0001]"), 2, nested=False)
    assert trials(tuner("weights.classes=balanced")) == []


def test_the_nested_score_says_how_optimistic_the_tuned_one_is(tuner):
    from foldwise.tuning.study import describe, tune

    ours = tuner("logreg.C=[0.0001]")
    report = tune(ours, 3, nested=True)
    assert report.optimism == pytest.approx(report.nested - report.tuned)
    assert report.difference_low <= report.difference <= report.difference_high
    assert any("nested" in line for line in describe(report, ours.run.output))


def test_the_fold_that_judges_is_never_fitted_or_chosen_on(tuner, monkeypatch):
    from foldwise.models.linear import LogisticRegression
    from foldwise.tuning.study import tune

    ours = tuner("logreg.C=[0.0001]")
    seen = []
    fit = LogisticRegression.fit

    def spy(train, task, validation=None):
        assert validation is None
        seen.append(frozenset(train.ids))
        return fit(train, task, validation)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    ours.predict({}, 0, without=1)
    ids = ours.data.ids
    assert seen[-1] == frozenset(ids[ours.fold == 2])
    ours.predict({}, 0, without=None)
    assert seen[-1] == frozenset(ids[ours.fold != 0])
    seen.clear()
    tune(ours, 1, nested=True)
    sizes = [len(rows) for rows in seen]
    # Defaults and one trial on all three folds, then for each of them the two that judge.
    assert sizes.count(30) == 3 + 3 + 2 * 3
    # Each is chosen for by the defaults and a trial on the two other folds, without it.
    assert sizes.count(15) == 3 * 2 * 2
    assert len(sizes) == 24


def test_a_trial_that_is_worse_on_its_first_fold_is_given_up_there(tuner, monkeypatch):
    from foldwise.tuning.study import tune
    from foldwise.tuning.trial import Tuner

    ours, fitted = tuner(), []

    def score_of(self, values, fold, without):
        fitted.append(fold)
        # The defaults on three folds, five trials to know the median from, then a bad one.
        return 0.5 if len(fitted) <= 3 + 5 * 3 else 9.0

    monkeypatch.setattr(Tuner, "predict", score_of)
    monkeypatch.setattr(Tuner, "score", lambda self, found, fold: found)
    report = tune(ours, 6, nested=False)
    assert fitted == [0, 1, 2] * 6 + [0]
    states = [trial.state.name for trial in trials(ours)]
    assert states == ["COMPLETE"] * 5 + ["PRUNED"]
    assert report.tuned == 0.5 and not report.improves


def test_an_accuracy_is_tuned_upwards(tuner):
    from foldwise.tuning.study import tune

    report = tune(tuner("metric=accuracy", "logreg.C=[0.0001]"), 4, nested=False)
    assert report.tuned >= report.default or not report.improves
    assert 0 <= report.tuned <= 1


def test_what_is_not_up_to_date_is_not_tuned_on(tuner):
    from foldwise.commands.tune import tune

    run = tuner().run
    execute("leaks", run)
    with open(run.folds, "ab") as file:
        file.write(b"x")
    places = {"input": run.input, "output": run.output, "settings": list(SETTINGS)}
    with pytest.raises(UserError, match="folds.parquet: is not what stage 'folds' wrote"):
        tune("spooky", model="logreg", trials=1, nested=False, space=None, rows=0, **places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[logreg]\nC = { low = 3, high = 1 }", "logreg.C: give low < high"),
        ("[logreg]\nC = { low = 0, high = 1.0, log = true }", "logreg.C: give low < high"),
        ("[logreg]\nC = { lo = 1 }", "logreg.C"),
        ("[logreg]\nC = 3", "logreg.C"),
        ("logreg = [", "not a readable TOML"),
    ],
)
def test_a_wrong_search_space_is_one_line(tmp_path, text, message):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_space("logreg", path)
    with pytest.raises(UserError, match=r"no section \[prior\]"):
        read_space("prior")


@pytest.mark.parametrize("model", ["logreg", "svm", "embedding", "lightgbm"])
def test_every_shipped_space_fits_its_model(model):
    from foldwise.config.competition import with_section

    competition = load_competition("spooky")
    space = read_space(model)
    assert space
    for key, span in space.items():
        for value in (span.low, span.high):
            default = getattr(getattr(competition, model), key)
            given = [value] if isinstance(default, tuple) else value
            changed = with_section(competition, model, {key: given}, "test")
            stored = getattr(getattr(changed, model), key)
            assert np.ravel(stored).tolist() == [value]
