"""The services of docker-compose.yml, at work: images, commands, variables, volumes, accounts as they stand there."""

import json
import logging
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from chroot import Container, Store, page
from compose import EXAMPLE, REPOSITORY, Service, services, variables
from names import served
from project import MakeProject

from luigi_tasks.runs.scheduler import is_listening

PROXY = "http://127.0.0.1:8000"
LOGIN = "socialmart:of the proxy"
PORTS = (5432, 7077, 8000, 8001, 8080, 8081, 8082, 8888, 18080)
OWN = {
    "PROXY_PASSWORD": "of the proxy",
    "VIEWER_PASSWORD": "of viewers",
    "POSTGRES_PASSWORD": "of the owner's $1",
    "READER_PASSWORD": "of readers",
    "NOTEBOOK_TOKEN": "0f1e2d3c",
    "DASHBOARD_TOKEN": "4b5a6978",
    "PROXY_NAMES": "pages.example",
    "LANDING_FOLDER": "./data/sample",
}
STARTED = ("postgres", "luigid", "spark-master", "spark-worker", "spark-history", "pipeline", "proxy")
AS_LOADER = "-c role=socialmart_loader"
logger = logging.getLogger(__name__)

SENTENCE = "empty, or as in .env.example"


class Stack:
    """All services but the notebook, running, on volumes of their own."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.running: dict[str, Container] = {}

    def services(self, **changed: str) -> dict[str, Service]:
        return services(variables(EXAMPLE.read_text()) | OWN | changed)

    def container(self, name: str, number: int = 1, **changed: str) -> Container:
        """A container that is not started yet; `changed` differs from the env file."""
        known = self.services(**changed)
        made = Container(self.store, known[name], self.folder, known, number)
        self.running[made.name] = made
        return made

    def start(self, name: str, number: int = 1, **changed: str) -> Container:
        """One that runs and is healthy."""
        made = self.container(name, number, **changed)
        made.start()
        logger.info("%s: healthy after %.1f s", made.name, made.wait_until_healthy())
        return made

    def end(self, name: str) -> None:
        self.running.pop(name).end()

    def query(
        self, sql: str, user: str = "reader", password: str = OWN["READER_PASSWORD"], options: str = ""
    ) -> list[tuple[Any, ...]]:
        where = {"host": "postgres", "hostaddr": "127.0.0.1", "dbname": "warehouse", "user": user, "password": password}
        checked = {"sslmode": "verify-full", "sslrootcert": str(self.folder / "certificates" / "ca.pem")}
        opened = closing(
            psycopg2.connect(**where, **checked, channel_binding="require", options=f"-c timezone=UTC {options}")
        )
        with opened as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def store() -> Store:
    taken = [port for port in PORTS if is_listening("127.0.0.1", port)]
    assert not taken, f"ports {taken} of this machine are taken: end what listens there"
    made = Store(REPOSITORY / "build" / "images")
    made.make_bases()
    known = services(variables(EXAMPLE.read_text()) | OWN)
    for image, service in {service.image: service for service in known.values()}.items():
        seconds = made.build(service)
        logger.info("%s: built in %.0f s, %s", image, seconds, made.size(image))
    return made


@pytest.fixture(scope="module")
def stack(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(store, tmp_path_factory.mktemp("stack"))
    with served():
        try:
            for name in STARTED:
                made.start(name)
            yield made
        finally:
            for name in reversed(list(made.running)):
                made.end(name)


@pytest.fixture(scope="module")
def ran(stack: Stack) -> subprocess.CompletedProcess[str]:
    """RunAll in the pipeline's container."""
    started = time.monotonic()
    ended = stack.running["pipeline-1"].run("luigi", "--module", "luigi_tasks", "RunAll")
    logger.info("RunAll: exit code %d, %.1f s", ended.returncode, time.monotonic() - started)
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture(scope="module")
def expected(make_project: MakeProject) -> dict[str, list[tuple[Any, ...]]]:
    """The marts of a run without containers."""
    project = make_project()
    shutil.copytree(REPOSITORY / "data" / "sample", project.landing, dirs_exist_ok=True)
    ended = project.run()
    assert ended.code == 0, ended.output
    return project.marts()


