import importlib.util
import io
import os
import zipfile

import pytest
import standin

from foldwise.kaggle import client


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Put the real `kaggle` client, a token and a server for it in place."""
    # Its other half: the folder of these tests is called kaggle too.
    if importlib.util.find_spec("kagglesdk") is None:
        pytest.skip("needs the kaggle package: pip install kaggle six")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.01)
    with standin.serving() as state:
        standin.install(tmp_path / "bin", state.url)
        yield state


@pytest.fixture
def zipped():
    """Make an archive of files."""

    def make(files):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return make
