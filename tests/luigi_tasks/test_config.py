"""Settings that cannot be read are named."""

import luigi
import pytest

from luigi_tasks import config
from luigi_tasks.errors import PipelineError


@pytest.fixture(autouse=True)
def read_anew():
    config.read_section_once.cache_clear()
    yield
    config.read_section_once.cache_clear()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (config.quality, "max_rejected_share", "a quarter"),
        (config.quality, "max_rejected_share", "1.5"),
        (config.quality, "max_rejected_share", "-0.1"),
        (config.quality, "fill_missing_age", "mean"),
        (config.quality, "partial_users", "merge"),
        (config.landing, "max_unpacked_bytes", "20 GB"),
        (config.landing, "max_unpacked_bytes", "0"),
        (config.dbt, "threads", "many"),
        (config.dbt, "threads", "%(gone)s"),
    ],
)
def test_read__names_the_section_and_key_of_a_bad_setting(section, key, value):
    family = section.get_task_family()
    parser = luigi.configuration.get_config()
    before = parser.get(family, key)
    parser.set(family, key, value)
    try:
        with pytest.raises(PipelineError, match=rf"luigi.cfg, section \[{family}\], key {key}: cannot be read"):
            config.read_section(section)
    finally:
        parser.set(family, key, before)


@pytest.mark.parametrize("share", ["0", "1", "0.25"])
def test_read__takes_a_share_between_0_and_1(share):
    parser = luigi.configuration.get_config()
    before = parser.get("quality", "max_rejected_share")
    parser.set("quality", "max_rejected_share", share)
    assert config.read_section(config.quality).max_rejected_share == float(share)
    parser.set("quality", "max_rejected_share", before)
