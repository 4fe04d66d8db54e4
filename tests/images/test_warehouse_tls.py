"""TLS between the containers: the server as its container starts it, and each client with the variables of Compose."""

import configparser
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy
from compose import EXAMPLE, REPOSITORY, Service, services, variables
from dbt.adapters.contracts.connection import Connection
from dbt.adapters.exceptions import FailedToConnectError
from test_compose import OWN
from tls_server import PASSWORDS, TlsServer, tls_server

from luigi_tasks import paths, warehouse
from luigi_tasks.cli import luigid
from luigi_tasks.cli.doctor import warehouse as doctor
from luigi_tasks.cli.doctor.check import OK, WARN
from luigi_tasks.dbt.sessions import SessionManager
from luigi_tasks.errors import PipelineError, TransientError
from luigi_tasks.privacy import grants, map_file
from luigi_tasks.processes import environment
from luigi_tasks.runs.scheduler import is_listening
from luigi_tasks.warehouse import layers, server_errors

CLIENTS = {"pipeline": "POSTGRES_PASSWORD", "luigid": "POSTGRES_PASSWORD", "notebook": "READER_PASSWORD"}
"""The services that open sessions on the warehouse, and the password that each has."""
SESSION = "select current_user::text, ssl, version from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def stack() -> dict[str, Service]:
    return services(variables(EXAMPLE.read_text()) | OWN | PASSWORDS)


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    with tls_server() as running:
        yield running


@pytest.fixture(scope="module")
def others(server: TlsServer) -> Path:
    """A folder with certificates that another CA has signed, and `expired` ones."""
    folder = server.folder / "data" / "others"
    server.run("mkdir", folder, folder / "published")
    server.certify("postgres", folder / "tls", folder / "published")
    server.certify_expired(folder / "expired")
    return folder


Enter = Callable[..., None]


@pytest.fixture
def enter(server: TlsServer, stack: dict[str, Service], monkeypatch: pytest.MonkeyPatch) -> Iterator[Enter]:
    """Has this process the variables and the roles of a service; `changed` differ."""
    warehouse.close()
    monkeypatch.setattr(layers, "name_role", lambda name: f"socialmart_{name}")

    def take(service: str, **changed: str) -> None:
        for name in [name for name in os.environ if name.startswith("PG")]:
            monkeypatch.delenv(name)
        here = {"PGHOSTADDR": "127.0.0.1", "PGPORT": server.port, "PGSSLROOTCERT": f"{server.published}/ca.pem"}
        said = {name: value for name, value in stack[service].environment.items() if name.startswith("PG")}
        for name, value in (said | here | changed).items():
            monkeypatch.setenv(name, value)

    yield take
    warehouse.close()


def by_psycopg2() -> list[tuple[Any, ...]]:
    """As the pipeline opens its sessions."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"set role none; {SESSION}")  # sessions of a login are shown to itself
        return list(cursor.fetchall())


def by_dbt() -> list[tuple[Any, ...]]:
    """As dbt's threads open theirs."""
    opened = SessionManager.open(Connection(type="postgres", name="test", credentials=None)).handle
    with closing(opened), opened.cursor() as cursor:
        cursor.execute(f"set role none; {SESSION}")  # sessions of a login are shown to itself
        return list(cursor.fetchall())


def by_luigid() -> list[tuple[Any, ...]]:
    """As luigid's task history opens its own."""
    settings = configparser.ConfigParser()
    settings.read(paths.LUIGID_SETTINGS)
    engine = sqlalchemy.create_engine(settings["task_history"]["db_connection"])
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(SESSION))]
    finally:
        engine.dispose()


