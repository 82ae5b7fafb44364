import json
import os
import subprocess
import sys

import pytest

from foldwise import stage
from foldwise.config import load
from foldwise.errors import UserError
from foldwise.stage import (
    Meter,
    Run,
    Stage,
    atomic,
    code_hash,
    execute,
    file_hash,
    lock,
    write_text,
)


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A stage that copies raw.txt and counts how often it works."""
    runs = []

    def work(run):
        runs.append(1)
        stage.write_text(run.output / "copy.txt", (run.input / "raw.txt").read_text())
        return "copied"

    toy = Stage(
        "folds",
        ("seed",),
        lambda run: [run.input / "raw.txt", run.input / "absent.txt"],
        lambda run: [run.output / "copy.txt"],
        work,
    )
    monkeypatch.setattr("foldwise.stages.folds.STAGE", toy)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "raw.txt").write_text("one")

    def go(*settings, force=False):
        run = Run(load("sample", settings), tmp_path / "in", tmp_path / "out", force=force)
        return execute("folds", run)

    return go, runs, tmp_path


def test_a_finished_stage_is_skipped(counting):
    go, runs, _ = counting
    assert go()
    assert not go()
    assert len(runs) == 1


def test_touching_a_file_without_changing_it_keeps_the_stage_fresh(counting):
    go, _, folder = counting
    go()
    os.utime(folder / "in" / "raw.txt", (0, 0))
    assert not go()


@pytest.mark.parametrize("name", ["in/raw.txt", "in/absent.txt", "out/copy.txt"])
def test_a_changed_appeared_or_damaged_file_makes_it_stale(counting, name):
    go, _, folder = counting
    go()
    (folder / name).write_text("two")
    assert go()


def test_a_setting_it_depends_on_makes_it_stale_and_another_does_not(counting):
    go, _, _ = counting
    go()
    assert not go("bert.epochs=7")
    assert go("seed=7")


def test_force_runs_it_again(counting):
    go, _, _ = counting
    go()
    assert go(force=True)


def test_a_broken_record_is_no_record(counting):
    go, _, folder = counting
    go()
    (folder / "out" / ".stages" / "folds.json").write_text('{"stage": "fol')
    assert go()


def test_a_stage_that_fails_leaves_no_record(counting, monkeypatch):
    go, _, folder = counting
    go()
    (folder / "in" / "raw.txt").unlink()
    with pytest.raises(FileNotFoundError):
        go()
    assert not (folder / "out" / ".stages" / "folds.json").exists()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic(path) as partial:
        partial.write_text("half")
        raise ValueError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("one", "two"):
        with atomic(tmp_path / "d") as partial:
            partial.mkdir()
            (partial / content).touch()
    assert os.listdir(tmp_path / "d") == ["two"]


def test_a_missing_file_has_no_hash(tmp_path):
    assert file_hash(tmp_path / "none") is None
    (tmp_path / "file").touch()
    assert file_hash(tmp_path / "file" / "inside") is None


def test_code_hash_covers_imported_modules_only(tmp_path, monkeypatch):
    package = tmp_path / "foldwise"
    package.mkdir()
    (package / "a.py").write_text("from foldwise import b\n")
    (package / "b.py").write_text("x = 1\n")
    (package / "c.py").write_text("y = 1\n")
    monkeypatch.setattr(stage, "PACKAGE", package)

    def fresh():
        code_hash.cache_clear()
        return code_hash("foldwise.a")

    before = fresh()
    (package / "c.py").write_text("y = 2\n")
    assert fresh() == before
    (package / "b.py").write_text("x = 2\n")
    assert fresh() != before
    code_hash.cache_clear()


def test_two_runs_on_one_folder_are_refused(tmp_path):
    code = (
        "from pathlib import Path\nfrom foldwise.stage import lock\n"
        f"with lock(Path({str(tmp_path)!r})): pass"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with lock(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
    assert "another run is writing there" in other.stderr


def test_an_unwritable_output_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), lock(tmp_path / "file" / "out"):
        pass


def test_the_meter_sees_memory_that_was_freed_again():
    with Meter() as small:
        pass
    with Meter() as large:
        block = bytearray(200 * 1024**2)
        del block
    assert large.peak_memory_mb > small.peak_memory_mb + 150
    assert large.seconds > 0


def test_a_record_names_files_by_folder_so_that_a_run_can_be_moved(counting):
    go, _, folder = counting
    go()
    record = json.loads((folder / "out" / ".stages" / "folds.json").read_text())
    assert list(record["inputs"]) == ["input:raw.txt", "input:absent.txt"]
    assert list(record["outputs"]) == ["output:copy.txt"]


def test_partial_files_of_a_killed_run_are_cleared_by_the_next_one(tmp_path):
    left = [tmp_path / "models" / ".fold-0.123.partial", tmp_path / ".a.parquet.9.old"]
    left[0].mkdir(parents=True)
    (left[0] / "half").touch()
    left[1].touch()
    kept = tmp_path / ".fold-0.checkpoint"
    kept.touch()
    with lock(tmp_path):
        assert not any(path.exists() for path in left)
        assert kept.exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (OSError(30, "Read-only file system"), "Read-only"),
        (OSError("1000 requested and 12 written"), "only a part"),
    ],
)
def test_a_disk_that_takes_no_file_is_one_line(tmp_path, error, reason):
    with pytest.raises(UserError, match=f"a.txt: cannot be written: .*{reason}"):
        with atomic(tmp_path / "a.txt"):
            raise error
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(UserError, match="a.txt: cannot be written: File exists"):
        write_text(tmp_path / "taken" / "a.txt", "x")


def test_another_fault_while_writing_keeps_its_kind(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.txt"):
        raise FileNotFoundError(2, "something that was read")


def test_a_stage_follows_the_code_of_modules_it_names_but_does_not_import(counting, monkeypatch):
    go, runs, _ = counting
    from dataclasses import replace

    import foldwise.stages.folds as folds

    monkeypatch.setattr(folds, "STAGE", replace(folds.STAGE, modules=lambda run: ["foldwise.b"]))
    go()
    assert not go()
    monkeypatch.setattr(stage, "code_hash", lambda name: f"new {name}")
    assert go()
    assert len(runs) == 2
