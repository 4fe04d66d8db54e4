"""Resources: the memory of Spark's driver and the number of its local tasks, where luigi.cfg leaves them to us."""

import os

from luigi_tasks import config
from luigi_tasks.memory import measure_memory

LEAST_DRIVER_MB, MOST_DRIVER_MB = 512, 1024
"""Spark refuses a heap below 450 MB; 1 GB is enough for ten times the reference data."""
OTHERS_MB = 512
"""For Luigi's processes, dbt, the embedded server, and what Java needs besides its heap."""
TASK_MB = 320
"""What a Python worker takes at its peak, one per local task, as long as no document is larger than some MB."""
LEAST_MB = 900
"""What a run needs in all: a driver and a single task, one after the other with dbt."""
ALL_CORES = "local[*]"


def choose_driver_memory() -> str:
    """[spark] driver_memory, or else a quarter of the memory there is, between 512m and 1g."""
    return config.read_section(config.spark).driver_memory or f"{_choose_driver_mb()}m"


def choose_master() -> str:
    """[spark] master; `local[*]` has no more tasks than fit into the memory there is."""
    master = config.read_section(config.spark).master
    if master != ALL_CORES:
        return master
    tasks = max(1, (_measure_mb() - _choose_driver_mb() - OTHERS_MB) // TASK_MB)
    return master if tasks >= _count_cores() else f"local[{tasks}]"


def _choose_driver_mb() -> int:
    return min(max(_measure_mb() // 4, LEAST_DRIVER_MB), MOST_DRIVER_MB)


def _measure_mb() -> int:
    return measure_memory() >> 20


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
