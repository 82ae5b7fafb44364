"""Texts, labels and ids that break things elsewhere, through clean, folds, features and a fit."""

import json

import numpy as np
import pandas as pd
import pytest
from growth import assert_linear
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.crossval.assembly import fit_models
from foldwise.data.cleaning import clean_text, normalise
from foldwise.errors import UserError
from foldwise.files import read_json
from foldwise.stages.clean import clean
from foldwise.stages.stage import execute

STRIP = load_competition("spooky").clean
SMALL = ("data.classes=[]", "folds.n=2", "jobs=1", "logreg.C=[0.1]", "features.min_df=1")


def pipeline(run, records):
    """Run a table of records as far as the fitted folds; return the out-of-fold predictions."""
    with open(run.input / "train.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    for stage in ("clean", "folds", "features"):
        execute(stage, run)
    fit_models(run, ["prior", "logreg"], jobs=1)
    classes = read_json(run.clean / "audit.json")["classes"]
    oof = pd.read_parquet(run.model("logreg") / "oof.parquet")
    assert len(oof) == len(pd.read_parquet(run.clean / "train.parquet"))
    np.testing.assert_allclose(oof[classes].sum(axis=1), 1)
    return oof, classes


def records(texts, labels=("EAP", "HPL")):
    return [
        {"id": i, "text": text, "author": labels[i % len(labels)]} for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda i: "word " * (2_000_000 if i == 0 else 3) + str(i),
        lambda i: "unbroken" * (1_000_000 if i == 0 else 3) + str(i),
        lambda i: "🙂👩\u200d💻" * (i + 1),
        lambda i: "\u202eשלום עולם " * (i + 1),
        lambda i: f"\ud83d lone {i}",
        lambda i: f"nu\x00ll {i}",
        lambda i: "a\u0300\u0316" * (i + 1) + "\u0300\u0316" * 1000,
        lambda i: "&#" + "9" * 5000 + f"; {i}",
        lambda i: "<" * 50_000 + str(i),
        lambda i: ["", " ", "\u200b", "\n\n", ".", "0"][i % 6] + "!" * (i // 6),
    ],
    ids=["10 MB", "no space", "emoji", "right to left", "surrogate", "null", "marks", "reference",
         "brackets", "nothing"],
)  # fmt: skip
def test_hostile_texts_go_through_to_the_fitted_folds(make_run, make):
    run = make_run("spooky", *SMALL)
    pipeline(run, records([make(i) for i in range(24)]))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((0, 1), ["0", "1"]),
        ((10, 9, 1.5), ["1.5", "9", "10"]),
        ((True, False), ["false", "true"]),
        (("a, b", 'say "c"', "two\nlines"), ["a, b", 'say "c"', "two\nlines"]),
        (("=cmd()", "<b>&amp;", "🙂"), ["<b>&amp;", "=cmd()", "🙂"]),
        (("nan", "inf", "2"), ["2", "inf", "nan"]),
        (("007", "7"), ["007", "7"]),
    ],
    ids=str,
)
def test_any_label_is_a_class_under_its_own_name(make_run, labels, classes):
    run = make_run("spooky", *SMALL)
    oof, found = pipeline(run, records([f"text {i} of {i % 5}" for i in range(30)], labels))
    assert found == classes
    assert list(oof.columns) == ["id", "fold", *classes]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_ids_are_kept_to_the_last_digit(make_run, suffix):
    run = make_run("spooky", "data.classes=[]")
    ids = [2**53 + 1, 2**63 - 1, 17, 0]
    table = pd.DataFrame({"id": ids, "text": list("abcd"), "author": ["x", "y"] * 2})
    path = run.input / f"train.{suffix}"
    if suffix == "csv":
        table["id"] = ["0017", "9" * 40, "1e5", "-0"]
        table.to_csv(path, index=False)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path, index=False)
    clean(run)
    kept = pd.read_parquet(run.clean / "train.parquet")["id"].tolist()
    assert kept == [str(value) for value in table["id"]]


