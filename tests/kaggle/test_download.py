import os

import numpy as np
import pytest

from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.kaggle.download import download

ARENA = load_competition("arena")
HEADER = "id,prompt,response_a,response_b"
TRAIN = f"{HEADER},winner_model_a,winner_model_b,winner_tie\n1,p,a,b,1,0,0\n"
FILES = {"train.csv": TRAIN, "test.csv": f"{HEADER}\n2,p,a,b\n"}
SAMPLE = "id,winner_model_a,winner_model_b,winner_tie\n2,1,0,0\n"


@pytest.fixture
def archive(zipped):
    noise = np.random.default_rng(0).bytes(3_000_000)  # larger than the client's pieces
    return zipped(FILES | {"sample_submission.csv": SAMPLE, "noise.bin": noise})


def test_a_competition_is_unzipped_and_its_columns_are_checked(server, archive, tmp_path, capfd):
    server.archive = archive
    folder = tmp_path / "input"
    download(ARENA, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [*FILES, "sample_submission.csv", "noise.bin"]
    )
    assert (folder / "train.csv").read_text() == TRAIN
    assert "4 files" in capfd.readouterr().out


def test_an_archive_in_the_archive_is_unzipped_too(server, zipped, tmp_path):
    server.archive = zipped(
        {"train.csv.zip": zipped({"train.csv": TRAIN}), "test.csv": FILES["test.csv"]}
    )
    download(ARENA, tmp_path / "input")
    assert (tmp_path / "input" / "train.csv").read_text() == TRAIN
    assert not (tmp_path / "input" / "train.csv.zip").exists()


def test_an_archive_cannot_write_outside_its_folder(server, zipped, tmp_path):
    inside = FILES | {"../../slip.csv": "x", "/slip-from-root.csv": "x", "a/../../../slip.csv": "x"}
    inner = zipped({"../../../slip.csv": "x"})
    server.archive = zipped(inside | {"deep/inner.zip": inner})
    folder = tmp_path / "a" / "b" / "input"
    download(ARENA, folder)
    assert (folder / "train.csv").read_text() == TRAIN
    everything = {path for path in tmp_path.rglob("*slip*") if path.is_file()}
    assert everything and all(path.is_relative_to(folder) for path in everything)


def test_a_download_that_is_cut_is_taken_up_where_it_stopped(server, archive, tmp_path):
    server.archive, server.cut = archive, 1
    download(ARENA, tmp_path / "input")
    assert (tmp_path / "input" / "noise.bin").stat().st_size == 3_000_000
    ranges = [body["range"] for body in server.called("GET")]
    assert ranges[0] is None and int(ranges[1].strip("bytes=-")) > 0


def test_a_half_archive_is_never_taken_for_whole(server, archive, tmp_path):
    server.archive = archive[: len(archive) // 2]  # whole for HTTP, half for zip
    with pytest.raises(UserError, match="broken 3 times; nothing was kept"):
        download(ARENA, tmp_path / "input")
    assert not any((tmp_path / "input").iterdir())


def test_wrong_columns_keep_everything_out(server, zipped, tmp_path):
    server.archive = zipped(FILES | {"train.csv": "id,question,label\n1,q,a\n"})
    with pytest.raises(UserError, match="no column 'prompt'.*configuration of arena"):
        download(ARENA, tmp_path / "input")
    assert not any((tmp_path / "input").iterdir())


def test_rules_that_were_not_accepted_are_explained(server, tmp_path):
    message = "You must accept this competition's rules before you'll be able to download files"
    server.failures.append(("DownloadDataFiles", 403, message))
    with pytest.raises(UserError, match="open the Rules page of llm-classification") as error:
        download(ARENA, tmp_path / "input")
    assert "\n" not in str(error.value)


def test_a_server_error_is_tried_again(server, archive, tmp_path):
    server.archive = archive
    server.failures += [("DownloadDataFiles", 503, "Service Unavailable")] * 2
    download(ARENA, tmp_path / "input")
    assert len(server.called("DownloadDataFiles")) == 3


def test_without_a_token_it_says_how_to_make_one(server, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(UserError, match="make a token on Kaggle"):
        download(ARENA, tmp_path / "input")
    assert not server.calls


def test_without_the_program_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match="pip install kaggle six"):
        download(ARENA, tmp_path / "input")


def test_a_competition_elsewhere_is_refused(tmp_path):
    with pytest.raises(UserError, match="set kaggle.competition"):
        download(load_competition("sample"), tmp_path)
    assert not os.listdir(tmp_path)
