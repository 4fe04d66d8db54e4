"""An embedded PostgreSQL: made on first use, shared by several processes, stopped by the last one.

In the folder: `cluster/` (the data), `postgresql.conf` (ours, rewritten at every start), `server.log` (and
the one before it) and three files that are only locked with flock, so that a killed process leaves nothing:

- `startup.lock` serializes starting and stopping;
- `lease.lock` is held shared by every user of the server; who can take it alone is the last one and stops it;
- `server.lock` is inherited by the server and all its processes: it is free exactly when none of them is
  alive, whatever process number a stale `postmaster.pid` names.

A flock belongs to a process and the children it forks. A child forked by Python therefore closes its copy at
once: it neither releases the lease nor keeps it after the parent.

The folder need not be the one that was asked for: embedded_place says where a cluster lives, and as whom it runs.
"""

import atexit
import contextlib
import fcntl
import logging
import os
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
    announced_socket,
    locate,
    locked,
    run,
    socket_folder,
    tail,
)

SUPERUSER = "socialmart"
DATABASE = "warehouse"
WAIT_SECONDS = 300  # recovery after a crash may replay max_wal_size

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

    def program(self, name: str) -> Path:
        """Path of a PostgreSQL program such as psql or pg_dump."""
        path = self._cluster.programs / name
        if not path.is_file():
            raise PipelineError(f"the embedded PostgreSQL has no program {name}: expected {path}")
        return path

    def bring_back(self) -> None:
        """Start the server again if it was killed, or wait until it takes connections.

        Whoever notices may do so, a forked child too: one starts it, the others find it running.
        """
        with _startup(self._cluster):
            _running(self._cluster)

    def release(self) -> None:
        """Give the lease back, the last one stops the server; twice, or in a forked child, does nothing."""
        if self._released or os.getpid() != self._owner:
            return
        self._released = True
        atexit.unregister(self.release)
        _leave(self._cluster, self._lease)


def acquire(folder: Path) -> EmbeddedPostgres:
    """Lease the server of `folder`, made and started if need be, until release() or the process's end."""
    try:
        cluster = locate(folder.resolve())
        lease = cluster.open_lock("lease.lock")
        _leases.add(lease)
        try:
            with _startup(cluster):
                fcntl.flock(lease, fcntl.LOCK_SH)
                if not cluster.data.exists():
                    _create(cluster)
                socket = _running(cluster)
                _create_database(cluster, socket)
        except BaseException:
            _leave(cluster, lease)
            raise
    except OSError as error:
        raise PipelineError(f"the embedded PostgreSQL of {folder} cannot be prepared: {error}") from error
    return EmbeddedPostgres(cluster, socket, lease)


def _leave(cluster: Cluster, lease: int) -> None:
    """Drop the lease; whoever is alone stops the server, under the lock that keeps newcomers out."""
    try:
        with _startup(cluster), contextlib.suppress(BlockingIOError):
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(cluster)
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


def _create(cluster: Cluster) -> None:
    """Run initdb beside the final place and rename, so that a killed initdb leaves no half cluster.

    initdb syncs (it costs half a second): without it a power cut after the first load may lose the catalogs
    that load relies on. The builtin locale sorts by code point alike on every machine.
    """
    started = time.monotonic()
    new = cluster.home / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(0o700)
    if cluster.account is not None:
        os.chown(new, cluster.account.uid, cluster.account.gid)
    options = f"--username={SUPERUSER} --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C"
    options += " --locale-provider=builtin --builtin-locale=C.UTF-8 --data-checksums --no-instructions"
    result = run([cluster.programs / "initdb", "-D", new, *options.split()], cluster.account)
    if result.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise PipelineError(f"initdb failed in {cluster.home}: {tail(result.stdout)}")
    new.rename(cluster.data)
    logger.info("made the PostgreSQL cluster %s in %.1f s", cluster.data, time.monotonic() - started)


