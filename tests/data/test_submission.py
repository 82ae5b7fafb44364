import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.data.submission import build, check, check_size, read_submission
from foldwise.errors import UserError

CLASSES = ["winner_model_a", "winner_model_b", "winner_tie"]
ARENA = load_competition("arena")


def test_table(ids=("7", "007", "3")):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), len(ids))
    return pd.DataFrame(probabilities, columns=CLASSES).assign(id=list(ids))


test_table.__test__ = False


def sample_of(ids, columns=CLASSES):
    return pd.DataFrame({"id": list(ids)} | {c: ["0.33"] * len(ids) for c in columns})


def text(frame):
    return frame.astype(str).astype(object)


def test_ids_order_and_columns_follow_the_sample():
    sample = sample_of(["3", "7", "007"], [CLASSES[2], CLASSES[0], CLASSES[1]])
    built, notes = build(test_table(), CLASSES, ARENA, sample)
    assert list(built["id"]) == ["3", "7", "007"]
    assert list(built.columns) == list(sample.columns)
    assert not notes
    check(text(built), sample, "x.csv")


def test_missing_and_extra_ids_are_refused():
    with pytest.raises(UserError, match="1 only in the sample.*'9'.*1 only in the test.*'3'"):
        build(test_table(), CLASSES, ARENA, sample_of(["7", "007", "9"]))


def test_rows_without_ids_follow_the_samples_order():
    built, notes = build(test_table(["0", "1", "2"]), CLASSES, ARENA, sample_of(["x", "y", "z"]))
    assert list(built["id"]) == ["x", "y", "z"]
    assert "no ids" in notes[0]


def test_a_single_column_takes_labels_or_the_positive_probability():
    test = test_table()
    spooky = load_competition("spooky", ["submission.kind=label", "data.classes=[]"])
    built, _ = build(test, CLASSES, spooky, sample_of(test["id"], ["author"]))
    assert list(built["author"]) == list(test[CLASSES].idxmax(axis=1))
    two = test[["id"]].assign(no=[0.2, 0.5, 0.9], yes=[0.8, 0.5, 0.1])
    built, _ = build(
        two, ["no", "yes"], load_competition("spooky"), sample_of(test["id"], ["target"])
    )
    assert list(built["target"]) == [0.8, 0.5, 0.1]


TWO = pd.DataFrame({"id": ["7", "007"], "no": [0.2, 0.5], "yes": [0.8, 0.5]})


@pytest.mark.parametrize(
    ("metric", "classes", "column", "value", "expected"),
    [
        ("log_loss", ["no", "yes"], "no", "0", [0.2, 0.5]),
        ("log_loss", ["no", "yes"], "target", "", [0.8, 0.5]),
        ("log_loss", ["no", "yes"], "target", "no", ["yes", "no"]),
        ("accuracy", ["no", "yes"], "target", "0.5", [0.8, 0.5]),
        ("accuracy", ["no", "yes"], "target", "", ["yes", "no"]),
        ("accuracy", ["0", "1"], "target", "0", ["1", "0"]),
        ("accuracy", ["false", "true"], "target", "False", ["True", "False"]),
        ("accuracy", ["false", "true"], "target", "false", ["true", "false"]),
    ],
)
def test_what_one_column_holds_follows_from_its_name_its_values_and_the_metric(
    metric, classes, column, value, expected
):
    competition = load_competition("spooky", ["data.classes=[]", f"metric={metric}"])
    test = TWO.set_axis(["id", *classes], axis=1)
    built, _ = build(
        test, classes, competition, sample_of(TWO["id"], [column]).replace("0.33", value)
    )
    assert list(built[column]) == expected


def test_numbers_where_the_classes_have_names_are_questioned():
    competition = load_competition("spooky", ["data.classes=[]", "metric=f1_macro"])
    sample = sample_of(TWO["id"], ["target"]).replace("0.33", "0")
    with pytest.raises(UserError, match="'target' holds numbers.*'label'.*'positive'"):
        build(TWO, ["no", "yes"], competition, sample)
    named = load_competition("spooky", ["data.classes=[]", "submission.kind=label"])
    built, _ = build(TWO, ["no", "yes"], named, sample)
    check(text(built), sample, "x.csv", "id", ["no", "yes"])
    with pytest.raises(UserError, match="row 1.*target is 'yes': not one of the classes"):
        check(text(built), sample, "x.csv", "id", ["no", "maybe"])


