"""The files of the dbt project, and fingerprints of them. Plain Python: the tasks and dbt's own process share it."""

from pathlib import Path
from typing import Any

from luigi_tasks import fingerprints
from luigi_tasks.warehouse.schema_names import CANDIDATES

MODELS, TESTS = "models", "tests"
EXPOSURES = "_exposures.yml"
"""Who reads the marts. Nothing in the warehouse is made from it."""
GENERATED = {"target", "logs", "dbt_packages", "__pycache__"}


def fingerprint(project: Path) -> str:
    """Of the whole project."""
    return fingerprints.of_files(_files(project), project)


def models(project: Path) -> dict[str, str]:
    """Of each model: its SQL and the yml beside it."""
    files: dict[str, list[Path]] = {}
    for path in _files(project):
        if _is_of_a_model(path, project):
            files.setdefault(path.stem, []).append(path)
    return {name: fingerprints.of_files(paths, project) for name, paths in sorted(files.items())}


def tests(project: Path) -> str:
    """Of the tests that belong to no model alone."""
    return fingerprints.of_files([path for path in _files(project) if _top(path, project) == TESTS], project)


def common(project: Path) -> str:
    """Of what all models share: macros, settings, sources."""
    shared = [
        path
        for path in _files(project)
        if _top(path, project) != TESTS and path.name != EXPOSURES and not _is_of_a_model(path, project)
    ]
    return fingerprints.of_files(shared, project)


def relations_of_marts(manifest: Any) -> list[dict[str, Any]]:
    """What has to be published for readers to have the marts: these themselves, and what those of them that are views
    are made of, down to the tables. Each comes after what it is made of.

    Gives `schema`, `name`, `is_view`, `is_mart`, `touched` (which rows a run makes anew: see macros/touched.sql; None
    where it is all of them) and `read_by` (the columns by which readers look rows up).
    """
    found: dict[str, dict[str, Any]] = {}

    def visit(name: str) -> None:
        node = manifest.nodes[name]
        is_view = node.config.materialized == "view"
        for parent in node.depends_on.nodes if is_view else []:
            visit(parent)
        found[name] = {
            "schema": node.schema,
            "name": node.name,
            "is_view": is_view,
            "is_mart": node.schema == CANDIDATES,
            "touched": node.config.meta.get("touched"),
            "read_by": node.config.meta.get("read_by", []),
        }

    for name, node in sorted(manifest.nodes.items()):
        if node.resource_type == "model" and node.schema == CANDIDATES:
            visit(name)
    return list(found.values())


def _files(project: Path) -> list[Path]:
    return [
        path
        for path in sorted(project.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and not GENERATED & set(path.relative_to(project).parts)
    ]


def _is_of_a_model(path: Path, project: Path) -> bool:
    return _top(path, project) == MODELS and path.with_suffix(".sql").exists()


def _top(path: Path, project: Path) -> str:
    return path.relative_to(project).parts[0]
