"""What a child took, of real children."""

import os
import sys

import pytest

from bench.measure import find_role, measure_child

GRANDCHILD = """
import time
text, started = b"x" * 200_000_000, time.process_time()
while time.process_time() < started + 0.6:
    pass
"""
CHILD = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {GRANDCHILD!r}], start_new_session=True)
print("done")
"""


def test_measure_child__counts_what_the_child_starts_in_a_session_of_its_own(tmp_path):
    log = tmp_path / "log"
    code, measured = measure_child([sys.executable, "-c", CHILD], tmp_path, os.environ, log, tmp_path / "no server")
    assert (code, log.read_text()) == (0, "done\n")
    assert 0.6 <= measured.seconds < 30
    assert 0.6 <= measured.cpu_seconds <= 2 * measured.seconds
    assert 200e6 < measured.peak_pss < 400e6
    [(role, other)] = measured.roles.items()
    assert role == "other"
    assert 200e6 < other.largest_rss < other.peak_rss < 400e6
    assert 0.2 < other.cpu_seconds <= measured.cpu_seconds


def test_measure_child__returns_the_exit_code(tmp_path):
    code, _ = measure_child(
        [sys.executable, "-c", "raise SystemExit(30)"], tmp_path, {}, tmp_path / "log", tmp_path / "no server"
    )
    assert code == 30


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("postgres: socialmart warehouse [local] COPY ", "postgres"),
        ("/usr/lib/pginstall18/bin/postgres -D /data ", "postgres"),
        (
            "/usr/bin/java -cp /jars org.apache.spark.deploy.SparkSubmit /srv/spark_jobs/clean.py --request a ",
            "java",
        ),
        ("bash /srv/.venv/lib/pyspark/bin/spark-submit --master local[*] /srv/spark_jobs/clean.py ", "java"),
        ("/srv/.venv/bin/python -m pyspark.daemon pyspark.worker ", "python workers"),
        (
            "/srv/.venv/bin/python /srv/spark_jobs/clean.py --request a --result b ",
            "spark's python",
        ),
        ("/srv/.venv/bin/python /srv/.venv/bin/dbt --no-use-colors run --project-dir /srv/dbt_project ", "dbt"),
        ("/srv/.venv/bin/python /srv/spark_jobs/session.py --address /tmp/a/socket ", "spark's python"),
        ("/srv/.venv/bin/python -m luigi_tasks.dbt.service /srv/models /srv/target --address /tmp/a/socket ", "dbt"),
        ("/srv/.venv/bin/python /srv/.venv/bin/luigi --module luigi_tasks RunAll ", "luigi"),
        ("/srv/.venv/bin/python -m bench.floor /srv/landing ", "floor"),
        ("/bin/sh -c true ", "other"),
    ],
)
def test_find_role__knows_processes_by_their_command_lines(command, role):
    assert find_role(command) == role
