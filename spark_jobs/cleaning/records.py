"""Records: blocks of documents become the rows of users, posts, comments, rejected and issues.

Nothing here touches a file; `parts` decides what becomes of the records.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning import rules
from spark_jobs.cleaning.values import (
    digest_rows,
    flatten_lists,
    format_times,
    qualify_keys,
    replace_nul_characters,
    to_mask,
    write_digests,
)
from spark_jobs.schemas import CHECKPOINT_TABLES, MEASURES, NOT_A_LIST, NOT_AN_OBJECT, NOT_JSON

PLACE = ("batch", "file", "position")
INDEXES = ("post_index", "comment_index")
KEY_COLUMNS = {"user": "user_id", "post": "post_id", "comment": "post_id"}
"""The column that `issues` names a record by."""


@dataclass(frozen=True)
class Records:
    """All records of an entity in a block of documents, in order: the columns of its table, the rules that each broke
    (pairs of a rule and a mask), its raw text, and the issues (see `rules.list_issues`). `rejected_as` is the entity
    that `rejected` shows: a document of the native export without a usable user is rejected as a document."""

    entity: str
    rejected_as: str
    table: pa.Table
    broken: list[tuple[str, np.ndarray]]
    raw: pa.Array
    issues: pa.Table

    def is_rejected(self) -> np.ndarray:
        """Whether each record broke any rule."""
        return np.logical_or.reduce([mask for _, mask in self.broken])


def build_users(documents: pa.RecordBatch) -> Records:
    """One record a document."""
    fields = [
        rules.clean_key("user_id", documents["user_id"]),
        rules.clean_name("username", documents["username"]),
        rules.clean_email(documents["email"]),
        rules.clean_name("name", documents["name"]),
        rules.clean_age(documents["age"]),
        rules.clean_lower_case_name("gender", documents["gender"]),
        rules.clean_time("date_created", documents["date_created"]),
    ]
    user_id, fault = fields[0].values, documents["fault"]
    columns = {name: documents[name] for name in PLACE} | {field.name: field.values for field in fields}
    columns["age_imputed"] = pa.repeat(False, len(documents))
    broken = [*_find_unusable(fault), (rules.MISSING_USER_ID, _are_both_null(user_id, fault))]
    issues = rules.list_issues(fields, _find_issues("user", documents))
    return Records("user", "document", build_table("users", columns), broken, documents["raw"], issues)


def build_posts(documents: pa.RecordBatch) -> Records:
    """One record a post of any document."""
    owners, indexes, found = _explode(documents["posts"])
    post = partial(pc.struct_field, found)
    fields = [
        rules.clean_key("post_id", post("post_id")),
        rules.clean_text("post_text", post("post_text")),
        rules.clean_location(post("location")),
        rules.clean_time("timestamp", post("timestamp")),
        rules.clean_tags(post("tags")),
    ]
    counts = [rules.clean_count("shares", post("shares")), *rules.clean_reactions(post("reactions"))]
    post_id, fault = fields[0].values, post("fault")
    user_id = rules.clean_key("user_id", documents["user_id"]).values.take(owners)
    columns = {name: documents[name].take(owners) for name in PLACE} | {field.name: field.values for field in fields}
    columns |= {"post_index": indexes, "user_id": user_id, "post_timestamp": columns["timestamp"]}
    columns |= {measure: field.values for measure, field in zip(MEASURES, counts, strict=True)}
    broken = [
        (rules.PARENT_REJECTED, to_mask(pc.is_null(user_id))),
        *_find_unusable(fault),
        (rules.MISSING_POST_ID, _are_both_null(post_id, fault)),
    ]
    issues = rules.list_issues([*fields, *counts], _find_issues("post", documents))
    return Records("post", "post", build_table("posts", columns), broken, post("raw"), issues)


def build_comments(documents: pa.RecordBatch) -> Records:
    """One record a comment of any post."""
    documents_of_posts, post_indexes, found_posts = _explode(documents["posts"])
    owners, indexes, found = _explode(pc.struct_field(found_posts, "comments"))
    comment = partial(pc.struct_field, found)
    document_of = documents_of_posts.take(owners)
    fields = [
        rules.clean_key("user_id", comment("user_id")),
        rules.clean_text("comment", comment("comment")),
        rules.clean_time("timestamp", comment("timestamp")),
    ]
    user_id = rules.clean_key("user_id", documents["user_id"]).values.take(document_of)
    post_id = rules.clean_key("post_id", pc.struct_field(found_posts, "post_id")).values.take(owners)
    commenter, text, time = (field.values for field in fields)
    text = pc.fill_null(text, "")
    columns = {name: documents[name].take(document_of) for name in PLACE} | {
        "post_index": post_indexes.take(owners),
        "comment_index": indexes,
        "post_id": post_id,
        "comment_user_id": commenter,
        "comment_text": text,
        "comment_timestamp": time,
    }
    columns["comment_key"] = digest_comments(columns)
    parent_rejected = to_mask(pc.or_(pc.is_null(user_id), pc.is_null(post_id)))
    broken = [(rules.PARENT_REJECTED, parent_rejected), *_find_unusable(comment("fault"))]
    issues = rules.list_issues(fields, _find_issues("comment", documents))
    return Records("comment", "comment", build_table("comments", columns), broken, comment("raw"), issues)


BUILDERS: dict[str, Callable[[pa.RecordBatch], Records]] = {
    "user": build_users,
    "post": build_posts,
    "comment": build_comments,
}
"""By entity."""


def digest_comments(columns: Mapping[str, pa.Array]) -> pa.StringArray:
    """The keys of comments: the platform's id tells one from another, or, without one, all that is known of it."""
    times = format_times(columns["comment_timestamp"])
    post_ids = columns["post_id"]
    if "platform" in columns:
        post_ids = qualify_keys(columns["platform"], post_ids)
    keys = write_digests(digest_rows(post_ids, columns["comment_user_id"], times, columns["comment_text"]))
    if "comment_id" not in columns or columns["comment_id"].null_count == len(keys):
        return keys
    by_id = write_digests(digest_rows(qualify_keys(columns["platform"], columns["comment_id"])))
    return pc.if_else(pc.is_null(columns["comment_id"]), keys, by_id)


