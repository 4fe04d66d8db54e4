"""The stage Report beside other stages."""

from unittest.mock import Mock

from luigi_tasks.stages import report
from luigi_tasks.stages.report import Report


def test_report__is_written_again_if_the_ledger_changed_meanwhile(monkeypatch):
    target, write = Mock(), Mock()
    target.find_stale_reason.side_effect = ["its ledger changed", None]
    monkeypatch.setattr(Report, "output", lambda stage: target)
    monkeypatch.setattr(Report, "built_from", lambda stage: {})
    monkeypatch.setattr(report.page, "write_report", write)
    Report().build([], Mock())
    assert write.call_count == 2
