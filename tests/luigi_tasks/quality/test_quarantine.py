"""Counting and writing out what was rejected, in a real PostgreSQL."""

import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from psycopg2.extras import execute_values

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.quality import quarantine
from luigi_tasks.quality.quarantine import RejectedCount, RejectedCounts
from luigi_tasks.warehouse import migrations
from spark_jobs.cleaning import records
from spark_jobs.schemas import DOCUMENTS

NASTY = 'a "quote", \\ and \\n,\ttab\r\nline\u2028 ü😀 {1} NULL'
HUGE = "ü" * 5_000_000
RECORDS = [
    ("a", "f", 9, None, None, "document", ["not_json"], NASTY),
    ("a", "f", 10, 0, None, "post", ["parent_rejected", "missing_post_id"], "{}"),
    ("a", "f", 10, 0, 1, "comment", ["parent_rejected"], ""),
    ("b", "ü.json", 1 << 40, None, None, "document", ["not_json"], None),
]


@pytest.fixture
def rejected(own_warehouse):
    migrations.apply()
    with warehouse.transaction() as cursor:
        execute_values(cursor, "insert into raw_data.rejected values %s", RECORDS[::-1])


def exported(path) -> list[tuple]:
    return [tuple(json.loads(line).values()) for line in path.read_bytes().decode().split("\n")[:-1]]


def test_count_rejected__is_by_batch_and_rule_and_its_total_counts_a_record_once(rejected):
    assert quarantine.count_rejected() == RejectedCounts(
        [
            RejectedCount("a", "missing_post_id", "post", False, 1),
            RejectedCount("a", "not_json", "document", False, 1),
            RejectedCount("a", "parent_rejected", "comment", False, 1),
            RejectedCount("a", "parent_rejected", "post", False, 1),
            RejectedCount("b", "not_json", "document", False, 1),
        ],
        4,
    )


def test_count_rejected__is_of_one_batch_and_rule_where_they_are_named(rejected):
    assert quarantine.count_rejected("a", "missing_post_id") == RejectedCounts(
        [RejectedCount("a", "missing_post_id", "post", False, 1)], 1
    )
    assert quarantine.count_rejected("b", "missing_post_id") == RejectedCounts([], 0)


def test_export_rejected__writes_every_record_unharmed_in_its_order(rejected, tmp_path):
    file = tmp_path / "rejected.jsonl"
    assert quarantine.export_rejected(str(file)) == 4
    assert exported(file) == RECORDS
    assert list(json.loads(file.read_bytes().splitlines()[0])) == [
        "batch",
        "file",
        "position",
        "post_index",
        "comment_index",
        "entity",
        "rules",
        "raw",
    ]


def test_export_rejected__picks_batch_and_rule(rejected, tmp_path):
    assert quarantine.export_rejected(str(tmp_path / "some"), "a", "parent_rejected") == 2
    assert exported(tmp_path / "some") == RECORDS[1:3]


def test_export_rejected__writes_a_huge_record(rejected, tmp_path):
    with warehouse.transaction() as cursor:
        cursor.execute("update raw_data.rejected set raw = %s where batch = 'b'", (HUGE,))
    assert quarantine.export_rejected(str(tmp_path / "huge"), "b") == 1
    assert exported(tmp_path / "huge")[0][-1] == HUGE


def test_export_rejected__to_a_hyphen_is_standard_output(rejected, capfdbinary):
    assert quarantine.export_rejected("-", "a", "not_json") == 1
    assert json.loads(capfdbinary.readouterr().out)["raw"] == NASTY


def test_export_rejected__leaves_what_was_there_when_it_fails(rejected, tmp_path, monkeypatch):
    file = tmp_path / "rejected.jsonl"
    file.write_text("before")

    def fail(*arguments: object) -> int:
        arguments[1].write(b"half a li")
        raise KeyboardInterrupt

    monkeypatch.setattr(quarantine, "_write_records", fail)
    with pytest.raises(KeyboardInterrupt):
        quarantine.export_rejected(str(file))
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {file.name: "before"}


@pytest.fixture
def device(tmp_path):
    """A device like /dev/null, where the test may make one, or one that all machines have."""
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, Path("/dev/null").stat().st_rdev)
    except PermissionError:
        return "/dev/null"
    return str(path)


