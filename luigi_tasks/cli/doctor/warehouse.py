"""The doctor's checks of the warehouse. They start an embedded server that exists, but never create one."""

import ipaddress
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from luigi.interface import core
from psycopg2.extensions import connection as Connection

from luigi_tasks import config, paths, warehouse
from luigi_tasks.cli import audit
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.cli.doctor.folders import require_writable
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy import grants, map_file
from luigi_tasks.warehouse import audit_chain, layers, migrations, rights
from luigi_tasks.warehouse.embedded import programs

MOST_NAMED = 3
"""Sentences about roles in one of the doctor: socialmart roles check has all."""
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


def check_tls() -> Result:
    """Whether a server on another machine is the right one, and nobody on the way can read or change anything."""
    if _is_to_be_created() or not warehouse.is_external():
        return Result(OK, "the embedded server has a socket of this account's alone, and no network address")
    connection = warehouse.get_reader()
    if not _is_on_network(connection):
        return Result(OK, "the server is on this machine")
    server, used = connection.info, connection.info.dsn_parameters
    if _is_encrypted_by_kerberos():
        return Result(OK, f"{server.host} is another machine: Kerberos encrypts, and says that it is the one")
    if not server.ssl_in_use or used["sslmode"] != "verify-full":
        raise PipelineError(
            f"{server.host} is another machine, and sslmode is {used['sslmode']}: others on the network could read "
            "what is sent, or pose as the server and be told the password; set PGSSLMODE=verify-full, and "
            "PGSSLROOTCERT to the certificate of the server's CA (or to system, for one that this machine trusts)"
        )
    found = f"{server.host} is another machine: {server.ssl_attribute('protocol')}, with its certificate checked"
    if server.used_password and used.get("channel_binding") != "require":
        return Result(
            WARN,
            f"{found}; a server that asks for the password itself would be told it; set PGCHANNELBINDING=require, "
            "which needs scram-sha-256 in its pg_hba.conf",
        )
    return Result(OK, found)


def _is_on_network(connection: Connection) -> bool:
    """Whether a connection leaves this machine."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        if line.family == socket.AF_UNIX:
            return False
        ours, theirs = line.getsockname()[0], line.getpeername()[0]
    return ours != theirs and not ipaddress.ip_address(theirs.partition("%")[0]).is_loopback


def _is_encrypted_by_kerberos() -> bool:
    with warehouse.get_reader().cursor() as cursor, layers.acting_as_login(cursor):
        cursor.execute("select encrypted from pg_stat_gssapi where pid = pg_backend_pid()")
        [(is_encrypted,)] = cursor.fetchall()
    return bool(is_encrypted)


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
    user, database = _query_row("select session_user::text, current_database()::text")
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


def check_roles() -> Result:
    """Whether owners, grants and memberships are as the map of personal data says, where roles are used."""
    if _is_to_be_created():
        return Result(OK, CREATED_BY_FIRST_RUN)
    user, is_superuser = _query_row("select session_user::text, rolsuper from pg_roles where rolname = session_user")
    if layers.name_role(layers.LOADER) is None:
        return Result(
            OK,
            f"not used: user {user} owns everything, and readers see what they are granted by hand; set [privacy] "
            "role_prefix to have them",
        )
    with warehouse.get_reader().cursor() as cursor:
        found = grants.find_differences(cursor, map_file.read_map(), user)
    if found.missing:
        raise PipelineError(
            f"{_list_some(found.missing)}; have an administrator run socialmart roles apply --login {user}"
        )
    if is_superuser:
        return Result(WARN, f"user {user} is a superuser, whom no role binds; give the pipeline a login of its own")
    if found.extra:
        return Result(
            WARN, f"{_list_some(found.extra)}; revoke that, or correct the map; socialmart roles check lists all"
        )
    return Result(OK, f"rights are as the map says; user {user} enters {', '.join(layers.LAYERS)}")


def _list_some(sentences: Sequence[str]) -> str:
    more = f" and {len(sentences) - MOST_NAMED:,} more" if len(sentences) > MOST_NAMED else ""
    return "; ".join(sentences[:MOST_NAMED]) + more


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
