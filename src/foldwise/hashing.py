"""Content hashes of files, plain data and code: what decides whether work is still up to date."""

import ast
import contextlib
import hashlib
import importlib.metadata
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from foldwise.files import PACKAGE

_DISTRIBUTION = {"sklearn": "scikit-learn"}  # where it is not called like the package it holds
# The one list of what code hashes leave out: modules that only talk to the user or measure, so
# that a reworded line is no reason to fit a model again, and the roster of models, so that another
# model's row or colour is none (who fits a model hashes its row).
SILENT = frozenset(
    {
        "foldwise.config.roster",
        "foldwise.errors",
        "foldwise.finetune.throughput",
        "foldwise.meter",
        "foldwise.terminal",
    }
)
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_HOLDS_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)


def file_hash(path: Path) -> str | None:
    """Return the content hash of a file, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def content_hash(*parts: Any) -> str:
    """Hash plain data (whatever JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def code_hash(module: str) -> str:
    """Hash what a module and all of foldwise that it imports say, and the packages they use.

    Comments, docstrings, formatting and the modules of `SILENT` do not count. A module that is
    imported by its name in a string is not seen: whoever imports so hashes it too, or says why
    nothing depends on it.
    """
    sources = covered(module)
    packages = {name.split(".")[0] for source in sources.values() for name in _parsed(source)[1]}
    versions = {name: _version(name) for name in packages - {"foldwise", *sys.stdlib_module_names}}
    code = {name: _parsed(source)[0] for name, source in sources.items()}
    return content_hash(code, {name: found for name, found in versions.items() if found})


def covered(module: str) -> dict[str, str]:
    """Return the source of every module that the code hash of `module` covers, by name."""
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _module_path(name)
        if path is None or name in sources or name in SILENT:
            continue
        sources[name] = path.read_text(encoding="utf-8")
        imports = _parsed(sources[name])[1]
        waiting += [imported for imported in imports if imported.split(".")[0] == "foldwise"]
    return sources


def _module_path(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _parsed(source: str) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a syntax tree without docstrings and positions, and what it imports."""
    tree = ast.parse(source)
    imports: list[str] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        # What is imported for type checkers alone never runs.
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inner = node.orelse if typing else ast.iter_child_nodes(node)
        waiting += [child for child in inner if isinstance(child, _HOLDS_STATEMENTS)]
    return content_hash(ast.dump(tree)), tuple(imports)


@cache
def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(_DISTRIBUTION.get(package, package))
    return None
