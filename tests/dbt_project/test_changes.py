"""Incremental runs equal a rebuild and are what is published, whatever is loaded in whatever order and wherever a run
stops.

Real PostgreSQL and real dbt. Random loads are generated for many small worlds at once, which share no key: one run of
dbt takes in a change of each. A world has few keys, so that its batches have most of them in common. Its records are of
the native format, in documents or alone, and of another platform with the same ids. What stands alone can lack its
author or post, and any measure.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from dbt_commands import Dbt
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from luigi_tasks import warehouse
from luigi_tasks.dbt import publication
from luigi_tasks.privacy.masks import read_masks
from luigi_tasks.warehouse import change_queue
from spark_jobs.schemas import MEASURES, TABLES

SCHEMAS = ("core", "intermediate", "candidates", "published", "marts_personal", "open")
BUILT = ("core.", "intermediate.", "candidates.")

WORLDS = 60
CHANGES_A_COMPARISON = 2
USERS, POSTS, COMMENTS, BATCHES = 8, 12, 20, 4
SHOWN_ROWS = 5
OTHER_MEASURES = ("other_reactions", "score", "reported_comments", "views", "quotes", "saves")
PLATFORM = "another"
AGES = [{"age": age, "age_imputed": imputed} for age, imputed in ((None, False), (18, False), (80, False), (40, True))]

Row = dict[str, Any]
Key = tuple[str | None, str]
"""A platform, null for the native format, and an id there."""
Batch = dict[str, dict[Key, Row]]
"""What Clean leaves of a batch: table -> key -> row."""


class World:
    """Batches of users, posts and comments that nobody else refers to, and how they change at random."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = Random(f"{seed} {number}")
        self._first_day = datetime(2020, 1, 1) + timedelta(days=10 * number)
        self._name = f"w{number:02}"
        self._users = self._names("user", USERS)
        self._posts = self._names("post", POSTS)
        self._comments = [self._comment(text) for text in self._names("comment", COMMENTS)]
        self._batches: dict[str, Batch] = {
            f"2026-01-0{day} {self._name}": {table: {} for table in change_queue.KEYS} for day in range(1, BATCHES + 1)
        }

    def find_last_known(self) -> dict[Key, tuple[Any, ...]]:
        """The last known values of each user's fields over all batches; an imputed age only if there is no other."""
        fields = ("username", "name", "gender", "followers")
        known: dict[Key, Row] = {}
        for name in sorted(self._batches):
            for user, row in self._batches[name]["users"].items():
                found = known.setdefault(user, dict.fromkeys((*fields, "age")) | {"imputed": False})
                for field in fields:
                    found[field] = found[field] if row[field] is None else row[field]
                if row["age"] is not None and (found["age"] is None or found["imputed"] or not row["age_imputed"]):
                    found |= {"age": row["age"], "imputed": row["age_imputed"]}
        return {user: tuple(found.values()) for user, found in known.items()}

    def change(self, cursor: Cursor) -> None:
        """Replace a batch: those of its tables that come out differently."""
        name = self._random.choice(list(self._batches))
        before, batch = self._batches[name], deepcopy(self._batches[name])
        if self._random.random() < 0.2:
            for rows in batch.values():
                rows.clear()
        in_documents, alone = [self._put_post, self._put_comment], [self._put_post_alone, self._put_comment_alone]
        for _ in range(self._random.choice([0, 1, 1, 1, 2, 4, 10])):
            self._random.choice([self._put_user, *in_documents, *alone, self._drop])(batch)
        self._batches[name] = batch
        for table, rows in batch.items():
            if rows != before[table]:
                load(cursor, table, name, list(rows.values()))

    def _put_user(self, batch: Batch) -> None:
        key = (self._platform(), self._random.choice(self._users))
        batch["users"][key] = {
            "platform": key[0],
            "user_id": key[1],
            "username": self._random.choice([None, "one", "another"]),
            "name": self._random.choice([None, None, "A", "B"]),
            "gender": self._random.choice([None, "f", "m"]),
            "location": self._random.choice([None, "here", "there"]),
            "followers": self._random.choice([None, 0, 7]),
            **self._random.choice(AGES),
        }

    def _put_post(self, batch: Batch) -> None:
        """A post in a document of a user of the batch; where it is there already, whatever it was before."""
        authors = [user for platform, user in batch["users"] if platform is None]
        if authors:
            self._put(batch, None, self._random.choice(authors), 0, MEASURES)

    def _put_post_alone(self, batch: Batch) -> None:
        """A post whose author may be unknown, or without a profile."""
        measures = self._random.sample((*MEASURES, *OTHER_MEASURES), self._random.choice([0, 3, 9]))
        self._put(batch, self._platform(), self._random.choice([None, *self._users]), None, measures)

    def _put(
        self, batch: Batch, platform: str | None, author: str | None, index: int | None, measures: Sequence[str]
    ) -> None:
        post = self._random.choice(self._posts)
        tags = self._names("tag", 3)
        batch["posts"][platform, post] = {
            "platform": platform,
            "post_id": post,
            "user_id": author,
            "post_index": index,
            "post_text": self._random.choice([None, "", "text"]),
            "location": self._random.choice([None, "Unknown Location", *self._names("location", 2)]),
            "post_timestamp": self._time(),
            **{measure: self._random.randrange(4) for measure in measures},
            "tags": self._random.sample(tags, self._random.choice([0, 1, 1, 2])),
        }

    def _put_comment(self, batch: Batch) -> None:
        """A comment in a document, on a post of the batch."""
        posts = [post for platform, post in batch["posts"] if platform is None]
        comments = [comment for comment in self._comments if comment["post_id"] in posts]
        if comments:
            comment = self._random.choice(comments)
            batch["comments"][None, comment["comment_key"]] = {"post_index": 0, **comment}

    def _put_comment_alone(self, batch: Batch) -> None:
        """A comment on a post that may be in no batch; with an id of its own, all else can change."""
        if self._random.random() < 0.3:
            comment = self._random.choice(self._comments)
            batch["comments"][None, comment["comment_key"]] = {"post_index": None, **comment}
            return
        name = self._random.choice(self._names("comment", COMMENTS))
        comment = {
            **self._comment(name),
            "comment_key": hashlib.md5(f"{PLATFORM} {name}".encode()).hexdigest(),
            "platform": PLATFORM,
            "post_index": None,
            "comment_id": name,
            "likes": self._random.choice([None, 0, 2]),
            "score": self._random.choice([None, -1]),
        }
        batch["comments"][PLATFORM, comment["comment_key"]] = comment

    def _drop(self, batch: Batch) -> None:
        """A record is no more, nor what belongs to it in its document."""
        table = self._random.choice([table for table, rows in batch.items() if rows] or ["users"])
        if batch[table]:
            batch[table].pop(self._random.choice(list(batch[table])))
        for owned, owner, reference in (("posts", "users", "user_id"), ("comments", "posts", "post_id")):
            batch[owned] = {
                key: row
                for key, row in batch[owned].items()
                if row["post_index"] is None or (None, row[reference]) in batch[owner]
            }

    def _comment(self, text: str) -> Row:
        """A comment; its key says all about it."""
        content = {
            "post_id": self._random.choice(self._posts),
            "comment_user_id": self._random.choice([None, *self._users, *self._users]),
            "comment_text": text,
            "comment_timestamp": self._time(),
        }
        key = hashlib.md5(repr(content).encode()).hexdigest()
        return {"comment_key": key, "comment_index": 0, **content}

    def _platform(self) -> str | None:
        return self._random.choice([None, None, PLATFORM])

    def _time(self) -> datetime | None:
        return self._random.choice([None, *(self._first_day + timedelta(hours=hour) for hour in (0, 12, 24, 48))])

    def _names(self, kind: str, count: int) -> list[str]:
        return [f"{self._name} {kind} {number}" for number in range(count)]


