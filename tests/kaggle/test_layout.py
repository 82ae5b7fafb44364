"""Where Kaggle puts things: inputs are found by what is in them, in its old and new layouts."""

import json
import re
import shlex
import subprocess
from types import SimpleNamespace

import pandas as pd
import pytest
import standin

from foldwise.config.competition import load_competition
from foldwise.kaggle.bundle import USER, _kernel, _readme, slug
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
    competition = load_competition("arena", [f"name={name!r}"])
    for part in ("code", "weights", "submit", "train"):
        address = slug(competition, part)
        assert 6 <= len(address) <= 50
        assert slugify(address.replace("-", " ")) == address


def test_the_readme_of_a_bundle_says_what_the_client_wants_to_be_told(tmp_path):
    record = SimpleNamespace(models={"logreg": None}, log_loss=1.05)
    model = tmp_path / "weights" / "models" / "logreg" / "weights.npz"
    model.parent.mkdir(parents=True)
    model.write_bytes(bytes(2_300_000))
    text = _readme(load_competition("arena"), record, USER, tmp_path)
    assert 'kaggle datasets version -p weights --dir-mode zip -m "' in text
    assert "logreg 2.3 MB" in text
    assert "--user NAME" in text
    text = _readme(load_competition("arena"), record, "me", tmp_path)
    assert "--user" not in text and "kaggle datasets status me/foldwise-arena-code" in text
    assert "not set" in _readme(load_competition("sample"), record, USER, tmp_path)


def test_the_real_client_does_what_the_readme_says(server, tmp_path):
    competition, folder = load_competition("arena"), tmp_path / "bundle"
    for part in ("code", "weights"):
        (folder / part / "inner").mkdir(parents=True)
        (folder / part / "inner" / "file.txt").write_text(part)
        metadata = {"title": slug(competition, part).replace("-", " ")}
        metadata |= {"id": f"{standin.USER}/{slug(competition, part)}"}
        metadata |= {"licenses": [{"name": "other"}]}
        (folder / part / "dataset-metadata.json").write_text(json.dumps(metadata))
    for part in ("submit", "train"):
        metadata = _kernel(competition, standin.USER, part, [])
        (folder / part).mkdir()
        (folder / part / "kernel-metadata.json").write_text(json.dumps(metadata))
        notebook = submit_notebook("arena", CONSTANTS)
        write_notebook(folder / part / metadata["code_file"], notebook)
    text = _readme(competition, SimpleNamespace(models={}, log_loss=1.05), standin.USER, folder)
    commands = re.findall(r"\bkaggle (?:datasets|kernels) [^`\n]+", text)
    assert len(commands) == 6
    for command in commands:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "error" not in done.stdout.lower()
    assert len(server.called("CreateDataset")) == 2
    assert len(server.called("CreateDatasetVersion")) == 1
    sent = server.called("SaveKernel")
    assert [body["slug"] for body in sent] == [
        f"{standin.USER}/{slug(competition, part)}" for part in ("submit", "train")
    ]
    for body in sent:
        assert body["machineShape"] == "NvidiaTeslaT4" and body["enableGpu"]
        assert not body.get("enableInternet")
        assert body["competitionDataSources"] == [COMPETITION]
