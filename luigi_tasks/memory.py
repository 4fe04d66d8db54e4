"""How much memory a run may use: that of the machine, or less where a container, a service or a slice is limited."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
"""A line for each hierarchy: its number, its controllers (none: version 2), and the group of this process in it."""


def measure_memory() -> int:
    """Return the bytes that this process and its children may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _list_limit_files():
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            memory = min(memory, int(limit.read_text(encoding="ascii")))
    return memory


def format_memory() -> str:
    """Return the memory in words: `600 MB of memory`."""
    return f"{measure_memory() >> 20:,} MB of memory"


def _list_limit_files() -> Iterator[Path]:
    """Yield the files that may limit this process: those of its groups and of all groups above them.

    A container may not see the names of its groups as they are outside: the top is its own group then.
    """
    lines = []
    with contextlib.suppress(OSError):  # a system without them
        lines = OWN_CGROUPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    groups = [PurePosixPath("/")]
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            groups += [PurePosixPath(group), *PurePosixPath(group).parents]
    for each in dict.fromkeys(groups):
        below = str(each).lstrip("/")
        yield CGROUPS / below / "memory.max"
        yield CGROUPS / "unified" / below / "memory.max"
        yield CGROUPS / "memory" / below / "memory.limit_in_bytes"
