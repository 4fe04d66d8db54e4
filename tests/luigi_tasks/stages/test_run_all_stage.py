"""RunAll and Replay alone: what they have Luigi do, by what their stages say of themselves."""

import logging

import luigi
import pytest

from luigi_tasks import config
from luigi_tasks.quality.quarantine import RejectedCounts
from luigi_tasks.stages import replay
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.export import Export
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.replay import Replay
from luigi_tasks.stages.report import Report
from luigi_tasks.stages.run_all import RunAll

STALE: dict[str, str] = {}
"""Why which stage is stale, by its title."""
STARTED: list[str] = []
"""The titles of the stages whose services were started, in order."""


@pytest.fixture(autouse=True)
def stages(place, monkeypatch):
    """Stages that are stale as STALE says, and a landing folder with two batches."""
    STALE.clear()
    STARTED.clear()
    for stage in (Clean, Audit, Publish, Report, Export):
        monkeypatch.setattr(stage, "find_stale_reason", lambda self: STALE.get(self.title))
        monkeypatch.setattr(stage, "start_services", lambda self: STARTED.append(self.title))
    place.land("a.json")
    place.land("b.json")
    return place


def test_run_all__has_stale_batches_cleaned_and_then_what_is_stale_after_them():
    STALE.update(
        {"Clean b": "its inputs changed", "Audit b": "Clean b is not up to date", "Report": "its marts changed"}
    )
    assert RunAll().find_stale_reason() == "Clean b is not up to date"
    assert RunAll().requires() == [Clean(batch="b")]
    assert list(RunAll().run()) == [[Audit(batch="b"), Report(batch="")]]


def test_run_all__exports_the_marts_where_a_folder_is_set(monkeypatch):
    STALE.update({"Export": "its marts changed"})
    monkeypatch.setattr(config.read_section_once(config.export), "folder", "lake")
    assert RunAll().find_stale_reason() == "Export is not up to date"
    assert list(RunAll().run()) == [[Export(batch="")]]
    assert replay._list_marts(["a"]) == [Report(batch="a"), Export(batch="a")]


def test_run_all__of_one_batch_is_about_no_other():
    STALE.update({"Clean b": "its inputs changed"})
    assert RunAll(batch="a").complete()
    assert RunAll(batch="b").requires() == [Clean(batch="b")]
    assert not RunAll(batch="b").complete()


def test_run_all__says_that_all_is_up_to_date_before_and_after_a_run(caplog):
    for event in (luigi.Event.DEPENDENCY_PRESENT, luigi.Event.SUCCESS):
        with caplog.at_level(logging.INFO):
            RunAll().trigger_event(event, RunAll())
    assert caplog.messages == ["RunAll: 2 batches and the marts are up to date"] * 2


@pytest.mark.parametrize(
    ("stale", "started"),
    [
        (["Clean a", "Clean b"], ["Clean b", "Publish"]),
        (["Clean a"], ["Clean a", "Publish"]),
        (["Publish"], ["Publish"]),
        (["Report"], []),
    ],
    ids=str,
)
def test_run_all__starts_what_the_newest_stale_batch_and_the_marts_need(stale, started):
    STALE.update(dict.fromkeys(stale, "its inputs changed"))
    RunAll().start_services()
    assert started == STARTED


def test_replay__is_stale_while_a_stage_is_or_records_are_to_be_compared(monkeypatch):
    to_compare: list[str] = []
    monkeypatch.setattr(Replay, "_list_batches", lambda self: ["a", "b"])
    monkeypatch.setattr(Replay, "_list_batches_to_compare", lambda self: to_compare)
    assert Replay().list_upstream() == [Clean(batch="a"), Clean(batch="b"), Report(batch="a/b")]
    STALE["Clean a"] = "its code changed"
    assert Replay().find_stale_reason() == "Clean a is not up to date"
    STALE.clear()
    to_compare.append("a")
    assert Replay().find_stale_reason() == "its records are not compared with those rejected before"
    to_compare.clear()
    assert Replay().complete()


def test_replay__with_nothing_to_do_says_how_many_records_stay_rejected(monkeypatch, caplog):
    monkeypatch.setattr(replay.quarantine, "count_rejected", lambda batch, rule: RejectedCounts([], 1_234))
    with caplog.at_level(logging.INFO):
        Replay().trigger_event(luigi.Event.DEPENDENCY_PRESENT, Replay())
    assert caplog.messages == ["Replay: nothing was fixed, 1,234 records stay rejected"]
