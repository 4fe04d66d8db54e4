"""DbtRun, DbtTest, Publish and Report alone: what they ask dbt for, and the markers they leave. dbt is a stand-in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType

import pytest

from luigi_tasks import config, warehouse
from luigi_tasks.dbt import project, runner
from luigi_tasks.dbt.messages import Model
from luigi_tasks.errors import PipelineError
from luigi_tasks.report import page
from luigi_tasks.stages import dbt_run, publish
from luigi_tasks.stages.dbt_run import DbtRun
from luigi_tasks.stages.dbt_test import DbtTest
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.report import Report
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations

UNIT_TESTS_ASIDE = ["--exclude-resource-type", "unit_test"]


class StandIn:
    """Takes note of the commands; the one command fails that is named. Models are `one` and `two`."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails: str | None = None
        self.before: Callable[[], object] = list
        self.seen: list[int] = []

    def __call__(
        self,
        command: str,
        options: Sequence[str],
        tell: Callable[..., None],
        settings: str = "",
        variables: Mapping[str, object] = MappingProxyType({}),
    ) -> list:
        self.commands.append([command, *options, *variables])
        self.before()
        tell(1, 2, "one of two")
        if command == self.fails:
            raise PipelineError(f"dbt {command}: 1 failed: one: no such column")
        return []


@pytest.fixture
def dbt(monkeypatch, own_warehouse, place) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(runner, "run_dbt", stand_in)
    monkeypatch.setattr(runner, "list_models", list)
    monkeypatch.setattr(project, "fingerprint_models", lambda folder: MODELS)
    monkeypatch.setattr(project, "fingerprint_shared_files", lambda folder: "macros")
    monkeypatch.setattr(project, "fingerprint_tests", lambda folder: "tests")
    monkeypatch.setitem(MODELS, "one", "1")
    monkeypatch.setitem(MODELS, "two", "1")
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute("create schema staging; create table staging.touched_keys (kind text, sk uuid)")
    return stand_in


MODELS: dict[str, str] = {}


def load(batch: str) -> None:
    """As Load leaves it, without rows."""
    with warehouse.transaction() as cursor:
        Marker("raw_data.users", batch).touch(cursor, {"inputs": batch})
        cursor.execute("insert into etl.changed_batches values ('users', %s)", (batch,))


def count(table: str) -> int:
    with warehouse.reading() as cursor:
        cursor.execute(f"select count(*) from {table}")
        return cursor.fetchone()[0]


def test_dbt_run__builds_everything_where_no_marker_tells_what_is_there(dbt):
    load("a")
    assert DbtRun().check_target() == "its marker is missing"
    DbtRun().run()
    assert dbt.commands == [["run", "--full-refresh"]]
    assert (DbtRun().check_target(), count("etl.changed_batches")) == (None, 0)


def test_dbt_run__takes_new_rows_in_and_rebuilds_what_a_changed_model_reaches(dbt):
    DbtRun().run()
    load("a")
    assert DbtRun().check_target() == "its inputs changed"
    DbtRun().run()
    MODELS["two"] = "2"
    assert DbtRun().check_target() == "its two changed"
    DbtRun().run()
    assert dbt.commands[1:] == [
        ["run", "--exclude", "config.materialized:view"],
        ["run", "--full-refresh", "--select", "two+"],
    ]


@pytest.mark.parametrize(
    ("section", "key", "value"), [(config.quality, "partial_users", "fill_in"), (config.privacy, "open_group_size", 5)]
)
def test_dbt_run__builds_and_tests_everything_after_a_change_of_a_variable(dbt, monkeypatch, section, key, value):
    DbtRun().run()
    DbtTest().run()
    monkeypatch.setattr(config.read_section_once(section), key, value)
    assert DbtRun().check_target() == "its settings changed"
    DbtRun().run()
    DbtTest().run()
    assert dbt.commands[2:] == [["run", "--full-refresh"], ["test", *UNIT_TESTS_ASIDE]]
    assert (DbtRun().check_target(), DbtTest().check_target()) == (None, None)


def test_dbt_run__that_fails_leaves_its_work_to_the_next(dbt):
    DbtRun().run()
    load("a")
    dbt.fails = "run"
    with pytest.raises(PipelineError, match="DbtRun: dbt run: 1 failed: one: no such column"):
        DbtRun().run()
    assert (DbtRun().output().read_built_from() or {})["inputs"] == dbt_run.UNFINISHED
    assert count("etl.changed_batches where in_work") == 1
    dbt.fails = None
    DbtRun().run()
    assert dbt.commands[1] == dbt.commands[2] == ["run", "--exclude", "config.materialized:view"]
    assert (DbtRun().check_target(), count("etl.changed_batches")) == (None, 0)


def test_dbt_run__that_fails_at_building_everything_builds_everything_the_next_time(dbt):
    dbt.fails = "run"
    with pytest.raises(PipelineError):
        DbtRun().run()
    assert DbtRun().check_target() == "its marker is missing"
    dbt.fails = None
    DbtRun().run()
    assert dbt.commands == [["run", "--full-refresh"]] * 2


