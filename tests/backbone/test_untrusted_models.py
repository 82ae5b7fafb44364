"""A model folder from anywhere may be wrong, but it never runs code."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from foldwise.backbone import pretrained
from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.finetune import disk


class Payload:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


@pytest.fixture
def folder(tiny_encoder, tmp_path):
    return shutil.copytree(tiny_encoder, tmp_path / "model")


def test_weights_that_are_a_pickle_with_code_are_refused(folder, tmp_path):
    trace, weights = tmp_path / "trace", folder / "model.safetensors"
    torch.save(load_file(weights) | {"extra": Payload(trace)}, folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(UserError, match="could run code; it was not loaded") as error:
        pretrained.load(str(folder), "classifier", ["a", "b"])
    assert "safetensors" in str(error.value)
    assert not trace.exists()


def test_weights_that_are_a_plain_pickle_of_tensors_are_read(folder):
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    assert pretrained.load(str(folder), "encoder").model.config.hidden_size == 16


def test_code_beside_the_weights_is_never_run_or_asked_about(folder, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    (folder / "mine.py").write_text(f"open({str(trace)!r}, 'w')\nclass Mine: pass\n")
    path = folder / "config.json"
    names = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForSequenceClassification"))
    changes = {"model_type": "mine", "auto_map": dict.fromkeys(names, "mine.Mine")}
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    for look in (
        lambda: pretrained.load(str(folder), "classifier", ["a", "b"]),
        lambda: disk.check(
            tmp_path, 1, 1, load_competition("spooky", [f"bert.model={folder}"]).bert
        ),
    ):
        with pytest.raises(UserError, match="code of its own, which is never run"):
            look()
    assert not trace.exists()
