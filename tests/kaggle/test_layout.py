"""Where Kaggle puts things: inputs are found by what is in them, in its old and new layouts."""

import pandas as pd
import pytest

from foldwise.config import load
from foldwise.kaggle.bundle import USER, _readme, slug
from foldwise.kaggle.cells import code_of, submit_notebook, train_notebook, write_notebook
from foldwise.kaggle.contents import below

COMPETITION = "llm-classification-finetuning"
TEXT = ["prompt", "response_a", "response_b"]
CONSTANTS = {"COMPETITION": COMPETITION, "ID": "id", "TEXT": TEXT, "COLUMNS": []}
CONSTANTS |= {"NAMES": ["test.csv", "test.parquet"], "HEADER": ["id", "a", "b"]}
CONSTANTS |= {"PRIOR": {"a": 0.25, "b": 0.75}}
LAYOUTS = {
    "old": (COMPETITION, "a-data-set", "the-code"),
    "new": (f"competitions/{COMPETITION}", "datasets/me/a-data-set", "datasets/me/the-code"),
}


def put(folder, ids):
    folder.mkdir(parents=True)
    pd.DataFrame({"id": ids} | dict.fromkeys(TEXT, "x")).to_csv(folder / "test.csv", index=False)


@pytest.fixture(params=LAYOUTS)
def mounted(request, tmp_path, monkeypatch):
    """A tree as Kaggle mounts it, with a test file of another source before the right one."""
    monkeypatch.setenv("FOLDWISE_KAGGLE", str(tmp_path))
    competition, other, code = (tmp_path / "input" / name for name in LAYOUTS[request.param])
    put(competition, [7, 8])
    put(other, [1, 2, 3])
    module = code / "foldwise" / "kaggle" / "notebook.py"
    module.parent.mkdir(parents=True)
    module.write_text("def improve(*arguments):\n    print('improving', arguments[2])\n")
    for package in (module.parent, module.parents[1]):
        (package / "__init__.py").write_text("")
    (code / "competition.toml").write_text("")
    (tmp_path / "working").mkdir()
    return tmp_path


def run(root, cells, notebook):
    write_notebook(root / "n.ipynb", notebook)
    namespace = {}
    for cell in code_of(root / "n.ipynb")[:cells]:
        exec(compile(cell, "<cell>", "exec"), namespace)
    return namespace


def test_the_competitions_test_file_is_found_before_those_of_other_sources(mounted):
    found = run(mounted, 2, submit_notebook("arena", CONSTANTS))
    assert found["TEST"].parent.name == COMPETITION
    table = pd.read_csv(mounted / "working" / "submission.csv")
    assert table.to_dict("list") == {"id": [7, 8], "a": [0.25] * 2, "b": [0.75] * 2}


def test_without_its_name_the_columns_decide(mounted):
    (mounted / "input" / "aaa").mkdir()
    (mounted / "input" / "aaa" / "test.csv").write_text("id,something\n1,2\n")
    found = run(mounted, 2, submit_notebook("mine", CONSTANTS | {"COMPETITION": ""}))
    assert found["TEST"].parent.name != "aaa"


def test_a_missing_code_data_set_is_named_in_both_notebooks(mounted, capfd):
    (target,) = below(mounted / "input", "competition.toml")
    target.unlink()
    constants = CONSTANTS | {"NAMES": ["test.csv"], "TARGET": []}
    with pytest.raises(AssertionError, match="add the code data set"):
        run(mounted, 2, train_notebook("arena", constants))
    for path in below(mounted / "input", "notebook.py"):
        path.unlink()
    run(mounted, 3, submit_notebook("arena", CONSTANTS))
    assert "add the code data set" in capfd.readouterr().err


def test_files_behind_links_are_found_once_and_loops_end(tmp_path):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "bundle.json").write_text("{}")
    root = tmp_path / "input"
    root.mkdir()
    for name in ("one", "two"):
        (root / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(root)
    assert len(below(root, "bundle.json")) == 1


@pytest.mark.parametrize("name", ["arena", "My_Data.v2", "a--b_", "x" * 90, "ab-" * 30])
def test_the_title_of_a_data_set_gives_its_address(name):
    slugify = pytest.importorskip("slugify").slugify  # what the kaggle client compares with
    competition = load("arena", [f"name={name!r}"])
    for part in ("code", "weights", "submit", "train"):
        address = slug(competition, part)
        assert 6 <= len(address) <= 50
        assert slugify(address.replace("-", " ")) == address


def test_the_readme_of_a_bundle_says_what_the_client_wants_to_be_told():
    record = {"models": {"logreg": {}}, "log_loss": 1.05}
    text = _readme(load("arena"), record, USER)
    assert 'kaggle datasets version -p weights --dir-mode zip -m "' in text
    assert f"sed -i.old 's/{USER}/" in text
    assert "sed" not in _readme(load("arena"), record, "me")
    assert "not set" in _readme(load("sample"), record, USER)
