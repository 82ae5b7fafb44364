import shutil
from collections import namedtuple

import pytest
from transformers import AutoModel

from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.finetune import disk

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def bert(tiny_encoder):
    return lambda *settings: (
        load_competition("spooky", [f"bert.model={tiny_encoder}", *settings]).bert
    )


def test_a_disk_that_is_full_stops_with_both_sizes(bert, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12, 10**8))
    with pytest.raises(
        UserError, match=r"has 0\.10 GB free, training needs up to 0\.\d\d GB for 5"
    ):
        disk.check(tmp_path, 5, 1, bert())


def test_nothing_to_train_needs_no_room(bert, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 0))
    disk.check(tmp_path, 0, 1, bert())


def test_room_is_enough(bert, tmp_path):
    disk.check(tmp_path / "new", 2, 1, bert())
    assert (tmp_path / "new").is_dir()


def test_a_folder_that_cannot_be_made_is_named(bert, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        disk.check(tmp_path / "file" / "output", 2, 1, bert())


def test_a_folder_that_cannot_be_written_to_is_named(bert, tmp_path, monkeypatch):
    monkeypatch.setattr(disk.os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="cannot be written to; training needs"):
        disk.check(tmp_path, 2, 1, bert())


def test_every_network_and_state_is_counted(bert, tiny_encoder):
    weights = AutoModel.from_pretrained(tiny_encoder).num_parameters()
    assert disk._weights(str(tiny_encoder)) == weights
    free = disk.needed(0, 5, 1, bert())
    size = 4 * weights
    assert disk.needed(weights, 5, 1, bert()) - free == (5 + 2 * 3) * size
    several = disk.needed(weights, 5, 2, bert("bert.seeds=3", "bert.ema=0.9"))
    assert several - free == (15 + 6 + 2 * 2 * 4) * size
