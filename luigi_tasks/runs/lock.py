"""The run lock: all runs on the same checkpoints share it, so only one runs at a time.

Luigi's own lock compares command lines, and lets two different ones overlap.
"""

import fcntl
import logging
import os

from luigi.interface import PidLockAlreadyTakenExit

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError

logger = logging.getLogger(__name__)

_handle: int | None = None
_holder: int | None = None
"""Id of the process that took the lock; its forks inherit the handle."""


def is_held() -> bool:
    """Return whether this process took the lock itself, rather than being a fork of the one that did."""
    return _holder == os.getpid()


def take_lock() -> bool:
    """Take the lock until this process ends. Returns True if this call took it, False if the process had it already.

    Exits with Luigi's exit code 10 if another run holds the lock. Raises PipelineError if the file cannot be written.
    """
    global _handle, _holder
    if _handle is not None:
        return False
    path = paths.run_lock()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {path.parent}: cannot be written ({error.strerror}); make it writable, or set "
            "[checkpoints] folder in luigi.cfg"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        logger.warning("another run is at work and holds %s; nothing is done", path)
        raise PidLockAlreadyTakenExit from None
    _handle = handle
    _holder = os.getpid()
    return True
