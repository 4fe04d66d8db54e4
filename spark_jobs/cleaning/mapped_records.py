"""Mapped records: blocks of the Extract checkpoint's table `records` become the rows of users, posts and comments.

The same rules as for the native export (see `records`), with three differences: a post's author may be unknown, a
record has a platform, and a counter that a source does not have is null, not 0.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning import rules
from spark_jobs.cleaning.records import PLACE, Records, build_table, digest_comments
from spark_jobs.cleaning.values import flatten_lists, replace_nul_characters, to_mask
from spark_jobs.schemas import COMMENT_MEASURES, MEASURES, REACTIONS, REJECTED, SKIPPED, SOURCE_MEASURES

SCORE = "score"
"""The one counter that may be negative."""


def build_users(block: pa.RecordBatch) -> Records:
    """One record a user that a record of the source describes."""
    found = take_entity(block, "user")
    fields = [
        rules.clean_key("user_id", found["user_id"]),
        rules.clean_name("username", found["username"]),
        rules.clean_email(found["email"]),
        rules.clean_name("name", found["name"]),
        rules.clean_age(found["age"]),
        rules.clean_lower_case_name("gender", found["gender"]),
        rules.clean_time("date_created", found["date_created"]),
        rules.clean_location(found["location"]),
        rules.clean_known_count("followers", found["followers"]),
    ]
    columns = _take_place(found) | {field.name: field.values for field in fields}
    columns["age_imputed"] = pa.repeat(False, len(found))
    broken = [(rules.MISSING_USER_ID, _is_null(columns["user_id"]))]
    issues = rules.list_issues(fields, _find_issues(found))
    return Records("user", "user", build_table("users", columns), broken, found["raw"], issues)


def build_posts(block: pa.RecordBatch) -> Records:
    """One record a post."""
    found = take_entity(block, "post")
    fields = [
        rules.clean_key("post_id", found["post_id"]),
        rules.clean_key("user_id", found["user_id"]),
        rules.clean_text("post_text", found["post_text"]),
        rules.clean_location(found["location"]),
        rules.clean_time("timestamp", found["timestamp"]),
        rules.clean_tags(found["tags"]),
        *(rules.clean_name(name, found[name]) for name in ("url", "post_type", "lang", "channel")),
    ]
    is_canonical = pc.is_null(found["platform"])
    clean_count = partial(rules.clean_known_count, is_zero_where_missing=is_canonical)
    counts = {"shares": clean_count("shares", found["shares"])}
    counts |= {name: clean_count(f"reactions.{name}", found[name]) for name in REACTIONS}
    others = {name: _clean_measure(name, found) for name in SOURCE_MEASURES}
    columns = _take_place(found) | {field.name: field.values for field in fields}
    columns["post_timestamp"] = columns["timestamp"]
    columns |= {measure: field.values for measure, field in zip(MEASURES, counts.values(), strict=True)}
    columns |= {name: field.values for name, field in others.items()}
    broken = [(rules.MISSING_POST_ID, _is_null(columns["post_id"]))]
    issues = rules.list_issues([*fields, *counts.values(), *others.values()], _find_issues(found))
    return Records("post", "post", build_table("posts", columns), broken, found["raw"], issues)


def build_comments(block: pa.RecordBatch) -> Records:
    """One record a comment. Its post need not be in the export."""
    found = take_entity(block, "comment")
    fields = [
        *(rules.clean_key(name, found[name]) for name in ("comment_id", "post_id", "parent_comment_id", "user_id")),
        rules.clean_name("author_name", found["author_name"]),
        rules.clean_text("comment", found["comment"]),
        rules.clean_time("timestamp", found["timestamp"]),
        *(_clean_measure(name, found) for name in COMMENT_MEASURES),
    ]
    columns = _take_place(found) | {field.name: field.values for field in fields}
    columns |= {
        "comment_index": found["record_index"],
        "comment_user_id": columns["user_id"],
        "comment_text": pc.fill_null(columns["comment"], ""),
        "comment_timestamp": columns["timestamp"],
    }
    columns["comment_key"] = digest_comments(columns)
    broken = [(rules.MISSING_POST_ID, _is_null(columns["post_id"]))]
    issues = rules.list_issues(fields, _find_issues(found))
    return Records("comment", "comment", build_table("comments", columns), broken, found["raw"], issues)


BUILDERS: dict[str, Callable[[pa.RecordBatch], Records]] = {
    "user": build_users,
    "post": build_posts,
    "comment": build_comments,
}
"""By entity."""


def build_unreadable(block: pa.RecordBatch) -> pa.Table:
    """The rows of `rejected` for the records of a source that could not be mapped at all."""
    found = take_entity(block, REJECTED)
    columns = _take_place(found) | {
        "post_index": pa.nulls(len(found), pa.int32()),
        "comment_index": pa.nulls(len(found), pa.int32()),
        "entity": pa.repeat("document", len(found)),
        "rules": pa.array([[reason] for reason in found["reason"].to_pylist()], pa.list_(pa.string())),
        "raw": replace_nul_characters(found["raw"]),
    }
    return build_table("rejected", columns)


def count_records(block: pa.RecordBatch) -> dict[str, int]:
    """How many records of the source, users, posts and comments a block holds, those left out on purpose included. A
    part of a record that was rejected counts as a record of its own."""
    counts = _count_values(block["entity"])
    skipped = _count_values(take_entity(block, SKIPPED)["skipped_entity"])
    return {
        "documents": pc.sum(block["is_counted"]).as_py() or 0,
        "users": counts.get("user", 0),
        "posts": counts.get("post", 0) + skipped.get("post", 0),
        "comments": counts.get("comment", 0) + skipped.get("comment", 0),
    }


def count_skipped(block: pa.RecordBatch) -> dict[str, int]:
    """What was left out on purpose, by entity and reason: `post.repost`."""
    skipped = take_entity(block, SKIPPED)
    return _count_values(pc.binary_join_element_wise(skipped["skipped_entity"], skipped["reason"], "."))


def count_accepted_documents(block: pa.RecordBatch) -> int:
    """How many records of the source became anything else than one that is skipped or rejected as a whole."""
    counted = block.filter(block["is_counted"])
    is_skipped = to_mask(pc.equal(counted["skipped_entity"], "document"))
    is_rejected = to_mask(pc.equal(counted["entity"], REJECTED))
    return int((~is_skipped & ~is_rejected).sum())


def take_entity(block: pa.RecordBatch, entity: str) -> pa.RecordBatch:
    """The rows of one entity."""
    return block.filter(pc.equal(block["entity"], entity))


def _clean_measure(name: str, found: pa.RecordBatch) -> rules.Field:
    return rules.clean_score(name, found[name]) if name == SCORE else rules.clean_known_count(name, found[name])


def _take_place(found: pa.RecordBatch) -> dict[str, pa.Array]:
    return {name: found[name] for name in (*PLACE, "platform")}


def _is_null(keys: pa.Array) -> np.ndarray:
    return to_mask(pc.is_null(keys))


def _find_issues(found: pa.RecordBatch) -> pa.Table | None:
    """What Extract found wrong with records: columns record, field, rule, value. None where there is nothing."""
    owners, issues = flatten_lists(found["issues"])
    if not len(issues):
        return None
    return pa.table({"record": owners} | {name: pc.struct_field(issues, name) for name in ("field", "rule", "value")})


def _count_values(values: pa.Array) -> dict[str, int]:
    counted = pc.value_counts(values).to_pylist()
    return {each["values"]: each["counts"] for each in counted if each["values"] is not None}
