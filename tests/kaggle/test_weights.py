"""Encoders are bundled in half precision where that changes no prediction noticeably."""

from pathlib import Path

import pytest
from ensemble.test_predictor import finished, prepared  # noqa: F401
from fabricate import bare_blend
from stages.test_transformer import CLASSES

from foldwise.ensemble.predictor import Predictor
from foldwise.kaggle import weights
from foldwise.scoring.metrics import SCORES

FILE = Path("models/bert/fold-0/model.safetensors")


@pytest.mark.parametrize(("tolerance", "kept"), [(0.5, True), (1e-9, False)])
def test_half_precision_is_kept_only_where_it_changes_nothing(
    finished,  # noqa: F811
    tmp_path,
    monkeypatch,
    tolerance,
    kept,
):
    monkeypatch.setattr(weights, "HALF_TOLERANCE", tolerance)
    scores = dict.fromkeys(SCORES, 0.5)
    bare_blend(CLASSES, {"bert": 1.0}, scores).write(finished.ensemble / "weights.json")
    found = Predictor.load(finished.output)
    target = tmp_path / "weights"
    record = weights.write_weights(target, finished.output, found, found.competition)
    assert record.models["bert"].half == kept
    assert 0 < record.models["bert"].half_changes < 0.5
    half, full = ((folder / FILE).stat().st_size for folder in (target, finished.output))
    assert (half < 0.6 * full) == kept
