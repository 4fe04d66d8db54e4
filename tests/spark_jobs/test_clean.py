"""The job Clean: documents of many batches become Parquet parts of every table, and each record is counted."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extracted import Files, extract_documents
from pyspark import SparkContext

from luigi_tasks.paths import folder_name
from luigi_tasks.quality.ledger import build_ledger
from luigi_tasks.targets.ledger_file import LedgerLine
from spark_jobs.cleaning import job
from spark_jobs.extraction.mapped_rows import build_block, place_rows
from spark_jobs.messages import BatchToClean, CleanedBatch, CleanRequest, JobProgress

NO_COUNTS = dict.fromkeys(("shares", "likes", "love", "wow", "haha", "sad", "angry"), 0)


def run_job(
    spark: SparkContext,
    folder: Path,
    files: Files,
    *batches: str,
    documents_a_part: int = 1000,
    told: list[JobProgress] | None = None,
    impute_age: bool = False,
    fill_in_users: bool = False,
) -> Sequence[CleanedBatch]:
    """Run the job on checkpoints below `folder`, each batch's in a folder of its name; what it tells goes to `told`."""
    built = []
    for batch in batches:
        path = folder / folder_name(batch) / "documents"
        path.mkdir(parents=True)
        of_batch = extract_documents({place: some for place, some in files.items() if place[0] == batch})
        for start in range(0, len(of_batch), documents_a_part):
            pq.write_table(pa.table(of_batch.slice(start, documents_a_part)), path / f"{start:06}.parquet")
        built.append(BatchToClean(batch, [str(path)]))
    request = CleanRequest(built, str(folder / "staging"), impute_age, fill_in_users)
    return job.run(spark, request, ([] if told is None else told).append).batches


