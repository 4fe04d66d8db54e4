"""Children (spark-submit, dbt): started in a process group of their own, logged to a file, ended with their parent."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|^PG|^DBT_|_NOTIFY$", re.IGNORECASE)
TAIL_LINES = 12
SECONDS_TO_END = 10
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
    """End a child and all that it started: asked first, then forced."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(SECONDS_TO_END)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child, or something that it started, is still there."""
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True
