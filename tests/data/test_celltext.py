import pandas as pd
import pytest

from foldwise.data.celltext import as_text, text_column


def test_columns_of_turns_are_told_by_all_their_cells():
    values, turns = text_column(pd.Series(['["a", null]', '["b"]', ""]))
    assert turns
    assert values.tolist() == [("a", None), ("b",), None]
    values, turns = text_column(pd.Series(['["a"]', "plain [text]", "[1, 2"]))
    assert not turns
    assert values[0] == '["a"]'


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), (float("nan"), None), (3.0, "3"), (2.5, "2.5"), (True, "true"), ("x", "x"),
     (12345678901234567890, "12345678901234567890"), (["a", None], '["a", null]')],
)  # fmt: skip
def test_any_cell_becomes_text(value, text):
    assert as_text(value) == text
