import json
import os

import pytest

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.files import write_text
from foldwise.stages import stage
from foldwise.stages.stage import Stage, execute


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A stage that copies raw.txt and counts how often it works."""
    runs = []

    def work(run):
        runs.append(1)
        write_text(run.output / "copy.txt", (run.input / "raw.txt").read_text())
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
        run = Run(
            load_competition("sample", settings), tmp_path / "in", tmp_path / "out", force=force
        )
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


def test_a_record_names_files_by_folder_so_that_a_run_can_be_moved(counting):
    go, _, folder = counting
    go()
    record = json.loads((folder / "out" / ".stages" / "folds.json").read_text())
    assert list(record["inputs"]) == ["input:raw.txt", "input:absent.txt"]
    assert list(record["outputs"]) == ["output:copy.txt"]


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
