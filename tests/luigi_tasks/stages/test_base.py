"""What is up to date, and what a stage does about it: the heart of it all, on stages that build nothing."""

import os
from collections.abc import Sequence
from typing import Any

import luigi
import pytest

from luigi_tasks import run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import journal, lifecycle, lock
from luigi_tasks.stages.base import BatchStage, Stage, list_stale
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations

BUILT: list[tuple[str, ...]] = []
"""The batches of each build, in order, after the stage's name."""
CHECKED: list[str] = []
"""The stages whose own target was checked, in order."""
STALE: dict[str, str] = {}
"""Why which target is stale, by its stage and batch."""


class Toy:
    """A target that is stale as STALE says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_stale_reason(self, built_from: object) -> str | None:
        CHECKED.append(self.name)
        return STALE.get(self.name)


class First(BatchStage):
    """Requires nothing."""

    def output(self) -> Any:
        return Toy(f"First {self.batch}")

    def built_from(self) -> dict[str, str]:
        return {}

    def build(self, stale: Sequence["First"], progress: object) -> None:
        BUILT.append(("First", *(task.batch for task in stale)))


class Second(First):
    """Requires First of its batch."""

    def requires(self) -> First:
        return First(batch=self.batch)

    def output(self) -> Any:
        return Toy(f"Second {self.batch}")

    def build(self, stale: Sequence["Second"], progress: object) -> None:
        BUILT.append(("Second", *(task.batch for task in stale)))


class Whole(Stage):
    """Requires Second of two batches."""

    def requires(self) -> list[Stage]:
        return [Second(batch="a"), Second(batch="b")]

    def output(self) -> Any:
        return Toy("Whole")

    def built_from(self) -> dict[str, str]:
        return {}

    def build(self, stale: Sequence["Whole"], progress: object) -> None:
        BUILT.append(("Whole",))


class Failing(Whole):
    """Cannot find out whether it is up to date."""

    def requires(self) -> list[Stage]:
        return []

    def check_target(self) -> str | None:
        raise PipelineError("no server answers")


@pytest.fixture(autouse=True)
def clean(place):
    for noted in (BUILT, CHECKED, STALE):
        noted.clear()
    return place


def test_complete__asks_upstream_first_and_each_once():
    assert Whole().complete()
    assert CHECKED == ["First a", "Second a", "First b", "Second b", "Whole"]


def test_complete__asks_no_further_after_something_stale():
    STALE["First a"] = "its code changed"
    assert not Whole().complete()
    assert CHECKED == ["First a"]
    assert Whole().find_stale_reason() == "Second a is not up to date"
    assert Second(batch="a").find_stale_reason() == "First a is not up to date"
    assert First(batch="a").find_stale_reason() == "its code changed"


def test_complete__is_not_asked_again_once_up_to_date_but_is_while_stale(clean):
    STALE["Whole"] = "its inputs changed"
    assert not Whole().complete()
    STALE.clear()
    CHECKED.clear()
    assert Whole().complete()
    assert CHECKED == ["Whole"]
    STALE["First a"] = "changed since then: for the next run"
    assert Whole().complete()
    clean.forget_answers()
    assert not Whole().complete()


def test_complete__only_answers(clean, monkeypatch):
    started = []
    monkeypatch.setattr(Whole, "start_services", lambda self: started.append(1))
    monkeypatch.setattr(lifecycle, "begin_run", lambda: started.append(1))
    STALE["Whole"] = "its inputs changed"
    before = clean.list_files()
    assert not Whole().complete()
    assert (started, clean.list_files()) == ([], before)


def test_run__skips_what_is_up_to_date():
    First(batch="a").run()
    assert BUILT == []


def test_run__builds_the_stale_batches_of_many():
    STALE.update({"First b": "its inputs changed", "First d": "its checkpoint is missing"})
    First(batch="d/a/c/b").run()
    assert BUILT == [("First", "b", "d")]
    [entry] = journal.read_finished_stages(run_id.get_run_id())
    assert (entry.title, entry.what, entry.outcome) == ("First a and 3 more", "2 batches", journal.DONE)


def test_list_stale__asks_what_stages_share_once():
    STALE["Second b"] = "its settings changed"
    assert list_stale([Second(batch="a"), Second(batch="b"), First(batch="b")]) == [Second(batch="b")]
    assert CHECKED == ["First a", "Second a", "First b", "Second b"]


@pytest.mark.parametrize("holder", ["this process", "its parent"])
def test_deps__starts_services_in_the_process_that_began_the_run_only(monkeypatch, holder):
    started = []
    monkeypatch.setattr(Whole, "start_services", lambda self: started.append("services"))
    monkeypatch.setattr(warehouse, "hold_embedded", lambda: started.append("warehouse"))
    monkeypatch.setattr(lifecycle.record, "conclude_run_at_exit", lambda: started.append("conclusion"))
    monkeypatch.setattr(lock, "_holder", os.getpid() if holder == "this process" else os.getppid())
    assert Whole().deps() == [Second(batch="a"), Second(batch="b")]
    assert started == (["services", "warehouse", "conclusion"] if holder == "this process" else [])


def test_check__that_fails_is_noted_when_luigi_says_so():
    task = Failing()
    with pytest.raises(PipelineError, match="no server answers"):
        task.complete()
    assert journal.read_failures(run_id.get_run_id()) == []
    task.trigger_event(luigi.Event.DEPENDENCY_MISSING, task)
    assert journal.read_failures(run_id.get_run_id()) == [journal.StageFailure("Failing", "no server answers")]


def test_run__that_fails_is_noted():
    task = Whole()
    task.trigger_event(luigi.Event.FAILURE, task, SystemExit(143))
    assert journal.read_failures(run_id.get_run_id()) == [
        journal.StageFailure("Whole", "it was told to end by SIGTERM; run again")
    ]


def test_write_and_mark__leaves_both_or_neither(own_warehouse):
    migrations.apply()
    task, marker = Whole(), Marker("raw_data.users", "b")

    def insert(cursor: Any) -> str:
        cursor.execute("insert into etl.changed_batches values ('users', 'b')")
        return "inserted"

    def insert_and_fail(cursor: Any) -> None:
        insert(cursor)
        raise PipelineError("half of it")

    def count() -> int:
        with warehouse.reading() as cursor:
            cursor.execute("select count(*) from etl.changed_batches")
            return cursor.fetchone()[0]

    with pytest.raises(PipelineError, match="Whole: half of it"):
        task.write_and_mark(marker, {"inputs": "1"}, insert_and_fail)
    assert (count(), marker.find_stale_reason({"inputs": "1"})) == (0, "its marker is missing")
    assert task.write_and_mark(marker, {"inputs": "1"}, insert) == "inserted"
    assert (count(), marker.find_stale_reason({"inputs": "1"})) == (1, None)
    assert marker.find_stale_reason({"inputs": "2"}) == "its inputs changed"
