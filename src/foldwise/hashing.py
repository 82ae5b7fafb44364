"""Content hashes of files, plain data and code: what decides whether work is still up to date."""

import ast
import contextlib
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from foldwise.files import PACKAGE

_DISTRIBUTION = {"sklearn": "scikit-learn"}  # where it is not called like the package it holds


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


@lru_cache
def code_hash(module: str) -> str:
    """Hash a module, all of foldwise that it imports, and the versions of other packages."""
    sources, packages, waiting = {}, set(), [module]
    while waiting:
        name = waiting.pop()
        path = _module_path(name)
        if path is None or name in sources:
            continue
        source = path.read_text(encoding="utf-8")
        sources[name] = source
        for imported in _imports(source):
            if imported.split(".")[0] == "foldwise":
                waiting.append(imported)
            else:
                packages.add(imported.split(".")[0])
    versions = {}
    for package in sorted(packages - set(sys.stdlib_module_names)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = _DISTRIBUTION.get(package, package)
            versions[package] = importlib.metadata.version(distribution)
    return content_hash(sources, versions)


def _module_path(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
