"""Settings of Luigi that the pipeline depends on: they may come from luigi.cfg, other files, or the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import luigi
from luigi.configuration.cfg_parser import LuigiConfigParser
from luigi.interface import core
from luigi.retcodes import retcode
from luigi.worker import worker

from luigi_tasks import config
from luigi_tasks.errors import PipelineError

NEEDED: Mapping[type[luigi.Config], Mapping[str, Any]] = {
    core: {
        "parallel_scheduling": False,  # forks would each ask the warehouse the same
        "assistant": False,  # would run tasks of others
        "no_lock": True,  # Luigi's lock is shared with other projects, and ends a run with 10 because of them
    },
    worker: {
        "keep_alive": False,  # waits for ever for what failed
        "check_complete_on_run": True,  # a stage is done when its target is there
        "cache_task_completion": False,  # answers of before a stage was rebuilt
        "task_limit": None,  # leaves out stages
        "timeout": 0,  # kills stages; what a stage waits for has limits of its own
    },
}
"""By section and key the one value with which the pipeline works."""
FAILURES = ("missing_data", "not_run", "task_failed", "scheduling_error", "unhandled_exception")
"""Exit codes in [retcode] of runs that did not do all they should."""


def require_fitting_settings() -> None:
    """Raise PipelineError naming each setting of Luigi with which the pipeline would hang, or do less than it says."""
    faults = []
    for section, needed in NEEDED.items():
        found = config.read_section(section)
        faults += [
            _describe_fault(section, key, getattr(found, key), str(value))
            for key, value in needed.items()
            if getattr(found, key) != value
        ]
    if (workers := config.read_section(core).workers) < 1:
        faults.append(_describe_fault(core, "workers", workers, "1 or more"))
    codes = config.read_section(retcode)
    faults += [_describe_fault(retcode, key, 0, "a code other than 0") for key in FAILURES if getattr(codes, key) == 0]
    if faults:
        raise PipelineError("; ".join(faults) + f"; set it so in luigi.cfg (Luigi reads {', '.join(list_files())})")


def _describe_fault(section: type[luigi.Config], key: str, found: object, wanted: str) -> str:
    name = section.get_task_family()
    return f"luigi.cfg, section [{name}], key {key}: {wanted} expected, {found} found, which does not fit the pipeline"


def list_files() -> list[str]:
    """The files that Luigi took settings from, later ones over earlier ones."""
    return [path for path in LuigiConfigParser._config_paths if Path(path).exists()]