def written(folder: Path, batch_no: int, table: str) -> list[dict[str, Any]]:
    """The rows of a table as the job left them, in the order of its parts."""
    paths = sorted((folder / "staging" / f"batch_no={batch_no}" / table).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def rows_of(batch: CleanedBatch) -> dict[str, dict[str, int]]:
    """By entity and outcome the rows."""
    return {
        entity: {outcome: found.rows for outcome, found in outcomes.items()}
        for entity, outcomes in batch.counts.outcomes.items()
    }


def test_run__counts_what_was_read_and_what_became_of_it_for_each_batch(spark, tmp_path):
    files: Files = {
        ("2026-01-01", "f"): [
            {"user_id": "u1", "age": -1, "mood": "x", "posts": [
                {"post_id": "p1", "shares": 2, "reactions": {"like": 3}, "comments": [{}, {}, 17]},
                {"post_id": "p1", "shares": 5, "reactions": {"like": -1, "care": 1}},
                {"shares": 7, "reactions": {"angry": 1}, "comments": [{"comment": "x"}]},
            ]},
            {"user_id": "u1"},
            {"posts": [{"post_id": "p2", "shares": 11, "comments": [{}]}]},
        ],
        ("2026-01-02", "f"): [{"user_id": "u1"}],
    }  # fmt: skip
    found = run_job(spark, tmp_path, files, "2026-01-01", "empty", "2026-01-02")

    def sums(shares: int, likes: int, angry: int) -> dict[str, int]:
        return {**NO_COUNTS, "shares": shares, "likes": likes, "angry": angry}

    assert [found_of.counts.read for found_of in found] == [
        {**NO_COUNTS, "documents": 3, "users": 2, "posts": 4, "comments": 5, "shares": 25, "likes": 3, "angry": 1},
        {},
        {**NO_COUNTS, "documents": 1, "users": 1, "posts": 0, "comments": 0},
    ]
    assert [rows_of(found_of) for found_of in found] == [
        {
            "document": {"accepted": 2, "rejected": 1},
            "user": {"accepted": 1, "superseded": 1},
            "post": {"accepted": 1, "superseded": 1, "rejected": 2},
            "comment": {"accepted": 1, "superseded": 1, "rejected": 3},
        },
        {"document": {}, "user": {}, "post": {}, "comment": {}},
        {"document": {"accepted": 1}, "user": {"accepted": 1}, "post": {}, "comment": {}},
    ]
    assert {outcome: one.sums for outcome, one in found[0].counts.outcomes["post"].items()} == {
        "accepted": sums(5, 0, 0),
        "superseded": sums(2, 3, 0),
        "rejected": sums(18, 0, 1),
    }
    assert [{name: facts.rows for name, facts in found_of.tables.items()} for found_of in found] == [
        {"users": 1, "posts": 1, "comments": 1, "rejected": 6, "issues": 2},
        {"users": 0, "posts": 0, "comments": 0, "rejected": 0, "issues": 0},
        {"users": 1, "posts": 0, "comments": 0, "rejected": 0, "issues": 0},
    ]
    assert [found_of.counts.drift for found_of in found] == [["mood", "posts.reactions.care"], [], []]


def test_run__takes_documents_and_mapped_records_of_a_batch_in_the_order_of_their_parts(spark, tmp_path):
    documents = extract_documents(
        {("b", "1"): [{"user_id": "u1", "name": "first", "posts": [{"post_id": "p1", "shares": 1}]}]}
    )
    mapped = [
        [{"entity": "user", "user_id": "u1", "name": "second"}],
        [{"entity": "post", "post_id": "p1", "shares": "5", "score": "-2"}],
        [{"entity": "post", "post_id": "p1", "platform": "reddit", "score": "-3", "like": "1"}],
        [{"entity": "comment", "comment_id": "c1", "post_id": "p9", "platform": "reddit", "likes": "4"}],
        [{"entity": "skipped", "skipped_entity": "post", "reason": "repost"}],
        [{"entity": "rejected", "reason": "not_an_object", "raw": "17"}],
    ]
    rows = [
        row
        for number, of_record in enumerate(mapped)
        for row in place_rows([{"record_index": 0} | each for each in of_record], "b", "2", number)
    ]
    tables = {"documents/000000": pa.table(documents), "records/000001": pa.Table.from_batches([build_block(rows)])}
    for name, table in tables.items():
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir()
        pq.write_table(table, path)
    built = BatchToClean("b", [str(tmp_path / "records"), str(tmp_path / "documents")])
    request = CleanRequest([built], str(tmp_path / "staging"), impute_age=False, fill_in_users=False)
    (found,) = job.run(spark, request, lambda progress: None).batches
    assert [(row["name"], row["platform"]) for row in written(tmp_path, 0, "users")] == [("second", None)]
    posts = [(row["post_id"], row["platform"], row["shares"]) for row in written(tmp_path, 0, "posts")]
    assert posts == [("p1", None, 5), ("p1", "reddit", None)]
    assert rows_of(found) == {
        "document": {"accepted": 6, "rejected": 1},
        "user": {"accepted": 1, "superseded": 1},
        "post": {"accepted": 2, "superseded": 1},
        "comment": {"accepted": 1},
    }
    assert found.counts.skipped == {"post.repost": 1}
    lines = {(line.entity, line.measure): line for line in build_ledger(found.counts)}
    assert all(line.is_balanced() for line in lines.values())
    assert lines["document", "records"] == LedgerLine("document", "records", 7, 6, 1, 0)
    assert lines["post", "records"] == LedgerLine("post", "records", 4, 2, 0, 1, 1)
    assert lines["post", "skipped.repost"] == LedgerLine("post", "skipped.repost", 1, 0, 0, 0, 1)
    assert lines["post", "score"] == LedgerLine("post", "score", -5, -5, 0, 0)
    assert lines["comment", "likes"] == LedgerLine("comment", "likes", 4, 4, 0, 0)
    assert ("post", "views") not in lines


def test_run__tells_how_many_documents_and_files_are_done(spark, tmp_path):
    users: Files = {("one", "f"): [{"user_id": f"u{number}"} for number in range(5)]}
    twice: Files = {("two", "f"): [{"user_id": "u1"}, {"user_id": "u1"}, {"user_id": "u2"}]}
    told: list[JobProgress] = []
    run_job(spark, tmp_path, users | twice, "one", "two", documents_a_part=2, told=told)
    assert JobProgress(5, 5, "8 documents, 5 of 5 files", url=None) in told
    assert told[-1] == JobProgress(1, 1, "superseded records taken out of 1 of 1 files", url=None)


def test_run__takes_any_name_for_a_batch(spark, tmp_path):
    names = ["a*", "ab", "what?", "{a,b}", "week [1]", "a=b", "100%", "a b", "x,y", "a:b", "#1", "a\\b", "ü"]
    files: Files = {(name, "f"): [{"user_id": name}] for name in names}
    found = run_job(spark, tmp_path, files, *names)
    assert [batch.counts.read["users"] for batch in found] == [1] * len(names)


@pytest.mark.parametrize("documents_a_part", [1, 2, 1000])
def test_run__divides_records_however_they_are_spread_over_parts(spark, tmp_path, documents_a_part):
    def by(user_id: str, *shares: int) -> dict[str, object]:
        comments = [{"comment": "x"}, {"comment": "x"}]
        return {
            "user_id": user_id,
            "posts": [{"post_id": "p1", "shares": each, "comments": comments} for each in shares],
        }

    files: Files = {("b", "f"): [by("u1", 1, 2), by("u2", 3), by("u1", 4), by("u3")], ("c", "f"): [by("u1", 5)]}
    run_job(spark, tmp_path, files, "b", "c", documents_a_part=documents_a_part)

    def found(table: str, *names: str) -> list[tuple[object, ...]]:
        return [tuple(row[name] for name in names) for row in written(tmp_path, 0, table)]

    assert found("users", "user_id", "position") == [("u2", 1), ("u1", 2), ("u3", 3)]
    assert found("superseded/users", "user_id", "position") == [("u1", 0)]
    assert found("posts", "user_id", "shares") == [("u1", 4)]
    assert found("superseded/posts", "user_id", "shares") == [("u1", 1), ("u1", 2), ("u2", 3)]
    assert found("comments", "position", "post_index", "comment_index") == [(2, 0, 1)]
    assert len(found("superseded/comments", "comment_key")) == 7
    assert [row["shares"] for row in written(tmp_path, 1, "posts")] == [5]


def test_run__fills_in_the_median_age_of_the_accepted_users_of_a_batch_where_configured(spark, tmp_path):
    files: Files = {
        ("b", "f"): [
            {"user_id": "u1", "age": 90},
            {"user_id": "u1", "age": 10},
            {"user_id": "u2", "age": 21},
            {"user_id": "u3"},
            {"user_id": "u4", "age": "abc"},
            {"user_id": "u5"},
            {"user_id": "u5", "age": 11},
            {"user_id": None, "age": 99, "posts": []},
            {"user_id": "u6", "age": 20},
        ],
        ("c", "f"): [{"user_id": "u1"}],
    }
    run_job(spark, tmp_path, files, "b", "c", documents_a_part=2, impute_age=True)

    def ages(table: str, batch_no: int = 0) -> list[tuple[object, ...]]:
        return [(row["user_id"], row["age"], row["age_imputed"]) for row in written(tmp_path, batch_no, table)]

    assert ages("users") == [
        ("u1", 10, False),
        ("u2", 21, False),
        ("u3", 16, True),  # 15.5, rounded up
        ("u4", 16, True),
        ("u5", 11, False),
        ("u6", 20, False),
    ]
    assert ages("superseded/users") == [("u1", 90, False), ("u5", None, False)]
    assert ages("users", 1) == [("u1", None, False)]


PARTIAL = [
    {"user_id": "u1", "username": "a", "name": "Ann", "age": 30, "gender": "f", "date_created": "2020-01-01"},
    {"user_id": "u2", "email": "b@c.de", "age": 40},
    {"user_id": "u1", "username": "b", "age": None, "email": "a@b.cd"},
    {"user_id": "u3", "name": "only once"},
    {"user_id": "u2", "email": "not an address", "gender": "m", "age": "forty"},
    {"user_id": "u4"},
    {"user_id": "u1", "username": "c", "name": " "},
    {"user_id": "u4"},
]


@pytest.mark.parametrize("documents_a_part", [1, 3, 1000])
def test_run__fills_in_what_the_last_record_of_a_user_lacks_where_configured(spark, tmp_path, documents_a_part):
    files: Files = {("b", "f"): list(PARTIAL), ("c", "f"): [{"user_id": "u1", "name": "of another batch"}]}
    run_job(spark, tmp_path, files, "b", "c", documents_a_part=documents_a_part, fill_in_users=True)

    def found(table: str, batch_no: int = 0) -> list[tuple[object, ...]]:
        names = ("position", "user_id", "username", "email", "name", "age", "gender", "date_created")
        return [tuple(row[name] for name in names) for row in written(tmp_path, batch_no, table)]

    day = datetime(2020, 1, 1)
    assert found("users") == [
        (3, "u3", None, None, "only once", None, None, None),
        (4, "u2", None, "b@c.de", None, 40, "m", None),
        (6, "u1", "c", "a@b.cd", "Ann", 30, "f", day),
        (7, "u4", None, None, None, None, None, None),
    ]
    assert found("superseded/users") == [
        (0, "u1", "a", None, "Ann", 30, "f", day),
        (1, "u2", None, "b@c.de", None, 40, None, None),
        (2, "u1", "b", "a@b.cd", None, None, None, None),
        (5, "u4", None, None, None, None, None, None),
    ]
    assert found("users", 1) == [(0, "u1", None, None, "of another batch", None, None, None)]


def test_run__replaces_users_whole_unless_configured(spark, tmp_path):
    run_job(spark, tmp_path, {("b", "f"): list(PARTIAL)}, "b")
    found = [(row["user_id"], row["name"], row["gender"]) for row in written(tmp_path, 0, "users")]
    assert found == [("u3", "only once", None), ("u2", None, "m"), ("u1", None, None), ("u4", None, None)]


@pytest.mark.parametrize("documents_a_part", [1, 1000])
def test_run__imputes_an_age_only_where_no_record_of_the_user_has_one(spark, tmp_path, documents_a_part):
    users = [{"user_id": "u1", "age": 10}, {"user_id": "u2", "age": 20}, {"user_id": "u1"}, {"user_id": "u3"}]
    files: Files = {("b", "f"): users}
    run_job(spark, tmp_path, files, "b", documents_a_part=documents_a_part, impute_age=True, fill_in_users=True)
    found = [(row["user_id"], row["age"], row["age_imputed"]) for row in written(tmp_path, 0, "users")]
    assert found == [("u2", 20, False), ("u1", 10, False), ("u3", 15, True)]


def test_run__gives_tables_a_fingerprint_that_differs_where_any_value_does(spark, tmp_path):
    def fingerprints(number: int, *documents: object) -> dict[str, str]:
        (found,) = run_job(spark, tmp_path / str(number), {("b", "f"): list(documents)}, "b")
        return {name: facts.fingerprint for name, facts in found.tables.items()}

    first = fingerprints(0, {"user_id": "u1", "age": 1}, {"user_id": "u2"})
    assert fingerprints(1, {"user_id": " u1", "age": "1"}, {"user_id": "u2"}) == first
    different = [
        fingerprints(2, {"user_id": "u1", "age": 2}, {"user_id": "u2"}),
        fingerprints(3, {"user_id": "u1", "name": "1"}, {"user_id": "u2"}),
        fingerprints(4, {"user_id": "u2"}, {"user_id": "u1", "age": 1}),
        fingerprints(5, {"user_id": "u1", "age": 1}),
    ]
    assert len({first["users"], *(each["users"] for each in different)}) == 5
    assert {each["issues"] for each in different} == {first["issues"]}
    assert fingerprints(6, {"user_id": "u1", "age": -1})["issues"] != first["issues"]