@pytest.mark.parametrize("is_linked", [False, True])
def test_export_rejected__writes_to_a_device_and_leaves_it_one(rejected, tmp_path, device, is_linked):
    place = tmp_path / "link" if is_linked else Path(device)
    if is_linked:
        place.symlink_to(device)
    assert quarantine.export_rejected(str(place)) == 4
    assert place.is_symlink() == is_linked and Path(device).is_char_device()


def test_export_rejected__writes_to_a_pipe(rejected, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        text = pool.submit((tmp_path / "pipe").read_bytes)
        assert quarantine.export_rejected(str(tmp_path / "pipe"), "a", "not_json") == 1
        assert json.loads(text.result())["raw"] == NASTY
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("is_there", [False, True])
def test_export_rejected__replaces_what_a_link_leads_to_and_keeps_the_link(rejected, tmp_path, is_there):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    if is_there:
        file.write_text("before")
    (tmp_path / "link").symlink_to("folder/file")
    assert quarantine.export_rejected(str(tmp_path / "link")) == 4
    assert (tmp_path / "link").is_symlink() and exported(file) == RECORDS


def test_export_rejected__knows_standard_output_by_any_name(rejected, capfdbinary):
    assert quarantine.is_standard_output("/dev/stdout") and not quarantine.is_standard_output("/dev/null")
    assert quarantine.export_rejected("/dev/fd/1", "a", "not_json") == 1
    assert json.loads(capfdbinary.readouterr().out)["raw"] == NASTY


def test_export_rejected__refuses_a_full_device_a_socket_and_a_folder(rejected, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for place, reason in {
            "/dev/full": "No space left on device",
            str(tmp_path / "socket"): "a device, pipe or socket, not a file",
            str(tmp_path): "a folder, not a file",
        }.items():
            with pytest.raises(PipelineError, match=rf"^--export {place}: cannot be written \({reason}\)"):
                quarantine.export_rejected(place)
    assert (tmp_path / "socket").is_socket()


def test_export_rejected__is_for_its_owner_alone(rejected, tmp_path):
    quarantine.export_rejected(str(tmp_path / "private"))
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_export_rejected__says_what_file_cannot_be_written(rejected, tmp_path):
    with pytest.raises(PipelineError, match=f"--export {tmp_path}/no/file: cannot be written .*; name another file"):
        quarantine.export_rejected(str(tmp_path / "no" / "file"))


def test_count_rejected__says_that_nothing_was_loaded_yet(own_warehouse):
    with pytest.raises(PipelineError, match=r"no table raw_data\.rejected yet; run the pipeline first"):
        quarantine.count_rejected()


@pytest.mark.parametrize(
    ("batch", "rule", "said"),
    [
        ("nope", "", "batch nope: not loaded, and not in the landing folder "),
        ("", "nosuch", "no rule nosuch rejects records; expected one of: not_json, "),
        ("", "invalid_age", "no rule invalid_age rejects records"),
        ("A", "not_json", "batch A: not loaded"),
    ],
)
def test_names__of_no_batch_or_rule_are_refused(rejected, tmp_path, monkeypatch, batch, rule, said):
    monkeypatch.setattr("luigi_tasks.paths.landing", lambda: tmp_path)
    file = tmp_path / "rejected.jsonl"
    with pytest.raises(PipelineError, match=said):
        quarantine.count_rejected(batch, rule)
    with pytest.raises(PipelineError, match=said):
        quarantine.export_rejected(str(file), batch, rule)
    assert not file.exists()


def test_names__of_a_batch_without_rejected_records_are_taken(rejected, tmp_path, monkeypatch):
    monkeypatch.setattr("luigi_tasks.paths.landing", lambda: tmp_path)
    (tmp_path / "landed.json").touch()
    with warehouse.transaction() as cursor:
        cursor.execute(
            "insert into etl.table_updates (update_id, target_table, batch, built_from) "
            "values ('raw_data.users loaded', 'raw_data.users', 'loaded', '{}')"
        )
        cursor.execute("update raw_data.rejected set rules = '{of_an_older_version}' where batch = 'b'")
    for batch in ("landed", "loaded"):
        assert quarantine.count_rejected(batch).records == 0
    assert quarantine.count_rejected(rule="of_an_older_version").records == 1


def test_rejecting_rules__are_those_of_cleaning():
    documents = pa.RecordBatch.from_pylist([], schema=DOCUMENTS)
    rules = {rule for build in records.BUILDERS.values() for rule, _ in build(documents).broken}
    assert set(quarantine.REJECTING_RULES) == rules
