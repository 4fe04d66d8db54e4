"""The doctor's checks of the warehouse. They start an embedded server that exists, but never create one."""

import time
from typing import Any

from luigi.interface import core

from luigi_tasks import config, paths, warehouse
from luigi_tasks.cli import audit
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.cli.doctor.folders import require_writable
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import audit_chain, migrations, rights
from luigi_tasks.warehouse.embedded import programs

SECONDS_APART = 60
"""Seconds by which two clocks may differ: dates of runs still make sense."""
LAST_ENTRIES = 1_000
"""Entries of the audit chain that are looked at: those of a year of nights, in some milliseconds."""
CREATED_BY_FIRST_RUN = "the first run creates the embedded server"


def check_server() -> Result:
    """Whether the server answers and is new enough, or the embedded one can be created."""
    if _is_to_be_created():
        programs.find_wheel_programs()
        require_writable(paths.embedded_postgres(), "[warehouse] embedded_folder")
        return Result(OK, f"{CREATED_BY_FIRST_RUN} in {paths.embedded_postgres()}")
    server = warehouse.get_reader().info
    home = warehouse.find_embedded_home()
    where = f"{server.host}:{server.port}" if warehouse.is_external() else f"embedded in {home}"
    version = server.parameter_status("server_version")
    return Result(OK, f"PostgreSQL {version}, {where}, database {server.dbname}, user {server.user}")


def _is_to_be_created() -> bool:
    """Whether the embedded server is used and does not exist yet."""
    return not warehouse.is_external() and warehouse.find_embedded_home() is None


def _query_row(query: str, *parameters: object) -> tuple[Any, ...]:
    """The only row of a query."""
    with warehouse.get_reader().cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()


def check_rights() -> Result:
    """Whether the user owns, or may create, everything that a run writes to, and nothing of others is in its way."""
    if _is_to_be_created():
        return Result(OK, CREATED_BY_FIRST_RUN)
    _require_writable_server()
    with warehouse.get_reader().cursor() as cursor:
        rights.require_rights(cursor)
        migrations.is_current(cursor)  # which raises where the warehouse is of a newer version
        migrations.require_free_names(cursor)
    user, database = _query_row("select current_user::text, current_database()::text")
    return Result(OK, f"user {user} may write to database {database}")


def _require_writable_server() -> None:
    """Raise PipelineError where every transaction is read-only, with what made it so."""
    standby, read_only, source, user, database = _query_row(
        "select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', source, "
        "quote_ident(session_user), quote_ident(current_database()) "
        "from pg_settings where name = 'default_transaction_read_only'"
    )
    if standby:
        raise PipelineError("the server is a standby, which is read-only; set PGHOST to its primary")
    resets = {
        "user": f"alter role {user} reset default_transaction_read_only",
        "database": f"alter database {database} reset default_transaction_read_only",
        "database user": f"alter role {user} in database {database} reset default_transaction_read_only",
        "client": "take it out of PGOPTIONS",
    }
    if read_only:
        how = resets.get(source, "alter system reset default_transaction_read_only, then select pg_reload_conf()")
        raise PipelineError(f"default_transaction_read_only is on, so nothing can be written: {how}")


def check_connections() -> Result:
    """Whether the server has as many free connections as a run may take."""
    if _is_to_be_created():
        return Result(OK, CREATED_BY_FIRST_RUN)
    most, used = _query_row(
        "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, "
        "(select sum(numbackends) from pg_stat_database)::int - 1"  # without this one, which is closed again
    )
    workers, threads = config.read_section(core).workers, config.read_section(config.dbt).threads
    needed = 2 * (workers + 1) + threads + 1  # each process reads and writes; dbt has one besides its threads
    found = f"{most - used} of {most} free, a run takes up to {needed}"
    if most - used < needed:
        return Result(WARN, f"{found}; raise max_connections, or lower [core] workers or [dbt] threads")
    return Result(OK, found)


def check_clock() -> Result:
    """Whether the clocks of the server and of this machine agree."""
    if _is_to_be_created():
        return Result(OK, CREATED_BY_FIRST_RUN)
    (now,) = _query_row("select extract(epoch from clock_timestamp())::float8")
    apart = abs(now - time.time())
    if apart > SECONDS_APART:
        return Result(WARN, f"the clocks of warehouse and this machine are {apart:,.0f} seconds apart; set them right")
    return Result(OK, "the clocks of warehouse and this machine agree")


def check_audit_chain() -> Result:
    """Whether the end of the audit chain is sound, and the anchors in the journals of runs are of it."""
    if _is_to_be_created():
        return Result(OK, CREATED_BY_FIRST_RUN)
    with warehouse.reading() as cursor:
        cursor.execute("select has_function_privilege('public', to_regprocedure(%s), 'execute')", (audit_chain.WRITER,))
        [may_all_write] = cursor.fetchone()
    if may_all_write is None:
        return Result(OK, "the next run begins it")
    if may_all_write:  # as after a restore without privileges
        return Result(WARN, f"all users may write entries: revoke execute on function {audit_chain.WRITER} from public")
    verdict = audit.verify_chain(audit.read_anchors([], []), LAST_ENTRIES)
    if verdict.faults:
        return Result(WARN, f"{'; '.join(verdict.faults)}; see socialmart audit verify")
    return Result(OK, audit.describe_sound_chain(verdict))
