"""Child processes (spark-submit, dbt): started in a process group of their own, logged to a file, ended with their
parent; forks of this process are ended with it, too."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import psutil

from luigi_tasks.memory import format_memory

TAIL_LINES = 12
SECONDS_TO_END = 10
"""How long a process group may take to end after SIGTERM, before it is killed."""
POLL_SECONDS = 0.02
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Exit codes of a child that was killed, and of one whose own child was: as Python tells them, and as a shell does."""
EXIT_STATUS = 49
"""The place of the exit status among the fields of /proc/PID/stat after the name."""
PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: the signal that a process gets when its parent ends."""
LIBC = ctypes.CDLL(None)

_forking: int | None = None
"""Id of the process that forks, as its child finds it."""


def start(argv: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, its output added to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=make_preexec(),
        )


def tail(log: Path) -> str:
    """The last lines of a log, indented, without empty lines and the frames of Java stacks."""
    lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
    telling = [line for line in lines if line.strip() and not line.startswith(("\tat ", "\t... "))]
    return "\n".join(f"    {line[:300]}" for line in telling[-TAIL_LINES:])


def explain_kill(who: str, work: str, code: int | None, log: Path) -> str | None:
    """One sentence on a child that was killed during some work; None where its exit code tells another end."""
    if code not in KILLED:
        return None
    return (
        f"{who} was killed during {work}, as the kernel does when memory runs out; {format_memory()} can be used here: "
        "add some, end other programs, or lower [spark] driver_memory, the number in master local[N] and [dbt] "
        f"threads, and run again; the whole log: {log}"
    )


def read_exit_code(pid: int) -> int | None:
    """The exit code of a child that nobody has waited for yet, as a shell counts it; None where it cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        status = int(fields[EXIT_STATUS])
    except (OSError, IndexError, ValueError):  # not Linux, or waited for
        return None
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8


def make_preexec() -> Callable[[], None] | None:
    """Make the `preexec_fn` of a child that has to end with this process, however and whenever this one ends."""
    return partial(_end_with, os.getpid(), signal.SIGTERM) if sys.platform == "linux" else None


@cache
def kill_forks_with_parent() -> None:
    """Have the kernel kill every process that this one forks from now on when this one ends, whatever it waits for.

    A fork that waits for a server cannot handle a gentler signal, and it shares the run lock.
    """
    if sys.platform == "linux":
        os.register_at_fork(before=_note_forking, after_in_child=_begin_fork)


def _note_forking() -> None:
    global _forking
    _forking = os.getpid()


def _begin_fork() -> None:
    if _forking is not None:
        _end_with(_forking, signal.SIGKILL)


def _end_with(parent: int, number: int) -> None:
    """Have the kernel send this process a signal when its parent ends. If it has ended already, end at once."""
    LIBC.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child's process group: with SIGTERM first, so that it can clean up, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < until and (child.poll() is None or group_lives(child)):
            time.sleep(POLL_SECONDS)


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process of a child's group is still running; those that have ended but were not waited for are not."""
    return any(_is_running_in(child.pid, process) for process in psutil.process_iter())


def _is_running_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.Error):
        return False
