"""The schema open gives nobody away: an attack with the true core at hand, on many small worlds at once.

Real PostgreSQL and real dbt. Each world is a platform of its own, so that one run of dbt makes the groups of all. A
world has few persons, places, days and tags, so that small groups, and groups within others, are everywhere.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations, product
from random import Random
from typing import Any, NamedTuple

import pytest
from dbt_commands import Dbt
from test_changes import load

from luigi_tasks import warehouse
from luigi_tasks.warehouse import change_queue

SIZE = 3
"""Persons in a group, at least."""
WORLDS = 150
FIRST_DAY = datetime(2023, 1, 1)
OTHER = "Other"
KINDS = ("location", "day", "tag")
POSTS = """
select
    coalesce(posts.platform, 'native') as platform, posts.post_sk::text, posts.user_sk::text, location,
    coalesce(posts.date_day::text, 'Other') as day, coalesce(tag, 'Without Tag') as tag,
    coalesce(likes, 0) + coalesce(love, 0) + coalesce(wow, 0) + coalesce(haha, 0) + coalesce(sad, 0)
    + coalesce(angry, 0) + coalesce(other_reactions, 0) as reactions, coalesce(shares, 0) as shares, comments
from core.fact_post_interactions as posts
inner join core.dim_locations using (location_sk)
left join core.bridge_post_tags as bridge on bridge.post_sk = posts.post_sk and tag_position = 1
left join core.dim_tags using (tag_sk)
where posts.user_sk is not null
"""
FIGURES = "persons, total_posts, total_reactions, total_shares, total_comments, total_engagement"
GROUPS = f"""
select 'platform', platform, platform, {FIGURES} from candidates.open_platforms
union all select 'location', platform, location, {FIGURES} from candidates.open_locations
union all select 'day', platform, coalesce(date_day::text, 'Other'), {FIGURES} from candidates.open_days
union all select 'tag', platform, tag, {FIGURES} from candidates.open_tags
"""


class Post(NamedTuple):
    """A post of a known author, as core has it."""

    platform: str
    key: str
    person: str
    location: str
    day: str
    tag: str
    reactions: int
    shares: int
    comments: int


class Group(NamedTuple):
    """A shown group, and the posts that it must be of."""

    kind: str
    platform: str
    name: str
    figures: tuple[int, ...]
    posts: frozenset[Post]


def make_world(platform: str | None, random: Random) -> list[dict[str, Any]]:
    """Posts of a platform, of some shape: few or more persons, in places that go with days and tags, or not."""
    name = platform or "native"
    persons = [f"{name} {one}" for one in range(random.choice([1, 2, 3, 4, 6, 9, 14]))]
    places, days, tags = (random.choice([1, 2, 3, 5]) for _ in range(3))
    goes_along = random.choice([0.0, 0.7, 0.95])
    posts = []
    for number in range(random.choice([3, 10, 30, 60])):
        one = random.randrange(5)
        place, day, tag = (
            (one if random.random() < goes_along else random.randrange(5)) % most for most in (places, days, tags)
        )
        location = [None, "Rome", "Oslo", OTHER, "Lima"][place]
        posts.append(
            {
                "platform": platform,
                "post_id": f"{name} {number}",
                "user_id": random.choice([None, *persons * 5]),
                "location": location,
                "post_timestamp": random.choice([None, *[FIRST_DAY + timedelta(days=day)] * 30]),
                "tags": [[], ["art"], ["tech", "art"], ["food"], ["a", "b"]][tag],
                "likes": random.choice([None, 1, 2]),
                "shares": random.choice([None, 0, 5]),
            }
        )
    return posts


def make_nested_world(inner: str, outer: str, left: int) -> list[dict[str, Any]]:
    """Posts in two groups of two kinds: those of the first `inner` are all in the first `outer`, which has as many more
    persons as `left` says. All groups have enough persons."""
    name = f"{inner} {outer} {left}"
    groups = [(0, 0)] * SIZE + [(1, 0)] * left + [(1, 1)] * (SIZE + 1)
    posts = []
    for number, (of_inner, of_outer) in enumerate(groups):
        place = {"location": 0, "day": 0, "tag": 0, inner: of_inner, outer: of_outer}
        posts.append(
            {
                "platform": name,
                "post_id": f"{name} {number}",
                "user_id": f"{name} {number}",
                "location": ["Rome", "Oslo"][place["location"]],
                "post_timestamp": FIRST_DAY + timedelta(days=place["day"]),
                "tags": [["art"], ["food"]][place["tag"]],
            }
        )
    return posts


def build(dbt: Dbt, posts: list[dict[str, Any]]) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute("truncate raw_data.users, raw_data.posts, raw_data.comments")
        for table in change_queue.KEYS:
            change_queue.create_key_index(cursor, table)
        load(cursor, "posts", "2023", posts)
    dbt.variables = {"open_group_size": SIZE}
    dbt("--full-refresh")


def read(sql: str) -> list[tuple]:
    with warehouse.reading() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def read_groups() -> list[Group]:
    """The groups that readers see, with what they must be of: 'Other' is of all that is in no group with a name."""
    posts, shown = [Post(*row) for row in read(POSTS)], read(GROUPS)
    names = {(kind, platform, name) for kind, platform, name, *_ in shown}
    platforms = {name for kind, _, name in names if kind == "platform"}
    found = defaultdict(set)
    for post in posts:
        platform = post.platform if post.platform in platforms else OTHER
        found["platform", platform, platform].add(post)
        for kind in KINDS:
            name = getattr(post, kind)
            found[kind, platform, name if (kind, platform, name) in names else OTHER].add(post)
    if names:
        assert found.keys() == names
    return [Group(*row[:3], row[3:], frozenset(found[row[:3]])) for row in shown]


def count_persons(posts: frozenset[Post]) -> int:
    return len({post.person for post in posts})


def compute_figures(posts: frozenset[Post]) -> tuple[int, ...]:
    sums = [sum(getattr(post, name) for post in posts) for name in ("reactions", "shares", "comments")]
    return count_persons(posts), len(posts), *sums, sum(sums)


def find_breaches(groups: list[Group]) -> Iterator[str]:
    """Groups of too few persons, shown, or left where one group is subtracted from another."""
    by_platform: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_platform[group.platform].append(group)
        if count_persons(group.posts) < SIZE:
            yield f"{group[:3]} has {count_persons(group.posts)} persons"
    for others in by_platform.values():
        for one, other in product(others, repeat=2):
            left = count_persons(one.posts - other.posts)
            if other.posts < one.posts and left < SIZE:
                yield f"{one[:3]} without {other[:3]} is {left} persons"


@pytest.mark.parametrize("seed", [1, 2])
def test_open__gives_nobody_away_in_any_group_or_difference_of_two(dbt: Dbt, seed: int) -> None:
    random = Random(seed)
    platforms = [None, *(f"p{number:03}" for number in range(WORLDS))]
    worlds = [make_world(platform, random) for platform in platforms]
    worlds += [make_nested_world(*kinds, left) for kinds in permutations(KINDS, 2) for left in range(1, SIZE + 2)]
    build(dbt, [post for world in worlds for post in world])
    groups = read_groups()
    assert list(find_breaches(groups)) == []
    harmless = {group.platform for group in groups if group.kind != "platform" and OTHER not in group}
    assert {f"{inner} {outer} {SIZE}" for inner, outer in permutations(KINDS, 2)} <= harmless
    assert [group[:3] for group in groups if group.figures != compute_figures(group.posts)] == []
    named = [group for group in groups if group.kind != "platform" and group.name != OTHER]
    assert len(named) > WORLDS, "where all are in 'Other', nothing is tested"
    dbt("--select", "assert_open_groups_agree", command="test")


def test_open__is_empty_where_nobody_posted(dbt: Dbt) -> None:
    build(dbt, [])
    assert read(GROUPS) == []


def test_open__is_empty_where_all_platforms_together_have_too_few_persons(dbt: Dbt) -> None:
    build(dbt, [{"platform": name, "post_id": "1", "user_id": name, "tags": []} for name in "xy"])
    assert read("select count(*) from core.fact_post_interactions") == [(2,)]
    assert read(GROUPS) == []
