"""The same checkpoints from a Spark standalone cluster, also from one that loses a worker in the middle."""

import gzip
import json
from pathlib import Path

import pytest
from project import MakeProject, Project, free_ports, wait_for

from bench.sample import generate_documents
from luigi_tasks.processes import child_process
from luigi_tasks.spark import local_cluster

BATCH = "2026-11-23"
FILES = 60
WORKERS = 2


def land_sample(project: Project) -> None:
    documents = list(generate_documents(FILES * 120, seed=7))
    for number in range(FILES):
        project.land(f"{BATCH}/{number:03}.json.gz", gzip.compress(json.dumps(documents[number::FILES]).encode()))


@pytest.fixture(scope="module")
def expected(make_project: MakeProject) -> dict[str, str]:
    project = make_project()
    land_sample(project)
    ended = project.run("Clean", "--Clean-batch", BATCH)
    assert ended.code == 0, ended.output
    return project.digest_checkpoints()


@pytest.mark.parametrize(
    ("session", "loses_a_worker"),
    [("shared", True), *(pytest.param(session, False, marks=pytest.mark.slow) for session in ("shared", "submit"))],
    ids=str,
)
def test_clean__on_a_cluster_leaves_what_it_leaves_without(project, expected, tmp_path, session, loses_a_worker):
    port = free_ports(WORKERS + 2)
    project.set(
        {
            "spark": {
                "master": f"spark://{local_cluster.HOST}:{port}",
                "properties_file": local_cluster.find_properties(tmp_path),
                "session": session,
            }
        }
    )
    land_sample(project)
    with local_cluster.running(port, WORKERS, cores=1, memory="1g", logs=tmp_path) as (_, *workers):
        run = project.start("Clean", "--Clean-batch", BATCH)
        if loses_a_worker:
            wait_for("a part of Extract", lambda: list(project.checkpoints.rglob("*.parquet")), seconds=120)
            child_process.end_group(workers[0])
        output = run.communicate(timeout=300)[0].decode()
        assert run.returncode == 0, output
    assert project.digest_checkpoints() == expected
    assert len(executors(tmp_path)) == WORKERS, "both workers had an executor"
    spark_logs = [path.read_text() for path in project.folder.glob("logs/*/spark*.log")]
    assert len(spark_logs) == (1 if session == "shared" else 2)
    assert any("Lost executor" in log for log in spark_logs) == loses_a_worker


def executors(logs: Path) -> set[str]:
    return {path.relative_to(logs).parts[0] for path in logs.glob("worker-*/app-*/*/stderr")}
