"""A project folder of its own to run the whole pipeline in: real Luigi, Spark, PostgreSQL and dbt."""

import configparser
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg2

from luigi_tasks.spark import local_cluster
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
SECONDS_A_RUN = 600
SECONDS_TO_END = 60
NOT_INHERITED = ("PG", "PYTHONPATH", "LUIGI_", "SOCIALMART_", "SPARK_", "DBT_")
"""What a shell may have set for another warehouse or run."""

Process = subprocess.Popen[bytes]
MakeProject = Callable[..., "Project"]
Settings = Mapping[str, Mapping[str, object]]

SMALL: Settings = {
    "core": {"logging_conf_file": REPOSITORY / "luigi_tasks" / "logging.ini"},
    "landing": {"folder": "landing"},
    "checkpoints": {"folder": "checkpoints"},
    "logs": {"folder": "logs"},
    "warehouse": {"embedded_folder": "postgres"},
    "spark": {"master": "local[1]"},
    "dashboard": {"use": "never"},
}


@dataclass(frozen=True)
class Run:
    """How a command ended: its exit code, and all that it said."""

    code: int
    output: str


class Project:
    """A folder with a luigi.cfg, and everything the pipeline leaves below it, its embedded server included.

    The settings are the repository's own, made small, with `settings` ({section: {key: value}}) over them.
    """

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.landing = folder / "landing"
        self.checkpoints = folder / "checkpoints"
        self.landing.mkdir(parents=True)
        self._server: EmbeddedPostgres | None = None
        shutil.copyfile(REPOSITORY / "luigi.cfg", folder / "luigi.cfg")
        self.set(SMALL)
        self.set(settings or {})

    def set(self, settings: Settings) -> None:
        """Change settings in luigi.cfg: {section: {key: value}}."""
        config = configparser.ConfigParser(interpolation=None)
        path = self.folder / "luigi.cfg"
        config.read(path, encoding="utf-8")
        for section, keys in settings.items():
            if not config.has_section(section):
                config.add_section(section)
            for key, value in keys.items():
                config.set(section, key, str(value))
        with path.open("w", encoding="utf-8") as file:
            config.write(file)

    def land(self, name: str, content: object) -> Path:
        """Put a file below the landing folder: bytes and texts as they are, anything else as JSON."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        path.write_bytes(content)
        return path

    def run(self, *arguments: str, **variables: str) -> Run:
        """`luigi --module luigi_tasks ARGUMENTS` (RunAll, unless given), as cron would; `variables` are set for it."""
        process = self.start(*arguments, **variables)
        try:
            output = process.communicate(timeout=SECONDS_A_RUN)[0]
        finally:
            process.kill()
        return Run(process.returncode, output.decode(errors="backslashreplace"))

    def start(self, *arguments: str, output: IO[bytes] | int = subprocess.PIPE, **variables: str) -> Process:
        """The same, in a process group of its own, without waiting for its end."""
        return subprocess.Popen(
            [PROGRAMS / "luigi", "--module", "luigi_tasks", *(arguments or ("RunAll",))],
            cwd=self.folder,
            env=_inherited() | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def socialmart(self, *arguments: str, **variables: str) -> Run:
        """`socialmart ARGUMENTS`, as people would; `variables` are set for it."""
        return self._ended([str(PROGRAMS / "socialmart"), *arguments], variables)

    def bash(self, commands: str) -> Run:
        """Commands of a shell, up to the first that fails, with the project's programs on the path."""
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        return self._ended(["bash", "-e", "-o", "pipefail", "-c", commands], {"PATH": path})

    def _ended(self, argv: Sequence[str], variables: Mapping[str, str]) -> Run:
        ended = subprocess.run(
            argv,
            cwd=self.folder,
            env=_inherited() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS_A_RUN,
            check=False,
        )
        return Run(ended.returncode, ended.stdout.decode(errors="backslashreplace"))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query in the warehouse (none of a statement without any), committed."""
        if self._server is None:
            self._server = lease_server(self.folder / "postgres")
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
        where = {names[name]: value for name, value in self._server.parameters.items()}
        opened = closing(psycopg2.connect(**where, options="-c timezone=UTC"))
        with opened as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def execute(self, sql: str) -> str | None:
        """Run SQL in the warehouse, in autocommit. Returns the server's message where it refuses."""
        self.rows("select 1")
        assert self._server is not None
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
        where = {names[name]: value for name, value in self._server.parameters.items()}
        with closing(psycopg2.connect(**where, options="-c timezone=UTC")) as connection:
            connection.autocommit = True
            try:
                connection.cursor().execute(sql)
            except psycopg2.Error as error:
                return str(error)
        return None

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of every mart, without masks, in a fixed order."""
        names = self.rows(
            "select table_name from information_schema.tables where table_schema = 'marts_personal' order by 1"
        )
        return {name: sorted(self.rows(f"select * from marts_personal.{name}"), key=repr) for (name,) in names}

    def ledger(self, batch: str) -> dict[str, Any]:
        """The ledger that Audit left beside the checkpoints."""
        path = self.checkpoints / "audit" / batch / "ledger.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def digest_checkpoints(self) -> dict[str, str]:
        """What is in the checkpoints, by path: digests of their files, of a manifest what it says of the content."""
        found = {}
        for path in sorted(path for path in self.checkpoints.glob("[!.]*/**/*") if path.is_file()):
            content = path.read_bytes()
            name = path.relative_to(self.checkpoints).as_posix()
            is_manifest = path.name == "manifest.json"
            found[name] = json.loads(content)["content"] if is_manifest else hashlib.sha256(content).hexdigest()
        return found

    def close(self) -> None:
        """Give up the embedded server, which then stops. The next `rows` starts it again."""
        if self._server is not None:
            self._server.release()
            self._server = None

    def stop_server(self) -> None:
        """End the embedded server without leave, and wait until it is gone: the folder can then be deleted."""
        self.close()
        folder = self.folder / "postgres"
        pid_file = folder / "cluster" / "postmaster.pid"
        if pid_file.exists() and is_locked(folder / "server.lock"):
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
        deadline = time.monotonic() + SECONDS_TO_END
        while is_locked(folder / "server.lock") and time.monotonic() < deadline:
            time.sleep(0.05)


def copy_folder(source: Path, target: Path) -> None:
    """Everything, owners and modes included."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on; processes that look at once begin elsewhere."""
    for first in range(17_077 + os.getpid() % 10_000, 30_000, count):
        probes = [socket.socket() for _ in range(count)]
        try:
            for port, probe in enumerate(probes, first):
                probe.bind((local_cluster.HOST, port))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first
    raise AssertionError("no free ports")


def wait_for(what: str, is_so: Callable[[], object], seconds: float) -> None:
    """Wait until something is so, and fail, naming it, where it is not after so long."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}


@contextmanager
def projects() -> Iterator[MakeProject]:
    """Makes projects, all gone afterwards. Not below pytest's folder: the server's account must reach them."""
    with ExitStack() as after:

        def make(settings: Settings | None = None) -> Project:
            root = Path(tempfile.mkdtemp(prefix="socialmart-")).resolve()
            root.chmod(0o755)
            after.callback(shutil.rmtree, root)
            made = Project(root / "project", settings)
            after.callback(made.close)
            return made

        yield make
