"""What the pipeline's role lacks, in a real PostgreSQL: named, with SQL that really gives it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from external import ExternalServer, external_server

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import migrations, rights
from luigi_tasks.warehouse.schema_names import SCHEMAS

MADE = "; ".join(f"create schema {name} authorization administrator" for name in SCHEMAS)
GRANTED = f"grant usage, create on schema {', '.join(SCHEMAS)} to pipeline"


@dataclass
class Warehouse:
    """A database of others, as the role in PGUSER sees it."""

    server: ExternalServer
    patch: pytest.MonkeyPatch

    def rows(self, sql: str, user: str = "socialmart") -> list[tuple[object, ...]]:
        return self.server.rows(sql, "shared", user)

    def log_in(self, user: str) -> None:
        warehouse.close()
        for name, value in self.server.lead_to("shared", user).items():
            self.patch.setenv(name, value)

    def missing(self, user: str = "pipeline") -> str:
        """What a role lacks."""
        self.log_in(user)
        with warehouse.reading() as cursor:
            return rights.describe_missing(cursor)


@pytest.fixture(scope="module")
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows(
            "create role administrator; create role pipeline login; create role heir login noinherit; "
            'create role "Other One" login; create role blocked login'
        )
        yield running


@pytest.fixture
def shared(server: ExternalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """All schemas, made by an administrator, and what the migrations create in them as the role `pipeline`."""
    server.rows("create database shared owner administrator")
    server.rows("revoke all on database shared from public; grant connect on database shared to pipeline, heir")
    server.rows('grant connect on database shared to "Other One"')
    made = Warehouse(server, monkeypatch)
    made.rows(f"{MADE}; {GRANTED}")
    made.log_in("pipeline")
    migrations.apply()
    yield made
    warehouse.close()
    server.rows("drop database shared")


def test_rights__are_enough_without_create_and_temporary_on_the_database(shared: Warehouse):
    ((may_create, may_temp),) = shared.rows(
        "select has_database_privilege('pipeline', 'shared', 'create'), "
        "has_database_privilege('pipeline', 'shared', 'temp')"
    )
    assert (may_create, may_temp) == (False, False)
    assert shared.missing() == ""


@pytest.mark.parametrize(
    ("taken", "said", "given"),
    [
        (
            "drop schema core; drop schema marts",
            "may not create the schemas core, marts: {} to pipeline, or create schema core authorization pipeline; "
            "create schema marts authorization pipeline",
            "grant create on database shared",
        ),
        (
            "revoke create on schema core, marts from pipeline",
            "may not create tables in core, marts: {}",
            "grant usage, create on schema core, marts to pipeline",
        ),
        (
            "revoke usage on schema etl from pipeline",
            "may not create tables in etl: {}",
            "grant usage, create on schema etl to pipeline",
        ),
        (
            "revoke delete on raw_data.users, etl.runs from pipeline",
            "may not use etl.runs, raw_data.users: {}",
            "grant all on table etl.runs, raw_data.users to pipeline",
        ),
        (
            "revoke execute on function etl.count_changes(text) from pipeline, public",
            "may not use etl.count_changes(text): {}",
            "grant all on function etl.count_changes(text) to pipeline",
        ),
        (
            "alter table etl.runs owner to socialmart; alter table raw_data.users owner to socialmart",
            "lacks the rights of socialmart, who owns etl.runs, raw_data.users: {}",
            "alter table etl.runs owner to pipeline; alter table raw_data.users owner to pipeline",
        ),
        (
            'alter table etl.runs owner to "Other One"',
            'lacks the rights of "Other One", who owns etl.runs: {}',
            'grant "Other One" to pipeline with inherit true',
        ),
        (
            "alter default privileges for role pipeline revoke insert on tables from pipeline",
            "has no right to what it creates: {}",
            "alter default privileges for role pipeline grant all on tables to pipeline",
        ),
        (
            "revoke usage on language plpgsql from public",
            "may not use the language plpgsql: {}",
            "grant usage on language plpgsql to pipeline",
        ),
    ],
)
def test_missing__is_named_with_the_sql_that_gives_it(shared: Warehouse, taken: str, said: str, given: str):
    shared.rows(taken)
    assert shared.missing() == f"user pipeline {said.format(given)}"
    shared.rows(given if " to " in given else f"{given} to pipeline")
    assert shared.missing() == ""
    shared.rows(
        'revoke "Other One" from pipeline; revoke usage on language plpgsql from pipeline; '
        "grant usage on language plpgsql to public"
    )


def test_missing__of_a_member_that_does_not_inherit(shared: Warehouse):
    shared.rows(f"grant pipeline to heir with inherit false; {GRANTED.replace('pipeline', 'heir')}")
    assert shared.missing("heir").startswith(
        "user heir lacks the rights of pipeline, who owns etl.append_audit(text,text,text), etl.count_changes(text), "
        "etl.describe_relation(oid), etl.digest_query(oid), etl.remember_relations(text[]) and "
    )
    assert shared.missing("heir").endswith(" more: grant pipeline to heir with inherit true")
    shared.rows("grant pipeline to heir with inherit true")
    assert shared.missing("heir") == ""
    shared.rows(f"revoke pipeline from heir; revoke all on schema {', '.join(SCHEMAS)} from heir")


def test_missing__of_what_a_member_of_the_role_made(shared: Warehouse):
    shared.rows("grant pipeline to heir; alter table etl.runs owner to heir")
    assert shared.missing() == (
        "user pipeline lacks the rights of heir, who owns etl.runs: alter table etl.runs owner to pipeline"
    )
    shared.rows("alter table etl.runs owner to pipeline; revoke pipeline from heir")
    assert shared.missing() == ""


@pytest.mark.parametrize(
    ("inherits", "is_member", "given"),
    [
        (True, False, "grant pipeline to heir"),
        (False, True, "alter role heir inherit"),
        (False, False, "grant pipeline to heir; alter role heir inherit"),
    ],
)
def test_missing__of_a_member_before_postgresql_16(inherits: bool, is_member: bool, given: str):
    found = rights._Object("table", "etl.runs", "pipeline", False, is_member, inherits, False)
    assert rights._describe_objects([found], "heir", 15_00_18) == [
        f"lacks the rights of pipeline, who owns etl.runs: {given}"
    ]


def test_missing__of_a_tablespace(shared: Warehouse, server: ExternalServer):
    server.rows("alter role socialmart set allow_in_place_tablespaces = on")
    server.rows("create tablespace \"Fast\" location ''")
    server.rows("alter role pipeline set default_tablespace = 'Fast'")
    try:
        assert shared.missing() == (
            'user pipeline may not use default_tablespace: grant create on tablespace "Fast" to pipeline'
        )
        server.rows('grant create on tablespace "Fast" to pipeline')
        assert shared.missing() == ""
    finally:
        server.rows("alter role pipeline reset default_tablespace")
        server.rows('drop tablespace "Fast"')


def test_apply__changes_nothing_where_a_right_is_missing(shared: Warehouse):
    shared.rows("drop schema marts; delete from etl.schema_versions")
    shared.log_in("pipeline")
    with pytest.raises(
        PipelineError, match=r"user pipeline may not create the schemas marts: .*; nothing was changed; have the SQL"
    ):
        migrations.apply()
    assert shared.rows("select * from etl.schema_versions") == []


def test_error__of_a_missing_right_says_which_it_is(shared: Warehouse):
    shared.rows("revoke usage, create on schema core from pipeline")
    shared.log_in("pipeline")
    with (
        pytest.raises(
            PipelineError,
            match=r"^a privilege is missing \(permission denied for schema core.*\); grant it to PGUSER, then run "
            "again; user pipeline may not create tables in core: grant usage, create on schema core to pipeline$",
        ),
        warehouse.transaction() as cursor,
    ):
        cursor.execute("create table core.dim_users ()")


def test_error__of_a_missing_right_that_is_no_concern_of_the_pipeline_says_no_more(shared: Warehouse):
    shared.log_in("pipeline")
    with pytest.raises(PipelineError, match=r"then run again$"), warehouse.transaction() as cursor:
        cursor.execute("create schema another")


def test_create_schema__says_what_is_missing(shared: Warehouse):
    shared.log_in("pipeline")
    with (
        pytest.raises(
            PipelineError,
            match=r"^the schema luigi_history is missing, and user pipeline may not create it: grant create on "
            r"database shared to pipeline, or create schema luigi_history authorization pipeline; nothing was changed$",
        ),
        warehouse.transaction() as cursor,
    ):
        migrations.create_schema(cursor, "luigi_history")
    shared.rows("create schema luigi_history authorization pipeline")
    with warehouse.transaction() as cursor:
        migrations.create_schema(cursor, "luigi_history")


def test_connect__says_that_the_right_to_connect_is_missing(shared: Warehouse):
    shared.log_in("blocked")
    with pytest.raises(PipelineError, match=r"grant connect on database PGDATABASE to PGUSER; then run again$"):
        warehouse.connect()
