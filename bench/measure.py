"""Runs a child and measures it with everything it starts, from /proc: seconds, CPU seconds, memory. Linux only.

A process belongs to the child when it carries the child's marker in its environment, or when it works in the data
folder of the child's PostgreSQL: the embedded server is started with an environment, a session and a parent of its own.
"""

import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

MARKER = "SOCIALMART_BENCH"
SECONDS_BETWEEN_LOOKS = 0.2
LARGEST_SHARE_OF_A_CORE = 0.05
"""What looking may cost: where one look takes long, the next waits longer."""

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
POSTGRES, OTHER = "postgres", "other"
ROLES = (
    (re.compile(r"(\S*/)?postgres\b"), POSTGRES),
    (re.compile(r"(\S*/)?(java |bash \S*/spark-(submit|class) )"), "java"),
    (re.compile(r".* -m pyspark\.(daemon|worker)\b"), "python workers"),
    (re.compile(r".*\bspark_jobs\b"), "spark's python"),
    (re.compile(r".*(/dbt\w* | -m luigi_tasks\.dbt\.)"), "dbt"),
    (re.compile(r".*/luigi "), "luigi"),
    (re.compile(r".* -m bench\.floor\b"), "floor"),
)
"""What a command line begins with, and how people call the process."""


@dataclass(frozen=True)
class Process:
    """A process as it stands: CPU seconds of its own and of its children that have ended, bytes of memory.

    `rss` counts pages that it shares with others in full, `pss` its part of them.
    """

    identity: tuple[int, str]
    role: str
    cpu_seconds: float
    ended_cpu_seconds: float
    rss: int
    pss: int


@dataclass
class Role:
    """What all processes of one role took together at the most, and the largest of them."""

    cpu_seconds: float = 0.0
    peak_rss: int = 0
    peak_pss: int = 0
    largest_rss: int = 0


@dataclass(frozen=True)
class Measurement:
    """What a child and all it started took. `stages` are seconds, as the child told them."""

    seconds: float
    cpu_seconds: float
    peak_pss: int
    roles: dict[str, Role]
    stages: dict[str, float] = field(default_factory=dict)


def measure(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, server_data: Path
) -> tuple[int, Measurement]:
    """Run a command to its end in `folder`; its exit code, and what it took.

    Its output goes to `log`; `server_data` is the data folder of its PostgreSQL, running or not.
    """
    marker = str(uuid.uuid4())
    watch = Watch(f"{MARKER}={marker}", server_data)
    os.sync()  # what was written before is not this child's to wait for
    with log.open("wb") as output, ThreadPoolExecutor(1) as thread:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, MARKER: marker},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watching = thread.submit(watch.run)
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            watch.end()
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        watching.result()
    waited_for = used.ru_utime + used.ru_stime + watch.server_cpu_seconds
    seen = sum(role.cpu_seconds for role in watch.roles.values())  # more, where a child did not wait for one of its own
    cpu_seconds = max(waited_for, seen)
    return child.returncode, Measurement(round(seconds, 3), round(cpu_seconds, 2), watch.peak_pss, watch.roles)


class Watch:
    """Looks at all processes of a child again and again, and keeps the peaks."""

    def __init__(self, marker: str, server_data: Path) -> None:
        self.peak_pss = 0
        self.roles: dict[str, Role] = {}
        self.server_cpu_seconds = 0.0
        self._marker, self._server_data = marker.encode(), str(server_data)
        self._cpu: dict[tuple[int, str], tuple[str, float]] = {}
        self._server_before = _of_server(self._processes())
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until the end."""
        pause = 0.0
        while not self._ended.wait(pause):
            started = time.monotonic()
            self.look()
            pause = max(SECONDS_BETWEEN_LOOKS, (time.monotonic() - started) / LARGEST_SHARE_OF_A_CORE)

    def end(self) -> None:
        """Have `run` return."""
        self._ended.set()

    def look(self) -> None:
        """Take in what the processes are using now."""
        seen = list(self._processes())
        self.peak_pss = max(self.peak_pss, sum(process.pss for process in seen))
        self._cpu |= {process.identity: (process.role, process.cpu_seconds) for process in seen}
        for name in {process.role for process in seen}:
            role, of_role = self.roles.setdefault(name, Role()), [each for each in seen if each.role == name]
            role.peak_rss = max(role.peak_rss, sum(process.rss for process in of_role))
            role.peak_pss = max(role.peak_pss, sum(process.pss for process in of_role))
            role.largest_rss = max(role.largest_rss, *(process.rss for process in of_role))
            role.cpu_seconds = round(sum(seconds for known, seconds in self._cpu.values() if known == name), 2)
        self.server_cpu_seconds = max(self.server_cpu_seconds, _of_server(seen) - self._server_before)
        if POSTGRES in self.roles:
            self.roles[POSTGRES].cpu_seconds = round(self.server_cpu_seconds, 2)

    def _processes(self) -> Iterator[Process]:
        """The child's processes, its server's among them."""
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                try:
                    if self._belongs(place):
                        yield _read(place)
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue  # it has just ended, or is somebody else's

    def _belongs(self, process: Path) -> bool:
        return (
            self._marker in (process / "environ").read_bytes().split(b"\0")
            or os.readlink(process / "cwd") == self._server_data
        )


def _read(place: Path) -> Process:
    status = (place / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    own, ended = (sum(map(int, pair)) / TICKS_A_SECOND for pair in (status[11:13], status[13:15]))
    command = (place / "cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    memory = dict(line.split(":", 1) for line in (place / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:])
    rss, pss = (int(memory[name].split()[0]) * 1024 for name in ("Rss", "Pss"))
    return Process((int(place.name), status[19]), role_of(command), own, ended, rss, pss)


def role_of(command: str) -> str:
    """How people call a process with this command line."""
    return next((name for pattern, name in ROLES if pattern.match(command)), OTHER)


def _of_server(processes: Iterator[Process] | list[Process]) -> float:
    """The CPU seconds of a server and of those of its processes that have ended."""
    server = [process for process in processes if process.role == POSTGRES]
    return sum(process.cpu_seconds + process.ended_cpu_seconds for process in server)
