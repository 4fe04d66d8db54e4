"""What a failing server does to a run: what is tried again, and what is said. Real PostgreSQL, and really killed."""

import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks import config, paths, warehouse
from luigi_tasks.errors import PipelineError, TransientError
from luigi_tasks.processes import environment
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets.checkpoint import clean_checkpoint
from luigi_tasks.warehouse import copy_rows, lock_holders, migrations, retry
from luigi_tasks.warehouse.copy_rows import ROWS_A_BLOCK
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server
from spark_jobs.messages import TableFacts

ROWS = 10 * ROWS_A_BLOCK


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="socialmart-")).resolve()
    folder.chmod(0o755)
    held = lease_server(folder / "postgres")
    yield held
    held.release()
    shutil.rmtree(folder)


@pytest.fixture
def own(server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The server as the pipeline's own, with an empty layout and short limits; a folder for checkpoints."""
    for name in environment.NAMING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "embedded_postgres", lambda: server.folder)
    monkeypatch.setattr(paths, "checkpoint", lambda stage, batch: tmp_path / stage / batch)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(config.read_section(config.warehouse), "lock_timeout", 1)
    monkeypatch.setattr(config.read_section(config.warehouse), "retries", 3)
    warehouse.close()  # what is kept from another module leads to another server
    server.ensure_running()
    execute(server, "alter database warehouse reset all")
    execute(server, "grant connect on database warehouse to public")
    execute(server, "drop schema if exists raw_data, etl cascade; drop role if exists bob")
    migrations.apply()
    yield tmp_path
    warehouse.close()


def connect(server: EmbeddedPostgres, **options: str) -> closing:
    """A connection that is none of the pipeline's; it is in nobody's way for ever."""
    named = server.parameters
    where = {"host": named["PGHOST"], "port": named["PGPORT"], "user": named["PGUSER"], "dbname": named["PGDATABASE"]}
    limited = {"options": "-c idle_in_transaction_session_timeout=15s"}
    return closing(psycopg2.connect(**{**where, **limited, **options}))


def execute(server: EmbeddedPostgres, sql: str) -> list[tuple[object, ...]]:
    with connect(server, options="-c default_transaction_read_only=off") as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def query(sql: str) -> list[tuple[object, ...]]:
    return warehouse.retry_transaction("a query", lambda: rows_of(sql))


