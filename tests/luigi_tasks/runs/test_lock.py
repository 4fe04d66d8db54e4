"""A second run leaves with 10 while the first one lives, and raises the alarm when that one seems to hang."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from luigi.interface import PidLockAlreadyTakenExit

from luigi_tasks import config, paths, warehouse
from luigi_tasks.runs import lock
from spark_jobs.storage import ObjectPath

HOLDS = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(1, flush=True); time.sleep(1000)"
HOURS = 3600


@pytest.fixture
def held(tmp_path, monkeypatch) -> Iterator[None]:
    """The lock, held by another process."""
    monkeypatch.setattr(paths, "run_lock", lambda: tmp_path / ".run.lock")
    monkeypatch.setattr(config.read_section(config.notify), "silent_hours", 6.0)
    (tmp_path / ".run.lock").touch()
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / ".run.lock")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    yield
    holder.kill()
    holder.wait()


def write_holder(tmp_path, hours_since: float, hours_silent: float | None) -> None:
    journal = tmp_path / "journal.jsonl"
    holder = {"run": "r", "since": time.time() - hours_since * HOURS, "pid": 7, "host": "h", "journal": str(journal)}
    (tmp_path / ".run.lock").write_text(json.dumps(holder))
    if hours_silent is not None:
        journal.touch()
        told = time.time() - hours_silent * HOURS
        os.utime(journal, (told, told))


@pytest.mark.parametrize(("since", "silent"), [(1, None), (100, 5), (100, -9000), (5, 90)])
def test_take_lock__leaves_with_10_while_the_holder_tells_something(held, tmp_path, caplog, since, silent):
    write_holder(tmp_path, since, silent)
    with pytest.raises(PidLockAlreadyTakenExit):
        lock.take_lock()
    assert "another run is at work since 20" in caplog.text and "; nothing is done" in caplog.text


@pytest.mark.parametrize(("since", "silent", "hours"), [(7.21, None, "7.2"), (100, 6.21, "6.2")])
def test_take_lock__raises_the_alarm_when_the_holder_is_silent(held, tmp_path, since, silent, hours):
    write_holder(tmp_path, since, silent)
    expected = rf"another run is at work since .* UTC, and has told nothing for {hours} hours \(run r, process 7 on h\)"
    with pytest.raises(lock.SilentRunError, match=expected):
        lock.take_lock()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 1}'])
def test_take_lock__needs_no_word_of_the_holder(held, tmp_path, caplog, text):
    """An older version of the program writes none; a damaged file has none. The time of the file then counts."""
    path = tmp_path / ".run.lock"
    path.write_text(text)
    with pytest.raises(PidLockAlreadyTakenExit):
        lock.take_lock()
    assert "another run is at work since 20" in caplog.text
    taken = time.time() - 7.21 * HOURS
    os.utime(path, (taken, taken))
    with pytest.raises(lock.SilentRunError, match=r"has told nothing for 7\.2 hours \(of another version\); "):
        lock.take_lock()


def test_take_lock__allows_any_silence_where_that_is_set(held, tmp_path, monkeypatch):
    monkeypatch.setattr(config.read_section(config.notify), "silent_hours", 0.0)
    write_holder(tmp_path, 1000, None)
    with pytest.raises(PidLockAlreadyTakenExit):
        lock.take_lock()


@pytest.mark.parametrize(("since", "hours"), [(23, None), (24.1, "24"), (75, "75")])
def test_long_run__is_described_after_a_day_though_it_tells_something(tmp_path, monkeypatch, since, hours):
    monkeypatch.setattr(paths, "run_lock", lambda: tmp_path / ".run.lock")
    assert lock.describe_long_run() is None
    write_holder(tmp_path, since, 0)
    said = lock.describe_long_run()
    if hours is None:
        assert said is None
    else:
        assert said and said.startswith(
            f"another run is at work for {hours} hours (run r, process 7 on h); it gets on, "
        )


def test_take_lock__keeps_out_other_machines_by_the_warehouse_where_checkpoints_are_in_a_store(
    own_warehouse, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(paths, "run_lock", lambda: tmp_path / ".run.lock")
    monkeypatch.setattr(paths, "checkpoints", lambda: ObjectPath("s3", "lake/checkpoints"))
    for name in ("_handle", "_holder", "_session"):
        monkeypatch.setattr(lock, name, None)  # which is what they are again after the test
    monkeypatch.setattr(warehouse, "is_external", lambda: True)
    for name, value in warehouse.start_embedded().parameters.items():
        monkeypatch.setenv(name, value)
    other = warehouse.open_session()
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute("set application_name = 'run-of-another-machine'")
        cursor.execute(lock.TAKE_WAREHOUSE_LOCK)
        with pytest.raises(PidLockAlreadyTakenExit):
            lock.take_lock()
        expected = (
            "another run is at work on the warehouse and the checkpoints s3://lake/checkpoints: "
            "run-of-another-machine, from its own machine (session "
        )
        assert expected in caplog.text and not lock.is_held()
        cursor.execute(f"select pg_advisory_unlock({lock.WAREHOUSE_LOCK})")
        try:
            assert lock.take_lock() and lock.is_held()
            cursor.execute(lock.TAKE_WAREHOUSE_LOCK)
            assert cursor.fetchone() == (False,), "the run holds it"
        finally:
            if lock._handle is not None:
                os.close(lock._handle)
            if lock._session:
                lock._session.close()
    other.close()