def test_the_id_need_not_come_first():
    sample = sample_of(["3", "7", "007"])[[*CLASSES, "id"]]
    built, _ = build(test_table(), CLASSES, ARENA, sample)
    assert list(built.columns) == [*CLASSES, "id"]
    assert list(built["id"]) == ["3", "7", "007"]
    check(text(built), sample, "x.csv")
    with pytest.raises(UserError, match=r"row 2 \(line 3, id '7'\): winner_tie is ''"):
        check(put(1, "winner_tie", "")(text(built)), sample, "x.csv")


def test_a_class_called_none_is_a_value_and_a_gap_is_not():
    sample = sample_of(["7", "8"], ["stance"]).replace("0.33", "favour")
    check(sample.assign(stance=["none", "null"]), sample, "x.csv")
    for gap in ("", "NaN"):
        with pytest.raises(UserError, match="row 2.*a value is needed"):
            check(sample.assign(stance=["none", gap]), sample, "x.csv")


def test_without_a_sample_the_metric_decides():
    built, _ = build(test_table(), CLASSES, ARENA, None)
    assert list(built.columns) == ["id", *CLASSES]
    built, _ = build(test_table(), CLASSES, load_competition("banking77"), None)
    assert list(built.columns) == ["id", "category"]


def test_columns_that_are_not_the_classes_are_explained():
    with pytest.raises(UserError, match="set data.classes"):
        build(test_table(), CLASSES, ARENA, sample_of(["7", "007", "3"], ["p1", "p2"]))


def broken(change):
    good, _ = build(test_table(), CLASSES, ARENA, sample_of(["7", "007", "3"]))
    frame = text(good)
    return change(frame), sample_of(["7", "007", "3"])


def put(row, column, value):
    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(1, "winner_tie", ""), r"row 2 \(line 3, id '007'\): winner_tie is ''"),
        (put(1, "winner_tie", "nan"), "row 2.*'nan'"),
        (put(2, "winner_tie", "many"), "row 3.*not a number"),
        (put(0, "winner_tie", "1.5"), "row 1.*outside 0 to 1"),
        (put(0, "winner_tie", "-0.1"), "row 1.*outside 0 to 1"),
        (put(1, "winner_model_a", "0.99999"), "row 2.*sum to"),
        (put(2, "id", "7"), r"row 3 \(line 4\): id '7' again"),
        (put(2, "id", "4"), "row 3.*'4' is not in the sample"),
        (lambda f: f.iloc[:2], "1 ids of the sample are missing.*'3'"),
        (lambda f: f.iloc[[1, 0, 2]].reset_index(drop=True), "keep the sample's order"),
        (lambda f: f.drop(columns="winner_tie"), r"missing \['winner_tie'\]"),
        (lambda f: f.assign(extra="0"), r"unexpected \['extra'\]"),
        (lambda f: f[["id", *CLASSES[::-1]]], "in the order"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_row(change, message):
    frame, sample = broken(change)
    with pytest.raises(UserError, match=message) as error:
        check(frame, sample, "x.csv")
    assert "\n" not in str(error.value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=20, unique=True), st.randoms())
def test_every_built_submission_passes_the_check(numbers, random):
    ids = [str(number) for number in numbers]
    shuffled = ids[:]
    random.shuffle(shuffled)
    sample = sample_of(shuffled)
    built, _ = build(test_table(ids), CLASSES, ARENA, sample)
    check(text(built), sample, "x.csv")


def test_reading_says_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "s.csv"
    with pytest.raises(UserError, match="no such file"):
        read_submission(path)
    for content, message in [("", "no columns"), ("id,a\n", "no rows"), ("x\n1\n", "id")]:
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            read_submission(path)
    path.write_text("id,a\n007,NA\n")
    assert read_submission(path).values.tolist() == [["007", "NA"]]


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("x" * 2000)
    check_size(path, 0.002)
    with pytest.raises(UserError, match="0.0 MB, more than 0.001"):
        check_size(path, 0.001)
