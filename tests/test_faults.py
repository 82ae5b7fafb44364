"""A part of the walk through all faults; `benchmarks/faults.py` takes the whole."""

import faults
import pytest

pytestmark = pytest.mark.slow

NAMES = (
    "kill -9 in clean, after write 1",
    "kill -9 in folds, before write 2",
    "kill -9 in features, after write 2",
    "kill -9 in baselines, before write 6",
    "kill -9 in ensemble, after write 3",
    "kill -9 in submission, after write 1",
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
    return faults.make_reference(tmp_path_factory.mktemp("reference") / "run")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_finished_is_lost_and_nothing_stale_is_used(reference, tmp_path, name):
    (fault,) = (fault for fault in faults.ALL if fault.name == name)
    finding = faults.walk(fault, reference, tmp_path / "run")
    assert finding.problems == []


def test_a_changed_package_makes_the_models_that_use_it_anew(reference, tmp_path):
    import shutil

    shutil.copytree(reference, tmp_path / "run")
    unit = tmp_path / "run" / "out" / "models" / "logreg" / "fold-0" / "unit.json"
    before = unit.stat().st_ino
    outcome = faults.foldwise(tmp_path / "run", before=faults.other_version("lightgbm"))
    assert outcome.code == 0
    assert unit.stat().st_ino == before
    outcome = faults.foldwise(tmp_path / "run", before=faults.other_version("scipy"))
    assert "baselines    out-of-fold" in outcome.out
    assert unit.stat().st_ino != before
