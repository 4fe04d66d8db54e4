"""An exit that a signal asks for stays one, wherever it comes."""

import threading

import pytest

from luigi_tasks.runs import signals


def test_keep_exits__an_exit_that_became_an_error_is_one_again(monkeypatch):
    monkeypatch.setattr(signals, "_received", 15)
    lock = threading.Lock()
    with pytest.raises(SystemExit) as ended, signals.keep_exits(), lock:
        lock.release()  # as in the start of a thread: the lock is not taken when it is released
        raise SystemExit(143)
    assert (ended.value.code, ended.value.__cause__, ended.value.__suppress_context__) == (143, None, True)


@pytest.mark.parametrize(("received", "cause"), [(None, SystemExit(1)), (15, ValueError("x"))])
def test_keep_exits__any_other_error_stays_what_it_is(monkeypatch, received, cause):
    monkeypatch.setattr(signals, "_received", received)
    with pytest.raises(RuntimeError), signals.keep_exits():
        try:
            raise cause
        except BaseException:
            raise RuntimeError("lost")  # noqa: B904 - as a library does