def by_notebook() -> list[tuple[Any, ...]]:
    """As the first notebook does, with a pandas that has another question."""
    pages = json.loads((REPOSITORY / "containers/notebook/start.ipynb").read_text())
    (cell,) = [each["source"] for each in pages["cells"] if each["id"] == "read-mart"]
    pandas, found = ModuleType("pandas"), {}

    def read_sql(query: str, engine: sqlalchemy.Engine) -> None:
        assert query.startswith("select")
        with engine.connect() as connection:
            found["rows"] = [tuple(row) for row in connection.execute(sqlalchemy.text(SESSION))]

    pandas.read_sql = read_sql  # type: ignore[attr-defined]
    before = sys.modules.get("pandas")
    sys.modules["pandas"] = pandas
    try:
        exec("".join(cell), {})
    finally:
        del sys.modules["pandas"]
        if before:
            sys.modules["pandas"] = before
    return found["rows"]


WAYS = {
    "psycopg2": ("pipeline", by_psycopg2, PipelineError),
    "dbt": ("pipeline", by_dbt, FailedToConnectError),
    "luigid": ("luigid", by_luigid, sqlalchemy.exc.OperationalError),
    "notebook": ("notebook", by_notebook, sqlalchemy.exc.OperationalError),
}
"""Clients: the service whose variables they have, how they open a session, and the error where they are refused."""


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be, on the server while `server` lasts or with the client's `variables`; what
    libpq then says, and the start of what the pipeline does."""

    said: str
    means: str
    variables: Callable[[TlsServer, Path], dict[str, str]] = lambda server, others: {}
    server: Callable[[TlsServer, Path], AbstractContextManager[None]] = lambda server, others: nullcontext()


FAULTS = {
    "wrong CA": Fault(
        "certificate verify failed",
        "the server's certificate is not to be trusted",
        variables=lambda server, others: {"PGSSLROOTCERT": f"{others}/published/ca.pem"},
    ),
    "wrong host": Fault(
        'server certificate for "postgres" does not match host name "localhost"',
        "the server's certificate is for another host",
        variables=lambda server, others: {"PGHOST": "localhost"},
    ),
    "expired": Fault(
        "certificate verify failed",
        "the server's certificate is not to be trusted",
        variables=lambda server, others: {"PGSSLROOTCERT": f"{others}/expired/ca.crt"},
        server=lambda server, others: server.changed("/data/tls/", "/data/others/expired/"),
    ),
    "server without TLS": Fault(
        "server does not support SSL",
        "the server offers no TLS",
        server=lambda server, others: server.changed("ssl = on ", "ssl = off "),
    ),
    "client without TLS": Fault(
        "no pg_hba.conf entry for host",
        "the server's pg_hba.conf does not let this login in without TLS",
        variables=lambda server, others: {"PGSSLMODE": "disable"},
    ),
    "no channel binding": Fault(
        "channel binding required",
        "the server does not prove by the login that it is the one with the certificate",
        server=lambda server, others: server.changed("scram-sha-256", "password", "pg_hba.conf"),
    ),
    "no CA": Fault(
        'root certificate file "/nowhere" does not exist',
        "a file that TLS needs cannot be used",
        variables=lambda server, others: {"PGSSLROOTCERT": "/nowhere"},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_client__gets_a_session_on_the_server_with_the_certificate(server, enter, way):
    service, open_session, _ = WAYS[way]
    enter(service)
    assert open_session() == [("reader" if way == "notebook" else "socialmart", True, "TLSv1.3")]


@pytest.mark.parametrize("fault", FAULTS)
def test_client__is_refused(server, others, enter, fault):
    """Whichever it is. The pipeline says what it means, and does not try again."""
    case = FAULTS[fault]
    with case.server(server, others):
        for service, open_session, error in WAYS.values():
            enter(service, **case.variables(server, others))
            with pytest.raises(error) as raised:
                open_session()
            assert case.said in str(raised.value), raised.value
            if error is PipelineError:
                assert str(raised.value).startswith(f"warehouse: cannot connect: {case.means}")
                assert not isinstance(raised.value, TransientError)
            for password in PASSWORDS.values():
                assert password not in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "means"),
    [
        ({"PGSSLMODE": "always"}, "a setting of TLS has a value that it cannot have"),
        ({"PGCHANNELBINDING": "always"}, "a setting of TLS has a value that it cannot have"),
        ({"PGSSLROOTCERT": "system", "PGSSLMODE": "require"}, "a setting of TLS has a value that it cannot have"),
        (
            {"PGSSLMAXPROTOCOLVERSION": "TLSv1.2", "PGSSLMINPROTOCOLVERSION": ""},
            "this machine and the server do not agree",
        ),
        ({"PGSSLCERT": "{tls}/server.crt", "PGSSLKEY": "{open}"}, "a file that TLS needs cannot be used"),
        ({"PGPASSWORD": "wrong"}, "the login was refused"),
        ({"PGSSLMODE": "prefer", "PGPASSWORD": "wrong"}, "the login was refused"),
        ({"PGSSLMODE": "prefer", "PGUSER": "stranger"}, "the login was refused"),
    ],
)
def test_connect__says_what_is_wrong(server, enter, changed, means):
    files = {"tls": server.folder / "data" / "tls", "open": server.folder / "open.key"}
    files["open"].write_text((files["tls"] / "server.key").read_text())
    files["open"].chmod(0o644)
    enter("pipeline", **{name: value.format(**files) for name, value in changed.items()})
    with pytest.raises(PipelineError) as raised:
        warehouse.connect()
    assert str(raised.value).startswith(f"warehouse: cannot connect: {means}")
    assert not isinstance(raised.value, TransientError)


def test_connect__says_that_a_key_has_no_channel_binding(server, enter):
    script = server.folder / "bin" / "certify"
    before = script.read_text()
    folder = server.folder / "data" / "ed25519"
    server.run("mkdir", folder)
    script.write_text(before.replace("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-newkey ed25519"))
    server.certify("postgres", folder / "tls", folder)
    script.write_text(before)
    enter("pipeline", PGSSLROOTCERT=f"{folder}/ca.pem")
    with server.changed("/data/tls/", "/data/ed25519/tls/"), pytest.raises(PipelineError) as raised:
        warehouse.connect()
    assert str(raised.value).startswith("warehouse: cannot connect: the server's certificate has a key")


@pytest.mark.parametrize(
    "text",
    [
        "SSL connection has been closed unexpectedly",
        "SSL error: unexpected eof while reading",
        "SSL SYSCALL error: EOF detected",
        "connection to server failed: could not receive data from server: Connection reset by peer",
    ],
)
def test_classify_text__takes_a_broken_line_for_one_that_passes(text):
    kind = server_errors.classify_text(text)
    assert kind and kind.is_transient


def test_dbt__works_over_tls_and_says_why_it_does_not(server, enter, others, tmp_path):
    def debug() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "luigi_tasks.dbt.sessions", "debug", "--connection", "--no-use-colors"]
        places = ["--project-dir", paths.PROJECT / "dbt_project", "--profiles-dir", paths.PROJECT / "dbt_project"]
        argv = [*command, *places, "--log-path", tmp_path]
        return subprocess.run(argv, cwd=paths.PROJECT, capture_output=True, text=True, check=False)

    enter("pipeline")
    ended = debug()
    assert ended.returncode == 0 and "OK connection ok" in ended.stdout, ended.stdout
    enter("pipeline", PGSSLROOTCERT=f"{others}/published/ca.pem")
    ended = debug()
    assert ended.returncode != 0 and "certificate verify failed" in ended.stdout, ended.stdout


def test_luigid__keeps_its_history_over_tls(server, enter, tmp_path):
    enter("luigid")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with luigid.run_luigid("127.0.0.1", port, tmp_path / "luigid.log"):
        assert is_listening("127.0.0.1", port)
        found = server.query(
            "select distinct ssl, version from pg_stat_ssl join pg_stat_activity using (pid) "
            "where application_name = 'luigid'"
        )
    assert found == [(True, "TLSv1.3")]
    assert server.query("select count(*) from luigi_history.tasks") == [(0,)]


def test_children__get_what_leads_to_the_server_only_where_they_open_sessions(enter, stack):
    """luigid, psql and their like have all that Compose sets; Spark has nothing of it."""
    enter("pipeline", PGSSLKEY="/key", PGSSLCRL="/list", PGSSLNEGOTIATION="postgres")
    named = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    assert named.items() <= warehouse.get_libpq_variables().items()
    for names in (environment.SPARK_LOCAL, (*environment.SPARK_CLUSTER, *environment.STORE)):
        assert [name for name in environment.make_environment(names) if name.startswith("PG")] == []


def test_compose__has_every_client_check_the_server(stack):
    """And the server let nobody in who does not."""
    named = {name for name, service in stack.items() if "PGHOST" in service.environment}
    assert named == set(CLIENTS)
    for name in named:
        said = stack[name].environment
        assert {key: value for key, value in said.items() if key.startswith(("PGSSL", "PGCHANNEL"))} == {
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": "/certificates/ca.pem",
            "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
            "PGCHANNELBINDING": "require",
        }
        assert [mount.read_only for mount in stack[name].mounts if mount.target == "/certificates"] == [True]
    assert {name for name, service in stack.items() if "/certificates" in {each.target for each in service.mounts}} == {
        *named,
        "postgres",
    }
    logins = (REPOSITORY / "containers/postgres/pg_hba.conf").read_text().splitlines()
    entries = [line.split() for line in logins if line and not line.startswith("#")]
    assert [(entry[0], entry[-1]) for entry in entries] == [("local", "peer"), ("hostssl", "scram-sha-256")]


def test_certificate__is_the_servers_alone_and_of_the_right_kind(server, enter):
    tls = server.folder / "data" / "tls"
    assert {path.name: path.stat().st_mode & 0o777 for path in tls.iterdir()} == dict.fromkeys(
        ("ca.crt", "server.crt", "server.key"), 0o600
    )
    assert [path.name for path in server.published.iterdir()] == ["ca.pem"]
    assert (server.published / "ca.pem").stat().st_mode & 0o777 == 0o644
    found = [path for path in server.folder.rglob("*") if path.is_file() and "ca.key" in path.name]
    assert found == []
    for name in ("ca.crt", "server.crt"):
        text = subprocess.run(
            ["openssl", "x509", "-in", tls / name, "-noout", "-text"], capture_output=True, text=True, check=True
        ).stdout
        assert "ASN1 OID: prime256v1" in text and "ecdsa-with-SHA256" in text


def test_certificate__stays_until_its_last_year_and_its_ca_is_published_at_every_start(server):
    tls = server.folder / "data" / "tls"
    folder = server.folder / "data" / "again"
    server.run("mkdir", folder, folder / "published")
    server.run("cp", "-a", tls, folder / "tls")
    before = (tls / "server.crt").read_text()
    server.certify("postgres", folder / "tls", folder / "published")
    assert (folder / "tls" / "server.crt").read_text() == before
    assert (folder / "published" / "ca.pem").read_text() == (tls / "ca.crt").read_text()
    server.run("rm", "-r", folder / "tls")
    server.certify("postgres", folder / "tls", folder / "published", days="364", least="0")
    before = (folder / "tls" / "server.crt").read_text()
    server.certify("postgres", folder / "tls", folder / "published")
    renewed = (folder / "tls" / "server.crt").read_text()
    assert renewed != before
    assert (folder / "published" / "ca.pem").read_text() == (folder / "tls" / "ca.crt").read_text()
    server.certify("warehouse.example", folder / "tls", folder / "published")
    assert (folder / "tls" / "server.crt").read_text() != renewed


def test_reads__are_logged_of_all_that_the_pipeline_makes(server, enter):
    """Tables and views that come later, too. pgaudit itself is another package, which the image has."""
    enter("pipeline")
    with warehouse.transaction() as cursor:
        for schema, layer in layers.OWNERS.items():
            with layers.acting_as(cursor, layer):
                cursor.execute(
                    f"create table {schema}.later (); create view {schema}.later_view as select from {schema}.later"
                )
            for name in (f"{schema}.later", f"{schema}.later_view"):
                cursor.execute("select has_table_privilege('audited_reads', %s, 'select')", (name,))
                assert cursor.fetchall() == [(True,)]
        cursor.execute("select count(*) from pg_auth_members where roleid = 'audited_reads'::regrole")
        assert cursor.fetchall() == [(0,)]
        cursor.connection.rollback()
        assert grants.find_differences(cursor, map_file.read_map(), "socialmart") == grants.Differences()
    settings = [f"pgaudit.{name}" for name in ("role", "log_statement", "log_parameter")]
    assert [server.query(f"show {name}") for name in settings] == [[("audited_reads",)], [("off",)], [("off",)]]


def test_log__says_who_came_by_tls_and_holds_no_value_of_a_row(server, enter):
    enter("notebook")
    with pytest.raises(sqlalchemy.exc.ProgrammingError), sqlalchemy.create_engine("postgresql://").connect() as opened:
        opened.execute(sqlalchemy.text("select 'ann@example.org', no_such_column"))
    log = server.log
    assert "user=reader database=warehouse SSL enabled (protocol=TLSv1.3" in log
    assert 'column "no_such_column" does not exist' in log
    assert "ann@example.org" not in log


@pytest.fixture
def distant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_on_network", lambda connection: True)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "prefer"])
def test_doctor__fails_where_another_machine_is_not_checked(server, enter, distant, mode):
    enter("pipeline", PGSSLMODE=mode)
    with pytest.raises(PipelineError, match=f"^postgres is another machine, and sslmode is {mode}: .*verify-full"):
        doctor.check_tls()


def test_doctor__takes_what_a_service_says(server, enter, distant, tmp_path):
    lines = ["[mart]", "host=postgres", "sslmode=require"]
    (tmp_path / "services").write_text("\n".join(lines))
    enter("pipeline", PGSERVICEFILE=str(tmp_path / "services"), PGSERVICE="mart", PGSSLROOTCERT="")
    with pytest.raises(PipelineError, match="sslmode is require"):
        doctor.check_tls()


def test_doctor__warns_where_the_login_is_not_bound_to_the_line(server, enter, distant):
    enter("pipeline")
    found = doctor.check_tls()
    assert (found.level, found.text) == (OK, "postgres is another machine: TLSv1.3, with its certificate checked")
    warehouse.close()
    enter("pipeline", PGCHANNELBINDING="prefer")
    found = doctor.check_tls()
    assert found.level == WARN
    assert found.text.startswith(
        "postgres is another machine: TLSv1.3, with its certificate checked; a server that asks"
    )


def test_doctor__asks_nothing_of_a_server_on_this_machine(server, enter):
    enter("pipeline", PGSSLMODE="prefer")
    assert doctor.check_tls().text == "the server is on this machine"


class Line:
    """A socket that leads from one address to another."""

    family = "inet"

    def __init__(self, ours: str, theirs: str) -> None:
        self._ends = ours, theirs

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return self._ends[0], 1

    def getpeername(self) -> tuple[str, int]:
        return self._ends[1], 5432


@pytest.mark.parametrize(
    ("ours", "theirs", "leaves"),
    [
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.1.1", False),
        ("::1", "::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_is_on_network__is_what_leaves_this_machine(server, enter, monkeypatch, ours, theirs, leaves):
    enter("pipeline")
    connection = warehouse.get_reader()
    monkeypatch.setattr(doctor.socket, "socket", lambda fileno: os.close(fileno) or Line(ours, theirs))
    assert doctor._is_on_network(connection) is leaves
