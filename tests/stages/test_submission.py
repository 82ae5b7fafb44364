"""The submission stage: every probability under its own id and its own class."""

import numpy as np
import pandas as pd
import pytest
from fabricate import bare_audit

from foldwise.errors import UserError
from foldwise.stages.submission import submission

CLASSES = ["EAP", "HPL", "MWS"]


@pytest.fixture
def make(make_run):
    """Write blended test rows and a sample submission, and return what is submitted."""

    def make(sample, *settings, classes=CLASSES, test=None):
        run = make_run("spooky", "data.classes=[]", *settings)
        bare_audit(classes, 9).write(run.clean / "audit.json")
        p = np.random.default_rng(0).dirichlet(np.ones(len(classes)), 4)
        table = pd.DataFrame(p, columns=classes)
        table.insert(0, "id", ["a", "b", "c", "d"])
        run.ensemble.mkdir(parents=True, exist_ok=True)
        (table if test is None else test).to_parquet(run.ensemble / "test.parquet")
        (run.input / "train.csv").touch()
        if sample is not None:
            sample.to_csv(run.input / "sample_submission.csv", index=False)
        submission(run)
        return table.set_index("id"), pd.read_csv(run.output / "submission.csv")

    return make


def test_ids_and_classes_stand_as_in_the_sample_and_keep_their_probabilities(make):
    columns = ["MWS", "EAP", "HPL"]
    sample = pd.DataFrame({"id": ["d", "b", "a", "c"]} | dict.fromkeys(columns, 1 / 3))
    table, found = make(sample)
    assert list(found.columns) == ["id", *columns]
    assert list(found["id"]) == ["d", "b", "a", "c"]
    for row in found.to_dict("records"):
        for name in CLASSES:
            assert row[name] == pytest.approx(table.loc[row["id"], name])


def test_a_column_with_the_name_of_a_class_holds_the_probability_of_that_class(make):
    sample = pd.DataFrame({"id": ["b", "a", "d", "c"], "no": 0.5})
    table, found = make(sample, classes=["no", "yes"])
    np.testing.assert_allclose(found["no"], table.loc[found["id"], "no"])


def test_one_column_of_numbers_holds_the_probability_of_the_second_class(make):
    sample = pd.DataFrame({"id": ["b", "a", "d", "c"], "target": 0.5})
    table, found = make(sample, classes=["no", "yes"])
    np.testing.assert_allclose(found["target"], table.loc[found["id"], "yes"])


def test_one_column_of_labels_holds_the_likeliest_class(make):
    sample = pd.DataFrame({"id": ["b", "a", "d", "c"], "author": "EAP"})
    table, found = make(sample, "metric=accuracy")
    assert list(found["author"]) == list(table.loc[found["id"]].idxmax(axis=1))


def test_without_a_sample_the_rows_follow_the_test_file(make):
    table, found = make(None)
    assert list(found["id"]) == list(table.index)
    np.testing.assert_allclose(found[CLASSES], table[CLASSES])


def test_what_does_not_sum_to_one_is_not_submitted(make):
    table = pd.DataFrame({"id": ["a"], "EAP": [0.5], "HPL": [0.5], "MWS": [0.5]})
    with pytest.raises(FloatingPointError, match="do not sum to 1"):
        make(None, test=table)


def test_another_set_of_ids_is_not_submitted(make):
    sample = pd.DataFrame({"id": ["a", "b", "c", "e"]} | dict.fromkeys(CLASSES, 1 / 3))
    with pytest.raises(UserError, match="different ids"):
        make(sample)
