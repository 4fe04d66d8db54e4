"""What the yml says of relations and columns is in the database, for readers, and is not taken for damage."""

from dbt_commands import Dbt

from luigi_tasks import warehouse
from luigi_tasks.dbt.publication import publish_whole
from luigi_tasks.privacy.masks import read_masks
from luigi_tasks.warehouse import relation_states
from luigi_tasks.warehouse.schema_names import (
    CANDIDATES,
    CORE,
    INTERMEDIATE,
    MARTS,
    MARTS_PERSONAL,
    OPEN,
    PUBLISHED,
    STAGING,
)

SCHEMAS = [STAGING, CORE, INTERMEDIATE, CANDIDATES, PUBLISHED, MARTS, MARTS_PERSONAL, OPEN]
COLUMNS = """
select nspname, relname, attname, col_description(attrelid, attnum)
from pg_attribute
inner join pg_class on attrelid = pg_class.oid inner join pg_namespace on relnamespace = pg_namespace.oid
where relname <> 'pseudonyms' and nspname = any(%s) and relkind in ('r', 'v') and attnum > 0 and not attisdropped
"""
RELATIONS = """
select nspname, relname, obj_description(pg_class.oid, 'pg_class')
from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
where relname <> 'pseudonyms' and nspname = any(%s) and relkind in ('r', 'v')
"""


def read(sql: str) -> list[tuple]:
    with warehouse.reading() as cursor:
        cursor.execute(sql, (SCHEMAS,))
        return cursor.fetchall()


def test_comments__are_on_every_relation_and_column(dbt: Dbt, models: dict) -> None:
    dbt("--full-refresh")
    with warehouse.transaction() as cursor:
        publish_whole(cursor, dbt.relations(), lambda *progress: None, read_masks())
    columns = {(name, column): text for _, name, column, text in read(COLUMNS)}
    assert columns == {
        (name, column): described["description"]
        for name, model in models.items()
        for column, described in model["columns"].items()
    }
    assert {schema for schema, *_ in read(COLUMNS)} == set(SCHEMAS)
    assert [place for *place, text in read(COLUMNS) if not text] == []
    for schema, name, text in read(RELATIONS):
        stage = "Publish" if schema in (PUBLISHED, MARTS, MARTS_PERSONAL, OPEN) else "DbtRun"
        assert text.startswith(f"{models[name]['description']} Written by the stage {stage}."), (schema, name)


def test_comments__that_others_change_are_no_damage(dbt: Dbt) -> None:
    with warehouse.transaction() as cursor:
        assert relation_states.find_changes(cursor) == []
        cursor.execute(
            "comment on column marts.tag_analysis_mart.tag is 'mine'; comment on column core.dim_users.age is null; "
            "comment on column published.tag_analysis_mart.tag is null; comment on view staging.stg_users is null"
        )
        assert relation_states.find_changes(cursor) == []