def test_marts__are_those_of_a_run_without_containers(stack, ran, expected):
    as_owner = ("socialmart", OWN["POSTGRES_PASSWORD"], AS_LOADER)
    found = {
        name: sorted(stack.query(f"select * from marts_personal.{name}", *as_owner), key=repr) for name in expected
    }
    assert (stack.folder / "report" / "index.html").exists()
    logger.info("rows: %s", {name: len(rows) for name, rows in found.items()})
    assert found == expected and all(found.values())


def test_run__shows_up_in_luigid_behind_the_login_only(stack, ran):
    asked = urllib.parse.quote(json.dumps({"status": "DONE", "upstream_status": ""}))
    path = f"{PROXY}/api/task_list?data={asked}"
    assert page(path)[0] == page(path, "socialmart:wrong")[0] == page(path, "other:of the proxy")[0] == 401
    status, text = page(path, LOGIN)
    tasks = json.loads(text)["response"].values()
    assert (status, {task["name"] for task in tasks}) == (
        200,
        {"Extract", "Clean", "Audit", "Load", "DbtRun", "DbtTest", "Publish", "Report", "RunAll"},
    )
    (application,) = applications()
    assert {task["tracking_url"] for task in tasks if task["name"] == "Clean"} & {f"/spark/proxy/{application['id']}/"}
    history = "select distinct name from luigi_history.tasks where name = 'Publish'"
    assert stack.query(history, "socialmart", OWN["POSTGRES_PASSWORD"], AS_LOADER) == [("Publish",)]


def applications() -> list[dict[str, Any]]:
    status, text = page(f"{PROXY}/spark-history/api/v1/applications", LOGIN)
    assert status == 200
    return json.loads(text)


def test_history_server__lists_the_finished_application(stack, ran):
    until = time.monotonic() + 60
    while not (found := applications()) or not found[0]["attempts"][0]["completed"]:
        assert time.monotonic() < until, found
        time.sleep(1)
    assert found[0]["name"] == "socialmart"
    assert page(f"{PROXY}/spark-history/")[0] == 401


def test_cluster__takes_another_worker_and_shows_them_behind_the_login(stack, ran):
    stack.start("spark-worker", number=2)
    until = time.monotonic() + 60
    while len(workers := alive_workers()) < 2:
        assert time.monotonic() < until
        time.sleep(0.5)
    worker = f"{PROXY}/spark/proxy/{workers[0]}/"
    assert (page(f"{PROXY}/spark/")[0], page(worker)[0], page(worker, LOGIN)[0]) == (401, 401, 200)
    stack.end("spark-worker-2")


def alive_workers() -> list[str]:
    state = json.loads(page(f"{PROXY}/spark/json/", LOGIN)[1])
    return [worker["id"] for worker in state["workers"] if worker["state"] == "ALIVE"]


def test_containers__write_into_volumes_only(stack, ran):
    assert {name: container.written() for name, container in stack.running.items()} == {
        name: [] for name in stack.running
    }


def test_image__says_what_is_in_it(stack):
    bill = json.loads(stack.running["pipeline-1"].run("cat", "sbom.json").stdout)
    purls = " ".join(each["purl"] for each in bill["components"])
    assert bill["bomFormat"] == "CycloneDX" and "pkg:pypi/luigi@" in purls and "pkg:deb/debian/libc6@" in purls


def test_doctor__finds_nothing_wrong(stack, ran):
    ended = stack.running["pipeline-1"].run("socialmart", "doctor")
    assert "0 failed, 0 with a warning" in ended.stdout, ended.stdout


