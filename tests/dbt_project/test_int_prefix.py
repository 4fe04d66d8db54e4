"""A warehouse whose intermediate models have no prefix yet gets the present names and keeps what others made on it."""

from pathlib import Path

import pytest
from dbt_commands import Dbt

from luigi_tasks import warehouse
from luigi_tasks.dbt import publication

MIGRATION = next((Path(warehouse.__file__).parent / "schema_versions").glob("*_int_prefix_of_intermediate_models.sql"))
TABLES_OF_BOTH = {"int_post_engagement", "int_post_ranks", "int_user_engagement", "int_user_ranks"}
INTERMEDIATE = TABLES_OF_BOTH | {"int_post_commenters"}
OF_OTHERS = """
create schema analyst;
create view analyst.top as select username from marts.user_engagement_mart where engagement_rank <= 10;
create view analyst.totals as select sum(total_engagement) as total from intermediate.user_engagement;
create table published.notes as select 1 as note;
grant select on marts.content_performance_mart to pg_monitor;
"""


def execute(sql: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)


def list_relations(schema: str) -> set[str]:
    with warehouse.reading() as cursor:
        cursor.execute("select table_name from information_schema.tables where table_schema = %s", (schema,))
        return {name for (name,) in cursor.fetchall()}


def build_and_publish(dbt: Dbt) -> None:
    dbt("--full-refresh")
    with warehouse.transaction() as cursor:
        publication.publish_whole(cursor, dbt.relations(), lambda *progress: None)


def undo_the_prefix() -> None:
    """Leave the warehouse as the version before did: old names, and no comments in published."""
    for schema, names in (("intermediate", INTERMEDIATE), ("published", TABLES_OF_BOTH)):
        for name in names:
            execute(f"alter table {schema}.{name} rename to {name.removeprefix('int_')}")
    for name in list_relations("published"):
        execute(
            f"do $$ begin comment on table published.{name} is null; "
            f"exception when wrong_object_type then comment on view published.{name} is null; end $$"
        )


@pytest.fixture
def old_warehouse(dbt: Dbt) -> None:
    execute("drop schema if exists analyst, published, intermediate, marts cascade")
    build_and_publish(dbt)
    undo_the_prefix()
    execute(OF_OTHERS)


@pytest.mark.usefixtures("old_warehouse")
def test_migration__renames_the_models_and_keeps_the_views_of_others() -> None:
    execute(MIGRATION.read_text())
    assert list_relations("intermediate") == INTERMEDIATE
    assert list_relations("analyst") == {"top", "totals"}


@pytest.mark.usefixtures("old_warehouse")
def test_migration__leaves_an_old_name_alone_if_the_new_one_is_taken() -> None:
    execute("create view intermediate.int_user_ranks as table intermediate.user_ranks")
    execute(MIGRATION.read_text())
    assert list_relations("intermediate") == INTERMEDIATE | {"user_ranks"}


@pytest.mark.usefixtures("old_warehouse")
def test_upgrade__leaves_nothing_over_and_keeps_what_others_made_on_the_marts(dbt: Dbt) -> None:
    published = {relation.name for relation in dbt.relations()}
    execute(MIGRATION.read_text())
    build_and_publish(dbt)
    assert list_relations("intermediate") == INTERMEDIATE
    assert list_relations("published") == published | {"notes"}
    assert "top" in list_relations("analyst")
    with warehouse.reading() as cursor:
        cursor.execute("select has_table_privilege('pg_monitor', 'marts.content_performance_mart', 'select')")
        assert cursor.fetchone() == (True,)