def load(cursor: Cursor, table: str, batch: str, rows: list[Row]) -> None:
    """Replace a batch's rows of a table, as Load does."""
    change_queue.delete_batch(cursor, table, batch)
    columns = list(TABLES[table])
    place = {"batch": batch, "file": "file.json", "position": 0}
    values = [[(place | row).get(column) for column in columns] for row in rows]
    execute_values(cursor, f"insert into raw_data.{table} ({', '.join(columns)}) values %s", values)


def test_models__pass_their_unit_tests(dbt: Dbt) -> None:
    dbt("--full-refresh")
    dbt("--resource-type", "unit_test", command="test")


def change(worlds: list[World]) -> None:
    with warehouse.transaction() as cursor:
        for world in worlds:
            world.change(cursor)


def rebuilt(dbt: Dbt, seed: int, changes: int) -> list[World]:
    """Worlds that have the warehouse to themselves, as a rebuild leaves it after some changes."""
    with warehouse.transaction() as cursor:
        cursor.execute("truncate etl.changed_batches, etl.replaced_keys")
        for table in change_queue.KEYS:
            cursor.execute(f"truncate raw_data.{table}")
            change_queue.create_key_index(cursor, table)
    worlds = [World(seed, number) for number in range(WORLDS)]
    for _ in range(changes):
        change(worlds)
    take()
    dbt("--full-refresh")
    publish(publication.publish_whole, dbt)
    return worlds


