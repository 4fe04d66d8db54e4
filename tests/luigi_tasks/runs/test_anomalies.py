"""Anomalies of runs that differ from those before them; ordinary runs have none."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import pytest
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import paths, warehouse
from luigi_tasks.runs import anomalies
from luigi_tasks.runs.journal import StageRecord
from luigi_tasks.runs.record import record_remarks
from luigi_tasks.targets import checkpoint
from luigi_tasks.targets.ledger_file import BatchLedger, write_ledger
from luigi_tasks.warehouse import migrations
from spark_jobs.messages import TableFacts

MONDAY = date(2026, 1, 5)


@pytest.fixture
def cursor(own_warehouse) -> Iterator[Cursor]:
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute(
            "create schema marts; create table marts.daily_engagement_mart (date_day date, posts bigint, "
            "total_likes bigint, total_love bigint default 0, total_wow bigint default 0, "
            "total_haha bigint default 0, total_sad bigint default 0, total_angry bigint default 0)"
        )
        yield cursor


def entry(seconds: float, rows: int | None = 1000, started: float = 1e9, outcome: str = "done") -> StageRecord:
    return StageRecord("Clean", ["b"], "Clean b", "1 batch", started, seconds, rows, outcome)


def record(cursor: Cursor, seconds: list[float], rows: int | None = 1000) -> None:
    for number, each in enumerate(seconds):
        cursor.execute(
            "insert into etl.stages values (%s, 'Clean', '{}', to_timestamp(%s), %s, %s, 'done')",
            (f"run {number}", number, each, rows),
        )


def test_find_slow_stages__names_a_stage_beside_its_median(cursor):
    record(cursor, [4, 5, 6, 5, 30])
    assert anomalies.find_usual_seconds(cursor, "now", entry(11)) == 5
    assert [anomaly.text for anomaly in anomalies.find_slow_stages(cursor, "now", [entry(11)])] == [
        "Clean b took 11.0 s; 5.0 s are usual for as many rows"
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([5, 5, 5, 5], entry(60)),  # too short a history
        ([5] * 5, entry(9.9)),
        ([0.1] * 5, entry(1.9)),  # too short to matter
        ([5] * 5, entry(60, rows=2001)),  # more to do than ever
        ([5] * 5, entry(60, outcome="failed")),
    ],
)
def test_find_slow_stages__leaves_out_what_is_usual(cursor, before, now):
    record(cursor, before)
    assert list(anomalies.find_slow_stages(cursor, "now", [now])) == []


def ledger(cursor: Cursor, rejected: dict[str, int], read: int = 1000) -> None:
    for batch, lost in rejected.items():
        cursor.execute(
            "insert into etl.ledger values (%s, 'passed', 'user', 'records', %s, %s, %s, 0)",
            (batch, read, read - lost, lost),
        )


def test_find_rejecting_batches__names_a_batch(cursor):
    ledger(cursor, {f"2026-01-0{day}": day % 3 for day in range(1, 10)} | {"2026-01-10": 30, "2026-01-11": 500})
    assert [anomaly.text for anomaly in anomalies.find_rejecting_batches(cursor, ["2026-01-10"])] == [
        "batch 2026-01-10: 30 records, 3.0%, were rejected; 0.1% are usual"
    ]


@pytest.mark.parametrize(
    ("before", "lost"),
    [([0] * 7, 900), ([0] * 8, 9), ([50] * 8, 59), ([40, 80, 60, 30, 90, 70, 50, 60], 140)],
)
def test_find_rejecting_batches__leaves_out_what_is_usual(cursor, before, lost):
    ledger(cursor, {f"2026-01-0{day}": usual for day, usual in enumerate(before)} | {"2026-01-10": lost})
    assert list(anomalies.find_rejecting_batches(cursor, ["2026-01-10"])) == []


def hold(cursor: Cursor, batch: str, verdict: str = "passed", **accepted: int) -> None:
    """Have the ledger say that a batch holds so many users, posts and comments."""
    cursor.execute("delete from etl.ledger where batch = %s", (batch,))
    for entity, records in {"document": accepted.get("user", 0), **accepted}.items():
        cursor.execute(
            "insert into etl.ledger values (%s, %s, %s, 'records', %s, %s, 0, 0)",
            (batch, verdict, entity, records, records),
        )


def find_shrunk(cursor: Cursor) -> list[str]:
    return [anomaly.text for anomaly in anomalies.find_shrunk_batches(cursor)]


def test_find_shrunk_batches__names_a_batch_that_lost_half_once(cursor):
    for batch in ("a", "b", "c"):
        hold(cursor, batch, user=1_000, post=3, comment=0)
    assert find_shrunk(cursor) == []
    hold(cursor, "a", user=500, post=1, comment=9)
    hold(cursor, "b", user=501, post=2, comment=0)
    hold(cursor, "c", user=0, post=0, comment=0)
    end = "if it should not have, put the earlier export back and run again"
    assert find_shrunk(cursor) == [
        f"batch a: shrank to 500 users of 1,000, 1 post of 3; {end}",
        f"batch c: shrank to 0 users of 1,000, 0 posts of 3; {end}",
    ]
    assert find_shrunk(cursor) == []
    hold(cursor, "a", user=250, post=1, comment=9)
    assert find_shrunk(cursor) == [f"batch a: shrank to 250 users of 500; {end}"]


def test_find_shrunk_batches__compares_with_what_was_there_before_the_batch_was_stopped(cursor):
    hold(cursor, "a", user=10)
    assert find_shrunk(cursor) == []
    hold(cursor, "a", "stopped", user=1)
    assert find_shrunk(cursor) == []
    cursor.execute("delete from etl.ledger")
    assert find_shrunk(cursor) == []
    hold(cursor, "a", user=5)
    assert find_shrunk(cursor)[0].startswith("batch a: shrank to 5 users of 10;")


def test_find_drifted_batches__names_a_new_field_once(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    for batch, drift in {"a": ["user.x"], "b": ["user.x", "post.y"], "c": []}.items():
        folder = tmp_path / "audit" / batch
        folder.mkdir(parents=True)
        write_ledger(folder / paths.LEDGER, BatchLedger(batch, "passed", None, [], drift, 0))
    assert [anomaly.text for anomaly in anomalies.find_drifted_batches(["b", "c"])] == [
        "batch b: unknown fields: post.y"
    ]


def test_find_drifted_batches__lists_some_of_many_fields_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    folder = tmp_path / "audit" / "b"
    folder.mkdir(parents=True)
    drift = ["a\n12:00:00 ERROR b\x1b", "b" * 9_000, *(f"c{number}" for number in range(1_500))]
    write_ledger(folder / paths.LEDGER, BatchLedger("b", "passed", None, [], drift, 0))
    [anomaly] = anomalies.find_drifted_batches(["b"])
    assert anomaly.text.startswith("batch b: unknown fields: a\\n12:00:00 ERROR b\\x1b, bbb")
    assert anomaly.text.endswith(" and 1,482 more") and len(anomaly.text) < 1_000


@pytest.mark.parametrize("text", ["a\0b", "\ud800\udcff", "ü" * 9_000, "\0" * 9_000, "😀" * 3_000, "a\nb\u2028"])
def test_record_remarks__takes_any_text_as_one_line(cursor, text):
    record_remarks(cursor, [anomalies.Anomaly("drift", text, text)] * 2)
    cursor.execute("select subject, remark from etl.remarks")
    [(subject, remark)] = cursor.fetchall()
    assert len(subject.encode()) <= 500 and len(remark.encode()) <= 1_800
    assert remark and "\n" not in remark and "\u2028" not in remark


def days(cursor: Cursor, posts: list[int], first: date = MONDAY) -> None:
    for number, count in enumerate(posts):
        cursor.execute(
            "insert into marts.daily_engagement_mart (date_day, posts, total_likes) values (%s, %s, %s)",
            (first + timedelta(days=number), count, count * 3),
        )


def ordinary(seed: int, count: int) -> list[int]:
    """Posts of days: half as many at weekends, and a tenth more or less by chance."""
    random = Random(seed)
    return [round(random.gauss(100 if day % 7 < 5 else 50, 10 if day % 7 < 5 else 5)) for day in range(count)]


def test_find_strange_days__names_a_day_with_a_tenth_of_its_posts_once(cursor):
    days(cursor, [*ordinary(1, 60), 10])
    told = [anomaly.text for anomaly in anomalies.find_strange_days(cursor)]
    assert [text.split(";")[0] for text in told] == ["Friday 2026-03-06: 10 posts", "Friday 2026-03-06: 30 reactions"]
    assert list(anomalies.find_strange_days(cursor)) == []
    cursor.execute("update marts.daily_engagement_mart set posts = 11 where date_day = '2026-03-06'")
    assert len(list(anomalies.find_strange_days(cursor))) == 2


@pytest.mark.parametrize("seed", range(5))
def test_find_strange_days__leaves_out_ordinary_days(cursor, seed):
    posts = ordinary(seed, 150)
    days(cursor, posts[:100])
    told = []
    for number in range(100, 150):
        days(cursor, posts[number : number + 1], MONDAY + timedelta(days=number))
        told += list(anomalies.find_strange_days(cursor))
    assert told == []


def test_find_strange_days__leaves_out_today_and_days_without_a_history(cursor):
    cursor.execute("select (now() at time zone 'UTC')::date")
    today = cursor.fetchone()[0]
    days(cursor, [*[100] * 70, 1], today - timedelta(days=70))
    assert list(anomalies.find_strange_days(cursor)) == []
    cursor.execute("truncate marts.daily_engagement_mart, etl.days_looked_at")
    days(cursor, [*[100] * 35, 1])
    assert list(anomalies.find_strange_days(cursor)) == []


def keep_extracted(batch: str, found: dict[str, int], unknown_files: tuple[str, ...] = ()) -> None:
    """A checkpoint of Extract that says how often each path of the source `forum` was found."""
    no_rows = TableFacts(0, "0")
    checkpoint.extract_checkpoint(batch).publish(
        paths.checkpoints() / "staging",
        {},
        {},
        sources=[],
        tables={"documents": no_rows, "records": no_rows},
        fault=None,
        content="",
        found={"forum": found},
        unknown_files=unknown_files,
    )


def test_find_lost_paths__names_those_at_which_most_earlier_batches_have_a_value(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    for batch in "abc":
        keep_extracted(batch, {"id": 5, "body": 1, "seldom": int(batch == "a"), "never": 0})
    keep_extracted("d", {"id": 5, "body": 0, "seldom": 0, "never": 0})
    keep_extracted("e", {"id": 5})  # without a record that could have a body
    assert [anomaly.text for anomaly in anomalies.find_lost_paths(["c", "d", "e"])] == [
        "batch d: of source forum, nothing is at body, unlike in earlier batches"
    ]


def test_find_unknown_files__names_what_an_archive_has_besides(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "checkpoints", lambda: tmp_path)
    keep_extracted("a", {})
    keep_extracted("b", {}, ("b.zip/x.csv", "b.zip/y\n.json"))
    assert [anomaly.text for anomaly in anomalies.find_unknown_files(["a", "b", "gone"])] == [
        "batch b: files in archives are of no source, and left alone: b.zip/x.csv, b.zip/y\\n.json"
    ]
