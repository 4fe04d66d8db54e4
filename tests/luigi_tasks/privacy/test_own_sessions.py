"""What the server tells the pipeline of its sessions, where these act as roles: it is asked as the login itself."""

import re
from contextlib import closing

import pytest
from luigi.interface import PidLockAlreadyTakenExit
from roled_warehouse import RoledWarehouse

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.doctor import warehouse as checks
from luigi_tasks.runs import lock
from luigi_tasks.warehouse import connection, layers, migrations
from spark_jobs.storage import ObjectPath

OWN_LINE = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture
def entered(shared: RoledWarehouse) -> RoledWarehouse:
    """A warehouse with tables, and this process logged in as the pipeline."""
    shared.apply()
    shared.log_in("pipeline")
    migrations.apply()
    return shared


def fetch(cursor, sql: str) -> list[tuple]:
    cursor.execute(sql)
    return cursor.fetchall()


def test_acting_as_login__sees_the_line_that_is_hidden_from_the_loader(entered: RoledWarehouse):
    with warehouse.reading() as cursor:
        assert fetch(cursor, OWN_LINE) == []
        with layers.acting_as_login(cursor):
            assert fetch(cursor, "select current_user::text") == [("pipeline",)]
            assert fetch(cursor, OWN_LINE) == [(False,)]
        assert fetch(cursor, "select current_user::text") == [("sm_loader",)]
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as cursor, layers.acting_as_login(cursor):
        raise ZeroDivisionError
    with warehouse.transaction() as cursor:
        assert fetch(cursor, "select current_user::text") == [("sm_loader",)]


def test_acting_as_login__goes_back_to_the_role_that_a_login_begins_with(
    entered: RoledWarehouse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(layers, "name_role", lambda name: None)
    entered.rows("alter role pipeline in database shared set role = 'sm_loader'")
    entered.log_in("pipeline")
    with warehouse.reading() as cursor:
        with layers.acting_as_login(cursor):
            assert fetch(cursor, OWN_LINE) == [(False,)]
        assert fetch(cursor, "select current_user::text") == [("sm_loader",)]


def test_check_tls__asks_for_kerberos_as_the_login(entered: RoledWarehouse):
    assert checks._is_encrypted_by_kerberos() is False


def test_describe_lock_holders__has_the_statement_of_another_session_of_the_login(entered: RoledWarehouse):
    with closing(warehouse.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("lock table etl.ledger in access exclusive mode")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection.config.read_section(connection.config.warehouse), "lock_timeout", 0)
            said = connection.describe_lock_holders()
    assert "from this machine, since 2" in said
    assert "AccessExclusiveLock on etl.ledger: lock table etl.ledger in access exclusive mode; wait" in said


def test_describe_lock_holders__does_not_invent_the_address_of_others(entered: RoledWarehouse):
    entered.rows("grant connect on database shared to stranger; grant usage on schema etl to stranger")
    entered.rows("grant select on etl.ledger to stranger")
    entered.log_in("stranger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "name_role", lambda name: None)
        stranger = warehouse.connect()
    with closing(stranger), stranger.cursor() as cursor:
        cursor.execute("select 1 from etl.ledger")
        entered.log_in("pipeline")
        said = connection.describe_lock_holders()
    assert "user stranger, application socialmart" in said and "from unknown, since unknown)" in said


def test_run_lock__names_the_machine_of_another_run_of_the_login(
    entered: RoledWarehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(paths, "checkpoints", lambda: ObjectPath("s3", "lake/checkpoints"))
    with closing(warehouse.connect()) as other, other.cursor() as cursor:
        cursor.execute(lock.TAKE_WAREHOUSE_LOCK)
        with pytest.raises(PidLockAlreadyTakenExit):
            lock._take_warehouse_lock()
    assert re.search(r": socialmart( \S+)?, from its own machine \(session ", caplog.text)
