"""The lineage has no hole: the SQL that dbt sends reads only relations that the manifest lists as dependencies."""

import re
from pathlib import Path

import pytest
from dbt_commands import PROJECT, Dbt

from luigi_tasks.warehouse.schema_names import SCHEMAS

RELATION = re.compile(rf"""(?<![\w."])(?:"\w+"\.)?"?({"|".join(SCHEMAS)})"?\."?([a-z]\w*\b)"?(?!\()""")
"""A relation in SQL, not a function: schema and name, with or without a database and quotes."""
WORK_TABLE = re.compile("__(dbt_tmp|dbt_backup|new)$")
"""The end of the names that a table has while dbt builds it."""
COMMENT = re.compile(r"{#.*?#}|--[^\n]*", re.DOTALL)


@pytest.fixture(scope="module")
def dependencies(manifest: dict) -> dict[str, set[str]]:
    """The relations that each model and test may read, by the path of its compiled SQL: its own and its parents'."""
    parts = manifest["nodes"] | manifest["sources"]
    return {
        compiled_path(node): {name_relation(parts[name]) for name in (node["unique_id"], *node["depends_on"]["nodes"])}
        for node in manifest["nodes"].values()
    }


def compiled_path(node: dict) -> str:
    """Where dbt writes a node's SQL, below the folders `compiled` and `run`. A generic test has no file of its own."""
    is_generic = node["original_file_path"].endswith(".yml")
    return f"{node['original_file_path']}/{node['path']}" if is_generic else node["original_file_path"]


def name_relation(node: dict) -> str:
    return f"{node['schema']}.{node.get('identifier') or node['alias']}"


def list_relations(sql: str) -> set[str]:
    """The relations of the warehouse that a text names."""
    found = RELATION.findall(COMMENT.sub("", sql))
    return {f"{schema}.{WORK_TABLE.sub('', name)}" for schema, name in found}


def find_holes(folder: Path, dependencies: dict[str, set[str]]) -> list[str]:
    """A sentence for every relation that SQL in dbt's folder reads and the manifest does not list."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.sql")}
    assert files.keys() <= dependencies.keys()
    return [
        f"{file} reads {relation}"
        for file, path in sorted(files.items())
        for relation in sorted(list_relations(path.read_text()) - dependencies[file])
    ]


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ('select 1 from "dwh"."core"."dim_users" as users', {"core.dim_users"}),
        ("select users.user_id from core.dim_users as users", {"core.dim_users"}),
        ('delete from "core"."dim_users__dbt_tmp"', {"core.dim_users"}),
        ("-- core.dim_users\nselect users.marts from of_core.users", set()),
    ],
)
def test_list_relations__finds_quoted_and_plain_names(sql: str, relations: set[str]) -> None:
    assert list_relations(sql) == relations


@pytest.mark.parametrize("options", [["--full-refresh"], []], ids=["from scratch", "incremental"])
def test_lineage__lists_all_that_a_run_reads(dbt: Dbt, dependencies: dict[str, set[str]], options: list[str]) -> None:
    dbt(*options)
    for folder in ("compiled", "run"):
        assert find_holes(dbt.target / folder / "socialmart", dependencies) == []
    touched_keys = (dbt.target / "compiled/socialmart/models/staging/touched_keys.sql").read_text()
    assert ("core.dim_users" in list_relations(touched_keys)) == (options == [])


@pytest.mark.parametrize("touched_only", ["false", "true"])
def test_lineage__lists_all_that_tests_read(dbt: Dbt, dependencies: dict[str, set[str]], touched_only: str) -> None:
    dbt("--vars", f"{{touched_only: {touched_only}}}", command="compile")
    folder = dbt.target / "compiled" / "socialmart"
    assert len(list(folder.glob("tests/*.sql"))) == len(list((PROJECT / "tests").glob("*.sql")))
    assert find_holes(folder, dependencies) == []


def test_lineage__no_file_names_a_relation_itself() -> None:
    named = {
        str(path.relative_to(PROJECT)): found
        for folder in ("models", "macros", "tests")
        for path in (PROJECT / folder).rglob("*.sql")
        if (found := list_relations(path.read_text()))
    }
    assert named == {}