def test_a_parquet_column_with_a_gap_and_an_index_as_id_lose_nothing(make_run):
    run = make_run("spooky", "data.classes=[]", "data.target=label")
    ids = pd.Index([2**53 + 1, 2**53 + 3, 5, 6], name="id")
    labels = pd.array([2**53 + 1, None, 2**53 + 3, 2**53 + 3], dtype="Int64")
    table = pd.DataFrame({"text": list("abcd"), "label": labels}, index=ids)
    table.to_parquet(run.input / "train.parquet")
    clean(run)
    kept = pd.read_parquet(run.clean / "train.parquet")
    assert kept["id"].tolist() == ["9007199254740993", "5", "6"]
    assert kept["label"].tolist() == ["9007199254740993", "9007199254740995", "9007199254740995"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "same", "author": "xy"[i % 2]} for i in range(20)], "only 1 groups"),
        ([{"text": str(i), "author": "x"} for i in range(20)], "only one class"),
        (
            [{"text": str(i), "author": "xy"[i == 0]} for i in range(20)],
            "class 'y' has 1 .*one; merge",
        ),
        ([{"text": str(i), "author": "\ud800"} for i in range(9)], "row 1.*not valid Unicode"),
        ([{"id": "\udfff", "text": "a", "author": "x"}], "row 1: id .*not valid Unicode"),
        ([{"\ud800": 1, "text": "a", "author": "x"}], "not valid Unicode"),
        ([{f"k{i}": 1} for i in range(10_001)], "different keys"),
        ([{"text": str(i)} for i in range(9)], "no column 'author'"),
    ],
)
def test_data_that_cannot_be_learned_from_is_one_line(make_run, rows, message):
    run = make_run("spooky", *SMALL)
    with pytest.raises(UserError, match=message) as error:
        pipeline(run, rows)
    assert len(str(error.value).splitlines()) == 1


def test_a_row_without_a_label_is_dropped(make_run):
    run = make_run("spooky", "data.classes=[]")
    (run.input / "train.csv").write_text("id,text,author\n1,a,x\n2,b,\n3,c,y\n4,d,x\n")
    clean(run)
    assert pd.read_parquet(run.clean / "train.parquet")["id"].tolist() == ["1", "3", "4"]
    assert read_json(run.clean / "audit.json")["train"]["dropped"] == {"no label": 1}


@pytest.mark.parametrize(
    "setting", ["data.train=../train.csv", "data.test=/etc/passwd", "name='../x'"]
)
def test_paths_in_a_configuration_stay_inside(setting):
    with pytest.raises(UserError, match="--set"):
        load_competition("spooky", [setting])


@pytest.mark.slow
def test_a_million_short_rows_are_cleaned(make_run):
    run = make_run("spooky", "data.classes=[]")
    rows = "".join(f"{i},t{i % 999_983},{'xy'[i % 2]}\n" for i in range(1_000_000))
    (run.input / "train.csv").write_text("id,text,author\n" + rows)
    clean(run)
    table = pd.read_parquet(run.clean / "train.parquet", columns=["group"])
    assert len(table) == 1_000_000
    assert table["group"].nunique() == 999_983


@pytest.mark.parametrize(
    "piece",
    ["a\u0300\u0316", "\u0316\u0300", "\u0f73\u0f71", "\u0344", "&#1", "\ud83d", "&#x", "e\u0301"],
)
def test_marks_and_references_cost_time_linear_in_the_text(piece):
    def work(n):
        normalise(clean_text("a" + piece * (n // len(piece)) + "9" * (n // 40), STRIP))

    assert_linear(work, 400_000)


MARKS = "\u0300\u0316\u0f73\u0f71\u0344\u3099\uff9ea\u1100&#;x19<>"


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(MARKS) | st.characters(), max_size=150))
def test_cleaning_never_fails_and_a_clean_text_stays(text):
    config = load_competition("arena").clean
    once = clean_text(text, config)
    assert clean_text(once, config) == once
    assert normalise(once) == normalise(clean_text(once, config))
    clean_text(text, STRIP).encode("utf-8")
