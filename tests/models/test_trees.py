import pytest
from madeup import fit, single_rows


@pytest.mark.parametrize("classes", [2, 3])
def test_lightgbm_keeps_its_curves_of_loss_and_accuracy(classes, tmp_path):
    competition, data = single_rows(n=400, classes=classes)
    info = fit("lightgbm", competition, data, tmp_path, ["x", "y", "z"][:classes]).info
    for split in ("train", "validation"):
        points = [point for point in info["history"] if point["split"] == split]
        assert points[-1]["loss"] < points[0]["loss"]
        assert 0.5 < points[-1]["accuracy"] <= 1
