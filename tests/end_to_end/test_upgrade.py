"""The upgrade of a warehouse that the code loaded before it had rooms, and before there was etl.schema_versions.

warehouse_before_rooms.sql.gz is a dump of it (pg_dump --no-owner), with two batches: 2026-11-20, which has left the
landing folder since, and 2026-11-22. Others made tables in raw_data and marts, views in etl, raw_data and marts, and
granted the role analyst to read some of it.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest
from project import REPOSITORY, MakeProject, Project, Run

from luigi_tasks.warehouse.migrations import list_migrations

DUMP = Path(__file__).with_name("warehouse_before_rooms.sql.gz")
LANDED = REPOSITORY / "data" / "sample" / "2026-11-22" / "part-2.jsonl"
"""The one file of the batch 2026-11-22."""
KEPT = ("raw_data", "marts")
"""Schemas whose relations all hold the same rows after an upgrade as before."""
SETTINGS = {"quality": {"max_rejected_share": 0.5}}
GRANTED = ("raw_data.users", "etl.ledger", "marts.user_engagement_mart")

Contents = dict[str, list[tuple[object, ...]]]
"""The rows of tables and views, by name."""


@dataclass(frozen=True)
class Upgrade:
    """The project after its first run with this code, what the warehouse held before, and what that run said."""

    project: Project
    columns: dict[str, str]
    before: Contents
    ran: Run


@pytest.fixture(scope="module")
def upgrade(make_project: MakeProject) -> Upgrade:
    project = make_project(SETTINGS)
    project.rows("create role analyst")
    (project.folder / "dump.sql").write_bytes(gzip.decompress(DUMP.read_bytes()))
    restored = project.socialmart("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "dump.sql")
    assert restored.code == 0, restored.output
    columns = dict(
        project.rows(
            "select table_schema || '.' || table_name, string_agg(quote_ident(column_name), ', ') "
            "from information_schema.columns where table_schema = any(%s) or table_schema = 'etl' group by 1",
            list(KEPT),
        )
    )
    before = read(project, columns)
    project.land("2026-11-22.jsonl", LANDED.read_bytes())
    return Upgrade(project, columns, before, project.run())


def read(project: Project, columns: dict[str, str]) -> Contents:
    """The rows of relations, of the columns that they had before the upgrade."""
    return {name: sorted(project.rows(f"select {listed} from {name}"), key=repr) for name, listed in columns.items()}


def test_upgrade__keeps_the_rows_of_raw_data_and_marts(upgrade):
    assert upgrade.ran.code == 0, upgrade.ran.output
    after = read(upgrade.project, upgrade.columns)
    kept = {name: columns for name, columns in upgrade.columns.items() if name.startswith(KEPT)}
    assert len(kept) >= 14
    for name in [name for name in kept if name.startswith("marts.") and name.endswith("_mart")]:  # masked by now
        [after[name]] = read(upgrade.project, {name.replace("marts.", "marts_personal."): kept[name]}).values()
    others = "marts.view_of_others"  # reads a mart that is masked by now
    assert len(after[others]) == len(upgrade.before[others]) > 0
    assert {name: after[name] for name in kept if name != others} == {
        name: upgrade.before[name] for name in kept if name != others
    }
    assert {row[0] for row in after["raw_data.users"]} == {"2026-11-20", "2026-11-22"}


def test_upgrade__keeps_the_ledger_and_the_record_of_runs(upgrade):
    after = read(upgrade.project, upgrade.columns)
    assert after["etl.ledger"] == upgrade.before["etl.ledger"]
    for name in ("etl.runs", "etl.stages", "etl.remarks"):
        assert upgrade.before[name]
        assert set(map(repr, upgrade.before[name])) < set(map(repr, after[name]))


def test_upgrade__keeps_markers_of_batches_that_are_landed_no_more(upgrade):
    found = upgrade.project.rows(
        "select update_id, built_from from etl.table_updates where target_table = 'raw_data.users' order by batch"
    )
    assert [update_id for update_id, _ in found] == ["raw_data.users/2026-11-20", "raw_data.users/2026-11-22"]
    old = {"code": "420be9128c1eca502f707553607b598e", "inputs": "00fd025c34e3615c606a417ab8a615d9"}
    assert found[0][1] == old
    assert found[1][1].keys() == old.keys()


def test_upgrade__keeps_what_others_made(upgrade):
    readable = "select has_table_privilege('analyst', name, 'select') from unnest(%s) as name"
    assert upgrade.project.rows(readable, list(GRANTED)) == [(True,)] * len(GRANTED)
    assert upgrade.project.rows("select note from raw_data.notes_of_others") == [("kept",)]
    assert upgrade.project.rows("select count(*) from etl.view_of_others") == upgrade.project.rows(
        "select count(*) from etl.table_updates"
    )


def test_upgrade__leaves_no_relation_of_an_intermediate_model_without_its_prefix(upgrade):
    found = upgrade.project.rows(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema in ('intermediate', 'published') and table_name not like '%_mart' "
        "and table_name not like 'open_%'"
    )
    names = {"int_open_groups", "int_post_engagement", "int_post_ranks", "int_user_engagement", "int_user_ranks"}
    expected = {("intermediate", "int_post_commenters")}
    expected |= {("published", "pseudonyms")}
    assert set(found) == expected | {(schema, name) for schema in ("intermediate", "published") for name in names}


def test_upgrade__is_done_once(upgrade):
    ran = upgrade.project.run()
    assert "the marts are up to date" in ran.output
    assert "started" not in ran.output.replace("started PostgreSQL", "")
    assert upgrade.project.rows("select version, name from etl.schema_versions order by version") == [
        (migration.version, migration.name) for migration in list_migrations()
    ]
