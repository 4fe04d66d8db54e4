"""The run lock: all runs on the same checkpoints share it, so only one runs at a time.

It is a file beside the checkpoints. Where those are in a store, which has no locks, the file keeps out other runs on
this machine, and a lock in the warehouse those on others. Luigi's own lock compares command lines, and lets two
different ones overlap.
"""

import contextlib
import fcntl
import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from luigi.interface import PidLockAlreadyTakenExit
from psycopg2.extensions import connection as Connection

from luigi_tasks import config, paths, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import layers

SILENT_RUN = 15
"""Exit code of a run that found another one at work, or hanging: it has told nothing for too long."""
LONG_RUN_HOURS = 24
"""After which a run that gets on is worth a message, too: where runs are nightly, a second one has ended with 10."""
LONGEST_HOLDER = 1 << 16
"""Bytes of the lock file that are read."""
WAREHOUSE_LOCK = int.from_bytes(b"run lock")
"""The key of the advisory lock in the warehouse's database."""
TAKE_WAREHOUSE_LOCK = f"""
set idle_session_timeout = 0;
set tcp_keepalives_idle = 60;
set tcp_keepalives_interval = 20;
set tcp_keepalives_count = 3;
select pg_try_advisory_lock({WAREHOUSE_LOCK})
"""
"""The session has nothing to do while it holds the lock. The server ends it some two minutes after its machine is gone,
instead of two hours."""
WAREHOUSE_HOLDER = f"""
select
    coalesce(nullif(application_name, ''), 'unnamed'),
    case when backend_start is null then 'unknown' else coalesce(host(client_addr), 'its own machine') end,
    pid
from pg_locks
join pg_stat_activity using (pid)
where
    locktype = 'advisory' and granted and objsubid = 1
    and database = (select oid from pg_database where datname = current_database())
    and (classid::bigint << 32 | objid::bigint) = {WAREHOUSE_LOCK}
"""

logger = logging.getLogger(__name__)

_handle: int | None = None
_holder: int | None = None
"""Id of the process that took the lock; its forks inherit the handle."""
_session: Connection | None = None
"""The session that holds the lock in the warehouse, until the process ends."""


class SilentRunError(PipelineError):
    """Another run holds the lock, and has told nothing for longer than [notify] silent_hours."""


@dataclass(frozen=True)
class Holder:
    """The run that holds the lock, as it says in the lock file. `since` is in seconds since 1970."""

    run: str
    since: float
    pid: int
    host: str
    journal: str


def is_held() -> bool:
    """Return whether this process took the lock itself, rather than being a fork of the one that did."""
    return _holder == os.getpid()


def take_lock() -> bool:
    """Take the lock until this process ends. Returns True if this call took it, False if the process had it already.

    Exits with Luigi's exit code 10 if another run holds the lock. Raises SilentRunError if that one seems to hang, and
    PipelineError if the file cannot be written.
    """
    global _handle, _holder
    if _handle is not None:
        return False
    path = paths.run_lock()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {path.parent}: cannot be written ({error.strerror}); make it writable, or set "
            "[checkpoints] folder in luigi.cfg"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _read_holder(handle)
        taken = holder.since if holder else os.fstat(handle).st_mtime
        os.close(handle)
        _require_life(holder, taken, path)
        logger.warning("another run is at work since %s and holds %s; nothing is done", _format_time(taken), path)
        raise PidLockAlreadyTakenExit from None
    try:
        _take_warehouse_lock()
    except BaseException:
        os.close(handle)
        raise
    _handle = handle
    _holder = os.getpid()
    _write_holder(handle)
    return True


def _take_warehouse_lock() -> None:
    """Take the lock in the warehouse, where the checkpoints are in a store and other machines may use both."""
    global _session
    if isinstance(paths.checkpoints(), Path) or not warehouse.is_external():
        return
    session = warehouse.retry_transaction("the run lock", warehouse.connect)
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(TAKE_WAREHOUSE_LOCK)
        if cursor.fetchone() == (True,):
            _session = session
            return
        with layers.acting_as_login(cursor):
            cursor.execute(WAREHOUSE_HOLDER)
            name, address, pid = cursor.fetchone() or ("unnamed", "unknown", 0)
    session.close()
    logger.warning(
        "another run is at work on the warehouse and the checkpoints %s: %s, from %s (session %s); nothing is done",
        paths.checkpoints(),
        name,
        address,
        pid,
    )
    raise PidLockAlreadyTakenExit


def describe_long_run() -> str | None:
    """Return what people should know of the run that holds the lock and tells something: that it has been at work for
    more than LONG_RUN_HOURS. None if it has not, or the lock file cannot be read."""
    try:
        holder = Holder(**json.loads(paths.run_lock().read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    hours = (time.time() - holder.since) / 3600
    if hours < LONG_RUN_HOURS:
        return None
    return (
        f"another run is at work for {hours:,.0f} hours (run {holder.run}, process {holder.pid} on {holder.host}); "
        "it gets on, and until it ends each further run does nothing and exits with 10"
    )


def _write_holder(handle: int) -> None:
    run = run_id.get_run_id()
    holder = Holder(run, time.time(), os.getpid(), socket.gethostname(), str(paths.journal(run)))
    with contextlib.suppress(OSError):  # a full disk: only the wording of others' messages depends on it
        os.utime(handle)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(asdict(holder)).encode(), 0)


def _read_holder(handle: int) -> Holder | None:
    """Who says in the lock file to hold the lock; None if it cannot be read, as from another version."""
    try:
        return Holder(**json.loads(os.pread(handle, LONGEST_HOLDER, 0)))
    except (OSError, ValueError, TypeError):
        return None


def _require_life(holder: Holder | None, taken: float, path: Path) -> None:
    """Raise SilentRunError if the holder has told nothing for longer than is allowed: each later run would end with 10,
    as if all were well. `taken` is when it took the lock, in seconds since 1970."""
    allowed = config.read_section(config.notify).silent_hours * 3600
    if not allowed:
        return
    try:
        last = max(taken, Path(holder.journal).stat().st_mtime) if holder else taken
    except OSError:
        last = taken
    silent = time.time() - last
    if silent > allowed:
        who = f"run {holder.run}, process {holder.pid} on {holder.host}" if holder else "of another version"
        how = f"kill {holder.pid}" if holder else f"kill, with the number that fuser {path} names"
        raise SilentRunError(
            f"another run is at work since {_format_time(taken)}, and has told nothing for {silent / 3600:,.1f} hours "
            f"({who}); nothing is done; see what it waits for, or end it by {how}; it holds {path}"
        )


def _format_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
