"""Schemas: the fields of the exports, the columns of the checkpoints, and those of the tables in raw_data.

Spark jobs, Luigi tasks and tests share them.
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
"""The characters that are trimmed from texts: those that `str.isspace` calls white space."""

LONGEST_KEY = 400
"""Characters of an id, a tag or a location at most: an entry of a PostgreSQL index holds 2,704 bytes."""

# The Extract checkpoint: one row a document, every leaf as text. `fault` says what is wrong with the shape of a record
# (one of the following), `reason` what the JSON parser said. `raw` holds the exact text of records that no clean table
# has a place for.

NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"
NOT_A_LIST = "not_a_list"

# Why a field is corrected, where Clean can no longer see it.

REPEATED_KEY = "repeated_key"
INVALID_PREFIX = "invalid_"
"""Stands before the name of a field whose value has another shape: `tags`, `reactions`, `user_id` of a comment."""

TEXT = pa.string()
COMMENT = pa.struct([(name, TEXT) for name in (*COMMENT_FIELDS, "fault", "raw")])
POST = pa.struct(
    [
        *((name, TEXT) for name in ("post_id", *POST_FIELDS)),
        ("tags", pa.list_(TEXT)),
        ("reactions", pa.struct([(name, TEXT) for name in REACTIONS])),
        ("comments", pa.list_(COMMENT)),
        ("fault", TEXT),
        ("raw", TEXT),
    ]
)
FOUND_ISSUE = pa.struct(
    [("post_index", pa.int32()), ("comment_index", pa.int32()), ("field", TEXT), ("rule", TEXT), ("value", TEXT)]
)
DOCUMENTS = pa.schema(
    [
        ("batch", TEXT),
        ("file", TEXT),
        ("position", pa.int64()),
        *((name, TEXT) for name in ("user_id", *USER_FIELDS)),
        ("posts", pa.list_(POST)),
        ("unknown_fields", pa.list_(TEXT)),
        ("issues", pa.list_(FOUND_ISSUE)),
        ("fault", TEXT),
        ("reason", TEXT),
        ("raw", TEXT),
    ]
)
"""`position` is the offset of the document in its unpacked file, in bytes. `issues` has the values of another shape and
the keys that stand twice, in the document (both indexes are null), in a post or in a comment."""

# The Extract checkpoint of every other source than the native export: one row a user, post or comment that a record of
# the source was mapped to, every leaf as text.

SKIPPED, REJECTED = "skipped", "rejected"
"""Entities of rows that are no records: what is left out on purpose, and what no source could make sense of."""
MEASURES = ("shares", "likes", "love", "wow", "haha", "sad", "angry")
"""The counters of a post that every export has; `likes`, because `like` is a keyword of SQL."""
SOURCE_MEASURES = ("other_reactions", "score", "reported_comments", "views", "quotes", "saves")
"""The counters of a post that some sources have besides."""
POST_MEASURES = (*MEASURES, *SOURCE_MEASURES)
COMMENT_MEASURES = ("likes", "score")
ENTITY_MEASURES = {"post": POST_MEASURES, "comment": COMMENT_MEASURES}
"""By entity, the counters whose sums the ledger balances."""

RECORD_FIELDS = {
    "user": ("user_id", *USER_FIELDS, "location", "followers"),
    "post": (
        *("post_id", "user_id", *POST_FIELDS, "tags", *REACTIONS, *SOURCE_MEASURES),
        *("url", "post_type", "lang", "channel"),
    ),
    "comment": (
        *("comment_id", "post_id", "parent_comment_id", "user_id", "author_name", "comment", "timestamp"),
        *COMMENT_MEASURES,
    ),
    SKIPPED: ("skipped_entity", "reason"),
    REJECTED: ("reason",),
}
"""By entity, the fields that a mapped record can have. All but `tags` are texts."""
RECORD_ISSUE = pa.struct([(name, TEXT) for name in ("field", "rule", "value")])
RECORDS = pa.schema(
    [
        ("batch", TEXT),
        ("file", TEXT),
        ("position", pa.int64()),
        ("record_index", pa.int32()),
        ("is_counted", pa.bool_()),
        ("entity", TEXT),
        ("platform", TEXT),
        *(
            (name, pa.list_(TEXT) if name == "tags" else TEXT)
            for name in dict.fromkeys(name for names in RECORD_FIELDS.values() for name in names)
        ),
        ("unknown_fields", pa.list_(TEXT)),
        ("issues", pa.list_(RECORD_ISSUE)),
        ("raw", TEXT),
    ]
)
"""`record_index` counts the records of an entity in one record of the source, which stands at `position`; `is_counted`
is true of one row for each record of the source, and of every part of one that was rejected. `platform` is null for the
canonical format in flat files, whose keys are those of the native export."""

EXTRACT_TABLES = {"documents": DOCUMENTS, "records": RECORDS}
"""By table, the Arrow schema in the Extract checkpoint. The parts of both are numbered together, in the order in which
the files were read."""

# The tables of the Clean checkpoint and of the schema raw_data.

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
        "platform": "text",
        "location": "text",
        "followers": "bigint",
    },
    "posts": {
        **_PLACE,
        "post_index": "integer",
        "post_id": "text not null",
        "user_id": "text",
        "post_text": "text",
        "location": "text",
        "post_timestamp": "timestamp",
        "shares": "bigint",
        "likes": "bigint",
        "love": "bigint",
        "wow": "bigint",
        "haha": "bigint",
        "sad": "bigint",
        "angry": "bigint",
        "tags": "text[] not null",
        "platform": "text",
        "other_reactions": "bigint",
        "score": "bigint",
        "reported_comments": "bigint",
        "views": "bigint",
        "quotes": "bigint",
        "saves": "bigint",
        "url": "text",
        "post_type": "text",
        "lang": "text",
        "channel": "text",
    },
    "comments": {
        **_PLACE,
        "post_index": "integer",
        "comment_index": "integer not null",
        "comment_key": "uuid not null",
        "post_id": "text not null",
        "comment_user_id": "text",
        "comment_text": "text not null",
        "comment_timestamp": "timestamp",
        "platform": "text",
        "comment_id": "text",
        "parent_comment_id": "text",
        "author_name": "text",
        "likes": "bigint",
        "score": "bigint",
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
"""By table, the PostgreSQL type of each column. A row of `users` is a user of a batch, of `posts` a post of a batch, of
`comments` a distinct comment of a batch, of `rejected` a rejected record, of `issues` a corrected field.

The key of a user or post is its platform (null: the native format) and its id. `post_index` is null in `posts` and in
`comments` where a record stands alone, not in a document of the native export: its author or post can be missing."""

ENTITY_TABLES = {"user": "users", "post": "posts", "comment": "comments"}
"""The entities whose records supersede one another by key, and their tables."""

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
"""By table, the Arrow schema in the Clean checkpoint."""
