"""The house keeps its order: packages import downwards, tests mirror them, and it starts light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import foldwise
from foldwise.stages import ORDER

PACKAGE = Path(foldwise.__file__).parent
# Each may import what stands before it, never what stands after.
FLOORS = (
    "config", "simulation", "data", "scoring", "features", "backbone", "finetune", "models",
    "crossval", "tuning", "ensemble", "report", "stages", "kaggle", "commands",
)  # fmt: skip
APART = {("kaggle", "stages"), ("kaggle", "report"), ("kaggle", "tuning")}
GROUND = {"errors", "files", "hashing", "meter", "terminal"}
HEAVY = ("torch", "transformers", "sklearn", "scipy", "pandas", "matplotlib", "lightgbm")
MOST_MODULES = 18


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield what a file imports of foldwise, also inside functions, without the root's name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == "foldwise":
                yield tuple(rest)


def wrong_imports(path: Path) -> list[str]:
    mine, found = name_of(path), []
    home = mine[0] if mine and mine[0] in FLOORS else None
    for other in imported(path):
        theirs = other[0] if other and other[0] in FLOORS else None
        if theirs is None or mine == ("__main__",):
            continue
        if home is None and mine[:1] and mine[0] in GROUND:
            found.append(
                f"{'.'.join(mine)} -> {'.'.join(other)}: the ground floor knows no package"
            )
        elif home and FLOORS.index(theirs) > FLOORS.index(home):
            found.append(f"{'.'.join(mine)} -> {'.'.join(other)}: upwards")
        elif (home, theirs) in APART:
            found.append(f"{'.'.join(mine)} -> {'.'.join(other)}: kept apart")
    return found


def test_packages_import_only_what_stands_below_them():
    assert [line for path in modules() for line in wrong_imports(path)] == []


def test_the_check_of_imports_sees_those_inside_functions(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "raw.py"
    path.write_text("def read():\n    from foldwise.report import page\n    return page\n")
    assert wrong_imports(path) == ["data.raw -> report.page: upwards"]
    (tmp_path / "files.py").write_text("import foldwise.data.raw\n")
    assert len(wrong_imports(tmp_path / "files.py")) == 1


def test_stages_never_import_each_other():
    for stage in ORDER:
        used = {name[1] for name in imported(PACKAGE / "stages" / f"{stage}.py") if len(name) > 1}
        assert (
            not used
            & (set(ORDER) - {stage})
            & {
                name[1]
                for name in imported(PACKAGE / "stages" / f"{stage}.py")
                if name[0] == "stages"
            }
        ), stage


def test_every_folder_is_a_room_of_the_house():
    there = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there == set(FLOORS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == GROUND | {"__init__", "__main__"}


def test_no_folder_holds_too_many_modules():
    for folder in (PACKAGE, *PACKAGE.glob("*/")):
        assert len(list(folder.glob("*.py"))) <= MOST_MODULES, folder


@pytest.mark.parametrize("name", [n for n in FLOORS if n not in ("stages", "simulation")])
def test_a_package_opens_with_its_docstring_and_nothing_else(name):
    tree = ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) and len(tree.body) == 1


def test_every_package_has_its_line_in_the_readme():
    readme = Path(__file__).parents[1] / "README.md"
    tree = readme.read_text(encoding="utf-8").partition("```\nrun.sh")[2].partition("```")[0]
    assert 0 < len(tree.splitlines()) <= 30
    for name in (*FLOORS, "competitions"):
        assert f" {name}/ " in tree, name
    for name in GROUND:
        assert f" {name}.py" in tree, name


def test_tests_mirror_the_source():
    # Files that hold one law over several modules.
    laws = {
        "layout",
        "simulation",
        "data_fuzz",
        "hostile",
        "prompts_data",
        "pool_laws",
        "untrusted_models",
    }
    here = Path(__file__).parent
    for path in here.glob("*/test_*.py"):
        folder, name = path.parent.name, path.stem.removeprefix("test_")
        assert folder in FLOORS, path
        assert name in laws or (PACKAGE / folder / f"{name}.py").exists(), path


@pytest.mark.parametrize("module", ["__main__", "stages.pipeline"])
def test_the_command_line_and_an_unchanged_run_start_without_the_heavy_libraries(module):
    code = f"import sys, foldwise.{module}; print([n for n in {HEAVY} if n in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_module_imports_without_what_only_unix_has():
    names = [".".join(("foldwise", *name_of(path))) for path in modules()]
    code = (
        "import importlib, os, signal, sys\n"
        "import torch, transformers, sklearn, pandas, scipy.stats, matplotlib.pyplot, joblib\n"
        "import filelock, psutil, lightgbm, nltk, accelerate, typer, rich\n"  # theirs to guard
        "sys.modules.update(dict.fromkeys(('fcntl', 'resource', 'pwd', 'grp', 'termios')))\n"
        "for module, name in ((os, 'uname'), (os, 'sched_getaffinity'), (os, 'killpg'),\n"
        "                     (os, 'fork'), (signal, 'SIGKILL'), (signal, 'SIGALRM')):\n"
        "    vars(module).pop(name, None)\n"
        f"for name in {[n for n in names if not n.endswith('__main__')]}:\n"
        "    importlib.import_module(name)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
