"""An embedded PostgreSQL: made on first use, shared by several processes, stopped by the last one.

In the folder: `cluster/` (the data), `postgresql.conf` (ours, rewritten at every start), `server.log` (and
the one before it) and three files that are only locked with flock, so that a killed process leaves nothing:

- `startup.lock` serializes starting and stopping;
- `lease.lock` is held shared by every user of the server; who can take it alone is the last one and stops it;
- `server.lock` is inherited by the server and all its processes: it is free exactly when none of them is
  alive, whatever process number a stale `postmaster.pid` names.

A flock belongs to a process and the children it forks. A child forked by Python therefore closes its copy at
once: it neither releases the lease nor keeps it after the parent.

The folder need not be the one that was asked for: see location.
"""

import atexit
import contextlib
import fcntl
import logging
import os
import resource
import shlex
import shutil
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.embedded.location import (
    PORT,
    Cluster,
    hold_lock,
    locate_cluster,
    make_folder_error,
    make_socket_folder,
    read_socket_folder,
)
from luigi_tasks.warehouse.embedded.programs import quote_last_lines, run_program
from luigi_tasks.warehouse.embedded.settings import ROOT_LOGINS, format_login_names, format_settings

SUPERUSER = "socialmart"
DATABASE = "warehouse"
START_SECONDS = 300
"""For the server to start or stop: the recovery after a crash may replay max_wal_size."""
LEAST_FILE_BYTES = 16 << 20
"""A segment of the write-ahead log. A table may need files of 1 GB: that an error of PostgreSQL says."""
POLL_SECONDS = 0.05
"""Between two looks at a server that is starting: short beside the 0.1 s that a start takes."""

logger = logging.getLogger(__name__)
_leases: set[int] = set()


class EmbeddedPostgres:
    """A lease on a running server; `folder` is where it lives, `parameters` are libpq's variables."""

    def __init__(self, cluster: Cluster, socket: Path, lease: int) -> None:
        self.folder = cluster.home
        self.parameters = {"PGHOST": str(socket), "PGPORT": PORT, "PGUSER": SUPERUSER, "PGDATABASE": DATABASE}
        self._cluster, self._lease, self._owner = cluster, lease, os.getpid()
        self._released = False
        atexit.register(self.release)

    def find_program(self, name: str) -> Path:
        """The path of a PostgreSQL program such as psql or pg_dump. Raises PipelineError where the wheel has none."""
        path = self._cluster.programs / name
        if not path.is_file():
            raise PipelineError(f"the embedded PostgreSQL has no program {name}: expected {path}")
        return path

    def ensure_running(self) -> None:
        """Start the server again if it was killed, or wait until it takes connections.

        Any process may call this, a forked child too: one starts the server, the others find it running.
        """
        with _lock_startup(self._cluster):
            _ensure_running(self._cluster)

    def release(self) -> None:
        """Give the lease back; the last one stops the server. A second call, or one in a forked child, does nothing."""
        if self._released or os.getpid() != self._owner:
            return
        self._released = True
        atexit.unregister(self.release)
        _drop_lease(self._cluster, self._lease)


def lease_server(folder: Path) -> EmbeddedPostgres:
    """Lease the server of `folder`, made and started if need be, until release() or the end of the process.

    Raises PipelineError where the server cannot be made or started.
    """
    try:
        cluster = locate_cluster(folder.resolve())
        lease = cluster.open_lock("lease.lock")
        _leases.add(lease)
        try:
            with _lock_startup(cluster):
                fcntl.flock(lease, fcntl.LOCK_SH)
                if not cluster.data.exists():
                    _create_cluster(cluster)
                socket = _ensure_running(cluster)
                _create_database(cluster, socket)
        except BaseException:
            _drop_lease(cluster, lease)
            raise
    except OSError as error:
        raise make_folder_error(folder, error) from error
    return EmbeddedPostgres(cluster, socket, lease)


def _drop_lease(cluster: Cluster, lease: int) -> None:
    """Drop the lease; the last process to do so stops the server, under the lock that keeps new leases out."""
    try:
        with _lock_startup(cluster), contextlib.suppress(BlockingIOError):
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop_server(cluster)
    except OSError as error:
        logger.warning("the embedded PostgreSQL in %s was left as it is: %s", cluster.home, error)
    finally:
        _leases.discard(lease)
        os.close(lease)


def _close_leases_in_child() -> None:
    for lease in _leases:
        os.close(lease)
    _leases.clear()


os.register_at_fork(after_in_child=_close_leases_in_child)


