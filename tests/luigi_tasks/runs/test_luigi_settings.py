"""Settings of Luigi with which a run would hang, do less, or hide that it failed are refused."""

import pytest
from luigi.interface import core
from luigi.retcodes import retcode
from luigi.worker import worker

from luigi_tasks import config
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import luigi_settings

FITTING = {
    core: {"no_lock": True},
    worker: {"check_complete_on_run": True},
    retcode: {
        "missing_data": 20,
        "not_run": 25,
        "task_failed": 30,
        "scheduling_error": 35,
        "unhandled_exception": 40,
        "already_running": 10,
    },
}


@pytest.fixture
def fitting(monkeypatch):
    sections = {section: section(**values) for section, values in FITTING.items()}
    monkeypatch.setattr(config, "read_section", sections.get)
    return sections


def test_settings__that_fit_are_accepted(fitting):
    luigi_settings.require_fitting_settings()


@pytest.mark.parametrize(
    ("section", "key", "value", "wanted"),
    [
        (core, "parallel_scheduling", True, "False"),
        (core, "assistant", True, "False"),
        (core, "no_lock", False, "True"),
        (core, "workers", 0, "1 or more"),
        (worker, "keep_alive", True, "False"),
        (worker, "check_complete_on_run", False, "True"),
        (worker, "cache_task_completion", True, "False"),
        (worker, "task_limit", 3, "None"),
        (worker, "timeout", 60, "0"),
        (retcode, "task_failed", 0, "a code other than 0"),
        (retcode, "scheduling_error", 0, "a code other than 0"),
    ],
)
def test_setting__that_does_not_fit_is_named(fitting, monkeypatch, section, key, value, wanted):
    monkeypatch.setattr(fitting[section], key, value)
    with pytest.raises(PipelineError) as raised:
        luigi_settings.require_fitting_settings()
    name = section.get_task_family()
    assert str(raised.value).startswith(
        f"luigi.cfg, section [{name}], key {key}: {wanted} expected, {value} found, which does not fit the pipeline; "
        "set it so in luigi.cfg (Luigi reads "
    )