def test_dbt_run__that_fails_leaves_the_views_of_others(dbt, monkeypatch):
    with warehouse.transaction() as cursor:
        cursor.execute("create schema core; create table core.one (n int); create view public.two as table core.one")
        cursor.execute("comment on table core.one is 'Written by the stage DbtRun.'")
    monkeypatch.setattr(runner, "list_models", lambda: [Model("core", "one", "incremental", {"n": "integer"})])
    dbt.before = lambda: dbt.seen.append(count("pg_class where relname = 'two'"))
    for dbt.fails in ("run", None):
        with pytest.raises(PipelineError, match="no such column") if dbt.fails else nullcontext():
            DbtRun().run()
        assert (count("public.two"), count("etl.set_aside")) == (0, 0)
    assert dbt.seen == [0, 0]


def test_dbt_run__waits_for_the_loads_of_admitted_batches_only(dbt, place, monkeypatch):
    monkeypatch.setattr(dbt_run, "list_admitted_batches", lambda batches: ["a"])
    assert {task.batch for task in DbtRun().list_upstream()} == {"a"}
    assert all(isinstance(task, Load) for task in DbtRun().list_upstream())


def test_dbt_test__marks_the_state_that_passed(dbt):
    DbtRun().run()
    DbtTest().run()
    assert dbt.commands[1:] == [["test", *UNIT_TESTS_ASIDE]]
    assert DbtTest().check_target() is None
    load("a")
    assert DbtTest().check_target() == "its inputs changed"
    DbtTest().run()
    assert dbt.commands[2:] == [["test", *UNIT_TESTS_ASIDE, "touched_only"]]


def test_dbt_test__leaves_no_marker_where_a_test_fails(dbt):
    dbt.fails = "test"
    with pytest.raises(PipelineError, match="DbtTest: dbt test: 1 failed"):
        DbtTest().run()
    assert DbtTest().check_target() == "its marker is missing"


def test_publish__copies_all_at_first_and_then_what_was_touched(dbt, monkeypatch):
    copied = []
    monkeypatch.setattr(runner, "list_published_relations", list)
    monkeypatch.setattr(publish, "publish_whole", lambda *arguments: copied.append("all") or 7)
    monkeypatch.setattr(publish, "publish_touched", lambda *arguments: copied.append("touched") or 1)
    Publish().run()
    assert Publish().check_target() is None
    load("a")
    Publish().run()
    load("b")
    with warehouse.transaction() as cursor:
        cursor.execute("insert into staging.touched_keys values ('everything', null)")
    Publish().run()
    assert (copied, count("staging.touched_keys")) == (["all", "touched", "all"], 0)


def test_publish__leaves_the_marker_as_it_was_where_it_fails(dbt, monkeypatch):
    def fail(*arguments: object) -> int:
        raise PipelineError("the disk is full")

    monkeypatch.setattr(runner, "list_published_relations", list)
    monkeypatch.setattr(publish, "publish_whole", fail)
    with pytest.raises(PipelineError, match="Publish: the disk is full"):
        Publish().run()
    assert Publish().check_target() == "its marker is missing"


def test_report__is_stale_once_other_marts_are_published(dbt, monkeypatch, tmp_path):
    path = tmp_path / "report" / "index.html"
    monkeypatch.setattr("luigi_tasks.paths.report", lambda: path)

    def write() -> None:
        path.parent.mkdir(exist_ok=True)
        stamp = ",".join(f"{name}={value}" for name, value in Report().built_from().items())
        path.write_text(f'<meta name="built-from" content="{stamp}">')

    monkeypatch.setattr(page, "write_report", write)
    assert Report().check_target() == "its file is missing or unreadable"
    Report().run()
    assert Report().check_target() is None
    with warehouse.transaction() as cursor:
        Publish().output().touch(cursor, {"inputs": "other"})
    assert Report().check_target() == "its marts changed"


def test_report__that_an_audit_beside_it_outdates_has_done_its_work(dbt, monkeypatch, tmp_path):
    path = tmp_path / "report" / "index.html"
    monkeypatch.setattr("luigi_tasks.paths.report", lambda: path)
    monkeypatch.setattr(Report, "list_upstream", lambda report: [])
    ledger = Marker("etl.ledger", "stopped")

    def write() -> None:
        path.parent.mkdir(exist_ok=True)
        stamp = ",".join(f"{name}={value}" for name, value in Report().built_from().items())
        path.write_text(f'<meta name="built-from" content="{stamp}">')
        with warehouse.transaction() as cursor:
            ledger.touch(cursor, {"inputs": "changed"})

    monkeypatch.setattr(page, "write_report", write)
    report = Report()
    assert not report.complete()
    report.run()
    assert report.complete()
    assert report.check_target() == "its ledger changed"
