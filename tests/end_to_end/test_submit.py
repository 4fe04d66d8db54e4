"""Spark started in either way leaves the same checkpoints, and nothing of it is left over, however a run ends."""

import os
import signal
import time

import psutil
import pytest
from project import MakeProject, Project, wait_for

BATCHES: dict[str, object] = {
    "2026-01-01": [{"user_id": "u1", "age": 7, "posts": [{"post_id": "p1", "comments": [{"comment": "x"}] * 2}]}] * 2,
    "2026-01-02": [{"user_id": f"u{number}", "mood": "odd"} for number in range(50)],
    "2026-01-03": "[{",
}
CLEAN_ALL = ("Clean", "--Clean-batch", "/".join(BATCHES))
PROGRAMS = {"shared": {"session.py"}, "submit": {"extract.py", "clean.py"}}


def land(project: Project) -> None:
    for name, content in BATCHES.items():
        project.land(f"{name}/export.json", content)


def clean_all(project: Project) -> None:
    ended = project.run(*CLEAN_ALL)
    assert ended.code == 0, ended.output


def list_logs(project: Project) -> set[str]:
    return {path.name for path in project.folder.glob("logs/*/spark*.log")}


def list_commands(project: Project) -> list[list[str]]:
    """The command lines of the processes that were started in the project's folder, and have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def expected(make_project: MakeProject) -> dict[str, str]:
    """What the run's own session leaves."""
    project = make_project()
    land(project)
    clean_all(project)
    assert list_logs(project) == {"spark.log"}
    return project.digest_checkpoints()


def test_clean__by_a_spark_submit_of_its_own_leaves_what_the_session_leaves(project, expected):
    project.set({"spark": {"session": "submit"}})
    land(project)
    clean_all(project)
    assert list_logs(project) == {"spark_extract.log", "spark_clean.log"}
    assert project.digest_checkpoints() == expected
    assert {path.split("/")[0] for path in expected} == {"extract", "clean"}
    assert len([path for path in expected if path.endswith(".parquet")]) > 5


@pytest.mark.parametrize("session", ["shared", "submit"])
def test_run__that_is_killed_leaves_nothing_of_spark(project, tmp_path, session):
    project.set({"spark": {"session": session}})
    land(project)
    run = project.start(*CLEAN_ALL, TMPDIR=str(tmp_path))

    def list_drivers() -> set[str]:
        """The programs of ours that a Python runs which spark-submit has started."""
        lines = list_commands(project)
        return {line[1].rpartition("/")[2] for line in lines if len(line) > 1 and "/spark_jobs/" in line[1]}

    wait_for("a driver", lambda: list_drivers() & PROGRAMS[session], seconds=60)
    time.sleep(1)
    lines = list_commands(project)
    assert len([line for line in lines if "org.apache.spark.deploy.SparkSubmit" in line]) == 1
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    wait_for("the end of all", lambda: not list_commands(project), seconds=60)
    assert list(tmp_path.iterdir()) == []
