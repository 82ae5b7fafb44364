from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foldwise.config.competition import load_competition
from foldwise.data.targets import order_classes, parse_target
from foldwise.errors import UserError

PATH = Path("train.csv")
ARENA, SPOOKY = load_competition("arena"), load_competition("spooky", ["data.classes=[]"])


def one_hot(*rows):
    return pd.DataFrame([dict(zip(ARENA.data.target, row, strict=True)) for row in rows])


def test_one_hot_columns_become_class_names():
    labels, _ = parse_target(one_hot(("1", "0", "0"), ("0", "0", "1.0")), ARENA, PATH)
    assert list(labels) == ["winner_model_a", "winner_tie"]
    assert order_classes(load_competition("arena"), np.array(ARENA.data.target)) == list(
        ARENA.data.target
    )


def test_one_hot_columns_may_be_booleans_as_a_csv_spells_them():
    labels, _ = parse_target(one_hot(("True", "False", "FALSE"), (False, False, True)), ARENA, PATH)
    assert list(labels) == ["winner_model_a", "winner_tie"]


@pytest.mark.parametrize("row", [("1", "1", "0"), ("0.5", "0.5", "0"), ("x", "0", "0")])
def test_a_row_with_two_winners_or_none_of_the_numbers_is_named(row):
    with pytest.raises(UserError, match="train.csv: row 2"):
        parse_target(one_hot(("1", "0", "0"), row), ARENA, PATH)


def test_a_few_rows_without_a_label_are_dropped_and_counted():
    rows = [("1", "0", "0")] * 9 + [("0", "0", "0")]
    labels, notes = parse_target(one_hot(*rows), ARENA, PATH)
    assert labels[9] is None
    assert "1 rows without a label" in notes[0]


def test_a_file_mostly_without_labels_is_refused():
    with pytest.raises(UserError, match="3 of 4 rows have no label"):
        parse_target(pd.DataFrame({"author": ["EAP", "", None, " "]}), SPOOKY, PATH)


def test_a_label_outside_the_configured_classes_names_row_and_nearest():
    with pytest.raises(UserError, match="row 2: label 'EAPP'.*did you mean 'EAP'"):
        parse_target(pd.DataFrame({"author": ["EAP", "EAPP"]}), load_competition("spooky"), PATH)


def test_a_missing_target_column_names_the_nearest():
    with pytest.raises(UserError, match="no column 'author'.*did you mean 'auther'"):
        parse_target(pd.DataFrame({"auther": ["EAP"]}), SPOOKY, PATH)


@pytest.mark.parametrize(
    ("values", "classes"),
    [([10, 9, 2], ["2", "9", "10"]), ([1.0, 0.0, None], ["0", "1"]), ([True, False], None)],
)
def test_labels_may_be_numbers_or_booleans(values, classes):
    labels, _ = parse_target(pd.DataFrame({"author": values}, dtype=object), SPOOKY, PATH)
    found = order_classes(SPOOKY, np.array([x for x in labels if x is not None], object))
    assert found == (classes or ["false", "true"])


def test_one_class_alone_is_refused():
    with pytest.raises(UserError, match="only one class, 'x'"):
        order_classes(SPOOKY, np.array(["x", "x"], object))


def test_labels_named_like_output_columns_are_refused():
    for name in ("fold", "probability"):
        with pytest.raises(UserError, match=repr(name)):
            order_classes(SPOOKY, np.array([name, "x"], object))
