from pathlib import Path

import nbformat
import pytest
from fabricate import fabricate
from nbclient import NotebookClient

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.simulation import simulate
from foldwise.stages import ORDER
from foldwise.stages.manifest import write_manifest
from foldwise.stages.report import report
from foldwise.stages.stage import execute

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_the_explore_notebook_opens_an_output_folder(make_run, monkeypatch):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, ["EAP", "HPL", "MWS"])
    report(run)
    monkeypatch.setenv("FOLDWISE_OUTPUT", str(run.output.resolve()))
    notebook = nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(NOTEBOOKS)}})
    client.execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert sum("image/png" in out.get("data", {}) for out in shown) == 2
    assert "logreg" in str(shown)


def test_committed_notebooks_hold_no_output():
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), path.name


@pytest.mark.slow
def test_the_kaggle_notebook_bundles_and_rehearses(tmp_path, monkeypatch):
    simulate(tmp_path / "in", train_rows=80, test_rows=10, seed=3)
    settings = ("folds.n=2", "logreg.C=[0.01]")
    run = Run(
        load_competition("sample", settings, ["prior", "logreg"]), tmp_path / "in", tmp_path / "out"
    )
    for stage in ORDER[: ORDER.index("submission") + 1]:
        execute(stage, run)
    write_manifest(run, ["run", "sample"])
    monkeypatch.setenv("FOLDWISE_OUTPUT", str(run.output))
    monkeypatch.setenv("FOLDWISE_INPUT", str(run.input))
    notebook = nbformat.read(NOTEBOOKS / "kaggle.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(NOTEBOOKS)}})
    client.execute()
    shown = str([out for cell in notebook.cells for out in cell.get("outputs", [])])
    assert "rehearsal    passed" in shown
    assert "swap averaging, bert/fold-2" in shown
