"""Fingerprints: short texts that differ when what they stand for differs.

Code is fingerprinted by its syntax tree, without comments, docstrings and file names: who rewords a docstring or moves
a module rebuilds nothing.
"""

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from spark_jobs.storage import Location


def of_value(value: object) -> str:
    """Fingerprint of anything that JSON can write, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def of_message(value: object) -> str:
    """Fingerprint of dataclasses and lists and mappings of them, by the names and values of their fields."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=dataclasses.asdict).encode()).hexdigest()[:32]


def of_file(path: Location) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(paths: Iterable[Path], root: Path) -> str:
    """Fingerprint of the names (below `root`) and contents of files."""
    return of_value({str(path.relative_to(root)): of_file(path) for path in paths})


@cache
def of_program(module: Path, root: Path) -> str:
    """Fingerprint of a module and of all modules that it imports, directly or not, from the packages below `root`.

    In it, each import of a module of ours stands as that module's own fingerprint; none may import each other. Computed
    once a process: code does not change during a run. Raises ValueError where an imported module is missing.
    """
    return of_value(_describe(_parse(module), _Imports(module, root)))


@cache
def of_modules(*modules: Path) -> str:
    """Fingerprint of these modules alone, whatever they import. Computed once a process."""
    return of_value(sorted(of_value(_describe(_parse(module))) for module in modules))


def _parse(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _describe(node: object, imports: "_Imports | None" = None) -> object:
    """A syntax tree as plain lists. What is absent or empty is left out, so that each version of Python gives the same
    lists; so are docstrings and other texts that stand alone as a statement."""
    if isinstance(node, ast.AST):
        if imports and isinstance(node, ast.Import | ast.ImportFrom):
            imports.replace_names(node)
        described = [(name, _describe(getattr(node, name, None), imports)) for name in node._fields if name != "ctx"]
        return [type(node).__name__, *((name, value) for name, value in described if value is not None and value != [])]
    if isinstance(node, list):
        return [_describe(item, imports) for item in node if not _is_docstring(item)]
    return node if isinstance(node, str | int | float | bool | None) else repr(node)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _holds_code(module: Path) -> bool:
    """Whether a module holds more than prose."""
    return _describe(_parse(module)) != ["Module"]


class _Imports:
    """What the imports of a module, in packages below `root`, stand for."""

    def __init__(self, module: Path, root: Path) -> None:
        self._module = module
        self._root = root

    def replace_names(self, node: ast.Import | ast.ImportFrom) -> None:
        """Replace the names of our modules in an import by their fingerprints."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                alias.name = self._fingerprint(self._list_files(alias.name)) or alias.name
            return
        imported = self._fingerprint(path for alias in node.names for path in self._list_files_of(node, alias.name))
        if imported:
            node.module, node.level = imported, 0

    def _fingerprint(self, files: Iterable[Path]) -> str:
        return " ".join(of_program(path, self._root) for path in files)

    def _list_files(self, module: str) -> list[Path]:
        """The files that `import MODULE` runs: the module, and the packages around it that hold more than prose, except
        those around this module, which have run already."""
        parts = module.split(".")
        if not (self._root / parts[0]).is_dir():
            return []
        around = [self._root.joinpath(*parts[:depth]) for depth in range(1, len(parts))]
        packages = [folder / "__init__.py" for folder in around if not self._module.is_relative_to(folder)]
        found = [path for path in packages if path.exists() and _holds_code(path)]
        if (file := self._find_file(parts)) is None:
            raise ValueError(f"{self._module}: the module {module} that it imports is not there")
        return [*found, file]

    def _list_files_of(self, node: ast.ImportFrom, name: str) -> list[Path]:
        """The files that `from MODULE import NAME` runs, where NAME may be a module itself."""
        around = self._module.parent.relative_to(self._root).parts if node.level else ()
        parts = [*around[: len(around) - node.level + 1], *(node.module.split(".") if node.module else [])]
        module = ".".join(parts)
        return self._list_files(f"{module}.{name}" if self._find_file([*parts, name]) else module)

    def _find_file(self, parts: Sequence[str]) -> Path | None:
        place = self._root.joinpath(*parts)
        return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)
