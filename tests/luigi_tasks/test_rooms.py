"""Who may import whom: the packages are floors of a house, and nobody takes from a floor above, or from next door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.paths import PROJECT

FLOORS = (
    {""},
    {"processes"},
    {"warehouse"},
    {"targets"},
    {"runs", "quality", "privacy"},
    {"spark", "dbt", "report", "export"},
    {"stages"},
    {"cli"},
)
"""The packages of luigi_tasks, lowest first; "" are the modules beside them. Peers stand in one set."""
SHARED = {
    "spark_jobs.schemas",
    "spark_jobs.messages",
    "spark_jobs.parquet_blocks",
    "spark_jobs.storage",
    "spark_jobs.sources.catalog",
    "spark_jobs.extraction.preview",
}
"""What luigi_tasks may take of spark_jobs."""
ENTRANCE = PROJECT / "luigi_tasks/__init__.py"
"""The public tasks: it imports them from `stages`."""


def find_forbidden_imports(root: Path) -> list[str]:
    """A sentence for each import that the rule forbids, below a folder with luigi_tasks and spark_jobs."""
    found = []
    for path in sorted([*root.glob("luigi_tasks/**/*.py"), *root.glob("spark_jobs/**/*.py")]):
        where = path.relative_to(root)
        for module in _imported(path, root):
            if path.relative_to(root) != ENTRANCE.relative_to(PROJECT) and (reason := _why_forbidden(where, module)):
                found.append(f"{where} imports {module}: {reason}")
    return found


def _imported(path: Path, root: Path) -> Iterator[str]:
    """The modules of ours that a module imports, by their dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(("luigi_tasks", "spark_jobs")))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("luigi_tasks", "spark_jobs"):
            for alias in node.names:
                place = root.joinpath(*str(node.module).split("."), alias.name)
                is_module = place.is_dir() or place.with_suffix(".py").exists()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)


def _why_forbidden(where: Path, module: str) -> str | None:
    if where.parts[0] == "spark_jobs":
        return "the jobs know nothing of Luigi's side" if module.startswith("luigi_tasks") else None
    if module.startswith("spark_jobs"):
        return (
            None
            if module in SHARED or module.startswith("spark_jobs.messages.")
            else "of the jobs, only schemas, messages, blocks, the catalog and the preview of sources are shared"
        )
    importer, imported = _room(where.parts), _room(Path(*module.split(".")).parts)
    if importer == imported or _floor(importer) > _floor(imported):
        return None
    return "a peer" if _floor(importer) == _floor(imported) else "a floor above"


def _room(parts: tuple[str, ...]) -> str:
    return parts[1] if len(parts) > 1 and (PROJECT / "luigi_tasks" / parts[1]).is_dir() else ""


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_rooms__take_only_from_floors_below():
    assert find_forbidden_imports(PROJECT) == []


def test_rooms__all_have_a_floor():
    rooms = {path.parent.name for path in PROJECT.glob("luigi_tasks/*/__init__.py")}
    assert rooms == set().union(*FLOORS) - {""}


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        ("luigi_tasks/spark/session.py", "from luigi_tasks.dbt import project", "a peer"),
        ("luigi_tasks/quality/ledger.py", "import luigi_tasks.runs.journal", "a peer"),
        ("luigi_tasks/warehouse/retry.py", "from luigi_tasks.targets.marker import Marker", "a floor above"),
        ("luigi_tasks/config.py", "from luigi_tasks import warehouse", "a floor above"),
        ("luigi_tasks/stages/clean.py", "from spark_jobs.cleaning import rules", "of the jobs, only"),
        ("spark_jobs/engine/parallel.py", "from luigi_tasks import paths", "the jobs know nothing"),
    ],
)
def test_rule__names_an_import_that_breaks_it(tmp_path, file, line, reason):
    for package in ("luigi_tasks", "spark_jobs"):
        for path in (PROJECT / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    before = find_forbidden_imports(tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    [found] = [each for each in find_forbidden_imports(tmp_path) if each not in before]
    assert found.startswith(f"{file} imports ") and reason in found