def take() -> None:
    with warehouse.transaction() as cursor:
        change_queue.take_changes(cursor)


def forget(published: Callable[[Cursor], int]) -> None:
    with warehouse.transaction() as cursor:
        change_queue.remove_taken(cursor)
        published(cursor)
        change_queue.clear_touched_keys(cursor)


def take_in(dbt: Dbt) -> None:
    """What DbtRun and Publish do."""
    take()
    dbt()
    publish(publication.publish_touched, dbt)


def publish(change: Callable[..., int], dbt: Dbt) -> None:
    masks = read_masks()
    forget(partial(change, relations=dbt.relations(), on_progress=lambda *progress: None, masks=masks))


def contents() -> dict[str, Counter[str]]:
    """All rows of all that readers see, with how often each is there."""
    with warehouse.transaction() as cursor:
        cursor.execute(
            "select table_schema || '.' || table_name from information_schema.tables where table_schema in %s",
            [SCHEMAS],
        )
        found: dict[str, Counter[str]] = {}
        for (relation,) in sorted(cursor.fetchall()):
            cursor.execute(f"select to_jsonb(one)::text from {relation} as one")
            found[relation] = Counter(row for (row,) in cursor.fetchall())
        return found


def assert_equals_rebuild(dbt: Dbt, when: str) -> None:
    found = contents()
    assert_published(dbt, found)
    dbt("--full-refresh")
    expected = contents()
    assert found.keys() == expected.keys()
    faults = [
        f"{relation}: {(one - other).total()} rows {where}: {', '.join(list((one - other).elements())[:SHOWN_ROWS])}"
        for relation in found
        for where, one, other in (
            ("too many", found[relation], expected[relation]),
            ("missing", expected[relation], found[relation]),
        )
        if one - other
    ]
    assert not faults, "\n".join([f"{when} something differs from a rebuild:", *faults])
    assert all(expected.values()), "a relation without rows tests nothing"


def assert_published(dbt: Dbt, found: dict[str, Counter[str]]) -> None:
    """Readers see what dbt has built."""
    for relation in dbt.relations():
        assert found[relation.published] == found[relation.candidate]
        if relation.shown_in:
            assert found[f"{relation.shown_in[-1]}.{relation.name}"] == found[relation.candidate]


@pytest.mark.parametrize(("seed", "changes_before"), [(1, 0), (2, 6), (3, 12)])
def test_changes__come_out_as_a_rebuild_does(dbt: Dbt, seed: int, changes_before: int) -> None:
    worlds = rebuilt(dbt, seed, changes_before)
    for _ in range(CHANGES_A_COMPARISON):
        change(worlds)
        take_in(dbt)
    assert_equals_rebuild(dbt, f"seed {seed}:")


@pytest.fixture
def fills_in(dbt: Dbt) -> Iterator[Dbt]:
    """dbt, filling in what the last version of a user lacks."""
    dbt.variables = {"partial_users": "fill_in"}
    yield dbt
    dbt.variables = {}


@pytest.mark.parametrize(("seed", "changes_before"), [(7, 0), (8, 12)])
def test_changes__come_out_as_a_rebuild_does_where_partial_users_are_filled_in(
    fills_in: Dbt, seed: int, changes_before: int
) -> None:
    worlds = rebuilt(fills_in, seed, changes_before)
    for _ in range(CHANGES_A_COMPARISON):
        change(worlds)
        take_in(fills_in)
    with warehouse.transaction() as cursor:
        cursor.execute(
            "select platform, user_id, username, name, gender, followers, age, age_imputed from core.dim_users "
            "where not is_inferred"
        )
        found = {(platform, user): tuple(values) for platform, user, *values in cursor.fetchall()}
    expected = {user: values for world in worlds for user, values in world.find_last_known().items()}
    assert found == expected
    assert_equals_rebuild(fills_in, f"seed {seed}:")
    fills_in("--select", "assert_users_agree", command="test")


