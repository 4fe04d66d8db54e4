"""Blocks of documents to records: each with the columns of its table, and all that is wrong with it.

Nothing here touches a file; see clean.py for what becomes of the records.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning import rules
from spark_jobs.schemas import CHECKPOINT_TABLES, MEASURES, NOT_A_LIST, NOT_AN_OBJECT, NOT_JSON

PLACE = ("batch", "file", "position")
INDEXES = ("post_index", "comment_index")
KEYS = {"user": "user_id", "post": "post_id", "comment": "post_id"}
"""What `issues` names a record by."""


@dataclass(frozen=True)
class Records:
    """All records of an entity in a block of documents, in their order: the columns of its table, the rules that
    each broke (pairs of a rule and a mask), its raw text, and the issues (see `rules.issues`)."""

    entity: str
    table: pa.Table
    broken: list[tuple[str, np.ndarray]]
    raw: pa.Array
    issues: pa.Table

    def is_rejected(self) -> np.ndarray:
        return np.logical_or.reduce([mask for _, mask in self.broken])


def users(documents: pa.RecordBatch) -> Records:
    """One record a document."""
    fields = [
        rules.identifier("user_id", documents["user_id"]),
        rules.name("username", documents["username"]),
        rules.email(documents["email"]),
        rules.name("name", documents["name"]),
        rules.age(documents["age"]),
        rules.lower_name("gender", documents["gender"]),
        rules.time("date_created", documents["date_created"]),
    ]
    user_id, fault = fields[0].values, documents["fault"]
    columns = {name: documents[name] for name in PLACE} | {one.name: one.values for one in fields}
    columns["age_imputed"] = pa.repeat(False, len(documents))
    broken = [*_unusable(fault), (rules.MISSING_USER_ID, _both_null(user_id, fault))]
    return Records("user", _table("users", columns), broken, documents["raw"], rules.issues(fields))


def posts(documents: pa.RecordBatch) -> Records:
    """One record a post of any document."""
    owners, indexes, found = _exploded(documents["posts"])
    post = partial(pc.struct_field, found)
    fields = [
        rules.identifier("post_id", post("post_id")),
        rules.text("post_text", post("post_text")),
        rules.location(post("location")),
        rules.time("timestamp", post("timestamp")),
        rules.tags(post("tags")),
    ]
    counts = [rules.count("shares", post("shares")), *rules.reactions(post("reactions"))]
    post_id, fault = fields[0].values, post("fault")
    user_id = rules.identifier("user_id", documents["user_id"]).values.take(owners)
    columns = {name: documents[name].take(owners) for name in PLACE} | {one.name: one.values for one in fields}
    columns |= {"post_index": indexes, "user_id": user_id, "post_timestamp": columns["timestamp"]}
    columns |= {measure: one.values for measure, one in zip(MEASURES, counts, strict=True)}
    broken = [
        (rules.PARENT_REJECTED, _mask(pc.is_null(user_id))),
        *_unusable(fault),
        (rules.MISSING_POST_ID, _both_null(post_id, fault)),
    ]
    corrected = rules.issues([*fields, *counts], post("malformed"))
    return Records("post", _table("posts", columns), broken, post("raw"), corrected)


def comments(documents: pa.RecordBatch) -> Records:
    """One record a comment of any post."""
    documents_of_posts, post_indexes, found_posts = _exploded(documents["posts"])
    owners, indexes, found = _exploded(pc.struct_field(found_posts, "comments"))
    comment = partial(pc.struct_field, found)
    documents_of = documents_of_posts.take(owners)
    fields = [
        rules.identifier("user_id", comment("user_id")),
        rules.text("comment", comment("comment")),
        rules.time("timestamp", comment("timestamp")),
    ]
    user_id = rules.identifier("user_id", documents["user_id"]).values.take(documents_of)
    post_id = rules.identifier("post_id", pc.struct_field(found_posts, "post_id")).values.take(owners)
    commenter, text, moment = (one.values for one in fields)
    text = pc.fill_null(text, "")
    digests = rules.digests(post_id, commenter, _shortest(moment), text)
    columns = {name: documents[name].take(documents_of) for name in PLACE} | {
        "post_index": post_indexes.take(owners),
        "comment_index": indexes,
        "comment_key": pa.array([digest.hex() for digest in digests], pa.string()),
        "post_id": post_id,
        "comment_user_id": commenter,
        "comment_text": text,
        "comment_timestamp": moment,
    }
    parent_rejected = pc.or_(pc.is_null(user_id), pc.is_null(post_id))
    broken = [(rules.PARENT_REJECTED, _mask(parent_rejected)), *_unusable(comment("fault"))]
    return Records("comment", _table("comments", columns), broken, comment("raw"), rules.issues(fields))


ENTITIES: dict[str, Callable[[pa.RecordBatch], Records]] = {"user": users, "post": posts, "comment": comments}


def rejected(records: Records) -> pa.Table:
    """The rows of `rejected`. A document without a usable user is rejected as a document: there is no user to
    speak of."""
    lost = np.flatnonzero(records.is_rejected())
    entity = "document" if records.entity == "user" else records.entity
    columns = _places(records.table.take(lost)) | {
        "entity": pa.repeat(entity, len(lost)),
        "rules": pa.array([[rule for rule, mask in records.broken if mask[number]] for number in lost.tolist()]),
        "raw": rules.without_nul(records.raw.take(pa.array(lost))),
    }
    return _table("rejected", columns)


def issues(records: Records) -> pa.Table:
    """The rows of `issues`; what is rejected as a whole has no issues besides."""
    kept = records.issues.filter(pa.array(~records.is_rejected()[records.issues["record"].to_numpy()]))
    of_records = records.table.take(kept["record"])
    columns = {name: kept[name] for name in ("field", "rule", "value")} | _places(of_records)
    columns |= {
        "entity": pa.repeat(records.entity, len(kept)),
        "record_id": of_records[KEYS[records.entity]],
    }
    return _table("issues", columns)


def read_counts(documents: pa.RecordBatch) -> dict[str, int]:
    """What stands in a block of documents: documents, users, posts and comments."""
    posts = documents["posts"]
    comments = pc.struct_field(pc.list_flatten(posts), "comments")
    identified = rules.identifier("user_id", documents["user_id"]).values
    counted = {"posts": pc.list_value_length(posts), "comments": pc.list_value_length(comments)}
    return {"documents": len(documents), "users": len(identified) - identified.null_count} | {
        name: pc.sum(lengths).as_py() or 0 for name, lengths in counted.items()
    }


def with_age(users: pa.Table, age: int) -> pa.Table:
    """Users whose missing age is filled in."""
    filled = pc.is_null(users["age"])
    columns = {name: users[name] for name in users.column_names}
    return _table("users", columns | {"age": pc.fill_null(users["age"], age), "age_imputed": filled})


def keys(entity: str, table: pa.Table) -> np.ndarray:
    """What two records of a batch must share for the later one to supersede the other: 16 bytes a record, as two
    numbers."""
    if entity == "comment":
        digests = [bytes.fromhex(key) for key in table["comment_key"].to_pylist()]
    else:
        digests = rules.digests(table[KEYS[entity]].combine_chunks())
    return np.frombuffer(b"".join(digests), "u8").reshape(-1, 2)


def superseded(found: np.ndarray) -> np.ndarray:
    """Of keys in the order of their records: the numbers of those that come again, in ascending order."""
    repeated = np.flatnonzero(np.isin(found[:, 0], _repeated(found[:, 0])))
    order = repeated[np.lexsort((found[repeated, 1], found[repeated, 0]))]
    comes_again = (found[order[1:]] == found[order[:-1]]).all(axis=1)
    return np.sort(order[:-1][comes_again])


def median(ages: np.ndarray) -> int | None:
    """The median of users' ages, given how many have which, halves rounded up; None where there are none."""
    total = int(ages.sum())
    if not total:
        return None
    middle = np.searchsorted(ages.cumsum(), [(total - 1) // 2, total // 2], side="right")
    return int(middle.sum() + 1) // 2


def _repeated(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _unusable(fault: pa.StringArray) -> list[tuple[str, np.ndarray]]:
    return [(rule, _mask(pc.equal(fault, rule))) for rule in (NOT_JSON, NOT_AN_OBJECT, NOT_A_LIST)]


def _both_null(key: pa.Array, fault: pa.Array) -> np.ndarray:
    return _mask(pc.and_(pc.is_null(key), pc.is_null(fault)))


def _mask(values: pa.BooleanArray) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def _exploded(lists: pa.ListArray) -> tuple[pa.Array, pa.Array, pa.StructArray]:
    """For every element of lists: the number of its list, its place in it, and itself."""
    owners = pc.list_parent_indices(lists).to_numpy()
    starts = np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
    indexes = np.arange(len(owners)) - np.concatenate([[0], starts[:-1]])[owners]
    return pa.array(owners), pa.array(indexes, pa.int32()), pc.list_flatten(lists)


def _shortest(moments: pa.TimestampArray) -> pa.StringArray:
    """Times as text, without a fraction of zero."""
    return pc.utf8_rtrim(pc.utf8_rtrim(moments.cast(pa.string()), "0"), ".")


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    schema = CHECKPOINT_TABLES[name]
    return pa.table([columns[column] for column in schema.names], schema=schema)


def _places(table: pa.Table) -> dict[str, Any]:
    """The columns of `rejected` and `issues` that say where a record stands."""
    missing = pa.nulls(len(table), pa.int32())
    names = set(table.column_names)
    return {name: table[name] if name in names else missing for name in (*PLACE, *INDEXES)}
