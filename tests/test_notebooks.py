from pathlib import Path

import nbformat
from fabricate import fabricate
from nbclient import NotebookClient

from foldwise.stages.report import report

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_the_explore_notebook_opens_an_output_folder(make_run, monkeypatch):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, ["EAP", "HPL", "MWS"])
    report(run)
    monkeypatch.setenv("FOLDWISE_OUTPUT", str(run.output.resolve()))
    notebook = nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}})
    client.execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert sum("image/png" in out.get("data", {}) for out in shown) == 2
    assert "logreg" in str(shown)


def test_committed_notebooks_hold_no_output():
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), path.name
