import os
import subprocess
import sys

import pytest

from foldwise.errors import UserError
from foldwise.files import atomic, exclusive, lock, write_text


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


def test_two_runs_on_one_folder_are_refused(tmp_path):
    code = (
        "from pathlib import Path\nfrom foldwise.files import lock\n"
        f"with lock(Path({str(tmp_path)!r})): pass"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with lock(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
    assert "another run is writing there" in other.stderr


def holding(path):
    """Start a process that holds a lock, and return it once it does."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom foldwise.files import exclusive\n"
        f"with exclusive(Path({str(path)!r}), wait=False) as held:\n"
        "    print(held, flush=True)\n    sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **pipes)
    assert process.stdout.readline() == "True\n"
    return process


def test_a_lock_goes_with_a_process_that_is_killed(tmp_path):
    path = tmp_path / ".lock"
    process = holding(path)
    with exclusive(path, wait=False) as held:
        assert not held
    process.kill()
    process.communicate()
    with exclusive(path, wait=False) as held:
        assert held


def test_who_waits_for_a_lock_gets_it_when_it_is_released(tmp_path):
    process = holding(tmp_path / ".lock")
    process.stdin.close()  # ends it
    with exclusive(tmp_path / ".lock", wait=True) as held:
        assert held
    process.wait()
    process.stdout.close()


def test_a_link_in_the_place_of_a_lock_leaves_its_target_as_it_is(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("all of it")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(kept)
    with pytest.raises(UserError, match="out: cannot be written to"), lock(tmp_path / "out"):
        pass
    assert kept.read_text() == "all of it"


def test_what_a_lock_file_holds_stays(tmp_path):
    (tmp_path / ".lock").write_text("all of it")
    with lock(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "all of it"


def test_an_unwritable_output_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), lock(tmp_path / "file" / "out"):
        pass


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