def test_reader__reads_marts_only(stack, ran):
    for sql in (
        "delete from published.daily_engagement_mart returning 1",
        "select 1 from raw_data.users",
        "select 1 from marts_personal.user_engagement_mart",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            stack.query(sql)
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
        stack.query("select 1", user="postgres", password="")


def test_reads__are_logged_without_what_was_searched_for(stack, ran):
    stack.query("select count(*) from marts.user_engagement_mart where 'ann@example.org' is not null")
    said = stack.running["postgres-1"].said()
    assert "AUDIT: OBJECT,1,1,READ,SELECT,VIEW,marts.user_engagement_mart,<not logged>,<not logged>" in said
    assert "ann@example.org" not in said


def test_backup__is_made_as_the_docs_say(stack, ran):
    ended = stack.running["postgres-1"].run("sh", "-c", "pg_dump --format=custom warehouse | pg_restore --list")
    assert ended.returncode == 0 and " marts user_engagement_mart " in ended.stdout, ended.stderr


def test_cron__starts_runs_and_shows_what_they_say(stack, ran):
    stack.end("pipeline-1")
    pipeline = stack.start("pipeline", SCHEDULE="* * * * *")
    until = time.monotonic() + 90
    while "job succeeded" not in pipeline.said():
        assert time.monotonic() < until, pipeline.said()
        time.sleep(1)
    assert "nothing" in pipeline.said() or "up to date" in pipeline.said(), pipeline.said()
    refused = stack.container("pipeline", number=2, SCHEDULE="daily at noon")
    refused.start()
    assert refused.wait() != 0
    assert '.env: SCHEDULE: expected minute hour day month weekday, as in "15 3 * * *", found "daily' in refused.said()


def test_notebook__reads_a_mart(stack, ran):
    path = f"{PROXY}/notebook/api/contents"
    notebook = stack.start("notebook")
    assert (page(path)[0], page(path, LOGIN)[0], page(path.replace("8000", "8888"))[0]) == (401, 200, 403)
    command = ["jupyter", "nbconvert", "--execute", "--to", "markdown", "--stdout", "start.ipynb"]
    ended = notebook.run(*command, HOME="/tmp", JUPYTER_PATH="/opt/notebook/share/jupyter")
    assert ended.returncode == 0, ended.stderr
    assert "engagement_rank" in ended.stdout
    assert notebook.written() == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("postgres", "POSTGRES_PASSWORD"),
        ("proxy", "PROXY_PASSWORD"),
        ("proxy", "DASHBOARD_TOKEN"),
        ("proxy", "VIEWER_PASSWORD"),
        ("notebook", "NOTEBOOK_TOKEN"),
    ],
)
def test_container__refuses_the_password_of_the_example(stack, name, secret):
    refused = stack.container(name, number=3, **{secret: "change-me"})
    refused.start()
    assert refused.wait() == 1
    assert f".env: {secret}: {SENTENCE}" in refused.said()


def test_passwords__are_those_of_the_env_file_at_every_start(stack, ran):
    stack.end("postgres-1")
    stack.start("postgres", READER_PASSWORD="another")
    assert stack.query("select count(*) > 0 from marts.user_engagement_mart", password="another") == [(True,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        stack.query("select 1")
    said = stack.running["postgres-1"].said()
    assert not any(value in said for value in ("another", OWN["POSTGRES_PASSWORD"]))


def test_proxy__speaks_tls_where_there_is_a_certificate(stack, tmp_path):
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *names]
    subprocess.run(made, check=True, capture_output=True)
    stack.end("proxy-1")
    refused = stack.container("proxy", number=2, TLS_FOLDER=str(tmp_path))
    refused.start()
    assert refused.wait() == 1
    assert ".env: TLS_FOLDER: the account 10001 must be able to read it" in refused.said()
    for path, mode in ((tmp_path, 0o755), (key, 0o644)):
        path.chmod(mode)
    stack.start("proxy", TLS_FOLDER=str(tmp_path))
    url = "https://localhost:8000/api/task_list"
    assert (page(url, trusted=certificate)[0], page(url, LOGIN, certificate)[0]) == (401, 200)
