"""Errors that the user can fix: each is one sentence, shown without a traceback. And how any error is described."""

import contextlib
import errno
import signal
from collections.abc import Iterator

NO_NEW_THREAD = "can't start new thread"
"""What Python says where the user may have no more threads; it has no error of its own for that."""
SIGNALLED = 128
"""Exit codes above this one are those of processes that a signal ended: 128 + its number."""


class PipelineError(Exception):
    """Bad input, a bad setting or a missing server, in one sentence: what, where, expected, found and what to do."""


class TransientError(PipelineError):
    """A failure of the warehouse that passes by itself: the same work may be tried again."""


class BatchStopped(PipelineError):
    """A batch that was refused (a broken file) or stopped by Audit: none of its data is loaded."""


@contextlib.contextmanager
def explain_limits() -> Iterator[None]:
    """Turn the failure to start a thread or a process of ours into PipelineError."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if str(error) != NO_NEW_THREAD and getattr(error, "errno", None) != errno.EAGAIN:
            raise
        raise PipelineError(
            f"the user may have no more processes and threads (ulimit -u, or the container's limit of pids: {error}); "
            "nothing was changed; raise the limit, or end other programs, and run again"
        ) from error


def describe_error(error: BaseException) -> str:
    """Return the reason that people read: a sentence of ours, a signal's name, or the error with its kind."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, SystemExit):
        return describe_exit(error.code)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def describe_exit(code: object) -> str:
    """Return in words why a process exited with a code, or with a message."""
    if not isinstance(code, int):
        return str(code or "it was ended")
    return describe_signal(code - SIGNALLED) if code > SIGNALLED else f"it ended with exit code {code}"


def describe_signal(number: int) -> str:
    """Return the reason of a run or stage that a signal ended."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"it was told to end by {name}; run again"
