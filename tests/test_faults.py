"""A part of the walk through all faults; `benchmarks/faults.py` takes the whole."""

import shutil

import faults
import numpy as np
import pytest
from forkedrun import foldwise, make_reference

from foldwise.crossval.stored import folder_hashes
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import UserError
from foldwise.files import read_json, write_json

pytestmark = pytest.mark.slow

NAMES = (
    "kill -9 in clean, before write 1",
    "kill -9 in folds, after write 2",
    "kill -9 in features, after write 2",
    "kill -9 in baselines, before write 7",
    "kill -9 in ensemble, before write 3",
    "kill -9 in submission, after write 2",
    "kill -9 in report, after write 2",
    "full disk in features",
    "full disk in baselines",
    "clean/train.parquet cut in half",
    "folds.parquet with one bit flipped",
    "features/test/index.npz deleted",
    "models/logreg/fold-0/oof.parquet with one bit flipped",
    "models/logreg/fold-1/unit.json cut in half",
    "ensemble/weights.json cut in half",
    "features/train/word.data.npy damaged, then baselines alone",
    "the folders of two folds exchanged",
    "a second run on the same output",
    "Ctrl-C after the first fold",
    "every file dated tomorrow",
    "a run with another scipy in between",
    "another configuration, then a late stage alone",
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return make_reference(tmp_path_factory.mktemp("reference") / "run")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_finished_is_lost_and_nothing_stale_is_used(reference, tmp_path, name):
    (fault,) = (fault for fault in faults.ALL if fault.name == name)
    finding = faults.walk(fault, reference, tmp_path / "run")
    assert finding.problems == []


def test_a_changed_package_makes_the_models_that_use_it_anew(reference, tmp_path):
    shutil.copytree(reference, tmp_path / "run")
    unit = tmp_path / "run" / "out" / "models" / "logreg" / "fold-0" / "unit.json"
    before = unit.stat().st_ino
    outcome = foldwise(tmp_path / "run", before=faults.other_version("lightgbm"))
    assert outcome.code == 0
    assert unit.stat().st_ino == before
    outcome = foldwise(tmp_path / "run", before=faults.other_version("scipy"))
    assert "baselines    out-of-fold" in outcome.out
    assert unit.stat().st_ino != before


class Payload:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


def test_loading_a_model_never_runs_code(reference, tmp_path):
    shutil.copytree(reference, tmp_path / "run")
    fold, trace = tmp_path / "run" / "out" / "models" / "logreg" / "fold-0", tmp_path / "trace"
    content = np.array([Payload(trace)], dtype=object)
    np.savez(fold / "weights.npz", **dict.fromkeys(("odd", "even", "bias", "signs"), content))
    with pytest.raises(UserError, match="not those that the run stored"):
        Predictor.load(tmp_path / "run" / "out", "logreg").predict_texts(["a raven"])
    record = read_json(fold / "unit.json")
    write_json(fold / "unit.json", record | {"files": folder_hashes(fold)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Predictor.load(tmp_path / "run" / "out", "logreg").predict_texts(["a raven"])
    assert not trace.exists()


def test_no_stored_file_is_a_pickle(reference):
    files = [p for p in (reference / "out").rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if p.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".bin")]
    for path in files:
        if path.suffix in (".npy", ".npz"):
            loaded = np.load(path, allow_pickle=False)
            for name in loaded.files if path.suffix == ".npz" else ():
                assert loaded[name].dtype != object
