"""What readers see is replaced as a whole or by touched keys; what others made on it, or beside it, stays."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from luigi_tasks import config, warehouse
from luigi_tasks.dbt.messages import Relation
from luigi_tasks.dbt.publication import publish_touched, publish_whole
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import migrations

READ = ("marts", "marts_personal")
DAYS = Relation("candidates", "days", False, READ, touched={"column": "day", "kind": "day"}, read_by=[])
TAGS = Relation("candidates", "tags", is_view=False, shown_in=READ, touched=None, read_by=["tag"])
LAST_DAY = Relation("candidates", "last_day", is_view=True, shown_in=READ, touched=None, read_by=[])
OPEN_DAYS = replace(LAST_DAY, shown_in=("open",))
CANDIDATES = """
create schema candidates;
create schema staging;
create table candidates.days as select * from (values (1, 'one'), (2, 'two')) as days (day, name);
create table candidates.tags as select 'art' as tag;
create view candidates.last_day as select days.name from candidates.days as days order by days.day desc limit 1;
create table staging.touched_keys as select 'day' as kind, 2 as sk;
"""


EVERYTHING = "select oid, relname, relnamespace, relkind, relacl::text from pg_class where oid >= 16384 order by oid"
OF_OTHERS = """
select relname, relkind, relowner, relacl::text from pg_class
where relnamespace = 'analyst'::regnamespace order by relname
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
        return publish_whole(cursor, relations, lambda *progress: None, None)


@pytest.mark.usefixtures("candidates")
def test_publish_whole__shows_tables_and_views_in_marts() -> None:
    assert publish([DAYS, TAGS, LAST_DAY]) == 3
    assert read("select * from marts.days order by day") == [(1, "one"), (2, "two")]
    execute("truncate candidates.days")  # readers do not depend on it
    assert read("select * from marts.last_day") == [("two",)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__shows_a_mart_in_its_schema_and_drops_it_there() -> None:
    publish([DAYS, OPEN_DAYS])
    assert read("select * from open.last_day") == [("two",)]
    assert (list_relations("marts"), list_relations("open")) == (["days"], ["last_day"])
    assert read("select count(*) from etl.relations where name = 'open.last_day'") == [(1,)]
    publish([DAYS, LAST_DAY])
    assert (list_relations("marts"), list_relations("open")) == (["days", "last_day"], [])
    execute("create view open.last_day as select 'mine' as name")
    with pytest.raises(PipelineError, match=re.escape("view open.last_day")):
        publish([DAYS, OPEN_DAYS])


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
@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("create table published.days (mine int)", "table published.days"),
        ("create view published.days as select 1 as mine", "view published.days"),
        ("create materialized view published.days as select 1 as mine", "materialized view published.days"),
        ("create sequence published.days", "sequence published.days"),
        ("create type published.days as enum ('mine')", "type published.days"),
        ("create table published.days (mine int) partition by range (mine)", "table published.days"),
        ("create table published.notes (n int); create index days on published.notes (n)", "index published.days"),
        ("create table published.days__new (mine int)", "table published.days__new"),
        ("create view published.days__old as select 1 as mine", "view published.days__old"),
        ("create table marts.days (mine int)", "table marts.days"),
        ("create view marts.days as select 1 as mine", "view marts.days"),
        ("create table marts_personal.days (mine int)", "table marts_personal.days"),
        ("create table published.pseudonyms (mine int)", "table published.pseudonyms"),
    ],
)
def test_publish_whole__names_what_is_in_the_way_and_changes_nothing(made: str, name: str) -> None:
    execute(f"create schema published; create schema marts; create schema marts_personal; {made}")
    before = read(EVERYTHING)
    expected = (
        f"the pipeline needs names that objects of others have: {name}; nothing was changed; "
        "rename or move these objects, then run again"
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(expected)}$"):
        publish([DAYS, TAGS, LAST_DAY])
    assert read(EVERYTHING) == before


