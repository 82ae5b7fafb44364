import gzip
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.data.raw import locate, read_table
from foldwise.errors import UserError

SPOOKY = load_competition("spooky")


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cells_are_read_exactly_as_written(tmp_path):
    path = write(tmp_path / "t.csv", "id,text\n007,NA\n1e3,\n 5 ,null\n")
    table, notes = read_table(path, SPOOKY)
    assert table.values.tolist() == [["007", "NA"], ["1e3", ""], [" 5 ", "null"]]
    assert not notes


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf8_with_or_without_a_byte_order_mark(tmp_path, mark):
    table, notes = read_table(write(tmp_path / "t.csv", mark + "id,text\n1,é".encode()), SPOOKY)
    assert list(table.columns) == ["id", "text"]
    assert table["text"][0] == "é"
    assert not notes


def test_latin1_is_read_with_a_warning_that_names_the_line(tmp_path):
    table, notes = read_table(write(tmp_path / "t.csv", b"id,text\n1,a\n2,caf\xe9\n"), SPOOKY)
    assert table["text"][1] == "café"
    assert "line 3" in notes[0]


def test_a_given_encoding_is_used_or_refused(tmp_path):
    path = write(tmp_path / "t.csv", "id,text\n1,é\n".encode("utf-16"))
    table, _ = read_table(path, load_competition("spooky", ["data.encoding=utf-16"]))
    assert table["text"][0] == "é"
    with pytest.raises(UserError, match="data.encoding = 'utf-9'"):
        read_table(path, load_competition("spooky", ["data.encoding=utf-9"]))


def test_a_headerless_tsv_takes_names_and_keeps_stray_quotes(tmp_path):
    path = write(tmp_path / "t.tsv", 'ham\tsay "hi\nspam\t"win\n')
    config = load_competition("sms", ['data.columns=["label", "text"]'])
    table, _ = read_table(path, config)
    assert table["text"].tolist() == ['say "hi', '"win']
    with pytest.raises(UserError, match="names 3 columns, the file has 2"):
        read_table(path, load_competition("sms", ['data.columns=["a", "b", "c"]']))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "the file is empty"),
        ("t.csv", "id,text\n", "no rows"),
        ("t.csv", "id,text\n1,a\n2,b,c,d\n", "line 3: 4 fields where the header has 2"),
        ("t.csv", 'id,text\n1,"a\nb"\n2,b,c\n', "line 4: 3 fields"),
        ("t.csv", 'id,text\n1,"never closed\n', "line 2"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("t.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("t.parquet", "PAR1 not really", "not a readable parquet"),
        ("t.xlsx", "x", "unknown file type"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as error:
        read_table(path, SPOOKY)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_null_bytes_are_removed_and_counted(tmp_path):
    table, notes = read_table(write(tmp_path / "t.csv", "id,text\n1,a\x00b\n"), SPOOKY)
    assert table["text"][0] == "ab"
    assert "1 null bytes" in notes[0]


def test_a_cell_of_ten_megabytes_is_read(tmp_path):
    table, _ = read_table(write(tmp_path / "t.csv", f'id,text\n1,"{"x" * 10**7}"\n'), SPOOKY)
    assert len(table["text"][0]) == 10**7


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_jsonl_reads_back_what_was_written(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("d") / "t.jsonl"
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), newline="\n")
    assert read_table(path, SPOOKY)[0]["text"].tolist() == texts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text('a,"\n é;\t', min_size=1), min_size=1))
def test_csv_reads_back_what_was_written(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("d") / "t.csv"
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(path, index=False)
    assert read_table(path, SPOOKY)[0]["text"].tolist() == texts


def test_missing_data_says_which_files_go_where_and_how_to_get_them(tmp_path):
    with pytest.raises(UserError, match="put train.csv .*foldwise kaggle download spooky"):
        locate(SPOOKY, tmp_path)
    write(tmp_path / "train.csv", "x")
    with pytest.raises(UserError, match="no test data: put other.csv"):
        locate(load_competition("spooky", ["data.test=other.csv"]), tmp_path)
    assert locate(SPOOKY, tmp_path)["test"] is None
    write(tmp_path / "train.jsonl", "x")
    with pytest.raises(UserError, match="both train.csv and train.jsonl.*data.train"):
        locate(SPOOKY, tmp_path)


def test_the_real_malformed_file_is_refused_with_its_line(real_data):
    with pytest.raises(UserError, match="line 211: 14 fields where the header has 2"):
        read_table(real_data / "prompts" / "malformed.csv", SPOOKY)


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_a_compressed_file_is_to_be_unpacked(tmp_path, name):
    path = write(tmp_path / name, gzip.compress(b"id,text\n1,a\n"))
    with pytest.raises(UserError, match="is compressed.*unpack"):
        read_table(path, SPOOKY)
    path.rename(tmp_path / "train.csv.zip")
    with pytest.raises(UserError, match="train.csv.zip is compressed: unpack it"):
        locate(SPOOKY, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    path = write(tmp_path / "train.csv", "id,text\n1,a\n")
    with pytest.raises(UserError, match="train.csv: is a file; --input takes the folder"):
        locate(SPOOKY, path)
