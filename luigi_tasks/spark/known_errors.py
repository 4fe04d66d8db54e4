"""Errors of Spark that the user has to correct: how they show in its log, what they mean and what to do."""

import re
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
        "checkpoints folder {checkpoints}: {found}",
        "fix it and run again",
    ),
    Kind(
        re.compile(
            "Too many open files|File too large|Could not reserve enough space.*|[Uu]nable to create native thread"
        ),
        "a limit of this process is too low for Spark ({found})",
        "raise it (ulimit -n for open files, -f for the size of a file, -v for memory, -u for processes) and run again",
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
        re.compile("All masters are unresponsive"),
        "no Spark master answers at {spark.master}",
        "start it, or correct [spark] master, and run again",
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
        "Java is gone: it was killed, as the kernel does when memory runs out",
        "free some, lower [spark] driver_memory or the number in master local[N], and run again",
    ),
    Kind(
        re.compile(r"Python worker exited unexpectedly \(crashed\)"),
        "a Python worker of Spark was killed, as the kernel does when memory runs out",
        "free some, lower [spark] driver_memory or the number in master local[N], and run again",
    ),
)
"""The first that fits counts."""


def explain(job: str, log: Path) -> str | None:
    """One sentence on why a job failed, by what it left in its log; None where that fits no kind of error."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        text = file.read().decode(errors="backslashreplace")
    for kind in KINDS:
        if found := kind.pattern.search(text):
            filled = {
                "found": found[0].strip(),
                "checkpoints": paths.checkpoints(),
                "spark": config.read_section(config.spark),
                "driver_memory": resources.choose_driver_memory(),
            }
            meaning = kind.meaning.format(**filled)
            return f"{job}: {meaning}; nothing was changed; {kind.advice}; the whole log: {log}"
    return None
