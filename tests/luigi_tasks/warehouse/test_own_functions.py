"""Whether a function of ours that others changed is told from one that they did not."""

import pytest

from luigi_tasks import warehouse
from luigi_tasks.privacy import masks, roles
from luigi_tasks.warehouse import migrations, own_functions

MASK = "published.mask_text(text)"


def list_all() -> dict[str, own_functions.OwnFunction]:
    sql = [*(migration.sql for migration in migrations.list_migrations()), masks.compose_functions()]
    return {function.name: function for function in own_functions.list_functions(sql)}


def test_list_functions__has_all_that_are_ours():
    assert list_all().keys() == set(roles.FUNCTIONS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("", None),
        ("drop function {}", "dropped"),
        ("alter function {} volatile", "declared"),
        ("alter function {} parallel restricted", "declared"),
        ("alter function {} security definer", "declared"),
        ("alter function {} set search_path = public", "declared"),
        (
            "create or replace function published.mask_text(unmasked text) returns text language plpgsql immutable "
            "parallel safe as 'begin return unmasked; end'",
            "something else",
        ),
    ],
)
def test_find_change__tells_what_others_did(shared_warehouse, change, found):
    with warehouse.transaction() as cursor:
        cursor.execute("create schema published")
        cursor.execute(masks.compose_functions())
        steps = change.replace("{}", MASK)
        if steps:
            cursor.execute(steps)
        said = own_functions.find_change(cursor, list_all()["published.mask_text"])
        cursor.connection.rollback()
    assert said == found if found is None else found in said


def test_find_change__says_nothing_of_functions_as_they_were_created(shared_warehouse):
    migrations.apply()
    with warehouse.reading() as cursor:
        of_etl = [function for name, function in list_all().items() if name.startswith("etl.")]
        assert [own_functions.find_change(cursor, function) for function in of_etl] == [None] * 5
