"""What a stored fold depends on: each kind of model on the code that decides its numbers."""

import shutil
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from forkedrun import write_data

from foldwise import hashing
from foldwise.config.roster import KINDS
from foldwise.config.run import Unit
from foldwise.crossval.stored import fit_key, is_stored, stamp, unit_keys
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import table_path
from foldwise.files import PACKAGE, read_json, write_json
from foldwise.stages.stage import execute

EVERY = (
    "crossval.unit", "crossval.stored", "crossval.class_weights", "config.sections",
    "config.competition", "data.cleaned", "features.rows", "models.model", "scoring.metrics",
)  # fmt: skip
COUNTED = (
    "features.table", "features.termcounts", "features.wordforms", "features.tfidf",
    "features.blocks", "features.structure", "features.prompt_kind", "data.splits",
)  # fmt: skip
LINEAR = (
    "models.linear", "models.linear_fit", "models.lbfgs", "models.nb_ratio", "models.scaling",
    "models.warm_start",
)  # fmt: skip
ENCODED = (
    "backbone.batching", "backbone.device", "backbone.heads", "backbone.packing",
    "backbone.pretrained", "backbone.source", "data.cleaning",
)  # fmt: skip
DECIDED_BY = {
    "prior": ("models.prior",),
    "logreg": (*COUNTED, *LINEAR),
    "svm": (*COUNTED, *LINEAR),
    "lightgbm": (*COUNTED, "models.trees", "models.linear_fit"),
    "embedding": (*ENCODED, "models.embedding", "data.splits"),
    "bert": (
        *ENCODED, "backbone.augment", "backbone.dropout", "backbone.inference", "backbone.reading",
        "backbone.token_cache", "finetune.budget", "finetune.checkpoint", "finetune.curve",
        "finetune.distributed", "finetune.loop", "finetune.optimiser", "finetune.plan",
        "models.bert", "models.seeds",
    ),
}  # fmt: skip


