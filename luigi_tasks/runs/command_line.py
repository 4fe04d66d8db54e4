"""Says in a sentence that luigi's command line names no task, where Luigi itself ends with a traceback."""

import re
import sys
from collections.abc import Sequence
from types import TracebackType

from luigi.task_register import TaskClassException

NO_TASK = re.compile(r"No task (.*)\. (?:Did you mean|Candidates are)", re.DOTALL)
"""How Luigi says that there is no such task."""


def name_tasks_on_error(tasks: Sequence[str]) -> None:
    """Have the program luigi, which exits with 1 for an error that nobody handles, name the tasks if it is that one."""

    def show_error(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        fault = describe_fault(error, tasks)
        if fault:
            sys.stderr.write(f"{fault}\n")
        else:
            sys.__excepthook__(kind, error, traceback)

    sys.excepthook = show_error


def describe_fault(error: BaseException, tasks: Sequence[str]) -> str | None:
    """Return what is wrong with the command line, if the error is that it names no task."""
    found = NO_TASK.match(str(error))
    if not (found and isinstance(error, TaskClassException)):
        return None
    return f"luigi: there is no task {found[1]!r}; expected one of: {', '.join(tasks)}; nothing was started"
