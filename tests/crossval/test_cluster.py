"""A real Ray cluster of two nodes on this machine's loopback address."""

import threading
import time
from dataclasses import replace

import pandas as pd
import pytest
from forkedrun import write_data

from foldwise.config.run import Unit
from foldwise.crossval.assembly import fit_models
from foldwise.crossval.stored import is_stored
from foldwise.errors import UserError
from foldwise.stages.stage import execute

MODELS = ["prior", "logreg", "svm", "lightgbm"]
SETTINGS = (
    "data.classes=[]", "folds.n=2", "jobs=2", "features.char_ngrams=[]", "logreg.C=[0.1]",
    "svm.C=[0.1]", "lightgbm.max_rounds=20",
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray", reason="needs ray: pip install -r requirements-cluster.txt")
    from ray.cluster_utils import Cluster

    sizes = {"num_cpus": 1, "memory": 2 * 2**30, "object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args=sizes | {"num_cpus": 2})
    made.second = made.add_node(**sizes)
    yield made
    made.shutdown()


@pytest.fixture
def ready(make_run, tmp_path):
    write_data(tmp_path / "data")

    def make(name, **options):
        run = make_run(
            "spooky", *SETTINGS, input=tmp_path / "data", output=tmp_path / name, **options
        )
        for stage in ("clean", "folds", "features"):
            execute(stage, run)
        return run

    return make


def test_without_ray_or_a_cluster_one_line_says_what_to_do(ready):
    run = ready("none", engine="ray", ray_address="127.0.0.1:1")
    with pytest.raises(UserError, match="pip install|no Ray cluster answers"):
        fit_models(run, ["prior"], 1)


@pytest.mark.slow
def test_a_cluster_gives_the_bits_of_the_local_run(ready, cluster):
    local = ready("local")
    fit_models(local, MODELS, 2)
    remote = ready("remote", engine="ray", ray_address=cluster.address)
    fit_models(remote, MODELS, 2)
    for model in MODELS:
        for name in ("oof.parquet", "test.parquet"):
            ours, theirs = (pd.read_parquet(run.model(model) / name) for run in (remote, local))
            pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
        assert all(is_stored(remote, Unit(model, k)) for k in range(2))


@pytest.mark.slow
def test_other_test_rows_are_predicted_on_the_cluster_by_the_stored_models(ready, cluster):
    run = ready("remote", engine="ray", ray_address=cluster.address)
    fit_models(run, MODELS, 2)
    weights = {p: p.read_bytes() for p in run.output.glob("models/*/fold-*/*") if _is_fit(p)}
    path = run.input / "test.csv"
    path.write_text(path.read_text().replace("r50", "new"))
    for stage in ("clean", "features"):
        execute(stage, run)
    fit_models(run, MODELS, 2)
    for model in MODELS:
        assert pd.read_parquet(run.model(model) / "test.parquet")["id"].iloc[-1] == "new"
        assert all(is_stored(run, Unit(model, k)) for k in range(2))
    # Seconds were measured: a fit would have written others.
    assert {path: path.read_bytes() for path in weights} == weights


def _is_fit(path):
    return path.is_file() and path.name not in ("test.parquet", "unit.json")


@pytest.mark.slow
def test_a_units_own_fault_comes_back_and_the_others_are_stored(ready, cluster):
    run = ready("fault", engine="ray", ray_address=cluster.address)
    wrong = run.competition.logreg.model_copy(update={"C": (float("nan"),), "max_iter": 1})
    broken = run.competition.model_copy(update={"logreg": wrong})
    with pytest.raises(FloatingPointError, match="missing or not finite") as error:
        fit_models(replace(run, competition=broken), ["prior", "logreg"], 2)
    assert "check_probabilities" in str(error.value.__cause__)  # the traceback of the node
    assert "2 of 4 units finished" in error.value.__notes__[-1]
    assert run.fold("prior", 0).exists()


@pytest.mark.slow
def test_a_node_that_dies_midway_costs_nothing(ready, cluster):
    run = ready("killed", engine="ray", ray_address=cluster.address)

    def kill_the_second_node():
        while not run.model("prior").exists():
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    killer = threading.Thread(target=kill_the_second_node)
    killer.start()
    fit_models(run, MODELS, 2)
    killer.join()
    assert all(is_stored(run, Unit(model, k)) for model in MODELS for k in range(2))


@pytest.mark.slow
def test_a_model_that_fits_on_no_node_is_refused(ready, cluster, monkeypatch):
    from foldwise.config import roster

    large = replace(roster.KINDS["prior"], resources=roster.Resources(cpus=64))
    monkeypatch.setitem(roster.KINDS, "prior", large)
    run = ready("large", engine="ray", ray_address=cluster.address)
    with pytest.raises(UserError, match="a unit of prior asks for 64 CPU"):
        fit_models(run, ["prior"], 1)
