import json

import pandas as pd
import pytest

from foldwise.data.cleaning import TURN
from foldwise.errors import UserError
from foldwise.stages.clean import clean
from foldwise.stages.stage import execute


def spooky(run, train, test=None):
    (run.input / "train.csv").write_text("id,text,author\n" + train)
    if test is not None:
        (run.input / "test.csv").write_text("id,text\n" + test)
    clean(run)
    return pd.read_parquet(run.clean / "train.parquet"), audit(run)


def audit(run):
    return json.loads((run.clean / "audit.json").read_text())


def test_the_table_has_the_canonical_columns_and_exact_ids(make_run):
    run = make_run("spooky")
    table, _ = spooky(run, "007,One,EAP\n7,Two,HPL\nx,Three,MWS\n", "1,Four\n")
    assert list(table.columns) == ["id", "text", "label", "group"]
    assert table["id"].tolist() == ["007", "7", "x"]
    test = pd.read_parquet(run.clean / "test.parquet")
    assert list(test.columns) == ["id", "text", "group"]


def test_the_same_text_is_one_group_and_found_in_the_test(make_run):
    run = make_run("spooky")
    table, found = spooky(
        run,
        "1,Same text!,EAP\n2,same  TEXT,HPL\n3,other,MWS\n4,other,MWS\n5,,EAP\n6,,HPL\n",
        "7,OTHER\n",
    )
    groups = table["group"].tolist()
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert groups[4] != groups[5]
    assert found["prompts_shared_by_train_and_test"] == 1
    train = found["train"]
    assert train["conflicting_labels"] == 2
    assert train["exact_duplicates"] == 2
    assert train["filled"] == {"text": 2}


def test_a_group_is_made_of_all_its_columns(make_run, tmp_path):
    (tmp_path / "two.toml").write_text('[data]\ntext = ["a", "b"]\ngroup = ["a", "b"]')
    run = make_run(tmp_path / "two.toml")
    rows = ["1,x,y,p", "2,x,z,q", "3,X!,y,p", "4,,,q", "5,,,p", "6,xy,,q"]
    (run.input / "train.csv").write_text("id,a,b,label\n" + "\n".join(rows))
    clean(run)
    groups = pd.read_parquet(run.clean / "train.parquet")["group"].tolist()
    assert groups[0] == groups[2]
    assert len(set(groups)) == 5


def test_missing_text_can_be_dropped_but_never_in_the_test(make_run):
    run = make_run("spooky", "data.missing_text=drop")
    table, found = spooky(run, "1,a,EAP\n2,,HPL\n3,b,HPL\n4,c,MWS\n", "5,\n")
    assert len(table) == 3
    assert found["train"]["dropped"] == {"missing text": 1}
    assert len(pd.read_parquet(run.clean / "test.parquet")) == 1


def test_copies_of_a_row_are_dropped_and_clashing_ids_refused(make_run):
    run = make_run("spooky")
    table, found = spooky(run, "1,a,EAP\n1,a,EAP\n2,b,HPL\n3,c,MWS\n")
    assert len(table) == 3
    assert found["train"]["dropped"] == {"same row twice": 1}
    with pytest.raises(UserError, match="rows 1 and 2 have the same id '1'"):
        spooky(run, "1,a,EAP\n1,b,EAP\n2,b,HPL\n3,c,MWS\n")


def test_a_test_file_without_the_text_column_is_refused(make_run):
    run = make_run("spooky")
    (run.input / "test.csv").write_text("id,txt\n1,a\n")
    with pytest.raises(UserError, match=r"test.csv: no column 'text'.*did you mean 'txt'"):
        spooky(run, "1,a,EAP\n2,b,HPL\n3,c,MWS\n")


def test_ids_under_another_name_in_test_and_sample_are_not_replaced_by_numbers(make_run):
    run = make_run("spooky")
    (run.input / "test.csv").write_text("text,row_id\na,5\nb,6\n")
    (run.input / "sample_submission.csv").write_text("row_id,EAP,HPL,MWS\n6,1,0,0\n5,1,0,0\n")
    with pytest.raises(UserError, match="test.csv: no column 'id'.*set data.id = 'row_id'"):
        spooky(run, "1,a,EAP\n2,b,HPL\n3,c,MWS\n")


def test_a_sample_that_cannot_be_followed_is_refused_before_anything_is_fitted(make_run):
    run = make_run("spooky")
    (run.input / "sample_submission.csv").write_text("id,EAP,HPL,MWS\n9,1,0,0\n")
    with pytest.raises(UserError, match="different ids"):
        spooky(run, "1,a,EAP\n2,b,HPL\n3,c,MWS\n", "5,a\n")


def test_turns_are_joined_in_pairs_too(make_run):
    run = make_run("arena")
    rows = {
        "id": [1, 2, 3],
        "prompt": ['["p", "q"]', '["r"]', '["s"]'],
        "response_a": ['["a", null]', '["b"]', "[null]"],
        "response_b": ['["c", "d"]', '["e"]', '["\\ud83d"]'],
        "winner_model_a": [1, 0, 0],
        "winner_model_b": [0, 1, 0],
        "winner_tie": [0, 0, 1],
    }
    pd.DataFrame(rows).to_csv(run.input / "train.csv", index=False)
    clean(run)
    table = pd.read_parquet(run.clean / "train.parquet")
    assert table["response_a"].tolist() == [f"a{TURN}", "b", ""]
    assert table["response_b"][2] == "\ufffd"


def test_rows_takes_a_sample_of_whole_groups(make_run):
    run = make_run("spooky", rows=60)
    lines = [f"{i},text number {i // 2},{['EAP', 'HPL', 'MWS'][i // 2 % 3]}" for i in range(300)]
    table, _ = spooky(run, "\n".join(lines) + "\n", "1,a\n")
    assert 45 <= len(table) <= 75
    assert (table["group"].value_counts() == 2).all()
    assert table["label"].nunique() == 3


def test_too_few_rows_for_the_classes_are_refused(make_run):
    run = make_run("spooky", "data.classes=[]", rows=4)
    lines = [f"{i},text {i},class {i % 10}" for i in range(100)]
    with pytest.raises(UserError, match="--rows 4: . of 10 classes have no row.*take more rows"):
        spooky(run, "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "folder", "settings", "rows", "classes"),
    [
        ("arena", "arena", (), 1000, 3),
        ("routing", "routing", (), 1801, 2),
        ("banking77", "banking77", (), 10003, 77),
        ("sms", "sms", (), 5572, 2),
        (
            "sms",
            "sms",
            ("data.train=sms.tsv", 'data.columns=["target", "text"]', 'data.text=["text"]',
             "data.target=target"),
            5574,
            2,
        ),
    ],
)  # fmt: skip
def test_the_real_files_are_read_as_they_are(
    make_run, real_data, name, folder, settings, rows, classes
):
    run = make_run(name, *settings, input=real_data / folder)
    execute("clean", run)
    assert len(pd.read_parquet(run.clean / "train.parquet")) == rows
    assert len(audit(run)["classes"]) == classes


def test_the_routing_audit_finds_its_known_wrinkles(make_run, real_data):
    run = make_run("routing", input=real_data / "routing")
    clean(run)
    found = audit(run)
    assert found["train"]["conflicting_labels"] >= 9
    assert 120 <= found["train"]["exact_duplicates"] <= 130
    assert found["prompts_shared_by_train_and_test"] >= 8
