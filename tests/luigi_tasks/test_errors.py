"""Errors of the system become sentences."""

import errno
import os
import threading

import pytest

from luigi_tasks.errors import PipelineError, explain_limits


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))]
)
def test_explain_limits__names_the_limit_of_processes_and_threads(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(threading.Thread, "start", fail)
    with (
        pytest.raises(PipelineError, match=r"no more processes and threads \(ulimit -u, .*run again"),
        explain_limits(),
    ):
        threading.Thread().start()


@pytest.mark.parametrize(
    "error", [RuntimeError("another"), OSError(errno.ENOENT, "no such file"), OSError("unnumbered")]
)
def test_explain_limits__leaves_other_errors_alone(error):
    with pytest.raises(type(error)) as caught, explain_limits():
        raise error
    assert caught.value is error