def _running(cluster: Cluster) -> Path:
    """Start the server unless one is alive; wait until it takes connections; return its socket's folder."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        lock = _try_server_lock(cluster)
        if lock is not None:
            try:
                return _start(cluster, lock)
            finally:
                os.close(lock)
        socket = announced_socket(cluster)
        if socket is not None and _client(cluster, socket, "pg_isready").returncode == 0:
            return socket
        time.sleep(0.05)  # starting, recovering, stopping, or the last children of a killed server
    raise PipelineError(f"the PostgreSQL server in {cluster.home} neither answers nor ends: see server.log")


def _start(cluster: Cluster, lock: int) -> Path:
    """Start the server in its own session (Ctrl-C does not reach it), holding `lock` as long as it lives."""
    started = time.monotonic()
    socket = socket_folder(cluster)
    _clear_stale_files(cluster, socket)
    configuration = cluster.home / "postgresql.conf"
    configuration.write_text(_settings(), encoding="utf-8")
    configuration.chmod(0o644)
    log = cluster.home / "server.log"
    if log.exists():
        log.replace(cluster.home / "server.log.1")
    options = f"-c config_file={shlex.quote(str(configuration))} -c listen_addresses= -c port={PORT}"
    quoted = '"' + str(socket).replace('"', '""') + '"'  # an item of a list
    options += f" -c unix_socket_directories={shlex.quote(quoted)}"
    log.touch(0o600)
    with log.open("wb") as output:
        result = _pg_ctl(cluster, "start", "-o", options, output=output.fileno(), keep=(lock,))
    if result.returncode != 0:
        said = tail(log.read_text(encoding="utf-8", errors="replace"))
        raise PipelineError(f"PostgreSQL does not start in {cluster.home}: {said}")
    logger.info("started PostgreSQL in %s in %.1f s", cluster.home, time.monotonic() - started)
    return socket


def _clear_stale_files(cluster: Cluster, socket: Path) -> None:
    """Remove what a killed server left: its number may be another process's now, and ours would not start."""
    announced = announced_socket(cluster)
    if announced is not None and _client(cluster, announced, "pg_isready").returncode in (0, 1):
        raise PipelineError(f"a server not started by this program runs in {cluster.data}: stop it")
    for stale in (
        socket / f".s.PGSQL.{PORT}",
        socket / f".s.PGSQL.{PORT}.lock",
        cluster.data / "postmaster.pid",
    ):
        stale.unlink(missing_ok=True)


def _stop(cluster: Cluster) -> None:
    lock = _try_server_lock(cluster)
    if lock is not None:
        os.close(lock)  # no server
        return
    result = _pg_ctl(cluster, "stop", "-m", "fast")
    if result.returncode != 0:
        logger.warning("PostgreSQL in %s did not stop: %s", cluster.home, tail(result.stdout))


def _create_database(cluster: Cluster, socket: Path) -> None:
    query = f"select 1 from pg_database where datname = '{DATABASE}'"
    result = _client(cluster, socket, "psql", "-XAtc", query)
    if result.returncode == 0 and result.stdout.strip() == "":
        result = _client(cluster, socket, "psql", "-Xqc", f"create database {DATABASE}")
    if result.returncode != 0:
        raise PipelineError(f"database {DATABASE} cannot be made in {cluster.home}: {tail(result.stdout)}")


def _settings() -> str:
    """Settings for loading on a small machine shared with Spark; fsync and full_page_writes stay on."""
    megabytes = _memory() >> 20
    return f"""\
# Rewritten at every start. ALTER SYSTEM overrides what is here.
unix_socket_permissions = 0700           # only the server's account and root
max_connections = 50                     # loaders, dbt threads and a few psql
shared_buffers = {min(max(megabytes // 16, 64), 256)}MB  # the page cache does the rest, and gives way
effective_cache_size = {max(megabytes // 3, 128)}MB  # what the page cache holds besides
work_mem = {min(max(megabytes // 128, 8), 64)}MB  # sorts and hashes of the marts stay in memory
maintenance_work_mem = {min(max(megabytes // 64, 32), 128)}MB  # several indexes are built at a time
max_wal_size = 2GB                       # one load, not many, between checkpoints
checkpoint_timeout = 30min               # fewer full page images; costs a longer recovery
checkpoint_completion_target = 0.9       # spread the writes
wal_compression = off                    # pglz, all that the wheel has, costs more than what it saves
wal_level = minimal                      # no replica: copy into a table just made skips the WAL
max_wal_senders = 0                      # required by wal_level = minimal
dynamic_shared_memory_type = sysv        # /dev/shm of a container (64 MB) is too small for parallel hashes
hash_mem_multiplier = 1.0                # work_mem is what a hash gets, too
jit = off                                # compiling costs more than these queries, and the wheel has no LLVM
random_page_cost = 1.1                   # solid state disks
timezone = 'UTC'                         # the same days on every machine
log_timezone = 'UTC'
datestyle = 'iso, ymd'
log_checkpoints = off                    # keep server.log short
log_line_prefix = '%m [%p] '
"""


def _memory() -> int:
    """Bytes this process may use: the machine's, or less where a container is limited."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            memory = min(memory, int(Path(limit).read_text(encoding="ascii")))
    return memory


def _startup(cluster: Cluster) -> AbstractContextManager[None]:
    """Only one process at a time starts or stops the server."""
    return locked(cluster.open_lock("startup.lock"))


def _try_server_lock(cluster: Cluster) -> int | None:
    """The server lock's descriptor, or None while any process of the server is alive."""
    lock = cluster.open_lock("server.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _pg_ctl(
    cluster: Cluster, action: str, *options: str, output: int = subprocess.PIPE, keep: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Start or stop the server and wait; PGDATA, as pg_ctl does not quote what -D says for its shell."""
    command = [cluster.programs / "pg_ctl", action, "-s", "-w", "-t", str(WAIT_SECONDS), *options]
    return run(command, cluster.account, output, keep, {"PGDATA": str(cluster.data)})


def _client(cluster: Cluster, socket: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a client as this process; pg_isready returns 0: takes connections, 1: not now, 2: no answer."""
    where = ["-h", str(socket), "-p", PORT, "-U", SUPERUSER, "-d", "postgres"]
    return run([cluster.programs / name, *where, *options], None)
