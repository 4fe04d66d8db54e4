"""Every role at every relation of a warehouse that the pipeline built through its roles, each by a connection."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import product

import psycopg2
import pytest
from external import ExternalServer, external_server
from project import REPOSITORY, MakeProject, Project
from psycopg2.extensions import connection as Connection

from luigi_tasks.privacy import map_file
from luigi_tasks.privacy.roles import READER_ROLES
from luigi_tasks.warehouse import layers
from luigi_tasks.warehouse.schema_names import ETL, LUIGI_HISTORY

DATABASE = "matrix"
NAMES = (*layers.LAYERS, *READER_ROLES)
SCHEMAS = tuple(schema for schema in layers.OWNERS if schema != LUIGI_HISTORY)
READERS = {column.schema: column.handling.readers for column in map_file.read_map().columns}
STATEMENTS = {
    "select": "select 1 from {relation} limit 0",
    "insert": "insert into {relation} default values",
    "update": "update {relation} set {column} = null where false",
    "delete": "delete from {relation} where false",
    "truncate": "truncate {relation}",
    "create": "create table {schema}.made_by_somebody ()",
    "drop": "drop {kind} {relation}",
}
FORBIDDEN = psycopg2.errors.InsufficientPrivilege
NO_MATTER = (
    psycopg2.errors.IntegrityError,
    psycopg2.errors.DependentObjectsStillExist,
    psycopg2.errors.ActiveSqlTransaction,
)
"""Errors that come after the right was found: a row without what it needs, a table that others read, a transaction."""
NOT_POSSIBLE = (
    psycopg2.errors.ObjectNotInPrerequisiteState,
    psycopg2.errors.WrongObjectType,
    psycopg2.errors.FeatureNotSupported,
)
"""A view that takes no rows, and one that is to be truncated."""


@dataclass(frozen=True)
class Built:
    """A warehouse that the login `pipeline`, who may do nothing by itself, built through its roles."""

    server: ExternalServer
    project: Project

    def run(self) -> None:
        ended = self.project.run(**self.server.lead_to(DATABASE, "pipeline"))
        assert ended.code == 0, ended.output

    def rows(self, sql: str) -> list[tuple]:
        return self.server.rows(sql, DATABASE)

    def connect(self, user: str) -> Connection:
        """A connection of a user's own."""
        where = {"host": self.server.variables["PGHOST"], "port": self.server.variables["PGPORT"]}
        return psycopg2.connect(dbname=DATABASE, user=user, **where)

    def try_statement(self, user: str, sql: str) -> bool:
        """Whether a user may."""
        with closing(self.connect(user)) as connection:
            return may_execute(connection, sql)


@pytest.fixture(scope="module")
def built(make_project: MakeProject) -> Iterator[Built]:
    with external_server() as server:
        server.rows("create role pipeline login; create role nobody_else login")
        server.rows(f"create database {DATABASE}")
        project = make_project({"privacy": {"role_prefix": "sm"}})
        shutil.copytree(REPOSITORY / "data" / "sample", project.landing, dirs_exist_ok=True)
        administrator = server.lead_to(DATABASE, "socialmart")
        assert project.socialmart("roles", "apply", "--login", "pipeline", **administrator).code == 0
        made = Built(server, project)
        made.run()
        for name in NAMES:
            server.rows(f"create role as_{name} login; grant sm_{name} to as_{name} with set true, inherit true")
            server.rows(f"grant connect on database {DATABASE} to as_{name}")
        yield made


def may_execute(connection: Connection, sql: str) -> bool:
    """Whether the user of a connection may execute a statement; it is rolled back."""
    try:
        connection.cursor().execute(sql)
    except (FORBIDDEN, *NOT_POSSIBLE):
        return False
    except NO_MATTER:
        return True
    finally:
        connection.rollback()
    return True


def list_relations(built: Built) -> dict[str, list[tuple[str, str, str]]]:
    """Kind, name and a column of all relations, by schema."""
    found: dict[str, list[tuple[str, str, str]]] = {schema: [] for schema in SCHEMAS}
    for schema, *relation in built.rows(
        "select nspname, case relkind when 'v' then 'view' else 'table' end, nspname || '.' || relname, attname "
        "from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid "
        "inner join pg_attribute on attrelid = pg_class.oid and attnum = 2 "
        "where relkind in ('r', 'v') order by 1, 3"
    ):
        if schema in found:
            found[schema].append(tuple(relation))
    return found


