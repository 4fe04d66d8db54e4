"""A run shows up in luigid while that is there, and its history stays in the warehouse; luigid decides nothing."""

import itertools
import json
import os
import re
import signal
import subprocess
import time

import pytest
from luigids import SECONDS_TO_START, call, dashboard, list_tasks, page, send, serve
from project import MakeProject, Project, free_ports, wait_for

from luigi_tasks.cli.luigid import HOST
from luigi_tasks.runs.scheduler import is_listening

IS_LUIGID = json.dumps({"response": {"enabled": True}})


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann", "posts": [{"post_id": "p"}]}])
    return made


def use(project: Project, port: int, how: str = "auto") -> None:
    """Have runs shown by a luigid at a port."""
    project.set(
        {"core": {"default_scheduler_host": HOST, "default_scheduler_port": port}, "dashboard": {"use": how}},
    )


def users(project: Project) -> list[str]:
    return [user for (user,) in project.rows("select user_id from marts_personal.user_engagement_mart order by 1")]


def test_run__shows_up_in_luigid_and_goes_on_without_it(project):
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        ran = project.run()
        assert ran.code == 0, ran.output
        assert f"INFO luigid at {HOST}:{port} shows this run\n" in ran.output
        shown = list_tasks(port, "DONE")
        assert shown.keys() >= {f"{stage} 2026-01-01" for stage in ("Extract", "Clean", "Audit", "Load")} | {"RunAll"}
        extract = shown["Extract 2026-01-01"]
        assert re.fullmatch(r"1 row, \d+\.\d s", extract["status_message"]) and extract["progress_percentage"] == 100
        assert re.fullmatch(r"http://[\w.]+:\d+", extract["tracking_url"])
        assert 'luigi_task_started_total{family="Extract"} 1.0' in page(port, "/metrics")
        assert 'luigi_task_done_total{family="Extract"} 1.0' in page(port, "/metrics")
        assert "Extract" in page(port, "/tasklist")
        graph = call(port, "dep_graph", task_id=shown["Clean 2026-01-01"]["id"])
        assert graph[shown["Clean 2026-01-01"]["id"]]["deps"] == [extract["id"]]
    history = project.rows(
        "select name, event_name from luigi_history.tasks as tasks join luigi_history.task_events as events "
        "on tasks.id = events.task_id where name = 'Publish' order by ts"
    )
    assert [event for _, event in history] == ["PENDING", "RUNNING", "DONE"]
    project.land("2026-01-02.json", [{"user_id": "ben"}])
    assert project.run().code == 0


def test_batches_of_one_task__are_shown_each_as_done_and_with_the_host(project):
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        for batch in ("2026-02-01", "2026-02-02"):
            project.land(f"{batch}.json", [{"user_id": batch}])
        ran = project.run()
        assert "Extract 2026-02-01 and 1 more: done" in ran.output
        shown = list_tasks(port, "DONE")
        for batch in ("2026-02-01", "2026-02-02"):
            assert shown[f"Extract {batch}"]["status_message"].startswith("2 rows, ")
            assert all(shown[f"{stage} {batch}"]["tracking_url"] for stage in ("Extract", "Clean"))
        assert not any("/" in name for name in shown)
        assert [list_tasks(port, status) for status in ("PENDING", "RUNNING", "BATCH_RUNNING", "FAILED")] == [{}] * 4
    last = project.rows(
        "select tasks.name, parameters.value, (array_agg(event_name order by ts desc))[1], max(host) <> '' "
        "from luigi_history.tasks as tasks join luigi_history.task_events as events on tasks.id = events.task_id "
        "join luigi_history.task_parameters as parameters on tasks.id = parameters.task_id "
        "where parameters.name = 'batch' and parameters.value like '%2026-02-0%' group by 1, 2, tasks.id"
    )
    assert len(last) == 2 * (3 + 5)
    assert {(event, has_host) for *_, event, has_host in last} == {("DONE", True)}


