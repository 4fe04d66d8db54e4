"""What a session means, whatever roles, databases and variables say."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from external import ExternalServer, external_server

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import session

TURNED_AROUND = {
    "client_encoding": "LATIN1",
    "search_path": "evil, public",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "row_security": "on",
    "exit_on_error": "on",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "300ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "100ms",
    "idle_session_timeout": "200ms",
    "transaction_timeout": "400ms",
}
NAMES = ["a\\b", "it's", 'q"q', "50%s", "new\nline", "E'x\\'", "{{ x }}", "naïve Ω 😀"]


@pytest.fixture(scope="module")
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows("create role owner login; create role worker; grant worker to owner")
        running.rows("create database turned owner owner")
        for encoding in ("LATIN1", "SQL_ASCII"):
            running.rows(f"create database {encoding} encoding '{encoding}' locale 'C' template template0")
        for name, value in TURNED_AROUND.items():
            of = "role owner" if len(name) % 2 else "database turned"
            value = value if name == "search_path" else f"'{value}'"
            running.rows(f"alter {of} set {name} = {value}")
        yield running


@pytest.fixture
def lead(server: ExternalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The variables lead to the server; with the patch more of them can be set."""
    warehouse.close()
    for name, value in server.lead_to("turned", "owner").items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    warehouse.close()


def rows(sql: str, *parameters: object) -> list[tuple[object, ...]]:
    with warehouse.reading() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1"},
        {"PGOPTIONS": "-c search_path=public -c client_encoding=LATIN1 -c standard_conforming_strings=off"},
    ],
    ids=["role and database", "variables", "options"],
)
def test_session__means_the_same_whatever_is_set(lead, variables):
    for name, value in variables.items():
        lead.setenv(name, value)
    found = {name: rows(f"show {name}")[0][0] for name in [*session.MEANING, "client_encoding"]}
    assert found == {**session.MEANING, "client_encoding": "UTF8"}
    assert [rows("select %s, length(%s)", name, name) for name in NAMES] == [[(name, len(name))] for name in NAMES]
    assert rows("select pg_sleep(0.5), current_setting('lock_timeout')")[0][1] == "1min"


def test_session__keeps_a_role_that_options_set(lead):
    lead.setenv("PGOPTIONS", "-c role=worker")
    assert rows("select current_user::text, session_user::text") == [("worker", "owner")]


def test_session__takes_all_of_a_service(server, lead, tmp_path):
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        lead.delenv(name)
    where = server.lead_to("turned", "owner")
    service = {"host": where["PGHOST"], "port": where["PGPORT"], "user": "owner", "dbname": "turned", "password": "x"}
    lines = ["[mart]", *(f"{key}={value}" for key, value in service.items()), "options=-c role=worker"]
    (tmp_path / "services").write_text("\n".join(lines))
    lead.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    lead.setenv("PGSERVICE", "mart")
    assert rows("select current_user::text, current_database()::text") == [("worker", "turned")]
    assert rows("select %s", NAMES[0]) == [(NAMES[0],)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_connect__refuses_a_database_of_another_encoding(lead, encoding):
    lead.setenv("PGDATABASE", encoding.lower())
    lead.setenv("PGUSER", "socialmart")
    with pytest.raises(PipelineError, match=f"{encoding.lower()} has the encoding {encoding}, UTF8 expected"):
        warehouse.connect()


def test_error__names_a_policy_that_hides_rows_and_quotes_no_row(server, lead):
    server.rows("create schema s authorization owner", "turned")
    server.rows(
        "create table s.t (n int check (n > 0)); alter table s.t owner to owner; alter table s.t enable row "
        "level security; alter table s.t force row level security",
        "turned",
    )
    with pytest.raises(PipelineError, match=r"^a row-level security policy would hide rows from the pipeline"):
        rows("select * from s.t")
    server.rows("alter table s.t disable row level security", "turned")
    with pytest.raises(PipelineError, match="violates check") as raised, warehouse.transaction() as cursor:
        cursor.execute("insert into s.t values (-4711)")
    assert "4711" not in str(raised.value)


def test_make_variables__keeps_what_was_set_and_wins(server, lead):
    named = session.make_variables({"PGOPTIONS": "-c role=worker -c search_path=public"}, search_path="luigi_history")
    for name, value in named.items():
        lead.setenv(name, value)
    with closing(psycopg2.connect("")) as plain, plain.cursor() as cursor:
        cursor.execute("select current_user::text")
        assert cursor.fetchone() == ("worker",)
        for name, value in {**session.MEANING, "search_path": "luigi_history", "client_encoding": "UTF8"}.items():
            cursor.execute(f"show {name}")
            assert cursor.fetchone() == (value,)


def test_session__opens_where_the_roles_statement_timeout_is_too_short_to_replace_it(server, lead):
    server.rows("create role hasty login")
    server.rows("alter role hasty set statement_timeout = '100ms'")
    for name, value in server.lead_to("postgres", "hasty").items():
        lead.setenv(name, value)
    wanted = session._list_settings
    slow = {"timezone": "UTC'; select pg_sleep(0.3); set timezone = 'UTC"}
    lead.setattr(session, "_list_settings", lambda connection: slow | wanted(connection) | slow)
    assert rows("show statement_timeout") == [("6h",)]
