"""The scheduler of a run: always one of its own. luigid only watches: it is told what happens, and decides nothing.

What luigid answers, remembers, forgets or fails to do therefore changes neither what a run does nor its exit code.
"""

import atexit
import contextlib
import fcntl
import html
import json
import logging
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from luigi import scheduler as luigi_scheduler
from luigi.interface import core
from luigi.metrics import MetricsCollectors
from luigi.scheduler import DISABLED, DONE, FAILED, RUNNING, SUSPENDED

from luigi_tasks import config, texts
from luigi_tasks.processes import child_process, environment
from luigi_tasks.runs import dashboard_token

SECONDS_TO_ANSWER = 0.5
"""luigid is on this machine or close to it."""
SECONDS_TO_JOIN = 3.0
"""How long a run waits for something that listens to answer as luigid does; includes the start of a Python."""
MESSENGER = Path(__file__).with_name("luigid_messenger.py")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FOREVER = 10**9
"""Seconds, or a number of failures, that no run reaches; luigid multiplies no further."""

OWN_SETTINGS: Mapping[str, Any] = {
    "retry_count": 1,  # a stage that failed is not tried again in the same run
    "retry_delay": -1.0,
    "disable_window": FOREVER,
    "disable_hard_timeout": FOREVER,
    "disable_persist": FOREVER,
    "stable_done_cooldown_secs": 0,
    "worker_disconnect_delay": FOREVER,  # the worker is this very process, even after a sleep or a jump of the clock
    "remove_delay": FOREVER,
    "prune_on_get_work": False,
    "batch_emails": False,
    "record_task_history": False,
    "metrics_collector": MetricsCollectors.default,
}
"""Settings of the run's own scheduler. Those in luigi.cfg, and in other files that Luigi reads, are for luigid."""
NEVER_DISABLED = {"retry_count": FOREVER, "disable_hard_timeout": FOREVER, "disable_window": 1}
"""The retry policy that luigid is told: it shows a failed stage as failed, rather than disabling it."""
ENDED = (DONE, FAILED, DISABLED)
"""States of a task that is no longer at work."""
DESCRIPTION = ("family", "module", "params", "param_visibilities", "priority", "deps")
"""What luigid is told of a stage each time, as it may have been restarted in between."""

logger = logging.getLogger(__name__)

_messenger: "Messenger | None" = None


def is_listening(host: str, port: int) -> bool:
    """Return whether something accepts connections at an address."""
    return find_connection_error(host, port, SECONDS_TO_ANSWER) is None


def find_connection_error(host: str, port: int, seconds: float) -> str | None:
    """Return why an address accepts no connection within some seconds, or None if it does."""
    try:
        socket.create_connection((host, port), seconds).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None


def get_luigid_url(settings: core) -> str:
    """Return luigid's URL from [core]: scheduler_url, or one made from scheduler_host and scheduler_port."""
    return settings.scheduler_url or f"http://{settings.scheduler_host}:{settings.scheduler_port}"


def get_luigid_address(settings: core) -> tuple[str, int]:
    """Return luigid's host and port from [core]."""
    url = urlsplit(get_luigid_url(settings))
    return url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)


def is_watched() -> bool:
    """Return whether luigid is told of this run."""
    return _messenger is not None


def find_luigid() -> None:
    """Have luigid told of the run that begins, if [dashboard] use wants that and luigid answers."""
    global _messenger
    use = config.read_section(config.dashboard).use
    if use == "never" or _messenger is not None:
        return
    settings = config.read_section(core)
    host, port = get_luigid_address(settings)
    if use == "auto" and host in LOOPBACK and not is_listening(host, port):
        return  # the usual case of a machine without luigid: no program is started to find that out
    messenger = Messenger(get_luigid_url(settings))
    reason = messenger.find_fault()
    if reason is None:
        _messenger = messenger
        atexit.register(messenger.close)
        logger.info("luigid at %s:%d shows this run", host, port)
        return
    messenger.close()
    text = f"the run goes on without luigid: none answers at {host}:{port} ({reason})"
    if use == "always":
        logger.warning(text)
    else:
        logger.info(text)


def find_luigid_fault(settings: core) -> str | None:
    """Return why runs would not be shown by luigid, or None if they would: it is asked as they ask it."""
    messenger = Messenger(get_luigid_url(settings))
    try:
        return messenger.find_fault()
    finally:
        messenger.close()


