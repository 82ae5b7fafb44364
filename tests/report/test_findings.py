"""What the report finds: the floor of a simulation, errors that are alike, the classes."""

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.report.evidence import Evidence, score_table
from foldwise.report.findings import bayes_floor, class_reports, error_correlation

N = 150


@pytest.fixture
def planted(make_run):
    """Fabricate a simulated competition whose truth differs from row to row."""
    run = make_run("sample", 'models=["prior", "logreg", "svm"]', "report.bootstrap=100")
    classes = list(run.competition.data.target)
    labels, _ = fabricate(run, classes, n=N)
    generator = np.random.default_rng(0)
    true = generator.dirichlet(np.ones(3), N)
    table = pd.DataFrame(true, columns=classes).assign(id=[f"r{i}" for i in range(N)])
    test = pd.DataFrame(generator.dirichlet(np.ones(3), 9), columns=classes)
    test["id"] = [f"t{i}" for i in range(9)]
    # The file of the truth has an order of its own.
    whole = pd.concat([table, test]).sample(frac=1, random_state=0)
    whole[["id", *classes]].to_csv(run.input / "truth.csv", index=False)
    return run, labels, true, test[classes].to_numpy()


def floor_of(run):
    evidence = Evidence.load(run)
    return bayes_floor(evidence, run, score_table(evidence, run)[0])


def test_the_floor_is_the_loss_of_the_truth_of_each_row(planted):
    run, labels, true, _ = planted
    found = floor_of(run)
    assert found.log_loss == pytest.approx(-np.log(true[np.arange(N), labels]).mean())


def test_the_way_to_the_floor_begins_at_the_class_frequencies(make_run, planted):
    run, labels, _, _ = planted
    classes = list(run.competition.data.target)
    true = np.where(np.eye(3)[labels] > 0, 0.8, 0.1)
    table = pd.DataFrame(true, columns=classes).assign(id=[f"r{i}" for i in range(N)])
    table.to_csv(run.input / "truth.csv", index=False)
    way = floor_of(run).share_of_the_way
    assert way["prior"] == 0 < way["svm"] < way["logreg"] < 1
    own = pd.read_parquet(run.model("logreg") / "oof.parquet")[classes].to_numpy()
    loss = -np.log(own[np.arange(N), labels]).mean()
    floor = -np.log(0.8)
    assert way["logreg"] == pytest.approx((np.log(3) - loss) / (np.log(3) - floor))


def test_the_submissions_loss_is_expected_over_the_truth_of_the_test_rows(planted):
    run, _, _, true = planted
    assert floor_of(run).expected_test_log_loss is None
    classes = list(run.competition.data.target)
    guess = np.random.default_rng(1).dirichlet(np.ones(3), 9)
    test = pd.DataFrame(guess, columns=classes).assign(id=[f"t{i}" for i in range(9)])
    test[::-1].to_parquet(run.ensemble / "test.parquet")
    found = floor_of(run)
    assert found.expected_test_log_loss == pytest.approx(-(true * np.log(guess)).sum(1).mean())
    assert found.test_floor == pytest.approx(-(true * np.log(true)).sum(1).mean())
    assert found.test_floor < found.expected_test_log_loss


def test_errors_are_as_alike_as_the_losses_of_the_same_rows(planted):
    evidence = Evidence.load(planted[0])
    found = error_correlation(evidence)
    assert found.models == ["logreg", "svm", "ensemble"]
    losses = [evidence.losses[name] for name in found.models]
    assert found.correlation[0][1] == pytest.approx(np.corrcoef(losses[0], losses[1])[0, 1])


def test_a_confusion_has_the_true_class_in_its_row(planted):
    run, labels, *_ = planted
    classes = list(run.competition.data.target)
    # Everything is called the first class.
    oof = pd.read_parquet(run.model("svm") / "oof.parquet")
    oof[classes] = [0.8, 0.1, 0.1]
    oof.to_parquet(run.model("svm") / "oof.parquet")
    found = class_reports(Evidence.load(run))["svm"]
    counts = np.bincount(labels)
    assert found.confusion == [[count, 0, 0] for count in counts.tolist()]
    assert found.classes[classes[0]].recall == 1
    assert found.classes[classes[0]].precision == pytest.approx(counts[0] / N)
