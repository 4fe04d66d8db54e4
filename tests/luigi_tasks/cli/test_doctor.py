"""What the doctor finds, with projects, servers and ports that are really as the tests say."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg2
import pytest
from project import NOT_INHERITED, MakeProject, Project, Run

from luigi_tasks import paths
from luigi_tasks.cli.doctor.check import FAIL, OK, WARN, Check, Finding, Result, run_checks
from luigi_tasks.cli.doctor.checks import CHECKS
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.schema_names import SCHEMAS

NAMES = [check.name for check in CHECKS]
ROLES = """
create role plain login;
create role maker login;
grant create on database warehouse to maker;
create role reader login;
alter role reader set default_transaction_read_only = on;
"""


SPARK_NOT_STARTED = "from luigi_tasks.spark import session; session.require_start = lambda: None"
"""Has the doctor take Spark's start for a good one."""


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project before its first run."""
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann"}])
    return made


@pytest.fixture(scope="module")
def server(make_project: MakeProject) -> Project:
    """A project whose embedded server runs and has roles."""
    made = make_project()
    made.rows(ROLES)
    return made


def named(server: Project, user: str) -> dict[str, str]:
    """The variables that name a running server."""
    ((socket_folder,),) = server.rows("select current_setting('unix_socket_directories')")
    return {"PGHOST": socket_folder.strip('"'), "PGUSER": user, "PGDATABASE": "warehouse", "PGPASSWORD": "s3cret"}


def socialmart_doctor(project: Project, *arguments: str, first: str = "", **variables: str) -> Run:
    """The command, in the project's folder; `first` is what its process does before."""
    code = f"{first}\nfrom luigi_tasks.cli.main import main\nmain()"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith((*NOT_INHERITED, "JAVA"))}
    ended = subprocess.run(
        [sys.executable, "-c", code, "doctor", *arguments],
        cwd=project.folder,
        env=inherited | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return Run(ended.returncode, ended.stdout)


def findings(project: Project, first: str = "", starts_spark: bool = False, **variables: str) -> dict[str, Finding]:
    """What the doctor finds, by check; its exit code must fit. Spark is started for a few tests only."""
    before = first if starts_spark else f"{SPARK_NOT_STARTED}\n{first}"
    ended = socialmart_doctor(project, "--json", first=before, **variables)
    assert "Traceback" not in ended.output
    assert "s3cret" not in ended.output
    found = {each["check"]: Finding(**each) for each in json.loads(ended.output)}
    assert list(found) == NAMES
    assert ended.code == int(any(each.level == FAIL for each in found.values())), ended.output
    return found


def worse(found: dict[str, Finding]) -> dict[str, str]:
    """The levels that are not ok."""
    return {name: finding.level for name, finding in found.items() if finding.level != OK}


@pytest.fixture
def listener() -> Iterator[int]:
    """A port at which something takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which nothing does, and nothing will while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_doctor__finds_nothing_wrong_before_the_first_run_and_leaves_nothing(project):
    before = sorted(project.folder.rglob("*"))
    found = findings(project, starts_spark=True)
    assert worse(found) == {}
    assert found["landing"].text == f"{project.landing}, 1 batch, 1 file"
    assert found["postgresql"].text == f"the first run creates the embedded server in {project.folder / 'postgres'}"
    assert sorted(project.folder.rglob("*")) == before


def test_doctor__starts_the_embedded_server_that_is_there_and_stops_it(project):
    project.rows("select 1")
    project.close()
    found = findings(project)
    assert worse(found) == {}
    assert "PostgreSQL 18" in found["postgresql"].text
    assert f"embedded in {project.folder / 'postgres'}, database warehouse" in found["postgresql"].text
    assert not (project.folder / "postgres" / "cluster" / "postmaster.pid").exists()


def test_doctor__works_beside_a_run(project):
    project.checkpoints.mkdir(mode=0o700)
    with (project.checkpoints / ".run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert worse(findings(project)) == {}
    assert [path.name for path in project.checkpoints.iterdir()] == [".run.lock"]


def test_settings__names_every_bad_one_and_what_depends_on_them_is_not_checked(project):
    project.set({"core": {"workers": "many"}, "logs": {"keep_runs": "%y"}, "dbt": {"threads": "four"}})
    found = findings(project)
    assert found["settings"].level == FAIL
    for place in ("section [core], key workers", "section [logs], key keep_runs", "section [dbt], key threads"):
        assert place in found["settings"].text
    assert worse(found) == {"settings": FAIL} | dict.fromkeys(set(NAMES) - {"settings", "limits", "java"}, WARN)
    assert found["landing"].text == "not checked: fix settings first"
    assert found["rights"].text == "not checked: fix postgresql first"


def test_settings__warns_of_one_that_nobody_knows(project):
    project.set({"spark": {"mastr": "yarn", "driver-memory": "1g"}})
    found = findings(project)
    assert worse(found) == {"settings": WARN}
    assert found["settings"].text.startswith("[spark] mastr: unknown, so without effect")


def test_settings__fails_where_there_is_no_luigi_cfg(project):
    (project.folder / "luigi.cfg").unlink()
    assert findings(project)["settings"].level == FAIL


def test_socialmart__says_in_a_sentence_that_luigi_cfg_cannot_be_read(project):
    (project.folder / "luigi.cfg").write_text("folder = landing\n[landing]\n")
    ended = socialmart_doctor(project)
    assert ended.code == 1
    assert ended.output == (
        "luigi.cfg: cannot be read (File contains no section headers. file: 'luigi.cfg', line: 1 "
        "'folder = landing\\n'); fix it\n"
    )


def test_landing__fails_where_it_is_not_there(project):
    shutil.rmtree(project.landing)
    found = findings(project)
    assert worse(found) == {"landing": FAIL, "file modes": WARN, "free space": WARN}
    assert found["landing"].text.startswith(f"landing folder {project.landing}: not there; create it")
    assert found["free space"].text == "not checked: fix landing first"


def test_landing__warns_of_a_file_that_cannot_be_read(project):
    (project.landing / "2026-01-02.json").symlink_to("gone")
    found = findings(project)
    assert worse(found) == {"landing": WARN}
    fault = "a link that leads nowhere (No such file or directory): put the file itself there"
    assert found["landing"].text == (
        f"{project.landing}: 1 of 2 files cannot be read, such as {project.landing}/2026-01-02.json ({fault}); "
        "their batches are refused until they can"
    )


@pytest.mark.parametrize("name", ["checkpoints", "logs"])
def test_folder__fails_where_no_file_can_be_made(project, name):
    project.set({name: {"folder": f"luigi.cfg/{name}"}})
    found = findings(project)
    assert found[name] == Finding(
        name,
        FAIL,
        f"{project.folder}/luigi.cfg/{name}: no file can be made in {project.folder}/luigi.cfg (Not a directory); "
        f"make it writable, or set [{name}] folder elsewhere",
    )


@pytest.mark.parametrize("name", [".staging", "clean"])
def test_checkpoints__fail_where_they_are_on_two_file_systems(project, name):
    project.checkpoints.mkdir(mode=0o700)
    assert Path("/dev").stat().st_dev != project.checkpoints.stat().st_dev
    (project.checkpoints / name).symlink_to("/dev")
    found = findings(project)
    assert found["checkpoints"].level == FAIL
    assert f"{project.checkpoints / name} lies on another file system" in found["checkpoints"].text


def test_free_space__warns_where_checkpoints_and_warehouse_together_need_more(project):
    with project.land("2026-01-02.json", "").open("r+b") as file:
        file.truncate(shutil.disk_usage(project.folder).free // 5 + 100_000_000)  # a hole, which takes no space
    found = findings(project)
    assert worse(found) == {"free space": WARN}
    assert f"free for {project.checkpoints} and {project.folder}/postgres, " in found["free space"].text
    assert f"may be needed for {project.landing}; make room" in found["free space"].text


def test_free_space__counts_inodes(project):
    few = (
        "import os; real = os.statvfs; names = [name for name in dir(os.statvfs_result) if name.startswith('f_')]; "
        "os.statvfs = lambda path: type('Disk', (), {name: getattr(real(path), name) for name in names}"
        " | {'f_files': 100, 'f_favail': 7})"
    )
    found = findings(project, first=few)
    assert worse(found) == {"free space": WARN}
    assert found["free space"].text == (
        f"7 inodes free for {project.checkpoints}, 10,000 may be needed; delete files there"
    )


def test_memory__warns_where_a_run_does_not_fit(project):
    little = (
        "from luigi_tasks import memory; from luigi_tasks.cli.doctor import limits; "
        "from luigi_tasks.spark import resources; "
        "memory.measure_memory = limits.measure_memory = resources.measure_memory = lambda: {} << 20"
    )
    found = findings(project, first=little.format(600))
    assert worse(found) == {"memory": WARN}
    assert found["memory"].text.startswith("600 MB of memory, driver_memory 512m, master local[1]; a run")
    found = findings(project, first=little.format(1_000))
    assert found["memory"].text == "1,000 MB of memory, driver_memory 512m, master local[1]"
    project.set({"spark": {"driver_memory": "2g"}})
    found = findings(project, first=little.format(2_000))
    assert "that leaves too little for the rest: set [spark] driver_memory = in luigi.cfg" in found["memory"].text
    project.set({"spark": {"driver_memory": "no size"}})
    assert findings(project, first=little.format(2_000))["memory"].level == OK


def test_limits__warns_of_those_of_the_process(project):
    low = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9))"
    found = findings(project, first=low)
    assert worse(found) == {"limits": WARN}
    assert found["limits"].text == "this process may have only 1,000,000,000 bytes of a file: raise it by ulimit -f"


def test_java__warns_of_a_java_home_that_is_passed_over(project):
    found = findings(project, JAVA_HOME="/nowhere")["java"]
    assert found.level == WARN
    assert "packaged, as JAVA_HOME=/nowhere is not Java 17 or newer" in found.text


def test_java__warns_where_it_was_not_prepared(project):
    without = (
        "from luigi_tasks.spark import java; from pathlib import Path; java.aot_cache = lambda folder: Path('nowhere')"
    )
    found = findings(project, first=without)["java"]
    assert found.level == WARN
    assert "socialmart java --prepare" in found.text


def test_java__fails_where_there_is_none(project):
    found = findings(
        project, first="from luigi_tasks.spark import java; java._wheel_home = lambda folder: None", PATH="/nowhere"
    )
    assert found["java"].level == FAIL
    assert "set JAVA_HOME to one" in found["java"].text


@pytest.fixture
def broken(project: Project) -> str:
    """A PYTHONPATH with a pyspark that cannot be imported."""
    (project.folder / "broken").mkdir()
    (project.folder / "broken" / "pyspark.py").write_text("raise ImportError('half installed')")
    return f"{paths.PROJECT}:{project.folder / 'broken'}"


def test_spark__takes_nothing_of_another_installation(project, broken):
    found = findings(
        project,
        starts_spark=True,
        PYTHONPATH=broken,
        SPARK_CONF_DIR="/nowhere",
        SPARK_LOCAL_HOSTNAME="no-such-host.example",
        SPARK_LOCAL_DIRS="/proc/none",
        JAVA_TOOL_OPTIONS="-javaagent:/nowhere/agent.jar",
    )
    assert worse(found) == {}


def test_spark__fails_where_it_does_not_start_and_names_the_cause(project):
    project.set({"spark": {"conf": "spark.plugins=com.corp.Missing"}})
    found = findings(project, starts_spark=True)
    assert worse(found) == {"spark": FAIL}
    cause = "java.lang.ClassNotFoundException: com.corp.Missing"
    said = f"start of Spark: Spark does not start ({cause}); nothing was changed; correct it and run again"
    assert found["spark"].text == said


def test_spark__fails_where_too_few_files_may_be_open(project):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    found = findings(project, starts_spark=True, first=limit)
    assert worse(found) == {"limits": WARN, "spark": FAIL}
    assert found["spark"].text.startswith("the limit of open files (ulimit -n, the hard one) is 256, and Spark needs")


def test_java__fails_where_it_does_not_start(project):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))"
    found = findings(project, first=limit)
    assert worse(found) == {"limits": WARN, "java": FAIL, "spark": WARN}
    assert found["java"].text.startswith("the Java that would run Spark does not start (Error occurred during")


def test_spark__fails_where_pyspark_cannot_be_imported(project, broken):
    made = f"lambda names: {{'PYTHONPATH': {broken!r}}}"
    found = findings(project, first=f"from luigi_tasks.cli.doctor import environment as e; e.make_environment = {made}")
    assert worse(found) == {"spark": FAIL}
    assert found["spark"].text == "pyspark cannot be imported (ImportError: half installed); run make setup"


def test_spark__fails_where_no_master_answers(project, silent, listener):
    project.set({"spark": {"master": f"spark://127.0.0.1:{silent}"}})
    found = findings(project)
    assert worse(found) == {"spark": FAIL}
    assert found["spark"].text.startswith(f"spark://127.0.0.1:{silent}: no answer (")
    project.set({"spark": {"master": f"spark://127.0.0.1:{silent},127.0.0.1:{listener}"}})
    found = findings(project)
    assert worse(found) == {"spark": WARN}
    assert "Spark's processes ask each other for no secret" in found["spark"].text
    project.set({"spark": {"conf": "spark.authenticate=false"}})
    assert worse(findings(project)) == {}


def test_file_modes__warns_of_what_others_can_read_or_write(project):
    project.checkpoints.mkdir(mode=0o755)
    project.landing.chmod(0o777)
    found = findings(project)
    assert worse(found) == {"file modes": WARN}
    assert found["file modes"].text == (
        f"{project.checkpoints} (mode 0755) is open to other users: chmod 700 {project.checkpoints}; "
        f"{project.landing} can be written to by all users, who could put exports there: chmod o-w it"
    )
    project.checkpoints.chmod(0o700)
    project.landing.chmod(0o755)
    found = findings(project)
    assert worse(found) == {}
    assert (
        found["file modes"].text == f"for this account alone; but all users can read the exports in {project.landing}"
    )


@pytest.mark.parametrize(("key", "value"), [("master", "spark://here"), ("conf", "a=1|b")])
def test_spark__fails_where_its_settings_are_not_of_their_form(project, key, value):
    project.set({"spark": {key: value}})
    found = findings(project)
    assert worse(found) == {"spark": FAIL}
    assert found["spark"].text.startswith(f"luigi.cfg, section [spark], key {key}: expected ")


def test_postgresql__fails_where_nothing_answers_and_the_rest_is_not_checked(project, silent):
    found = findings(project, PGHOST="127.0.0.1", PGPORT=str(silent), PGPASSWORD="s3cret")
    unknown = ("tls", "rights", "roles", "connections", "server clock", "audit chain")
    assert worse(found) == {"postgresql": FAIL} | dict.fromkeys(unknown, WARN)
    assert found["postgresql"].text.startswith("warehouse: cannot connect: ")


def test_postgresql__fails_where_it_is_too_old(project, server):
    found = findings(
        project,
        "from luigi_tasks.warehouse import connection; connection.OLDEST_VERSION = 99",
        **named(server, "maker"),
    )
    assert found["postgresql"].text == "warehouse: PostgreSQL 18 found, at least 99 expected"


@pytest.mark.parametrize(
    ("user", "text"),
    [
        (
            "plain",
            f"user plain may not create the schemas {', '.join(SCHEMAS)}: grant create on database warehouse to plain, "
            "or create schema raw_data authorization plain; create schema etl authorization plain; ",
        ),
        (
            "reader",
            "default_transaction_read_only is on, so nothing can be written: alter role reader reset "
            "default_transaction_read_only",
        ),
    ],
)
def test_rights__fail_where_a_run_could_not_write(project, server, user, text):
    found = findings(project, **named(server, user))
    assert worse(found) == {"rights": FAIL}
    assert found["rights"].text.startswith(text)


def test_rights__fail_on_a_standby(project, server):
    on_standby = (
        "from luigi_tasks.cli.doctor import warehouse; ask = warehouse._query_row; "
        "warehouse._query_row = lambda query, *of: "
        "(True, True, '', '', '') if 'in_recovery' in query else ask(query, *of)"
    )
    found = findings(project, on_standby, **named(server, "maker"))
    assert worse(found) == {"rights": FAIL}
    assert found["rights"].text == "the server is a standby, which is read-only; set PGHOST to its primary"


def test_rights__are_enough_to_make_what_is_not_there(project, server):
    found = findings(project, **named(server, "maker"))
    assert worse(found) == {}
    assert "database warehouse, user maker" in found["postgresql"].text


def test_rights__fail_on_what_somebody_else_made(project, server):
    server.rows("create schema raw_data; create table raw_data.users (); create schema marts")
    try:
        closed = findings(project, **named(server, "maker"))
        server.rows("grant usage, create on schema marts, raw_data to maker")
        in_the_way = findings(project, **named(server, "maker"))
    finally:
        server.rows("drop schema raw_data, marts cascade")
    assert worse(closed) == worse(in_the_way) == {"rights": FAIL}
    assert closed["rights"].text.startswith(
        "user maker may not create tables in marts, raw_data: grant usage, create on schema marts, raw_data to maker; "
        "nothing was changed; "
    )
    assert in_the_way["rights"].text.startswith(
        "the pipeline needs names that objects of others have: table raw_data.users; "
    )


def test_rights__need_no_new_schema_once_all_are_there(project, server):
    project.checkpoints.mkdir(mode=0o700)
    prepare = (
        "from luigi_tasks import warehouse; from luigi_tasks.warehouse import migrations; "
        "migrations.apply(); warehouse.close()"
    )
    found = findings(project, prepare, **named(server, "maker"))
    assert worse(found) == {}
    schemas = "; ".join(f"create schema {name} authorization maker" for name in SCHEMAS[2:])
    server.rows(f"{schemas}; revoke create on database warehouse from maker")
    try:
        assert worse(findings(project, **named(server, "maker"))) == {}
        server.rows("delete from etl.schema_versions")
        assert worse(findings(project, **named(server, "maker"))) == {}
        server.rows("drop schema core")
        assert worse(findings(project, **named(server, "maker"))) == {"rights": FAIL}
        server.rows("create schema core authorization maker; insert into etl.schema_versions values (99999, 'next')")
        found = findings(project, **named(server, "maker"))["rights"]
        assert found.text.startswith("the warehouse has schema version 99999, this program knows versions up to ")
    finally:
        server.rows(f"drop schema {', '.join(SCHEMAS)} cascade; grant create on database warehouse to maker")


def test_connections__warn_where_there_are_fewer_than_a_run_takes(project, server):
    free = int(findings(project, **named(server, "maker"))["connections"].text.split()[0])
    assert 40 < free <= 47
    with ExitStack() as after:
        where = named(server, "maker")
        for _ in range(35):
            after.enter_context(closing(psycopg2.connect(host=where["PGHOST"], user="maker", dbname="warehouse")))
        found = findings(project, **where)
    assert worse(found) == {"connections": WARN}
    assert found["connections"].text == (
        f"{free - 35} of 47 free, a run takes up to 13; raise max_connections, or lower [core] workers or [dbt] threads"
    )


def test_server_clock__warns_where_it_is_another_one(project, server):
    found = findings(
        project, "import time; real = time.time; time.time = lambda: real() + 120", **named(server, "maker")
    )
    assert worse(found) == {"server clock": WARN}
    assert "machine are 120 seconds apart" in found["server clock"].text


@pytest.mark.parametrize("name", ["checkpoints/clean/2026-01-01/manifest.json", "logs/20260101T000000-1/"])
def test_clock__warns_of_what_is_dated_in_the_future(project, name):
    path = project.folder / name
    path.parent.mkdir(parents=True)
    (project.folder / name.partition("/")[0]).chmod(0o700)
    path.mkdir() if name.endswith("/") else path.touch()
    assert worse(findings(project)) == {}
    os.utime(path, (time.time() + 3600,) * 2)
    found = findings(project)
    assert worse(found) == {"clock": WARN}
    assert found["clock"].text.startswith(f"{path} is dated in the future")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "No such file or directory"),
        ({"dbt_project.yml": "profile: [a", "profiles.yml": "a: b"}, "cannot be read (while parsing"),
        ({"dbt_project.yml": "profile: a", "profiles.yml": "- a"}, "keys and values expected, list found"),
        ({"dbt_project.yml": "profile: a", "profiles.yml": "b: c"}, "no profile a, which dbt_project.yml names"),
    ],
)
def test_dbt__fails_where_project_or_profile_cannot_be_read(project, files, text):
    (project.folder / "models").mkdir()
    for name, content in files.items():
        (project.folder / "models" / name).write_text(content)
    project.set({"dbt": {"project": "models"}})
    found = findings(project)
    assert worse(found) == {"dbt": FAIL}
    assert text in found["dbt"].text


def test_luigid__warns_where_it_is_wanted_and_does_not_answer(project, silent, listener):
    where = {"default-scheduler-host": "127.0.0.1", "default-scheduler-port": silent}
    project.set({"core": where, "dashboard": {"use": "auto"}})
    assert findings(project)["luigid"] == Finding("luigid", OK, f"none at 127.0.0.1:{silent}, so runs go on without it")
    project.set({"dashboard": {"use": "always"}})
    found = findings(project)
    assert worse(found) == {"luigid": WARN}
    assert found["luigid"].text.startswith(f"no answer at 127.0.0.1:{silent} (")
    project.set({"core": {"default-scheduler-url": f"http://us:s3cret@127.0.0.1:{listener}"}})
    found = findings(project)
    assert worse(found) == {"luigid": WARN}
    assert found["luigid"].text.startswith(f"no answer at 127.0.0.1:{listener} (no answer within ")


@pytest.mark.parametrize(
    ("answer", "level", "said"),
    [
        (b'{"response": {"enabled": true}}', OK, "answers at 127.0.0.1:"),
        (b'[{"topics": []}]', WARN, "(what answers there is not luigid); start luigid there"),
    ],
)
def test_luigid__is_asked_as_a_run_asks_it_whatever_the_proxy(project, answer, level, said):
    class Page(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = {"default-scheduler-host": "127.0.0.1", "default-scheduler-port": server.server_port}
        project.set({"core": where, "dashboard": {"use": "always"}})
        found = findings(project, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")["luigid"]
        server.shutdown()
    assert found.level == level
    assert said in found.text


def test_run_checks__turns_any_exception_into_a_finding():
    def raise_pipeline_error():
        raise PipelineError("first:\nfix it")

    def raise_key_error():
        raise KeyError("x")

    checks = (
        Check("a", raise_pipeline_error),
        Check("b", raise_key_error),
        Check("c", lambda: Result(OK, "never said"), needs=("b",)),
        Check("d", lambda: Result(OK, "never said"), needs=("c",)),
        Check("e", lambda: Result(WARN, "look")),
        Check("f", lambda: Result(OK, "well"), needs=("e",)),
    )
    assert run_checks(checks) == [
        Finding("a", FAIL, "first: fix it"),
        Finding("b", FAIL, "cannot be checked (KeyError: 'x')"),
        Finding("c", WARN, "not checked: fix b first"),
        Finding("d", WARN, "not checked: fix c first"),
        Finding("e", WARN, "look"),
        Finding("f", OK, "well"),
    ]


def test_doctor__prints_a_line_a_finding_and_exits_1_where_one_failed(project):
    project.set({"spark": {"mastr": "yarn"}, "dbt": {"project": "gone"}})
    ended = socialmart_doctor(project)
    assert ended.code == 1
    assert ended.output.splitlines()[-1] == f"the pipeline cannot run: {len(NAMES)} checks, 1 failed, 1 with a warning"
    assert [line.split()[0] for line in ended.output.splitlines()[:-1]].count("ok") == len(NAMES) - 2
    assert "warn  settings      [spark] mastr: unknown" in ended.output
    assert "\033" not in ended.output
