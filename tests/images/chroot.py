"""Images built by buildah, and containers of them in chroot isolation: real files, accounts and commands, no engine.

They share this machine's network, so that all names of services lead to 127.0.0.1.
"""

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from compose import REPOSITORY, Mount, Service

DNS = "127.0.0.11"
"""As Docker has it; see names.py."""
BASES = ("trixie", "forky")
SECONDS_TO_START = 180
SECONDS_TO_END = 60
ISOLATION = ("--isolation", "chroot")
LIMITS = ("--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1024:1024")
"""Higher than the defaults a limit may not be where this is itself a container."""
SLIM = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
"""


class Store:
    """Images and containers of the tests' own, kept in a folder so that layers need not be made twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._where = ["--root", f"{folder}/images", "--runroot", f"{folder}/run"]
        self._where += ["--storage-driver", os.environ.get("STORAGE_DRIVER", "overlay")]

    def buildah(self, *arguments: str | Path) -> str:
        """What a command of buildah says; AssertionError with its end where it fails."""
        ended = subprocess.run(self.argv(*arguments), capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{arguments}\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
        return ended.stdout.strip()

    def argv(self, *arguments: str | Path) -> list[str]:
        return ["buildah", *self._where, *map(str, arguments)]

    def make_bases(self) -> None:
        """Debian's images, made of Debian's packages, under their names."""
        there = self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
        for release in BASES:
            name = f"docker.io/library/debian:{release}-slim"
            if name not in there:
                self._make_base(release, name)

    def _make_base(self, release: str, name: str) -> None:
        root = self.folder / release
        shutil.rmtree(root, ignore_errors=True)
        script = Path(f"/usr/share/debootstrap/scripts/{release}")
        script = script if script.exists() else script.with_name("sid")
        usual_mirror = ""
        subprocess.run(["debootstrap", "--variant=minbase", release, root, usual_mirror, script], check=True)
        (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(SLIM)
        (root / "etc/apt/apt.conf.d/mirror").write_text('Acquire::Check-Valid-Until "false";\n')
        for folder in ("usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt", "var/log"):
            shutil.rmtree(root / folder)
            (root / folder).mkdir()
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, root, "/")
        self.buildah("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(root)

    def build(self, service: Service) -> float:
        """Build the service's image; returns the seconds it took."""
        started = time.monotonic()
        stage = ["--target", service.stage] if service.stage else []
        options = ["--layers", "--pull-never", "--tag", service.image, "--file", service.dockerfile]
        self.buildah("bud", *ISOLATION, *LIMITS, *self._certificates(), *stage, *options, REPOSITORY)
        return time.monotonic() - started

    def _certificates(self) -> list[str]:
        """Have pip trust whom this machine trusts, without a trace in the image."""
        settings = self.folder / "pip.conf"
        settings.write_text("[global]\ncert = /run/trusted.pem\n")
        trusted = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
        return ["--volume", f"{trusted}:/run/trusted.pem:ro", "--volume", f"{settings}:/etc/pip.conf:ro"]

    def size(self, image: str) -> str:
        return json.loads(self.buildah("images", "--json", image))[0]["size"]

    def settings(self, image: str) -> dict[str, Any]:
        """The image's configuration: User, Cmd, StopSignal."""
        return json.loads(self.buildah("inspect", "--type", "image", image))["OCIv1"]["config"]


class Container:
    """A container of a service, with its volumes below `volumes`; what it says is in `log`."""

    def __init__(self, store: Store, service: Service, volumes: Path, hosts: Iterable[str], number: int = 1) -> None:
        self.service = service
        self.name = f"{service.name}-{number}"
        self._store = store
        self._volumes = volumes
        self.log = volumes / f"{self.name}.log"
        names = [f"--add-host={name}:127.0.0.1" for name in hosts]
        self._id = store.buildah("from", "--pull-never", f"--dns={DNS}", *names, service.image)
        self.root = Path(store.buildah("mount", self._id))
        options = [f"--volume={source}:{target}:{mode}" for source, target, mode in map(self._mounted, service.mounts)]
        options += [f"--env={name}={value}" for name, value in service.environment.items()]
        self._options = [*ISOLATION, "--cap-drop=all", f"--hostname={service.name}", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._marker = volumes / f"{self.name}.made"
        self._marker.touch()

    def _mounted(self, mount: Mount) -> tuple[Path, str, str]:
        """A new volume begins with what the image has at its place, owner and all."""
        mode = "ro" if mount.read_only else "rw"
        if mount.kind == "bind":
            return (REPOSITORY / mount.source).resolve(), mount.target, mode
        source = self._volumes / (mount.source or f"{self.name}{mount.target.replace('/', '-')}")
        inside = self.root / mount.target.lstrip("/")
        if mount.kind == "tmpfs":
            source.mkdir(exist_ok=True)
            source.chmod(0o1777)
        elif not source.exists():
            subprocess.run(["cp", "--archive", inside, source], check=True)
        return source, mount.target, mode

    def start(self) -> None:
        """Start the service's command, or else the image's."""
        command = self.service.command or self._store.settings(self.service.image)["Cmd"]
        with self.log.open("wb") as output:
            self.log.chmod(0o666)
            self._process = subprocess.Popen(
                self._store.argv("run", *self._options, "--", self._id, *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker compose exec` does."""
        options = [*self._options, *(f"--env={name}={value}" for name, value in variables.items())]
        argv = self._store.argv("run", *options, "--", self._id, *command)
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    def wait_until_healthy(self) -> float:
        """The seconds until the health check of docker-compose.yml went well."""
        started = time.monotonic()
        while (checked := self.run(*self.service.health)).returncode != 0:
            assert self._process is not None and self._process.poll() is None, f"{self.name} ended:\n{self.said()}"
            waited = time.monotonic() - started
            assert waited < SECONDS_TO_START, f"{self.name}: {checked.stdout}{checked.stderr}\n{self.said()}"
            time.sleep(0.5)
        return time.monotonic() - started

    def said(self) -> str:
        """What it has written to its log."""
        return self.log.read_text(errors="backslashreplace")

    def wait(self) -> int:
        """Its exit code, once it ends."""
        assert self._process is not None
        return self._process.wait(SECONDS_TO_START)

    def written(self) -> list[str]:
        """The files it has written outside its volumes, which read_only forbids; places to mount at do not count."""
        find = ["find", self.root, "-xdev", "-type", "f", "-newercm", self._marker, "-printf", "/%P\\n"]
        found = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()
        return sorted(set(found) - {mount.target for mount in self.service.mounts})

    def end(self) -> None:
        """End its command by the image's signal, and remove it."""
        if self._process is not None and self._process.poll() is None:
            ended_by = signal.Signals[self._store.settings(self.service.image).get("StopSignal", "SIGTERM")]
            for process in self._commands():
                process.send_signal(ended_by)
            try:
                self._process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._store.buildah("umount", self._id)
        self._store.buildah("rm", self._id)

    def _commands(self) -> list[psutil.Process]:
        """What buildah itself started."""
        assert self._process is not None
        found = psutil.Process(self._process.pid).children(recursive=True)
        living = [process for process in found if process.status() != psutil.STATUS_ZOMBIE]
        buildahs = {process.pid for process in living if "buildah" in process.cmdline()[0]}
        return [process for process in living if process.pid not in buildahs and process.ppid() in buildahs]


def page(url: str, login: str = "", trusted: Path | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of a page, asked with a login (`user:password`); `trusted` is the certificate to trust."""
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    context = ssl.create_default_context(cafile=trusted) if trusted else None
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
