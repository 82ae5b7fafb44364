import json

import pandas as pd
import pytest

from foldwise.config.competition import load_competition
from foldwise.data.celltext import text_column
from foldwise.data.raw import read_table
from foldwise.data.submission import check, read_submission
from foldwise.errors import UserError
from foldwise.kaggle.hidden import hidden_test

COLUMNS = ["id", "winner_model_a", "winner_model_b", "winner_tie"]


def arena(folder, n=30):
    folder.mkdir()
    turns = {
        c: [json.dumps([f"{c} {i}"]) for i in range(n)] for c in load_competition("arena").data.text
    }
    labels = {c: [int(i % 3 == j) for i in range(n)] for j, c in enumerate(COLUMNS[1:])}
    pd.DataFrame({"id": range(n)} | turns | labels).to_csv(folder / "train.csv", index=False)
    return folder


def test_rows_are_drawn_again_under_new_ids_some_empty_some_long(tmp_path):
    config = load_competition("arena")
    path = hidden_test(config, arena(tmp_path / "in"), 100, COLUMNS, tmp_path / "out")
    table, _ = read_table(path, config)
    assert path.name == "test.csv"
    assert list(table.columns) == ["id", *config.data.text]
    assert len(table) == table["id"].nunique() == 100
    assert not set(table["id"]) & {str(i) for i in range(30)}
    for name in config.data.text:
        values, turns = text_column(table[name])
        assert turns  # still lists of turns, so that they are read as in training
        assert sum(value == (None,) for value in values) == 1
        assert max(len(value[0] or "") for value in values) == 100_000
    sample = read_submission(tmp_path / "out" / "sample_submission.csv")
    assert list(sample["id"]) == list(table["id"])
    check(sample.assign(winner_tie="1"), sample, "a valid one")


@pytest.mark.parametrize("name", ["test.jsonl", "test.parquet", "test.tsv"])
def test_other_formats_read_back_the_same(tmp_path, name):
    folder = arena(tmp_path / "in")
    config = load_competition("arena", [f"data.test={name}", "data.train=train.csv"])
    (folder / name).write_text("only its name matters here")
    table, _ = read_table(hidden_test(config, folder, 50, COLUMNS, tmp_path / "out"), config)
    assert len(table) == 50
    assert text_column(table["prompt"])[1]


def test_a_headerless_file_is_refused(tmp_path):
    folder = arena(tmp_path / "in")
    columns = '["id", "prompt", "response_a", "response_b", "x", "y", "z"]'
    config = load_competition("arena", [f"data.columns={columns}"])
    with pytest.raises(UserError, match="without a header"):
        hidden_test(config, folder, 5, COLUMNS, tmp_path / "out")
