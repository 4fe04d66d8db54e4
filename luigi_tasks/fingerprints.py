"""Fingerprints: short texts that differ when what they stand for differs.

Code is fingerprinted by its syntax tree, without comments, docstrings and file names: who rewords a docstring or moves
a module rebuilds nothing.
"""

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def of_value(value: object) -> str:
    """Fingerprint of anything that JSON can write, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def of_message(value: object) -> str:
    """Fingerprint of dataclasses and lists and mappings of them, by the names and values of their fields."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=dataclasses.asdict).encode()).hexdigest()[:32]


def of_file(path: Path) -> str:
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
    imports = _Imports(module, root)
    return of_value(_tree(imports.replace_names({path: of_program(path, root) for path in imports.list_modules()})))


@cache
def of_modules(*modules: Path) -> str:
    """Fingerprint of these modules alone, whatever they import. Computed once a process."""
    return of_value(sorted(of_value(_tree(ast.parse(path.read_text(encoding="utf-8")))) for path in modules))


def _tree(node: object) -> object:
    """A syntax tree as plain lists. What is absent or empty is left out, so that each version of Python gives the same
    tree; so are docstrings and other texts that stand alone as a statement."""
    if isinstance(node, ast.AST):
        named = ((name, value) for name, value in ast.iter_fields(node) if not isinstance(value, ast.expr_context))
        fields = [[name, _tree(value)] for name, value in named]
        return [type(node).__name__, *(field for field in fields if field[1] not in (None, []))]
    if isinstance(node, list):
        return [_tree(item) for item in node if not _is_docstring(item)]
    return node if isinstance(node, str | int | float | bool | None) else repr(node)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _holds_code(path: Path) -> bool:
    """Whether a module holds more than prose."""
    return _tree(ast.parse(path.read_text(encoding="utf-8"))) != ["Module"]


class _Imports(ast.NodeTransformer):
    """The imports of one module: which modules below `root` they name, and the module's tree without those names."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._digests: dict[Path, str] = {}

    def list_modules(self) -> list[Path]:
        """The files that the module imports from the packages below the root."""
        found: list[Path] = []
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                found += [path for alias in node.names for path in self._named(alias.name)]
            elif isinstance(node, ast.ImportFrom):
                found += [path for alias in node.names for path in self._taken_from(node, alias.name)]
        return sorted(set(found))

    def replace_names(self, digests: dict[Path, str]) -> ast.AST:
        """The module's tree with the fingerprint of each imported module in place of its name."""
        self._digests = digests
        return self.visit(self._tree)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            if paths := self._named(alias.name):
                alias.name = self._fingerprints(paths)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        taken = {alias.name: self._taken_from(node, alias.name) for alias in node.names}
        if any(taken.values()):
            node.module, node.level = " ".join(self._fingerprints(paths) for paths in taken.values()), 0
        return node

    def _fingerprints(self, paths: list[Path]) -> str:
        return " ".join(self._digests[path] for path in paths)

    def _named(self, module: str) -> list[Path]:
        """The files that `import MODULE` runs: the module, and the packages around it that hold more than prose, except
        those around this module, which have run already."""
        parts = module.split(".")
        if not (self._root / parts[0]).is_dir():
            return []
        around = [self._root.joinpath(*parts[:depth]) for depth in range(1, len(parts))]
        packages = [folder / "__init__.py" for folder in around if not self._path.is_relative_to(folder)]
        found = [path for path in packages if path.exists() and _holds_code(path)]
        if (file := self._file(parts)) is None:
            raise ValueError(f"{self._path}: the module {module} that it imports is not there")
        return [*found, file]

    def _taken_from(self, node: ast.ImportFrom, name: str) -> list[Path]:
        """The files that `from MODULE import NAME` runs, where NAME may be a module itself."""
        around = self._path.parent.relative_to(self._root).parts if node.level else ()
        parts = [*around[: len(around) - node.level + 1], *(node.module.split(".") if node.module else [])]
        module = ".".join(parts)
        return self._named(f"{module}.{name}" if self._file([*parts, name]) else module)

    def _file(self, parts: list[str]) -> Path | None:
        place = self._root.joinpath(*parts)
        return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)
