"""What the masks leave of each type, and that a column without one is not published."""

import re

import pytest

from luigi_tasks import warehouse
from luigi_tasks.dbt.messages import Relation
from luigi_tasks.dbt.publication import publish_touched, publish_whole
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy.masks import PSEUDONYMS_TABLE, USERS, Masks
from luigi_tasks.privacy.privacy_map import Kind
from luigi_tasks.warehouse import migrations

IDENTITY, CONTENT = ("identity",), ("content",)
NAME = USERS.partition(".")[2]
ROWS = Relation(
    "candidates",
    NAME,
    is_view=False,
    shown_in=("marts", "marts_personal"),
    touched={"column": "user_sk", "kind": "user"},
    read_by=[],
)
KINDS = {
    "user_sk": Kind("key", "", IDENTITY, ("user_id",), "pseudonym"),
    "code": Kind("code", "", CONTENT, ("user_id",), "pseudonym"),
    "name": Kind("name", "", IDENTITY, ("user_id",), "empty"),
    "born": Kind("day", "", IDENTITY, ("user_id",), "generalised"),
    "seen": Kind("time", "", IDENTITY, ("user_id",), "generalised"),
    "age": Kind("age", "", IDENTITY, ("user_id",), "generalised"),
    "note": Kind("note", "", CONTENT, ("text",), "masked_text"),
    "likes": Kind("count", "", IDENTITY, ("user_id",), "none"),
}
MASKS = Masks({NAME: KINDS})
SHOWN = f"select * from marts.{NAME} order by likes"


@pytest.fixture
def candidates(own_warehouse) -> None:
    migrations.apply()
    execute(
        f"create schema candidates; create schema staging; create table candidates.{NAME} as "
        "select md5(n::text)::uuid as user_sk, 'c' || n as code, 'Ann'::varchar(9) as name, date '1990-05-06' as born, "
        "timestamptz '2024-01-02 03:04:05+00' as seen, 47::smallint as age, 'at www.example.com'::varchar(30) as note, "
        "n as likes from generate_series(1, 2) as n; "
        "create table staging.touched_keys as select 'user' as kind, md5('3')::uuid as sk"
    )


def execute(sql: str) -> list[tuple]:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def publish(masks: Masks | None = MASKS) -> None:
    with warehouse.transaction() as cursor:
        publish_whole(cursor, [ROWS], lambda *progress: None, masks)


@pytest.mark.usefixtures("candidates")
def test_publish__masks_by_kind_and_type():
    publish()
    [pseudonym] = execute(f"select pseudonym::text from {PSEUDONYMS_TABLE} where user_sk = md5('1')::uuid")
    [digest] = execute(
        f"select encode(sha256((secret || 'c1')::bytea), 'hex') from {PSEUDONYMS_TABLE} where user_sk = md5('1')::uuid"
    )
    [shown, _] = execute(
        f"select user_sk::text, code, name, born::text, seen::text, age, note, likes from ({SHOWN}) as t"
    )
    assert shown == (*pseudonym, *digest, None, "1990-01-01", "2024-01-02 00:00:00+00", 40, "at [link]", 1)
    types = "select attname, format_type(atttypid, atttypmod) from pg_attribute where attnum > 0 and attrelid = "
    assert execute(f"{types} 'marts.{NAME}'::regclass") == execute(f"{types} 'marts_personal.{NAME}'::regclass")


@pytest.mark.usefixtures("candidates")
def test_publish__gives_new_users_pseudonyms_and_keeps_those_of_others():
    publish()
    before = execute(f"select user_sk, code from ({SHOWN}) as shown")
    execute(
        f"insert into candidates.{NAME} (user_sk, code, likes) values (md5('3')::uuid, 'c3', 3), (null, 'c4', 4)",
    )
    with warehouse.transaction() as cursor:
        publish_touched(cursor, [ROWS], lambda *progress: None, MASKS)
    [*same, new] = execute(f"select user_sk, code from ({SHOWN}) as shown")
    assert same == before and new[0] and new[1]
    publish(None)
    publish()
    [*same, nobody] = execute(f"select user_sk, code from ({SHOWN}) as shown")
    assert same == [*before, new] and nobody[0] is None and nobody[1] not in (None, "c4")
    execute(f"delete from {PSEUDONYMS_TABLE}")
    assert execute(f"select count(user_sk), count(code) from ({SHOWN}) as shown") == [(0, 0)]


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("column", "kind", "fault"),
    [
        ("likes", None, "is not in the map"),
        ("likes", KINDS["note"], "has the mask masked_text, which does not fit integer"),
        ("note", KINDS["age"], "has the mask generalised, which does not fit character varying(30)"),
        ("note", Kind("key", "", IDENTITY, ("commenter",), "pseudonym"), "has the mask pseudonym, which does not fit"),
    ],
)
def test_publish__stops_at_a_column_without_a_mask_that_fits(column: str, kind: Kind | None, fault: str):
    kinds = {name: each for name, each in {**KINDS, column: kind}.items() if each}
    publish()
    execute(f"update candidates.{NAME} set likes = 7")
    expected = rf"^the marts cannot be masked .*: marts\.{NAME}\.{column} {re.escape(fault)}"
    with pytest.raises(PipelineError, match=expected):
        publish(Masks({NAME: kinds}))
    assert execute(f"select likes from ({SHOWN}) as shown") == [(1,), (2,)]