def test_stage_that_failed__runs_again_although_luigid_has_it_disabled(project):
    """luigid forgets nothing by a restart, either: it keeps its state in a file."""
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        project.land("2026-01-03.json", '[{"user_id": "cyd"}, {')
        assert project.run().code == 30
        shown = list_tasks(port, "FAILED")
        assert shown.keys() == {"Audit 2026-01-03", "RunAll"}
        failed = shown["Audit 2026-01-03"]
        error = call(port, "fetch_error", task_id=failed["id"])["error"]
        assert json.loads(error).startswith(
            "batch 2026-01-03, file 2026-01-03.json: at byte 22: the array is cut short; "
        )
        assert list_tasks(port, "RUNNING") == {}
        told = {"worker": "another", "task_id": failed["id"], "family": "Audit", "params": failed["params"]}
        once = {"retry_count": 1, "disable_hard_timeout": 999, "disable_window": 999}
        call(port, "add_task", status="PENDING", retry_policy_dict=once, **told)
        call(port, "add_task", status="FAILED", expl='""', retry_policy_dict=once, **told)
        assert list_tasks(port, "DISABLED").keys() == {"Audit 2026-01-03"}
    with dashboard(project, port):
        assert list_tasks(port, "DISABLED").keys() == {"Audit 2026-01-03"}
        project.land("2026-01-03.json", [{"user_id": "cyd"}])
        assert project.run().code == 0
        assert "cyd" in users(project)
        assert "Audit 2026-01-03" in list_tasks(port, "DONE")


def test_run_that_was_ended__leaves_nothing_at_work_and_the_next_one_is_shown(project):
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        project.land("2026-01-09.json", [{"user_id": "hal"}])
        run = project.start()
        wait_for("Extract", lambda: "Extract 2026-01-09" in list_tasks(port, "RUNNING"), 60)
        run.send_signal(signal.SIGTERM)
        output = run.communicate()[0].decode()
        assert run.returncode == 128 + signal.SIGTERM and "SystemExit" not in output
        assert list_tasks(port, "RUNNING") == {}
        ended = list_tasks(port, "FAILED")["Extract 2026-01-09"]
        error = json.loads(call(port, "fetch_error", task_id=ended["id"])["error"])
        assert error == "it was told to end by SIGTERM; run again"
        assert project.run().code == 0
        assert [list_tasks(port, status) for status in ("PENDING", "RUNNING", "FAILED")] == [{}] * 3
    last = project.rows(
        "select distinct on (tasks.task_id) tasks.task_id, event_name from luigi_history.tasks as tasks "
        "join luigi_history.task_events as events on tasks.id = events.task_id "
        "order by tasks.task_id, ts desc, events.id desc"
    )
    assert {event for _, event in last} == {"DONE"}


@pytest.mark.slow
def test_exports_corrected_twice__are_loaded_twice(project):
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        for name in ("dan", "eve", "fay"):
            for batch in ("2026-01-04", "2026-01-05"):
                project.land(f"{batch}.json", [{"user_id": f"{name} {batch[-1]}"}])
            assert project.run().code == 0
            assert {f"{name} 4", f"{name} 5"} <= set(users(project))
            assert list_tasks(port, "PENDING") == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)])
def test_luigid_that_ends_or_hangs_in_the_middle__changes_nothing(project, number):
    port = free_ports(1)
    use(project, port, "always")
    user = f"gus {number}"
    project.land("2026-01-06.json", [{"user_id": user}])
    with dashboard(project, port) as process:
        [luigid] = [
            int(pid)
            for pid in subprocess.run(
                ["pgrep", "-f", f"luigid .*--port {port}"], capture_output=True, text=True, check=True
            ).stdout.split()
            if int(pid) != process.pid
        ]
        run = project.start()
        wait_for("RunAll", lambda: "Extract 2026-01-06" in list_tasks(port, "RUNNING"), 60)
        began = time.monotonic()
        os.kill(luigid, number)
        output = run.communicate(timeout=60)[0].decode()
        assert run.returncode == 0, output
        assert time.monotonic() - began < 30
        if number == signal.SIGSTOP:
            os.kill(luigid, signal.SIGCONT)
        else:
            process.wait(SECONDS_TO_START)
    assert user in users(project)


