"""Settings that cannot be read are named; a project's own ones go before those of the repository."""

import subprocess
import sys
from pathlib import Path

import luigi
import pytest

from luigi_tasks import config, paths, setting_faults, settings_files
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
        (config.logs, "keep_runs", "0"),
        (config.spark, "max_batches", "0"),
        (config.warehouse, "connect_timeout", "0"),
        (config.warehouse, "lock_timeout", "-1"),
        (config.warehouse, "retries", "0"),
        (config.privacy, "open_group_size", "1"),
        (config.dbt, "threads", "0"),
        (config.dbt, "threads", "many"),
        (config.dbt, "threads", "%(gone)s"),
    ],
)
def test_read__names_the_section_and_key_of_a_bad_setting(section, key, value):
    family = section.get_task_family()
    parser = luigi.configuration.get_config()
    before = parser.get(family, key) if parser.has_option(family, key) else None
    parser.set(family, key, value)
    try:
        with pytest.raises(PipelineError, match=rf"luigi.cfg, section \[{family}\], key {key}: cannot be read"):
            config.read_section(section)
    finally:
        if before is None:
            parser.remove_option(family, key)
        else:
            parser.set(family, key, before)


def test_require_valid__names_every_fault_in_the_same_words_and_leaves_the_defaults():
    parser = luigi.configuration.get_config()
    bad = {"notify": {"on": "loudly", "stale_hours": "soon"}, "logs": {"keep-runs": "all"}}
    for section, keys in bad.items():
        for key, value in keys.items():
            parser.set(section, key, value)
    parser.remove_option("logs", "keep_runs")
    try:
        with pytest.raises(PipelineError) as error:
            setting_faults.require_valid_settings(*config.SECTIONS)
        assert str(error.value) == (
            "luigi.cfg, section [logs], key keep_runs: cannot be read (invalid literal for int() with base 10: 'all'); "
            "expected: how many runs to keep the logs of, int in [1, 1000000]; "
            "luigi.cfg, section [notify], key on: cannot be read (loudly is not a valid choice); "
            "expected: never, failure, warnings (and failures) or always; "
            "luigi.cfg, section [notify], key stale_hours: cannot be read (could not convert string to float: 'soon'); "
            "expected: hours without a load after which a run warns that no new data comes; 0: never, "
            "float in [0.0, 1.7976931348623157e+308)"
        )
        setting_faults.require_valid_settings(*config.SECTIONS)
        assert (config.read_section(config.notify).on, config.read_section(config.logs).keep_runs) == ("warnings", 30)
    finally:
        for section, key, value in (("logs", "keep_runs", "30"), ("notify", "on", "warnings")):
            parser.set(section, key, value)
        parser.set("notify", "stale_hours", "0")


@pytest.mark.parametrize("share", ["0", "1", "0.25"])
def test_read__takes_a_share_between_0_and_1(share):
    parser = luigi.configuration.get_config()
    before = parser.get("quality", "max_rejected_share")
    parser.set("quality", "max_rejected_share", share)
    assert config.read_section(config.quality).max_rejected_share == float(share)
    parser.set("quality", "max_rejected_share", before)


TOLD = "[retcode]\ntask_failed = 30\n[dbt]\nthreads = {}\n"
ASK = """
from luigi_tasks import config, settings_files
settings_files.require_project()
print(config.read_section(config.dbt).threads)
"""


def ask_threads(folder: Path, **variables: str) -> tuple[int, str]:
    """The exit code and the last line of a process in a folder that reads [dbt] threads."""
    environ = {"PYTHONPATH": str(paths.PROJECT), **variables}
    ended = subprocess.run([sys.executable, "-c", ASK], cwd=folder, env=environ, capture_output=True, text=True)
    return ended.returncode, (ended.stdout + ended.stderr).strip().split("\n")[-1]


def test_local_settings__go_before_luigi_cfg_key_by_key(tmp_path):
    (tmp_path / "luigi.cfg").write_text(TOLD.format(2))
    assert ask_threads(tmp_path) == (0, "2")
    (tmp_path / "luigi.local.cfg").write_text("[notify]\non = never\n")
    assert ask_threads(tmp_path) == (0, "2")
    (tmp_path / "luigi.local.cfg").write_text("[dbt]\nthreads = 3\n")
    assert ask_threads(tmp_path) == (0, "3")
    other = tmp_path / "other"
    other.mkdir()
    (other / "luigi.cfg").write_text(TOLD.format(5))
    assert ask_threads(tmp_path, LUIGI_CONFIG_PATH=str(other / "luigi.cfg")) == (0, "5")
    (other / "luigi.local.cfg").write_text("[dbt]\nthreads = 6\n")
    assert ask_threads(tmp_path, LUIGI_CONFIG_PATH=str(other / "luigi.cfg")) == (0, "6")
    assert ask_threads(other) == (0, "6")


@pytest.mark.parametrize("content", [b"threads = 3", b"[dbt]\nthreads = \xff", b"[dbt]\n[dbt]", None])
def test_local_settings__that_cannot_be_read_are_not_passed_over(tmp_path, content):
    (tmp_path / "luigi.cfg").write_text(TOLD.format(2))
    local = tmp_path / "luigi.local.cfg"
    if content is None:
        local.mkdir()
    else:
        local.write_bytes(content)
    code, said = ask_threads(tmp_path)
    assert code == 1 and said.startswith("luigi.local.cfg: cannot be read (") and said.endswith("); fix it")


def test_project__is_a_folder_with_settings_and_not_what_stands_in_etc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_files, "list_files", lambda: ["/etc/luigi/luigi.cfg"])
    with pytest.raises(SystemExit, match=f"none with a section .retcode. is in {tmp_path}; go to the folder"):
        settings_files.require_project()


def test_git__ignores_local_settings():
    assert "luigi.local.cfg" in (paths.PROJECT / ".gitignore").read_text().split()
