"""The doctor's checks of limits: the memory that a run may use, and those of the process (ulimit)."""

import re
import resource

from luigi_tasks import config
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.memory import format_memory, measure_memory
from luigi_tasks.spark import resources
from luigi_tasks.spark.submit import FEWEST_OPEN_FILES

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
"""Bytes of the units of Spark's settings."""


def check_memory() -> Result:
    """Whether a run fits into the memory of the machine or the container."""
    driver, master = resources.choose_driver_memory(), resources.choose_master()
    found = f"{format_memory()}, driver_memory {driver}, master {master}"
    least = resources.LEAST_MB
    if measure_memory() < least << 20:
        return Result(WARN, f"{found}; a run needs {least:,} MB: add memory, or raise the limit of the container")
    is_set = config.read_section(config.spark).driver_memory  # else it is chosen to fit
    if is_set and _parse_size(driver) + (resources.OTHERS_MB << 20) > measure_memory():
        return Result(WARN, f"{found}; that leaves too little for the rest: set [spark] driver_memory = in luigi.cfg")
    return Result(OK, found)


def _parse_size(size: str) -> int:
    """The bytes of a size as Spark takes it, such as 1g or 512mb; 0 where it takes none, which a run will say."""
    found = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower())
    return int(found[1]) * UNITS[found[2]] if found else 0


def check_limits() -> Result:
    """Whether the limits of this process, which its children inherit, let a run work."""
    faults = [
        f"{_read_limit(limit, least):,} {words}: raise it by ulimit {option}"
        for limit, least, words, option in (
            (resource.RLIMIT_NOFILE, FEWEST_OPEN_FILES, "open files", "-n"),
            (resource.RLIMIT_FSIZE, None, "bytes of a file", "-f"),
            (resource.RLIMIT_AS, None, "bytes of address space, which Java takes in plenty", "-v"),
        )
        if _is_below(limit, least)
    ]
    return (
        Result(WARN, f"this process may have only {'; '.join(faults)}")
        if faults
        else Result(OK, "no ulimit is in the way")
    )


def _is_below(limit: int, least: int | None) -> bool:
    """Whether there is a limit, and it is below the least that will do; None: any limit is."""
    found = _read_limit(limit, least)
    return found != resource.RLIM_INFINITY and (least is None or found < least)


def _read_limit(limit: int, least: int | None) -> int:
    """The soft limit; the hard one of what Java raises by itself, where there is a least of it."""
    soft, hard = resource.getrlimit(limit)
    return soft if least is None else hard