class Messenger:
    """The program that tells luigid: see luigid_messenger.py. Telling it something takes one write to a file."""

    def __init__(self, url: str) -> None:
        self._calls = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # for the whole run, and its forks
        fcntl.fcntl(self._calls, fcntl.F_SETFL, fcntl.fcntl(self._calls, fcntl.F_GETFL) | os.O_APPEND)
        self._write(json.dumps([url, dashboard_token.read_token(is_here=urlsplit(url).hostname in LOOPBACK)]))
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(MESSENGER), str(SECONDS_TO_JOIN)],
            env=environment.make_environment(environment.BASIC),
            stdin=self._calls,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=child_process.make_preexec(),
        )

    def find_fault(self) -> str | None:
        """Return why luigid is not told, or None if it is. Waits for SECONDS_TO_JOIN at most."""
        assert self._process.stdout is not None
        answer, until = b"", time.monotonic() + SECONDS_TO_JOIN
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._process.stdout.fileno(), 1 << 12) if ready else b""
            if not chunk:
                return f"no answer within {SECONDS_TO_JOIN:g} s"
            answer += chunk
        return answer.decode().strip() or None

    def tell(self, method: str, **arguments: Any) -> None:
        """Tell luigid something. What cannot be written is lost, and the run goes on."""
        self._write(json.dumps([method, make_showable(arguments)], default=str))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._calls.write(line.encode() + b"\n")  # in one piece, also beside other processes

    def close(self) -> None:
        """Have the calls that are left delivered, for a bounded time, and end the program."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        child_process.end_group(self._process)


def make_showable(value: Any) -> Any:
    """Return an argument of a call as luigid can show and record it: all texts in it are safe, of bounded length."""
    match value:
        case str():
            return texts.format_lines(value)
        case dict():
            return {make_showable(name): make_showable(each) for name, each in value.items()}
        case list() | tuple() | set():
            return [make_showable(each) for each in value]
    return value


class RunScheduler(luigi_scheduler.Scheduler):
    """Luigi's scheduler, inside the run, which tells luigid of every task what Luigi's worker tells the scheduler.

    A task that does the work of several, batched ones, is shown as these.
    """

    def __init__(self) -> None:
        super().__init__(config=luigi_scheduler.scheduler(**OWN_SETTINGS))
        self._descriptions: dict[str, dict[str, Any]] = {}
        self._batched_ids: dict[str, Sequence[str]] = {}
        """Ids of tasks that one task does the work of, by its batch id and by its task id."""
        self._at_work: dict[str, str] = {}
        """Ids of the tasks that luigid shows as running, each with the worker that it was told of."""
        self._done: set[str] = set()
        """Ids of the tasks that luigid shows as done. Told so again, it would drop the address of the task's page."""

    def add_task(self, **task: Any) -> None:
        """Note a task's new state."""
        super().add_task(**task)
        task_id, batch_id = task["task_id"], task.get("batch_id")
        if batch_id is not None:
            self._batched_ids[task_id] = self._batched_ids[batch_id]
            return  # `get_work` has told of it
        for each in self._list_shown(task_id):
            told = {name: value for name, value in task.items() if name not in (*DESCRIPTION, "new_deps", "task_id")}
            self._tell_task(each, **self._describe(each, task), **told)

    def get_work(self, **asked: Any) -> dict[str, Any]:
        """Choose the next task. luigid is told which: it may not choose for itself, but its history needs the host."""
        work: dict[str, Any] = super().get_work(**asked)
        task_ids = work.get("batch_task_ids") or [work["task_id"]]
        if "batch_id" in work:
            self._batched_ids[work["batch_id"]] = task_ids
        for task_id in filter(None, task_ids):
            worker, host = asked["worker"], asked["host"]
            description = self._descriptions.get(task_id, {})
            self._tell_task(task_id, worker=worker, status=SUSPENDED, can_run=True, **description)
            self._tell("get_work", worker=worker, host=host)  # of all tasks of this worker, only this one can run
            self._tell_task(task_id, worker=worker, status=RUNNING, can_run=True, **description)
        return work

    def add_worker(self, worker: str, info: Any, **kwargs: Any) -> None:
        """Note the worker of this run."""
        super().add_worker(worker, info, **kwargs)
        self._tell("add_worker", worker=worker, info=info)

    def ping(self, **kwargs: Any) -> dict[str, Any]:
        """Note that the worker lives."""
        self._tell("ping", **kwargs)
        return dict(super().ping(**kwargs))

    def set_task_status_message(self, task_id: str, status_message: str) -> None:
        """Show how far a task is, in words, which luigid's page takes for HTML."""
        for each in self._list_shown(task_id):
            self._tell("set_task_status_message", task_id=each, status_message=html.escape(status_message))

    def set_task_progress_percentage(self, task_id: str, progress_percentage: int) -> None:
        """Show how far a task is, in percent."""
        for each in self._list_shown(task_id):
            self._tell("set_task_progress_percentage", task_id=each, progress_percentage=progress_percentage)

    def end_running(self, reason: str) -> None:
        """Show the tasks that are at work when the run ends as failed: nobody else would, and the next run is another
        worker, from which luigid takes no word about them."""
        for task_id, worker in list(self._at_work.items()):
            self._tell_task(task_id, worker=worker, status=FAILED, expl=json.dumps(reason))

    def _list_shown(self, task_id: str) -> Sequence[str]:
        """The ids under which luigid shows a task."""
        return self._batched_ids.get(task_id, [task_id])

    def _describe(self, task_id: str, task: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of a task that luigid shows: it is said when the task is scheduled, by its own id."""
        known = self._descriptions.setdefault(task_id, {})
        if task_id == task["task_id"]:
            known |= {name: task[name] for name in DESCRIPTION if task.get(name) is not None}
            known["deps"] = list(dict.fromkeys([*(known.get("deps") or ()), *(task.get("new_deps") or ())]))
        return known

    def _tell_task(self, task_id: str, can_run: bool = False, **task: Any) -> None:
        if task["status"] != DONE:
            self._done.discard(task_id)
        elif task_id in self._done:
            return
        else:
            self._done.add(task_id)
        if task["status"] == luigi_scheduler.PENDING:
            self._tell("re_enable_task", task_id=task_id)
        if task["status"] == RUNNING:
            self._at_work[task_id] = task["worker"]
        elif task["status"] in ENDED:
            self._at_work.pop(task_id, None)
        own = {"batchable": False, "runnable": can_run, "retry_policy_dict": NEVER_DISABLED}
        self._tell("add_task", **(task | own), task_id=task_id)

    def _tell(self, method: str, **arguments: Any) -> None:
        if _messenger is not None:
            _messenger.tell(method, **arguments)
