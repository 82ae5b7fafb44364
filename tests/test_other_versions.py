"""An output folder of another version of foldwise is refused in one line, by whatever reads it."""

import json
import sys

import pytest
from fabricate import fabricate

from foldwise.__main__ import main
from foldwise.files import write_json
from foldwise.stages import ORDER
from foldwise.stages.manifest import write_manifest

CLASSES = ["EAP", "HPL", "MWS"]
SETTINGS = ('models=["prior", "logreg"]', "report.bootstrap=100")
READERS = {
    "predict": ["predict", "{out}", "--text", "a text"],
    "predict with one fold": ["predict", "{out}/models/logreg/fold-0", "--text", "a text"],
    "report": ["report", "{out}"],
    "compare": ["compare", "{out}", "{out}"],
    "kaggle bundle": ["kaggle", "bundle", "{out}"],
    "kaggle submit": ["kaggle", "submit", "{out}"],
    "run": ["run", "spooky", "--output", "{out}", "--stages", "ensemble..report"],
}

RECORDS = ("clean/audit.json", "leaks.json", "models/logreg/metrics.json", "ensemble/weights.json")


@pytest.fixture
def old(make_run, tmp_path):
    """A finished folder as the version before the records were types wrote it."""
    run = make_run("spooky", *SETTINGS, output=tmp_path / "out")
    fabricate(run, CLASSES)
    unit = {"model": "logreg", "classes": CLASSES, "prior_correction": [1.0] * 3}
    unit |= {"config": run.competition.model_dump(mode="json"), "key": "0", "files": {}}
    write_json(run.fold("logreg", 0) / "unit.json", unit)
    stage = {"summary": "done", "sections": [], "config": "", "parts": {}, "modules": []}
    stage |= {"code": "", "inputs": {}, "outputs": {}, "seconds": 1.0, "peak_memory_mb": 1.0}
    for name in ORDER:
        write_json(run.output / ".stages" / f"{name}.json", {"stage": name} | stage)
    write_manifest(run, ["run", "spooky"])
    path = run.output / "manifest.json"
    values = json.loads(path.read_text())
    del values["format"]
    write_json(path, values)
    return run


@pytest.mark.parametrize("reader", READERS)
def test_it_is_refused_in_one_line(old, reader, monkeypatch, capsys):
    words = [word.replace("{out}", str(old.output)) for word in READERS[reader]]
    monkeypatch.setattr(sys, "argv", ["foldwise", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert len(said.splitlines()) == 1
    assert str(old.output) in said
    assert "written by another version of foldwise" in said


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("change", [{"a key of tomorrow": 1}, None])
def test_a_record_with_another_key_is_refused_by_the_report(old, name, change):
    from foldwise.errors import UserError
    from foldwise.stages.report import report

    path = old.output / name
    if not path.exists():
        leaks = {"twins": [], "split": None, "giveaways": [], "numbers": [], "shift": None}
        write_json(path, leaks | {"test_rows": 0})
    (old.output / "manifest.json").unlink()
    values = json.loads(path.read_text())
    write_json(path, values | change if change else dict(list(values.items())[1:]))
    with pytest.raises(UserError, match=f"{name}: was written by another version of foldwise"):
        report(old)
