"""The files of the dbt project: their fingerprints, and the relations that its manifest says to publish.

Plain Python without dbt: the stages and the dbt service share it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luigi_tasks import fingerprints, paths
from luigi_tasks.dbt.messages import Model, Relation
from luigi_tasks.warehouse.schema_names import CANDIDATES, MARTS, MARTS_PERSONAL, OPEN

MODELS, TESTS = "models", "tests"
EXPOSURES = "_exposures.yml"
"""Who reads the marts. Nothing in the warehouse is built from it."""
PROPERTIES = (".yml", ".yaml")
FOLDER_OF_OPEN = "open"
"""The folder of models that readers see in the schema open; the others they see in marts and marts_personal."""
GENERATED = {"target", "logs", "dbt_packages", "__pycache__"}


def fingerprint_project(project: Path) -> str:
    """The fingerprint of every file of the project."""
    return fingerprints.of_files(_list_files(project), project)


def fingerprint_models(project: Path) -> dict[str, str]:
    """The fingerprint of each model by its name: of its SQL and the yml beside it."""
    files: dict[str, list[Path]] = {}
    for path in _list_files(project):
        if _belongs_to_model(path, project):
            files.setdefault(path.stem, []).append(path)
    return {name: fingerprints.of_files(paths, project) for name, paths in sorted(files.items())}


def fingerprint_tests(project: Path) -> str:
    """The fingerprint of the tests that do not belong to a single model."""
    return fingerprints.of_files(
        [path for path in _list_files(project) if _top_folder(path, project) == TESTS], project
    )


def fingerprint_shared_files(project: Path) -> str:
    """The fingerprint of what all models share: macros, settings and sources."""
    shared = [
        path
        for path in _list_files(project)
        if _top_folder(path, project) != TESTS and path.name != EXPOSURES and not _belongs_to_model(path, project)
    ]
    return fingerprints.of_files(shared, project)


def fingerprint_properties(project: Path) -> str:
    """The fingerprint of the yml files, which dbt itself tells apart by their times alone."""
    return fingerprints.of_files([path for path in _list_files(project) if path.suffix in PROPERTIES], project)


def list_models(manifest: Any) -> list[Model]:
    """The models that dbt builds."""
    return [
        Model(
            schema=node.schema,
            name=node.name,
            materialized=node.config.materialized,
            columns={name: column.data_type for name, column in node.columns.items() if column.data_type},
        )
        for _, node in sorted(manifest.nodes.items())
        if node.resource_type == "model"
    ]


def list_published_relations(manifest: Any) -> list[Relation]:
    """The marts, and what those marts that are views are built from, down to the tables; parents come first."""
    found: dict[str, Relation] = {}

    def add(unique_id: str) -> None:
        node = manifest.nodes[unique_id]
        is_view = node.config.materialized == "view"
        if is_view:
            for parent in node.depends_on.nodes:
                add(parent)
        found[unique_id] = Relation(
            schema=node.schema,
            name=node.name,
            is_view=is_view,
            shown_in=_list_shown_in(node),
            touched=node.config.meta.get("touched"),
            read_by=node.config.meta.get("read_by", []),
        )

    for unique_id, node in sorted(manifest.nodes.items()):
        if node.resource_type == "model" and node.schema == CANDIDATES:
            add(unique_id)
    return list(found.values())


def _list_shown_in(node: Any) -> Sequence[str]:
    """The schemas in which readers see a model."""
    if node.schema != CANDIDATES:
        return ()
    return (OPEN,) if FOLDER_OF_OPEN in node.fqn else (MARTS, MARTS_PERSONAL)


def _list_files(project: Path) -> list[Path]:
    return [
        path
        for path in sorted(project.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and not GENERATED & set(path.relative_to(project).parts)
        if path != project / paths.OWN_MAP  # from which Publish makes masks, and dbt nothing
    ]


def _belongs_to_model(path: Path, project: Path) -> bool:
    return _top_folder(path, project) == MODELS and path.with_suffix(".sql").exists()


def _top_folder(path: Path, project: Path) -> str:
    return path.relative_to(project).parts[0]
