"""The files of the dbt project, and fingerprints of them. Plain Python: the tasks and dbt's own process share it."""

from pathlib import Path

from luigi_tasks import fingerprints

MODELS, TESTS = "models", "tests"
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
    shared = [path for path in _files(project) if _top(path, project) != TESTS and not _is_of_a_model(path, project)]
    return fingerprints.of_files(shared, project)


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
