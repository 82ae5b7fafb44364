import os
import subprocess
import sys

import pytest

from foldwise.errors import UserError
from foldwise.kaggle import client
from foldwise.kaggle.client import refusal, wait_until


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("403 Client Error: Forbidden for url: http://x/y", "open the Rules page of arena"),
        ("404 Client Error: Not Found for url: http://x/y", "check the name 'arena'"),
        ("Authentication required to call the Kaggle API.\n  Save it", "make a token"),
        ("You have reached the maximum number of daily submissions", "a quota is used up"),
        ("Kernel push error: Maximum weekly GPU quota reached", "a quota is used up"),
        ("503 Server Error: Service Unavailable", "try again later"),
        ("requests.exceptions.ConnectionError: Max retries exceeded", "try again later"),
        ("ModuleNotFoundError: No module named 'six'", "pip install kaggle six"),
        ("Dataset creation error: title is already in use", "title is already in use"),
        ("", "no message"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(said, words):
    line = refusal("download", f"progress 10 %\n{said}" if said else "", "arena")
    assert words in line
    assert line.startswith("download: ")
    assert "\n" not in line and "http" not in line


def program(folder, monkeypatch, script):
    (folder / "kaggle").write_text(f"#!/bin/sh\necho x >> {folder}/calls\n{script}\n")
    (folder / "kaggle").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.001)
    return lambda: len((folder / "calls").read_text().splitlines())


def test_an_error_that_is_only_printed_counts(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "echo 'Dataset creation error: no space'")
    with pytest.raises(UserError, match="upload: Dataset creation error: no space"):
        client.kaggle("datasets", "create", what="upload")


def test_what_must_not_happen_twice_is_not_tried_again(tmp_path, monkeypatch):
    calls = program(tmp_path, monkeypatch, "echo '502 Server Error' >&2; exit 1")
    with pytest.raises(UserError, match="try again later"):
        client.kaggle("competitions", "submit", what="submission", retry=False)
    assert calls() == 1
    with pytest.raises(UserError, match="try again later"):
        client.kaggle("competitions", "list", what="list")
    assert calls() == 5


def test_a_retry_inside_the_client_is_no_failure(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "echo 'Connection error: IncompleteRead. Retrying'; echo done")
    assert "done" in client.kaggle("competitions", "download", what="download")


def test_waiting_ends_with_the_time():
    assert wait_until(lambda: None, "score", 0.02, 0.005) is None
    answers = iter([None, None, "ready"])
    assert wait_until(lambda: next(answers), "score", 600, 0.001) == "ready"


@pytest.mark.parametrize("command", ["bundle", "rehearse", "push", "submit"])
def test_on_a_folder_without_a_run_every_command_says_so_in_one_line(tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-m", "foldwise", "kaggle", command, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
