"""Errors of Spark that the user has to correct: how they show in its log, what they mean and what to do."""

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luigi_tasks import config, paths
from luigi_tasks.spark import resources

LAST_BYTES = 1_000_000
"""Size of the end of a log that is searched."""


@dataclass(frozen=True)
class Kind:
    """One kind of error. The braces in `meaning` and `advice` are filled in by `explain`."""

    pattern: re.Pattern[str]
    meaning: str
    advice: str


KINDS = (
    Kind(
        re.compile("No space left on device|Disk quota exceeded|Read-only file system|Input/output error"),
        "checkpoints folder {checkpoints}, or {temporary}, where temporary files are: {found}",
        "fix it, or set TMPDIR to another folder, and run again",
    ),
    Kind(
        re.compile("Too many open files|File too large|Could not reserve enough space.*"),
        "a limit of this process is too low for Spark ({found})",
        "raise it (ulimit -n for open files, -f for the size of a file, -v for memory) and run again",
    ),
    Kind(
        re.compile("Invalid (?:maximum|initial) heap size.*|Insufficient driver memory.*|Too small .* heap"),
        "luigi.cfg, section [spark], key driver_memory: {driver_memory!r} does not do ({found})",
        "set 512m or more, with a unit (m or g), and run again",
    ),
    Kind(
        re.compile("Could not parse Master URL.*"),
        "luigi.cfg, section [spark], key master: {spark.master!r} is none that Spark knows",
        "expected local[*], spark://host:7077, yarn or k8s://…",
    ),
    Kind(
        re.compile("Expected SaslMessage|Mismatched response|A secret key must be specified"),
        "the processes of Spark at {spark.master} ask for a secret that this project does not have",
        "name the file with spark.authenticate and spark.authenticate.secret by [spark] properties_file, and run again",
    ),
    Kind(
        re.compile("All masters are unresponsive"),
        "no Spark master answers at {spark.master}",
        "start it, or correct [spark] master, and run again",
    ),
    Kind(
        re.compile(r"unable to create (?:new )?native thread|pthread_create failed|fork: .*|can't start new thread"),
        "the user may have no more processes and threads (ulimit -u, or the container's limit of pids: {found})",
        "raise the limit, or end other programs, and run again",
    ),
    Kind(
        re.compile(r"java\.lang\.OutOfMemoryError.*"),
        "Java has not enough memory ({found})",
        "raise [spark] driver_memory, on a cluster executor_memory too, and run again",
    ),
    Kind(
        re.compile(r"MemoryError.*|Cannot allocate memory|failed to map segment|malloc of size \d+ failed"),
        "Python has not enough memory beside Java ({found})",
        "free some, lower [spark] driver_memory or the number in master local[N], and run again",
    ),
    Kind(
        re.compile("ConnectionRefusedError|Py4JNetworkError|Answer from Java side is empty"),
        "Java is gone: it was killed, as the kernel does when memory runs out, or the CPU time of ulimit -t",
        "free some, lower [spark] driver_memory or the number in master local[N], and run again",
    ),
    Kind(
        re.compile(r"Python worker exited unexpectedly \(crashed\)"),
        "a Python worker of Spark was killed, as the kernel does when memory runs out, or the CPU time of ulimit -t",
        "free some, lower [spark] driver_memory or the number in master local[N], and run again",
    ),
)
START_KINDS = (
    Kind(
        re.compile(r"Unrecognized (?:VM )?option.*|Error opening zip file.*|agent library failed.*"),
        "Java refuses one of its options, which [spark] conf sets, or with a cluster JAVA_TOOL_OPTIONS ({found})",
        "correct it and run again",
    ),
    Kind(
        re.compile("There is insufficient memory for the Java Runtime|Could not (?:allocate|reserve) .* space.*"),
        "Java does not get the memory that it asks for ({found})",
        "raise the limit (ulimit -v, or the container's), or free some, and run again",
    ),
    Kind(
        re.compile("invalid null input: name|LoginException.*"),
        "the user id {user} has no name, which Java needs ({found})",
        "add the user to /etc/passwd and run again",
    ),
    Kind(
        re.compile("Network is unreachable|Cannot assign requested address|UnknownHostException.*|BindException.*"),
        "Java and Python do not reach each other over the network of this machine ({found})",
        "with a local master, have 127.0.0.1 up; else correct the addresses in [spark] conf; then run again",
    ),
    Kind(
        re.compile("Failed to create any local dir|Failed to create a temp directory.*"),
        "no folder for temporary files is writable: {temporary}, or spark.local.dir in [spark] conf ({found})",
        "set TMPDIR to one that is, and run again",
    ),
)
"""What keeps Spark from starting. In KINDS and here, the first that fits counts."""
NOT_STARTED = Kind(
    re.compile(r"(?:Caused by: |(?:Exception in thread \S+ |: )?[\w.$]*(?:Error|Exception): |Error:? ).*"),
    "Spark does not start ({found})",
    "correct it and run again",
)
"""Any other reason. The last of Java's causes in a log is the first in time, so it is the one to quote."""
LONGEST_CAUSE = 300
"""Characters of such a line in a message."""


def explain(job: str, log: Path) -> str | None:
    """One sentence on why a job failed, by what it left in its log; None where that fits no kind of error."""
    return _explain(job, log, KINDS)


def explain_start(log: Path) -> str:
    """One sentence on why Spark did not start, by what it left in its log."""
    job = "start of Spark"
    if explained := _explain(job, log, (*KINDS, *START_KINDS)):
        return explained
    told = [line.strip() for line in _read_end(log).splitlines() if NOT_STARTED.pattern.match(line)]
    causes = [line for line in told if line.startswith("Caused by: ")] or told or ["it left no word"]
    return _say(job, NOT_STARTED, causes[-1].removeprefix("Caused by: ").removeprefix(": ")[:LONGEST_CAUSE], log)


def _explain(job: str, log: Path, kinds: Sequence[Kind]) -> str | None:
    text = _read_end(log)
    for kind in kinds:
        if found := kind.pattern.search(text):
            return _say(job, kind, found[0].strip(), log)
    return None


def _read_end(log: Path) -> str:
    """The end of a log, where its errors are."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        return file.read().decode(errors="backslashreplace")


def _say(job: str, kind: Kind, found: str, log: Path) -> str:
    filled = {
        "found": found,
        "checkpoints": paths.checkpoints(),
        "temporary": tempfile.gettempdir(),
        "user": os.geteuid(),
        "spark": config.read_section(config.spark),
        "driver_memory": resources.choose_driver_memory(),
    }
    return f"{job}: {kind.meaning.format(**filled)}; nothing was changed; {kind.advice}; the whole log: {log}"
