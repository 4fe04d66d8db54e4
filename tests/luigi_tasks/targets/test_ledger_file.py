"""The ledger file of a batch: its format, and files that are missing or damaged."""

import json

import pytest

from luigi_tasks.targets.ledger_file import BatchLedger, LedgerLine, read_ledger, write_ledger

LEDGER = BatchLedger(
    batch="2026-01-01",
    verdict="stopped",
    reason="too much was rejected",
    entries=[LedgerLine("post", "records", 21, 15, 4, 1, 1)],
    drift=["posts.mood"],
    issues=3,
)
WRITTEN = {
    "batch": "2026-01-01",
    "verdict": "stopped",
    "reason": "too much was rejected",
    "entries": [
        {
            "entity": "post",
            "measure": "records",
            "read": 21,
            "accepted": 15,
            "rejected": 4,
            "duplicate": 1,
            "skipped": 1,
        },
    ],
    "drift": ["posts.mood"],
    "issues": 3,
}


def test_write_ledger__keeps_the_format_that_older_runs_left(tmp_path):
    path = tmp_path / "ledger.json"
    write_ledger(path, LEDGER)
    assert json.loads(path.read_text()) == WRITTEN


def test_read_ledger__returns_what_was_written(tmp_path):
    path = tmp_path / "ledger.json"
    path.write_text(json.dumps(WRITTEN))
    assert read_ledger(path) == LEDGER


def test_read_ledger__returns_none_for_a_missing_file(tmp_path, caplog):
    assert read_ledger(tmp_path / "ledger.json") is None
    assert caplog.messages == []


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff\xfe",
        b'{"batch": "a", "verdict"',
        b"[]",
        b'{"batch": "a", "verdict": "passed"}',
        json.dumps(WRITTEN | {"entries": [{"entity": "post"}]}).encode(),
        json.dumps(WRITTEN | {"entries": 7}).encode(),
    ],
)
def test_read_ledger__warns_of_a_damaged_file_and_returns_none(tmp_path, caplog, damaged):
    path = tmp_path / "ledger.json"
    path.write_bytes(damaged)
    assert read_ledger(path) is None
    [message] = caplog.messages
    assert message.startswith(f"ledger {path}: cannot be read (")
    assert message.endswith("; delete its folder and run again")
