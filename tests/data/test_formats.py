import json

import pandas as pd
import pytest

from foldwise.data.formats import read_file, write_table
from foldwise.errors import UserError

TEXTS = ["a", 'b,\t"c"', "é\n🙂", "007", "NA"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet"])
def test_a_table_is_read_back_as_it_was_written(tmp_path, suffix):
    table = pd.DataFrame({"id": list("12345"), "text": TEXTS}, dtype=object)
    write_table(table, tmp_path / f"t{suffix}")
    found, notes = read_file(tmp_path / f"t{suffix}")
    assert found.to_dict("list") == table.to_dict("list")
    assert not notes


def test_numbers_keep_fifteen_digits_in_jsonl(tmp_path):
    write_table(pd.DataFrame({"p": [1 / 3]}), tmp_path / "t.jsonl")
    assert json.loads((tmp_path / "t.jsonl").read_text())["p"] == pytest.approx(1 / 3, abs=1e-15)


def test_another_ending_is_neither_read_nor_written(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_text("x")
    with pytest.raises(UserError, match="t.xlsx: unknown file type; use one of .csv"):
        read_file(path)
    with pytest.raises(UserError, match="t.xlsx: unknown file type; use one of .csv"):
        write_table(pd.DataFrame({"a": [1]}), path)
    assert path.read_text() == "x"