def _require_file_size() -> None:
    """Raise PipelineError where this process's children may not write files as long as the server's: it would end, be
    started again and end again for as long as pg_ctl waits."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and limit < LEAST_FILE_BYTES:
        raise PipelineError(
            f"the limit of a file's size (ulimit -f) is {limit:,} bytes, and PostgreSQL needs {LEAST_FILE_BYTES:,}; "
            "nothing was changed; raise it and run again"
        )


def _create_cluster(cluster: Cluster) -> None:
    """Run initdb beside the final place and rename, so that a killed initdb leaves no half cluster.

    initdb syncs (it costs half a second): without it a power cut after the first load may lose the catalogs
    that load relies on. The builtin locale sorts by code point alike on every machine.
    """
    _require_file_size()
    started = time.monotonic()
    new = cluster.home / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(0o700)
    if cluster.account is not None:
        os.chown(new, cluster.account.uid, cluster.account.gid)
    options = f"--username={SUPERUSER} --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C"
    options += " --locale-provider=builtin --builtin-locale=C.UTF-8 --data-checksums --no-instructions"
    options += " --set=dynamic_shared_memory_type=sysv"  # as the server: initdb takes /dev/shm, however small it is
    result = run_program([cluster.programs / "initdb", "-D", new, *options.split()], cluster.account)
    if result.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise PipelineError(f"initdb failed in {cluster.home}: {quote_last_lines(result.stdout)}")
    new.rename(cluster.data)
    logger.info("made the PostgreSQL cluster %s in %.1f s", cluster.data, time.monotonic() - started)


def _ensure_running(cluster: Cluster) -> Path:
    """Start the server unless one is alive, and wait until it accepts connections. Returns its socket's folder."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lock = _try_to_lock_server(cluster)
        if lock is not None:
            try:
                return _start_server(cluster, lock)
            finally:
                os.close(lock)
        socket = read_socket_folder(cluster)
        if socket is not None and _run_client(cluster, socket, "pg_isready").returncode == 0:
            return socket
        time.sleep(POLL_SECONDS)  # starting, recovering, stopping, or the last children of a killed one
    raise PipelineError(f"the PostgreSQL server in {cluster.home} neither answers nor ends: see server.log")


def _start_server(cluster: Cluster, lock: int) -> Path:
    """Start the server in its own session (Ctrl-C does not reach it), holding `lock` as long as it lives."""
    _require_file_size()
    started = time.monotonic()
    socket = make_socket_folder(cluster)
    _clear_stale_files(cluster, socket)
    configuration = cluster.write_file("postgresql.conf", format_settings())
    log = cluster.home / "server.log"
    if log.exists():
        log.replace(cluster.home / "server.log.1")
    options = f"-c config_file={shlex.quote(str(configuration))} -c listen_addresses= -c port={PORT}"
    quoted = '"' + str(socket).replace('"', '""') + '"'  # an item of a list
    options += f" -c unix_socket_directories={shlex.quote(quoted)}"
    if cluster.account is not None:
        logins = cluster.write_file("pg_hba.conf", ROOT_LOGINS)
        names = cluster.write_file("pg_ident.conf", format_login_names(cluster.account))
        options += f" -c hba_file={shlex.quote(str(logins))} -c ident_file={shlex.quote(str(names))}"
    log.touch(0o600)
    with log.open("wb") as output:
        result = _run_pg_ctl(cluster, "start", "-o", options, output=output.fileno(), keep=(lock,))
    if result.returncode != 0:
        said = quote_last_lines(log.read_text(encoding="utf-8", errors="replace"))
        raise PipelineError(f"PostgreSQL does not start in {cluster.home}: {said}")
    logger.info("started PostgreSQL in %s in %.1f s", cluster.home, time.monotonic() - started)
    return socket


def _clear_stale_files(cluster: Cluster, socket: Path) -> None:
    """Remove what a killed server left: its process id may be another process's now, and ours would not start."""
    announced = read_socket_folder(cluster)
    if announced is not None and _run_client(cluster, announced, "pg_isready").returncode in (0, 1):
        raise PipelineError(f"a server not started by this program runs in {cluster.data}: stop it")
    for stale in (
        socket / f".s.PGSQL.{PORT}",
        socket / f".s.PGSQL.{PORT}.lock",
        cluster.data / "postmaster.pid",
    ):
        stale.unlink(missing_ok=True)


def _stop_server(cluster: Cluster) -> None:
    lock = _try_to_lock_server(cluster)
    if lock is not None:
        os.close(lock)  # no server
        return
    result = _run_pg_ctl(cluster, "stop", "-m", "fast")
    if result.returncode != 0:
        logger.warning("PostgreSQL in %s did not stop: %s", cluster.home, quote_last_lines(result.stdout))


def _create_database(cluster: Cluster, socket: Path) -> None:
    query = f"select 1 from pg_database where datname = '{DATABASE}'"
    result = _run_client(cluster, socket, "psql", "-XAtc", query)
    if result.returncode == 0 and result.stdout.strip() == "":
        result = _run_client(cluster, socket, "psql", "-Xqc", f"create database {DATABASE}")
    if result.returncode != 0:
        raise PipelineError(f"database {DATABASE} cannot be made in {cluster.home}: {quote_last_lines(result.stdout)}")


def _lock_startup(cluster: Cluster) -> AbstractContextManager[None]:
    """Let only one process at a time start or stop the server."""
    return hold_lock(cluster.open_lock("startup.lock"))


def _try_to_lock_server(cluster: Cluster) -> int | None:
    """The server lock's descriptor, or None while any process of the server is alive."""
    lock = cluster.open_lock("server.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _run_pg_ctl(
    cluster: Cluster, action: str, *options: str, output: int = subprocess.PIPE, keep: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Start or stop the server and wait. PGDATA is used as pg_ctl does not quote the value of -D for its shell."""
    command = [cluster.programs / "pg_ctl", action, "-s", "-w", "-t", str(START_SECONDS), *options]
    return run_program(command, cluster.account, output, keep, {"PGDATA": str(cluster.data)})


def _run_client(cluster: Cluster, socket: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a client program as this process. pg_isready returns 0: accepts connections, 1: not now, 2: no answer."""
    where = ["-h", str(socket), "-p", PORT, "-U", SUPERUSER, "-d", "postgres"]
    return run_program([cluster.programs / name, *where, *options], None)
