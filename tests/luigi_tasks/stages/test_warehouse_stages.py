"""Audit and Load alone, on complete Clean checkpoints and a real PostgreSQL."""

import json

import pyarrow.parquet as pq
import pytest

from luigi_tasks import config, fingerprints, warehouse
from luigi_tasks.errors import BatchStopped, PipelineError
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.load import Load
from luigi_tasks.targets.checkpoint import audit_checkpoint, clean_checkpoint
from spark_jobs.messages import FileFault


@pytest.fixture(autouse=True)
def server(own_warehouse):
    return own_warehouse


def query(sql: str) -> list[tuple]:
    with warehouse.reading() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_audit__leaves_the_ledger_beside_the_checkpoint_and_in_the_warehouse(place):
    place.leave_clean("a", ["u1", "u2", "u3"], rejected=1)
    Audit(batch="a").run()
    ledger = json.loads((audit_checkpoint("a").folder / "ledger.json").read_text())
    assert (ledger["verdict"], ledger["reason"], ledger["drift"]) == ("passed", None, ["shoe_size"])
    assert ledger["entries"][0] == {
        "entity": "document", "measure": "records", "read": 4, "accepted": 3, "rejected": 1,
        "duplicate": 0, "skipped": 0,
    }  # fmt: skip
    rows = query(
        "select verdict, entity, read, accepted, rejected from etl.ledger where measure = 'records' order by 2"
    )
    assert rows == [
        ("passed", "comment", 0, 0, 0),
        ("passed", "document", 4, 3, 1),
        ("passed", "post", 0, 0, 0),
        ("passed", "user", 3, 3, 0),
    ]
    assert Audit(batch="a").check_target() is None


def test_audit__stops_a_batch_and_goes_on_with_the_others(place):
    place.leave_clean("a", ["u1"], rejected=1)
    place.leave_clean("b", ["u1"])
    place.leave_clean("c", [], fault=FileFault("c.json", 1_234, "not UTF-8"))
    limit = "a document is longer than the 9 bytes that [landing] max_document_bytes allows"
    place.leave_clean("d", [], fault=FileFault("d.json", 0, limit))
    with pytest.raises(BatchStopped) as raised:
        Audit(batch="a/b/c/d").run()
    stopped = str(raised.value).splitlines()
    assert stopped[0].startswith("batch a: 1 of 2 documents were rejected, at most 25% allowed; look at them with")
    assert stopped[1] == (
        "batch c, file c.json: at byte 1,234: not UTF-8; nothing of the batch is loaded; replace the file and run again"
    )
    assert stopped[2].endswith(
        "max_document_bytes allows; nothing of the batch is loaded; raise that, or replace the file, and run again"
    )
    assert query("select distinct batch, verdict from etl.ledger order by 1") == [("a", "stopped"), ("b", "passed")]
    assert Audit(batch="a").check_target() == stopped[0]
    assert Audit(batch="b").check_target() is None


def test_audit__takes_a_batch_that_it_will_stop_alone(place):
    place.leave_clean("a", ["u1"], rejected=1)
    place.leave_clean("b", ["u1"])
    assert [Audit(batch=batch).batchable for batch in ("a", "b", "not cleaned")] == [False, True, False]


def test_audit__stops_a_batch_whose_ledger_does_not_balance(place):
    place.leave_clean("a", ["u1", "u2"])
    path = clean_checkpoint("a").folder / "manifest.json"
    path.write_text(path.read_text().replace('"users": 2', '"users": 3'))
    with pytest.raises(BatchStopped, match="batch a: the ledger does not balance"):
        Audit(batch="a").run()


def test_audit__stops_a_batch_whose_files_hold_less_than_was_accepted(place):
    place.leave_clean("a", ["u1", "u2"])
    part = clean_checkpoint("a").folder / "users/part.parquet"
    pq.write_table(pq.read_table(part).slice(1), part)
    path = clean_checkpoint("a").folder / "manifest.json"
    manifest = json.loads(path.read_text())
    [file] = manifest["files"]
    file |= {"bytes": part.stat().st_size, "sha256": fingerprints.of_file(part)}
    path.write_text(json.dumps(manifest))
    with pytest.raises(BatchStopped, match=r"does not hold what was accepted \(users: 2 expected, 1 found"):
        Audit(batch="a").run()


def test_audit__is_stale_after_a_change_of_tables_settings_or_a_lost_row(place, monkeypatch):
    place.leave_clean("a", ["u1"])
    Audit(batch="a").run()
    with warehouse.transaction() as cursor:
        cursor.execute("delete from etl.table_updates")
    assert Audit(batch="a").check_target() == "its marker is missing"
    Audit(batch="a").run()
    monkeypatch.setattr(config.read_section_once(config.quality), "max_rejected_share", 0.5)
    assert Audit(batch="a").check_target() == "its settings changed"
    place.leave_clean("a", ["u1", "u2"], content="other")
    assert Audit(batch="a").check_target() == "its inputs and settings changed"


def test_load__replaces_the_rows_of_its_batch_and_marks_them(place):
    for batch in ("a", "b"):
        place.leave_clean(batch, ["u1", "u2"])
    Load(batch="a/b", table="users").run()
    place.leave_clean("a", ["u3"])
    assert Load(batch="a", table="users").check_target() == "its inputs changed"
    assert Load(batch="b", table="users").check_target() is None
    Load(batch="a/b", table="users").run()
    assert query("select batch, user_id from raw_data.users order by 1, 2") == [("a", "u3"), ("b", "u1"), ("b", "u2")]
    assert query("select table_name, id from etl.replaced_keys order by 2") == [("users", "u1"), ("users", "u2")]
    assert Load(batch="a/b", table="users").list_stale_tasks() == []


def test_load__requires_the_checkpoint_and_its_audit():
    required = {name: str(task) for name, task in Load(batch="a", table="posts").requires().items()}
    assert required == {
        "clean": "Clean(batch=a)",
        "audit": "Audit(batch=a)",
    }


def test_load__is_stale_after_a_change_of_its_code(place, monkeypatch):
    place.leave_clean("a", ["u1"])
    Load(batch="a", table="users").run()
    monkeypatch.setattr(fingerprints, "of_modules", lambda *paths: "other")
    assert Load(batch="a", table="users").check_target() == "its code changed"


def test_load__changes_nothing_where_a_part_is_damaged(place):
    place.leave_clean("a", ["u1"])
    Load(batch="a", table="users").run()
    place.leave_clean("a", ["u2"])
    part = clean_checkpoint("a").folder / "users/part.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    with pytest.raises(PipelineError, match=r"users/part\.parquet is not what its manifest says"):
        Load(batch="a", table="users").run()
    assert query("select user_id from raw_data.users") == [("u1",)]
