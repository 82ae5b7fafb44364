import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.ensemble.external import ExternalFiles
from foldwise.ensemble.oof_files import read_array, read_label_file, read_rows
from foldwise.errors import UserError

N = 60


def read(oof, labels):
    return ExternalFiles(tuple(oof), labels).read()


@pytest.fixture
def files(tmp_path):
    """Labels of three classes with ids, and probabilities as an array."""
    generator = np.random.default_rng(0)
    labels = np.arange(N) % 3
    p = generator.dirichlet(np.ones(3), N) * 0.5 + 0.5 * np.eye(3)[labels]
    ids = [f"r{i}" for i in range(N)]
    pd.DataFrame({"id": ids, "label": labels}).to_csv(tmp_path / "y.csv", index=False)
    np.save(tmp_path / "a.npy", p)
    return tmp_path, labels, p, ids


def table(ids, p, columns):
    made = pd.DataFrame(p, columns=columns)
    made.insert(0, "id", ids)
    return made


def test_the_three_file_types_hold_the_same(files):
    folder, labels, p, ids = files
    table(ids, p, ["x", "y", "z"]).to_csv(folder / "b.csv", index=False)
    table(ids, p, ["x", "y", "z"]).to_parquet(folder / "c.parquet")
    oof = [str(folder / name) for name in ("a.npy", "b.csv", "c.parquet")]
    found = read(oof, folder / "y.csv")
    assert list(found.probabilities) == ["a", "b", "c"]
    assert found.classes == ["x", "y", "z"]
    assert found.labels.tolist() == labels.tolist()
    for values in found.probabilities.values():
        np.testing.assert_allclose(values, p, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_rows_are_matched_by_id_and_columns_by_name_whatever_their_order(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("shuffled")
    generator = np.random.default_rng(seed)
    names = np.array(["ant", "bee", "cat"])
    labels = names[np.arange(N) % 3]
    p = generator.dirichlet(np.ones(3), N)
    ids = [f"r{i}" for i in range(N)]
    pd.DataFrame({"id": ids, "label": labels}).to_csv(folder / "y.csv", index=False)
    rows, columns = generator.permutation(N), generator.permutation(3)
    shuffled = table(np.array(ids)[rows], p[rows][:, columns], names[columns])
    shuffled.to_parquet(folder / "m.parquet")
    found = read([str(folder / "m.parquet")], folder / "y.csv")
    place = [found.classes.index(name) for name in names]
    np.testing.assert_allclose(found.probabilities["m"][:, place], p, atol=1e-12)
    assert [found.classes[k] for k in found.labels] == labels.tolist()


def test_files_may_name_the_classes_in_different_orders(files):
    folder, labels, p, ids = files
    table(ids, p, ["0", "1", "2"]).to_csv(folder / "b.csv", index=False)
    table(ids, p[:, ::-1], ["2", "1", "0"]).to_csv(folder / "c.csv", index=False)
    found = read([str(folder / "b.csv"), str(folder / "c.csv")], folder / "y.csv")
    assert found.classes == ["0", "1", "2"] and found.labels.tolist() == labels.tolist()
    for values in found.probabilities.values():
        np.testing.assert_allclose(values, p, atol=1e-12)


def test_labels_may_be_one_hot_columns_or_an_array(files):
    folder, labels, _, ids = files
    one_hot = pd.DataFrame(np.eye(3, dtype=int)[labels], columns=["p", "q", "r"])
    one_hot.insert(0, "id", ids)
    one_hot.to_csv(folder / "hot.csv", index=False)
    np.save(folder / "y.npy", labels)
    np.save(folder / "hot.npy", np.eye(3)[labels])
    for name in ("hot.csv", "y.npy", "hot.npy"):
        found = read([str(folder / "a.npy")], folder / name)
        assert found.labels.tolist() == labels.tolist()
    assert read([str(folder / "a.npy")], folder / "hot.csv").classes == ["p", "q", "r"]


def test_labels_may_be_booleans_and_ids_numbers_of_any_type(files):
    folder, labels, p, _ = files
    one_hot = pd.DataFrame(np.eye(3)[labels] == 1, columns=["p", "q", "r"])
    one_hot.insert(0, "id", np.arange(N))
    one_hot.to_csv(folder / "hot.csv", index=False)
    table(np.arange(N, dtype=float), p, ["p", "q", "r"]).to_parquet(folder / "b.parquet")
    found = read([str(folder / "b.parquet")], folder / "hot.csv")
    assert found.labels.tolist() == labels.tolist()
    np.testing.assert_allclose(found.probabilities["b"], p)


def test_one_column_is_the_probability_of_the_second_of_two_classes(tmp_path):
    np.save(tmp_path / "y.npy", np.array([0, 1, 1, 0]))
    np.save(tmp_path / "p.npy", np.array([0.1, 0.9, 0.8, 0.3]))
    found = read([str(tmp_path / "p.npy")], tmp_path / "y.npy")
    np.testing.assert_allclose(found.probabilities["p"][:, 1], [0.1, 0.9, 0.8, 0.3])


def broken(name):
    """Make one fault in an array, and the words that must name it."""
    return {
        "logits": (lambda p: np.log(p), "row 1 .*give probabilities"),
        "nan": (lambda p: np.where(np.arange(N)[:, None] == 4, np.nan, p), "row 5 .*missing"),
        "short": (lambda p: p[:-1], "59 rows, but the labels file has 60"),
        "classes": (lambda p: p[:, :2] / p[:, :2].sum(1, keepdims=True), "2 columns|classes"),
    }[name]


@pytest.mark.parametrize("fault", ["logits", "nan", "short", "classes"])
def test_a_fault_is_one_line_with_its_file_and_row(files, fault):
    folder, _, p, _ = files
    make, words = broken(fault)
    np.save(folder / "bad.npy", make(p))
    with pytest.raises(UserError, match=words) as caught:
        read([str(folder / "bad.npy")], folder / "y.csv")
    assert "\n" not in str(caught.value)
    assert "y.csv" in str(caught.value) or "bad.npy" in str(caught.value)


def test_ids_must_be_the_labelled_ones(files):
    folder, _, p, ids = files
    strange = ["other", *ids[1:]]
    table(strange, p, ["x", "y", "z"]).to_csv(folder / "b.csv", index=False)
    with pytest.raises(UserError, match="1 of the 60 labelled ids are missing.*'r0'"):
        read([str(folder / "b.csv")], folder / "y.csv")
    twice = [ids[1], *ids[1:]]
    table(twice, p, ["x", "y", "z"]).to_csv(folder / "c.csv", index=False)
    with pytest.raises(UserError, match="'r1' stands there twice"):
        read([str(folder / "c.csv")], folder / "y.csv")


def test_files_that_are_no_arrays_say_so(files):
    folder, *_ = files
    (folder / "junk.npy").write_bytes(b"junk")
    np.save(folder / "objects.npy", np.array([{"a": 1}] * N), allow_pickle=True)
    for name in ("junk.npy", "objects.npy", "absent.npy", "a.xlsx"):
        with pytest.raises(UserError, match=name.replace(".", r"\.")):
            read([str(folder / name)], folder / "y.csv")


def test_names_are_those_of_the_files_and_can_be_given(files):
    folder, _, p, _ = files
    np.save(folder / "ensemble.npy", p)
    with pytest.raises(UserError, match="'ensemble' is taken"):
        read([str(folder / "ensemble.npy")], folder / "y.csv")
    given = [f"blend={folder / 'ensemble.npy'}", str(folder / "a.npy")]
    assert list(read(given, folder / "y.csv").probabilities) == ["blend", "a"]
    with pytest.raises(UserError, match="both called 'a'"):
        read([str(folder / "a.npy")] * 2, folder / "y.csv")


def test_files_that_were_validated_on_different_folds_are_refused(files):
    folder, _, p, ids = files
    for name, fold in (("b", np.arange(N) % 3), ("c", np.arange(N) // 20)):
        table(ids, p, ["x", "y", "z"]).assign(fold=fold).to_parquet(folder / f"{name}.parquet")
    oof = [str(folder / "b.parquet"), str(folder / "c.parquet")]
    assert read(oof[:1], folder / "y.csv").folds.tolist() == (np.arange(N) % 3).tolist()
    with pytest.raises(UserError, match="not validated on the same folds"):
        read(oof, folder / "y.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,label,group\na,x,g\nb,y\nc,x,h\n", "y.csv: malformed row at line 3: 2 fields"),
        ("id,label\na,x\nb,y,z\n", "y.csv: malformed row at line 3: 3 fields"),
        ('id,label\na,x\nb,"y\n', "y.csv: malformed row at line 3"),
        (",label\n0,x\n1,y\n", "y.csv: column 1 has no name"),
        ("", "y.csv: the file has no columns"),
        ("id,label\n", "y.csv: no rows"),
    ],
)
def test_a_malformed_table_is_refused_in_one_line_that_names_the_place(tmp_path, content, words):
    (tmp_path / "y.csv").write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        read_label_file(tmp_path / "y.csv")
    assert "\n" not in str(caught.value)


def test_a_row_without_a_group_is_refused(tmp_path):
    table = pd.DataFrame({"label": ["x", "y", "x"], "group": ["g", None, "h"]})
    table.to_parquet(tmp_path / "y.parquet")
    with pytest.raises(UserError, match="y.parquet: row 2 has no group"):
        read_label_file(tmp_path / "y.parquet")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_every_table_gives_the_numbers_bit_for_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("exact")
    p = np.column_stack([values, values[::-1]])
    made = table([f"r{i}" for i in range(len(p))], p, ["x", "y"])
    made.to_csv(folder / "a.csv", index=False)
    made.to_csv(folder / "a.tsv", index=False, sep="\t")
    made.to_parquet(folder / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.parquet"):
        rows = read_rows(folder / name)
        assert read_array(folder / name, rows).values.tobytes() == p.tobytes()
