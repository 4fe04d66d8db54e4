"""Spark's memory and tasks fit what there is, unless luigi.cfg says otherwise."""

import pytest

from luigi_tasks import config
from luigi_tasks.spark import resources


@pytest.fixture
def machine(monkeypatch):
    """Has some MB of memory and cores; what luigi.cfg says is given by name."""

    def be(megabytes: int, cores: int, **settings: str) -> tuple[str, str]:
        monkeypatch.setattr(resources, "measure_memory", lambda: megabytes << 20)
        monkeypatch.setattr(resources, "_count_cores", lambda: cores)
        for name, value in {"driver_memory": "", "master": "local[*]", **settings}.items():
            monkeypatch.setattr(config.read_section(config.spark), name, value)
        return resources.choose_driver_memory(), resources.choose_master()

    return be


@pytest.mark.parametrize(
    ("megabytes", "cores", "chosen"),
    [
        (600, 8, ("512m", "local[1]")),
        (1_000, 8, ("512m", "local[1]")),
        (2_000, 8, ("512m", "local[3]")),
        (2_000, 2, ("512m", "local[*]")),
        (3_000, 4, ("750m", "local[*]")),
        (16_000, 16, ("1024m", "local[*]")),
    ],
)
def test_choose__fits_the_memory_there_is(machine, megabytes, cores, chosen):
    assert machine(megabytes, cores) == chosen


def test_choose__takes_what_the_settings_say(machine):
    assert machine(600, 8, driver_memory="3g", master="local[6]") == ("3g", "local[6]")
    assert machine(600, 8, master="spark://host:7077") == ("512m", "spark://host:7077")