def test_luigid_that_answers_nonsense__changes_nothing(project):
    """Once it has answered as luigid, it may answer anything: a page, another task, an error, never."""
    use(project, 1, "never")
    nonsense = itertools.cycle(
        [
            lambda handler: send(handler, "<html>"),
            lambda handler: send(handler, '{"response": {"task_id": "x", "rpc_messages": [{"name": "y"}]}}'),
            lambda handler: send(handler, "no", 500),
            lambda handler: send(handler, "[" * 100_000),
            lambda handler: handler.wfile.write(b"\0" * 100),
            lambda handler: time.sleep(20),
        ]
    )

    def answer(handler, method):
        if method == "is_pause_enabled":
            send(handler, IS_LUIGID)
        else:
            next(nonsense)(handler)

    project.land("2026-01-07.json", [{"user_id": "hal"}])
    with serve(answer) as (port, asked):
        use(project, port, "always")
        began = time.monotonic()
        ran = project.run()
        assert ran.code == 0, ran.output
        assert time.monotonic() - began < 40
        assert "add_task" in asked
    assert "hal" in users(project)
    assert "Traceback" not in ran.output


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda handler, method: send(handler, "<html>welcome</html>"), "what answers there is not luigid"),
        (lambda handler, method: send(handler, "{}"), "what answers there is not luigid"),
        (lambda handler, method: send(handler, '{"response": null}'), "what answers there is not luigid"),
        (lambda handler, method: send(handler, "", 404), "Not Found"),
        (lambda handler, method: time.sleep(10), "no answer within 3 s"),
    ],
)
def test_auto__joins_only_what_answers_as_luigid(project, answer, reason):
    project.run()
    with serve(answer) as (port, asked):
        use(project, port)
        began = time.monotonic()
        ran = project.run()
        assert time.monotonic() - began < 10
    assert ran.code == 0
    assert f"INFO the run goes on without luigid: none answers at {HOST}:{port} ({reason})\n" in ran.output
    assert asked == ["is_pause_enabled"]


def test_always__goes_on_and_warns_where_there_is_none(project):
    use(project, 1, "always")
    ran = project.run()
    assert ran.code == 0
    assert f"WARNING the run goes on without luigid: none answers at {HOST}:1 (" in ran.output


def test_buttons_of_the_dashboard__decide_nothing(project):
    """Pause, and a worker that was disabled: luigid would give no work."""
    port = free_ports(1)
    use(project, port)
    with dashboard(project, port):
        call(port, "pause")
        project.land("2026-01-08.json", [{"user_id": "ida"}])
        assert project.run().code == 0
        assert "Extract 2026-01-08" in list_tasks(port, "DONE")
    assert "ida" in users(project)


def ask_as(user: str, *arguments: str) -> tuple[str, int]:
    """What curl gets as another user of this machine: the text, and the status."""
    command = ["runuser", "-u", user, "--", "curl", "--silent", "--write-out", "\n%{http_code}", *arguments]
    text, _, code = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.rpartition("\n")
    return text, int(code)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_dashboard__is_changed_by_its_own_user_or_with_its_token_and_read_by_all(project):
    port = free_ports(1)
    with dashboard(project, port):
        api = f"http://{HOST}:{port}/api"
        for method in ("pause", "disable_worker?data=%7B%22worker%22:%22w%22%7D", "forgive_failures"):
            text, status = ask_as("nobody", f"{api}/{method}")
            assert text.startswith("this changes the dashboard: only its user's") and status == 403
        assert ask_as("nobody", f"{api}/is_paused") == ('{"response": {"paused": false}}', 200)
        assert ask_as("root", f"{api}/pause")[1] == 403
        call(port, "pause")
        assert ask_as("nobody", f"{api}/is_paused") == ('{"response": {"paused": true}}', 200)
        token_file = project.folder / "logs" / ".services" / "dashboard" / "token"
        assert token_file.stat().st_mode & 0o777 == 0o600
        token = token_file.read_text().strip()
        assert ask_as("nobody", "--header", f"X-Dashboard-Token: {token}", f"{api}/unpause")[1] == 200
        assert ask_as("root", "--header", "Host: evil.example", f"{api}/task_list") == (
            "'evil.example' is no name of this dashboard; if it should be one, add it by socialmart dashboard --name\n",
            403,
        )


def test_dashboard__says_that_its_port_is_in_use(project):
    port = free_ports(1)
    with dashboard(project, port):
        ran = project.socialmart("dashboard", "--port", str(port))
    assert ran.code == 1
    expected = f"port {port} of 127.0.0.1 is in use; stop what listens there, or choose another by --port"
    assert ran.output == f"socialmart: {expected}\n"


def test_dashboard__listens_on_this_machine_only_unless_another_address_is_given(project):
    port, other = free_ports(1), "127.0.0.2"
    with dashboard(project, port):
        assert not is_listening(other, port)
    with dashboard(project, port, other):
        assert not is_listening(HOST, port)


def test_services__are_no_runs(project):
    project.land("2026-01-09.json", [{"user_id": "jim"}])
    project.run()
    last = max(path.name for path in (project.folder / "logs").glob("2*"))
    assert (project.folder / "logs" / ".services" / "dashboard" / "luigid.log").exists()
    assert project.socialmart("summary").output.splitlines()[0] == f"Run {last}"
