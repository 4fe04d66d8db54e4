"""Settings of Luigi that the pipeline depends on: they may come from luigi.cfg, other files, or the command line."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import luigi
from luigi.interface import core
from luigi.retcodes import retcode
from luigi.worker import worker

from luigi_tasks import config, settings_files
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
warnings.filterwarnings("ignore", "The configuration contains the parameter 'default_scheduler_")
"""Luigi reads these keys, as it documents, and says that it does not."""
FAILURES = ("missing_data", "not_run", "task_failed", "scheduling_error", "unhandled_exception")
"""Exit codes in [retcode] of runs that did not do all they should."""


def require_fitting_settings() -> None:
    """Raise PipelineError naming each setting of Luigi with which the pipeline would hang, or do less than it says."""
    faults = []
    for section, key, value, wanted in _list_misfits():
        name = section.get_task_family()
        faults.append(
            f"luigi.cfg, section [{name}], key {key}: {wanted} expected, {value} found, which does not fit the pipeline"
        )
    if faults:
        files = ", ".join(settings_files.list_files())
        raise PipelineError(f"{'; '.join(faults)}; set it so in luigi.cfg (Luigi reads {files})")


def _list_misfits() -> Iterator[tuple[type[luigi.Config], str, object, str]]:
    """Section and key of each setting that does not fit, its value, and the value that is expected."""
    for section, needed in NEEDED.items():
        found = config.read_section(section)
        for key, value in needed.items():
            if getattr(found, key) != value:
                yield section, key, getattr(found, key), str(value)
    workers = config.read_section(core).workers
    if workers < 1:
        yield core, "workers", workers, "1 or more"
    codes = config.read_section(retcode)
    for key in FAILURES:
        if getattr(codes, key) == 0:
            yield retcode, key, 0, "a code other than 0"
