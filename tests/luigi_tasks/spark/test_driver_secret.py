"""A stranger on this machine, who has all of Spark but not the run's secret, and the driver of a run."""

import socket
import struct
from collections.abc import Iterator

import psutil
import pytest

from luigi_tasks import config, run_id
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.spark import submit
from spark_jobs.messages import BatchToExtract, ExtractRequest, FileToRead
from spark_jobs.messages.operations import EXTRACT

RPC_REQUEST = 3
"""The type of a message that asks for an answer, in Spark's network protocol."""
RPC_FAILURE = b"\x05"
"""The type of an answer that says why there is none."""


@pytest.fixture
def make_driver(tmp_path, monkeypatch) -> Iterator[object]:
    """Makes a driver as runs have it, with a [spark] conf, that has done some work. Gives the ports it listens on."""
    monkeypatch.setattr(config.read_section_once(config.logs), "folder", str(tmp_path / "logs"))
    monkeypatch.setenv(run_id.VARIABLE, "run-1")
    made: list[ServiceProcess] = []

    def make(conf: str) -> list[int]:
        monkeypatch.setattr(config.read_section_once(config.spark), "conf", conf)
        command = submit.build_command("session", "local[1]")
        service = ServiceProcess("a session", command, submit.make_environment("local[1]"), tmp_path / "log")
        made.append(service)
        (tmp_path / "export.json").write_text('[{"user_id": "u"}]')
        batch = BatchToExtract("b", [FileToRead("export.json", str(tmp_path / "export.json"))])
        staging = tmp_path / f"staging-{len(made)}"
        service.ask(EXTRACT, ExtractRequest([batch], str(staging), None))
        assert {path.stat().st_mode & 0o077 for path in staging.rglob("*")} == {0}
        return list_ports(service)

    yield make
    for service in made:
        service.close()


def list_ports(service: ServiceProcess) -> list[int]:
    """The TCP ports that a service and its children listen on."""
    assert service._running is not None
    process = service._running.process
    connections = [each for one in (process, *process.children(recursive=True)) for each in one.net_connections()]
    return sorted({each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN})


def send_request(port: int) -> str:
    """What Spark says to a request made without a secret; "" from a port where another protocol is spoken."""
    message = b"no object of Java's"
    body = struct.pack(">bqi", RPC_REQUEST, 1, len(message)) + message
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as connection:
            connection.sendall(struct.pack(">q", 8 + len(body)) + body)
            answer = connection.recv(1 << 16)
    except OSError:
        return ""
    return answer.decode(errors="replace") if answer[8:9] == RPC_FAILURE else ""


def test_driver__takes_no_request_of_a_user_who_has_no_secret(make_driver):
    answers = [answer for port in make_driver("") if (answer := send_request(port))]
    assert answers and all("Expected SaslMessage" in answer for answer in answers)


def test_driver__would_take_it_apart_without_a_secret(make_driver):
    answers = [answer for port in make_driver("spark.authenticate=false") if (answer := send_request(port))]
    assert answers and not any("Expected SaslMessage" in answer for answer in answers)