def is_allowed(name: str, schema: str, relation: str, kind: str, statement: str) -> bool:
    """What the map and the layers say."""
    if layers.OWNERS[schema] == name:
        return statement in ("select", "create", "drop") or kind == "table"
    if statement == "select":
        return schema in layers.READS.get(name, ()) or name in READERS[schema]
    is_shared = schema == ETL and relation.partition(".")[2] in layers.SHARED
    return is_shared and name in layers.LAYERS and statement in ("insert", "update", "delete")


def compare_matrix(built: Built) -> tuple[int, list[str]]:
    """How many cells were tried, and those that are not as the map says."""
    wrong, tried = [], 0
    with ExitStack() as after:
        connections = {name: after.enter_context(closing(built.connect(f"as_{name}"))) for name in NAMES}
        for schema, relations in list_relations(built).items():
            assert relations, f"{schema} is empty"
            for (kind, relation, column), name, (statement, sql) in product(relations, NAMES, STATEMENTS.items()):
                expected = is_allowed(name, schema, relation, kind, statement)
                if kind == "view" and statement in ("insert", "update", "delete") and layers.OWNERS[schema] == name:
                    continue  # whether a view takes rows is up to its query
                tried += 1
                text = sql.format(relation=relation, schema=schema, kind=kind, column=column)
                if may_execute(connections[name], text) != expected:
                    wrong.append(f"{name} {'may not' if expected else 'may'} {statement} {relation}")
    return tried, wrong


@pytest.mark.parametrize("after", ["the first run", "a full refresh", "another publication"])
def test_matrix__every_role_may_what_the_map_says(built: Built, after: str):
    markers = {"a full refresh": "'candidates'", "another publication": "'marts'"}
    if after in markers:
        built.rows(f"delete from etl.table_updates where target_table in ({markers[after]})")
        built.run()
    tried, wrong = compare_matrix(built)
    assert wrong == []
    assert tried > 2_000, "a matrix that tries nothing shows nothing"


def test_matrix__a_grant_too_many_shows(built: Built):
    built.rows(
        "grant usage on schema raw_data to sm_analyst; grant select on raw_data.users to sm_analyst; "
        "grant insert on etl.runs to sm_transformer"
    )
    try:
        assert (
            compare_matrix(built)[1] == ["transformer may insert etl.runs", "analyst may select raw_data.users"][::-1]
        )
    finally:
        built.rows(
            "revoke all on schema raw_data from sm_analyst; revoke select on raw_data.users from sm_analyst; "
            "revoke insert on etl.runs from sm_transformer"
        )


def test_matrix__no_role_enters_another(built: Built):
    users = [f"as_{name}" for name in NAMES]
    wrong = [
        f"{user} may enter {role}"
        for user, role in product(users, [*(f"sm_{name}" for name in NAMES), "pipeline", "socialmart"])
        if built.try_statement(user, f"set role {role}") != (user.removeprefix("as_") == role.removeprefix("sm_"))
    ]
    assert wrong == []
    entered = {role for role in NAMES if built.try_statement("pipeline", f"set role sm_{role}")}
    assert entered == set(layers.LAYERS)


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to program 'cat'",
        "copy pg_temp.x from program 'echo'",
        "select pg_read_file('PG_VERSION')",
        "select pg_ls_dir('.')",
        "copy (select 1) to '/tmp/somewhere'",
        "create temporary table mine ()",
        "create schema mine",
        "create role another",
        "select * from pg_authid",
        "set session authorization socialmart",
    ],
)
def test_matrix__no_role_gets_out_of_the_database(built: Built, sql: str):
    users = ["pipeline", *(f"as_{name}" for name in NAMES)]
    assert [user for user in users if built.try_statement(user, sql)] == []


def test_matrix__the_login_has_no_rights_of_its_own(built: Built):
    assert not any(
        built.try_statement("pipeline", f"select 1 from {relation} limit 0")
        for relations in list_relations(built).values()
        for _, relation, _ in relations
    )


def test_matrix__others_may_not_even_connect(built: Built):
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        built.try_statement("nobody_else", "select 1")


def test_roles__that_are_applied_again_change_nothing_and_are_entered_in_the_audit_chain(built: Built):
    administrator = built.server.lead_to(DATABASE, "socialmart")
    assert built.project.socialmart("roles", "apply", "--login", "pipeline", **administrator).code == 0
    assert built.rows("select login, details ->> 'enters' from etl.audit where event = 'roles applied'") == [
        ("socialmart", "pipeline")
    ]
    assert compare_matrix(built)[1] == []
    assert built.project.socialmart("audit", "verify", **built.server.lead_to(DATABASE, "pipeline")).code == 0
