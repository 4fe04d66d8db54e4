"""The command line of spark-submit as luigi.cfg makes it, and one run of it."""

import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from object_store import object_stores

from luigi_tasks import config, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import submit
from spark_jobs.messages import BatchToExtract, ExtractRequest, FileToRead, JobProgress
from spark_jobs.messages.operations import EXTRACT
from spark_jobs.storage import write_location


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Sets keys of [spark]."""
    monkeypatch.setattr(config.read_section_once(config.logs), "folder", str(tmp_path / "logs"))
    monkeypatch.setenv(run_id.VARIABLE, "run-1")

    def change(**values: str) -> None:
        for key, value in values.items():
            monkeypatch.setattr(config.read_section_once(config.spark), key, value)

    change(master="local[1]", conf="spark.ui.enabled=false", driver_memory="512m")
    return change


def test_build_command__has_the_settings_and_the_program(settings):
    settings(executor_memory="2g", conf="a=1|spark.driver.extraJavaOptions=-Da=b -Dc=d")
    command = submit.build_command("session")
    assert command == [
        f"{submit.find_spark_home()}/bin/spark-submit",
        *("--master", "local[1]", "--deploy-mode", "client", "--name", "socialmart"),
        *("--conf", "spark.ui.enabled=false", "--conf", "spark.ui.killEnabled=false"),
        *("--conf", "spark.authenticate=true", "--conf", "a=1"),
        *("--conf", f'spark.driver.extraJavaOptions="-Djava.io.tmpdir={tempfile.gettempdir()}" -Da=b -Dc=d'),
        *("--conf", f"spark.pyspark.driver.python={sys.executable}"),
        *("--driver-memory", "512m", "--executor-memory", "2g"),
        str(paths.SPARK_JOBS / "session.py"),
    ]


def test_build_command__of_a_driver_here_adds_javas_options_to_those_configured(settings):
    settings(conf="spark.driver.extraJavaOptions=-Da=b", master="yarn", deploy_mode="cluster")
    command = submit.build_command("session", "local[*]", "-Dc=d")
    assert command[command.index("--deploy-mode") + 1] == "client"
    assert command[command.index("--master") + 1] == "local[*]"
    assert any(word.endswith(" -Da=b -Dc=d") for word in command)


def test_build_command__on_a_cluster_leaves_java_as_it_is(settings):
    settings(master="yarn", conf="a=1")
    assert not any("extraJavaOptions" in word for word in submit.build_command("session"))


@pytest.fixture
def other_installation(monkeypatch):
    """Variables of another installation of Spark, Hadoop and Java, and keys."""
    names = ("HADOOP_CONF_DIR", "SPARK_CONF_DIR", "JAVA_TOOL_OPTIONS", "SPARK_LOCAL_IP", "AWS_ACCESS_KEY_ID")
    for name in names:
        monkeypatch.setenv(name, "other")
    for name in ("PYTHONPATH", "SPARK_HOME", "PYSPARK_PYTHON"):
        monkeypatch.setenv(name, "/other")
    return names


def test_make_environment__of_a_local_master_has_nothing_of_another_installation(settings, other_installation):
    made = submit.make_environment()
    assert {name: made[name] for name in other_installation if name in made} == {"SPARK_LOCAL_IP": "127.0.0.1"}
    assert (made["PYTHONPATH"], made["PYSPARK_PYTHON"]) == (str(paths.PROJECT), sys.executable)
    assert made["SPARK_HOME"] == str(submit.find_spark_home())


def test_make_environment__of_a_cluster_has_what_leads_there_and_what_luigi_cfg_names(settings, other_installation):
    settings(master="yarn", environment="AWS_*")
    made = submit.make_environment()
    assert [made[name] for name in other_installation] == ["other"] * len(other_installation)


def test_build_command__leaves_the_python_of_a_driver_on_the_cluster_to_the_cluster(settings):
    settings(master="yarn", deploy_mode="cluster", session="submit")
    command = submit.build_command("extract")
    assert command[command.index("--deploy-mode") + 1] == "cluster"
    assert not [part for part in command if part.startswith("spark.pyspark.driver.python")]


@pytest.mark.parametrize("master", ["spark://host:7077", "yarn", "k8s://host"])
def test_build_command__sends_the_whole_package_to_other_machines(settings, master):
    settings(master=master)
    command = submit.build_command("extract")
    archive = Path(command[command.index("--py-files") + 1])
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
    assert {"spark_jobs/__init__.py", "spark_jobs/cleaning/rules.py", "spark_jobs/sources/formats/x_v2.toml"} <= names
    files = [path for ending in ("py", "toml") for path in paths.SPARK_JOBS.rglob(f"*.{ending}")]
    assert names == {str(path.relative_to(paths.PROJECT)) for path in files}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"session": "shared", "master": "yarn"},
            "key deploy_mode: cluster needs a driver for each job, and session is shared; set session = submit, or",
        ),
        (
            {"session": "submit"},
            "key deploy_mode: with master local[1] Spark runs Python drivers in client mode only; ",
        ),
        ({"session": "submit", "master": "spark://host:7077"}, "key deploy_mode: with master spark://host:7077 Spark"),
    ],
)
def test_require_possible__refuses_a_driver_on_a_cluster_that_takes_none(settings, values, sentence):
    settings(deploy_mode="cluster", **values)
    with pytest.raises(PipelineError) as raised:
        submit.require_possible()
    assert sentence in str(raised.value)


def test_require_possible__takes_a_driver_on_yarn(settings):
    settings(deploy_mode="cluster", session="submit", master="yarn")
    submit.require_possible()


def test_require_possible__names_a_pair_that_is_none(settings):
    settings(conf="spark.ui.enabled")
    with pytest.raises(PipelineError, match=r"key conf: expected a=1\|b=2, found 'spark.ui.enabled'"):
        submit.require_possible()


def test_build_command__names_the_file_with_a_clusters_secret_and_makes_up_none(settings, tmp_path):
    file = tmp_path / "spark.conf"
    settings(master="spark://host:7077", properties_file=str(file))
    command = submit.build_command("session")
    assert command[command.index("--properties-file") + 1] == str(file)
    assert not [part for part in command if part.startswith("spark.authenticate")]


@pytest.mark.parametrize("text", ["spark.authenticate true", " spark.authenticate=true\n", "spark.authenticate : true"])
def test_is_authenticated__by_the_file_the_setting_or_because_all_is_on_this_machine(settings, tmp_path, text):
    assert submit.is_authenticated() is True
    settings(master="spark://host:7077")
    assert submit.is_authenticated() is None
    settings(conf="spark.authenticate=false")
    assert submit.is_authenticated() is False
    (tmp_path / "spark.conf").write_text(f"spark.authenticate.secret x\n{text}")
    settings(conf="", properties_file=str(tmp_path / "spark.conf"))
    assert submit.is_authenticated() is True


def test_require_possible__refuses_a_secret_that_others_can_read(settings, tmp_path):
    file = tmp_path / "spark.conf"
    settings(conf="spark.authenticate.secret=s3cret")
    with pytest.raises(PipelineError, match="would show in the list of processes; put it into a file") as raised:
        submit.require_possible()
    assert "s3cret" not in str(raised.value)
    settings(conf="", properties_file=str(file))
    with pytest.raises(PipelineError, match=r"spark.conf cannot be read \(No such file or directory\); correct it"):
        submit.require_possible()
    file.write_text("spark.authenticate.secret s3cret")
    file.chmod(0o640)
    with pytest.raises(PipelineError, match=r"others can read .*spark.conf \(mode 0640\).*; chmod 600 "):
        submit.require_possible()
    file.chmod(0o600)
    submit.require_possible()


def test_run_once__gives_the_result_and_tells_of_progress(settings, tmp_path):
    (tmp_path / "export.json").write_text('[{"user_id": "u1"}]')
    batch = BatchToExtract("b", [FileToRead("export.json", str(tmp_path / "export.json"))])
    told: list[JobProgress] = []
    request = ExtractRequest([batch], str(tmp_path / "staging"), None)
    result = submit.run_once(EXTRACT, request, tmp_path / "staging", told.append)
    assert [found.documents.rows for found in result.batches] == [1]
    assert told[-1] == JobProgress(1, 1, "1 documents, 1 of 1 files", None)


def test_run_once__that_fails_says_so_with_the_end_of_its_log(settings, tmp_path):
    settings(master="local[no]")
    with pytest.raises(
        PipelineError, match=r"extract: luigi.cfg, section \[spark\], key master: 'local\[no\]' is none"
    ):
        submit.run_once(EXTRACT, ExtractRequest([], str(tmp_path), None), tmp_path, lambda progress: None)


def test_run_once__that_is_killed_says_so(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(submit, "build_command", lambda program: ["/bin/sh", "-c", "kill -9 $$"])
    with pytest.raises(PipelineError, match=r"^spark-submit was killed during extract, as .*spark_extract.log$"):
        submit.run_once(EXTRACT, ExtractRequest([], str(tmp_path), None), tmp_path, lambda progress: None)


def test_run_once__exchanges_messages_with_a_driver_elsewhere_by_the_store(settings, tmp_path, monkeypatch):
    build = submit.build_command
    settings(deploy_mode="cluster")
    monkeypatch.setattr(submit, "require_possible", lambda: None)
    monkeypatch.setattr(submit, "build_command", lambda program: build(program, "local[1]"))
    (tmp_path / "export.json").write_text('[{"user_id": "u1"}]')
    with object_stores() as bucket:
        monkeypatch.setattr(config.read_section_once(config.checkpoints), "folder", str(bucket / "a"))
        monkeypatch.setattr(paths, "checkpoints", lambda: bucket / "a")
        read = [FileToRead("export.json", str(tmp_path / "export.json"))]
        batch = BatchToExtract("b", read, output=write_location(bucket / "a" / "extract" / "b" / "1"))
        request = ExtractRequest([batch], str(tmp_path / "elsewhere"), None)
        told: list[JobProgress] = []
        result = submit.run_once(EXTRACT, request, tmp_path / "staging", told.append)
        assert [found.documents.rows for found in result.batches] == [1] and told[-1].done == 1
        assert [path.name for path in (bucket / "a").list_files()] == ["000000.parquet"]
    assert not (tmp_path / "elsewhere").exists() and not (tmp_path / "staging").exists()
