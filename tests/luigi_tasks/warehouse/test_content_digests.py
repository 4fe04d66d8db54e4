"""Digests of what is loaded, in a real PostgreSQL."""

from luigi_tasks import warehouse
from luigi_tasks.warehouse import content_digests, migrations

OLD_COLUMNS = "t.batch, t.file, t.position, t.user_id, t.username, t.email, t.name, t.age, t.age_imputed, t.gender"
OF_OLD_COLUMNS = f"""
select count(*) || ':' || sum(hash_record_extended(row({OLD_COLUMNS}, t.date_created), 0)) from raw_data.users as t
"""
INSERT = "insert into raw_data.users (batch, file, position, user_id, age_imputed) values ('b', 'f', 0, 'u', false)"


def test_digest_batch__of_rows_without_new_columns_is_that_of_before_these_came(own_warehouse):
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute(INSERT)
        cursor.execute(OF_OLD_COLUMNS)
        assert cursor.fetchone() == (content_digests.digest_batch(cursor, "users", "b"),)


def test_digest_batch__tells_values_in_new_columns(own_warehouse):
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute(INSERT)
        found = {content_digests.digest_batch(cursor, "users", "b")}
        for change in ("platform = 'x'", "followers = 0", "followers = null, location = 'x'"):
            cursor.execute(f"update raw_data.users set {change}")
            found.add(content_digests.digest_batch(cursor, "users", "b"))
    assert len(found) == 4