def covered(model):
    names = set()
    for root in ("foldwise.crossval.unit", KINDS[model].module):
        names |= set(hashing.covered(root))
    return {name.removeprefix("foldwise.") for name in names}


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Edit a copy of the package that stands for it wherever code is hashed."""
    copy = tmp_path / "foldwise"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(hashing, "PACKAGE", copy)
    hashing.code_hash.cache_clear()

    def edit(module, change):
        path = copy.joinpath(*module.split(".")).with_suffix(".py")
        text = path.read_text()
        changed = change(text)
        assert changed != text
        path.write_text(changed)
        hashing.code_hash.cache_clear()

    yield edit
    hashing.code_hash.cache_clear()


def a_line(text):
    return text + "\nONE_MORE = 1\n"


def words(text):
    return text.replace('"""', '"""Well: ', 1) + "\n# A remark.\n"


def keys(run):
    return {model: fit_key(run, Unit(model, 0)) for model in KINDS}


def changed(before, after):
    return {model for model in before if before[model] != after[model]}


@pytest.mark.parametrize("model", KINDS)
def test_a_changed_line_in_whatever_decides_a_number_is_another_fit(make_run, code, model):
    run, unit = make_run("spooky"), Unit(model, 0)
    before = fit_key(run, unit)
    for module in (*EVERY, *DECIDED_BY[model]):
        code(module, a_line)
        after = fit_key(run, unit)
        assert after != before, module
        before = after


@pytest.mark.parametrize("model", KINDS)
def test_a_fold_depends_on_nothing_that_talks_measures_or_belongs_to_other_models(model):
    found = covered(model)
    assert not found & {name.removeprefix("foldwise.") for name in hashing.SILENT}
    rooms = {name.partition(".")[0] for name in found}
    assert not rooms & {"report", "stages", "kaggle", "ensemble", "tuning", "commands"}
    if "features.tfidf" not in DECIDED_BY[model]:
        assert {name for name in found if name.startswith("features.")} == {"features.rows"}
    if not KINDS[model].is_transformer:
        assert not rooms & {"backbone", "finetune"}
    if model != "bert":
        assert "finetune" not in rooms


def test_a_changed_optimiser_fits_the_fine_tuned_model_alone(make_run, code):
    run = make_run("spooky")
    before = keys(run)
    code("finetune.optimiser", a_line)
    assert changed(before, keys(run)) == {"bert"}


def test_a_changed_count_of_terms_fits_the_models_that_count_alone(make_run, code):
    run = make_run("spooky")
    before = keys(run)
    code("features.termcounts", a_line)
    assert changed(before, keys(run)) == {"logreg", "svm", "lightgbm"}


def test_a_reworded_docstring_or_comment_fits_nothing(make_run, code):
    run = make_run("spooky")
    before = keys(run)
    for module in ("scoring.bootstrap", "terminal", "finetune.optimiser", "crossval.unit"):
        code(module, words)
    for module in ("terminal", "errors", "meter", "config.roster", "finetune.throughput"):
        code(module, a_line)
    assert keys(run) == before


def test_a_model_is_fitted_anew_if_its_row_names_another_class_but_not_for_its_colour(
    make_run, monkeypatch
):
    run = make_run("spooky")
    before = keys(run)
    monkeypatch.setitem(KINDS, "svm", replace(KINDS["svm"], look=9))
    assert keys(run) == before
    path = "foldwise.models.linear:LogisticRegression"
    monkeypatch.setitem(KINDS, "svm", replace(KINDS["svm"], path=path))
    assert changed(before, keys(run)) == {"svm"}


def test_settings_that_share_the_machine_or_name_a_file_fit_nothing(make_run):
    before = keys(make_run("spooky"))
    same = ("bert.workers=2", "bert.over_budget=stop", "data.test=other.csv", "data.download=x")
    assert keys(make_run("spooky", *same)) == before
    assert changed(before, keys(make_run("spooky", "bert.epochs=9"))) == {"bert"}
    counting = changed(before, keys(make_run("spooky", "features.min_df=9")))
    assert counting == {"logreg", "svm", "lightgbm"}
    assert changed(before, keys(make_run("spooky", "seed=9"))) == set(KINDS)


@pytest.mark.parametrize(
    "setting",
    [
        "seed=9", "metric=accuracy", "weights.classes=balanced", "weights.oversample=true",
        "clean.html=keep", "data.missing_text=drop",
    ],
)  # fmt: skip
def test_what_every_model_is_told_fits_every_model_again(make_run, setting):
    before = keys(make_run("spooky"))
    assert changed(before, keys(make_run("spooky", setting))) == set(KINDS)


def test_other_training_rows_or_folds_are_another_fit_and_other_test_rows_are_not(make_run):
    run = make_run("spooky")
    run.clean.mkdir(parents=True)
    found = [{model: unit_keys(run, Unit(model, 0)) for model in KINDS}]
    for path in (run.folds, table_path(run, "train"), table_path(run, "test")):
        path.write_text("other")
        found.append({model: unit_keys(run, Unit(model, 0)) for model in KINDS})
    for (before, after), again in zip(pairwise(found), (True, True, False), strict=True):
        for model in KINDS:
            assert (before[model].fit != after[model].fit) == again
            assert before[model].predict != after[model].predict


@pytest.fixture
def prepared(make_run, tmp_path, tiny_encoder):
    write_data(tmp_path / "data")
    run = make_run(
        "spooky", "data.classes=[]", "folds.n=2", "jobs=1", "features.char_ngrams=[]",
        "lightgbm.max_rounds=5", f"bert.model={tiny_encoder}", f"embedding.model={tiny_encoder}",
        "bert.epochs=1", "bert.max_length=16", "bert.seeds=2", input=tmp_path / "data",
    )  # fmt: skip
    for stage in ("clean", "folds", "features"):
        execute(stage, run)
    return run


@pytest.mark.parametrize("model", KINDS)
def test_every_function_that_runs_in_a_fit_is_in_its_code_hash(prepared, model):
    ran = set()

    def notice(frame, event, argument):
        name = frame.f_globals.get("__name__") or ""
        if event == "call" and name.startswith("foldwise."):
            ran.add(name)

    sys.setprofile(notice)
    try:
        run_unit(prepared, Unit(model, 0))
    finally:
        sys.setprofile(None)
    assert KINDS[model].module in ran
    left = ran - hashing.SILENT
    assert {name.removeprefix("foldwise.") for name in left} <= covered(model)


def test_a_stored_unit_holds_both_keys_and_either_decides(prepared):
    unit = Unit("prior", 0)
    run_unit(prepared, unit)
    assert is_stored(prepared, unit)
    folder = prepared.fold(*unit)
    record, found = read_json(folder / "unit.json"), unit_keys(prepared, unit)
    assert (record["fit_key"], record["predict_key"]) == (found.fit, found.predict)
    for key in ("fit_key", "predict_key"):
        write_json(folder / "unit.json", record | {key: "another"})
        assert not is_stored(prepared, unit)
    write_json(folder / "unit.json", record)
    (folder / "prior.json").write_text("[]")
    assert not is_stored(prepared, unit)
    stamp(folder)
    assert is_stored(prepared, unit)
