"""Runs a child process and measures it with everything that it starts: seconds, CPU seconds, memory. Linux only.

A process belongs to the child if it has the child's marker in its environment, or if it works in the data folder of the
child's PostgreSQL: the embedded server is started with an environment, a session and a parent of its own.
"""

import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from luigi_tasks import run_id

MARKER = run_id.VARIABLE
"""Environment variable of the child and all that it starts: the run's id, as each program gets few others."""
SECONDS_BETWEEN_SAMPLES = 0.2
"""Short enough to see the peak of a stage of about a second."""
MAX_SHARE_OF_A_CORE = 0.05
"""What sampling may cost: the longer a sample takes, the longer the pause after it."""

POSTGRES = "postgres"
OTHER = "other"
ROLES = (
    (re.compile(r"(\S*/)?postgres\b"), POSTGRES),
    (re.compile(r"(\S*/)?(java |bash \S*/spark-(submit|class) )"), "java"),
    (re.compile(r".* -m pyspark\.(daemon|worker)\b"), "python workers"),
    (re.compile(r".*\bspark_jobs\b"), "spark's python"),
    (re.compile(r".*(/dbt\w* | -m luigi_tasks\.dbt\.)"), "dbt"),
    (re.compile(r".*/luigi "), "luigi"),
    (re.compile(r".* -m bench\.floor\b"), "floor"),
)
"""The role of a process by the beginning of its command line; the first that matches counts."""


@dataclass(frozen=True)
class ProcessSample:
    """A process at one moment: its CPU seconds, those of its children that have ended, and its memory in bytes.

    `rss` counts pages that it shares with other processes in full, `pss` its part of them.
    """

    identity: tuple[int, float]
    role: str
    cpu_seconds: float
    ended_cpu_seconds: float
    rss: int
    pss: int


@dataclass
class Role:
    """CPU seconds and peak memory (bytes) of all processes of one role together, and of the largest of them."""

    cpu_seconds: float = 0.0
    peak_rss: int = 0
    peak_pss: int = 0
    largest_rss: int = 0


@dataclass(frozen=True)
class Measurement:
    """What a child and all that it started used. `stages` are seconds by stage, as the child reported them."""

    seconds: float
    cpu_seconds: float
    peak_pss: int
    roles: dict[str, Role]
    stages: dict[str, float] = field(default_factory=dict)


def measure_child(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, server_data: Path
) -> tuple[int, Measurement]:
    """Run a command in `folder`, its output to `log`; return its exit code and what it used.

    `server_data` is the data folder of its PostgreSQL server, running or not.
    """
    marker = environment.get(MARKER) or str(uuid.uuid4())
    watch = ProcessWatch(marker, server_data)
    os.sync()  # the child must not wait for what was written before
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
        watching = thread.submit(watch.run_until_stopped)
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            watch.stop()
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        watching.result()
    waited_for = used.ru_utime + used.ru_stime + watch.server_cpu_seconds
    sampled = sum(role.cpu_seconds for role in watch.roles.values())
    cpu_seconds = max(waited_for, sampled)  # sampled is more if the child did not wait for one of its own children
    return child.returncode, Measurement(round(seconds, 3), round(cpu_seconds, 2), watch.peak_pss, watch.roles)


class ProcessWatch:
    """Samples all processes of a child again and again, and keeps the peaks."""

    def __init__(self, marker: str, server_data: Path) -> None:
        self.peak_pss = 0
        self.roles: dict[str, Role] = {}
        self.server_cpu_seconds = 0.0
        self._marker = marker
        self._server_data = str(server_data)
        self._cpu_seconds: dict[tuple[int, float], tuple[str, float]] = {}
        self._server_cpu_seconds_before = _sum_server_cpu_seconds(self._sample_processes())
        self._stopped = threading.Event()

    def run_until_stopped(self) -> None:
        """Take samples until `stop` is called."""
        pause = 0.0
        while not self._stopped.wait(pause):
            started = time.monotonic()
            self.take_sample()
            pause = max(SECONDS_BETWEEN_SAMPLES, (time.monotonic() - started) / MAX_SHARE_OF_A_CORE)

    def stop(self) -> None:
        """Make `run_until_stopped` return."""
        self._stopped.set()

    def take_sample(self) -> None:
        """Add what the processes use now to the peaks and sums."""
        samples = list(self._sample_processes())
        self.peak_pss = max(self.peak_pss, sum(sample.pss for sample in samples))
        self._cpu_seconds |= {sample.identity: (sample.role, sample.cpu_seconds) for sample in samples}
        for name in {sample.role for sample in samples}:
            role = self.roles.setdefault(name, Role())
            of_role = [sample for sample in samples if sample.role == name]
            role.peak_rss = max(role.peak_rss, sum(sample.rss for sample in of_role))
            role.peak_pss = max(role.peak_pss, sum(sample.pss for sample in of_role))
            role.largest_rss = max(role.largest_rss, *(sample.rss for sample in of_role))
            role.cpu_seconds = round(sum(seconds for known, seconds in self._cpu_seconds.values() if known == name), 2)
        server_cpu_seconds = _sum_server_cpu_seconds(samples) - self._server_cpu_seconds_before
        self.server_cpu_seconds = max(self.server_cpu_seconds, server_cpu_seconds)
        if POSTGRES in self.roles:
            self.roles[POSTGRES].cpu_seconds = round(self.server_cpu_seconds, 2)

    def _sample_processes(self) -> Iterator[ProcessSample]:
        """Yield a sample of each of the child's processes, including those of its server."""
        for process in psutil.process_iter():
            try:
                if self._belongs_to_child(process):
                    yield _sample_process(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # it has just ended, or is another user's

    def _belongs_to_child(self, process: psutil.Process) -> bool:
        return process.environ().get(MARKER) == self._marker or process.cwd() == self._server_data


def _sample_process(process: psutil.Process) -> ProcessSample:
    with process.oneshot():
        command = " ".join(process.cmdline()) + " "
        cpu = process.cpu_times()
        memory = process.memory_full_info()
        return ProcessSample(
            identity=(process.pid, process.create_time()),
            role=find_role(command),
            cpu_seconds=cpu.user + cpu.system,
            ended_cpu_seconds=cpu.children_user + cpu.children_system,
            rss=memory.rss,
            pss=memory.pss,
        )


def find_role(command: str) -> str:
    """Return the role of a process by its command line, whose arguments all end in a blank."""
    return next((name for pattern, name in ROLES if pattern.match(command)), OTHER)


def _sum_server_cpu_seconds(samples: Iterable[ProcessSample]) -> float:
    """Return the CPU seconds of the server and of those of its processes that have ended."""
    return sum(sample.cpu_seconds + sample.ended_cpu_seconds for sample in samples if sample.role == POSTGRES)
