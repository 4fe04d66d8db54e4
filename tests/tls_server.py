"""The warehouse's container without an engine: its script, settings and roles, with a PostgreSQL of this machine.

The embedded one will not do, as it has no TLS.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from luigi_tasks.warehouse.embedded import programs

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGE = REPOSITORY / "containers" / "postgres"
VERSIONS = Path("/usr/lib/postgresql")
PASSWORDS = {"POSTGRES_PASSWORD": "of the owner's $1", "READER_PASSWORD": "of readers"}
SECONDS_TO_START = 120
INITDB = '#!/bin/sh\nexec {bin}/initdb --pgdata "$2" --username postgres --auth trust --encoding UTF8 --locale C\n'
"""In place of the image's initdb: its provider of locales came with PostgreSQL 17."""


def find_programs() -> Path:
    """The programs of the newest PostgreSQL that Debian's packages have put here."""
    found = sorted(VERSIONS.glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, f"no PostgreSQL in {VERSIONS}; install one (apt-get install postgresql)"
    return found[-1]


class TlsServer:
    """The server, in `folder`. Clients reach it as `postgres` at 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = find_programs()
        self.published = folder / "certificates"
        self.account = programs.get_nobody() if os.geteuid() == 0 else None
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = str(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("settings", "bin", "socket", "certificates", "data"):
            (folder / name).mkdir()
        for source in IMAGE.iterdir():
            executable = source.name in ("warehouse", "certify")
            copy = folder / ("bin" if executable else "settings") / source.name
            copy.write_text(self._place(source.read_text()))
            copy.chmod(0o755)
        initdb = folder / "bin" / "initdb"
        initdb.write_text(INITDB.format(bin=self.bin))
        initdb.chmod(0o755)
        self.set("", f"unix_socket_directories = '{folder}/socket'\nshared_preload_libraries = ''\nfsync = off\n")
        self.set(" peer", " trust", "pg_hba.conf")  # the account has another name here
        for path in (folder, *folder.rglob("*")):
            if self.account:
                os.chown(path, self.account.uid, self.account.gid)

    def _place(self, text: str) -> str:
        """A text with the paths of the container below the folder."""
        for inside, here in (
            ("/var/lib/postgresql/18", "data"),
            ("/etc/warehouse", "settings"),
            ("/certificates", "certificates"),
        ):
            text = text.replace(f"{inside}/", f"{self.folder}/{here}/").replace(f"{inside} ", f"{self.folder}/{here} ")
        return text

    @property
    def log(self) -> str:
        """What the container has said."""
        return (self.folder / "log").read_text()

    def run(self, *command: str | Path) -> None:
        """Run a command as the server's account."""
        self._start(*command).wait()

    def _start(self, *command: str | Path) -> "subprocess.Popen[bytes]":
        path = f"{self.folder}/bin:{self.bin}:{REPOSITORY}/containers:/usr/bin:/bin"
        place = {"PATH": path, "PGPORT": self.port, "PGHOST": f"{self.folder}/socket", "PGUSER": "postgres"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=place | {"TMPDIR": str(self.folder / "data")} | PASSWORDS,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def start(self) -> None:
        """Start the container's script and wait until the health check of docker-compose.yml would pass."""
        self._process = self._start("sh", self.folder / "bin" / "warehouse")
        until = time.monotonic() + SECONDS_TO_START
        check = [self.bin / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}", "--dbname=warehouse"]
        while subprocess.run([*check, "--username=socialmart"], check=False).returncode != 0:
            assert self._process.poll() is None and time.monotonic() < until, self.log
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as Compose does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def set(self, old: str, new: str, name: str = "postgresql.conf") -> None:
        """Replace a text in a file of settings, or with no old text append to it."""
        path = self.folder / "settings" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new) if old else f"{path.read_text()}\n{new}")

    @contextmanager
    def changed(self, old: str, new: str, name: str = "postgresql.conf") -> Iterator[None]:
        """Have the server take other settings during the block."""
        before = (self.folder / "settings" / name).read_text()
        self.set(old, new, name)
        self.reload()
        try:
            yield
        finally:
            (self.folder / "settings" / name).write_text(before)
            self.reload()

    def reload(self) -> None:
        """Have the server read its settings and certificates again, and wait until new sessions get them."""
        self.query("select pg_reload_conf()")
        time.sleep(0.3)  # the postmaster is told by a signal

    def query(self, sql: str, database: str = "warehouse") -> list[tuple[object, ...]]:
        """The rows of a statement of the superuser, who has the server's socket only."""
        where = {"host": f"{self.folder}/socket", "port": self.port, "user": "postgres", "dbname": database}
        whatever_is_set = {"hostaddr": "", "channel_binding": "disable"}
        with closing(psycopg2.connect(**where, **whatever_is_set)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def certify(self, name: str, folder: Path, published: Path, **replaced: str) -> None:
        """Make certificates as the container does, in other folders; `replaced` are settings of that script."""
        script = (self.folder / "bin" / "certify").read_text()
        for setting, value in replaced.items():
            before = next(line for line in script.splitlines() if line.startswith(f"{setting}="))
            script = script.replace(before, f"{setting}={value}")
        copy = self.folder / "bin" / "certify-otherwise"
        copy.write_text(script)
        self.run("sh", copy, folder, published, name)

    def certify_expired(self, folder: Path) -> None:
        """Make certificates that held until yesterday, which the container's script cannot."""
        self.run("cp", "-a", self.folder / "data" / "tls", folder)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "postgres")])
        until = datetime.now(UTC) - timedelta(days=1)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(1).not_valid_before(until - timedelta(days=1)).not_valid_after(until)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("postgres")]), critical=False)
        certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        pkcs8, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, nothing))
        for file in ("server.crt", "ca.crt"):  # it is its own authority
            (folder / file).write_bytes(certificate)


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    """Run the server during the block. Not below pytest's folder: the server's account must reach it."""
    folder = Path(tempfile.mkdtemp(prefix="socialmart-tls-"))
    folder.chmod(0o755)
    server = TlsServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