@pytest.mark.usefixtures("candidates")
def test_publish_whole__keeps_everything_that_others_made_on_published_and_marts() -> None:
    publish([DAYS, TAGS, LAST_DAY])
    execute(
        "create role analyst; create role reader; create schema analyst authorization analyst; "
        "grant usage on schema published, marts to reader, analyst; "
        "grant select on all tables in schema published, marts to analyst; "
        "grant select (name) on published.days to reader; grant select on marts.days to reader; "
        "set role analyst; create view analyst.on_mart as select day from marts.days; "
        "create view analyst.on_last as select * from published.last_day; "
        "create materialized view analyst.chain as select day + 1 as next from (table published.days) as days; "
        "create unique index chain_next on analyst.chain (next); grant select on analyst.chain to reader; reset role"
    )
    before = read(OF_OTHERS)
    execute("insert into candidates.days values (3, 'three')")
    publish([DAYS, TAGS, LAST_DAY])
    assert read(OF_OTHERS) == before
    assert read("select next from analyst.chain order by 1") == [(2,), (3,), (4,)]
    assert read("table analyst.on_last") == [("three",)]
    assert read(
        "select has_column_privilege('reader', 'published.days', 'name', 'select'), "
        "has_column_privilege('reader', 'published.days', 'day', 'select'), "
        "has_table_privilege('reader', 'marts.days', 'select')"
    ) == [(True, False, True)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__makes_views_on_a_mart_again_whose_other_columns_change() -> None:
    publish([DAYS])
    execute("create view public.on_mart as select day from marts.days; grant select on marts.days to pg_monitor")
    execute("alter table candidates.days rename column name to title")
    publish([DAYS])
    assert read("select * from public.on_mart order by 1") == [(1,), (2,)]
    assert read("select has_table_privilege('pg_monitor', 'marts.days', 'select')") == [(True,)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__refuses_where_a_view_reads_a_column_that_goes() -> None:
    publish([DAYS])
    execute("create view public.names as select name from marts.days")
    execute("create view public.shout as select upper(name) from public.names")
    execute("alter table candidates.days rename column name to title")
    before = read(EVERYTHING)
    with pytest.raises(PipelineError, match=r"^this run would lose objects of others") as raised:
        publish([DAYS])
    assert re.search(r"view public\.names \(column \S*name\S* does not exist\)", str(raised.value))
    assert 'view public.shout (relation "public.names" does not exist)' in str(raised.value)
    assert read(EVERYTHING) == before


@pytest.mark.usefixtures("candidates")
def test_publish_whole__sets_such_a_view_aside_where_told_to_and_makes_it_again_once_it_can(monkeypatch) -> None:
    monkeypatch.setattr(config.read_section(config.warehouse), "dependent_views", config.SET_ASIDE)
    publish([DAYS])
    execute("create view public.names as select name from marts.days")
    execute("alter table candidates.days rename column name to title")
    publish([DAYS])
    [(kind, name, reason)] = read("select kind, name, reason from etl.set_aside")
    assert (kind, name) == ("view", "public.names") and re.fullmatch(r"column \S+ does not exist", reason)
    execute("alter table candidates.days rename column title to name")
    publish([DAYS])
    assert read("select * from public.names order by 1") == [("one",), ("two",)]
    assert read("table etl.set_aside") == []


@pytest.mark.usefixtures("candidates")
def test_publish_whole__knows_its_relations_after_somebody_changed_their_comments() -> None:
    publish([DAYS])
    execute("comment on view marts.days is 'Days with posts.'; comment on table published.days is null")
    publish([DAYS])
    assert read("select day from marts.days order by day") == [(1,), (2,)]
    execute("drop table published.days cascade; create table published.days (mine int)")
    with pytest.raises(PipelineError, match=r"objects of others have: table published\.days;"):
        publish([DAYS])


@pytest.mark.usefixtures("candidates")
def test_publish_whole__goes_on_beside_what_was_set_aside_before() -> None:
    publish([DAYS])
    execute(
        "insert into etl.set_aside (kind, name, owner, statements) "
        "values ('view', 'public.v', 'postgres', array['create view public.v as select gone from marts.days'])"
    )
    publish([DAYS])
    assert read("select name from etl.set_aside") == [("public.v",)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__keeps_a_view_on_a_mart_that_is_gone() -> None:
    publish([DAYS, TAGS])
    execute("create view public.on_tags as select tag from marts.tags")
    with pytest.raises(
        PipelineError,
        match=r"^this run would lose objects of others.*view public\.on_tags \(relation \"marts\.tags\" does not",
    ):
        publish([DAYS])
    assert read("table public.on_tags") == [("art",)]


@pytest.mark.usefixtures("candidates")
def test_publish_touched__replaces_touched_rows_and_whole_small_tables() -> None:
    publish([DAYS, TAGS])
    execute("update candidates.days set name = 'new'; update candidates.tags set tag = 'tech'")
    with warehouse.transaction() as cursor:
        assert publish_touched(cursor, [DAYS, TAGS], lambda *progress: None, None) == 2
    assert read("select * from marts.days order by day") == [(1, "one"), (2, "new")]
    assert read("select * from marts.tags") == [("tech",)]


@pytest.mark.usefixtures("candidates")
def test_publish_whole__copies_comments_whatever_they_hold() -> None:
    said = 'it\'s \\ 100 % "quoted" $$ $1 {} \n second line'
    execute('alter table candidates.days add column "Odd "" Name" int')
    with warehouse.transaction() as cursor:
        cursor.execute('comment on column candidates.days."Odd "" Name" is %s', (said,))
        cursor.execute("comment on table candidates.days is 'One row per day. Written by the stage DbtRun.'")
    publish([DAYS, TAGS])
    for schema in ("published", "marts"):
        columns = "select attname, col_description(attrelid, attnum) from pg_attribute where attnum > 0 and attrelid = "
        assert read(f"{columns} '{schema}.days'::regclass and not attisdropped order by attnum") == [
            ("day", None),
            ("name", None),
            ('Odd " Name', said),
        ]
    comment = "select obj_description('{}'::regclass, 'pg_class')"
    assert read(comment.format("marts.days")) == [("One row per day. Written by the stage Publish.",)]
    assert read(comment.format("published.tags"))[0][0].startswith("Written by the stage Publish.")
