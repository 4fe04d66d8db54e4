"""A run whose environment belongs to other installations, under a locale without UTF-8: it takes none of it."""

from pathlib import Path

from project import MakeProject

PROGRAMS = ("java", "spark-submit", "spark-class", "dbt", "luigid", "postgres", "initdb", "pg_ctl", "python3")
VARIABLES = {
    "HADOOP_CONF_DIR": "/nowhere",
    "SPARK_CONF_DIR": "{folder}/conf",
    "SPARK_DIST_CLASSPATH": "/nowhere/*",
    "SPARK_HOME": "/nowhere",
    "SPARK_LOCAL_HOSTNAME": "no-such-host.example",
    "SPARK_LOCAL_DIRS": "/proc/none",
    "SPARK_REMOTE": "sc://nowhere",
    "PYSPARK_PYTHON": "/nowhere/python",
    "PYSPARK_DRIVER_PYTHON": "ipython",
    "PYSPARK_SUBMIT_ARGS": "nothing",
    "JAVA_TOOL_OPTIONS": "-javaagent:/nowhere/agent.jar",
    "_JAVA_OPTIONS": "-Xnone",
    "CLASSPATH": "/nowhere",
    "BASH_ENV": "{folder}/exits",
    "DBT_PROFILES_DIR": "/nowhere",
    "DBT_TARGET": "production",
    "http_proxy": "http://127.0.0.1:9",
    "PATH": "{folder}/bin:/usr/bin:/bin",
    "PYTHONPATH": "{folder}/modules",
    "LC_ALL": "C",
}


def make_other_installation(folder: Path) -> dict[str, str]:
    """Programs, settings and a pyspark that end whatever uses them. Returns the variables that lead there."""
    for name in ("bin", "conf", "modules"):
        (folder / name).mkdir(parents=True)
    for name in PROGRAMS:
        (folder / "bin" / name).write_text("#!/bin/sh\nexit 9\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "exits").write_text("exit 7\n")
    (folder / "conf" / "spark-defaults.conf").write_text("spark.plugins com.corp.Missing\n")
    (folder / "modules" / "pyspark.py").write_text("raise ImportError('of another installation')\n")
    return {name: value.format(folder=folder) for name, value in VARIABLES.items()}


def test_run_all__takes_nothing_of_another_installation(make_project: MakeProject, tmp_path: Path):
    project = make_project()
    project.land("é.json", [{"user_id": "ann"}])
    ran = project.run(**make_other_installation(tmp_path / "other"))
    assert ran.code == 0, ran.output
    assert project.rows("select batch, user_id from raw_data.users") == [("é", "ann")]
