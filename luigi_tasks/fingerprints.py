"""Fingerprints: short texts that differ when what they stand for differs."""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def of_value(value: object) -> str:
    """Of anything that JSON can write, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def of_file(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(paths: Iterable[Path], root: Path) -> str:
    """Of the names (below `root`) and contents of files."""
    return of_value({str(path.relative_to(root)): of_file(path) for path in paths})


@cache
def of_code(entry: Path) -> str:
    """Of a Python module and all modules of its own package that it imports, directly or not.

    Worked out once a process: code does not change under a run.
    """
    return of_files(sources(entry), entry.parent)


@cache
def of_modules(*modules: Path) -> str:
    """Of these modules alone, once a process."""
    return of_files(modules, modules[0].parent.parent)


def sources(entry: Path) -> list[Path]:
    """A module's file and those of its package that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path not in found and path.exists():
            found.add(path)
            waiting.extend(_imported(path))
    return sorted(found)


def _imported(path: Path) -> list[Path]:
    package = path.parent.name
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            names.append((node.module or "").split(".")[1])
    return [path.parent / f"{name}.py" for name in names]
