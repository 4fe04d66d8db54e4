"""The floor, by real DuckDB and PostgreSQL."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import sample
from bench.project import remove_folder, run_floor
from bench.totals import Totals, WrongResult
from bench.workload import Export


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not below pytest's folder: the server's account must reach it."""
    made = Path(tempfile.mkdtemp(prefix="socialmart-"))
    made.chmod(0o755)
    yield made
    remove_folder(made / "floor")
    remove_folder(made)


@pytest.fixture(scope="module")
def export(folder: Path) -> Export:
    totals = Totals()
    path = folder / "users.json"
    sample.write_array(path, totals.count_documents(sample.generate_documents(100, seed=21)))
    return Export({"2023-01-01.json": path}, totals)


def test_floor__holds_what_plain_python_counts(folder, export):
    assert export.totals.users == 100
    measured = run_floor(folder / "floor", export)
    assert list(measured.stages) == ["read", "load", "tables"]
    assert 0 < sum(measured.stages.values()) < measured.seconds
    assert {"floor", "postgres"} <= measured.roles.keys()


def test_floor__is_void_with_all_differences_named_when_results_are_wrong(folder, export):
    wrong = replace(export.totals, users=99, shares=0)
    with pytest.raises(WrongResult) as raised:
        run_floor(folder / "floor", replace(export, totals=wrong))
    named = [part.split(": ")[-2].split()[-1] for part in str(raised.value).split("; ")]
    assert named == ["marts.user_engagement_mart", "total_shares", "total_engagement"]
