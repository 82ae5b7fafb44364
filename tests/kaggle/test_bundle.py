import time
import tomllib

import numpy as np
import pandas as pd
import pytest

from foldwise.config.competition import Competition, load_competition, shipped
from foldwise.config.overrides import as_toml
from foldwise.config.run import Run
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.kaggle import notebook
from foldwise.kaggle.bundle import bundle, slug
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.weights import _settled
from foldwise.simulation import simulate
from foldwise.stages import ORDER
from foldwise.stages.manifest import write_manifest
from foldwise.stages.stage import execute


@pytest.mark.parametrize("name", shipped())
def test_a_configuration_written_as_toml_reads_back_the_same(tmp_path, name):
    competition = load_competition(name)
    path = tmp_path / "competition.toml"
    path.write_text(as_toml(competition.model_dump(mode="json")), encoding="utf-8")
    assert load_competition(path) == competition
    assert tomllib.loads(path.read_text(encoding="utf-8"))["title"] == competition.title


def test_names_on_kaggle_are_short_enough_and_stay_apart():
    long = load_competition("arena", [f"name={'a_Long.Name' * 8}"])
    names = {slug(long, part) for part in ("code", "weights", "submit", "train")}
    assert len(names) == 4
    for name in names:
        assert 6 <= len(name) <= 50
        assert name.replace("-", "").isalnum() and name == name.lower()


def test_a_configuration_stored_before_a_key_came_takes_its_default():
    values = load_competition("arena").model_dump(mode="json")
    del values["kaggle"]
    assert Competition.restore(values).kaggle.competition == ""


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("id,no,yes\n1,0.5,0.5\n", "probabilities"),
        ("id,target\n1,no\n2,yes\n", "label"),
        ("id,target\n1,0.0\n2,1.0\n", "positive"),
    ],
)
def test_what_the_submission_holds_is_settled_by_the_run_and_not_guessed_again(
    tmp_path, made, kind
):
    (tmp_path / "submission.csv").write_text(made)
    assert _settled(load_competition("spooky"), ["no", "yes"], tmp_path).submission.kind == kind
    (tmp_path / "submission.csv").write_text("target,id\nno,1\nno,2\n")
    with pytest.raises(UserError, match="the id is not the first column"):
        _settled(load_competition("spooky"), ["no", "yes"], tmp_path)


@pytest.mark.slow
def test_a_frozen_encoder_is_bundled_once_and_predicts_the_same(tmp_path, tiny_encoder):
    simulate(tmp_path / "in", train_rows=60, test_rows=8, seed=3)
    settings = ("folds.n=2", f'embedding.model="{tiny_encoder}"', "embedding.C=[0.1]")
    models = ["prior", "embedding"]
    run = Run(load_competition("sample", settings, models), tmp_path / "in", tmp_path / "out")
    for stage in ORDER[: ORDER.index("submission") + 1]:
        execute(stage, run)
    write_manifest(run, ["run", "sample"])
    folder = bundle(run.output)
    found = Bundle.read(folder / "weights")
    stored = sorted((folder / "weights").rglob("model.safetensors"))
    assert [path.parent.name for path in stored] == ["encoder"]
    test = tmp_path / "in" / "test.csv"
    (tmp_path / "working").mkdir()
    record = notebook.improve(folder, tmp_path / "working", test, time.time(), 6000)
    assert not record.left_out
    expected = Predictor.load(run.output).predict_file(test)[found.classes].to_numpy()
    got = pd.read_csv(tmp_path / "working" / "submission.csv")
    assert list(got.columns) == found.columns
    np.testing.assert_allclose(got[found.classes].to_numpy(), expected, atol=1e-3)
