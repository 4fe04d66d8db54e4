"""Where luigid is looked for, what it is told, and that the run's own scheduler decides."""

import json
from typing import Any

import luigi
import pytest
from luigi.interface import core
from luigi.scheduler import DISABLED, DONE, FAILED, PENDING, RUNNING, SUSPENDED

from luigi_tasks.runs import scheduler
from luigi_tasks.runs.scheduler import RunScheduler


class Told(scheduler.Messenger):
    """Keeps what luigid is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def tell(self, method: str, **arguments: Any) -> None:
        self.calls.append((method, json.loads(json.dumps(arguments, default=str))))


@pytest.fixture
def told(monkeypatch) -> Told:
    found = Told()
    monkeypatch.setattr(scheduler, "_messenger", found)
    return found


@pytest.fixture
def settings():
    """Luigi's settings, to be set; they are as they were afterwards."""
    parser = luigi.configuration.get_config()
    yield parser
    parser.remove_section("scheduler")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://luigid.example.net:9000/", ("luigid.example.net", 9000)),
        ("http://luigid.example.net/luigi/", ("luigid.example.net", 80)),
        ("https://luigid.example.net", ("luigid.example.net", 443)),
        ("", ("localhost", 8082)),
    ],
)
def test_place__is_what_the_url_says_before_host_and_port(url, place):
    assert scheduler.get_luigid_address(core(scheduler_url=url)) == place


def add(own: RunScheduler, task_id: str, status: str = PENDING, **more: Any) -> None:
    own.add_task(
        worker="w", task_id=task_id, status=status, family="Extract", params={"batch": task_id}, runnable=True, **more
    )


def work(own: RunScheduler) -> dict[str, Any]:
    return own.get_work(worker="w", host="h", assistant=False, current_tasks=[])


def statuses(told: Told) -> list[tuple[str, str]]:
    return [(call["task_id"], call["status"]) for method, call in told.calls if method == "add_task"]


def test_task__is_shown_from_pending_to_done_and_luigid_chooses_nothing_else(told):
    own = RunScheduler()
    add(own, "a")
    add(own, "b")
    assert work(own)["task_id"] == "a"
    add(own, "a", DONE)
    assert statuses(told) == [("a", PENDING), ("b", PENDING), ("a", SUSPENDED), ("a", RUNNING), ("a", DONE)]
    can_run = [call["task_id"] for method, call in told.calls if method == "add_task" and call["runnable"]]
    assert set(can_run) == {"a"}
    assert all(call["params"] == {"batch": call["task_id"]} for method, call in told.calls if method == "add_task")


def test_batch__is_shown_as_its_tasks(told):
    own = RunScheduler()
    own.add_task_batcher(worker="w", task_family="Extract", batched_args=["batch"])
    for task_id in "ab":
        add(own, task_id, batchable=True)
    found = work(own)
    assert found["batch_task_ids"] == ["a", "b"]
    told.calls.clear()
    own.add_task(worker="w", task_id="ab", status=RUNNING, batch_id=found["batch_id"], params={"batch": "a/b"})
    own.set_task_status_message("ab", "half")
    own.set_task_progress_percentage("ab", 50)
    own.add_task(worker="w", task_id="ab", status=RUNNING, tracking_url="http://spark")
    own.add_task(worker="w", task_id="ab", status=FAILED, expl='"why"', params={"batch": "a/b"}, resources={})
    assert [(method, call["task_id"]) for method, call in told.calls] == [
        *(("set_task_status_message", task_id) for task_id in "ab"),
        *(("set_task_progress_percentage", task_id) for task_id in "ab"),
        *(("add_task", task_id) for task_id in "abab"),
    ]
    assert statuses(told)[2:] == [("a", FAILED), ("b", FAILED)]
    assert [call["params"] for _, call in told.calls[-2:]] == [{"batch": "a"}, {"batch": "b"}]
    assert [call.get("tracking_url") for _, call in told.calls[-4:]] == ["http://spark", "http://spark", None, None]


def test_task_that_is_done__is_told_so_once_until_it_runs_again(told):
    own = RunScheduler()
    add(own, "a")
    for status in (RUNNING, DONE, DONE, RUNNING, DONE, DONE):
        own.add_task(worker="w", task_id="a", status=status)
    assert [status for _, status in statuses(told)][-4:] == [RUNNING, DONE, RUNNING, DONE]


def test_tasks_at_work__are_shown_as_failed_when_the_run_ends(told):
    own = RunScheduler()
    for task_id in "abc":
        add(own, task_id)
    assert work(own)["task_id"] == "a"
    add(own, "a", DONE)
    assert work(own)["task_id"] == "b"
    told.calls.clear()
    own.end_running("it was told to end by SIGTERM; run again")
    [(method, call)] = told.calls
    assert (method, call["task_id"], call["status"], call["worker"]) == ("add_task", "b", FAILED, "w")
    assert json.loads(call["expl"]) == "it was told to end by SIGTERM; run again"
    own.end_running("again")
    assert len(told.calls) == 1


def test_status__is_text_on_a_page_that_takes_it_for_html(told):
    RunScheduler().set_task_status_message("a", "<img src=x onerror=alert(1)> & more")
    assert told.calls[0][1]["status_message"] == "&lt;img src=x onerror=alert(1)&gt; &amp; more"


def test_luigid__is_told_texts_that_it_can_show_and_record():
    told = {"params": {"batch": "a\0\x1b\u2028b"}, "deps": ["c\ud800"], "expl": "x\ny" * 20_000, "priority": 1}
    shown = scheduler.make_showable(told)
    assert (shown["params"], shown["deps"], shown["priority"]) == ({"batch": "a\\x00\\x1b\\u2028b"}, ["c\\ud800"], 1)
    assert shown["expl"].startswith("x\ny") and len(shown["expl"]) < 21_000


def test_dependencies__found_while_a_task_runs_stay_known(told):
    own = RunScheduler()
    add(own, "a", deps=["x"])
    own.add_task(worker="w", task_id="a", status=PENDING, new_deps=["y"])
    add(own, "a", DONE)
    assert [call["deps"] for method, call in told.calls if method == "add_task"] == [["x"], ["x", "y"], ["x", "y"]]


def test_own_scheduler__takes_no_setting_that_is_meant_for_luigid(settings):
    """Another installation's /etc/luigi/luigi.cfg may hold any."""
    settings.read_dict({"scheduler": {"retry_count": "5", "retry_delay": "0", "stable_done_cooldown_secs": "1000"}})
    own = RunScheduler()
    add(own, "a", DONE)
    add(own, "a")
    assert work(own)["task_id"] == "a"
    add(own, "a", FAILED, expl="")
    assert work(own)["task_id"] is None
    assert own._state.get_task("a").status == DISABLED


def test_own_scheduler__goes_on_after_the_machine_slept_or_the_clock_jumped(monkeypatch):
    own = RunScheduler()
    add(own, "a")
    now = scheduler.luigi_scheduler.time.time()
    monkeypatch.setattr(scheduler.luigi_scheduler.time, "time", lambda: now + 365 * 86_400)
    own.prune()
    assert work(own)["task_id"] == "a"
