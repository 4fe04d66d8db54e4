"""What must come out: counted from the documents by plain Python, and read from a warehouse. Wrong results are void."""

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
"""Columns of the users' mart that are added up."""
SETS = ("tags", "locations", "days")
"""The fields of Totals that are sets."""


class WrongResult(Exception):
    """A warehouse does not hold what was in the landing files."""


@dataclass
class Totals:
    """What a set of clean documents holds: counts, sums, and the names that become rows of a mart."""

    users: int = 0
    posts: int = 0
    comments: int = 0
    likes: int = 0
    shares: int = 0
    reactions: int = 0
    tags: set[str] = field(default_factory=set)
    locations: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)

    def add(self, document: Mapping[str, Any]) -> None:
        """Count one more document."""
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

    def counted(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The documents, each counted as it passes."""
        for document in documents:
            self.add(document)
            yield document

    def __or__(self, other: "Totals") -> "Totals":
        """The totals of both sets of documents, which have no id in common."""
        ours, theirs = vars(self), vars(other)
        both: dict[str, Any] = {
            name: ours[name] | theirs[name] if name in SETS else ours[name] + theirs[name] for name in ours
        }
        return Totals(**both)

    def expected(self) -> dict[str, int]:
        """What `of_warehouse` must find. The unknown location is there with or without a post."""
        users, posts, comments = self.users, self.posts, self.comments
        locations = self.locations | {UNKNOWN_LOCATION}
        rows = (posts, comments, users, posts, len(self.tags), len(locations), len(self.days))
        sums = (posts, comments, self.likes, self.shares, self.reactions + self.shares + comments)
        return dict(zip(TABLES, rows, strict=True)) | dict(zip(SUMS, sums, strict=True))

    def as_json(self) -> dict[str, Any]:
        return {name: sorted(value) if name in SETS else value for name, value in vars(self).items()}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Totals":
        typed: dict[str, Any] = {name: set(value) if name in SETS else value for name, value in values.items()}
        return Totals(**typed)


def of_warehouse(cursor: Cursor) -> dict[str, int]:
    """The rows of every fact and mart, and the sums over all users."""
    found = {}
    for table in TABLES:
        cursor.execute(f"select count(*) from {table}")
        [[found[table]]] = cursor.fetchall()
    cursor.execute(f"select {', '.join(f'coalesce(sum({name}), 0)::bigint' for name in SUMS)} from {TABLES[2]}")
    [sums] = cursor.fetchall()
    return found | dict(zip(SUMS, sums, strict=True))


def check(what: str, found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Raise WrongResult, naming all differences, where a warehouse does not hold what it should."""
    wrong = [
        f"{name}: {expected[name]:,} expected, {found[name]:,} found"
        for name in expected
        if found[name] != expected[name]
    ]
    if wrong:
        raise WrongResult(f"{what}: wrong results, the measurement is void: {'; '.join(wrong)}")