ARRIVALS: list[tuple[str, Row]] = [
    (
        "comments",
        {"comment_key": "0" * 32, "comment_index": 0, "post_id": "p", "comment_user_id": "u", "comment_text": ""},
    ),
    ("posts", {"post_id": "p", "user_id": "u", "tags": [], "views": 0}),
    ("users", {"user_id": "u", "username": "ann", "age_imputed": False}),
]
"""A comment, then its post, then the profile of the author of both."""
MEMBERS = """
select
    (select string_agg(platform || case when is_inferred then ' inferred' else '' end, ', ') from core.dim_posts),
    (select string_agg(concat_ws(' ', username, case when is_inferred then 'inferred' end), ', ') from core.dim_users),
    (select string_agg((comment_user_sk is not null)::text, ', ') from core.fact_comments),
    (select string_agg(concat_ws(' ', username, total_posts, comments_made), ', ')
     from marts_personal.user_engagement_mart),
    (select string_agg(concat_ws(' ', username, total_comments), ', ')
     from marts_personal.content_performance_mart),
    (select concat_ws(' ', platform, total_users, total_posts, comments, total_comments, total_views)
     from marts.platform_mart)
"""
ARRIVED = [
    (None, None, None, None, None, None),
    ("another inferred", None, "false", None, None, "another 0 0 1 0"),
    ("another", "inferred", "true", "1 1", "1", "another 1 1 1 1 0"),
    ("another", "ann", "true", "ann 1 1", "ann 1", "another 1 1 1 1 0"),
]
"""MEMBERS before, and after each of ARRIVALS."""


def test_inferred_members__are_replaced_by_what_arrives_later_and_come_back_when_it_goes(dbt: Dbt) -> None:
    rebuilt(dbt, 11, 0)
    found = [read_members()]
    for table, row in ARRIVALS:
        load_and_take_in(dbt, table, [{"platform": PLATFORM, **row}])
        found.append(read_members())
    assert found == ARRIVED
    for table, expected in (("users", ARRIVED[2]), ("posts", ARRIVED[1])):
        load_and_take_in(dbt, table, [])
        assert read_members() == expected


def load_and_take_in(dbt: Dbt, table: str, rows: list[Row]) -> None:
    with warehouse.transaction() as cursor:
        load(cursor, table, table, rows)
    take_in(dbt)


def read_members() -> tuple[str | None, ...]:
    with warehouse.transaction() as cursor:
        cursor.execute(MEMBERS)
        return cursor.fetchone()


def test_tests__pass_whatever_was_loaded_and_find_users_that_differ(dbt: Dbt) -> None:
    everything = ("--exclude-resource-type", "unit_test")
    worlds = rebuilt(dbt, 9, 12)
    dbt(*everything, command="test")
    dbt.variables = {"partial_users": "fill_in"}
    with pytest.raises(AssertionError, match="assert_users_agree"):
        dbt("--select", "assert_users_agree", command="test")
    dbt.variables = {}
    change(worlds)
    take()
    dbt()
    dbt.variables = {"touched_only": True}
    dbt(*everything, command="test")
    dbt.variables = {}


@pytest.mark.parametrize("seed", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_changes__come_out_as_a_rebuild_does_after_a_run_that_failed(dbt: Dbt, seed: int) -> None:
    random = Random(seed)
    worlds = rebuilt(dbt, seed, 6)
    models = [relation.split(".")[1] for relation in contents() if relation.startswith(BUILT)]
    for _ in range(3):
        change(worlds)
        take()  # and the run fails at once
        change(worlds)
        take()
        failed = random.sample(models, random.choice([1, 2, 3]))
        dbt("--exclude", *(f"{name}+" for name in failed))
        change(worlds)
        take_in(dbt)
        assert_equals_rebuild(dbt, f"seed {seed}, after {', '.join(failed)} failed,")


def test_changes__loaded_before_a_run_ended_are_left_to_the_next(dbt: Dbt) -> None:
    worlds = rebuilt(dbt, 6, 6)
    change(worlds)
    take()
    dbt()
    change(worlds)
    publish(publication.publish_touched, dbt)
    take_in(dbt)
    assert_equals_rebuild(dbt, "seed 6:")
