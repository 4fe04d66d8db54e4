"""Checks results: totals counted from the documents by plain Python against the rows and sums in a warehouse."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2.extensions import cursor as Cursor

UNKNOWN_LOCATION = "Unknown Location"
TABLES = (
    "core.fact_post_interactions",
    "core.fact_comments",
    "marts.user_engagement_mart",
    "marts.content_performance_mart",
    "marts.tag_analysis_mart",
    "marts.location_analysis_mart",
    "marts.daily_engagement_mart",
)
SUMS = ("total_posts", "total_comments", "total_likes", "total_shares", "total_engagement")
"""Columns of the users' mart whose sums are compared."""
SETS = ("tags", "locations", "days")
"""The fields of Totals that are sets."""


class WrongResult(Exception):
    """A warehouse that does not hold what was in the landing files: its measurement is void."""


@dataclass
class Totals:
    """The totals of a set of clean documents: counts, sums, and the names that become rows of a mart."""

    users: int = 0
    posts: int = 0
    comments: int = 0
    likes: int = 0
    shares: int = 0
    reactions: int = 0
    tags: set[str] = field(default_factory=set)
    locations: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)

    def add_document(self, document: Mapping[str, Any]) -> None:
        """Add a document to the totals."""
        self.users += 1
        for post in document["posts"]:
            reactions = post.get("reactions", {})
            self.posts += 1
            self.comments += len(post["comments"])
            self.likes += reactions.get("like", 0)
            self.shares += post["shares"]
            self.reactions += sum(reactions.values())
            self.tags.update(post["tags"])
            self.locations.add(post["location"] or UNKNOWN_LOCATION)
            self.days.update(each["timestamp"][:10] for each in (post, *post["comments"]))

    def count_documents(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the documents, and add each to the totals."""
        for document in documents:
            self.add_document(document)
            yield document

    def __or__(self, other: "Totals") -> "Totals":
        """Return the totals of two sets of documents, which have no id in common."""
        ours, theirs = vars(self), vars(other)
        both: dict[str, Any] = {
            name: ours[name] | theirs[name] if name in SETS else ours[name] + theirs[name] for name in ours
        }
        return Totals(**both)

    def compute_expected(self) -> dict[str, int]:
        """Return what `read_warehouse` must find. The unknown location is there with or without a post."""
        return {
            "core.fact_post_interactions": self.posts,
            "core.fact_comments": self.comments,
            "marts.user_engagement_mart": self.users,
            "marts.content_performance_mart": self.posts,
            "marts.tag_analysis_mart": len(self.tags),
            "marts.location_analysis_mart": len(self.locations | {UNKNOWN_LOCATION}),
            "marts.daily_engagement_mart": len(self.days),
            "total_posts": self.posts,
            "total_comments": self.comments,
            "total_likes": self.likes,
            "total_shares": self.shares,
            "total_engagement": self.reactions + self.shares + self.comments,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as they are written to a file."""
        return {name: sorted(value) if name in SETS else value for name, value in vars(self).items()}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Totals":
        """Return totals as they were read from a file."""
        typed: dict[str, Any] = {name: set(value) if name in SETS else value for name, value in values.items()}
        return Totals(**typed)


def read_warehouse(cursor: Cursor) -> dict[str, int]:
    """Return the number of rows of every fact and mart, and the sums over all users."""
    found = {}
    for table in TABLES:
        cursor.execute(f"select count(*) from {table}")
        [[found[table]]] = cursor.fetchall()
    columns = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in SUMS)
    cursor.execute(f"select {columns} from marts.user_engagement_mart")
    [sums] = cursor.fetchall()
    return found | dict(zip(SUMS, sums, strict=True))


def check_totals(what: str, found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Raise WrongResult, naming all differences, if a warehouse does not hold what it should."""
    wrong = [
        f"{name}: {expected[name]:,} expected, {found[name]:,} found"
        for name in expected
        if found[name] != expected[name]
    ]
    if wrong:
        raise WrongResult(f"{what}: wrong results, the measurement is void: {'; '.join(wrong)}")
