"""How a run ends when it is told to: in good order, whenever SIGTERM, SIGHUP or Ctrl-C comes, and in bounded time.

Imports nothing of ours: the program has to handle signals before it imports the rest.
"""

import contextlib
import logging  # noqa: F401  # before our own functions at a fork: see handle_signals
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

SECONDS_TO_EXIT_LATER = 0.05
"""How long after Python dropped an exit, or would have, it is raised: long enough to be out of the callback."""
SECONDS_TO_END = 25.0
"""How long a run may take to end in good order: systemd and Kubernetes kill after 30 s at the earliest."""

_received: int | None = None
"""The signal that told the run to end."""
_is_forking = False
_came_at_a_fork = False


@cache
def handle_signals() -> None:
    """Have SIGTERM, SIGHUP and Ctrl-C end the run in good order: Luigi ends its workers, and they their children.

    SIGHUP stays ignored under nohup.

    Not while this process forks: Python calls functions around a fork and drops what is raised in them, and a lock that
    one of them was about to release (logging's) stays taken for ever. Ours are registered after logging's: they are
    called before it takes its lock, and after it releases it.
    """
    ending = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    for number in ending:
        signal.signal(number, _exit)
    signal.signal(signal.SIGALRM, _exit_later)
    sys.unraisablehook = _exit_after_all
    os.register_at_fork(before=_begin_fork, after_in_parent=_end_fork, after_in_child=_begin_child)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(reader, ending), daemon=True).start()


def get_received() -> int | None:
    """Return the signal that told the run to end, if one did."""
    return _received


def exit_if_told() -> None:
    """Exit where a signal came before, and some library caught the exit and went on."""
    if _received is not None:
        sys.exit(128 + _received)


@contextmanager
def keep_exits() -> Iterator[None]:
    """Have an exit that comes in the block leave it as one, whatever a library makes of it on the way.

    In the middle of starting a thread it becomes a RuntimeError: a lock that was to be released is not taken.
    """
    try:
        yield
    except Exception as error:
        if _received is None or not _follows_exit(error):
            raise
        raise SystemExit(128 + _received) from None


def _follows_exit(error: BaseException) -> bool:
    context = error.__context__
    return context is not None and (isinstance(context, SystemExit) or _follows_exit(context))


def _end_in_time(reader: int, ending: list[signal.Signals]) -> None:
    """End this process some time after a signal told it to, if it waits for something and cannot end by itself.

    Python writes each signal's number to the pipe at once, even while the main thread waits in a library.
    """
    number = 0
    while number not in ending:
        number = os.read(reader, 1)[0]
    time.sleep(SECONDS_TO_END)
    name = signal.Signals(number).name
    with contextlib.suppress(OSError):  # what reads it may have ended, or the disk be full
        os.write(2, f"the run did not end within {SECONDS_TO_END:g} s of {name}, and was killed; run again\n".encode())
    os._exit(128 + number)


def _exit(number: int, frame: object) -> None:
    global _received, _came_at_a_fork
    _received = number
    if _is_forking:
        _came_at_a_fork = True
    elif threading.main_thread().is_alive():  # no longer while functions registered with atexit are called
        sys.exit(128 + number)


def _exit_later(number: int, frame: object) -> None:
    exit_if_told()


def _begin_fork() -> None:
    global _is_forking
    _is_forking = True


def _end_fork() -> None:
    global _is_forking, _came_at_a_fork
    _is_forking = False
    if _came_at_a_fork:
        _came_at_a_fork = False
        signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_EXIT_LATER)


def _begin_child() -> None:
    global _is_forking, _came_at_a_fork, _received
    _is_forking, _came_at_a_fork, _received = False, False, None  # what its parent was told is its parent's
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


def _exit_after_all(lost: Any) -> None:
    """Exit a moment later where Python dropped an exit: it does in some places, such as the functions around a fork."""
    if isinstance(lost.exc_value, SystemExit) and _received is not None:
        signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_EXIT_LATER)
    else:
        sys.__unraisablehook__(lost)
