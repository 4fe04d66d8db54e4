"""A warehouse whose intermediate models have no prefix yet gets the present names and keeps what others made on it."""

import pytest
from dbt_commands import Dbt

from luigi_tasks import warehouse
from luigi_tasks.dbt import publication
from luigi_tasks.privacy.masks import read_masks
from luigi_tasks.warehouse import migrations

TABLES_OF_BOTH = {"int_post_engagement", "int_post_ranks", "int_user_engagement", "int_user_ranks"}
RENAMED = TABLES_OF_BOTH | {"int_post_commenters"}
INTERMEDIATE = RENAMED | {"int_open_groups"}
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
        publication.publish_whole(cursor, dbt.relations(), lambda *progress: None, read_masks())


def undo_the_prefix() -> None:
    """Leave the warehouse as the version before did: old names, and no comments."""
    for schema, names in (("intermediate", RENAMED), ("published", TABLES_OF_BOTH)):
        for name in names:
            execute(f"alter table {schema}.{name} rename to {name.removeprefix('int_')}")
    execute(
        "delete from pg_description where classoid = 'pg_class'::regclass and objsubid = 0 "
        "and description like 'Written by the stage%' and objoid in ("
        "select oid from pg_class where relnamespace not in ('raw_data'::regnamespace, 'etl'::regnamespace))"
    )


@pytest.fixture
def old_warehouse(dbt: Dbt) -> None:
    execute("drop schema if exists analyst, published, intermediate, marts cascade")
    build_and_publish(dbt)
    undo_the_prefix()
    execute(OF_OTHERS)
    execute("insert into etl.table_updates values ('marts/', 'marts', '', default, '{}') on conflict do nothing")
    execute("delete from etl.schema_versions where version >= 3")


@pytest.mark.usefixtures("old_warehouse")
def test_migration__renames_the_models_and_keeps_the_views_of_others() -> None:
    migrations.apply()
    assert list_relations("intermediate") == INTERMEDIATE
    assert list_relations("analyst") == {"top", "totals"}


@pytest.mark.usefixtures("old_warehouse")
def test_migration__leaves_an_old_name_alone_if_the_new_one_is_taken() -> None:
    execute("create view intermediate.int_user_ranks as table intermediate.user_ranks")
    migrations.apply()
    assert list_relations("intermediate") == INTERMEDIATE | {"user_ranks"}


@pytest.mark.usefixtures("old_warehouse")
def test_upgrade__leaves_nothing_over_and_keeps_what_others_made_on_the_marts(dbt: Dbt) -> None:
    published = {relation.name for relation in dbt.relations()}
    migrations.apply()
    build_and_publish(dbt)
    assert list_relations("intermediate") == INTERMEDIATE
    assert list_relations("published") == published | {"notes", "pseudonyms"}
    assert "top" in list_relations("analyst")
    with warehouse.reading() as cursor:
        cursor.execute("select has_table_privilege('pg_monitor', 'marts.content_performance_mart', 'select')")
        assert cursor.fetchone() == (True,)


@pytest.mark.usefixtures("old_warehouse")
def test_upgrade__takes_over_what_has_a_name_and_the_columns_of_ours(dbt: Dbt) -> None:
    execute("drop table core.dim_tags; create table core.dim_tags as select 'mine' as x")
    execute("comment on table core.dim_users is 'Users of the product.'")
    migrations.apply()
    with warehouse.reading() as cursor:
        cursor.execute("select obj_description('core.dim_users'::regclass), obj_description('core.dim_tags'::regclass)")
        assert cursor.fetchone() == ("Users of the product. Written by the stage DbtRun.", None)
    execute("drop table core.dim_tags")


def test_migration__leaves_relations_of_others_alone_in_a_new_warehouse(dbt: Dbt) -> None:
    execute("delete from etl.table_updates; delete from etl.schema_versions where version >= 3")
    execute(
        "drop schema if exists intermediate cascade; create schema intermediate; "
        "create table intermediate.user_ranks as select 'mine' as x"
    )
    migrations.apply()
    assert "user_ranks" in list_relations("intermediate")
    execute("drop table intermediate.user_ranks")
