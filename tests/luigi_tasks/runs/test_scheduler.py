"""Where luigid is looked for, and which scheduler a run takes."""

import socket

import luigi
import pytest
from luigi.interface import core

from luigi_tasks import config
from luigi_tasks.cli import luigid
from luigi_tasks.runs import scheduler


@pytest.fixture
def settings(monkeypatch):
    """[core] and [dashboard], to be set; they are as they were afterwards."""
    parser = luigi.configuration.get_config()
    before = {key: parser.get("core", key, None) for key in ("local_scheduler", "scheduler_url")}
    monkeypatch.setattr(config.read_section_once(config.dashboard), "use", "auto")
    yield parser
    for key, value in before.items():
        if value is None:
            parser.remove_option("core", key)
        else:
            parser.set("core", key, value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://luigid.example.net:9000/", ("luigid.example.net", 9000)),
        ("http://luigid.example.net/luigi/", ("luigid.example.net", 80)),
        ("https://luigid.example.net", ("luigid.example.net", 443)),
        ("", ("localhost", 8082)),
    ],
)
def test_place__is_what_the_url_says_before_host_and_port(url, place):
    assert scheduler.get_luigid_address(core(scheduler_url=url)) == place


@pytest.mark.parametrize(
    ("use", "listens", "told"),
    [("auto", True, True), ("auto", False, False), ("always", False, True), ("never", True, False)],
)
def test_choose_scheduler__takes_luigid_where_the_url_answers(settings, monkeypatch, use, listens, told):
    monkeypatch.setattr(config.read_section_once(config.dashboard), "use", use)
    settings.set("core", "local_scheduler", "true")
    with socket.socket() as server:
        server.bind((luigid.HOST, 0))
        settings.set("core", "scheduler_url", f"http://{luigid.HOST}:{server.getsockname()[1]}")
        if listens:
            server.listen()
        scheduler.choose_scheduler()
    assert scheduler.uses_luigid() == told
