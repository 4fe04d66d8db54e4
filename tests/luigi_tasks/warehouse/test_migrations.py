"""The layout of raw_data and etl, in a real PostgreSQL."""

from luigi_tasks import warehouse
from luigi_tasks.warehouse import migrations


def columns(table: str) -> dict[str, str]:
    with warehouse.transaction() as cursor:
        cursor.execute(
            "select attname, atttypid::regtype::text from pg_attribute where attrelid = %s::regclass and attnum > 0",
            (table,),
        )
        return dict(cursor.fetchall())


def test_prepare__keeps_the_rows_of_an_older_layout(own_warehouse):
    migrations.prepare()
    wanted = columns("raw_data.comments")
    key = "0123456789abcdef0123456789abcdef"
    with warehouse.transaction() as cursor:
        cursor.execute("drop table raw_data.comments; comment on schema raw_data is 'layout of an older version'")
        older = ", ".join(f"{name} {'text' if type_ == 'uuid' else type_}" for name, type_ in wanted.items())
        cursor.execute(f"create table raw_data.comments ({older}, no_more integer)")
        cursor.execute("create view public.on_it as select comment_key from raw_data.comments")
        cursor.execute(
            "insert into raw_data.comments (batch, file, position, post_index, comment_index, comment_key, post_id, "
            "comment_text) values ('b', 'f', 1, 2, 3, %s, 'p', 'text')",
            (key,),
        )
        cursor.execute("insert into etl.table_updates values ('m', 'candidates', ''), ('l', 'raw_data.users', 'b')")
    migrations.prepare()
    assert columns("raw_data.comments") == wanted
    with warehouse.transaction() as cursor:
        cursor.execute(
            "select batch, position, replace(comment_key::text, '-', ''), comment_text from raw_data.comments"
        )
        assert cursor.fetchall() == [("b", 1, key, "text")]
        cursor.execute("select target_table from etl.table_updates")
        assert cursor.fetchall() == [("raw_data.users",)]
        cursor.execute("select to_regclass('raw_data.comments_by_batch') is not null, to_regclass('public.on_it')")
        assert cursor.fetchall() == [(True, None)]


def test_prepare__leaves_what_is_as_it_should_be(own_warehouse):
    migrations.prepare()
    with warehouse.transaction() as cursor:
        cursor.execute("comment on schema raw_data is 'layout of an older version'")
        cursor.execute("select oid from pg_class where relname in ('users', 'posts', 'comments') order by oid")
        before = cursor.fetchall()
    migrations.prepare()
    with warehouse.transaction() as cursor:
        cursor.execute("select oid from pg_class where relname in ('users', 'posts', 'comments') order by oid")
        assert cursor.fetchall() == before
