"""Children (spark-submit, dbt): started in a process group of their own, logged to a file, ended with their parent."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|^PG|^DBT_|_NOTIFY$", re.IGNORECASE)
TAIL_LINES = 12
SECONDS_TO_END = 10
POLL_SECONDS = 0.02
PR_SET_PDEATHSIG = 1


def environment(**needed: str) -> dict[str, str]:
    """This process's environment without what looks like a secret, and with what the child needs."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)} | needed


def start(
    argv: Sequence[str], environ: Mapping[str, str], log: Path, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a child whose output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )


def tail(log: Path) -> str:
    """The last lines of a log that tell something: no frames of a Java stack."""
    lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
    telling = [line for line in lines if line.strip() and not line.startswith(("\tat ", "\t... "))]
    return "\n".join(f"    {line[:300]}" for line in telling[-TAIL_LINES:])


def _end_with_parent() -> None:
    """Have the kernel end the child when this process is killed without a chance to do it itself."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child and all that it started: asked first, so that they put their things in order, then forced."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < until and (child.poll() is None or group_lives(child)):
            time.sleep(POLL_SECONDS)


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child, or something that it started, is still at work."""
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return sys.platform != "linux" or any(_is_at_work(path, child.pid) for path in Path("/proc").glob("[0-9]*/stat"))


def _is_at_work(stat: Path, group: int) -> bool:
    """Whether a process is of a group, and has not ended: one whose parent is slow to notice its end is still there."""
    try:
        state, _, its_group = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
    except OSError:
        return False
    return its_group == str(group) and state not in "ZX"
