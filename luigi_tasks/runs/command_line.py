"""Says in a sentence that luigi's command line names no task, where Luigi itself ends with a traceback."""

import re
import sys
from collections.abc import Iterable
from types import TracebackType

from luigi.task_register import TaskClassException

NO_TASK = re.compile(r"No task (.*)\. (?:Did you mean|Candidates are)", re.DOTALL)
"""How Luigi says that there is no such task."""


def name_tasks_on_error(tasks: Iterable[str]) -> None:
    """Have the program luigi, which exits with 1 for an error that nobody handles, name the tasks if it is that one."""

    def show_error(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        found = NO_TASK.match(str(error))
        if isinstance(error, TaskClassException) and found:
            sys.stderr.write(
                f"luigi: there is no task {found[1]!r}; expected one of: {', '.join(tasks)}; nothing was started\n"
            )
        else:
            sys.__excepthook__(kind, error, traceback)

    sys.excepthook = show_error