def build_rejected(records: Records) -> pa.Table:
    """The rows of `rejected`."""
    rejected = np.flatnonzero(records.is_rejected())
    columns = _list_places(records.table.take(rejected)) | {
        "entity": pa.repeat(records.rejected_as, len(rejected)),
        "rules": pa.array([[rule for rule, mask in records.broken if mask[number]] for number in rejected.tolist()]),
        "raw": replace_nul_characters(records.raw.take(pa.array(rejected))),
    }
    return build_table("rejected", columns)


def build_issues(records: Records) -> pa.Table:
    """The rows of `issues`; a rejected record has none."""
    kept = records.issues.filter(pa.array(~records.is_rejected()[records.issues["record"].to_numpy()]))
    of_records = records.table.take(kept["record"])
    columns = {name: kept[name] for name in ("field", "rule", "value")} | _list_places(of_records)
    columns |= {
        "entity": pa.repeat(records.entity, len(kept)),
        "record_id": of_records[KEY_COLUMNS[records.entity]],
    }
    return build_table("issues", columns)


def count_records(documents: pa.RecordBatch) -> dict[str, int]:
    """How many documents, users, posts and comments a block of documents holds."""
    posts = documents["posts"]
    comments = pc.struct_field(pc.list_flatten(posts), "comments")
    user_ids = rules.clean_key("user_id", documents["user_id"]).values
    return {
        "documents": len(documents),
        "users": len(user_ids) - user_ids.null_count,
        "posts": pc.sum(pc.list_value_length(posts)).as_py() or 0,
        "comments": pc.sum(pc.list_value_length(comments)).as_py() or 0,
    }


def build_table(name: str, columns: dict[str, Any]) -> pa.Table:
    """A table with the columns, their order and their types that its schema has: null where `columns` lacks one, and
    without the others that it has."""
    schema = CHECKPOINT_TABLES[name]
    rows = len(columns["batch"])
    found = [columns[field.name] if field.name in columns else pa.nulls(rows, field.type) for field in schema]
    return pa.table(found, schema=schema)


def _find_unusable(fault: pa.StringArray) -> list[tuple[str, np.ndarray]]:
    return [(rule, to_mask(pc.equal(fault, rule))) for rule in (NOT_JSON, NOT_AN_OBJECT, NOT_A_LIST)]


def _are_both_null(key: pa.Array, fault: pa.Array) -> np.ndarray:
    return to_mask(pc.and_(pc.is_null(key), pc.is_null(fault)))


def _explode(lists: pa.ListArray) -> tuple[pa.Array, pa.Array, pa.StructArray]:
    """For every element of all lists: the number of its list, its index there, and the element."""
    owners, elements = flatten_lists(lists)
    indexes = np.arange(len(owners)) - _count_elements_before(lists)[owners]
    return pa.array(owners), pa.array(indexes, pa.int32()), elements


def _count_elements_before(lists: pa.ListArray) -> np.ndarray:
    """For each list the number of elements of all lists before it."""
    ends = np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
    return np.concatenate([[0], ends[:-1]])


def _find_issues(entity: str, documents: pa.RecordBatch) -> pa.Table | None:
    """What Extract found wrong with records of an entity: columns record (its number among those), field, rule, value.
    None where it found nothing in any document."""
    owners, found = flatten_lists(documents["issues"])
    if not len(found):
        return None
    post_index, comment_index = (pc.struct_field(found, name) for name in INDEXES)
    records, entities = owners, np.where(to_mask(pc.is_valid(comment_index)), "comment", "post")
    entities[to_mask(pc.is_null(post_index))] = "user"
    if entity != "user":
        records = _count_elements_before(documents["posts"])[records] + pc.fill_null(post_index, 0).to_numpy()
    if entity == "comment":
        comments = pc.struct_field(pc.list_flatten(documents["posts"]), "comments")
        chosen = entities == "comment"
        records[chosen] = _count_elements_before(comments)[records[chosen]] + comment_index.to_numpy(False)[
            chosen
        ].astype(int)
    columns = {"record": records} | {name: pc.struct_field(found, name) for name in ("field", "rule", "value")}
    return pa.table(columns).filter(pa.array(entities == entity))


def _list_places(table: pa.Table) -> dict[str, Any]:
    """The columns of `rejected` and `issues` that say where a record stands."""
    missing = pa.nulls(len(table), pa.int32())
    names = set(table.column_names)
    return {name: table[name] if name in names else missing for name in (*PLACE, *INDEXES)}
