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


def test_it_is_fitted_for_as_many_rounds_as_the_inner_split_liked_best(tmp_path):
    competition, data = single_rows(n=400, classes=2)
    model = fit("lightgbm", competition, data, tmp_path, ["x", "y"])
    points = [point for point in model.info["history"] if point["split"] == "validation"]
    assert model.booster.num_trees() == model.info["rounds"] < competition.lightgbm.max_rounds
    # The curve holds every round up to a hundred.
    best = min(points, key=lambda point: point["loss"])
    assert abs(best["step"] - model.info["rounds"]) <= points[1]["step"] - points[0]["step"]
