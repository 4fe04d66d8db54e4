"""What a mapping knows besides the record in hand: the file, other files of the batch, and where a part stands."""

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

NO_MEMBERS: dict[str, Any] = {}


class Context:
    """What one task knows of one file, and what it counted.

    `enclosing`: the members of the object that holds the records, without them; `variable` for a JS file.
    `shared`: what other files of the same archive or folder say, by name (the owner of an X archive).
    `keeps_private`: whether records that are not public are read, too.
    `parents`, `versions`, `deleted`, `lookups`: what the first pass over the records collected.
    `roots`: of the replies that were climbed from, where their thread begins.
    `newest`: those of `versions` that were mapped.
    `found`: how often each mapped path of the source was found, in the order of its `paths`.
    `last_users`: the last row of each user that was made of a post or comment, so that it is not repeated.
    """

    __slots__ = (
        "deleted",
        "enclosing",
        "found",
        "keeps_private",
        "last_users",
        "lookups",
        "newest",
        "parents",
        "roots",
        "shared",
        "versions",
    )

    def __init__(
        self,
        paths: int,
        shared: Mapping[str, str] | None = None,
        enclosing: Mapping[str, Any] | None = None,
        keeps_private: bool = False,
    ) -> None:
        self.shared = dict(shared or {})
        self.enclosing = dict(enclosing or {})
        self.keeps_private = keeps_private
        self.parents: dict[str, str] = {}
        self.roots: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.newest: set[str] = set()
        self.deleted: set[str] = set()
        self.lookups: dict[str, dict[str, object]] = {}
        self.found = [0] * paths
        self.last_users: dict[str, Row] = {}

    def find_root(self, key: str) -> str:
        """The record with which the thread of this one begins, in a circle of replies any one of it. Each reply is
        climbed from once, however long threads are."""
        climbed: dict[str, None] = {}
        while key not in self.roots and key in self.parents and key not in climbed:
            climbed[key] = None
            key = self.parents[key]
        root = self.roots.get(key, key)
        self.roots |= dict.fromkeys(climbed, root)
        return root


class Place:
    """Where a part of a record stands: `record` is the whole record, `file` the object around the records, `outer` the
    part around this one with `outer_place` its place, `parent` the part whose reply this is (None for the first)."""

    __slots__ = ("context", "file", "found", "outer", "outer_place", "parent", "record")

    def __init__(self, record: Any, file: Any, context: Context) -> None:
        self.record = record
        self.file = file
        self.context = context
        self.found = context.found
        self.outer: Any = NO_MEMBERS
        self.outer_place: Place | None = None
        self.parent: Any = NO_MEMBERS

    def enter(self, node: Any, is_reply: bool) -> "Place":
        """The place of a part of `node`, which is here; `is_reply` where it was found by recursion."""
        inner = Place(self.record, self.file, self.context)
        inner.outer = node
        inner.outer_place = self
        inner.parent = node if is_reply else NO_MEMBERS
        return inner