def rows_of(sql: str) -> list[tuple[object, ...]]:
    with warehouse.reading() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def kill_server(server: EmbeddedPostgres) -> None:
    os.kill(int((server.folder / "cluster" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    time.sleep(0.3)  # until its sessions notice


def users(folder: Path, batch: str, count: int = ROWS) -> Load:
    """The Load of a batch with `count` users, and its Clean checkpoint."""
    numbers = pa.array(range(count), pa.int64())
    table = pa.table(
        {
            "batch": pa.array([batch] * count),
            "file": pa.array(["f"] * count),
            "position": numbers,
            "user_id": numbers.cast(pa.string()),
            **{name: pa.nulls(count, pa.string()) for name in ("username", "email", "name", "gender")},
            "age": pa.nulls(count, pa.int32()),
            "age_imputed": pa.array([False] * count),
            "date_created": pa.nulls(count, pa.timestamp("us")),
        }
    )
    part = folder / "part.parquet"
    pq.write_table(table, part)
    tables = {"users": TableFacts(count, "f")}
    clean_checkpoint(batch).publish(
        folder / "staging", {"users/part.parquet": part}, {}, tables=tables, counts=None, fault=None, content="c"
    )
    return Load(batch=batch, table="users")


LOADED = (
    "select batch, count(*), count(distinct user_id), sum(position)::bigint from raw_data.users group by 1 order by 1"
)


def load_users(task: Load) -> None:
    task.load(ProgressReporter(task, "users"), 0, ROWS)


def loaded(*batches: str) -> list[tuple[object, ...]]:
    return [(batch, ROWS, ROWS, ROWS * (ROWS - 1) // 2) for batch in batches]


@pytest.mark.parametrize("is_first", [True, False])
def test_load__comes_through_once_when_the_server_is_killed_in_the_middle(server, own, monkeypatch, caplog, is_first):
    if not is_first:
        load_users(users(own, "a"))
    task, blocks, killed = users(own, "b"), copy_rows._encode_blocks, []

    def kill_once(*arguments):
        for number, block in enumerate(blocks(*arguments)):
            if number == 2 and not killed:
                killed.append(number)
                kill_server(server)
            yield block

    monkeypatch.setattr(copy_rows, "_encode_blocks", kill_once)
    load_users(task)
    assert killed
    assert query(LOADED) == loaded(*(["b"] if is_first else ["a", "b"]))
    assert query("select count(*) from etl.table_updates where batch = 'b'") == [(1,)]
    [said] = [record.getMessage() for record in caplog.records if "attempt" in record.getMessage()]
    assert re.fullmatch(
        r"Load users b: the server cannot be reached \(.+\); .+: attempt 1 of 3 failed, the next in \d\.\d s", said
    )


def test_load__leaves_its_rows_once_when_only_the_answer_to_its_commit_was_lost(own, monkeypatch):
    task, transaction, attempts = users(own, "a"), warehouse.transaction, []

    @contextmanager
    def lose_the_answer():
        with transaction() as cursor:
            yield cursor
        attempts.append(1)
        if len(attempts) == 1:
            raise TransientError("the answer was lost")

    monkeypatch.setattr(warehouse, "transaction", lose_the_answer)
    load_users(task)
    assert len(attempts) == 2
    assert query(LOADED) == loaded("a")
    assert query("select count(*) from etl.table_updates") == [(1,)]


@pytest.mark.parametrize("lock", ["access exclusive", "access share"])
def test_load__names_who_holds_its_table(server, own, lock):
    """The table is empty, so that even one who only reads it is in the way."""
    task = users(own, "a")
    with connect(server, application_name="the report") as other:
        cursor = other.cursor()
        cursor.execute(f"lock table raw_data.users in {lock} mode")
        query = "select 1 as  long,\n 'x' as text" + " -- and so on" * 10
        cursor.execute(query)
        started = time.monotonic()
        with pytest.raises(PipelineError) as raised:
            load_users(task)
        assert time.monotonic() - started < 10
        pid, mode = other.info.backend_pid, "".join(word.capitalize() for word in lock.split())
        assert re.fullmatch(
            r"Load users a: another session held a lock for longer than \[warehouse\] lock_timeout "
            r"\(.*lock timeout.*\); "
            rf"nothing was changed; pid {pid} \(user socialmart, application the report, from this machine, "
            rf"since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\) holds {mode}Lock on raw_data.users: "
            rf"{' '.join(query.split())[:80]}; "
            rf"wait for its end, or end it with select pg_terminate_backend\({pid}\), then run again",
            str(raised.value),
        )
    load_users(task)


@pytest.mark.parametrize(("seconds", "said"), [(0, r"pid \d+ .* on raw_data.users"), (60, "the session that held")])
def test_describe_lock_holders__names_only_who_was_there_for_as_long(server, own, seconds, said):
    with connect(server) as other, warehouse.reading() as cursor:
        other.cursor().execute("lock table raw_data.users in share mode")
        assert re.match(said, lock_holders.describe_lock_holders(cursor, seconds))


def test_load__waits_for_another_load_longer_than_for_a_stranger(server, own):
    task = users(own, "b")
    with connect(server) as other:
        assert copy_rows.claim_empty_table(other.cursor(), "users")
        timer = threading.Timer(2.5, other.commit)
        timer.start()
        load_users(task)
        timer.join()
    assert query(LOADED) == loaded("b")


def test_reading__brings_back_a_server_that_was_killed_between_two_reads(server, own):
    query("select 1")
    kill_server(server)
    assert query("select 1") == [(1,)]


@pytest.mark.parametrize(
    ("code", "said", "attempts"),
    [
        ("57P01", "the server cannot be reached", 3),
        ("57P03", "the server does not accept connections at the moment", 3),
        ("53300", "the server has no free connection", 3),
        ("40001", "another transaction got in the way", 3),
        ("40P01", "another transaction got in the way", 3),
        ("28P01", "the login was refused", 1),
        ("3D000", "there is no such database", 1),
        ("42501", "a privilege is missing", 1),
        ("25006", "the warehouse is read-only", 1),
        ("53100", "nothing was changed; free space there, then run again", 1),
        ("55P03", "the session that held it has ended since", 1),
        ("22021", "the server refused", 1),
    ],
)
def test_retry_transaction__tries_again_only_what_passes_by_itself(own, code, said, attempts):
    tried = []

    def work() -> None:
        tried.append(1)
        with warehouse.transaction() as cursor:
            cursor.execute("create table etl.never (n int)")
            cursor.execute(f"do $$ begin raise exception 'no luck' using errcode = '{code}'; end $$")

    with pytest.raises(PipelineError, match=re.escape(said)) as raised:
        warehouse.retry_transaction("the work", work)
    assert type(raised.value) is PipelineError
    assert str(raised.value).startswith("the work: ")
    assert "(no luck" in str(raised.value)
    assert len(tried) == attempts
    assert query("select to_regclass('etl.never')") == [(None,)]


def test_retry_transaction__leaves_a_fault_of_our_own_sql_as_it_is(own):
    with pytest.raises(psycopg2.ProgrammingError):
        query("selct 1")


def test_retry_transaction__waits_no_longer_than_retry_seconds(own, monkeypatch):
    monkeypatch.setattr(config.read_section(config.warehouse), "retry_seconds", 0)
    tried = []

    def work() -> None:
        tried.append(1)
        raise TransientError("away")

    with pytest.raises(PipelineError, match=r"^the work: away$"):
        warehouse.retry_transaction("the work", work)
    assert len(tried) == 1


def test_apply__says_that_the_warehouse_is_read_only(server, own):
    execute(server, "drop schema raw_data cascade")
    execute(server, "alter database warehouse set default_transaction_read_only = on")
    warehouse.close()
    with pytest.raises(PipelineError, match=r"the warehouse is read-only .*read-only transaction.* run again"):
        migrations.apply()


@pytest.fixture
def named(server, own, monkeypatch) -> EmbeddedPostgres:
    """The same server, named by PG* variables as any other is, for the role bob, who has a password."""
    execute(server, "create role bob login password 'right'")
    [(hba,)] = query("show hba_file")
    Path(hba).write_text("local all bob scram-sha-256\nlocal all all trust\n")
    execute(server, "select pg_reload_conf()")
    warehouse.close()
    for name, value in {**server.parameters, "PGUSER": "bob", "PGPASSWORD": "right"}.items():
        monkeypatch.setenv(name, value)
    return server


def test_connect__reaches_the_embedded_server_whatever_is_set_for_another_ones_tls(own, monkeypatch):
    for name, value in {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/none", "PGCHANNELBINDING": "require"}.items():
        monkeypatch.setenv(name, value)
    assert query("select 1") == [(1,)]
    for name, value in warehouse.get_libpq_variables().items():
        monkeypatch.setenv(name, value)
    with closing(psycopg2.connect("")) as of_another_program:
        assert of_another_program.info.dbname == "warehouse"


def test_connect__tries_a_wrong_password_once(named, monkeypatch):
    assert query("select current_user") == [("bob",)]
    warehouse.close()
    log = named.folder / "server.log"
    before = log.read_text().count("password authentication failed")
    monkeypatch.setenv("PGPASSWORD", "a wrong one")
    with pytest.raises(PipelineError, match=r"cannot connect: the login was refused \(.*\); check PGUSER") as raised:
        query("select 1")
    assert "a wrong one" not in str(raised.value)
    assert log.read_text().count("password authentication failed") == before + 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PGUSER": "nobody"}, "the login was refused"),
        ({"PGDATABASE": "nothing"}, "there is no such database"),
        ({"PGPORT": "1"}, "the server cannot be reached"),
    ],
)
def test_connect__says_what_is_wrong(named, monkeypatch, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError, match=f"^a query: warehouse: cannot connect: {said}"):
        query("select 1")


def test_connect__says_that_the_server_refuses_logins(named):
    execute(named, "revoke connect on database warehouse from public")
    with pytest.raises(PipelineError, match="cannot connect: the user may not connect to the database"):
        query("select 1")
    execute(named, "alter role bob nologin")
    with pytest.raises(PipelineError, match="cannot connect: the login was refused"):
        query("select 1")


def test_connect__waits_for_a_connection_to_become_free(named, caplog):
    execute(named, "alter role bob connection limit 1")
    with connect(named, user="bob", password="right") as other:
        with pytest.raises(PipelineError, match=r"cannot connect: the server has no free connection .*too many conn"):
            query("select 1")
        caplog.clear()
        timer = threading.Timer(0.05, other.close)
        timer.start()
        assert query("select 1") == [(1,)]
        timer.join()
    assert "attempt 1 of 3" in caplog.text
