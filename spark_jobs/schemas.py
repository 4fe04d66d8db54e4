"""What the checkpoints and the raw tables hold. Spark jobs, Luigi tasks and tests share it.

The fields are those of the exports; the tables are those of `raw_data` in the warehouse.
"""

import pyarrow as pa

USER_FIELDS = ("username", "email", "name", "age", "gender", "date_created")
POST_FIELDS = ("post_text", "location", "timestamp", "shares")
COMMENT_FIELDS = ("user_id", "comment", "timestamp")
REACTIONS = ("like", "love", "wow", "haha", "sad", "angry")

DOCUMENT_KEYS = frozenset({"user_id", *USER_FIELDS, "posts"})
POST_KEYS = frozenset({"post_id", *POST_FIELDS, "tags", "reactions", "comments"})
COMMENT_KEYS = frozenset(COMMENT_FIELDS)
REACTION_KEYS = frozenset(REACTIONS)

WHITE_SPACE = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What is trimmed from texts: what `str.isspace` calls white space, here and in Spark."""

LONGEST_KEY = 400
"""So many characters an id, a tag or a location may have: an index of PostgreSQL takes 2,704 bytes."""

# The Extract checkpoint: one row a document, every leaf as text. `fault` and `reason` say what is wrong with the
# shape of a record; `raw` holds its exact text where it has no place among the clean tables.

NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"
NOT_A_LIST = "not_a_list"

TEXT = pa.string()
COMMENT = pa.struct([(name, TEXT) for name in (*COMMENT_FIELDS, "fault", "raw")])
POST = pa.struct(
    [
        *((name, TEXT) for name in ("post_id", *POST_FIELDS)),
        ("tags", pa.list_(TEXT)),
        ("reactions", pa.struct([(name, TEXT) for name in REACTIONS])),
        ("malformed", pa.list_(pa.struct([("field", TEXT), ("value", TEXT)]))),
        ("comments", pa.list_(COMMENT)),
        ("fault", TEXT),
        ("raw", TEXT),
    ]
)
DOCUMENTS = pa.schema(
    [
        ("batch", TEXT),
        ("file", TEXT),
        ("position", pa.int64()),
        *((name, TEXT) for name in ("user_id", *USER_FIELDS)),
        ("posts", pa.list_(POST)),
        ("unknown_fields", pa.list_(TEXT)),
        ("fault", TEXT),
        ("reason", TEXT),
        ("raw", TEXT),
    ]
)
"""`position` is where the document starts in its (unpacked) file, in bytes."""

# The tables of the Clean checkpoint and of the schema raw_data: column name -> PostgreSQL type.

MEASURES = ("shares", "likes", "love", "wow", "haha", "sad", "angry")
"""The counters of a post; `likes`, because `like` is a word of SQL."""

_PLACE = {"batch": "text not null", "file": "text not null", "position": "bigint not null"}

TABLES: dict[str, dict[str, str]] = {
    "users": {
        **_PLACE,
        "user_id": "text not null",
        "username": "text",
        "email": "text",
        "name": "text",
        "age": "integer",
        "age_imputed": "boolean not null",
        "gender": "text",
        "date_created": "timestamp",
    },
    "posts": {
        **_PLACE,
        "post_index": "integer not null",
        "post_id": "text not null",
        "user_id": "text not null",
        "post_text": "text",
        "location": "text",
        "post_timestamp": "timestamp",
        **dict.fromkeys(MEASURES, "bigint not null"),
        "tags": "text[] not null",
    },
    "comments": {
        **_PLACE,
        "post_index": "integer not null",
        "comment_index": "integer not null",
        "comment_key": "uuid not null",
        "post_id": "text not null",
        "comment_user_id": "text",
        "comment_text": "text not null",
        "comment_timestamp": "timestamp",
    },
    "rejected": {
        **_PLACE,
        "post_index": "integer",
        "comment_index": "integer",
        "entity": "text not null",
        "rules": "text[] not null",
        "raw": "text",
    },
    "issues": {
        **_PLACE,
        "post_index": "integer",
        "comment_index": "integer",
        "entity": "text not null",
        "record_id": "text",
        "field": "text not null",
        "rule": "text not null",
        "value": "text",
    },
}
"""Grain: users one row a user and batch, posts a post and batch, comments a distinct comment and batch,
rejected a record that was not taken in, issues a field that was corrected."""

ENTITY_TABLES = {"user": "users", "post": "posts", "comment": "comments"}
"""The entities that are deduplicated by key, and their tables."""

TIME = pa.timestamp("us")
_ARROW_TYPES = {
    "text": TEXT,
    "uuid": TEXT,
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": TIME,
    "text[]": pa.list_(TEXT),
}
CHECKPOINT_TABLES = {
    table: pa.schema([(name, _ARROW_TYPES[type_.removesuffix(" not null")]) for name, type_ in columns.items()])
    for table, columns in TABLES.items()
}
"""The same tables as the Clean checkpoint holds them."""
