"""What readers see is replaced as a whole or by touched keys; what others made in published stays as it is."""

from collections.abc import Sequence

import pytest

from luigi_tasks import warehouse
from luigi_tasks.dbt.messages import Relation
from luigi_tasks.dbt.publication import publish_touched, publish_whole
from luigi_tasks.warehouse import migrations

DAYS = Relation("candidates", "days", is_view=False, is_mart=True, touched={"column": "day", "kind": "day"}, read_by=[])
TAGS = Relation("candidates", "tags", is_view=False, is_mart=True, touched=None, read_by=["tag"])
LAST_DAY = Relation("candidates", "last_day", is_view=True, is_mart=True, touched=None, read_by=[])
CANDIDATES = """
create schema candidates;
create schema staging;
create table candidates.days as select * from (values (1, 'one'), (2, 'two')) as days (day, name);
create table candidates.tags as select 'art' as tag;
create view candidates.last_day as select days.name from candidates.days as days order by days.day desc limit 1;
create table staging.touched_keys as select 'day' as kind, 2 as sk;
"""


@pytest.fixture
def candidates(own_warehouse) -> None:
    migrations.apply()
    execute(CANDIDATES)


def execute(sql: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)


def read(sql: str) -> list[tuple]:
    with warehouse.reading() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def list_relations(schema: str) -> list[str]:
    names = f"select table_name from information_schema.tables where table_schema = '{schema}' order by 1"
    return [name for (name,) in read(names)]


def publish(relations: Sequence[Relation]) -> int:
    with warehouse.transaction() as cursor:
        return publish_whole(cursor, relations, lambda *progress: None)


@pytest.mark.usefixtures("candidates")
def test_publish_whole__shows_tables_and_views_in_marts() -> None:
    assert publish([DAYS, TAGS, LAST_DAY]) == 3
    assert read("select * from marts.days order by day") == [(1, "one"), (2, "two")]
    execute("truncate candidates.days")  # readers do not depend on it
    assert read("select * from marts.last_day") == [("two",)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__leaves_relations_of_others_in_published_alone() -> None:
    publish([DAYS, LAST_DAY])
    execute("create table published.notes as select 1 as note; create view published.note as table published.notes")
    publish([DAYS, LAST_DAY])
    assert list_relations("published") == ["days", "last_day", "note", "notes"]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__drops_what_it_published_before_and_publishes_no_more() -> None:
    publish([DAYS, TAGS, LAST_DAY])
    publish([DAYS])
    assert (list_relations("published"), list_relations("marts")) == (["days"], ["days"])


@pytest.mark.usefixtures("candidates")
def test_publish_whole__replaces_relations_that_an_older_version_left_without_a_mark() -> None:
    publish([DAYS])
    execute("comment on table published.days is null")
    publish([DAYS])
    assert list_relations("published") == ["days"]


@pytest.mark.usefixtures("candidates")
def test_publish_touched__replaces_touched_rows_and_whole_small_tables() -> None:
    publish([DAYS, TAGS])
    execute("update candidates.days set name = 'new'; update candidates.tags set tag = 'tech'")
    with warehouse.transaction() as cursor:
        assert publish_touched(cursor, [DAYS, TAGS], lambda *progress: None) == 2
    assert read("select * from marts.days order by day") == [(1, "one"), (2, "new")]
    assert read("select * from marts.tags") == [("tech",)]
